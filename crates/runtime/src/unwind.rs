//! Unwinding a coroutine: what happens between a raised exception and the failed coroutine.
//!
//! `_Unwind_ForcedUnwind` does the work, started by a stub on the worker's stack whose CFI leads back to the coroutine. It calls [`stop`] before
//! every frame; landing pads run as ordinary coroutine code (they may block, migrate, be preempted, and panic themselves) and end in
//! `echo_unwind_resume`.
//!
//! # Invariants
//! * The unwinder never runs on a segment.
//! * Before a landing pad runs on the first segment, the limit is that of the first segment: [`stop`] sees every frame and resets it.
//! * An exception belongs to its coroutine from [`begin`] on and is freed when the end of the stack is reached, together with those it replaced.
//! * `_Unwind_ForcedUnwind` is declared here alone, as `extern "C-unwind"`.

use crate::arch;
use crate::coroutine::Coroutine;
use crate::failure::{Failure, write_stderr};
use crate::in_place;
use crate::panic::{Exception, MAX_TRACE};
use crate::position;
use crate::sanitize;
use crate::stack;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Opaque: the unwinder's view of a frame.
#[repr(C)]
pub struct UnwindContext {
    _private: [u8; 0],
}

/// Called for every frame; 0 means go on.
pub type StopFunction = unsafe extern "C-unwind" fn(
    i32,
    i32,
    u64,
    *mut Exception,
    *mut UnwindContext,
    *mut Coroutine,
) -> i32;

unsafe extern "C-unwind" {
    #[allow(improper_ctypes)] // opaque to the unwinder
    pub fn _Unwind_ForcedUnwind(
        exception: *mut Exception,
        stop: StopFunction,
        coroutine: *mut Coroutine,
    ) -> i32;
    #[allow(improper_ctypes)] // as above
    pub fn _Unwind_Resume(exception: *mut Exception) -> !;
    fn _Unwind_GetCFA(context: *mut UnwindContext) -> usize;
    fn _Unwind_GetIP(context: *mut UnwindContext) -> usize;
    fn _Unwind_GetGR(context: *mut UnwindContext, register: i32) -> usize;
}

/// `_UA_END_OF_STACK`
const END_OF_STACK: i32 = 16;

/// The coroutine takes the exception over; returns it for the unwinder.
///
/// # Safety
/// `exception` came from [`Outcome::raise`](crate::outcome::Outcome::raise); `coroutine` is the running one, or null.
pub unsafe extern "C-unwind" fn begin(
    exception: *mut Exception,
    coroutine: *mut Coroutine,
) -> *mut Exception {
    // SAFETY: promised by the caller.
    unsafe {
        if coroutine.is_null() {
            fatal(&format!(
                "panic outside a coroutine: {}",
                (*exception).message
            ));
        }
        let replaced = (*coroutine).slot.exception;
        if !replaced.is_null() {
            (*exception).replaced = Some(Box::from_raw(replaced));
        }
        (*coroutine).slot.exception = exception;
    }
    exception
}

/// The prologue of a function found no stack left: makes room for the cleanups and returns the exception.
///
/// # Safety
/// `coroutine` is the running one.
pub unsafe extern "C-unwind" fn overflow(coroutine: *mut Coroutine) -> *mut Exception {
    // SAFETY: promised by the caller.
    unsafe {
        stack::open_reserve(coroutine);
        begin(
            Box::into_raw(Exception::panic("stack overflow", 0)),
            coroutine,
        )
    }
}

/// There is no memory for the stack that a function needs: makes what room there is for the cleanups and returns the exception.
///
/// # Safety
/// `coroutine` is the running one, and has no big segment.
pub unsafe extern "C-unwind" fn cannot_grow(coroutine: *mut Coroutine) -> *mut Exception {
    // SAFETY: promised by the caller.
    unsafe {
        stack::give_last(coroutine);
        let exception = Exception::panic("out of memory: the stack cannot grow", 0);
        begin(Box::into_raw(exception), coroutine)
    }
}

