//! What sanitizers have to be told about stacks, memory and locks, when compiled with `--cfg echo_sanitize="thread"` or `"address"`; otherwise all
//! of it is nothing. `tests/sanitize/run` does that.
//!
//! # Stacks
//! To a sanitizer, coroutines do not exist: there are the workers, which are threads like any other. For all code that it looks at runs on workers' stacks from its
//! beginning to its end: runtime functions do, and what generated code tells of its accesses to memory goes through stubs that change to the worker's
//! stack, too. Nothing of either is left there when a coroutine is suspended. That is simple, and strict: when a coroutine goes on
//! elsewhere, what it does there comes after what it did here only if the queues and locks between say so.
//!
//! Foreign code alone has frames on a coroutine's stack, a page stack, that a sanitizer may know of: the worker [enters](enter) and
//! [leaves](leave) it around each turn. So the order of what one coroutine of foreign code does is taken on trust.
//!
//! # Memory
//! Recycled pieces, stacks and control blocks are [poisoned](poison) as long as they are free.
//!
//! # Locks
//! The standard library is not instrumented. Its atomics are seen where they are inlined, but a lock that had to wait, for example, is not. So the few
//! things of it that bring order are wrapped in [`sync`].

pub mod sync;

#[cfg(not(echo_sanitize))]
mod none;
#[cfg(not(echo_sanitize))]
pub use none::*;

#[cfg(echo_sanitize = "thread")]
mod thread;
#[cfg(echo_sanitize = "thread")]
pub use thread::*;

#[cfg(echo_sanitize = "address")]
mod address;
#[cfg(echo_sanitize = "address")]
pub use address::*;

/// Stubs for the functions of a sanitizer that generated code calls. A coroutine has not the stack that these need.
#[cfg(echo_sanitize)]
macro_rules! sanitizer_stubs {
    ($($function:ident)*) => {
        /// The functions that the stubs call, with various signatures.
        #[allow(non_snake_case)]
        mod called {
            unsafe extern "C" {
                $(pub fn $function();)*
            }
        }

        /// Called `echo…` by generated code.
        #[allow(non_snake_case)]
        mod stubs {
            use super::called;
            $(
                #[unsafe(naked)]
                #[unsafe(export_name = concat!("echo", stringify!($function)))]
                unsafe extern "C" fn $function() {
                    $crate::plain_stub!(called::$function)
                }
            )*
        }
    };
}
#[cfg(echo_sanitize)]
use sanitizer_stubs;
