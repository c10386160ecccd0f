//! Workers and queues; what runs next.
//!
//! What the layers above use: [`current`], [`park`], [`ready`], [`spawn`], and [`external_begin`]/[`external_end`] around work done
//! by other threads that will ready a coroutine.

use crate::coroutine::{Completion, UnlockHook};
pub use crate::coroutine::{Coroutine, Operation, WaitInfo, Wake};
pub use crate::lock::{SpinLock, SpinMutex};
pub use crate::outcome::Outcome;
use echo_abi::layout::EntryDesc;
use std::ffi::c_void;

/// The coroutine that called the running runtime function; `None` on a plain thread and in callbacks.
#[inline]
pub fn current() -> Option<*mut Coroutine> {
    todo!()
}

/// Suspends the calling coroutine; return the result at once. `unlock(data)` runs after its registers are saved: from then on it may
/// be woken, by exactly one call of [`ready`].
pub fn park(unlock: UnlockHook, data: *mut c_void, wait: WaitInfo) -> Outcome {
    let _ = (unlock, data, wait);
    todo!()
}

/// Wakes a parked coroutine. From any thread; the caller has the right to wake it (it was claimed exactly once).
///
/// # Safety
/// `coroutine` is parked, its unlock hook has run, and nobody else wakes it.
pub unsafe fn ready(coroutine: *mut Coroutine, wake: Wake) {
    let _ = (coroutine, wake);
    todo!()
}

/// Starts `entry` as a coroutine. `args` (of `entry.args`) are moved; the result is written to `result`, which stays valid until
/// `completion.finish` was called. Returns the coroutine's id.
///
/// # Safety
/// `entry`, `args` and `result` are valid and of matching types.
pub unsafe fn spawn(
    entry: *mut EntryDesc,
    args: *const u8,
    result: *mut u8,
    position: u32,
    completion: Completion,
) -> u64 {
    let _ = (entry, args, result, position, completion);
    todo!()
}

/// Announces work outside the scheduler that will ready a coroutine: the program is not at its end until [`external_end`].
pub fn external_begin() {
    todo!()
}

/// The announced work is over; called after the coroutine was readied.
pub fn external_end() {
    todo!()
}
