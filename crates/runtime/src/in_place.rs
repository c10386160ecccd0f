//! Awaiting a coroutine that has not started yet runs it in place: as a call, on the awaiter's stack.
//!
//! The awaiter has nothing else to do, so this changes nothing that a program could observe, and saves a control block, a stack and two switches.
//!
//! # Protocol
//! * A coroutine that was spawned is *claimed* exactly once, by the worker that takes it from a deque or by an awaiter ([`begin`]). It may stay in its
//!   deque as a tombstone; [`claim`](crate::claim) says how, and who frees it.
//! * While the call lasts, the awaiter's control block has the id and the locks of the coroutine that it runs; who that is besides, its future says, whose
//!   entry stays where it was until the call ends. The record of the call keeps the awaiter's. Whoever wants to know all coroutines, as reports do, finds
//!   those that await in the records ([`awaiters`]). So reports, traces and locks tell the truth.
//! * The machine code of the call is in [`arch`](crate::arch): status `CALL` of an [`Outcome`] calls the entry on the coroutine's stack, below the frame of
//!   the awaiting stub and the record, and then [`end`] on the worker's stack. A panic is unwound up to that frame, where
//!   [`unwind::stop`](crate::unwind::stop) finds the record of the call and goes on to [`end_failed`].
//!
//! The common case does without Rust: [`arch::future_wait`](crate::stubs::echo_future_wait) makes the call by itself where the coroutine is easily taken out of the
//! deque of its own worker, its future is plain, its result holds no counted references, and the awaiter has no lock and no exception. Then the record is four words, and
//! nothing else is written down: as nobody else knows the future, not even that it was claimed, before the call has ended.
//!
//! Only where the call can have as much stack as a coroutine on its own: see [`stack::has_room_for_call`].

use crate::arch;
use crate::coroutine::{Coroutine, Ended, Identity, Operation, WaitInfo};
use crate::failure::{Failure, FailureKind};
use crate::future::{self, Future};
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
use std::mem::{MaybeUninit, offset_of};
use std::ptr;

/// One call in progress; lies on the stack below the frame of the stub that awaits. Made by `arch`.
#[repr(C)]
pub struct InPlace {
    /// The stack is aligned.
    room: MaybeUninit<u64>,
    more: MaybeUninit<*mut More>,
    pub future: *mut Future,
    /// The call around this one on the same stack.
    pub previous: *mut InPlace,
    /// 1 + the awaiter's id.
    pub awaiter: u64,
    /// Of the await.
    pub position: u32,
    /// Whether there is more to know of it than in the common case: 0 or 1.
    has_more: u32,
}

/// What is not common in a call, or changed for its time.
pub struct More {
    pub future: *mut Future,
    waiting: Waiting,
    /// What the awaiter holds.
    held: *mut c_void,
    /// The awaiter's exception in flight, when it awaits in a landing pad.
    exception: *mut Exception,
    stack: BeforeCall,
}

impl InPlace {
    /// What is not common.
    fn more(&self) -> Option<&More> {
        // SAFETY: then `arch` has written it; it lives as long as the call.
        (self.has_more != 0).then(|| unsafe { &*self.more.assume_init() })
    }

    /// What the awaiter waits for. In the common case the value stays in the future.
    fn waiting(&self) -> Waiting {
        let common = || Waiting::new(Purpose::Await, self.position);
        self.more().map_or_else(common, |more| more.waiting)
    }
}

/// Who runs on the coroutine's stack: it itself, or the innermost of those that it runs in place.
///
/// # Safety
/// Called by the coroutine, or while it does not run.
pub unsafe fn identity(coroutine: &Coroutine) -> Identity {
    // SAFETY: promised by the caller.
    unsafe {
        level(
            coroutine,
            coroutine.in_place,
            coroutine.holder,
            coroutine.held,
        )
    }
}

/// Who runs in that call, or outside all calls.
unsafe fn level(
    coroutine: &Coroutine,
    record: *const InPlace,
    holder: u64,
    held: *mut c_void,
) -> Identity {
    // SAFETY: promised by the caller; the future of a call is alive.
    let (entry, spawned_at) = match unsafe { record.as_ref() } {
        None => (coroutine.entry.cast_const(), coroutine.spawned_at),
        // SAFETY: as above.
        Some(record) => unsafe { future::spawned(record.future) },
    };
    Identity {
        id: holder - 1,
        entry,
        held,
        spawned_at,
    }
}

/// The coroutines that wait for the one that has the block, innermost first, and what they wait for.
///
/// # Safety
/// As for [`identity`]; the calls in progress on its stack do not end meanwhile.
pub unsafe fn awaiters(coroutine: &Coroutine) -> impl Iterator<Item = (Identity, WaitInfo)> {
    let mut next: *const InPlace = coroutine.in_place;
    iter::from_fn(move || {
        // SAFETY: promised by the caller.
        unsafe {
            let record = next.as_ref()?;
            next = record.previous;
            let wait = WaitInfo::new(Operation::Await, record.future, record.position);
            let held = record.more().map_or(ptr::null_mut(), |more| more.held);
            Some((level(coroutine, next, record.awaiter, held), wait))
        }
    })
}

