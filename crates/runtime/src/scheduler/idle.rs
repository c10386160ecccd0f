//! Who sleeps, who searches, and the exact moment when nothing can happen any more.
//!
//! # Invariants
//! * A worker is in `sleepers` from the moment it decides to sleep until somebody (itself included) takes it out, under the lock. Who takes
//!   another out notifies its parker.
//! * Before sleeping, a worker that is in the list looks at all queues once more. Who makes work available from outside the workers (injector)
//!   looks at the list afterwards. Both use sequentially consistent order, so one of them sees the other.
//! * Work in a worker's own queue needs no such care: that worker is awake and will run it.
//! * **Quiescence**: all workers are in the list, the queues are empty, no timer is wanted, no external operation is pending. Only then. As
//!   nothing can change this state from inside, the worker that finds it has found the truth.

use crate::door::{AtomicU32, AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::door::{futex_wait, futex_wake};
use std::time::Duration;

/// Sleeping and searching workers.
pub struct Idle {
    sleepers: Mutex<Vec<usize>>,
    /// Length of the list, for readers without the lock.
    pub sleeping: AtomicUsize,
    pub searching: AtomicUsize,
    /// Earliest time at which a sleeper will wake by itself.
    pub wake_at_ns: AtomicU64,
    workers: usize,
}

impl Idle {
    pub fn new(workers: usize) -> Idle {
        Idle {
            sleepers: Mutex::new(Vec::with_capacity(workers)),
            sleeping: AtomicUsize::new(0),
            searching: AtomicUsize::new(0),
            wake_at_ns: AtomicU64::new(u64::MAX),
            workers,
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, Vec<usize>> {
        self.sleepers
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Puts a worker into the list; whether all are in it now.
    pub fn enter(&self, worker: usize) -> bool {
        let mut sleepers = self.lock();
        sleepers.push(worker);
        self.sleeping.store(sleepers.len(), Ordering::SeqCst);
        sleepers.len() == self.workers
    }

    /// Takes a worker out of the list; false if somebody else has.
    pub fn leave(&self, worker: usize) -> bool {
        let mut sleepers = self.lock();
        let place = sleepers.iter().position(|&sleeper| sleeper == worker);
        if let Some(place) = place {
            sleepers.remove(place);
            self.sleeping.store(sleepers.len(), Ordering::SeqCst);
        }
        place.is_some()
    }

    /// Takes the worker out that fell asleep last.
    pub fn take_one(&self) -> Option<usize> {
        let mut sleepers = self.lock();
        let worker = sleepers.pop();
        self.sleeping.store(sleepers.len(), Ordering::SeqCst);
        worker
    }

    /// Whether waking a sleeper could help: there is one, and nobody searches already.
    #[inline]
    pub fn should_wake(&self) -> bool {
        self.sleeping.load(Ordering::SeqCst) != 0 && self.searching.load(Ordering::SeqCst) == 0
    }

    /// Becomes a searcher unless half of the workers are.
    pub fn start_searching(&self) -> bool {
        if self.searching.load(Ordering::Relaxed) * 2 >= self.workers.max(2) {
            return false;
        }
        self.searching.fetch_add(1, Ordering::SeqCst);
        true
    }

    pub fn stop_searching(&self) {
        self.searching.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Where one worker sleeps: a futex with one bit of memory.
pub struct Parker {
    notified: AtomicU32,
}

impl Parker {
    pub fn new() -> Parker {
        Parker {
            notified: AtomicU32::new(0),
        }
    }

    /// Sleeps until notified (also before the call) or until the time is up; whether it was notified.
    pub fn park(&self, timeout: Option<Duration>) -> bool {
        if self.notified.swap(0, Ordering::Acquire) != 0 {
            return true;
        }
        futex_wait(&self.notified, 0, timeout);
        self.notified.swap(0, Ordering::Acquire) != 0
    }

    pub fn notify(&self) {
        if self.notified.swap(1, Ordering::Release) == 0 {
            futex_wake(&self.notified);
        }
    }
}
