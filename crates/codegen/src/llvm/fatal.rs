//! Errors after which LLVM ends the process: it would print a line of its own, which nobody would take for a message of the compiler.

use std::ffi::{CStr, c_char};
use std::sync::OnceLock;

static HANDLER: OnceLock<fn(&str) -> !> = OnceLock::new();

/// Sets what is told LLVM's last words and ends the process. The first one counts.
pub fn on_fatal_error(handler: fn(&str) -> !) {
    // Another one is there already.
    let _ = HANDLER.set(handler);
}

/// What LLVM calls.
pub unsafe extern "C" fn fatal_error(reason: *const c_char) {
    // SAFETY: LLVM passes a C string.
    let reason = unsafe { CStr::from_ptr(reason) };
    if let Some(handler) = HANDLER.get() {
        handler(&reason.to_string_lossy());
    }
}
