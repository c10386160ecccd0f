//! Everything that knows the machine. One file per architecture, the same names in each.
//!
//! # What lives per thread
//! Four words (`echo_tls`): the coroutine the thread runs, the worker's stack pointer while it runs one (0 otherwise), the worker, and the frame of the last
//! stub for outcomes. They are read
//! by single opaque instructions sequences, so no address of them can be kept across a suspension.

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;

/// How [`resume`] returned.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Left {
    pub reason: Reason,
    /// Of [`Reason::Park`]: the value of the outcome.
    pub value: u64,
}

/// Why [`resume`] returned.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The same numbers as [`crate::outcome`].
    Yield = 1,
    Park = 2,
    /// The entry function returned.
    Exited = 4,
    /// Unwinding reached the end of the stack; the failure is in the wake value.
    Failed = 5,
    /// Stopped at a function entry by a preemption request.
    Preempted = 6,
}
