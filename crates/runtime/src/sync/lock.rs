//! `Mutex[T]` and `RwLock[T]`: a mutex is a lock that nobody reads.
//!
//! # The state
//! One word says who is in: nobody, a writer (its identity, shifted), or readers ([`SHARED`] and their number, shifted). The identity is not an
//! address: it stays true after the coroutine's control block is used again. Beside that the word has three flags:
//! * [`QUEUED`]: somebody waits. Changed under the spin lock only, set while somebody is in, or a waiter is about to be let in. So who gives up a
//!   lock and finds it in what is left of the word takes the spin lock, and by then the waiter is in the queue.
//! * [`WOKEN`]: a waiter was woken to try again and has not yet: nobody else needs to be woken. Set under the spin lock while nobody is in; cleared by
//!   that waiter, when it gets in or goes back to the queue.
//! * [`HANDED`]: nobody enters by itself; who gives up lets in the next waiter. Never together with `WOKEN`. Set and cleared under the spin lock.
//!
//! Entering is a compare-and-swap from a word without holder and without `HANDED`, which keeps the flags. Going is one too,
//! which takes the holder out and keeps the flags; readers go under the spin lock while `QUEUED` is set. Entering acquires, going releases; who hands
//! the lock over has acquired what all before it released.
//!
//! # Going without a locked instruction
//! A lock that nobody has ever waited for is not [`contended`](Lock::contended). A writer that finds it so goes by storing that nobody is in, which takes away whatever
//! flags are set, and then looks at the mark again. Who waits first sets the mark, and only then looks whether it has to wait. Both sides store, then load what the
//! other stores, with a fence between: the writer's is the `light_fence`, which is nothing, the other's the `heavy_fence`. So one of them sees the other. Either who
//! was to wait finds the lock as the writer has left it, or the writer finds the mark, and sets right what it may have taken away ([`settle`]). It does so under the
//! spin lock, and all from the mark up to the queue is done under it: so it finds whoever has come to wait. The same holds for all who wait later, and for a writer
//! that is late to see the mark.
//!
//! Until then others may enter past those who wait, and go without waking anybody, as whenever somebody is about to take the spin lock. Only who is in stores in this
//! way, and nobody is let in but by compare-and-swap, or by [`hand_over`](Lock::hand_over), which sees in one look that nobody else can enter and that no writer
//! is in: so all this is about flags, never about who is in.
//!
//! The mark stays for ever. The fence interrupts all processors that run the program: once there have been [`MOST_FENCES`], locks are made contended, as all are where
//! the kernel has no such fence. There, and for readers in the word, going is what it was above.
//!
//! # The first reader
//! While a lock is not contended, one reader at a time may be in without being in the word: it puts its identity into [`first_reader`](Lock::first_reader) by compare-and-swap, and
//! goes by a plain store, as a writer does. No writer is in meanwhile, so it has the writer's link, where others need memory for one. Both words together say who is in:
//! * A first reader sets its word before it looks at the other, a writer the other way round, with a compare-and-swap each, which is a fence. So one of them
//!   sees the other, or both do; who sees the other goes again, and then tries in the general way. Readers in the word are in nobody's way.
//! * Who makes the lock contended ([`become_contended`](Lock::become_contended)) counts the first reader into the word, once and for all, and notes whom: what follows need not know of
//!   it. If there is a writer in the word at the same time, one of the two is about to go, which is waited for. Who comes later as a first reader sees the mark, and goes again.
//! * A first reader that goes looks at the mark after its store, with the fences as above: if it is set, the reader settles, and counts itself out if it was counted in. The
//!   identity matters: another one may have come after it and been counted in.
//!
//! Generated code enters and goes as a writer and as the first reader by itself, with the same instructions (`emit/lock_path.rs` of the compiler), and calls [`acquire`] and
//! [`release`] for all but that: [`release`] also where what it would leave behind is `QUEUED` without `WOKEN`, and [`settle`].
//!
//! # Who is next
//! A mutex may be entered past those who wait: who runs goes on running, and short sections do not cost a switch each. The first in the queue is woken
//! when the lock is given up, and tries again ([`acquire_again`]); if it loses it is the first in the queue again. So that it does not lose for ever, one
//! that loses when the queue has not been empty for [`PATIENCE_NS`] sets `HANDED`: all who wait at that moment get the lock in turn, one from the other.
//!
//! Of an `RwLock`, `HANDED` is set with `QUEUED` always: a reader enters only when nobody waits, so writers are not starved; whoever gives up lets in the
//! next writer, or all readers up to the next writer. Who reads already enters again all the same: the writer waits for it in any case, and it would wait for
//! the writer.
//!
//! # Invariants
//! * A writer excludes all others; readers share.
//! * While the queue is not empty, somebody is in or `WOKEN` is set, or somebody who has just gone is about to take the spin lock.
//! * Waiters stand in one queue, guarded by the spin lock, as are `crowded_since`, `to_hand_over`, `counted_first`, `lost` and `orphaned`, and changes of `contended`.
//! * The value may be read by a holder and written by a writer.
//! * The link `hold` belongs to the writer or the first reader ([`held`]). Its purpose is to write except while a first reader is in.
//!
//! Locking to write what one holds already is a deadlock, as in Go; the report names it.

