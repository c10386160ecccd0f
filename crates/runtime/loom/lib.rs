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

#[path = "../src"]
mod runtime {
    pub mod channel;
    pub mod claim;
    pub mod coroutine;
    pub mod deadlines;
    pub mod failure;
    pub mod future;
    pub mod outcome;
    pub mod panic;
    pub mod parked;
    pub mod select;
    pub mod timer;
    pub mod waiter;

    /// In `crate::lock` is what the layers above see of it.
    #[path = "lock.rs"]
    pub mod spin;
}
pub use runtime::*;

#[path = "../src/scheduler"]
pub mod scheduler {
    pub mod deque;
    pub mod idle;
    pub mod queue;

    pub use crate::threads::{
        CANNOT_START, Coroutine, Need, Operation, Outcome, SpinLock, WaitInfo, Wake, Worker,
        cannot_start, create, current, current_worker, discard, has_time_to_spin, park, park_with,
        ready, spawn, start, timer_added, timer_shard,
    };
}

#[path = "../src/sync"]
pub mod sync {
    pub mod held;
    pub mod lock;
    pub mod once;
    pub mod semaphore;
    pub mod wait_group;
}

#[path = "parties.rs"]
pub mod parties;

// What stands in for the rest.
#[path = "stand_in/door.rs"]
pub mod door;
#[path = "stand_in/handle.rs"]
pub mod handle;
#[path = "stand_in/in_place.rs"]
pub mod in_place;
#[path = "stand_in/lock.rs"]
pub mod lock;
#[path = "stand_in/memory.rs"]
pub mod memory;
#[path = "stand_in/position.rs"]
pub mod position;
#[path = "stand_in/random.rs"]
pub mod random;
#[path = "stand_in/scheduler.rs"]
mod threads;
#[path = "stand_in/value.rs"]
pub mod value;

/// No model looks at what the sanitizers are told.
pub mod sanitize {
    pub mod sync {
        pub use std::sync::Mutex;
    }
}
