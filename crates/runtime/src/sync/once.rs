//! `Once`: a function that runs one time, while all other callers wait.
//!
//! The runner holds the `Once` ([`super::held`]): should it fail, or end without saying so, the function counts as run, as in Go. `state` is
//! written under the lock; [`DONE`] may be seen without it. The link `hold` belongs to the runner.

use super::held::{self, Hold, Identity};
use crate::door::{AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use crate::handle;
use crate::scheduler::Outcome;
use crate::waiter::{self, Purpose, Queue, Waitable, Waiting};
use echo_abi::layout::{ONCE_DONE, ONCE_STATE_OFFSET};
use std::cell::Cell;
use std::mem::offset_of;

const NEW: u32 = 0;
const RUNNING: u32 = 1;
const DONE: u32 = ONCE_DONE;

#[repr(C)]
pub struct Once {
    base: Waitable,
    state: AtomicU32,
    waiters: Queue,
    hold: Hold,
    /// The last owner is gone; guarded by the lock.
    orphaned: Cell<bool>,
}
const _: () = assert!(cfg!(loom) || offset_of!(Once, state) == ONCE_STATE_OFFSET);

/// A new `Once`.
pub fn new() -> *mut Once {
    let once = handle::create(|base| Once {
        base,
        state: AtomicU32::new(NEW),
        waiters: Queue::new(),
        hold: Hold::new(Purpose::Once),
        orphaned: Cell::new(false),
    });
    // SAFETY: fresh.
    unsafe { (*once).hold.init(once.cast()) };
    once
}

/// Who waits; guarded by the lock.
pub unsafe fn waiters<'a>(once: *const Once) -> &'a Queue {
    // SAFETY: alive as long as somebody waits.
    unsafe { &(*once).waiters }
}

/// Frees it, now or when its runner is done with it.
pub unsafe fn destroy(once: *mut Once) {
    // SAFETY: the last owner is gone; parties that wait own references, so only a runner can be left.
    unsafe {
        (*once).base.lock.lock();
        (*once).orphaned.set(true);
        let free = (*once).state.load(Relaxed) != RUNNING;
        (*once).base.lock.unlock();
        if free {
            handle::free(once);
        }
    }
}

/// The word is 1 when the caller is to run the function and then to call [`end`]; 0 when it has been run.
#[inline(always)]
pub unsafe fn begin(once: *mut Once, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference.
    unsafe {
        if (*once).state.load(Acquire) == DONE {
            return Outcome::bool(false);
        }
        begin_or_wait(once, position)
    }
}

#[inline(never)]
unsafe fn begin_or_wait(once: *mut Once, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference; the link is the runner's.
    unsafe {
        let this = &*once;
        this.base.lock.lock();
        match this.state.load(Relaxed) {
            NEW => {
                this.state.store(RUNNING, Relaxed);
                this.base.lock.unlock();
                held::insert(&raw mut (*once).hold, Identity::of_caller());
                Outcome::bool(true)
            }
            RUNNING => {
                let waiting = Waiting::new(Purpose::Once, position);
                waiter::wait(&this.waiters, &this.base, waiting)
            }
            _ => {
                this.base.lock.unlock();
                Outcome::bool(false)
            }
        }
    }
}

/// The caller has run the function. Does nothing for one who was not asked to.
pub unsafe fn end(once: *mut Once) {
    // SAFETY: the caller owns a reference.
    unsafe {
        if held::take(&(*once).base, Purpose::Once, Identity::of_caller()).is_some() {
            holder_ended(once);
        }
    }
}

/// The hold of the runner has ended; it is no longer in a list.
pub unsafe fn holder_ended(once: *mut Once) {
    // SAFETY: the object of a hold is alive: owned, or orphaned and freed by its last hold.
    unsafe {
        let this = &*once;
        this.base.lock.lock();
        this.state.store(DONE, Release);
        let claimed = this.waiters.pop_all();
        let free = this.orphaned.get();
        this.base.lock.unlock();
        claimed.for_each(|node| waiter::wake(node, 0));
        if free {
            handle::free(once);
        }
    }
}
