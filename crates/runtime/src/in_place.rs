//! Awaiting a coroutine that has not started yet runs it in place: as a call, on the awaiter's stack.
//!
//! The awaiter has nothing else to do, so this changes nothing that a program could observe, and saves a control block, a stack and two switches.
//!
//! # Protocol
//! * A coroutine that was spawned is *claimed* exactly once, by the worker that takes it from a deque or by an awaiter ([`begin`]). It may stay in its
//!   deque as a tombstone; [`claim`](crate::claim) says how, and who frees it.
//! * While the call lasts, the awaiter's control block has the identity (id, name, locks) of the coroutine that it runs, and the record of the call keeps
//!   the awaiter's. Whoever wants to know all coroutines, as reports do, finds those that await in the records ([`awaiters`]). So reports, traces and locks
//!   tell the truth.
//! * The machine code of the call is in [`arch`](crate::arch): status `CALL` of an [`Outcome`] calls the entry on the coroutine's stack, below the frame of
//!   the awaiting stub, and then [`end`] on the worker's stack. A panic is unwound up to that frame, where [`unwind::stop`](crate::unwind::stop) finds the
//!   record of the call and goes on to [`end`] as well.
//!
//! The common case does without Rust: [`arch::echo_await`](crate::stubs::echo_await) makes the call by itself where the coroutine is the newest in the deque of its own
//! worker, its future is plain, and its result is a word.
//!
//! Only where the call can have as much stack as a coroutine on its own: see [`stack::has_room_for_call`].

use crate::arch;
use crate::coroutine::{Coroutine, Ended, Identity, Operation, WaitInfo};
use crate::failure::{Failure, FailureKind};
use crate::future::{self, Future, Spawned};
use crate::memory;
use crate::outcome::{self, Outcome};
use crate::panic::Exception;
use crate::sanitize;
use crate::scheduler::{self, Worker};
use crate::stack::{self, BeforeCall};
use crate::sync::held;
use crate::value::block;
use crate::waiter::{Purpose, Waiting};
use std::ffi::c_void;
use std::iter;
use std::ptr;

/// One call in progress. `arch` knows it, and makes some itself.
#[repr(C)]
pub struct InPlace {
    /// Frame pointer of the awaiting stub, set by `arch`.
    pub frame: usize,
    pub code: *const c_void,
    /// Where the arguments are and the result goes.
    pub slot: *mut u8,
    /// The call around this one on the same stack.
    pub previous: *mut InPlace,
    pub awaiter: Identity,
    /// The awaiter's exception in flight, when it awaits in a landing pad.
    pub exception: *mut Exception,
    pub future: *mut Future,
    pub waiting: Waiting,
    pub failure: Option<Failure>,
    pub stack: BeforeCall,
    /// In whose list it was.
    pub worker: *const Worker,
}

/// The coroutines that wait for the one that has the block, innermost first, and what they wait for.
///
/// # Safety
/// The calls in progress on its stack do not end meanwhile.
pub unsafe fn awaiters(coroutine: &Coroutine) -> impl Iterator<Item = (Identity, WaitInfo)> {
    let mut next: *const InPlace = coroutine.in_place;
    iter::from_fn(move || {
        // SAFETY: promised by the caller.
        let record = unsafe { next.as_ref() }?;
        next = record.previous;
        let wait = WaitInfo::new(Operation::Await, record.future, record.waiting.position);
        Some((record.awaiter, wait))
    })
}

/// Starts the coroutine whose result a pending future is in place, if it has not started and there is room. Return the outcome at once.
///
/// # Safety
/// The caller is a runtime function called by a stub for outcomes; it owns a reference to the future, and `waiting` is what it waits for.
#[inline]
pub unsafe fn begin(future: *mut Future, waiting: Waiting) -> Option<Outcome> {
    // SAFETY: promised by the caller.
    unsafe {
        if !future::claim(future).may_take() {
            return None;
        }
        let (worker, awaiter) = (scheduler::current_worker()?, scheduler::current()?);
        if !stack::has_room_for_call(awaiter, arch::stub_frame()) {
            return None;
        }
        let record = take_record(worker)?;
        if !claim(worker, future) {
            give_record(record, worker);
            return None;
        }
        Some(enter(record, worker, awaiter, future, waiting))
    }
}

