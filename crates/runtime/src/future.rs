//! Futures and promises: one kind of block.
//!
//! # Protocol
//! * The outcome in `state` is written once, from [`PENDING`] to [`RESOLVED`] or [`REJECTED`], under the lock, with release ordering, after the slot is
//!   filled. Who reads a settled state with acquire ordering may read the slot without the lock, for ever. While pending, the slot belongs to the
//!   coroutine whose result it is ([`result_slot`]); a promise's slot is written under the lock by the one who settles it.
//! * Registering a waiter or callback: look at `state`; if pending take the lock (one atomic swap), look again, link the waiter, unlock or park.
//! * Settling takes all waiters out in the same critical section and wakes them afterwards; the value was made shared before. So a waiter
//!   that was queued is woken, and none is queued afterwards.
//! * Callbacks may settle further futures (`all` of `all` of …): what those claim goes to the end of the same list, so no chain, however
//!   long, nests calls.
//! * A waiter's future stays alive until it is woken: whoever waits owns a reference.
//!
//! # Who keeps it alive
//! * Its count, as of any other value: plain while one coroutine alone has the future, shared once it crosses. A plain promise is touched by its
//!   owner only, so it is settled, read and given callbacks without the lock; it is shared when callbacks of it are about to run.
//! * The coroutine whose result it is ([`RUNNING`]) is not counted. When the last owner goes first, it leaves [`ABANDONED`] behind, under the lock, and
//!   the end of the coroutine frees. When the end comes first, the last owner frees, once it has seen the lock free: then the end is done with the block.
//! * A callback of a promise does not keep the promise alive, or one that nobody settles would live for ever by what waits for it. When its last
//!   owner goes, those callbacks are discarded. What looks at it again later ([`combine`]) *pins* it: the block stays, and the value if there is one,
//!   until the last pin goes. Pins are counted under the lock.
//! * Callbacks of a coroutine's future own it: it will be settled.
//!
//! # Before the coroutine starts
//! A coroutine that was spawned is only its future: with the entry where the type of the result will be, and the arguments in the slot. The worker's deque
//! holds it, and [`claim`](crate::claim) says who starts it: a worker, which makes a control block, or who awaits it, in place. Foreign
//! code, which may look at its arguments at any time, what is spawned by other threads, and what is too large have a control block from the beginning.
//!
//! A rejected future keeps its [`Failure`] in the slot. Failures know themselves whether anybody observed them; they are watched from
//! the rejection on, and reported when the future goes away or the program ends.

mod callbacks;
mod combine;

pub use callbacks::on_done;
pub use combine::{all, race};