use super::held::{self, Hold, Holder, Identity, NOBODY};
use crate::channel::copy_value;
use crate::door::{
    AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
    Ordering::Release, fence_of_swap, has_heavy_fence, heavy_fence, light_fence, spin_loop,
};
use crate::handle;
use crate::panic;
use crate::scheduler::{self, Outcome, Wake};
use crate::timer;
use crate::value;
use crate::waiter::{self, AGAIN, Claimed, Purpose, Queue, Waitable, Waiter};
use echo_abi::layout::{
    DESC_MANAGED, LOCK_CONTENDED_OFFSET, LOCK_FIRST_READER_OFFSET, LOCK_HANDED, LOCK_HELD_TO_READ,
    LOCK_HELD_TO_WRITE, LOCK_HOLD_OFFSET, LOCK_PURPOSE_OFFSET, LOCK_QUEUED, LOCK_SHARED,
    LOCK_SHIFT, LOCK_STATE_OFFSET, LOCK_VALUE_OFFSET, LOCK_WOKEN, TypeDesc,
};
use std::cell::Cell;
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::AtomicU32;

/// Nobody is in, and nobody waits.
const FREE: u64 = 0;
/// Somebody waits.
const QUEUED: u64 = LOCK_QUEUED;
/// Somebody who waited was woken to try again.
const WOKEN: u64 = LOCK_WOKEN;
/// Nobody enters but who is let in.
const HANDED: u64 = LOCK_HANDED;
const FLAGS: u64 = QUEUED | WOKEN | HANDED;
/// Readers are in; the bits above [`SHIFT`] are their number.
const SHARED: u64 = LOCK_SHARED;
const SHIFT: u32 = LOCK_SHIFT;
const ONE_READER: u64 = 1 << SHIFT;

/// How long there may be a queue before one that loses has the lock handed from one to the next. Models have no time to lose.
const PATIENCE_NS: u64 = if cfg!(loom) { 0 } else { 1_000_000 };
/// Times a lock is looked at again before its caller waits, where others run at the same time; and the pauses before the first.
const LOOKS: u32 = 4;
const PAUSES: u32 = 8;
/// When so many locks have become contended, those that are made are taken to be likely to.
const MOST_FENCES: u32 = 1000;

/// How many have. No part of the protocol.
static FENCES: AtomicU32 = AtomicU32::new(0);

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
    /// Somebody has waited, or may have: see the module docs.
    contended: AtomicBool,
    state: AtomicU64,
    waiters: Queue,
    desc: *const TypeDesc,
    hold: Hold,
    /// Holders that have ended and stay in for ever.
    lost: Cell<u32>,
    /// Who are still to be let in before [`HANDED`] is cleared.
    to_hand_over: Cell<u32>,
    /// Since when there has been a queue, or since all who were in it had their turn.
    crowded_since: Cell<u64>,
    /// The first reader that is counted in the state.
    counted_first: Cell<Holder>,
    /// A reader that is in and has come without being counted, or looks whether it may be.
    first_reader: AtomicU64,
}

