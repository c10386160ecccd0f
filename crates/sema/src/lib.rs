//! Names, types and match checks: syntax tree in, typed tree and diagnostics out.

pub mod builtins;
pub mod check;
pub mod display;
pub mod dump;
pub mod exhaustive;
pub mod typed;
pub mod types;
pub mod walk;

pub use check::{Checked, check};
pub use dump::dump;
