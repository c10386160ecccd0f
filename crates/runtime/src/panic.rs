//! Starting a panic: the exception object, and the `echo_panic*` functions of generated code.
//!
//! A panic is an [`Outcome`] with status RAISE; the stub hands its exception to the unwinder (see [`crate::unwind`]), which owns it until the
//! coroutine's entry is reached and turns it into a [`Failure`] there.

use crate::failure::{Failure, FailureKind};
use crate::outcome::Outcome;
use crate::position::str_from_raw;
use crate::value;
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
    /// Address in the frame met last.
    pub last_address: usize,
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
            last_address: 0,
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

// ---- rows of the symbol table

pub unsafe fn echo_panic(message: *mut u8, position: i32) -> Outcome {
    // SAFETY: the contract of the table: an owned string.
    let text = unsafe {
        let text = value::string_text(message).to_owned();
        value::drop_string(message);
        text
    };
    raise(text, position as u32)
}

pub unsafe fn echo_panic_text(bytes: *mut u8, len: i64, position: i32) -> Outcome {
    // SAFETY: the contract of the table: constant text.
    raise(
        unsafe { str_from_raw(bytes, len as usize) },
        position as u32,
    )
}

pub unsafe fn echo_panic_index(index: i64, len: i64, position: i32) -> Outcome {
    value::index_out_of_range(index, len as usize, position)
}

pub unsafe fn echo_panic_overflow(position: i32) -> Outcome {
    raise("integer overflow", position as u32)
}

pub unsafe fn echo_panic_divide(position: i32) -> Outcome {
    raise("division by zero", position as u32)
}
