//! The rows of the symbol table for locks and counters; each a call of its module.

use super::{atomic, lock, once, semaphore, wait_group};
use crate::scheduler::Outcome;
use crate::unwind;
use atomic::Atomic;
use std::sync::atomic::Ordering::SeqCst;

pub unsafe extern "C" fn echo_mutex_new(desc: *mut u8, value: *mut u8) -> *mut u8 {
    // SAFETY: the contract of the table, here and below.
    unsafe { lock::new(desc.cast(), value, true).cast() }
}

pub unsafe extern "C" fn echo_rwlock_new(desc: *mut u8, value: *mut u8) -> *mut u8 {
    // SAFETY: see above.
    unsafe { lock::new(desc.cast(), value, false).cast() }
}

pub unsafe fn echo_mutex_lock(mutex: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { lock::acquire(mutex.cast(), position as u32) }
}

/// What a coroutine wakes up in that is to try again to get a lock.
pub unsafe extern "C" fn acquire_again() -> Outcome {
    unwind::guard(lock::acquire_again)
}

pub unsafe extern "C" fn echo_mutex_try_lock(mutex: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe { lock::try_acquire(mutex.cast()) }
}

pub unsafe fn echo_mutex_unlock(mutex: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { lock::release(mutex.cast(), position as u32) }
}

pub unsafe fn echo_mutex_get(mutex: *mut u8, out: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { lock::get(mutex.cast(), out, position as u32) }
}

pub unsafe fn echo_mutex_set(mutex: *mut u8, value: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { lock::set(mutex.cast(), value, position as u32) }
}

pub unsafe extern "C" fn echo_mutex_is_poisoned(mutex: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe { lock::is_poisoned(mutex.cast()) }
}

pub unsafe fn echo_rwlock_lock(lock: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { lock::acquire(lock.cast(), position as u32) }
}

pub unsafe extern "C" fn echo_rwlock_try_lock(lock: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe { lock::try_acquire(lock.cast()) }
}

pub unsafe fn echo_rwlock_unlock(lock: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { lock::release(lock.cast(), position as u32) }
}

pub unsafe fn echo_rwlock_get(lock: *mut u8, out: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { lock::get(lock.cast(), out, position as u32) }
}

pub unsafe fn echo_rwlock_set(lock: *mut u8, value: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { lock::set(lock.cast(), value, position as u32) }
}

pub unsafe extern "C" fn echo_rwlock_is_poisoned(lock: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe { lock::is_poisoned(lock.cast()) }
}

pub unsafe extern "C" fn echo_lock_settle(lock: *mut u8) {
    // SAFETY: see above.
    unsafe { lock::settle(lock.cast()) }
}

pub unsafe extern "C" fn echo_rwlock_give_way(lock: *mut u8, as_reader: i32) {
    // SAFETY: see above.
    unsafe { lock::give_way(lock.cast(), as_reader != 0) }
}

pub unsafe fn echo_rwlock_read_lock(lock: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { lock::acquire_to_read(lock.cast(), position as u32) }
}

pub unsafe fn echo_rwlock_read_unlock(lock: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { lock::release_of_reader(lock.cast(), position as u32) }
}

pub unsafe extern "C" fn echo_atomic_new(value: i64) -> *mut u8 {
    atomic::new(value).cast()
}

pub unsafe extern "C" fn echo_atomic_load(atomic: *mut u8) -> i64 {
    // SAFETY: see above.
    unsafe { (*atomic.cast::<Atomic>()).value.load(SeqCst) }
}

pub unsafe extern "C" fn echo_atomic_store(atomic: *mut u8, value: i64) {
    // SAFETY: see above.
    unsafe { (*atomic.cast::<Atomic>()).value.store(value, SeqCst) }
}

pub unsafe extern "C" fn echo_atomic_swap(atomic: *mut u8, value: i64) -> i64 {
    // SAFETY: see above.
    unsafe { (*atomic.cast::<Atomic>()).value.swap(value, SeqCst) }
}

pub unsafe extern "C" fn echo_atomic_compare_and_swap(atomic: *mut u8, old: i64, new: i64) -> bool {
    // SAFETY: see above.
    unsafe {
        (*atomic.cast::<Atomic>())
            .value
            .compare_exchange(old, new, SeqCst, SeqCst)
            .is_ok()
    }
}

pub unsafe extern "C" fn echo_atomic_add(atomic: *mut u8, value: i64) -> i64 {
    // SAFETY: see above.
    unsafe {
        (*atomic.cast::<Atomic>())
            .value
            .fetch_add(value, SeqCst)
            .wrapping_add(value)
    }
}

pub unsafe extern "C" fn echo_wait_group_new() -> *mut u8 {
    wait_group::new().cast()
}

pub unsafe fn echo_wait_group_add(group: *mut u8, count: i64, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { wait_group::add(group.cast(), count, position as u32) }
}

pub unsafe fn echo_wait_group_wait(group: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { wait_group::wait(group.cast(), position as u32) }
}

pub unsafe fn echo_semaphore_new(permits: i64, position: i32) -> Outcome {
    semaphore::new(permits, position as u32)
}

pub unsafe fn echo_semaphore_acquire(semaphore: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { semaphore::acquire(semaphore.cast(), position as u32) }
}

pub unsafe extern "C" fn echo_semaphore_try_acquire(semaphore: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe { semaphore::try_acquire(semaphore.cast()) }
}

pub unsafe extern "C" fn echo_semaphore_release(semaphore: *mut u8) {
    // SAFETY: see above.
    unsafe { semaphore::release(semaphore.cast()) }
}

pub unsafe extern "C" fn echo_once_new() -> *mut u8 {
    once::new().cast()
}

pub unsafe fn echo_once_begin(once: *mut u8, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe { once::begin(once.cast(), position as u32) }
}

pub unsafe extern "C" fn echo_once_end(once: *mut u8) {
    // SAFETY: see above.
    unsafe { once::end(once.cast()) }
}
