//! Awaiting a coroutine that has not started yet runs it in place: as a call, on the awaiter's stack.
//!
//! The awaiter has nothing else to do, so this changes nothing that a program could observe, and saves a stack and two switches.
//!
//! # Protocol
//! * A coroutine that was started but has not run is *claimed* exactly once, by the worker that takes it from a queue ([`claim_to_start`]) or by an
//!   awaiter ([`begin`]), whose future names it ([`Name`]). It may stay in its queue as a tombstone; [`claim`](crate::claim) says how, and who frees it.
//! * While the call lasts, the two control blocks have swapped identities: the awaiter's block, which runs, has the id, name and locks of the
//!   coroutine it runs; the coroutine's own block, which does not, those of the awaiter, and says that it awaits. So reports, traces and locks
//!   are right, and nobody can tell the difference.
//! * The machine code of the call is in [`arch`](crate::arch): status `CALL` of an [`Outcome`] calls the entry on the coroutine's stack, below the frame of
//!   the awaiting stub, and then [`end`] on the worker's stack. A panic is unwound up to that frame, where [`unwind::stop`](crate::unwind::stop) finds the
//!   record of the call and goes on to [`end`] as well.
//!
//! Only where the call can have as much stack as a coroutine on its own: see [`stack::has_room_for_call`].

use crate::arch;
use crate::coroutine::{Coroutine, Ended, Operation, State, WaitInfo};
use crate::failure::{Failure, FailureKind};
use crate::future::{self, Future};
use crate::memory;
use crate::outcome::{self, Outcome};
use crate::panic::Exception;
use crate::sanitize;
use crate::scheduler;
use crate::stack::{self, BeforeCall};
use crate::value::block;
use crate::waiter::{Purpose, Waiting};
use echo_abi::layout::{EntryDesc, STACK_SEGMENTED};
use std::ffi::c_void;
use std::mem::swap;

/// One call in progress. The first four words are known to `arch`.
#[repr(C)]
pub struct InPlace {
    /// Frame pointer of the awaiting stub, set by `arch`.
    frame: usize,
    code: *const c_void,
    args: *mut u8,
    result: *mut u8,
    /// Whose entry is called; its block holds the awaiter's identity.
    coroutine: *mut Coroutine,
    /// The call around this one on the same stack.
    previous: *mut InPlace,
    /// The awaiter's exception in flight, when it awaits in a landing pad.
    exception: *mut Exception,
    future: *mut Future,
    waiting: Waiting,
    failure: Option<Failure>,
    stack: BeforeCall,
}

impl InPlace {
    /// What its awaiter waits for.
    pub fn wait(&self) -> WaitInfo {
        WaitInfo::new(Operation::Await, self.future, self.waiting.position)
    }
}

/// Which coroutine's result a future is: address and generation of its control block, in one word. 0 names none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name(u64);

/// Bits of a generation.
const GENERATION_BITS: u32 = 23;
/// Control blocks are so aligned, and lie in the lower 2^47 bytes, which are all that a process has unless it asks for more.
const BLOCK_SHIFT: u32 = align_of::<Coroutine>().trailing_zeros();
const _: () = assert!(47 - BLOCK_SHIFT + GENERATION_BITS <= 64);

impl Name {
    pub const NONE: Name = Name(0);

    /// The name of a coroutine with that id, in the block at that address, which will run `entry`. Foreign code needs a stack of its own: then the
    /// name is one for reports only.
    pub fn new(coroutine: *const Coroutine, id: u64, entry: &EntryDesc) -> Name {
        let block = if entry.stack == STACK_SEGMENTED {
            coroutine.expose_provenance() as u64
        } else {
            0
        };
        Name((block >> BLOCK_SHIFT) << GENERATION_BITS | u64::from(generation(id)))
    }

    /// The name of a coroutine for reports only.
    pub fn of_id(id: u64) -> Name {
        Name(u64::from(generation(id)))
    }

    fn coroutine(self) -> *mut Coroutine {
        std::ptr::with_exposed_provenance_mut(((self.0 >> GENERATION_BITS) << BLOCK_SHIFT) as usize)
    }

    /// As the word that [`from_word`](Self::from_word) takes.
    pub fn word(self) -> u64 {
        self.0
    }

