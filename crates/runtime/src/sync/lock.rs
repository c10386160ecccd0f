//! `Mutex[T]` and `RwLock[T]`: a mutex is a lock that nobody reads.
//!
//! # Invariants (guarded by the lock's own spin lock)
//! * A writer excludes all others; readers share.
//! * Waiters stand in one queue, first in, first out. A reader is let in at once only when nobody waits, so writers are not starved; whoever
//!   gives up lets in the next writer, or all readers up to the next writer.
//! * `writer` is the holder's identity, not an address: it stays true after the coroutine's control block is used again.
//! * The value may be read by a holder and written by a writer, without the spin lock.
//!
//! Locking again what one holds already is a deadlock, as in Go; the report names it.

use super::held::{self, Hold, NOBODY};
use crate::handle;
use crate::panic;
use crate::scheduler::{Outcome, Wake};
use crate::value;
use crate::waiter::{self, Claimed, Purpose, Queue, Waitable, Waiter};
use echo_abi::layout::{DESC_MANAGED, TypeDesc};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

/// Header of the block; the value follows.
#[repr(C)]
pub struct Lock {
    base: Waitable,
    readers: AtomicU32,
    /// Its holder, or [`NOBODY`].
    writer: AtomicU64,
    waiters: Queue,
    desc: *const TypeDesc,
    hold: Hold,
    /// A writer failed while it held the lock.
    poisoned: AtomicBool,
    /// What messages call it.
    is_mutex: bool,
}

/// Values lie behind the header, aligned for any type.
const VALUE_OFFSET: usize = size_of::<Lock>().next_multiple_of(16);

/// A new lock around `value` (moved).
pub unsafe fn new(desc: *const TypeDesc, value: *mut u8, is_mutex: bool) -> *mut Lock {
    // SAFETY: `desc` describes `value`, which is the caller's.
    unsafe {
        let size = (*desc).size as usize;
        let lock = handle::create_sized(VALUE_OFFSET + size, 1, |base| Lock {
            base,
            readers: AtomicU32::new(0),
            writer: AtomicU64::new(NOBODY),
            waiters: Queue::new(),
            desc,
            hold: Hold::new(),
            poisoned: AtomicBool::new(false),
            is_mutex,
        });
        if (*desc).flags & DESC_MANAGED != 0 {
            value::share(value, &*desc);
        }
        ptr::copy_nonoverlapping(value, place(lock), size);
        lock
    }
}

/// Drops the value and frees the lock, now or when its last holder gives it up.
pub unsafe fn destroy(lock: *mut Lock) {
    // SAFETY: the last owner is gone; parties that wait own references, so only holders can be left.
    unsafe {
        (*lock).base.lock.lock();
        let free = (*lock).hold.abandon();
        (*lock).base.lock.unlock();
        if free {
            dispose(lock);
        }
    }
}

unsafe fn dispose(lock: *mut Lock) {
    // SAFETY: no owner and no holder is left.
    unsafe {
        if (*lock).is_managed() {
            value::drop(place(lock), &*(*lock).desc);
        }
        handle::free(lock);
    }
}

/// Acquires the lock: `Purpose::Lock` to write, `Purpose::ReadLock` to read.
pub unsafe fn acquire(lock: *mut Lock, purpose: Purpose, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference.
    unsafe {
        let this = &*lock;
        let node = held::candidate(&this.base, purpose, position);
        this.base.lock.lock();
        if this.waiters.is_empty() && this.admits(purpose) {
            this.enter(node);
            this.base.lock.unlock();
            held::insert(node);
            return Outcome::DONE;
        }
        this.waiters.push(node);
        waiter::park(node)
    }
}

/// Acquires the lock to write if it is free.
pub unsafe fn try_acquire(lock: *mut Lock) -> bool {
    // SAFETY: the caller owns a reference.
    unsafe {
        let this = &*lock;
        this.base.lock.lock();
        let free = this.waiters.is_empty() && this.admits(Purpose::Lock);
        if free {
            let node = held::candidate(&this.base, Purpose::Lock, 0);
            this.enter(node);
            held::insert(node);
        }
        this.base.lock.unlock();
        free
    }
}

/// Gives up a lock that the caller holds.
pub unsafe fn release(lock: *mut Lock, purpose: Purpose, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference.
    unsafe {
        let this = &*lock;
        if !held::take(&this.base, purpose) {
            return this.not_held(
                if purpose == Purpose::ReadLock {
                    "read_unlock"
                } else {
                    "unlock"
                },
                position,
            );
        }
        this.give_up(purpose, false);
        Outcome::DONE
    }
}

