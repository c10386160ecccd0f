//! What a worker does that finds no memory: the others may have pieces and stacks that they do not need.
//!
//! It asks those that have a thread to give what they recycle to the depots and the pools before their next turn, and waits until they have done so. Only one
//! worker asks at a time; who waits to ask gives meanwhile, and has been helped when the one before has done. Where memory is really used up, each failure would ask
//! in vain: nobody asks again so soon.

use super::Scheduler;
use super::worker::Worker;
use crate::deadlines;
use std::sync::TryLockError;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// How long a worker waits for the others, one of which may be in foreign code, and all of which may have to wait for a processor.
const PATIENCE_NS: u64 = 200_000_000;
/// Nobody asks for so long after the last one.
const PAUSE_NS: u64 = 20_000_000;
/// Between two looks at whether the others have given.
const LOOK: Duration = Duration::from_micros(50);

impl Scheduler {
    /// Whether `asker`, which has found no memory, may find some now. On its thread, where nothing of its memory is in use.
    #[cold]
    pub(super) fn gather(&self, asker: &Worker) -> bool {
        if asker.is_alone {
            return false;
        }
        let began_ns = deadlines::now_ns();
        let mut asked_ns = loop {
            asker.give_free();
            match self.gathering.try_lock() {
                Ok(asked_ns) => break asked_ns,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => thread::sleep(LOOK),
            }
        };
        if *asked_ns > began_ns {
            return true;
        }
        if *asked_ns != 0 && began_ns < *asked_ns + PAUSE_NS {
            return false;
        }
        let others = || {
            let others = self.workers.iter().filter(|worker| worker.has_started());
            others.filter(|worker| worker.index != asker.index)
        };
        others().for_each(Worker::ask_for_free);
        while others().any(Worker::owes_free)
            && deadlines::now_ns() < began_ns + PATIENCE_NS
            && !self.stopping.load(Ordering::Relaxed)
        {
            thread::sleep(LOOK);
        }
        *asked_ns = deadlines::now_ns();
        true
    }
}
