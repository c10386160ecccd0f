//! Globals that several coroutines may see: each read is a consistent snapshot.
//!
//! # Invariants
//! * A global's memory is read and written under the lock that its address names. Locks are held for copying, counting and pushing only, never
//!   while contents are dropped, and no second one is taken meanwhile.
//! * What a global holds is shared (or immortal), so a reader's count of it is atomic.

use super::array;
use super::walk::{self, desc, is_managed};
use crate::lock::SpinLock;
use echo_abi::layout::TypeDesc;
use std::ptr;

/// A lock on a cache line of its own.
#[repr(align(64))]
struct Padded(SpinLock);

const LOCKS: usize = 64;
static TABLE: [Padded; LOCKS] = [const { Padded(SpinLock::new()) }; LOCKS];

/// The lock for the global at an address.
fn lock_of(global: *const u8) -> &'static SpinLock {
    // Globals are at least 8 bytes apart; neighbours get different locks.
    &TABLE[global.addr() / 8 % LOCKS].0
}

// ---------------------------------------------------------------- rows of the symbol table

pub unsafe extern "C" fn echo_global_load(global: *mut u8, out: *mut u8, of: *mut u8) {
    // SAFETY: the contract of the table; under the lock the global does not change.
    unsafe {
        let desc = desc(of);
        let lock = lock_of(global);
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
        let lock = lock_of(global);
        lock.lock();
        ptr::swap_nonoverlapping(global, value, desc.size as usize);
        lock.unlock();
        if !is_unset(value, desc) {
            walk::drop(value, desc);
        }
    }
}

pub unsafe extern "C" fn echo_global_push(global: *mut u8, element: *mut u8, value: *mut u8) {
    // SAFETY: the contract of the table. Under the lock nobody takes a snapshot, so an array without other owners is changed in place.
    unsafe {
        let of = desc(element);
        if is_managed(of) {
            walk::share(value, of);
        }
        let lock = lock_of(global);
        lock.lock();
        array::push_shared(global.cast(), of, value);
        lock.unlock();
    }
}

/// Whether a global whose type has no zero value held nothing yet: all its bytes were zero, which no value of such a type is.
unsafe fn is_unset(old: *const u8, desc: &TypeDesc) -> bool {
    // SAFETY: `old` is of the type.
    let bytes = unsafe { std::slice::from_raw_parts(old, desc.size as usize) };
    desc.zero.is_null() && bytes.iter().all(|&byte| byte == 0)
}
