//! The door to atomics for code that loom checks.

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