/// Starts the coroutine whose result a pending future is in place, if it has not started and there is room. Return the outcome at once.
///
/// # Safety
/// The caller is a runtime function called by a stub for outcomes; it owns a reference to the future, and `waiting` is what it waits for.
#[inline]
pub unsafe fn begin(future: *mut Future, waiting: Waiting) -> Option<Outcome> {
    // SAFETY: promised by the caller; the block of the running coroutine is ours.
    unsafe {
        if !future::claim(future).may_take() {
            return None;
        }
        let (worker, awaiter) = (scheduler::current_worker()?, scheduler::current()?);
        if !stack::has_room_for_call(awaiter, arch::stub_frame()) {
            return None;
        }
        let more: *mut More = memory::take(size_of::<More>()).cast();
        if more.is_null() {
            return None;
        }
        if !claim(worker, future) {
            memory::give(more.cast(), size_of::<More>());
            return None;
        }
        more.write(More {
            future,
            waiting,
            held: (*awaiter).held,
            exception: (*awaiter).slot.exception,
            stack: stack::begin_call(awaiter, arch::stub_frame()),
        });
        (*awaiter).held = ptr::null_mut();
        (*awaiter).slot.exception = ptr::null_mut();
        Some(Outcome {
            value: more.expose_provenance() as u64,
            status: outcome::CALL,
        })
    }
}

/// Of the parts that `arch` looks at or writes.
pub const MORE_OFFSET: usize = offset_of!(InPlace, more);
pub const FUTURE_OFFSET: usize = offset_of!(InPlace, future);
pub const PREVIOUS_OFFSET: usize = offset_of!(InPlace, previous);
pub const AWAITER_OFFSET: usize = offset_of!(InPlace, awaiter);
pub const POSITION_OFFSET: usize = offset_of!(InPlace, position);
pub const HAS_MORE_OFFSET: usize = offset_of!(InPlace, has_more);
pub const FUTURE_OF_MORE_OFFSET: usize = offset_of!(More, future);
pub const POSITION_OF_MORE_OFFSET: usize =
    offset_of!(More, waiting) + offset_of!(Waiting, position);

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

/// Whether a frame whose callee's canonical frame address is given is the one that called the entry of the innermost call in progress; the call has then failed
/// with `failure`.
///
/// # Safety
/// `coroutine` is the running one and is being unwound.
pub unsafe fn is_boundary(coroutine: *const Coroutine, frame_address: usize) -> bool {
    // SAFETY: promised by the caller.
    let record = unsafe { (*coroutine).in_place };
    // The record is what was pushed last before the call.
    !record.is_null() && frame_address == record.addr()
}

/// The call in progress has failed; the coroutine is unwound up to its boundary, where it has those registers.
///
/// # Safety
/// [`is_boundary`] said so.
#[inline(always)] // for `sanitize`
pub unsafe fn fail(coroutine: *mut Coroutine, failure: Failure, registers: &arch::Saved) -> ! {
    // SAFETY: promised by the caller.
    unsafe {
        (*coroutine).wake_value = Box::into_raw(Box::new(failure)).expose_provenance() as u64;
        sanitize::abandon_frames(coroutine);
        arch::leave_in_place((*coroutine).in_place, registers)
    }
}

/// The call has returned: ends the coroutine, and tells the awaiter what it waited for. Called by `arch`, on the worker's stack.
///
/// # Safety
/// `record` is the innermost call of the running coroutine.
pub unsafe extern "C" fn end(record: *mut InPlace) -> Outcome {
    // SAFETY: promised by the caller.
    unsafe {
        let (future, waiting) = leave(&*record, false);
        future::complete_in_place(future);
        future::settled(future, waiting)
    }
}

/// As [`end`], of a call that has failed. The failure is in the wake value.
///
/// # Safety
/// As for [`end`]; the coroutine is unwound up to the boundary.
pub unsafe extern "C" fn end_failed(record: *mut InPlace) -> Outcome {
    // SAFETY: promised by the caller; `fail` has put the failure there.
    unsafe {
        let coroutine = scheduler::current().expect("a call in place is made by a coroutine");
        let failure = ptr::with_exposed_provenance_mut::<Failure>((*coroutine).wake_value as usize);
        let failure = *Box::from_raw(failure);
        let (future, mut waiting) = leave(&*record, true);
        if failure.kind() == FailureKind::Cancelled {
            // Whatever blocks is cancelled, hence the awaiter too: for it that is no result that it could go on with.
            waiting.purpose = Purpose::Await;
        }
        future::end(future, Ended::Failed(failure));
        future::settled(future, waiting)
    }
}

/// The awaiter goes on, with the future as that of a coroutine that has started and been claimed; what it waits for.
unsafe fn leave(record: &InPlace, is_failed: bool) -> (*mut Future, Waiting) {
    // SAFETY: promised by the caller of `end`.
    unsafe {
        let coroutine = scheduler::current().expect("a call in place is made by a coroutine");
        let (future, waiting) = (record.future, record.waiting());
        if !(*coroutine).held.is_null() {
            held::release_held(coroutine, is_failed);
        }
        (*coroutine).in_place = record.previous;
        (*coroutine).holder = record.awaiter;
        future::start(future);
        match record.has_more {
            0 => {
                stack::end_call(coroutine, BeforeCall::NOTHING);
                future::claim(future).take_for_sure();
            }
            _ => {
                let more = record.more.assume_init();
                stack::end_call(coroutine, (*more).stack);
                (*coroutine).held = (*more).held;
                (*coroutine).slot.exception = (*more).exception;
                memory::give(more.cast(), size_of::<More>());
            }
        }
        (future, waiting)
    }
}
