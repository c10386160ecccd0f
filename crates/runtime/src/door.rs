//! The one door to atomics, locks and threads for the code that loom checks: here the standard library's, in `loom/door.rs` loom's models of
//! them, with the same names. A file that comes through here is part of the models as it is.

pub use crate::sanitize::sync::{Mutex, MutexGuard};
pub use std::hint::spin_loop;
pub use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub use std::thread;
pub use std::thread_local;

use crate::unwind::fatal;
use std::sync::atomic::compiler_fence;
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

/// Whether [`heavy_fence`] may be called.
static HAS_HEAVY_FENCE: AtomicBool = AtomicBool::new(false);

/// Asks the kernel for [`heavy_fence`]. Before the process has many threads: with several it takes milliseconds.
pub fn enable_heavy_fence() {
    let refused = membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0;
    HAS_HEAVY_FENCE.store(!refused, Ordering::Release);
}

/// Whether there is a [`heavy_fence`].
pub fn has_heavy_fence() -> bool {
    HAS_HEAVY_FENCE.load(Ordering::Acquire)
}

/// Behind a compare-and-swap, what two sequentially consistent fences are together with another one of these, or with [`heavy_fence`]: on this machine the swap itself.
#[inline(always)]
pub fn fence_of_swap() {
    compiler_fence(Ordering::SeqCst);
}

/// Together with [`heavy_fence`], what two sequentially consistent fences are: if one thread passes this one between a store and a load, and another the heavy one
/// between a store to what the first loads and a load of what it stores, one of the loads sees the other's store. On its own it is nothing.
#[inline(always)]
pub fn light_fence() {
    compiler_fence(Ordering::SeqCst);
}

/// See [`light_fence`]: makes each thread of the process that runs pass a fence, which takes a microsecond. Only if [`has_heavy_fence`].
pub fn heavy_fence() {
    if membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 {
        fatal("the kernel refuses a memory barrier that it has promised");
    }
}

fn membarrier(command: libc::c_int) -> libc::c_long {
    // SAFETY: it has no effect on memory.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
}

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
