//! Loom models of the runtime's lock-free parts: every interleaving, and every value a relaxed load may see.
//!
//! ```text
//! cd crates/runtime/loom && RUSTFLAGS="--cfg loom" cargo test --release
//! ```
//! The files are the runtime's own; their atomics come through one door, `scheduler/atomic.rs`.

#![cfg(loom)]

#[path = "../src/scheduler/atomic.rs"]
mod atomic;
#[path = "../src/scheduler/queue.rs"]
pub mod queue;