use crate::channel::copy_value;
use crate::claim::{self, Claim};
use crate::coroutine::{ARGS_BYTES, Completion, Ended, Identity};
use crate::door::{AtomicPtr, AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use crate::failure::Failure;
use crate::handle;
use crate::in_place;
use crate::memory::{self, OutOfMemory};
use crate::panic::{self, Exception};
use crate::scheduler::{self, Coroutine, Need, Outcome, Worker};
use crate::value::{self, block};
use crate::waiter::{self, Claimed, Party, Purpose, Queue, Waitable, Waiter, Waiting};
use echo_abi::layout::{
    DESC_MANAGED, EntryDesc, FUTURE_LOCK_OFFSET, FUTURE_OUTCOME, FUTURE_RESOLVED,
    FUTURE_STATE_OFFSET, FUTURE_VALUE_OFFSET, FUTURE_WAITERS_OFFSET, STACK_SEGMENTED, TypeDesc,
};
use std::ffi::c_void;
use std::mem::{ManuallyDrop, offset_of};
use std::ptr;

pub const PENDING: u32 = 0;
pub const RESOLVED: u32 = FUTURE_RESOLVED;
pub const REJECTED: u32 = 2;
/// What the state says besides these.
const OUTCOME: u32 = FUTURE_OUTCOME;
/// A coroutine will settle it, or has done so. Set from the start.
const RUNNING: u32 = 4;
/// There is no owner any more.
const ABANDONED: u32 = 8;
/// There has never been one, and there is no result.
const DETACHED: u32 = 16;
/// A [race](combine) that looked at it is decided: its failure is nothing to report. Set under the lock, while it is pending.
const LOST: u32 = 32;
/// As [`arch`](crate::arch) settles the future of a coroutine that only the caller knows: its lock and claim, and state.
pub const COMPLETED: u64 = ((RUNNING | RESOLVED) as u64) << 32 | (claim::TAKEN as u64) << 8;

/// Header of the block; a value larger than the slot continues behind it.
#[repr(C)]
pub struct Future {
    base: Waitable,
    state: AtomicU32,
    /// The [`EntryDesc`] of a coroutine that has not started; otherwise the [`TypeDesc`] of the value, null for void. Nobody looks at that before it is settled.
    desc: AtomicPtr<c_void>,
    waiters: Queue,
    /// 1 + the id of the coroutine whose result it is; 0 of a promise.
    coroutine: u64,
    /// See the module docs; changed under the lock.
    pins: AtomicU32,
    /// Where the coroutine was spawned.
    spawned_at: u32,
    slot: Slot,
}
const _: () = assert!(cfg!(loom) || size_of::<Future>() <= 64);
// What generated code looks at.
const _: () = assert!(
    cfg!(loom)
        || offset_of!(Future, base) + offset_of!(Waitable, lock) == FUTURE_LOCK_OFFSET
            && offset_of!(Waitable, claim) == offset_of!(Waitable, lock) + 1
            && offset_of!(Future, state) == FUTURE_STATE_OFFSET
            && offset_of!(Future, waiters) == FUTURE_WAITERS_OFFSET
            && offset_of!(Future, slot) == FUTURE_VALUE_OFFSET
);

/// Of the parts that `arch` looks at.
pub const DESC_OFFSET: usize = offset_of!(Future, desc);
pub const PINS_OFFSET: usize = offset_of!(Future, pins);
pub const COROUTINE_OFFSET: usize = offset_of!(Future, coroutine);
pub const SPAWNED_AT_OFFSET: usize = offset_of!(Future, spawned_at);

/// The first bytes of the value, or the failure.
#[repr(C, align(16))]
union Slot {
    value: [u8; 8],
    failure: ManuallyDrop<Failure>,
}

/// A promise with one owner, plain. `result` is null for void.
#[inline]
pub unsafe fn new(result: *const TypeDesc) -> *mut Future {
    // SAFETY: passed on.
    match unsafe { create(result, PENDING, 0) } {
        Some(future) => future,
        None => block::out_of_memory(size_of::<Future>()),
    }
}

/// Bytes of a value that fit into the header.
const SLOT_BYTES: usize = size_of::<Future>() - offset_of!(Future, slot);

#[inline(always)]
unsafe fn create(result: *const TypeDesc, state: u32, coroutine: u64) -> Option<*mut Future> {
    // SAFETY: descriptors are constants of the program.
    let size = unsafe { size_of_value(result) };
    let desc = result.cast_mut().cast();
    create_sized(bytes_with(size), desc, state, coroutine, 0)
}

/// Bytes of a value of that type, which may be null.
#[inline(always)]
unsafe fn size_of_value(desc: *const TypeDesc) -> usize {
    // SAFETY: descriptors are constants of the program.
    unsafe { desc.as_ref() }.map_or(0, |desc| desc.size as usize)
}

/// Bytes of a block whose slot has room for so many.
#[inline(always)]
const fn bytes_with(slot_bytes: usize) -> usize {
    let slot_bytes = if slot_bytes > SLOT_BYTES {
        slot_bytes
    } else {
        SLOT_BYTES
    };
    offset_of!(Future, slot) + slot_bytes
}

#[inline(always)]
fn create_sized(
    bytes: usize,
    desc: *mut c_void,
    state: u32,
    coroutine: u64,
    spawned_at: u32,
) -> Option<*mut Future> {
    handle::create_plain(bytes, |base| Future {
        base,
        state: AtomicU32::new(state),
        desc: AtomicPtr::new(desc),
        waiters: Queue::new(),
        coroutine,
        pins: AtomicU32::new(0),
        spawned_at,
        slot: Slot { value: [0; 8] },
    })
}

/// The pending future of coroutine `id`, with one owner, plain; `None` when there is no memory.
pub unsafe fn of_coroutine(result: *const TypeDesc, id: u64) -> Option<*mut Future> {
    // SAFETY: passed on.
    unsafe { create(result, RUNNING, id + 1) }
}

/// Where the coroutine whose result it is writes it, before [`complete`].
pub unsafe fn result_slot(future: *mut Future) -> *mut u8 {
    // SAFETY: the future is alive.
    unsafe { (&raw mut (*future).slot).cast() }
}

/// Starts `entry` as a coroutine with `args` (moved, and made shared here); the owned future of its result, or a panic when there is no memory.
pub unsafe fn spawn(entry: *mut EntryDesc, args: *const u8, position: u32) -> Outcome {
    // SAFETY: the entry describes its arguments.
    unsafe {
        share_args(entry, args);
        let future = match worker_for(entry) {
            Some((worker, bytes)) => post(worker, bytes, entry, args, position, RUNNING),
            None => spawn_at_once(entry, args, position),
        };
        match future {
            Some(future) => Outcome::pointer(future),
            None => cannot_spawn(entry, args, position),
        }
    }
}

/// What the runtime learns of an entry: the bytes of its futures, if they are small, the words of its arguments, and these.
const LEARNED_BYTES: u32 = (1 << 16) - 1;
/// The result, if there is one, holds no counted references. Known to `arch`.
pub const LEARNED_BITS: u32 = 1 << 16;
/// The arguments hold counted references that have to be made shared.
const LEARNED_SHARED_ARGS: u32 = 1 << 17;
/// The coroutine has a control block from the beginning.
const LEARNED_AT_ONCE: u32 = 1 << 18;
/// It has not, and its arguments need only be copied. Known to `arch`.
pub const LEARNED_PLAIN: u32 = 1 << 19;
/// The arguments fit into a control block.
const LEARNED_FITTING_ARGS: u32 = 1 << 20;
/// As [`LEARNED_PLAIN`], and its future has the size of most. Known to `arch`.
pub const LEARNED_SMALLEST: u32 = 1 << 21;
/// Of the words of the arguments, as `arch` counts them: all those of small ones.
pub const LEARNED_WORDS_SHIFT: u32 = 24;
const WORD_BYTES: usize = size_of::<u64>();
/// Bytes of most futures.
pub const SMALLEST_BYTES: usize = bytes_with(0);
/// What the future of a coroutine in a deque begins with behind its header: lock and claim and state; as it is owned, and as it is not.
pub const SPAWNED: u64 = (claim::WAITING as u64) << 8 | (RUNNING as u64) << 32;
pub const SPAWNED_DETACHED: u64 = SPAWNED | ((ABANDONED | DETACHED) as u64) << 32;

#[inline]
unsafe fn learned(entry: *mut EntryDesc) -> u32 {
    // SAFETY: passed on.
    unsafe {
        let learned = learned_word(entry);
        match learned.load(Relaxed) {
            0 => learn(entry, learned),
            known => known,
        }
    }
}

#[inline]
unsafe fn learned_word<'a>(entry: *mut EntryDesc) -> &'a std::sync::atomic::AtomicU32 {
    // SAFETY: descriptors live as long as the program; this word is only ever accessed whole.
    unsafe { std::sync::atomic::AtomicU32::from_ptr(&raw mut (*entry).learned_future) }
}

/// Several may do it at a time.
#[cold]
unsafe fn learn(entry: *const EntryDesc, learned: &std::sync::atomic::AtomicU32) -> u32 {
    // SAFETY: descriptors live as long as the program.
    unsafe {
        let (args, result) = ((*entry).args.as_ref(), (*entry).result.as_ref());
        let is_managed = |desc: &TypeDesc| desc.flags & DESC_MANAGED != 0;
        let sizes = [(*entry).args, (*entry).result].map(|desc| size_of_value(desc));
        let bytes = bytes_with(sizes[0].max(sizes[1]));
        let is_small = bytes <= memory::SMALL_BYTES;
        let mut word = if is_small {
            memory::room(bytes) as u32
        } else {
            0
        };
        if !is_small || (*entry).stack != STACK_SEGMENTED {
            word |= LEARNED_AT_ONCE;
        } else {
            word |= (sizes[0].div_ceil(WORD_BYTES) as u32) << LEARNED_WORDS_SHIFT;
        }
        // Sanitizers do not see what `arch` does.
        let is_for_arch = !memory::magazine(bytes).is_null();
        if is_for_arch && result.is_none_or(|desc| !is_managed(desc)) {
            word |= LEARNED_BITS;
        }
        if args.is_some_and(value::needs_sharing) {
            word |= LEARNED_SHARED_ARGS;
        }
        if is_for_arch && word & (LEARNED_AT_ONCE | LEARNED_SHARED_ARGS) == 0 {
            word |= LEARNED_PLAIN;
            if bytes == SMALLEST_BYTES {
                word |= LEARNED_SMALLEST;
            }
        }
        if sizes[0] <= ARGS_BYTES && args.is_none_or(|desc| usize::from(desc.align) <= WORD_BYTES) {
            word |= LEARNED_FITTING_ARGS;
        }
        // Others may be constants.
        if (*entry).stack == STACK_SEGMENTED {
            learned.store(word, Relaxed);
        }
        word
    }
}

/// The worker in whose deque a future can be that is all there is of a coroutine before it starts, and the bytes of such a future; `None` when the coroutine needs
/// a control block at once.
#[inline]
unsafe fn worker_for(entry: *mut EntryDesc) -> Option<(&'static Worker, usize)> {
    // SAFETY: passed on.
    let learned = unsafe { learned(entry) };
    if learned & LEARNED_AT_ONCE != 0 {
        return None;
    }
    let worker = scheduler::current_worker()?;
    Some((worker, (learned & LEARNED_BYTES) as usize))
}

/// Spawns a coroutine as a future in the deque of the calling worker; `None` when there is no memory, and the arguments are still the caller's.
#[inline]
unsafe fn post(
    worker: &Worker,
    bytes: usize,
    entry: *mut EntryDesc,
    args: *const u8,
    position: u32,
    state: u32,
) -> Option<*mut Future> {
    // SAFETY: the slot has room for the arguments; the future is ours until it is in the deque.
    unsafe {
        if !worker.can_start(entry) {
            return None;
        }
        let id = worker.take_id();
        let create = || create_sized(bytes, entry.cast(), state, id + 1, position);
        let future = create().or_else(|| worker.gather(Need::Run, create))?;
        let args_bytes = size_of_value((*entry).args);
        copy_value(args, result_slot(future), args_bytes as u32);
        claim(future).publish();
        if worker.push_unstarted(future).is_err() {
            claim(future).take_for_sure();
            handle::free(future);
            return None;
        }
        if state & DETACHED != 0 {
            worker.restrain_spawner();
        }
        Some(future)
    }
}

/// Spawns a coroutine that has a control block.
#[cold]
unsafe fn spawn_at_once(
    entry: *mut EntryDesc,
    args: *const u8,
    position: u32,
) -> Option<*mut Future> {
    // SAFETY: the entry describes its arguments and result; the future lives until the coroutine has ended.
    unsafe {
        let coroutine = scheduler::create(position).ok()?;
        let future = of_coroutine((*entry).result, (*coroutine).id());
        let is_started = future.is_some_and(|future| {
            let (slot, completion) = (result_slot(future), completion(future));
            let started = scheduler::start(coroutine, entry, args, slot, completion);
            started.inspect_err(|_| handle::free(future)).is_ok()
        });
        if !is_started {
            scheduler::discard(coroutine);
            return None;
        }
        future
    }
}

/// Who may start the coroutine whose future it is.
#[inline(always)]
pub unsafe fn claim<'a>(future: *const Future) -> &'a Claim {
    // SAFETY: the future is alive.
    unsafe { &(*future).base.claim }
}

/// For the worker that took the future out of a deque: whether it is to start the coroutine. If not, it was a tombstone, and the worker has done with it.
pub unsafe fn take_to_start(future: *mut Future, is_alone: bool) -> bool {
    // SAFETY: what is in a deque is alive.
    unsafe {
        let is_taken = claim(future).take_to_start(is_alone);
        if !is_taken {
            bury(future);
        }
        is_taken
    }
}

/// A tombstone was taken out of its deque.
pub unsafe fn bury(future: *mut Future) {
    // SAFETY: it is not freed before it has left its deque.
    unsafe {
        if claim(future).leave_queue() {
            handle::free(future);
        }
    }
}

/// There is no memory for the coroutine. The caller has claimed it.
#[cold]
pub unsafe fn fail_to_start(future: *mut Future) {
    // SAFETY: the arguments are in the slot, and nobody's.
    unsafe {
        let Spawned { callee, slot } = start(future);
        if let Some(args) = (*callee.entry).args.as_ref() {
            value::drop(slot, args);
        }
        end(future, scheduler::cannot_start(&callee));
    }
}

/// A coroutine at its start.
pub struct Spawned {
    pub callee: Identity,
    /// Where its arguments are, and its result goes.
    pub slot: *mut u8,
}

/// What a coroutine will run that has not started, or runs in place, and where it was spawned.
pub unsafe fn spawned(future: *const Future) -> (*const EntryDesc, u32) {
    // SAFETY: passed on.
    unsafe { (entry(future), (*future).spawned_at) }
}

/// What a coroutine will run that has not started, or runs in place. The caller has claimed it.
#[inline]
pub unsafe fn entry(future: *const Future) -> *mut EntryDesc {
    // SAFETY: until then this word is the entry.
    unsafe { (*future).desc.load(Relaxed) }.cast()
}

/// The coroutine starts, or has ended in place. The caller has claimed it.
#[inline]
pub unsafe fn start(future: *mut Future) -> Spawned {
    // SAFETY: promised by the caller.
    unsafe {
        let this = &*future;
        let entry = entry(future);
        let result = (*entry).result.cast_mut().cast();
        this.desc.store(result, Relaxed);
        Spawned {
            callee: Identity {
                id: this.coroutine - 1,
                entry,
                held: ptr::null_mut(),
                spawned_at: this.spawned_at,
            },
            slot: result_slot(future),
        }
    }
}

/// There is no memory for a coroutine: its arguments go.
#[cold]
unsafe fn cannot_spawn(entry: *const EntryDesc, args: *const u8, position: u32) -> Outcome {
    // SAFETY: the entry describes its arguments, which nobody has taken.
    unsafe {
        if let Some(desc) = (*entry).args.as_ref() {
            value::drop(args.cast_mut(), desc);
        }
    }
    panic::raise(scheduler::CANNOT_START, position)
}

/// Arguments are about to be seen by another coroutine.
#[inline]
unsafe fn share_args(entry: *mut EntryDesc, args: *const u8) {
    // SAFETY: the entry describes its arguments.
    unsafe {
        if learned(entry) & LEARNED_SHARED_ARGS != 0 {
            value::share(args.cast_mut(), &*(*entry).args);
        }
    }
}

/// Settles `future` with the end of its coroutine, which does not touch it afterwards.
pub fn completion(future: *mut Future) -> Completion {
    unsafe fn finish(data: *mut c_void, ended: Ended) {
        let future: *mut Future = data.cast();
        // SAFETY: the future of a coroutine lives until that settles it.
        unsafe { end(future, ended) }
    }
    Completion {
        data: future.cast(),
        finish,
    }
}

/// What a coroutine takes from the future as which it was spawned.
pub struct Inherited {
    /// Where the arguments are, and the result goes.
    pub slot: *mut u8,
    pub completion: Completion,
}

/// The coroutine starts that has the control block, and its identity. A future that nobody has ever owned is of no more use: the arguments move to the block, if they fit.
#[inline(always)]
pub unsafe fn inherit(future: *mut Future, coroutine: *mut Coroutine) -> Inherited {
    // SAFETY: the caller has claimed the future, and taken it out of its deque; then nobody else knows one that is detached.
    unsafe {
        let is_detached = (*future).state.load(Relaxed) & DETACHED != 0;
        let slot = result_slot(future);
        let learned = learned_word((*coroutine).entry).load(Relaxed);
        if !is_detached || learned & LEARNED_FITTING_ARGS == 0 {
            return Inherited {
                slot,
                completion: completion(future),
            };
        }
        let room = Coroutine::args_room(coroutine);
        copy_args(slot, room, learned >> LEARNED_WORDS_SHIFT);
        handle::free(future);
        Inherited {
            slot: room,
            completion: UNWATCHED,
        }
    }
}

/// Copies the words of arguments that fit, an odd number with one more if there is room: a slot has an even number of words.
#[inline(always)]
unsafe fn copy_args(from: *const u8, to: *mut u8, words: u32) {
    const ROOM: u32 = (ARGS_BYTES / WORD_BYTES) as u32;
    // Sanitizers give each slot what it has asked for.
    let room = if cfg!(echo_sanitize) { words } else { ROOM };
    let (from, to) = (from.cast::<u64>(), to.cast::<u64>());
    for start in (0..room).step_by(2) {
        if start > 0 && start >= words {
            return;
        }
        let count = (room - start).min(2) as usize;
        // SAFETY: both places have as many words, as the caller says, or one more that is within the rooms.
        unsafe {
            ptr::copy_nonoverlapping(from.add(start as usize), to.add(start as usize), count)
        };
    }
}

/// Of a coroutine whose end nobody waits for.
const UNWATCHED: Completion = {
    unsafe fn finish(_: *mut c_void, ended: Ended) {
        if let Ended::Failed(failure) = ended {
            failure.report_if_unobserved();
        }
    }
    Completion {
        data: ptr::null_mut(),
        finish,
    }
};

/// The coroutine whose result it is has ended.
pub unsafe fn end(future: *mut Future, ended: Ended) {
    // SAFETY: the future is alive and pending.
    unsafe {
        match ended {
            Ended::Completed => complete(future),
            Ended::Failed(failure) => {
                fail(future, failure);
            }
        }
    }
}

/// As [`end`], for a coroutine that completed in place. The caller owns the future; if that is plain, nobody else knows it.
pub unsafe fn complete_in_place(future: *mut Future) {
    // SAFETY: promised by the caller.
    unsafe {
        let this = &*future;
        if block::is_shared(future.cast()) {
            return complete(future);
        }
        if let Some(desc) = this.managed() {
            value::share(result_slot(future), desc);
        }
        this.state.store(RUNNING | RESOLVED, Relaxed);
    }
}

/// The result is in the slot: resolves the future.
unsafe fn complete(future: *mut Future) {
    let mut claimed = Claimed::new();
    // SAFETY: passed on.
    unsafe {
        complete_onto(future, &mut claimed);
        deliver_all(claimed);
    }
}

unsafe fn complete_onto(future: *mut Future, claimed: &mut Claimed) {
    // SAFETY: the future is alive, pending, and its slot filled by the only one who may.
    unsafe {
        let this = &*future;
        if let Some(desc) = this.managed() {
            value::share(result_slot(future), desc);
        }
        this.base.lock.lock();
        Future::publish(future, RESOLVED, claimed);
    }
}

/// Resolves the future with `from` (moved; null for void). False, and the value dropped, when it is settled already.
#[inline]
pub unsafe fn resolve(future: *mut Future, from: *mut u8) -> bool {
    // SAFETY: the caller owns a reference and the value. What is plain is known to nobody else.
    unsafe {
        let this = &*future;
        if block::is_shared(future.cast()) || !this.is_bare() {
            return resolve_shared(future, from);
        }
        if let Some(desc) = this.managed() {
            value::share(from, desc);
        }
        this.copy(from, result_slot(future));
        this.state.store(RESOLVED, Relaxed);
        true
    }
}

#[inline(never)]
unsafe fn resolve_shared(future: *mut Future, from: *mut u8) -> bool {
    let mut claimed = Claimed::new();
    // SAFETY: passed on.
    unsafe {
        let settled = resolve_onto(future, from, &mut claimed);
        deliver_all(claimed);
        settled
    }
}

/// Rejects the future. False when it is settled already.
pub unsafe fn fail(future: *mut Future, failure: Failure) -> bool {
    let mut claimed = Claimed::new();
    // SAFETY: the caller owns a reference.
    unsafe {
        let settled = fail_onto(future, failure, &mut claimed);
        deliver_all(claimed);
        settled
    }
}

unsafe fn resolve_onto(future: *mut Future, from: *mut u8, claimed: &mut Claimed) -> bool {
    // SAFETY: as in `resolve`; the slot is written under the lock while pending.
    unsafe {
        let this = &*future;
        if let Some(desc) = this.managed() {
            value::share(from, desc);
        }
        if this.settled_or_lock() != PENDING {
            if let Some(desc) = this.managed() {
                value::drop(from, desc);
            }
            return false;
        }
        this.copy(from, result_slot(future));
        Future::publish(future, RESOLVED, claimed);
        true
    }
}

unsafe fn fail_onto(future: *mut Future, failure: Failure, claimed: &mut Claimed) -> bool {
    // SAFETY: as in `fail`; the slot is written under the lock while pending.
    unsafe {
        let this = &*future;
        if this.settled_or_lock() != PENDING {
            return false;
        }
        match this.state.load(Relaxed) & LOST {
            0 => failure.watch(),
            _ => _ = failure.observe(),
        }
        (&raw mut (*future).slot.failure).write(ManuallyDrop::new(failure));
        Future::publish(future, REJECTED, claimed);
        true
    }
}

/// Waits for the value; `out` gets a copy unless that is null, or the failure is raised again.
pub unsafe fn await_value(future: *mut Future, out: *mut u8, position: u32) -> Outcome {
    let waiting = Waiting::with_value(Purpose::Await, out, position);
    // SAFETY: passed on.
    unsafe { wait(future, waiting) }
}

/// Waits; the word is 0 and the value in `out`, or 1 and the message, an owned string, in `*error`.
pub unsafe fn try_await(
    future: *mut Future,
    out: *mut u8,
    error: *mut u8,
    position: u32,
) -> Outcome {
    let waiting = Waiting {
        purpose: Purpose::TryAwait,
        value: out,
        extra: error,
        position,
    };
    // SAFETY: passed on.
    unsafe { wait(future, waiting) }
}

/// Waits; the word is 0 and the value in `out` (unless that is null), or 1.
pub unsafe fn await_status(future: *mut Future, out: *mut u8, position: u32) -> Outcome {
    let waiting = Waiting::with_value(Purpose::AwaitStatus, out, position);
    // SAFETY: passed on.
    unsafe { wait(future, waiting) }
}

/// The caller owns a reference to the future; the places of `waiting` have room for what goes there, and stay.
unsafe fn wait(future: *mut Future, waiting: Waiting) -> Outcome {
    // SAFETY: see above.
    unsafe {
        let this = &*future;
        if this.outcome() == PENDING {
            if let Some(outcome) = in_place::begin(future, waiting) {
                return outcome;
            }
            if this.settled_or_lock() == PENDING {
                return waiter::wait(&this.waiters, &this.base, waiting);
            }
        }
        settled(future, waiting)
    }
}

/// What a settled future gives to one that waits, who calls this.
#[inline]
pub unsafe fn settled(future: *mut Future, waiting: Waiting) -> Outcome {
    // SAFETY: as in `wait`.
    unsafe {
        let this = &*future;
        if waiting.purpose == Purpose::Await && this.outcome() == RESOLVED {
            this.give_value(waiting.value);
            return Outcome::DONE;
        }
        settled_otherwise(this, waiting)
    }
}

#[inline(never)]
unsafe fn settled_otherwise(this: &Future, waiting: Waiting) -> Outcome {
    // SAFETY: as in `settled`.
    unsafe {
        let rejected = this.outcome() == REJECTED;
        match waiting.purpose {
            Purpose::AwaitStatus => Outcome::value(this.give_status(waiting.value)),
            Purpose::TryAwait if rejected => {
                this.give_message(waiting.extra);
                Outcome::value(1)
            }
            _ if rejected => panic::raise_again(this.failure(), waiting.position),
            _ => {
                this.give_value(waiting.value);
                Outcome::DONE
            }
        }
    }
}

/// Who waits; guarded by the lock.
pub unsafe fn waiters<'a>(future: *const Future) -> &'a Queue {
    // SAFETY: alive as long as somebody waits.
    unsafe { &(*future).waiters }
}

/// The failure of a rejected future; `None` when it is pending or resolved.
pub unsafe fn failure<'a>(future: *const Future) -> Option<&'a Failure> {
    // SAFETY: the caller owns a reference; a settled slot does not change any more.
    unsafe { ((*future).outcome() == REJECTED).then(|| (*future).failure()) }
}

/// [`PENDING`], [`RESOLVED`] or [`REJECTED`].
pub unsafe fn state(future: *const Future) -> u32 {
    // SAFETY: the caller owns a reference.
    unsafe { (*future).outcome() }
}

/// Whether the future is resolved or rejected.
pub unsafe fn is_done(future: *const Future) -> bool {
    // SAFETY: the caller owns a reference.
    unsafe { state(future) != PENDING }
}

/// The coroutine whose result this is; for reports.
pub unsafe fn coroutine_id(future: *const Future) -> Option<u64> {
    // SAFETY: the caller knows the future to be alive.
    unsafe { (*future).coroutine }.checked_sub(1)
}

/// The last owner is gone: drops the value or the failure (which is reported unless somebody saw it) and frees the block, unless that is left to the
/// coroutine whose result it is, or to a pin.
#[inline]
pub unsafe fn destroy(future: *mut Future) {
    // SAFETY: without owners there are no new pins. Whoever settled it, or unpinned it last, did so under the lock, and is done with it when that
    // is free afterwards.
    unsafe {
        let this = &*future;
        let outcome = this.outcome();
        if outcome != PENDING && this.pins.load(Acquire) == 0 && this.base.lock.is_free() {
            dispose(future, outcome);
        } else {
            abandon(future);
        }
    }
}

/// Gives up the only reference, if there is nothing to do but to free the block: what most futures come to. Whether it did.
#[inline(always)]
pub unsafe fn free_settled(future: *mut Future) -> bool {
    // SAFETY: the caller owns the reference. As in `destroy`.
    unsafe {
        let this = &*future;
        let is_free = this.outcome() == RESOLVED
            && this.pins.load(Acquire) == 0
            && this.base.lock.is_free()
            && claim(future).is_taken()
            && this.managed().is_none();
        if is_free {
            handle::free(future);
        }
        is_free
    }
}

#[cold]
unsafe fn abandon(future: *mut Future) {
    // SAFETY: there is no owner; what happens to the block is decided under the lock. Parties that wait own references, and so do the callbacks of a
    // coroutine's future, so only callbacks of a promise can be left.
    unsafe {
        let this = &*future;
        this.base.lock.lock();
        let state = this.state.load(Relaxed);
        this.state.store(state | ABANDONED, Relaxed);
        if state & !LOST == RUNNING {
            this.base.lock.unlock();
            return;
        }
        let discarded = this.waiters.pop_all();
        this.add_pin();
        this.base.lock.unlock();
        for node in discarded {
            match Waiter::party(node) {
                Party::Callback(callback) => callback(node, None),
                _ => unreachable!("whoever waits owns a reference"),
            }
        }
        unpin(future);
    }
}

/// Frees a block that nobody knows any more, and what it holds.
#[inline]
unsafe fn dispose(future: *mut Future, outcome: u32) {
    // SAFETY: this is the only access.
    unsafe {
        let this = &*future;
        match outcome {
            RESOLVED => {
                if let Some(desc) = this.managed() {
                    value::drop(result_slot(future), desc);
                }
            }
            REJECTED => {
                this.failure().report_if_unobserved();
                ManuallyDrop::drop(&mut (*future).slot.failure);
            }
            _ => {}
        }
        if claim(future).release() {
            handle::free(future);
        }
    }
}

/// One pin less.
unsafe fn unpin(future: *mut Future) {
    // SAFETY: the caller's pin keeps the block. The last one, if there is no owner either, frees it.
    unsafe {
        let this = &*future;
        this.base.lock.lock();
        let (state, pins) = (this.state.load(Relaxed), this.pins.load(Relaxed) - 1);
        this.pins.store(pins, Release);
        this.base.lock.unlock();
        if state & ABANDONED != 0 && pins == 0 {
            dispose(future, state & OUTCOME);
        }
    }
}

impl Future {
    /// The value's type if it holds references.
    fn managed(&self) -> Option<&'static TypeDesc> {
        // SAFETY: descriptors live as long as the program.
        unsafe { self.result().as_ref() }.filter(|desc| desc.flags & DESC_MANAGED != 0)
    }

    /// Null for void. Of a coroutine that has started.
    fn result(&self) -> *const TypeDesc {
        self.desc.load(Relaxed).cast()
    }

    unsafe fn copy(&self, from: *const u8, to: *mut u8) {
        // SAFETY: both places hold a value; they never overlap.
        unsafe { copy_value(from, to, size_of_value(self.result()) as u32) }
    }

    fn slot(&self) -> *const u8 {
        (&raw const self.slot).cast()
    }

    /// Copies the value of a resolved future, if it is wanted anywhere.
    unsafe fn give_value(&self, out: *mut u8) {
        if out.is_null() {
            return;
        }
        // SAFETY: resolved, so the slot does not change any more.
        unsafe {
            self.copy(self.slot(), out);
            if let Some(desc) = self.managed() {
                value::dup(out, desc);
            }
        }
    }

    /// Gives the message of a rejected future as an owned string.
    unsafe fn give_message(&self, error: *mut u8) {
        // SAFETY: rejected; `error` has room for a string.
        unsafe {
            let failure = self.failure();
            failure.observe();
            error
                .cast::<*mut u8>()
                .write(value::string(failure.message()));
        }
    }

    /// Does what a party with [`Purpose::AwaitStatus`] waits for; the word it gets.
    unsafe fn give_status(&self, out: *mut u8) -> u64 {
        // SAFETY: settled; `out` is null or has room for the value.
        unsafe {
            if self.outcome() == REJECTED {
                self.failure().observe();
                return 1;
            }
            self.give_value(out);
            0
        }
    }

    /// The failure of a rejected future.
    unsafe fn failure(&self) -> &Failure {
        // SAFETY: rejected, so the slot holds a failure and does not change any more.
        unsafe { &self.slot.failure }
    }

    /// [`PENDING`], [`RESOLVED`] or [`REJECTED`].
    #[inline(always)]
    fn outcome(&self) -> u32 {
        self.state.load(Acquire) & OUTCOME
    }

    /// Whether it is a promise that nobody has settled and nobody waits for.
    fn is_bare(&self) -> bool {
        self.state.load(Relaxed) == PENDING && self.waiters.is_empty()
    }

    /// Whether a coroutine settles it.
    fn is_of_coroutine(&self) -> bool {
        self.state.load(Relaxed) & RUNNING != 0
    }

    /// The settled outcome, or [`PENDING`] with the lock held.
    fn settled_or_lock(&self) -> u32 {
        let outcome = self.outcome();
        if outcome != PENDING {
            return outcome;
        }
        self.base.lock.lock();
        let outcome = self.outcome();
        if outcome != PENDING {
            self.base.lock.unlock();
        }
        outcome
    }

    /// One pin more. Under the lock.
    fn add_pin(&self) {
        self.pins.store(self.pins.load(Relaxed) + 1, Relaxed);
    }

    /// Nobody who looked at it is told how it ends. Under the lock.
    unsafe fn lose(&self) {
        match self.outcome() {
            PENDING => {
                let state = self.state.load(Relaxed);
                self.state.store(state | LOST, Relaxed);
            }
            // SAFETY: rejected.
            REJECTED => _ = unsafe { self.failure() }.observe(),
            _ => {}
        }
    }

    /// Publishes the slot of a pending future and releases the lock, which the caller holds; whoever waited is claimed.
    unsafe fn publish(future: *mut Future, outcome: u32, claimed: &mut Claimed) {
        // SAFETY: under the lock. An abandoned future is known to nobody else.
        unsafe {
            let this = &*future;
            if !this.waiters.is_empty() {
                this.claim_waiters(claimed);
            }
            let state = this.state.load(Relaxed);
            this.state.store(state | outcome, Release);
            this.base.lock.unlock();
            if state & ABANDONED != 0 {
                dispose(future, outcome);
            }
        }
    }

    /// Under the lock, by somebody who owns the future or is its coroutine.
    #[cold]
    unsafe fn claim_waiters(&self, claimed: &mut Claimed) {
        // SAFETY: promised by the caller.
        unsafe {
            while let Some(node) = self.waiters.pop() {
                callbacks::own_again(node);
                claimed.push(node);
            }
        }
    }

    /// Does what a waiter of this settled future waits for, and wakes it.
    unsafe fn deliver(&self, node: *mut Waiter) {
        // SAFETY: the waiter is claimed; its places are in the frame of the parked party.
        unsafe {
            match (self.outcome(), (*node).purpose) {
                (_, Purpose::AwaitStatus) => {
                    let status = self.give_status((*node).value);
                    waiter::wake(node, status);
                }
                (RESOLVED, _) => {
                    self.give_value((*node).value);
                    waiter::wake(node, 0);
                }
                (_, Purpose::TryAwait) => {
                    self.give_message((*node).extra);
                    waiter::wake(node, 1);
                }
                _ => waiter::throw(node, Exception::again(self.failure(), (*node).position)),
            }
        }
    }
}

