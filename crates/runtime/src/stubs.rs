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
    (plain echo_release) => {
        core::arch::naked_asm!("jmp {release}", release = sym $crate::arch::release)
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

/// Those in `arch` have the name themselves.
macro_rules! stub_row {
    (plain echo_free $($doc:tt)*) => {
        pub use $crate::arch::echo_free;
    };
    (plain echo_promise_new $($doc:tt)*) => {
        pub use $crate::arch::echo_promise_new;
    };
    (raise echo_spawn $($doc:tt)*) => {
        pub use $crate::arch::echo_spawn;
    };
    (raise echo_spawn_words $($doc:tt)*) => {
        pub use $crate::arch::echo_spawn_words;
    };
    (raise echo_spawn_detached $($doc:tt)*) => {
        pub use $crate::arch::echo_spawn_detached;
    };
    (park echo_future_wait $($doc:tt)*) => {
        pub use $crate::arch::echo_future_wait;
    };
    (park echo_future_wait_last $($doc:tt)*) => {
        pub use $crate::arch::echo_future_wait_last;
    };
    ($class:ident $name:ident $($doc:tt)*) => {
        $($doc)*
        ///
        /// The signature is that of the table.
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name() {
            $crate::stubs::stub_body!($class $name)
        }
    };
}

macro_rules! stub_rows {
    ($($(#[$doc:meta])* $class:ident fn $name:ident $args:tt -> $result:tt;)*) => {
        $($crate::stubs::stub_row!($class $name $(#[$doc])*);)*

        /// Names and addresses of all stubs, in the order of the table.
        pub fn addresses() -> impl Iterator<Item = (&'static str, usize)> {
            [$((stringify!($name), $name as *const () as usize)),*].into_iter()
        }
    };
}

pub(crate) use {guarded_row, guarded_rows, machine, stub_body, stub_row, stub_rows};

/// Rows that return an [`Outcome`](crate::outcome::Outcome), with Rust panics caught.
pub(crate) mod guarded {
    use super::exports;
    echo_abi::for_each_symbol!(guarded_rows);
}

echo_abi::for_each_symbol!(stub_rows);