/// Values lie behind the header, aligned for any type.
const VALUE_OFFSET: usize = size_of::<Lock>().next_multiple_of(16);
const _: () = assert!(
    cfg!(loom)
        || offset_of!(Lock, state) == LOCK_STATE_OFFSET
            && offset_of!(Lock, contended) == LOCK_CONTENDED_OFFSET
            && offset_of!(Lock, hold) == LOCK_HOLD_OFFSET
            && offset_of!(Lock, hold) + Hold::PURPOSE_OFFSET == LOCK_PURPOSE_OFFSET
            && offset_of!(Lock, first_reader) == LOCK_FIRST_READER_OFFSET
            && Purpose::Lock as u8 == LOCK_HELD_TO_WRITE
            && Purpose::ReadLock as u8 == LOCK_HELD_TO_READ
            && VALUE_OFFSET == LOCK_VALUE_OFFSET
);

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
            contended: AtomicBool::new(!may_be_uncontended()),
            state: AtomicU64::new(FREE),
            waiters: Queue::new(),
            desc,
            hold: Hold::new(Purpose::Lock),
            lost: Cell::new(0),
            crowded_since: Cell::new(0),
            to_hand_over: Cell::new(0),
            counted_first: Cell::new(NOBODY),
            first_reader: AtomicU64::new(NOBODY),
        });
        (*lock).hold.init(lock.cast());
        if (*desc).flags & DESC_MANAGED != 0 {
            value::share(value, &*desc);
        }
        copy_value(value, place(lock), (*desc).size);
        lock
    }
}

/// Who waits; guarded by the spin lock.
pub unsafe fn waiters<'a>(lock: *const Lock) -> &'a Queue {
    // SAFETY: alive as long as somebody waits.
    unsafe { &(*lock).waiters }
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

/// Whether a lock that is made now may be left with a plain store.
fn may_be_uncontended() -> bool {
    has_heavy_fence() && (cfg!(loom) || FENCES.load(Relaxed) < MOST_FENCES)
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
            if (*lock).change(FREE, written_by(caller.holder)) && (*lock).stays_to_write() {
                held::insert(&raw mut (*lock).hold, caller);
                return Outcome::DONE;
            }
        }
        acquire_any(lock, position, Purpose::Lock)
    }
}

/// Acquires the lock to read: as the first reader, if nobody is in the way.
#[inline(always)]
pub unsafe fn acquire_to_read(lock: *mut Lock, position: u32) -> Outcome {
    // SAFETY: the caller owns a reference; the link of a lock is the first reader's.
    unsafe {
        let caller = Identity::of_caller();
        if (*lock).enter_first(caller.holder) {
            (*lock).hold.set_purpose(Purpose::ReadLock);
            held::insert(&raw mut (*lock).hold, caller);
            return Outcome::DONE;
        }
        acquire_any(lock, position, Purpose::ReadLock)
    }
}

/// Acquires the lock: `Purpose::Lock` to write, `Purpose::ReadLock` to read.
#[inline(never)]
unsafe fn acquire_any(lock: *mut Lock, position: u32, purpose: Purpose) -> Outcome {
    // SAFETY: passed on.
    unsafe {
        let mut outcome = enter_or_wait(lock, position, purpose, Attempt::First);
        // A thread has waited meanwhile; a coroutine that is woken to try again does so in `acquire_again`.
        while outcome == Outcome::value(AGAIN) {
            outcome = enter_or_wait(lock, position, purpose, Attempt::Woken);
        }
        outcome
    }
}

