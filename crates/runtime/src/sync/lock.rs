//! `Mutex[T]` and `RwLock[T]`: a mutex is a lock that nobody reads.
//!
//! # The state
//! One word says who is in: nobody ([`FREE`]), a writer (its identity, shifted), or readers ([`SHARED`] and their number, shifted). The identity is not an
//! address: it stays true after the coroutine's control block is used again.
//! * While [`QUEUED`] is not set, anybody lets itself in or goes with one compare-and-swap, without the spin lock.
//! * `QUEUED` is set under the spin lock, by one who is about to wait and finds the lock taken. From then on the word is changed under the spin lock
//!   only: nobody overtakes a waiter, and nobody leaves without looking at the queue. It is cleared with the last waiter.
//! * So who finds `QUEUED` when giving up takes the spin lock, and by then the waiter is in the queue.
//!
//! Letting oneself in acquires, going releases; who hands the lock over has acquired what all before it released.
//!
//! # Invariants
//! * A writer excludes all others; readers share.
//! * Waiters stand in one queue (guarded by the spin lock), first in, first out. A reader is let in at once only when nobody waits, so writers are not
//!   starved; whoever gives up lets in the next writer, or all readers up to the next writer.
//! * The value may be read by a holder and written by a writer.
//! * The link `hold` belongs to the writer ([`held`]).
//! * `lost` and `orphaned` are guarded by the spin lock.
//!
//! Locking again what one holds already is a deadlock, as in Go; the report names it.

use super::held::{self, Hold, Holder, Identity};
use crate::channel::copy_value;
use crate::door::{
    AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
    Ordering::Release,
};
use crate::handle;
use crate::panic;
use crate::scheduler::{self, Outcome, Wake};
use crate::value;
use crate::waiter::{self, Claimed, Purpose, Queue, Waitable};
use echo_abi::layout::{DESC_MANAGED, TypeDesc};
use std::cell::Cell;
use std::ptr;

/// Nobody is in, and nobody waits.
const FREE: u64 = 0;
/// Somebody waits.
const QUEUED: u64 = 1;
/// Readers are in; the bits above [`SHIFT`] are their number.
const SHARED: u64 = 2;
const SHIFT: u32 = 2;
const ONE_READER: u64 = 1 << SHIFT;

/// Header of the block; the value follows.
#[repr(C)]
pub struct Lock {
    base: Waitable,
    /// What messages call it.
    is_mutex: bool,
    /// A writer failed while it held the lock.
    poisoned: AtomicBool,
    /// The last owner is gone.
    orphaned: Cell<bool>,
    state: AtomicU64,
    waiters: Queue,
    desc: *const TypeDesc,
    hold: Hold,
    /// Holders that have ended and stay in for ever.
    lost: Cell<u64>,
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
            is_mutex,
            poisoned: AtomicBool::new(false),
            orphaned: Cell::new(false),
            state: AtomicU64::new(FREE),
            waiters: Queue::new(),
            desc,
            hold: Hold::new(Purpose::Lock),
            lost: Cell::new(0),
        });
        (*lock).hold.init(lock.cast());
        if (*desc).flags & DESC_MANAGED != 0 {
            value::share(value, &*desc);
        }
        copy_value(value, place(lock), (*desc).size);
        lock
    }
}