    pub fn from_word(word: u64) -> Name {
        Name(word)
    }

    /// The lower bits of the coroutine's id, for reports; `None` of no coroutine.
    pub fn id(self) -> Option<u64> {
        (self != Name::NONE).then(|| u64::from(self.generation()))
    }

    fn generation(self) -> u32 {
        self.0 as u32 & ((1 << GENERATION_BITS) - 1)
    }
}

/// What a claim word keeps of an id.
pub fn generation(id: u64) -> u32 {
    id as u32 & ((1 << GENERATION_BITS) - 1)
}

/// For the worker that took a coroutine that has not run from a queue: whether it may run it. If not, it is a tombstone, which is freed here or at the end
/// of the call.
///
/// # Safety
/// The caller has taken the coroutine from a queue, on a worker's thread.
#[inline]
pub unsafe fn claim_to_start(coroutine: *mut Coroutine) -> bool {
    // SAFETY: promised by the caller; a queued block is not freed.
    unsafe {
        let claim = &(*coroutine).claim;
        let is_alone = scheduler::is_alone();
        if claim.take_to_start(is_alone) {
            return true;
        }
        if claim.leave_queue(is_alone) {
            scheduler::worker_cache().put_control(coroutine);
        }
        false
    }
}

/// Starts the coroutine whose result a pending future is in place, if it has not run and there is room. Return the outcome at once.
///
/// # Safety
/// The caller is a runtime function called by a stub for outcomes; it owns a reference to the future, and `waiting` is what it waits for.
#[inline]
pub unsafe fn begin(future: *mut Future, name: Name, waiting: Waiting) -> Option<Outcome> {
    let coroutine = name.coroutine();
    if coroutine.is_null() {
        return None;
    }
    // SAFETY: control blocks are never unmapped, and the claim word is atomic: with the right generation the coroutine is ours.
    unsafe {
        if !(*coroutine).claim.may_take(name.generation()) {
            return None;
        }
        let awaiter = scheduler::current()?;
        if !stack::has_room_for_call(awaiter, arch::stub_frame()) {
            return None;
        }
        let record: *mut InPlace = memory::take(size_of::<InPlace>()).cast();
        if record.is_null() {
            return None;
        }
        if !claim_in_place(coroutine, future, name.generation()) {
            memory::give(record.cast(), size_of::<InPlace>());
            return None;
        }
        Some(enter(record, awaiter, coroutine, future, waiting))
    }
}

/// Whether the caller may run the coroutine, which had that generation a moment ago, in place.
///
/// # Safety
/// On a worker's thread; the caller owns the future, whose coroutine it is.
#[inline]
unsafe fn claim_in_place(coroutine: *mut Coroutine, future: *mut Future, generation: u32) -> bool {
    // SAFETY: promised by the caller. What is in this worker's deque has not been used again since. A call that has not begun has not ended.
    unsafe {
        let claim = &(*coroutine).claim;
        let is_alone = scheduler::is_alone();
        let is_out = scheduler::take_own(coroutine);
        if is_out && !block::is_shared(future.cast()) {
            claim.take_for_sure(generation);
            return true;
        }
        if !claim.take_in_place(generation, is_alone) {
            if is_out && claim.leave_queue(is_alone) {
                scheduler::worker_cache().put_control(coroutine);
            }
            return false;
        }
        if is_out || scheduler::take_injected(coroutine) {
            let _ = claim.leave_queue(is_alone);
        }
        true
    }
}

/// # Safety
/// `record` is fresh; `awaiter` runs; `coroutine` was claimed.
unsafe fn enter(
    record: *mut InPlace,
    awaiter: *mut Coroutine,
    coroutine: *mut Coroutine,
    future: *mut Future,
    waiting: Waiting,
) -> Outcome {
    // SAFETY: both blocks are ours; the record is fresh.
    unsafe {
        swap_identities(awaiter, coroutine);
        (*coroutine).set_state(State::Suspended);
        record.write(InPlace {
            frame: 0,
            code: (*(*awaiter).entry).code,
            args: (*coroutine).args,
            result: (*coroutine).slot.result,
            coroutine,
            previous: (*awaiter).in_place,
            exception: (*awaiter).slot.exception,
            future,
            waiting,
            failure: None,
            stack: stack::begin_call(awaiter, arch::stub_frame()),
        });
        (*awaiter).in_place = record;
        (*awaiter).slot.exception = std::ptr::null_mut();
        (*coroutine).in_place = record;
    }
    Outcome {
        value: record.expose_provenance() as u64,
        status: outcome::CALL,
    }
}