/// Goes on for a coroutine that was woken to try again: its wait says for what.
pub fn acquire_again() -> Outcome {
    let coroutine = scheduler::current().expect("a coroutine was woken");
    // SAFETY: it runs here, and owns a reference to the lock that it waited for.
    unsafe {
        let wait = (*coroutine).wait();
        let lock = wait.object.cast_mut().cast();
        enter_or_wait(lock, wait.position, Purpose::Lock, Attempt::Woken)
    }
}

/// Whether who wants to enter has waited already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    First,
    /// [`WOKEN`] is its own to clear.
    Woken,
}

impl Attempt {
    /// The state that an attempt leads to, however it ended.
    #[inline(always)]
    fn settled(self, state: u64) -> u64 {
        match self {
            Attempt::First => state,
            Attempt::Woken => state & !WOKEN,
        }
    }
}

unsafe fn enter_or_wait(
    lock: *mut Lock,
    position: u32,
    purpose: Purpose,
    attempt: Attempt,
) -> Outcome {
    // SAFETY: the caller owns a reference.
    unsafe {
        let this = &*lock;
        let caller = Identity::of_caller();
        if this.enter_soon(purpose, caller.holder, attempt) {
            held::insert(hold_of(lock, purpose), caller);
            return Outcome::DONE;
        }
        this.base.lock.lock();
        let entered = if purpose == Purpose::ReadLock && held::holds(&this.base, purpose) {
            this.enter_again();
            true
        } else {
            this.enter_or_announce(purpose, caller.holder, attempt)
        };
        if entered {
            this.base.lock.unlock();
            held::insert(hold_of(lock, purpose), caller);
            return Outcome::DONE;
        }
        let waiting = caller.waiting(purpose, position);
        match attempt {
            Attempt::First => waiter::wait(&this.waiters, &this.base, waiting),
            Attempt::Woken => waiter::wait_first(&this.waiters, &this.base, waiting),
        }
    }
}

/// Acquires the lock to write if it is free.
pub unsafe fn try_acquire(lock: *mut Lock) -> bool {
    // SAFETY: the caller owns a reference; the link of a lock is the writer's.
    unsafe {
        let caller = Identity::of_caller();
        let is_free = (*lock).enter(Purpose::Lock, caller.holder, Attempt::First);
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
            && (*lock).is_written_by_caller()
            && held::take_newest(&raw mut (*lock).hold, Identity::of(coroutine))
        {
            (*lock).leave(Seat::Writer);
            return Outcome::DONE;
        }
        release_any(lock, position, Purpose::Lock)
    }
}

/// Who has entered in generated code, as a writer or the first reader, goes again, because the other may be in.
#[cold]
pub unsafe fn give_way(lock: *mut Lock, as_reader: bool) {
    let seat = if as_reader {
        Seat::FirstReader
    } else {
        Seat::Writer
    };
    // SAFETY: the caller owns a reference.
    unsafe { (*lock).leave(seat) }
}

/// Gives up a lock that the caller holds to read.
pub unsafe fn release_of_reader(lock: *mut Lock, position: u32) -> Outcome {
    // SAFETY: passed on.
    unsafe { release_any(lock, position, Purpose::ReadLock) }
}

/// Who has gone with a plain store finds that the lock is contended: what that has taken away comes back, and who waits is woken if need be.
#[cold]
pub unsafe fn settle(lock: *mut Lock) {
    // SAFETY: the caller owns a reference.
    unsafe {
        let this = &*lock;
        let caller = Identity::of_caller();
        this.base.lock.lock();
        this.take_first_out(caller.holder);
        let mut next = Next::Nobody;
        if !this.waiters.is_empty() {
            if this.state.load(Relaxed) & QUEUED == 0 {
                let flags = if this.is_mutex {
                    QUEUED
                } else {
                    QUEUED | HANDED
                };
                this.state.fetch_or(flags, Relaxed);
            }
            next = this.choose_next();
        }
        this.base.lock.unlock();
        wake_next(lock, next);
    }
}