/// Wakes the waiters of settled futures, and those that callbacks add meanwhile.
unsafe fn deliver_all(mut claimed: Claimed) {
    while let Some(node) = claimed.next() {
        // SAFETY: claimed waiters are ours; the future of one that waits is alive.
        unsafe {
            match Waiter::party(node) {
                Party::Callback(callback) => callback(node, Some(&mut claimed)),
                _ => (*(*node).object.cast::<Future>()).deliver(node),
            }
        }
    }
}

/// Starts `entry`, which has no result, as a coroutine with `args` (moved, and made shared here) whose future nobody wants; a panic when there is no
/// memory.
pub unsafe fn spawn_detached(entry: *mut EntryDesc, args: *const u8, position: u32) -> Outcome {
    // SAFETY: the entry describes its arguments.
    unsafe {
        share_args(entry, args);
        match start_detached(entry, args, position) {
            Ok(()) => Outcome::DONE,
            Err(OutOfMemory) => cannot_spawn(entry, args, position),
        }
    }
}

/// For a callback, with arguments that are shared: nobody is there who could be told that there is no memory.
unsafe fn call_back(entry: *mut EntryDesc, args: *const u8, position: u32) {
    // SAFETY: passed on.
    if unsafe { start_detached(entry, args, position) }.is_err() {
        block::out_of_memory(size_of::<Coroutine>());
    }
}

