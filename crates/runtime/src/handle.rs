//! Handle blocks: channels, futures, locks and the like.
//!
//! Handles are made to cross between coroutines, so they are counted atomically from the start: a block with `n` owners has the count `-n`
//! (see `echo_abi::layout`). Futures alone begin plain: most never cross. The generic walks of [`crate::value`] count handles like any other block
//! and call [`destroy`] when the last owner goes.

use crate::claim::Claim;
use crate::scheduler::SpinLock;
use crate::sync::{atomic, lock, once, semaphore, wait_group};
use crate::value;
use crate::value::block::{alloc_at_last, give_up_shared, out_of_memory, try_alloc};
use crate::waiter::Waitable;
use crate::{channel, future};
use echo_abi::layout::{BlockHeader, Kind};
use std::sync::atomic::{AtomicI32, Ordering::Acquire, Ordering::Relaxed};

/// A new block with one owner.
pub fn create<T>(init: impl FnOnce(Waitable) -> T) -> *mut T {
    create_sized(size_of::<T>(), 1, init)
}

/// A new block of `bytes`, at least those of a `T`, with some owners.
#[inline]
pub fn create_sized<T>(bytes: usize, owners: i32, init: impl FnOnce(Waitable) -> T) -> *mut T {
    match create_counted(alloc_at_last(bytes), bytes, -owners, init) {
        Some(block) => block,
        None => out_of_memory(bytes),
    }
}

/// As [`create_sized`], with one owner, plain; `None` when there is no memory.
#[inline]
pub fn create_plain<T>(bytes: usize, init: impl FnOnce(Waitable) -> T) -> Option<*mut T> {
    create_counted(try_alloc(bytes), bytes, 1, init)
}

#[inline(always)]
fn create_counted<T>(
    block: Option<*mut u8>,
    bytes: usize,
    count: i32,
    init: impl FnOnce(Waitable) -> T,
) -> Option<*mut T> {
    debug_assert!(bytes >= size_of::<T>() && align_of::<T>() <= 16);
    let block: *mut T = block?.cast();
    // SAFETY: fresh memory of that size, aligned to 16; it begins with a header, whose flags stay.
    unsafe {
        let header = BlockHeader {
            count,
            flags: (*block.cast::<BlockHeader>()).flags,
        };
        block.write(init(Waitable {
            header,
            lock: SpinLock::new(),
            claim: Claim::default(),
        }))
    };
    Some(block)
}

/// Frees the memory of a block whose contents are dropped. Every `T` begins with a `BlockHeader`.
pub unsafe fn free<T>(block: *mut T) {
    // SAFETY: the block came from `create`, and nobody refers to it.
    unsafe { value::free(block.cast()) }
}

/// One more owner.
pub unsafe fn retain<T>(block: *const T) {
    // SAFETY: the caller owns a reference.
    unsafe { count(block) }.fetch_sub(1, Relaxed);
}

/// So many more owners.
pub unsafe fn retain_times<T>(block: *const T, owners: i32) {
    // SAFETY: the block is alive as long as the caller does this.
    unsafe { count(block) }.fetch_sub(owners, Relaxed);
}

/// One owner less; the last one destroys.
pub unsafe fn release_with<T>(block: *mut T, destroy: unsafe fn(*mut T)) {
    // SAFETY: the caller gives up its reference.
    unsafe {
        if give_up_shared(count(block)) {
            destroy(block);
        }
    }
}

/// One owner less of a handle of that kind; the last one destroys.
pub unsafe fn release(kind: Kind, block: *mut u8) {
    // SAFETY: the caller gives up its reference.
    unsafe {
        if give_up_shared(count(block)) {
            destroy(kind, block);
        }
    }
}

/// Whether the caller is the only owner.
pub unsafe fn is_unique<T>(block: *const T) -> bool {
    // SAFETY: the caller owns a reference.
    unsafe { count(block) }.load(Acquire) == -1
}

unsafe fn count<'a, T>(block: *const T) -> &'a AtomicI32 {
    // SAFETY: handles begin with a header, whose count is only touched atomically.
    unsafe { AtomicI32::from_ptr((&raw const (*block.cast::<BlockHeader>()).count).cast_mut()) }
}

/// Drops what a handle holds and frees it: the last owner is gone.
pub unsafe fn destroy(kind: Kind, block: *mut u8) {
    // SAFETY: `kind` tells what the block is.
    unsafe {
        match kind {
            Kind::Chan => channel::destroy(block.cast()),
            Kind::Future | Kind::Promise => future::destroy(block.cast()),
            Kind::Mutex | Kind::RwLock => lock::destroy(block.cast()),
            Kind::Atomic => atomic::destroy(block.cast()),
            Kind::WaitGroup => wait_group::destroy(block.cast()),
            Kind::Semaphore => semaphore::destroy(block.cast()),
            Kind::Once => once::destroy(block.cast()),
            _ => unreachable!("no handle is a {kind:?}"),
        }
    }
}
