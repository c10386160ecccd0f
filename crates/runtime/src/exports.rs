//! The implementation of every row of the symbol table, under its own name.
//!
//! `plain` rows are `unsafe extern "C" fn` of exactly the table's machine types (`ptr` is `*mut u8`); all others are
//! `unsafe fn(…) -> Outcome` (also those whose result is `void`: return `Outcome::DONE`). The stubs in [`crate::stubs`] call them on the worker's stack;
//! Rust panics inside are turned into panics of the coroutine (`plain` rows: abort).
//!
//! Each module lists its own functions here, explicitly. What nobody lists falls back to [`crate::stubs::missing`], which aborts.

pub use crate::stubs::missing::*;