/// As [`spawn_detached`], with arguments that are shared, and on failure still the caller's.
unsafe fn start_detached(
    entry: *mut EntryDesc,
    args: *const u8,
    position: u32,
) -> Result<(), OutOfMemory> {
    // SAFETY: the entry describes its arguments, and writes no result.
    unsafe {
        debug_assert!((*entry).result.is_null());
        if let Some((worker, bytes)) = worker_for(entry) {
            let state = RUNNING | ABANDONED | DETACHED;
            let future = post(worker, bytes, entry, args, position, state);
            return future.map(drop).ok_or(OutOfMemory);
        }
        scheduler::spawn(entry, args, ptr::null_mut(), position, UNWATCHED).map(drop)
    }
}

// ---- rows of the symbol table

pub unsafe fn echo_spawn(entry: *mut u8, args: *mut u8, position: i32) -> Outcome {
    // SAFETY: the contract of the table, here and below.
    unsafe { spawn(entry.cast(), args, position as u32) }
}

pub unsafe fn echo_spawn_words(entry: *mut u8, first: i64, second: i64, position: i32) -> Outcome {
    let args = [first, second];
    // SAFETY: see above.
    unsafe { spawn(entry.cast(), args.as_ptr().cast(), position as u32) }
}

pub unsafe fn echo_spawn_detached(entry: *mut u8, args: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { spawn_detached(entry.cast(), args, position as u32) }
}

