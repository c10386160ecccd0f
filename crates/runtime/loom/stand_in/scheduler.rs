//! A scheduler without coroutines: whoever waits is a thread, and what is spawned runs at once, as a call.

pub use crate::coroutine::{Coroutine, Operation, WaitInfo, Wake};
pub use crate::lock::SpinLock;
pub use crate::outcome::Outcome;

use crate::coroutine::{Completion, Ended, Identity, UnlockHook};
use crate::future::Future;
use crate::memory::OutOfMemory;
use echo_abi::layout::EntryDesc;
use std::ffi::c_void;
use std::mem::transmute;

const THREADS_ONLY: &str = "everybody is a thread here";

pub fn current() -> Option<*mut Coroutine> {
    None
}

pub unsafe fn park(_coroutine: *mut Coroutine, _operation: Operation, _lock: &SpinLock) -> Outcome {
    unreachable!("{THREADS_ONLY}")
}

pub unsafe fn park_with(
    _coroutine: *mut Coroutine,
    _hook: UnlockHook,
    _data: *mut c_void,
    _wait: WaitInfo,
) -> Outcome {
    unreachable!("{THREADS_ONLY}")
}

pub unsafe fn ready(_coroutine: *mut Coroutine, _wake: Wake) {
    unreachable!("{THREADS_ONLY}")
}

pub const CANNOT_START: &str = "out of memory";

pub fn cannot_start(_coroutine: &Identity) -> Ended {
    unreachable!("{THREADS_ONLY}")
}

pub enum Need {
    Run,
}

/// No thread is one.
pub struct Worker;

pub fn current_worker() -> Option<&'static Worker> {
    None
}

impl Worker {
    pub fn take_id(&self) -> u64 {
        unreachable!("{THREADS_ONLY}")
    }

    pub unsafe fn can_start(&self, _entry: *mut EntryDesc) -> bool {
        unreachable!("{THREADS_ONLY}")
    }

    pub fn gather<T>(&self, _need: Need, _find: impl FnMut() -> Option<T>) -> Option<T> {
        unreachable!("{THREADS_ONLY}")
    }

    pub fn restrain_spawner(&self) {
        unreachable!("{THREADS_ONLY}")
    }

    pub fn push_unstarted(&self, _future: *mut Future) -> Result<(), OutOfMemory> {
        unreachable!("{THREADS_ONLY}")
    }
}

pub fn create(_position: u32) -> Result<*mut Coroutine, OutOfMemory> {
    unreachable!("{THREADS_ONLY}")
}

pub unsafe fn start(
    _coroutine: *mut Coroutine,
    _entry: *mut EntryDesc,
    _args: *const u8,
    _result: *mut u8,
    _completion: Completion,
) -> Result<(), OutOfMemory> {
    unreachable!("{THREADS_ONLY}")
}

pub unsafe fn discard(_coroutine: *mut Coroutine) {
    unreachable!("{THREADS_ONLY}")
}

pub unsafe fn spawn(
    entry: *mut EntryDesc,
    args: *const u8,
    result: *mut u8,
    _position: u32,
    completion: Completion,
) -> Result<u64, OutOfMemory> {
    // SAFETY: the models make entries of such functions.
    unsafe {
        let code = transmute::<*const c_void, unsafe fn(*const u8, *mut u8)>((*entry).code);
        code(args, result);
        completion.tell(Ended::Completed);
    }
    Ok(1)
}

pub fn has_time_to_spin() -> bool {
    false
}

pub fn timer_shard() -> usize {
    0
}

pub fn timer_added(_deadline_ns: u64) {}