/// A function that suspends was called by a thread that is no coroutine.
pub extern "C-unwind" fn outside_coroutine() -> ! {
    fatal("a blocking operation outside a coroutine")
}

/// Called by the unwinder before each frame, innermost first.
///
/// # Safety
/// Called by `_Unwind_ForcedUnwind` with what [`begin`] returned and the running coroutine.
pub unsafe extern "C-unwind" fn stop(
    _version: i32,
    actions: i32,
    _class: u64,
    exception: *mut Exception,
    context: *mut UnwindContext,
    coroutine: *mut Coroutine,
) -> i32 {
    // SAFETY: the coroutine is ours while it runs; the context is valid during the call.
    unsafe {
        let frame_address = _Unwind_GetCFA(context);
        if actions & END_OF_STACK != 0 {
            if frame_address != arch::entry_frame_address((*coroutine).top()) {
                fatal(
                    "unwinding stopped before a coroutine's entry: a function without unwind information",
                );
            }
            let failure = take_failure(coroutine);
            (*coroutine).wake_value = Box::into_raw(Box::new(failure)) as usize as u64;
            sanitize::abandon_frames(coroutine);
            arch::leave_failed()
        }
        if in_place::is_boundary(coroutine, frame_address) {
            stack::reset_limit(coroutine, frame_address);
            let failure = take_failure(coroutine);
            in_place::fail(
                coroutine,
                failure,
                &arch::SAVED.map(|register| _Unwind_GetGR(context, register)),
            )
        }
        record(&mut *exception, _Unwind_GetIP(context), frame_address);
        stack::reset_limit(coroutine, frame_address);
    }
    0
}

/// Adds a frame to the trace, once: a frame whose cleanup resumed is met again, and the prologue that called `__morestack` is part of the frame before.
fn record(exception: &mut Exception, address: usize, frame_address: usize) {
    let callee = std::mem::replace(&mut exception.last_address, address);
    if arch::is_in_morestack(callee) {
        return;
    }
    let known = exception
        .frames
        .iter()
        .any(|&(_, frame)| frame == frame_address);
    if exception.frames.len() < MAX_TRACE && !known && position::is_program_code(address) {
        exception.frames.push((address, frame_address));
    }
}

/// Turns the exception in flight into the coroutine's failure.
///
/// # Safety
/// The coroutine is running and has an exception.
unsafe fn take_failure(coroutine: *mut Coroutine) -> Failure {
    // SAFETY: the coroutine owns the exception.
    unsafe {
        let exception = Box::from_raw((*coroutine).slot.exception);
        (*coroutine).slot.exception = std::ptr::null_mut();
        let exception = *exception;
        let trace = exception
            .frames
            .iter()
            .map(|&(address, _)| address)
            .collect();
        Failure::of_coroutine(
            exception.kind,
            exception.message.into_owned(),
            exception.position,
            in_place::identity(&*coroutine).origin(),
            trace,
            exception.cause,
        )
    }
}

/// Runs a runtime function; a Rust panic in it becomes a panic of the coroutine.
#[inline(always)]
pub fn guard(function: impl FnOnce() -> crate::outcome::Outcome) -> crate::outcome::Outcome {
    match catch_unwind(AssertUnwindSafe(function)) {
        Ok(outcome) => outcome,
        Err(payload) => internal_error(payload),
    }
}

#[cold]
fn internal_error(payload: Box<dyn std::any::Any + Send>) -> crate::outcome::Outcome {
    crate::panic::raise(format!("internal error: {}", panic_text(&*payload)), 0)
}

/// The message of a Rust panic.
pub fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    match payload.downcast_ref::<String>() {
        Some(text) => text,
        None => payload
            .downcast_ref::<&'static str>()
            .copied()
            .unwrap_or("Rust panic"),
    }
}

/// Ends the process for an error nobody can recover from.
pub fn fatal(message: &str) -> ! {
    write_stderr(&format!("fatal: {message}\n"));
    std::process::abort()
}
