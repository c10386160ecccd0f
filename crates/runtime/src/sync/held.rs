//! What a coroutine (or thread) holds: locks, and functions of a `Once` that it is running.
//!
//! # Protocol
//! * A hold is the [`Waiter`] node the lock was acquired with, kept until it is given up and linked through `next` into its holder's list.
//! * The list belongs to its holder; while the holder is parked, to whoever claimed its waiter and hands a lock over.
//! * The list does not own its objects. An object that loses its last owner while somebody holds it is *orphaned*: it is freed by the one who
//!   gives up the hold. `holds` and `orphaned` of a [`Hold`] are guarded by the object's lock.

use super::{lock, once};
use crate::coroutine::{Coroutine, State};
use crate::waiter::{self, Party, Purpose, Waitable, Waiter};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Names a holder for ever, unlike the address of its control block. 0 is nobody.
pub type Holder = u64;
pub const NOBODY: Holder = 0;
/// Holders that are threads.
const THREAD: Holder = 1 << 63;

thread_local! {
    /// A thread's holds, for callers outside the scheduler.
    static HELD: Cell<*mut Waiter> = const { Cell::new(ptr::null_mut()) };
    static THREAD_ID: Cell<Holder> = const { Cell::new(NOBODY) };
}
static THREADS: AtomicU64 = AtomicU64::new(0);

/// Part of every object that can be held.
#[derive(Default)]
pub struct Hold {
    /// Holds on the object that are in somebody's list.
    pub holds: Cell<u32>,
    /// The last owner is gone.
    orphaned: Cell<bool>,
}

impl Hold {
    pub const fn new() -> Hold {
        Hold {
            holds: Cell::new(0),
            orphaned: Cell::new(false),
        }
    }

    /// Counts a hold. Under the object's lock.
    pub fn add(&self) {
        self.holds.set(self.holds.get() + 1);
    }

    /// Counts a hold given up. True when the object is to be freed now. Under the object's lock.
    pub fn remove(&self) -> bool {
        self.holds.set(self.holds.get() - 1);
        self.orphaned.get() && self.holds.get() == 0
    }

    /// The last owner goes. True when the object is to be freed now. Under the object's lock.
    pub fn abandon(&self) -> bool {
        self.orphaned.set(true);
        self.holds.get() == 0
    }
}

/// A waiter for the caller that can become a hold; [`holder_of`] and [`list_of`] work on it, also from elsewhere.
pub fn candidate(object: *const Waitable, purpose: Purpose, position: u32) -> *mut Waiter {
    let node = Waiter::for_caller(object, purpose, position);
    // SAFETY: the node is ours.
    unsafe {
        let (holder, list) = identity((*node).party);
        (*node).value = ptr::without_provenance_mut(holder as usize);
        (*node).extra = list.cast();
    }
    node
}

/// The caller.
pub fn caller() -> Holder {
    identity(waiter::calling_party()).0
}

pub unsafe fn holder_of(node: *mut Waiter) -> Holder {
    // SAFETY: made by `candidate`.
    unsafe { (*node).value.addr() as Holder }
}

/// Who a party is and where its list begins.
fn identity(party: Party) -> (Holder, *mut *mut Waiter) {
    match party {
        // SAFETY: the party is the caller, so its control block is valid.
        Party::Coroutine(coroutine) => unsafe {
            ((*coroutine).id + 1, (&raw mut (*coroutine).held).cast())
        },
        _ => (thread_id(), HELD.with(Cell::as_ptr)),
    }
}

fn thread_id() -> Holder {
    THREAD_ID.with(|id| {
        if id.get() == NOBODY {
            id.set(THREAD | (THREADS.fetch_add(1, Relaxed) + 1));
        }
        id.get()
    })
}

/// Puts a hold into its holder's list. The holder is the caller, or parked and claimed.
pub unsafe fn insert(node: *mut Waiter) {
    // SAFETY: made by `candidate`; the list is ours to change.
    unsafe {
        let list = (*node).extra.cast::<*mut Waiter>();
        (*node).next = *list;
        *list = node;
        if let Party::Coroutine(coroutine) = (*node).party {
            (*coroutine).release_held = Some(release_held);
        }
    }
}

/// The caller's hold on `object`, if there is one.
pub unsafe fn find(object: *const Waitable, purpose: Purpose) -> Option<*mut Waiter> {
    // SAFETY: the list is the caller's.
    unsafe { link_to(object, purpose).map(|link| *link) }
}

/// Takes the caller's hold on `object` out of its list and frees it; false when there is none.
pub unsafe fn take(object: *const Waitable, purpose: Purpose) -> bool {
    // SAFETY: the list is the caller's.
    unsafe {
        let Some(link) = link_to(object, purpose) else {
            return false;
        };
        let node = *link;
        *link = (*node).next;
        waiter::put_node(node);
        true
    }
}

/// The link that leads to the caller's hold on `object`.
unsafe fn link_to(object: *const Waitable, purpose: Purpose) -> Option<*mut *mut Waiter> {
    let (_, mut link) = identity(waiter::calling_party());
    // SAFETY: the list is the caller's.
    unsafe {
        while !(*link).is_null() {
            if ptr::eq((**link).object, object) && (**link).purpose == purpose {
                return Some(link);
            }
            link = &raw mut (**link).next;
        }
    }
    None
}

/// The hook of a control block: its coroutine has ended. What one that failed holds is released and poisoned; what one that just returned holds stays
/// locked for ever, as in Go.
pub unsafe fn release_held(coroutine: *mut Coroutine) {
    // SAFETY: the coroutine has ended; the scheduler gives its control block to us once.
    unsafe {
        let failed = (*coroutine).state() == State::Failed;
        let mut node: *mut Waiter = (*coroutine).held.cast();
        (*coroutine).held = ptr::null_mut();
        (*coroutine).release_held = None;
        while !node.is_null() {
            let (next, object, purpose) = ((*node).next, (*node).object, (*node).purpose);
            waiter::put_node(node);
            match purpose {
                Purpose::Once => once::holder_ended(object.cast()),
                _ => lock::holder_ended(object.cast(), purpose, failed),
            }
            node = next;
        }
    }
}
