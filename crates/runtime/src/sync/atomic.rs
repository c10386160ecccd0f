//! `Atomic[int]`: sequentially consistent. Generated code operates on the value itself.

use crate::handle;
use echo_abi::layout::{ATOMIC_VALUE_OFFSET, BlockHeader};
use std::mem::offset_of;
use std::sync::atomic::AtomicI64;

#[repr(C)]
pub struct Atomic {
    header: BlockHeader,
    pub value: AtomicI64,
}
const _: () = assert!(offset_of!(Atomic, value) == ATOMIC_VALUE_OFFSET);

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
