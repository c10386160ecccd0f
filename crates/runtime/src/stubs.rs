//! Machine entry points of the runtime functions, generated from the symbol table: what generated code calls.
//!
//! A stub has the name of its row, is exported, and runs the function of that name in [`crate::exports`] on the worker's stack. A Rust panic in
//! a row that may fail becomes a panic of the coroutine; in a `plain` row it ends the process.

/// Rows that return an [`Outcome`](crate::outcome::Outcome), with Rust panics caught.
mod guarded {
    use crate::outcome::Outcome;
    use crate::{exports, unwind};

    macro_rules! machine {
        (bool) => { bool };
        (i32) => { i32 };
        (i64) => { i64 };
        (f64) => { f64 };
        (ptr) => { *mut u8 };
    }

    macro_rules! row {
        (plain $name:ident $args:tt) => {};
        ($class:ident $name:ident ($($arg:ident: $ty:tt),*)) => {
            pub unsafe extern "C" fn $name($($arg: machine!($ty)),*) -> Outcome {
                // SAFETY: the contract of the table, which the caller of the stub promises.
                unwind::guard(|| unsafe { exports::$name($($arg),*) })
            }
        };
    }

    macro_rules! rows {
        ($($(#[$doc:meta])* $class:ident fn $name:ident $args:tt -> $result:tt;)*) => {
            $(row!($class $name $args);)*
        };
    }
    echo_abi::for_each_symbol!(rows);
}

macro_rules! body {
    (plain $name:ident) => {
        $crate::plain_stub!($crate::exports::$name)
    };
    ($class:ident $name:ident) => {
        $crate::outcome_stub!(guarded::$name)
    };
}

macro_rules! rows {
    ($($(#[$doc:meta])* $class:ident fn $name:ident $args:tt -> $result:tt;)*) => {
        $(
            $(#[$doc])*
            ///
            /// The signature is that of the symbol table.
            #[unsafe(naked)]
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name() {
                body!($class $name)
            }
        )*

        /// Names and addresses of all stubs, in the order of the table.
        pub fn addresses() -> impl Iterator<Item = (&'static str, usize)> {
            [$((stringify!($name), $name as *const () as usize)),*].into_iter()
        }
    };
}
echo_abi::for_each_symbol!(rows);