/// Gives up a lock that the caller holds.
#[inline(never)]
unsafe fn release_any(lock: *mut Lock, position: u32, purpose: Purpose) -> Outcome {
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
        let seat = match purpose {
            Purpose::ReadLock => take_reader_s_link(lock, hold),
            _ => Seat::Writer,
        };
        this.leave(seat);
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

/// What reports call it.
pub unsafe fn noun(lock: *const Lock) -> &'static str {
    // SAFETY: somebody owns a reference.
    unsafe { (*lock).noun() }
}

/// Of such a noun.
pub fn article(noun: &str) -> &'static str {
    if noun == "rwlock" { "an" } else { "a" }
}

/// Who is in.
pub enum Holders {
    Nobody,
    /// Its id.
    Coroutine(u64),
    Thread,
    /// How many.
    Readers(u64),
}

/// Who is in, for reports.
pub unsafe fn holders(lock: *const Lock) -> Holders {
    // SAFETY: somebody owns a reference.
    let (state, readers) = unsafe { ((*lock).state.load(Relaxed), (*lock).readers()) };
    match (readers, state >> SHIFT) {
        (0, 0) => Holders::Nobody,
        (0, writer) => held::coroutine_id(writer).map_or(Holders::Thread, Holders::Coroutine),
        (count, _) => Holders::Readers(count),
    }
}

/// A writer has ended; its hold is no longer in a list.
pub unsafe fn writer_ended(lock: *mut Lock, failed: bool) {
    // SAFETY: passed on.
    unsafe {
        if failed {
            (*lock).poisoned.store(true, Relaxed);
        }
        holder_ended(lock, Seat::Writer, failed);
    }
}

/// A reader has ended; its hold is no longer in a list.
pub unsafe fn reader_ended(lock: *mut Lock, hold: *mut Hold, failed: bool) {
    // SAFETY: passed on.
    unsafe { holder_ended(lock, take_reader_s_link(lock, hold), failed) }
}

/// One that failed goes; one that did not stays in for ever.
unsafe fn holder_ended(lock: *mut Lock, seat: Seat, failed: bool) {
    // SAFETY: the object of a hold is alive: owned, or orphaned and freed by its last hold.
    unsafe {
        let this = &*lock;
        this.base.lock.lock();
        let next = if failed {
            match seat {
                Seat::FirstReader => {
                    this.take_first_out(this.first_reader.swap(NOBODY, Release));
                }
                _ => this.take_out(seat),
            }
            this.choose_next()
        } else {
            this.lost.set(this.lost.get().saturating_add(1));
            Next::Nobody
        };
        let free = this.orphaned.get() && this.is_abandoned();
        this.base.lock.unlock();
        wake_next(lock, next);
        if free {
            dispose(lock);
        }
    }
}

/// Who is to be woken when a lock was given up.
enum Next {
    Nobody,
    /// To try again.
    Tries(*mut Waiter),
    /// They are in.
    Enter(Claimed),
}

/// Without the spin lock.
unsafe fn wake_next(lock: *mut Lock, next: Next) {
    // SAFETY: a claimed candidate is parked and owns a reference to the lock until it is woken; its hold is its own from now on.
    unsafe {
        match next {
            Next::Nobody => {}
            Next::Tries(node) => waiter::wake_party(Waiter::party(node), Wake::Again),
            Next::Enter(claimed) => claimed.for_each(|node| {
                let holder = Identity::of_candidate(node);
                held::insert(hold_of(lock, (*node).purpose), holder);
                waiter::wake(node, 0);
            }),
        }
    }
}

/// What of the state stands for a holder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seat {
    Writer,
    FirstReader,
    Reader,
}

/// The link of a reader, which is in no list any more, is given back before the lock is given up; where the reader is.
unsafe fn take_reader_s_link(lock: *mut Lock, hold: *mut Hold) -> Seat {
    // SAFETY: it was a reader's hold of this lock.
    unsafe {
        if ptr::eq(hold, &raw const (*lock).hold) {
            (*hold).set_purpose(Purpose::Lock);
            return Seat::FirstReader;
        }
        held::free_of_reader(hold);
        Seat::Reader
    }
}