/// `out` gets a copy of the value; the caller holds the lock.
pub unsafe fn get(lock: *mut Lock, out: *mut u8, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference; a holder may read the value.
    unsafe {
        let this = &*lock;
        if !this.is_written_by_caller() && held::find(&this.base, Purpose::ReadLock).is_none() {
            return this.not_held("get", position);
        }
        ptr::copy_nonoverlapping(place(lock), out, (*this.desc).size as usize);
        if this.is_managed() {
            value::dup(out, &*this.desc);
        }
        Outcome::DONE
    }
}

/// The lock's value becomes `from` (moved); the caller holds the lock to write.
pub unsafe fn set(lock: *mut Lock, from: *mut u8, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference and the value; a writer may change the lock's.
    unsafe {
        let this = &*lock;
        if !this.is_written_by_caller() {
            if this.is_managed() {
                value::drop(from, &*this.desc);
            }
            return this.not_held("set", position);
        }
        if this.is_managed() {
            value::share(from, &*this.desc);
            value::drop(place(lock), &*this.desc);
        }
        ptr::copy_nonoverlapping(from, place(lock), (*this.desc).size as usize);
        Outcome::DONE
    }
}

/// Whether a writer failed while it held the lock.
pub unsafe fn is_poisoned(lock: *mut Lock) -> bool {
    // SAFETY: the caller owns a reference.
    unsafe { (*lock).poisoned.load(Relaxed) }
}

/// A holder has ended; its hold is no longer in a list.
pub unsafe fn holder_ended(lock: *mut Lock, purpose: Purpose, failed: bool) {
    // SAFETY: the object of a hold is alive: owned, or orphaned and freed by its last hold.
    unsafe {
        let this = &*lock;
        if failed {
            if this.give_up(purpose, purpose == Purpose::Lock) {
                dispose(lock);
            }
            return;
        }
        this.base.lock.lock();
        let free = this.hold.remove();
        this.base.lock.unlock();
        if free {
            dispose(lock);
        }
    }
}

/// Where the value is.
unsafe fn place(lock: *mut Lock) -> *mut u8 {
    // SAFETY: the block was made with room for it.
    unsafe { lock.cast::<u8>().add(VALUE_OFFSET) }
}

impl Lock {
    fn is_managed(&self) -> bool {
        // SAFETY: descriptors live as long as the program.
        unsafe { (*self.desc).flags & DESC_MANAGED != 0 }
    }

    /// Only the holder itself can find itself here, so no lock is needed.
    fn is_written_by_caller(&self) -> bool {
        self.writer.load(Relaxed) == held::caller()
    }

    fn not_held(&self, operation: &str, position: u32) -> Outcome {
        let (article, name) = if self.is_mutex {
            ("a", "mutex")
        } else {
            ("an", "rwlock")
        };
        panic::raise(
            format!("{operation} of {article} {name} that this coroutine does not hold"),
            position,
        )
    }

    /// Whether the holders let another one in. Under the spin lock.
    fn admits(&self, purpose: Purpose) -> bool {
        self.writer.load(Relaxed) == NOBODY
            && (purpose == Purpose::ReadLock || self.readers.load(Relaxed) == 0)
    }

    /// Counts a candidate among the holders; it still has to get into its holder's list. Under the spin lock.
    unsafe fn enter(&self, node: *mut Waiter) {
        // SAFETY: a candidate that is in no queue.
        unsafe {
            match (*node).purpose {
                Purpose::ReadLock => self.readers.store(self.readers.load(Relaxed) + 1, Relaxed),
                _ => self.writer.store(held::holder_of(node), Relaxed),
            }
        }
        self.hold.add();
    }

    /// Ends a hold and lets in who is next. True when the lock is orphaned and to be freed.
    unsafe fn give_up(&self, purpose: Purpose, poison: bool) -> bool {
        // SAFETY: waiters are granted under the spin lock, and woken once it is released; their parties own references.
        unsafe {
            self.base.lock.lock();
            match purpose {
                Purpose::ReadLock => self.readers.store(self.readers.load(Relaxed) - 1, Relaxed),
                _ => self.writer.store(NOBODY, Relaxed),
            }
            if poison {
                self.poisoned.store(true, Relaxed);
            }
            let free = self.hold.remove();
            let mut claimed = Claimed::new();
            while let Some(node) = self.waiters.first()
                && self.admits((*node).purpose)
            {
                self.waiters.remove(node);
                self.enter(node);
                claimed.push(node);
            }
            self.base.lock.unlock();
            for node in claimed {
                let party = (*node).party;
                held::insert(node);
                waiter::wake_party(party, Wake::Value(0));
            }
            free
        }
    }
}