/// A record, of unknown contents but for its worker, for a call that begins on this one: the calls of a worker recycle theirs.
#[inline]
fn take_record(worker: &Worker) -> Option<*mut InPlace> {
    let record = worker.records.get();
    if record.is_null() {
        let fresh: *mut InPlace = memory::take(size_of::<InPlace>()).cast();
        if fresh.is_null() {
            return None;
        }
        // SAFETY: fresh memory of that size. `arch` does not write this word.
        unsafe { (&raw mut (*fresh).worker).write(ptr::from_ref(worker)) };
        return Some(fresh);
    }
    // SAFETY: a record in the list is nobody's; the list belongs to this thread.
    worker.records.set(unsafe { (*record).previous });
    Some(record)
}

/// Takes a record back that is of no use any more. Where the call has moved to another worker, that does not collect it.
#[inline]
unsafe fn give_record(record: *mut InPlace, from: *const Worker) {
    let worker = scheduler::current_worker().filter(|&worker| ptr::eq(worker, from));
    // SAFETY: promised by the caller; the list belongs to this thread.
    unsafe {
        let Some(worker) = worker else {
            return memory::give(record.cast(), size_of::<InPlace>());
        };
        (*record).previous = worker.records.replace(record);
    }
}

/// For a worker whose thread ends.
pub fn free_records(worker: &Worker) {
    while let Some(record) = ptr::NonNull::new(worker.records.get()) {
        let record = record.as_ptr();
        // SAFETY: as above.
        unsafe {
            worker.records.set((*record).previous);
            memory::give(record.cast(), size_of::<InPlace>());
        }
    }
}

/// Whether the caller may run the coroutine in place.
///
/// # Safety
/// On the worker's thread; the caller owns the future.
#[inline]
unsafe fn claim(worker: &Worker, future: *mut Future) -> bool {
    // SAFETY: promised by the caller.
    unsafe {
        let claim = future::claim(future);
        if !worker.take_own(future) {
            let is_taken = claim.take_in_place(worker.is_alone);
            if is_taken {
                worker.leave_tombstone();
            }
            return is_taken;
        }
        if !block::is_shared(future.cast()) {
            claim.take_for_sure();
            return true;
        }
        let is_taken = claim.take_to_start(worker.is_alone);
        if !is_taken {
            let is_released = claim.leave_queue();
            debug_assert!(!is_released, "the caller owns it");
        }
        is_taken
    }
}

/// # Safety
/// `record` is fresh; `awaiter` runs; the coroutine whose future it is was claimed.
#[inline]
unsafe fn enter(
    record: *mut InPlace,
    worker: &Worker,
    awaiter: *mut Coroutine,
    future: *mut Future,
    waiting: Waiting,
) -> Outcome {
    // SAFETY: the block is ours; the record is fresh.
    unsafe {
        let Spawned { callee, slot } = future::start(future);
        record.write(InPlace {
            frame: 0,
            code: (*callee.entry).code,
            slot,
            previous: (*awaiter).in_place,
            awaiter: (*awaiter).identity(),
            exception: (*awaiter).slot.exception,
            future,
            waiting,
            failure: None,
            stack: stack::begin_call(awaiter, arch::stub_frame()),
            worker: ptr::from_ref(worker),
        });
        (*awaiter).in_place = record;
        (*awaiter).slot.exception = ptr::null_mut();
        (*awaiter).set_identity(callee);
    }
    Outcome {
        value: record.expose_provenance() as u64,
        status: outcome::CALL,
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
        let coroutine = scheduler::current().expect("a call in place is made by a coroutine");
        let InPlace {
            previous,
            awaiter,
            exception,
            future,
            waiting,
            failure,
            stack,
            worker,
            ..
        } = record.read();
        give_record(record, worker);
        stack::end_call(coroutine, stack);
        if !(*coroutine).held.is_null() {
            held::release_held(coroutine, failure.is_some());
        }
        (*coroutine).in_place = previous;
        (*coroutine).slot.exception = exception;
        (*coroutine).set_identity(awaiter);
        match failure {
            None => {
                future::complete_in_place(future);
                future::settled(future, waiting)
            }
            Some(failure) => end_failed(failure, future, waiting),
        }
    }
}

#[cold]
unsafe fn end_failed(failure: Failure, future: *mut Future, mut waiting: Waiting) -> Outcome {
    // SAFETY: as in `end`.
    unsafe {
        if failure.kind() == FailureKind::Cancelled {
            // Whatever blocks is cancelled, hence the awaiter too: for it that is no result that it could go on with.
            waiting.purpose = Purpose::Await;
        }
        future::end(future, Ended::Failed(failure));
        future::settled(future, waiting)
    }
}