/// The link for one that has entered, other than the first reader.
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

/// Whether a writer is in the word.
#[inline(always)]
fn is_written(state: u64) -> bool {
    state & SHARED == 0 && state & !FLAGS != FREE
}

/// Whether one may enter as a writer.
#[inline(always)]
fn is_free(state: u64) -> bool {
    state & !(QUEUED | WOKEN) == 0
}

/// The state with one more holder; `None` when it has to wait.
#[inline(always)]
fn with(state: u64, purpose: Purpose, holder: Holder) -> Option<u64> {
    match purpose {
        Purpose::ReadLock => {
            let may_enter = is_free(state) || state & (SHARED | HANDED) == SHARED;
            may_enter.then(|| with_reader(state))
        }
        _ => is_free(state).then_some(state | written_by(holder)),
    }
}

/// The state with one reader more.
#[inline(always)]
fn with_reader(state: u64) -> u64 {
    (state | SHARED) + ONE_READER
}

/// The state with one holder less that is in it.
#[inline(always)]
fn without(state: u64, seat: Seat) -> u64 {
    match seat {
        Seat::Reader if state & !FLAGS != SHARED | ONE_READER => state - ONE_READER,
        _ => state & FLAGS,
    }
}

/// Where the value is.
unsafe fn place(lock: *mut Lock) -> *mut u8 {
    // SAFETY: the block was made with room for it.
    unsafe { lock.cast::<u8>().add(VALUE_OFFSET) }
}

