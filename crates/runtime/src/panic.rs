//! Starting a panic: the exception object, and the `echo_panic*` functions of generated code.
//!
//! A panic is an [`Outcome`] with status RAISE; the stub hands its exception to the unwinder (see [`crate::unwind`]), which owns it until the
//! coroutine's entry is reached and turns it into a [`Failure`] there.

use crate::failure::{Failure, FailureKind};
use crate::outcome::Outcome;
use std::borrow::Cow;

/// Return addresses kept of a trace.
pub const MAX_TRACE: usize = 32;

/// Head of every exception object, laid out by the Itanium C++ ABI.
#[repr(C, align(16))]
pub struct UnwindHeader {
    pub class: u64,
    pub cleanup: usize,
    pub private: [u64; 2],
}

/// An exception in flight (or about to be).
#[repr(C)]
pub struct Exception {
    pub header: UnwindHeader,
    pub kind: FailureKind,
    pub message: Cow<'static, str>,
    pub position: u32,
    /// The failure that is raised again.
    pub cause: Option<Failure>,
    /// Return address and canonical frame address of each frame met, innermost first.
    pub frames: Vec<(usize, usize)>,
    /// The exception whose cleanup raised this one, if any.
    pub replaced: Option<Box<Exception>>,
}

/// "ECHOLANG", as the unwinder wants it.
pub const EXCEPTION_CLASS: u64 = u64::from_be_bytes(*b"ECHOLANG");

impl Exception {
    pub fn new(
        kind: FailureKind,
        message: Cow<'static, str>,
        position: u32,
        cause: Option<Failure>,
    ) -> Box<Exception> {
        Box::new(Exception {
            header: UnwindHeader {
                class: EXCEPTION_CLASS,
                cleanup: 0,
                private: [0; 2],
            },
            kind,
            message,
            position,
            cause,
            frames: Vec::new(),
            replaced: None,
        })
    }

    /// An ordinary panic.
    pub fn panic(message: impl Into<Cow<'static, str>>, position: u32) -> Box<Exception> {
        Exception::new(FailureKind::Panic, message.into(), position, None)
    }

    /// Raises `failure` again where it was awaited; marks it observed.
    pub fn again(failure: &Failure, position: u32) -> Box<Exception> {
        failure.observe();
        Exception::new(
            failure.kind(),
            Cow::Owned(failure.message().to_owned()),
            position,
            Some(failure.clone()),
        )
    }
}

/// Panics the calling coroutine.
#[cold]
pub fn raise(message: impl Into<Cow<'static, str>>, position: u32) -> Outcome {
    Outcome::raise(Exception::panic(message, position))
}

/// Raises an awaited failure again in the calling coroutine.
#[cold]
pub fn raise_again(failure: &Failure, position: u32) -> Outcome {
    Outcome::raise(Exception::again(failure, position))
}
