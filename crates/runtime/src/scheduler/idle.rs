//! Who sleeps, who searches, and the exact moment when nothing can happen any more.
//!
//! # Invariants
//! * A worker is in `sleepers` from the moment it decides to sleep until somebody (itself included) takes it out, under the lock. Who takes
//!   another out notifies its parker. One whose thread cannot be started is lost: it counts as asleep for ever, and nobody takes it out.
//! * Before sleeping, a worker that is in the list looks at all injectors once more. Who makes work available from outside the workers (injector)
//!   looks at the list afterwards. Both use sequentially consistent order, so one of them sees the other. The end of an external operation is made known
//!   in the same way, and it wakes somebody if all sleep, to find out whether that was the end of the program.
//! * Work in a worker's own queue or deque needs no such care: that worker is awake and will run it. A searcher looks at the deques once more all the same, as
//!   nobody was woken because of what was spawned while it searched.
//! * **What is worth taking**: a coroutine that has not started, at once. One that has run only when it has waited for some microseconds
//!   (`worker::steal::STEAL_AFTER_NS`) or its queue is long: coroutines that talk to each other stay together on the worker where they first meet. A searcher finds that out by watching
//!   the queues for so long, and longer when what it took did not keep it busy. A worker whose offers nobody took makes fewer; the monitor wakes a searcher at every tick as long as anything waits.
//! * At most half of the workers search, and half of the processors.
//! * **Quiescence**: all workers are in the list, the queues are empty, no timer is wanted, no external operation is pending. Only then. As
//!   nothing can change this state from inside, the worker that finds it has found the truth.

use crate::door::{AtomicU32, AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::door::{futex_wait, futex_wake};
use std::time::Duration;

/// What a worker is to do that found nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Something has come.
    GetUp,
    /// Park; it is in the list.
    Sleep,
    /// Nothing can happen any more; no other worker is told so.
    Over,
}

/// Sleeping and searching workers.
pub struct Idle {
    sleepers: Mutex<Sleepers>,
    /// Length of the list, for readers without the lock.
    pub sleeping: AtomicUsize,
    pub searching: AtomicUsize,
    /// Earliest time at which a sleeper will wake by itself.
    pub wake_at_ns: AtomicU64,
    workers: usize,
    most_searchers: usize,
}

