//! Counting semaphores. Invariant (guarded by the lock): nobody waits while there are permits.
//!
//! Generated code takes a permit by itself, under the lock, where there is one, and gives it back where nobody waits (`emit/counter_path.rs` of the
//! compiler); for all else it calls.

use crate::door::{AtomicU64, Ordering::Relaxed};
use crate::handle;
use crate::panic;
use crate::scheduler::Outcome;
use crate::waiter::{self, Purpose, Queue, Waitable, Waiting};
use echo_abi::layout::{COUNTER_LOCK_OFFSET, COUNTER_OFFSET, COUNTER_WAITERS_OFFSET};
use std::mem::offset_of;

#[repr(C)]
pub struct Semaphore {
    base: Waitable,
    permits: AtomicU64,
    waiters: Queue,
}
const _: () = assert!(
    cfg!(loom)
        || offset_of!(Waitable, lock) == COUNTER_LOCK_OFFSET
            && offset_of!(Semaphore, permits) == COUNTER_OFFSET
            && offset_of!(Semaphore, waiters) == COUNTER_WAITERS_OFFSET
);

/// A new semaphore.
pub fn new(permits: i64, position: u32) -> Outcome {
    let Ok(permits) = u64::try_from(permits) else {
        return panic::raise(
            format!("semaphore permits are negative: {permits}"),
            position,
        );
    };
    let semaphore = handle::create(|base| Semaphore {
        base,
        permits: AtomicU64::new(permits),
        waiters: Queue::new(),
    });
    Outcome::pointer(semaphore)
}

/// Who waits; guarded by the lock.
pub unsafe fn waiters<'a>(semaphore: *const Semaphore) -> &'a Queue {
    // SAFETY: alive as long as somebody waits.
    unsafe { &(*semaphore).waiters }
}

/// Frees the semaphore; nobody waits, as waiters are owners.
pub unsafe fn destroy(semaphore: *mut Semaphore) {
    // SAFETY: the last owner is gone.
    unsafe { handle::free(semaphore) }
}

/// Takes a permit, waiting for one if need be.
#[inline(always)]
pub unsafe fn acquire(semaphore: *mut Semaphore, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference.
    unsafe {
        let this = &*semaphore;
        if !this.base.lock.lock_at_once() {
            return acquire_slowly(this, position);
        }
        if this.take_permit() {
            this.base.lock.unlock();
            return Outcome::DONE;
        }
        wait(this, position)
    }
}

#[cold]
unsafe fn acquire_slowly(this: &Semaphore, position: u32) -> Outcome {
    this.base.lock.lock();
    if this.take_permit() {
        this.base.lock.unlock();
        return Outcome::DONE;
    }
    // SAFETY: passed on.
    unsafe { wait(this, position) }
}

/// Under the lock, which is released.
#[inline(never)]
unsafe fn wait(this: &Semaphore, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference, and the lock.
    unsafe {
        let waiting = Waiting::new(Purpose::Semaphore, position);
        waiter::wait(&this.waiters, &this.base, waiting)
    }
}

/// Takes a permit if there is one.
pub unsafe fn try_acquire(semaphore: *mut Semaphore) -> bool {
    // SAFETY: the caller owns a reference.
    unsafe {
        let this = &*semaphore;
        this.base.lock.lock();
        let taken = this.take_permit();
        this.base.lock.unlock();
        taken
    }
}

/// Gives a permit to who waits longest, or back.
pub unsafe fn release(semaphore: *mut Semaphore) {
    // SAFETY: the caller owns a reference.
    unsafe {
        let this = &*semaphore;
        this.base.lock.lock();
        let next = if this.waiters.is_empty() {
            None
        } else {
            this.waiters.pop()
        };
        match next {
            None => {
                this.permits.store(this.permits.load(Relaxed) + 1, Relaxed);
                this.base.lock.unlock();
            }
            Some(next) => {
                this.base.lock.unlock();
                waiter::wake(next, 0);
            }
        }
    }
}

impl Semaphore {
    /// Under the lock.
    #[inline(always)]
    fn take_permit(&self) -> bool {
        let permits = self.permits.load(Relaxed);
        if permits > 0 {
            self.permits.store(permits - 1, Relaxed);
        }
        permits > 0
    }
}
