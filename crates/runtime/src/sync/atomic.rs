//! `Atomic[int]`: sequentially consistent.

use crate::handle;
use echo_abi::layout::BlockHeader;
use std::sync::atomic::AtomicI64;

#[repr(C)]
pub struct Atomic {
    header: BlockHeader,
    pub value: AtomicI64,
}

/// A new atomic integer.
pub fn new(value: i64) -> *mut Atomic {
    handle::create(|base| Atomic {
        header: base.header,
        value: AtomicI64::new(value),
    })
}

/// Frees it.
pub unsafe fn destroy(atomic: *mut Atomic) {
    // SAFETY: the last owner is gone.
    unsafe { handle::free(atomic) }
}
