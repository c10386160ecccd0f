//! What a coroutine (or thread) holds: locks, and functions of a `Once` that it is running.
//!
//! # Protocol
//! * A [`Hold`] is one link of its holder's list. What one party at a time holds (a lock to write, a `Once`) has its link in the object itself,
//!   so that taking it makes no memory; of the readers of a lock the first may use that too, the others have links of their own ([`of_reader`]).
//! * The link in an object belongs to the party that holds the object: it is put into the list after the object is acquired, and taken out before
//!   it is given up.
//! * The list belongs to its holder; while the holder is parked, to whoever claimed its waiter and hands a lock over.
//! * The list does not own its objects. An object that loses its last owner while somebody holds it is *orphaned*: it is freed by the one who
//!   gives up the last hold. Whoever calls a function of an object owns a reference to it, so an orphan is touched only by the ends of its holders.

use super::{lock, once};
use crate::coroutine::Coroutine;
use crate::door::thread_local;
use crate::memory;
use crate::scheduler;
use crate::value::block::out_of_memory;
use crate::waiter::{Purpose, Waitable, Waiter, Waiting};
use echo_abi::layout::{COROUTINE_HELD_OFFSET, COROUTINE_HOLDER_OFFSET};
use std::cell::Cell;
use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Names a holder for ever, unlike the address of its control block. 0 is nobody; the upper byte is free.
pub type Holder = u64;
pub const NOBODY: Holder = 0;
/// Holders that are threads.
const THREAD: Holder = 1 << 55;

thread_local! {
    /// A thread's holds, for callers outside the scheduler.
    static HELD: Cell<*mut Hold> = const { Cell::new(ptr::null_mut()) };
    static THREAD_ID: Cell<Holder> = const { Cell::new(NOBODY) };
}
static THREADS: AtomicU64 = AtomicU64::new(0);

/// One thing that somebody holds, or the place in an object for it.
#[repr(C)]
pub struct Hold {
    next: *mut Hold,
    object: *mut Waitable,
    purpose: Purpose,
}

impl Hold {
    pub const PURPOSE_OFFSET: usize = offset_of!(Hold, purpose);

    /// The link in an object; [`init`](Self::init) tells it where that is.
    pub const fn new(purpose: Purpose) -> Hold {
        Hold {
            next: ptr::null_mut(),
            object: ptr::null_mut(),
            purpose,
        }
    }

    pub fn init(&mut self, object: *mut Waitable) {
        self.object = object;
    }

    /// Of the link in an object, by the one it belongs to.
    pub fn set_purpose(&mut self, purpose: Purpose) {
        self.purpose = purpose;
    }

    fn is(&self, object: *const Waitable, purpose: Purpose) -> bool {
        ptr::eq(self.object, object) && self.purpose == purpose
    }
}

// Generated code keeps the list too.
const _: () = assert!(
    cfg!(loom)
        || offset_of!(Hold, next) == 0
            && offset_of!(Coroutine, holder) == COROUTINE_HOLDER_OFFSET
            && offset_of!(Coroutine, held) == COROUTINE_HELD_OFFSET
);

/// Who somebody is, and where the list of what it holds begins.
#[derive(Clone, Copy)]
pub struct Identity {
    pub holder: Holder,
    list: *mut *mut Hold,
}

impl Identity {
    /// Of a coroutine that runs on this thread, or is parked and claimed.
    #[inline(always)]
    pub unsafe fn of(coroutine: *mut Coroutine) -> Identity {
        // SAFETY: the caller vouches for the control block.
        unsafe {
            Identity {
                holder: (*coroutine).holder,
                list: (&raw mut (*coroutine).held).cast(),
            }
        }
    }

    /// Of the caller.
    #[inline]
    pub fn of_caller() -> Identity {
        match scheduler::current() {
            // SAFETY: the running coroutine's control block belongs to this thread.
            Some(coroutine) => unsafe { Identity::of(coroutine) },
            None => Identity::of_thread(),
        }
    }

    #[cold]
    fn of_thread() -> Identity {
        let holder = THREAD_ID.with(|id| {
            if id.get() == NOBODY {
                id.set(THREAD | (THREADS.fetch_add(1, Relaxed) + 1));
            }
            id.get()
        });
        Identity {
            holder,
            list: HELD.with(Cell::as_ptr),
        }
    }

    /// What the caller waits with that is to become a holder: its waiter says who it is.
    pub fn waiting(self, purpose: Purpose, position: u32) -> Waiting {
        Waiting {
            value: ptr::without_provenance_mut(self.holder as usize),
            extra: self.list.cast(),
            ..Waiting::new(purpose, position)
        }
    }

