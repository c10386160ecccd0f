//! Loom models of the runtime's protocols: every interleaving of a few threads, and every value that a load may see.
//!
//! ```text
//! cd crates/runtime/loom && RUSTFLAGS="--cfg loom" cargo test --release
//! ```
//! The files are the runtime's own, compiled here a second time with loom's atomics, locks and threads, which come through one door: [`door`] in
//! place of `src/door.rs`. What they call that has to do with the machine or with Echo values is replaced by the few lines in `stand_in`; everybody
//! who waits is a thread.
//!
//! A model is worth something only if it can fail: each says in its comment which change to the protocol it was seen to catch.

#![cfg(loom)]

#[path = "../src/claim.rs"]
pub mod claim;
#[path = "stand_in/door.rs"]
pub mod door;
#[path = "../src/lock.rs"]
pub mod spin;

#[path = "../src/scheduler"]
pub mod scheduler {
    pub mod deque;
    pub mod idle;
    pub mod queue;
}
