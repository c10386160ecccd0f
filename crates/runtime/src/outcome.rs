//! What a runtime function tells the stub that called it.
//!
//! A function of class `raise`, `park` or `never` returns an [`Outcome`]. The stub acts on it **after** the function has returned, so no Rust
//! frame is ever suspended or unwound. Hence a function that parks has no code "after the wake-up": whatever the wait was for is done
//! by the one who wakes it, and one word travels as [`Wake::Value`](crate::coroutine::Wake).

use crate::panic::Exception;

/// Two words, returned in `rax` and `rdx`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    /// The result; for [`RAISE`] the exception, for [`PARK`] the lock to release.
    pub value: u64,
    /// [`RETURN`], [`YIELD`], [`PARK`], [`RAISE`] or [`CALL`].
    pub status: u64,
}

/// Return `value` to the caller.
pub const RETURN: u64 = 0;
/// Go to the back of the queue, then return anything.
pub const YIELD: u64 = 1;
/// Suspend until [`ready`](crate::scheduler::ready), then return the wake value. Made by [`park`](crate::scheduler::park) and
/// [`park_with`](crate::scheduler::park_with) only; the value is what they say.
pub const PARK: u64 = 2;
/// Unwind the coroutine with the exception.
pub const RAISE: u64 = 3;
/// Run another coroutine on this one's stack; the value is the record. Made by [`in_place`](crate::in_place) only.
pub const CALL: u64 = 4;

impl Outcome {
    /// No result.
    pub const DONE: Outcome = Outcome {
        value: 0,
        status: RETURN,
    };
    /// To the back of the queue.
    pub const YIELD: Outcome = Outcome {
        value: 0,
        status: YIELD,
    };

    /// Returns a word: an integer, a `bool`, a pointer's address.
    #[inline]
    pub fn value(value: u64) -> Outcome {
        Outcome {
            value,
            status: RETURN,
        }
    }

    #[inline]
    pub fn bool(value: bool) -> Outcome {
        Outcome::value(value as u64)
    }

    #[inline]
    pub fn pointer<T>(pointer: *mut T) -> Outcome {
        Outcome::value(pointer as usize as u64)
    }

    /// Unwinds with `exception`, which the unwinding owns from now on.
    pub fn raise(exception: Box<Exception>) -> Outcome {
        Outcome {
            value: Box::into_raw(exception) as usize as u64,
            status: RAISE,
        }
    }
}