    /// Of a waiter made by [`waiting`](Self::waiting): the caller, or parked and claimed.
    pub unsafe fn of_candidate(node: *const Waiter) -> Identity {
        // SAFETY: promised by the caller.
        unsafe {
            Identity {
                holder: (*node).value.addr() as Holder,
                list: (*node).extra.cast(),
            }
        }
    }
}

/// The id of a holder that is a coroutine.
pub fn coroutine_id(holder: Holder) -> Option<u64> {
    (holder & THREAD == 0).then(|| holder - 1)
}

/// Whether the coroutine whose list that is reads `object`, for reports: while nothing runs.
pub unsafe fn reads(held: *const c_void, object: *const Waitable) -> bool {
    // SAFETY: promised by the caller, so the list does not change.
    unsafe {
        let mut hold: *const Hold = held.cast();
        while !hold.is_null() && !(*hold).is(object, Purpose::ReadLock) {
            hold = (*hold).next;
        }
        !hold.is_null()
    }
}

/// A link for a reader of `object`.
pub fn of_reader(object: *mut Waitable) -> *mut Hold {
    let hold: *mut Hold = memory::take(size_of::<Hold>()).cast();
    if hold.is_null() {
        out_of_memory(size_of::<Hold>());
    }
    // SAFETY: fresh memory of that size, aligned to 16.
    unsafe {
        hold.write(Hold {
            next: ptr::null_mut(),
            object,
            purpose: Purpose::ReadLock,
        })
    };
    hold
}

/// Puts a hold into the list of `holder`: the caller, or parked and claimed.
#[inline(always)]
pub unsafe fn insert(hold: *mut Hold, holder: Identity) {
    // SAFETY: the list is ours to change, and so is the link: that of what the holder has just acquired.
    unsafe {
        (*hold).next = *holder.list;
        *holder.list = hold;
    }
}

/// Takes out `hold` if it is what the caller took last: the common case.
#[inline(always)]
pub unsafe fn take_newest(hold: *mut Hold, caller: Identity) -> bool {
    // SAFETY: the list is the caller's; the link is only looked at if it is in it.
    unsafe {
        let is_newest = ptr::eq(*caller.list, hold);
        if is_newest {
            *caller.list = (*hold).next;
        }
        is_newest
    }
}

/// Whether the caller holds `object`.
pub unsafe fn holds(object: *const Waitable, purpose: Purpose) -> bool {
    // SAFETY: the list is the caller's.
    unsafe { !link_to(object, purpose, Identity::of_caller()).is_null() }
}

/// Takes the hold of the caller on `object` out of its list; `None` when there is none.
pub unsafe fn take(
    object: *const Waitable,
    purpose: Purpose,
    caller: Identity,
) -> Option<*mut Hold> {
    // SAFETY: the list is the caller's.
    unsafe {
        let link = link_to(object, purpose, caller);
        if link.is_null() {
            return None;
        }
        let hold = *link;
        *link = (*hold).next;
        Some(hold)
    }
}

/// Frees the link of a reader that was taken out.
pub unsafe fn free_of_reader(hold: *mut Hold) {
    // SAFETY: made by `of_reader`, and in no list.
    unsafe { memory::give(hold.cast(), size_of::<Hold>()) }
}

/// What leads to the hold of the caller on `object`; null when there is none.
unsafe fn link_to(object: *const Waitable, purpose: Purpose, caller: Identity) -> *mut *mut Hold {
    let mut link = caller.list;
    // SAFETY: the list is the caller's.
    unsafe {
        while !(*link).is_null() {
            if (**link).is(object, purpose) {
                return link;
            }
            link = &raw mut (**link).next;
        }
    }
    ptr::null_mut()
}

/// A coroutine that holds something has ended. What one that failed holds is released and poisoned; what one that just returned holds stays
/// locked for ever, as in Go.
pub unsafe fn release_held(coroutine: *mut Coroutine, failed: bool) {
    // SAFETY: the coroutine has ended; the scheduler gives its control block to us once. A link in an object is read before the object is
    // given up.
    unsafe {
        let mut hold: *mut Hold = (*coroutine).held.cast();
        (*coroutine).held = ptr::null_mut();
        while !hold.is_null() {
            let (next, object, purpose) = ((*hold).next, (*hold).object, (*hold).purpose);
            match purpose {
                Purpose::Once => once::holder_ended(object.cast()),
                Purpose::ReadLock => lock::reader_ended(object.cast(), hold, failed),
                _ => lock::writer_ended(object.cast(), failed),
            }
            hold = next;
        }
    }
}