/// Drops the value and frees the lock, now or when its last holder gives it up.
pub unsafe fn destroy(lock: *mut Lock) {
    // SAFETY: the last owner is gone; parties that wait own references, so only holders can be left.
    unsafe {
        (*lock).base.lock.lock();
        (*lock).orphaned.set(true);
        let free = (*lock).is_abandoned();
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

/// Acquires the lock to write.
#[inline(always)]
pub unsafe fn acquire(lock: *mut Lock, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference; the link of a lock is the writer's.
    unsafe {
        if let Some(coroutine) = scheduler::current() {
            let caller = Identity::of(coroutine);
            if (*lock).change(FREE, written_by(caller.holder)) {
                held::insert(&raw mut (*lock).hold, caller);
                return Outcome::DONE;
            }
        }
        acquire_any(lock, position, Purpose::Lock)
    }
}

/// Acquires the lock: `Purpose::Lock` to write, `Purpose::ReadLock` to read.
#[inline(never)]
pub unsafe fn acquire_any(lock: *mut Lock, position: u32, purpose: Purpose) -> Outcome {
    // SAFETY: the caller owns a reference.
    unsafe {
        let this = &*lock;
        let caller = Identity::of_caller();
        if this.enter(purpose, caller.holder) {
            held::insert(hold_of(lock, purpose), caller);
            return Outcome::DONE;
        }
        this.base.lock.lock();
        if this.enter_or_announce(purpose, caller.holder) {
            this.base.lock.unlock();
            held::insert(hold_of(lock, purpose), caller);
            return Outcome::DONE;
        }
        let node = held::candidate(&this.base, purpose, position);
        waiter::wait(&this.waiters, node)
    }
}

/// Acquires the lock to write if it is free.
pub unsafe fn try_acquire(lock: *mut Lock) -> bool {
    // SAFETY: the caller owns a reference; the link of a lock is the writer's.
    unsafe {
        let caller = Identity::of_caller();
        let is_free = (*lock).change(FREE, written_by(caller.holder));
        if is_free {
            held::insert(&raw mut (*lock).hold, caller);
        }
        is_free
    }
}

/// Gives up a lock that the caller holds to write.
#[inline(always)]
pub unsafe fn release(lock: *mut Lock, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference; what is in its list it holds.
    unsafe {
        if let Some(coroutine) = scheduler::current()
            && held::take_newest(&raw mut (*lock).hold, Identity::of(coroutine))
        {
            let written = (*lock).state.load(Relaxed) & !QUEUED;
            if !(*lock).change(written, FREE) {
                (*lock).hand_over(Purpose::Lock);
            }
            return Outcome::DONE;
        }
        release_any(lock, position, Purpose::Lock)
    }
}

/// Gives up a lock that the caller holds.
#[inline(never)]
pub unsafe fn release_any(lock: *mut Lock, position: u32, purpose: Purpose) -> Outcome {
    // SAFETY: the caller owns a reference.
    unsafe {
        let this = &*lock;
        let Some(hold) = held::take(&this.base, purpose, Identity::of_caller()) else {
            let operation = match purpose {
                Purpose::ReadLock => "read_unlock",
                _ => "unlock",
            };
            return this.not_held(operation, position);
        };
        if purpose == Purpose::ReadLock {
            held::free_of_reader(hold);
        }
        if !this.leave(purpose) {
            this.hand_over(purpose);
        }
        Outcome::DONE
    }
}

/// `out` gets a copy of the value; the caller holds the lock.
pub unsafe fn get(lock: *mut Lock, out: *mut u8, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference; a holder may read the value.
    unsafe {
        let this = &*lock;
        if !this.is_written_by_caller() && !held::holds(&this.base, Purpose::ReadLock) {
            return this.not_held("get", position);
        }
        copy_value(place(lock), out, (*this.desc).size);
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
        copy_value(from, place(lock), (*this.desc).size);
        Outcome::DONE
    }
}

/// Whether a writer failed while it held the lock.
pub unsafe fn is_poisoned(lock: *mut Lock) -> bool {
    // SAFETY: the caller owns a reference.
    unsafe { (*lock).poisoned.load(Relaxed) }
}

/// A writer has ended; its hold is no longer in a list.
pub unsafe fn writer_ended(lock: *mut Lock, failed: bool) {
    // SAFETY: passed on.
    unsafe {
        if failed {
            (*lock).poisoned.store(true, Relaxed);
        }
        holder_ended(lock, Purpose::Lock, failed);
    }
}

/// A reader has ended; its hold is no longer in a list.
pub unsafe fn reader_ended(lock: *mut Lock, failed: bool) {
    // SAFETY: passed on.
    unsafe { holder_ended(lock, Purpose::ReadLock, failed) }
}

/// One that failed goes; one that did not stays in for ever.
unsafe fn holder_ended(lock: *mut Lock, purpose: Purpose, failed: bool) {
    // SAFETY: the object of a hold is alive: owned, or orphaned and freed by its last hold.
    unsafe {
        let this = &*lock;
        this.base.lock.lock();
        let claimed = if failed {
            this.leave_and_admit(purpose)
        } else {
            this.lost.set(this.lost.get() + 1);
            Claimed::new()
        };
        let free = this.orphaned.get() && this.is_abandoned();
        this.base.lock.unlock();
        wake_admitted(lock, claimed);
        if free {
            dispose(lock);
        }
    }
}

/// Wakes those that were let in.
unsafe fn wake_admitted(lock: *mut Lock, claimed: Claimed) {
    for node in claimed {
        // SAFETY: a claimed candidate is parked and owns a reference to the lock until it is woken; its hold is its own from now on.
        unsafe {
            let (party, holder) = ((*node).party, Identity::of_candidate(node));
            held::insert(hold_of(lock, (*node).purpose), holder);
            waiter::put_node(node);
            waiter::wake_party(party, Wake::Value(0));
        }
    }
}

/// The link for one that has entered.
unsafe fn hold_of(lock: *mut Lock, purpose: Purpose) -> *mut Hold {
    // SAFETY: the caller owns a reference to the lock.
    unsafe {
        match purpose {
            Purpose::ReadLock => held::of_reader(lock.cast()),
            _ => &raw mut (*lock).hold,
        }
    }
}

fn written_by(holder: Holder) -> u64 {
    holder << SHIFT
}

/// The state with one more holder; `None` when it has to wait.
#[inline]
fn with(state: u64, purpose: Purpose, holder: Holder) -> Option<u64> {
    match purpose {
        Purpose::ReadLock if state == FREE => Some(SHARED | ONE_READER),
        Purpose::ReadLock if state & (SHARED | QUEUED) == SHARED => Some(state + ONE_READER),
        Purpose::ReadLock => None,
        _ => (state == FREE).then_some(written_by(holder)),
    }
}

/// The state of a lock where nobody waits with one holder less.
#[inline]
fn without(state: u64, purpose: Purpose) -> u64 {
    match purpose {
        Purpose::ReadLock if state != SHARED | ONE_READER => state - ONE_READER,
        _ => FREE,
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
        self.state.load(Relaxed) & !QUEUED == written_by(Identity::of_caller().holder)
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

    /// Takes the state from one to the next, if it is the one.
    #[inline(always)]
    fn change(&self, from: u64, to: u64) -> bool {
        self.state
            .compare_exchange(from, to, AcqRel, Relaxed)
            .is_ok()
    }

    /// Lets a holder in if nobody is in the way.
    fn enter(&self, purpose: Purpose, holder: Holder) -> bool {
        let mut state = self.state.load(Relaxed);
        while let Some(next) = with(state, purpose, holder) {
            if self.change(state, next) {
                return true;
            }
            state = self.state.load(Relaxed);
        }
        false
    }

    /// Counts a holder out if nobody waits.
    fn leave(&self, purpose: Purpose) -> bool {
        let mut state = self.state.load(Relaxed);
        while state & QUEUED == 0 {
            if self.change(state, without(state, purpose)) {
                return true;
            }
            state = self.state.load(Relaxed);
        }
        false
    }

    /// Lets a holder in, or sets [`QUEUED`] because somebody is in the way. Under the spin lock.
    fn enter_or_announce(&self, purpose: Purpose, holder: Holder) -> bool {
        loop {
            let state = self.state.load(Relaxed);
            match with(state, purpose, holder) {
                Some(next) if self.change(state, next) => return true,
                None if state & QUEUED != 0 || self.change(state, state | QUEUED) => return false,
                _ => {}
            }
        }
    }

    /// Ends a hold where somebody waited a moment ago.
    #[inline(never)]
    unsafe fn hand_over(&self, purpose: Purpose) {
        // SAFETY: the caller owns a reference, those that are let in too.
        unsafe {
            self.base.lock.lock();
            let claimed = self.leave_and_admit(purpose);
            self.base.lock.unlock();
            wake_admitted(ptr::from_ref(self).cast_mut(), claimed);
        }
    }

    /// Counts a holder out and lets in who is next: to be woken once the spin lock, which is held, is released.
    unsafe fn leave_and_admit(&self, purpose: Purpose) -> Claimed {
        let mut claimed = Claimed::new();
        // SAFETY: the queue is guarded by the spin lock.
        unsafe {
            if self.leave(purpose) {
                return claimed;
            }
            // Somebody waits, so nobody else changes the state.
            let mut state = without(self.state.load(Acquire) & !QUEUED, purpose);
            while let Some(node) = self.waiters.first()
                && let Some(next) =
                    with(state, (*node).purpose, Identity::of_candidate(node).holder)
            {
                self.waiters.remove(node);
                claimed.push(node);
                state = next;
            }
            if !self.waiters.is_empty() {
                state |= QUEUED;
            }
            self.state.store(state, Release);
        }
        claimed
    }

    /// Whether nobody is in who could still go. Under the spin lock, of an orphan: nobody enters, and nobody waits.
    fn is_abandoned(&self) -> bool {
        let state = self.state.load(Acquire) & !QUEUED;
        let holders = match state {
            FREE => 0,
            _ if state & SHARED != 0 => state >> SHIFT,
            _ => 1,
        };
        holders == self.lost.get()
    }
}