pub unsafe fn echo_await(future: *mut u8, out: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { await_value(future.cast(), out, position as u32) }
}

pub unsafe fn echo_future_wait(future: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { await_value(future.cast(), ptr::null_mut(), position as u32) }
}

/// Leaves the ownership with the caller: `arch` takes it where that is easy.
pub unsafe fn echo_future_wait_last(future: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { await_value(future.cast(), ptr::null_mut(), position as u32) }
}

pub unsafe fn echo_try_await(
    future: *mut u8,
    out: *mut u8,
    error: *mut u8,
    position: i32,
) -> Outcome {
    // SAFETY: see above.
    unsafe { try_await(future.cast(), out, error, position as u32) }
}

pub unsafe extern "C" fn echo_future_is_done(future: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe { is_done(future.cast()) }
}

pub unsafe extern "C" fn echo_promise_new(result: *mut u8) -> *mut u8 {
    // SAFETY: see above.
    unsafe { new(result.cast()).cast() }
}

pub unsafe extern "C" fn echo_promise_resolve(promise: *mut u8, value: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe { resolve(promise.cast(), value) }
}

pub unsafe extern "C" fn echo_promise_reject(
    promise: *mut u8,
    message: *mut u8,
    position: i32,
) -> bool {
    // SAFETY: see above; the message is borrowed.
    unsafe {
        let message = value::string_text(message).to_owned();
        fail(promise.cast(), Failure::rejection(message, position as u32))
    }
}

pub unsafe extern "C" fn echo_future_on_done(
    future: *mut u8,
    entry: *mut u8,
    args: *mut u8,
    position: i32,
) {
    // SAFETY: see above.
    unsafe { on_done(future.cast(), entry.cast(), args, true, position as u32) }
}

pub unsafe extern "C" fn echo_all(futures: *mut u8, array: *mut u8, position: i32) -> *mut u8 {
    // SAFETY: see above.
    unsafe { all(futures.cast(), array.cast(), position as u32).cast() }
}

pub unsafe extern "C" fn echo_race(futures: *mut u8, result: *mut u8, position: i32) -> *mut u8 {
    // SAFETY: see above.
    unsafe { race(futures.cast(), result.cast(), position as u32).cast() }
}
