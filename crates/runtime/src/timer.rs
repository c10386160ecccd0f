//! Deadlines.
//!
//! A callback runs on a worker's stack, outside any coroutine and without locks held; it typically readies a coroutine. It runs exactly
//! once unless [`cancel`] returned true, in which case it never runs.

use crate::deadlines;
pub use crate::deadlines::{Callback, TimerId, Wanted, now_ns};
use crate::scheduler;
use std::ffi::c_void;

/// Calls `callback(data)` at `deadline_ns` ([`now_ns`]). The program is not at its end while such a timer is pending.
pub fn add(deadline_ns: u64, callback: Callback, data: *mut c_void) -> TimerId {
    insert(deadline_ns, callback, None, data)
}

/// As [`add`], but does not keep the program alive by itself: only while `wanted(data)` says so. `wanted` is asked when everything is idle,
/// under the heap's lock; it must not touch timers.
pub fn add_background(
    deadline_ns: u64,
    callback: Callback,
    data: *mut c_void,
    wanted: Wanted,
) -> TimerId {
    insert(deadline_ns, callback, Some(wanted), data)
}

/// True: the timer is gone and its callback will not run. False: it has run, or is running now.
pub fn cancel(id: TimerId) -> bool {
    deadlines::remove(id)
}

/// The program has ended: forgets what is pending.
pub fn forget_all() {
    deadlines::clear(|_, _| {});
}

/// The program has ended and no coroutine is left: calls what is pending a last time, so that it gives up what it owns.
pub fn finish_all() {
    // SAFETY: each was taken out, so this is its only call. Nothing waits for it.
    deadlines::clear(|callback, data| unsafe { callback(data) });
}

fn insert(
    deadline_ns: u64,
    callback: Callback,
    wanted: Option<Wanted>,
    data: *mut c_void,
) -> TimerId {
    let id = deadlines::insert(
        scheduler::timer_shard(),
        deadline_ns,
        callback,
        wanted,
        data,
    );
    scheduler::timer_added(deadline_ns);
    id
}