impl Lock {
    fn noun(&self) -> &'static str {
        if self.is_mutex { "mutex" } else { "rwlock" }
    }

    fn is_managed(&self) -> bool {
        // SAFETY: descriptors live as long as the program.
        unsafe { (*self.desc).flags & DESC_MANAGED != 0 }
    }

    /// Only the holder itself can find itself here, so no lock is needed.
    fn is_written_by_caller(&self) -> bool {
        self.state.load(Relaxed) & !FLAGS == written_by(Identity::of_caller().holder)
    }

    fn not_held(&self, operation: &str, position: u32) -> Outcome {
        let noun = self.noun();
        let article = article(noun);
        panic::raise(
            format!("{operation} of {article} {noun} that this coroutine does not hold"),
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

    /// Lets the first reader in.
    #[inline(always)]
    fn enter_first(&self, holder: Holder) -> bool {
        if !self.may_be_read()
            || (self
                .first_reader
                .compare_exchange(NOBODY, holder, AcqRel, Relaxed))
            .is_err()
        {
            return false;
        }
        fence_of_swap();
        let stays = self.may_be_read();
        if !stays {
            self.leave_first();
        }
        stays
    }

    /// Whether a first reader may be in.
    #[inline(always)]
    fn may_be_read(&self) -> bool {
        let state = self.state.load(Acquire);
        (state == FREE || state & SHARED != 0) && !self.contended.load(Relaxed)
    }

    /// Whether a writer that has just entered need not go again because of the first reader; if it need, it has gone.
    #[inline(always)]
    fn stays_to_write(&self) -> bool {
        fence_of_swap();
        let stays = self.is_mutex || self.first_reader.load(Acquire) == NOBODY;
        if !stays {
            self.leave(Seat::Writer);
        }
        stays
    }

    /// How many readers are in. Under the spin lock, or while nothing runs.
    fn readers(&self) -> u64 {
        let state = self.state.load(Acquire);
        let counted = if state & SHARED != 0 {
            state >> SHIFT
        } else {
            0
        };
        match self.first_reader.load(Acquire) {
            first if first == self.counted_first.get() => counted,
            _ => counted + 1,
        }
    }

    /// Lets a holder in if nobody is in the way.
    #[inline(always)]
    fn enter(&self, purpose: Purpose, holder: Holder, attempt: Attempt) -> bool {
        let mut state = self.state.load(Relaxed);
        while let Some(next) = with(state, purpose, holder) {
            if self.change(state, attempt.settled(next)) {
                return purpose == Purpose::ReadLock || self.stays_to_write();
            }
            state = self.state.load(Relaxed);
        }
        false
    }

    /// As [`enter`](Self::enter); where others run that may go soon, and nobody waits for this worker, looks again a few times.
    fn enter_soon(&self, purpose: Purpose, holder: Holder, attempt: Attempt) -> bool {
        if self.enter(purpose, holder, attempt) {
            return true;
        }
        scheduler::has_time_to_spin()
            && (0..LOOKS).any(|look| {
                (0..PAUSES << look).for_each(|_| spin_loop());
                self.enter(purpose, holder, attempt)
            })
    }

    /// The first is about to wait. Under the spin lock.
    #[cold]
    fn become_contended(&self) {
        FENCES.fetch_add(1, Relaxed);
        self.contended.store(true, Relaxed);
        heavy_fence();
        loop {
            let first = self.first_reader.load(Acquire);
            let state = self.state.load(Relaxed);
            if first == NOBODY {
                return;
            }
            if !is_written(state) && self.change(state, with_reader(state)) {
                self.counted_first.set(first);
                return;
            }
            spin_loop();
        }
    }

    /// The first reader goes.
    #[inline(always)]
    fn leave_first(&self) {
        self.first_reader.store(NOBODY, Release);
        self.look_at_mark();
    }

    /// Behind a plain store with which somebody has gone.
    #[inline(always)]
    fn look_at_mark(&self) {
        light_fence();
        if self.contended.load(Relaxed) {
            // SAFETY: the caller owns a reference.
            unsafe { settle(ptr::from_ref(self).cast_mut()) };
        }
    }

    /// Counts a first reader out, if that is who it is, has gone, and was counted in. Under the spin lock.
    fn take_first_out(&self, holder: Holder) {
        let is_counted = self.counted_first.get() == holder && holder != NOBODY;
        // One that is in may have tried to write.
        if is_counted && self.first_reader.load(Relaxed) != holder {
            self.counted_first.set(NOBODY);
            self.take_out(Seat::Reader);
        }
    }

    /// Lets a holder in, or sets [`QUEUED`] because somebody is in the way. Under the spin lock.
    fn enter_or_announce(&self, purpose: Purpose, holder: Holder, attempt: Attempt) -> bool {
        if !self.contended.load(Relaxed) {
            self.become_contended();
        }
        let flags = self.flags_of_queue(attempt);
        loop {
            let state = self.state.load(Relaxed);
            let entered = with(state, purpose, holder);
            let next = entered.unwrap_or(state | flags);
            if self.change(state, attempt.settled(next)) {
                return entered.is_some();
            }
        }
    }

    /// Lets a reader in once more, past those who wait for it to go. Under the spin lock: who lets in the next writer must see it.
    fn enter_again(&self) {
        loop {
            let state = self.state.load(Relaxed);
            // A writer that is there beside the first reader is about to go.
            if !is_written(state) && self.change(state, with_reader(state)) {
                return;
            }
            spin_loop();
        }
    }

    /// What one adds to the state that is about to wait. Under the spin lock.
    fn flags_of_queue(&self, attempt: Attempt) -> u64 {
        if !self.is_mutex {
            self.to_hand_over.set(u32::MAX);
            return QUEUED | HANDED;
        }
        let now = timer::now_ns();
        // SAFETY: the queue is guarded by the spin lock.
        let waiting = unsafe { self.waiters.len() };
        if attempt == Attempt::First {
            if waiting == 0 {
                self.crowded_since.set(now);
            }
            return QUEUED;
        }
        if now.saturating_sub(self.crowded_since.get()) < PATIENCE_NS {
            return QUEUED;
        }
        self.to_hand_over.set(waiting + 1);
        QUEUED | HANDED
    }

    /// Counts a holder out, and lets in or wakes who is next.
    #[inline(always)]
    fn leave(&self, seat: Seat) {
        if seat == Seat::FirstReader {
            return self.leave_first();
        }
        if seat == Seat::Writer && !self.contended.load(Relaxed) {
            self.state.store(FREE, Release);
            return self.look_at_mark();
        }
        let mut state = self.state.load(Relaxed);
        while seat == Seat::Writer || state & QUEUED == 0 {
            let left = without(state, seat);
            if self.change(state, left) {
                if left & (QUEUED | WOKEN) == QUEUED {
                    self.pass_on(None);
                }
                return;
            }
            state = self.state.load(Relaxed);
        }
        self.pass_on(Some(seat));
    }

    /// Lets in or wakes who is next, where somebody waited a moment ago; counts a holder out before, if there is still one to.
    #[inline(never)]
    fn pass_on(&self, leaving: Option<Seat>) {
        // SAFETY: the caller owns a reference, those that wait too.
        unsafe {
            self.base.lock.lock();
            if let Some(seat) = leaving {
                self.take_out(seat);
            }
            let next = self.choose_next();
            self.base.lock.unlock();
            wake_next(ptr::from_ref(self).cast_mut(), next);
        }
    }

    /// Counts a holder out. Under the spin lock.
    fn take_out(&self, seat: Seat) {
        let mut state = self.state.load(Relaxed);
        while !self.change(state, without(state, seat)) {
            state = self.state.load(Relaxed);
        }
    }

    /// Whom to wake once the spin lock, which is held, is released.
    unsafe fn choose_next(&self) -> Next {
        // SAFETY: passed on.
        unsafe {
            if self.state.load(Relaxed) & HANDED == 0 {
                self.choose_to_try()
            } else {
                self.hand_over()
            }
        }
    }

    /// The first waiter tries again, unless somebody is in, who will look when it goes, or has been woken already.
    unsafe fn choose_to_try(&self) -> Next {
        // SAFETY: the queue is guarded by the spin lock.
        unsafe {
            let Some(first) = self.waiters.first() else {
                self.state.fetch_and(!QUEUED, Relaxed);
                return Next::Nobody;
            };
            self.waiters.remove(first);
            let others = if self.waiters.is_empty() { 0 } else { QUEUED };
            while self.state.load(Relaxed) == QUEUED {
                if self.change(QUEUED, WOKEN | others) {
                    return Next::Tries(first);
                }
            }
            self.waiters.push_first(first);
        }
        Next::Nobody
    }

    /// Lets in who is next, if nobody is in the way. Nobody else enters or waits meanwhile, and no reader goes. Without `HANDED` somebody is about to settle.
    unsafe fn hand_over(&self) -> Next {
        let mut claimed = Claimed::new();
        let before = self.state.load(Acquire);
        let mut state = before & !FLAGS;
        if before & HANDED == 0 || state != FREE && state & SHARED == 0 {
            return Next::Nobody;
        }
        // SAFETY: the queue is guarded by the spin lock.
        unsafe {
            while let Some(node) = self.waiters.first()
                && let Some(next) =
                    with(state, (*node).purpose, Identity::of_candidate(node).holder)
            {
                self.waiters.remove(node);
                claimed.push(node);
                state = next;
                self.to_hand_over.set(self.to_hand_over.get() - 1);
            }
        }
        if !self.waiters.is_empty() {
            state |= QUEUED;
            if self.to_hand_over.get() > 0 {
                state |= HANDED;
            } else {
                self.crowded_since.set(timer::now_ns());
            }
        }
        self.state.store(state, Release);
        Next::Enter(claimed)
    }

    /// Whether nobody is in who could still go. Under the spin lock, of an orphan: nobody enters, and nobody waits.
    fn is_abandoned(&self) -> bool {
        let state = self.state.load(Acquire) & !FLAGS;
        let holders = match (self.readers(), state) {
            (0, FREE) => 0,
            (0, _) => 1,
            (count, _) => count,
        };
        holders == u64::from(self.lost.get())
    }
}
