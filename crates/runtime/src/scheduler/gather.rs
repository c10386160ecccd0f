//! What a worker does that finds no memory: the others may have pieces and stacks that they do not need.
//!
//! It asks those that have a thread to give what they recycle to the depots and the pools before their next turn, and looks there until all have done so. What a trim is
//! looking through is in no depot either, so it waits for that as well. From then on workers take no more than they need at once, so that there is some for the others.
//! Only one worker asks at a time; who waits to ask gives meanwhile. Where memory is really used up, each failure would ask in vain, and where there is little, workers would
//! do little else than take it from each other: nobody asks again so soon for the same need.

use super::Scheduler;
use super::worker::Worker;
use crate::deadlines;
use crate::memory;
use std::sync::TryLockError;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// How long a worker waits for the others, one of which may be in foreign code, and all of which may have to wait for a processor.
const PATIENCE_NS: u64 = 200_000_000;
/// After a worker has asked, none does for the same need for so long.
const PAUSE_NS: u64 = 20_000_000;
/// Between two looks at what the others have given.
const LOOK: Duration = Duration::from_micros(50);

/// What memory is needed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// For what runs, to spawn or to call deeper.
    Run,
    /// To start what was spawned.
    Start,
}

/// When a worker has last asked for each need; 0 before.
#[derive(Default)]
pub struct Asked {
    to_run_ns: u64,
    to_start_ns: u64,
}

impl Asked {
    /// Whether a worker may ask now; then it has.
    fn begin(&mut self, need: Need, now_ns: u64) -> bool {
        let last_ns = match need {
            Need::Run => &mut self.to_run_ns,
            Need::Start => &mut self.to_start_ns,
        };
        let may = *last_ns == 0 || now_ns >= *last_ns + PAUSE_NS;
        if may {
            *last_ns = now_ns;
        }
        may
    }
}

impl Scheduler {
    /// What `find` finds of what others have given, for `asker`, which has found nothing. On its thread, where nothing of its memory is in use.
    #[cold]
    pub(super) fn gather<T>(
        &self,
        asker: &Worker,
        need: Need,
        mut find: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        memory::set_scarce(true);
        let mut asked = loop {
            asker.give_free();
            match self.gathering.try_lock() {
                Ok(asked) => break asked,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => thread::sleep(LOOK),
            }
        };
        let began_ns = deadlines::now_ns();
        let asks = asked.begin(need, began_ns);
        let others = || {
            let others = self.workers.iter().filter(|worker| worker.has_started());
            others.filter(|worker| worker.index != asker.index)
        };
        if asks {
            others().for_each(Worker::ask_for_free);
        }
        loop {
            let is_given = || asks && others().any(Worker::owes_free);
            let may_be_more = (is_given() || memory::is_trimming())
                && deadlines::now_ns() < began_ns + PATIENCE_NS
                && !self.stopping.load(Ordering::Relaxed);
            let found = find();
            if found.is_some() || !may_be_more {
                return found;
            }
            thread::sleep(LOOK);
        }
    }
}
