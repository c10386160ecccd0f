//! Globals that several coroutines may see: each read is a consistent snapshot.
//!
//! # Invariants
//! * Behind a global's value lies its lock, a byte.
//! * Only the main coroutine changes globals, each time under the lock: the others take a snapshot under it. The main coroutine itself reads without.
//!   Generated code does the same as the functions here, and changes in place what has no other owner: while the lock is held nobody takes a snapshot.
//! * Locks are held for copying, counting and changing in place, never while contents are dropped, and no second one is taken meanwhile.
//! * What a global holds is shared (or immortal) whenever the lock is free, so a reader's count of it is atomic.

use super::walk::{self, desc, is_managed};
use crate::lock::SpinLock;
use echo_abi::layout::TypeDesc;
use std::ptr;

/// The lock of a global of that type.
unsafe fn lock_of<'a>(global: *mut u8, desc: &TypeDesc) -> &'a SpinLock {
    // SAFETY: the caller passes the address of a global, which lives as long as the program; its lock is a byte.
    unsafe { &*global.add(desc.size as usize).cast::<SpinLock>() }
}

// ---------------------------------------------------------------- rows of the symbol table

pub unsafe extern "C" fn echo_global_load(global: *mut u8, out: *mut u8, of: *mut u8) {
    // SAFETY: the contract of the table; under the lock the global does not change.
    unsafe {
        let desc = desc(of);
        let lock = lock_of(global, desc);
        lock.lock();
        ptr::copy_nonoverlapping(global, out, desc.size as usize);
        walk::dup(out, desc);
        lock.unlock();
    }
}

pub unsafe extern "C" fn echo_global_store(global: *mut u8, value: *mut u8, of: *mut u8) {
    // SAFETY: the contract of the table. After the swap the caller's memory holds what the global held.
    unsafe {
        let desc = desc(of);
        if is_managed(desc) {
            walk::share(value, desc);
        }
        let lock = lock_of(global, desc);
        lock.lock();
        ptr::swap_nonoverlapping(global, value, desc.size as usize);
        lock.unlock();
        if !is_unset(value, desc) {
            walk::drop(value, desc);
        }
    }
}

pub unsafe extern "C" fn echo_global_lock(lock: *mut u8) {
    // SAFETY: the contract of the table: the lock of a global.
    unsafe { (*lock.cast::<SpinLock>()).lock() }
}

/// Whether a global whose type has no zero value held nothing yet: all its bytes were zero, which no value of such a type is.
unsafe fn is_unset(old: *const u8, desc: &TypeDesc) -> bool {
    // SAFETY: `old` is of the type.
    let bytes = unsafe { std::slice::from_raw_parts(old, desc.size as usize) };
    desc.zero.is_null() && bytes.iter().all(|&byte| byte == 0)
}
