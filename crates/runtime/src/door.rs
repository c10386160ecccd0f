//! The one door to atomics, locks and threads for the code that loom checks: here the standard library's, in `loom/door.rs` loom's models of
//! them, with the same names. A file that comes through here is part of the models as it is.

pub use crate::sanitize::sync::{Mutex, MutexGuard};
pub use std::hint::spin_loop;
pub use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub use std::thread;
pub use std::thread_local;

use std::time::Duration;

/// A `const fn` here; loom's types have no constant values.
macro_rules! const_fn {
    ($(#[$attribute:meta])* $visibility:vis fn $($rest:tt)*) => {
        $(#[$attribute])* $visibility const fn $($rest)*
    };
}
pub(crate) use const_fn;

/// A static array of constants here; loom makes what is static anew in each run.
macro_rules! static_array {
    (static $name:ident: [$item:ty; $len:expr] = $value:expr;) => {
        static $name: [$item; $len] = [const { $value }; $len];
    };
}
pub(crate) use static_array;

/// Sleeps while `word` is `expected`: until [`futex_wake`], or the time is up, or for no reason.
pub fn futex_wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let time = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs().min(i32::MAX as u64) as libc::time_t,
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    });
    let time_pointer = time
        .as_ref()
        .map_or(std::ptr::null(), |time| time as *const libc::timespec);
    // SAFETY: the word and the time are valid during the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            time_pointer,
        )
    };
}

/// Wakes one thread that sleeps on `word`.
pub fn futex_wake(word: &AtomicU32) {
    // SAFETY: the word is valid.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            1,
        )
    };
}
