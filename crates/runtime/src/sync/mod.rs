//! Locks and counters that park coroutines, never threads.
//!
//! [`lock`] is the one implementation of `Mutex[T]` and `RwLock[T]`; [`held`] knows which coroutine holds what, so that a lock whose holder
//! fails is released. Waiters are first in, first out everywhere, and ownership is handed over by the one who gives up: a party that
//! is woken has what it waited for.

pub mod atomic;
pub mod held;
pub mod lock;
pub mod once;
pub mod rows;
pub mod semaphore;
pub mod wait_group;