/// # Safety
/// Both blocks are the caller's.
unsafe fn swap_identities(a: *mut Coroutine, b: *mut Coroutine) {
    // SAFETY: promised by the caller; the blocks are distinct.
    unsafe {
        let (a, b) = (&mut *a, &mut *b);
        swap(&mut a.id, &mut b.id);
        swap(&mut a.entry, &mut b.entry);
        swap(&mut a.spawned_at, &mut b.spawned_at);
        swap(&mut a.held, &mut b.held);
    }
}

/// Whether a frame whose callee's canonical frame address is given is the one that called the entry of the innermost call in progress; the call has then failed
/// with `failure`.
///
/// # Safety
/// `coroutine` is the running one and is being unwound.
pub unsafe fn is_boundary(coroutine: *const Coroutine, frame_address: usize) -> bool {
    // SAFETY: promised by the caller; the record lives until the call ends.
    unsafe { (*coroutine).in_place.as_ref() }
        .is_some_and(|record| frame_address == record.frame - arch::IN_PLACE_FRAME)
}

/// The call in progress has failed; the coroutine is unwound up to its boundary.
///
/// # Safety
/// [`is_boundary`] said so.
#[inline(always)] // for `sanitize`
pub unsafe fn fail(coroutine: *mut Coroutine, failure: Failure) -> ! {
    // SAFETY: promised by the caller.
    unsafe {
        let record = (*coroutine).in_place;
        (*record).failure = Some(failure);
        sanitize::abandon_frames(coroutine);
        arch::leave_in_place(record)
    }
}

/// The call has ended, by return or by failure: ends the coroutine, and tells the awaiter what it waited for. Called by `arch`, on the worker's stack.
///
/// # Safety
/// `record` is the innermost call of the running coroutine.
pub unsafe extern "C" fn end(record: *mut InPlace) -> Outcome {
    // SAFETY: promised by the caller.
    unsafe {
        let awaiter = scheduler::current().expect("a call in place is made by a coroutine");
        let InPlace {
            coroutine,
            previous,
            exception,
            future,
            waiting,
            failure,
            stack,
            ..
        } = record.read();
        memory::give(record.cast(), size_of::<InPlace>());
        stack::end_call(awaiter, stack);
        (*awaiter).in_place = previous;
        (*awaiter).slot.exception = exception;
        swap_identities(awaiter, coroutine);
        match failure {
            None => {
                give_up(coroutine, &Ended::Completed);
                future::complete_in_place(future);
                future::settled(future, waiting)
            }
            Some(failure) => end_failed(coroutine, failure, future, waiting),
        }
    }
}

#[cold]
unsafe fn end_failed(
    coroutine: *mut Coroutine,
    failure: Failure,
    future: *mut Future,
    mut waiting: Waiting,
) -> Outcome {
    // SAFETY: as in `end`.
    unsafe {
        if failure.kind() == FailureKind::Cancelled {
            // Whatever blocks is cancelled, hence the awaiter too: for it that is no result that it could go on with.
            waiting.purpose = Purpose::Await;
        }
        let ended = Ended::Failed(failure);
        give_up(coroutine, &ended);
        future::end(future, ended);
        future::settled(future, waiting)
    }
}

/// Ends a coroutine that was run in place, but for telling its future.
///
/// # Safety
/// It has its own identity again, and the caller has claimed it.
#[inline]
unsafe fn give_up(coroutine: *mut Coroutine, ended: &Ended) {
    // SAFETY: promised by the caller. Its completion is that of its future.
    unsafe {
        let _ = scheduler::end_coroutine(coroutine, ended);
        if (*coroutine).claim.end_call(scheduler::is_alone()) {
            scheduler::worker_cache().put_control(coroutine);
        }
    }
}
