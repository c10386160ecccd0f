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
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How long workers wait for one that was asked: it may be in foreign code, and all of them may have to wait for a processor.
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
        let began_ns = deadlines::now_ns();
        let last_ns = self.asked_ns(need);
        let is_soon = || {
            let last_ns = last_ns.load(Ordering::Relaxed);
            last_ns != 0 && began_ns < last_ns + PAUSE_NS
        };
        let others = || {
            let others = self.workers.iter().filter(|worker| worker.has_started());
            others.filter(|worker| worker.index != asker.index)
        };
        // Whoever has asked: what some still owe may be needed.
        let may_be_more = || {
            let asked_ns = deadlines::now_ns().saturating_sub(PATIENCE_NS);
            let may_trim = memory::is_trimming() && began_ns > asked_ns;
            (may_trim || others().any(|worker| worker.owes_free(asked_ns)))
                && !self.stopping.load(Ordering::Relaxed)
        };
        asker.put_spare_apart();
        if is_soon() && !may_be_more() {
            return find();
        }
        let _asking = loop {
            asker.give_free();
            match self.gathering.try_lock() {
                Ok(asking) => break asking,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => thread::sleep(LOOK),
            }
        };
        let asks = !is_soon();
        if asks {
            others().for_each(|worker| worker.ask_for_free(began_ns));
        }
        let found = loop {
            let waits = may_be_more();
            let found = find();
            if found.is_some() || !(waits || may_be_more()) {
                break found;
            }
            thread::sleep(LOOK);
        };
        if asks {
            last_ns.store(deadlines::now_ns(), Ordering::Relaxed);
        }
        found
    }

    /// When a worker has last stopped asking for it; 0 before.
    fn asked_ns(&self, need: Need) -> &AtomicU64 {
        match need {
            Need::Run => &self.asked_to_run_ns,
            Need::Start => &self.asked_to_start_ns,
        }
    }
}
