//! Wait groups. Invariant (guarded by the lock): nobody waits while the counter is zero.
//!
//! The counter is written under the lock; that it is zero may be seen without it, which acquires what those released who counted down.
//!
//! Generated code counts by itself, under the lock, where that wakes nobody (`emit/counter_path.rs` of the compiler); for all else it calls.

use crate::door::{AtomicI64, Ordering::Relaxed, Ordering::Release};
use crate::handle;
use crate::panic;
use crate::scheduler::Outcome;
use crate::waiter::{self, Purpose, Queue, Waitable, Waiting};
use echo_abi::layout::{COUNTER_LOCK_OFFSET, COUNTER_OFFSET, COUNTER_WAITERS_OFFSET};
use std::mem::offset_of;

#[repr(C)]
pub struct WaitGroup {
    base: Waitable,
    counter: AtomicI64,
    waiters: Queue,
}
const _: () = assert!(
    cfg!(loom)
        || offset_of!(Waitable, lock) == COUNTER_LOCK_OFFSET
            && offset_of!(WaitGroup, counter) == COUNTER_OFFSET
            && offset_of!(WaitGroup, waiters) == COUNTER_WAITERS_OFFSET
);

/// A new wait group.
pub fn new() -> *mut WaitGroup {
    handle::create(|base| WaitGroup {
        base,
        counter: AtomicI64::new(0),
        waiters: Queue::new(),
    })
}

/// Who waits; guarded by the lock.
pub unsafe fn waiters<'a>(group: *const WaitGroup) -> &'a Queue {
    // SAFETY: alive as long as somebody waits.
    unsafe { &(*group).waiters }
}

/// Frees the wait group; nobody waits, as waiters are owners.
pub unsafe fn destroy(group: *mut WaitGroup) {
    // SAFETY: the last owner is gone.
    unsafe { handle::free(group) }
}

/// Adds to the counter and wakes all who wait when it becomes zero.
pub unsafe fn add(group: *mut WaitGroup, count: i64, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference.
    unsafe {
        let this = &*group;
        this.base.lock.lock();
        let counter = match this.counter.load(Relaxed).checked_add(count) {
            Some(counter) if counter >= 0 => counter,
            sum => {
                this.base.lock.unlock();
                return match sum {
                    Some(_) => panic::raise("wait group counter is negative", position),
                    None => panic::raise("wait group counter overflows", position),
                };
            }
        };
        this.counter.store(counter, Release);
        if counter > 0 || this.waiters.is_empty() {
            this.base.lock.unlock();
            return Outcome::DONE;
        }
        let claimed = this.waiters.pop_all();
        this.base.lock.unlock();
        claimed.for_each(|node| waiter::wake(node, 0));
        Outcome::DONE
    }
}

/// Waits until the counter is zero.
pub unsafe fn wait(group: *mut WaitGroup, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference.
    unsafe {
        let this = &*group;
        this.base.lock.lock();
        if this.counter.load(Relaxed) == 0 {
            this.base.lock.unlock();
            return Outcome::DONE;
        }
        let waiting = Waiting::new(Purpose::WaitGroup, position);
        waiter::wait(&this.waiters, &this.base, waiting)
    }
}