impl Idle {
    /// For so many workers on each node, and processors in all.
    pub fn new(workers: &[usize], processors: usize) -> Idle {
        let count: usize = workers.iter().sum();
        Idle {
            most_searchers: count.min(processors).max(2) / 2,
            sleepers: Mutex::new(Sleepers::new(workers)),
            sleeping: AtomicUsize::new(0),
            searching: AtomicUsize::new(0),
            wake_at_ns: AtomicU64::new(u64::MAX),
            workers: count,
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// For a worker that found nothing to do: puts it into the list and looks again. Only if it is to sleep it stays there.
    #[inline]
    pub fn lie_down(
        &self,
        worker: usize,
        has_work: impl Fn() -> bool,
        nothing_is_left: impl FnOnce() -> bool,
    ) -> Rest {
        let all_asleep = self.enter(worker);
        if has_work() {
            self.leave(worker);
            Rest::GetUp
        } else if all_asleep && self.leave_if_last(worker, nothing_is_left) {
            Rest::Over
        } else {
            Rest::Sleep
        }
    }

    /// Finds quiescence, and takes the worker that does so out of the list in the same step: two workers may have entered the list last, one of
    /// them before the other was woken and entered it again, but only one is told.
    fn leave_if_last(&self, worker: usize, nothing_is_left: impl FnOnce() -> bool) -> bool {
        let mut sleepers = self.lock();
        let is_over = sleepers.len == self.workers && nothing_is_left();
        if is_over {
            sleepers.remove(worker);
            self.sleeping.store(sleepers.len, Ordering::SeqCst);
        }
        is_over
    }

    /// Whether all workers are in the list, as far as can be seen without the lock.
    pub fn all_asleep(&self) -> bool {
        self.sleeping.load(Ordering::SeqCst) == self.workers
    }

    /// Puts a worker into the list; whether all are in it now.
    pub fn enter(&self, worker: usize) -> bool {
        let mut sleepers = self.lock();
        sleepers.push(worker);
        self.sleeping.store(sleepers.len, Ordering::SeqCst);
        sleepers.len == self.workers
    }

    /// A worker that was taken out cannot be woken, ever.
    pub fn lose(&self) {
        let mut sleepers = self.lock();
        sleepers.len += 1;
        self.sleeping.store(sleepers.len, Ordering::SeqCst);
    }

    /// Takes a worker out of the list; false if somebody else has.
    pub fn leave(&self, worker: usize) -> bool {
        let mut sleepers = self.lock();
        let slept = sleepers.remove(worker);
        self.sleeping.store(sleepers.len, Ordering::SeqCst);
        slept
    }

    /// Takes the worker out that fell asleep last on the first of the nodes that has one: the caller notifies it.
    pub fn take_one(&self, nodes: &[usize]) -> Option<usize> {
        if self.sleeping.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let mut sleepers = self.lock();
        let worker = nodes.iter().find_map(|&node| sleepers.latest(node))?;
        sleepers.remove(worker);
        self.sleeping.store(sleepers.len, Ordering::SeqCst);
        Some(worker)
    }

    /// Whether waking a sleeper could help: there is one, and nobody searches already.
    #[inline]
    pub fn should_wake(&self) -> bool {
        self.sleeping.load(Ordering::SeqCst) != 0 && self.searching.load(Ordering::SeqCst) == 0
    }

    /// Becomes a searcher unless there are enough.
    pub fn start_searching(&self) -> bool {
        if self.searching.load(Ordering::Relaxed) >= self.most_searchers {
            return false;
        }
        self.searching.fetch_add(1, Ordering::SeqCst);
        true
    }

    pub fn stop_searching(&self) {
        self.searching.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The workers that sleep: a list for each node, linked through the workers' places, so that nobody searches.
pub struct Sleepers {
    places: Box<[Place]>,
    /// How many sleep, with those that are in no list as they are lost.
    pub len: usize,
    /// Before the heads of the lists, which follow the workers, one per node.
    workers: usize,
}

#[derive(Clone, Copy)]
struct Place {
    /// The one that fell asleep before; of a head, the latest. Its own when the list is empty, or the worker awake.
    before: usize,
    after: usize,
    head: usize,
}

impl Sleepers {
    fn new(on_nodes: &[usize]) -> Sleepers {
        let workers = on_nodes.iter().sum();
        let heads = (workers..).zip(on_nodes);
        let heads = heads.flat_map(|(head, &on_it)| std::iter::repeat_n(head, on_it));
        let heads = heads.chain(workers..workers + on_nodes.len());
        let places = heads.enumerate().map(|(index, head)| Place {
            before: index,
            after: index,
            head,
        });
        Sleepers {
            places: places.collect(),
            len: 0,
            workers,
        }
    }

    fn push(&mut self, worker: usize) {
        let head = self.places[worker].head;
        let before = self.places[head].before;
        debug_assert_eq!(self.places[worker].before, worker, "is awake");
        self.places[worker].before = before;
        self.places[worker].after = head;
        self.places[before].after = worker;
        self.places[head].before = worker;
        self.len += 1;
    }

    /// False if the worker does not sleep.
    fn remove(&mut self, worker: usize) -> bool {
        let Place { before, after, .. } = self.places[worker];
        if before == worker {
            return false;
        }
        self.places[before].after = after;
        self.places[after].before = before;
        self.places[worker].before = worker;
        self.places[worker].after = worker;
        self.len -= 1;
        true
    }

    /// The worker of a node that fell asleep last.
    fn latest(&self, node: usize) -> Option<usize> {
        let latest = self.places[self.workers + node].before;
        (latest < self.workers).then_some(latest)
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
