//! Locks and counters that park coroutines, never threads.
//!
//! [`lock`] is the one implementation of `Mutex[T]` and `RwLock[T]`; [`held`] knows which coroutine holds what, so that a lock whose holder
//! fails is released. Waiters are first in, first out everywhere, and ownership is handed over by the one who gives up: a party that
//! is woken has what it waited for. Only who waits for a mutex is woken to try again, so that whoever runs need not wait for it.
//!
//! Generated code takes the easy steps itself, against the offsets in `echo_abi::layout`: atomics, locks that nobody is in the way of, and a look at whether
//! there is anything to do.

pub mod atomic;
pub mod held;
pub mod lock;
pub mod once;
pub mod rows;
pub mod semaphore;
pub mod wait_group;
