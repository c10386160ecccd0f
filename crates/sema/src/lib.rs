//! Names, types and match checks: syntax tree in, typed tree and diagnostics out.

pub mod typed;
pub mod types;
