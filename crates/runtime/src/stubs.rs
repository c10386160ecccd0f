//! Machine entry points of the runtime functions, generated from the symbol table: what generated code calls.
//!
//! A stub has the name of its row, is exported, and runs the function of that name in [`crate::exports`] on the worker's stack. A Rust panic in
//! a row that may fail becomes a panic of the coroutine; in a `plain` row it ends the process.
//!
//! The macros serve every table of such rows; they look for the functions in a module `exports` and for the guarded ones in a module `guarded`.

use crate::exports;

macro_rules! machine {
    (bool) => { bool };
    (i32) => { i32 };
    (i64) => { i64 };
    (f64) => { f64 };
    (ptr) => { *mut u8 };
}

macro_rules! guarded_row {
    (plain $name:ident $args:tt) => {};
    ($class:ident $name:ident ($($arg:ident: $ty:tt),*)) => {
        pub unsafe extern "C" fn $name($($arg: $crate::stubs::machine!($ty)),*) -> $crate::outcome::Outcome {
            // SAFETY: the contract of the table, which the caller of the stub promises.
            $crate::unwind::guard(|| unsafe { exports::$name($($arg),*) })
        }
    };
}

macro_rules! guarded_rows {
    ($($(#[$doc:meta])* $class:ident fn $name:ident $args:tt -> $result:tt;)*) => {
        $($crate::stubs::guarded_row!($class $name $args);)*
    };
}

macro_rules! stub_body {
    (plain echo_free) => {
        core::arch::naked_asm!("jmp {free}", free = sym $crate::arch::free)
    };
    (plain echo_promise_new) => {
        core::arch::naked_asm!("jmp {promise_new}", promise_new = sym $crate::arch::promise_new)
    };
    (plain echo_release) => {
        core::arch::naked_asm!("jmp {release}", release = sym $crate::arch::release)
    };
    (raise echo_spawn) => {
        core::arch::naked_asm!("jmp {spawn}", spawn = sym $crate::arch::spawn)
    };
    (raise echo_spawn_detached) => {
        core::arch::naked_asm!("jmp {spawn}", spawn = sym $crate::arch::spawn_detached)
    };
    (park echo_await) => {
        core::arch::naked_asm!("jmp {await_future}", await_future = sym $crate::arch::await_future)
    };
    (park echo_yield) => {
        core::arch::naked_asm!("jmp {yield_now}", yield_now = sym $crate::arch::yield_now)
    };
    (plain $name:ident) => {
        $crate::plain_stub!(exports::$name)
    };
    ($class:ident $name:ident) => {
        $crate::outcome_stub!(guarded::$name)
    };
}

macro_rules! stub_rows {
    ($($(#[$doc:meta])* $class:ident fn $name:ident $args:tt -> $result:tt;)*) => {
        $(
            $(#[$doc])*
            ///
            /// The signature is that of the table.
            #[unsafe(naked)]
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name() {
                $crate::stubs::stub_body!($class $name)
            }
        )*

        /// Names and addresses of all stubs, in the order of the table.
        pub fn addresses() -> impl Iterator<Item = (&'static str, usize)> {
            [$((stringify!($name), $name as *const () as usize)),*].into_iter()
        }
    };
}

pub(crate) use {guarded_row, guarded_rows, machine, stub_body, stub_rows};

/// Rows that return an [`Outcome`](crate::outcome::Outcome), with Rust panics caught.
pub(crate) mod guarded {
    use super::exports;
    echo_abi::for_each_symbol!(guarded_rows);
}

echo_abi::for_each_symbol!(stub_rows);
