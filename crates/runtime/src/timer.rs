//! Deadlines: a heap per worker, looked at by all.
//!
//! A callback runs on a worker's stack, outside any coroutine and without locks held; it typically readies a coroutine. It runs exactly
//! once unless [`cancel`] returned true, in which case it never runs.

use std::ffi::c_void;

/// Runs when the time has come.
pub type Callback = unsafe fn(*mut c_void);

/// Names a timer; stale ones are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId {
    pub shard: u32,
    pub slot: u32,
    pub generation: u64,
}

/// Calls `callback(data)` at `deadline_ns` ([`now_ns`]). The program is not at its end while such a timer is pending.
pub fn add(deadline_ns: u64, callback: Callback, data: *mut c_void) -> TimerId {
    let _ = (deadline_ns, callback, data);
    todo!()
}

/// As [`add`], but does not keep the program alive by itself: only while `wanted(data)` says so. `wanted` is asked when everything is idle,
/// under the heap's lock; it must not touch timers.
pub fn add_background(
    deadline_ns: u64,
    callback: Callback,
    data: *mut c_void,
    wanted: unsafe fn(*mut c_void) -> bool,
) -> TimerId {
    let _ = (deadline_ns, callback, data, wanted);
    todo!()
}

/// True: the timer is gone and its callback will not run. False: it has run, or is running now.
pub fn cancel(id: TimerId) -> bool {
    let _ = id;
    todo!()
}

/// Monotonic clock.
pub fn now_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
