//! Machine entry points of the runtime functions, generated from the symbol table.

/// Rows nobody has implemented: they abort with their name.
pub mod missing {
    use crate::outcome::Outcome;

    macro_rules! machine {
        (void) => { () };
        (bool) => { bool };
        (i32) => { i32 };
        (i64) => { i64 };
        (f64) => { f64 };
        (ptr) => { *mut u8 };
    }

    macro_rules! row {
        (plain $name:ident($($arg:ident: $ty:tt),*) $result:tt) => {
            pub unsafe extern "C" fn $name($($arg: machine!($ty)),*) -> machine!($result) {
                let _ = ($($arg,)*);
                missing(stringify!($name))
            }
        };
        ($class:ident $name:ident($($arg:ident: $ty:tt),*) $result:tt) => {
            pub unsafe fn $name($($arg: machine!($ty)),*) -> Outcome {
                let _ = ($($arg,)*);
                missing(stringify!($name))
            }
        };
    }

    macro_rules! rows {
        ($($(#[$doc:meta])* $class:ident fn $name:ident($($arg:ident: $ty:tt),*) -> $result:tt;)*) => {
            $(row!($class $name($($arg: $ty),*) $result);)*
        };
    }
    echo_abi::for_each_symbol!(rows);

    fn missing(name: &str) -> ! {
        eprintln!("fatal: runtime function {name} is not implemented");
        std::process::abort()
    }
}
