//! No sanitizer: nothing is told to anybody.

use crate::coroutine::Coroutine;

/// What [`enter`] has left.
#[derive(Clone, Copy)]
pub struct Worker;

/// The coroutine is going to run on this worker.
///
/// # Safety
/// The caller owns the coroutine, which has a stack.
#[inline(always)]
pub unsafe fn enter(_coroutine: *mut Coroutine) -> Worker {
    Worker
}

/// The coroutine has left the worker, for ever if `is_over`.
///
/// # Safety
/// As for [`enter`], which returned `worker`.
#[inline(always)]
pub unsafe fn leave(_coroutine: *mut Coroutine, _worker: Worker, _is_over: bool) {}

/// The calling function is left by a jump, as are all that it was called by on the worker's stack, down to the stub.
///
/// # Safety
/// `coroutine` is the running one, and has failed.
#[inline(always)]
pub unsafe fn abandon_frames(_coroutine: *mut Coroutine) {}

/// Nobody may access the memory.
#[inline(always)]
pub fn poison(_start: *mut u8, _bytes: usize) {}

/// The memory has an owner.
#[inline(always)]
pub fn unpoison(_start: *mut u8, _bytes: usize) {}
