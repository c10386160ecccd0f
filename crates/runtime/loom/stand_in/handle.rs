//! Handles with a count that loom sees, beside the block.
//!
//! Blocks lie at the same addresses in each run, as select orders channels by theirs, and loom has to be able to repeat a run.

use crate::claim::Claim;
use crate::door::{AtomicI64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};
use crate::scheduler::SpinLock;
use crate::waiter::Waitable;
use echo_abi::layout::BlockHeader;
use std::cell::Cell;
use std::ptr;

/// A plain block is one with an owner that has not been made shared; only its owner looks.

#[repr(C, align(16))]
struct Owners {
    count: AtomicI64,
    is_shared: Cell<bool>,
    bytes: usize,
    /// Loom fails when a block is never freed.
    _track: loom::alloc::Track<()>,
}

pub fn create<T>(init: impl FnOnce(Waitable) -> T) -> *mut T {
    create_sized(size_of::<T>(), 1, init)
}

pub fn create_sized<T>(bytes: usize, owners: i32, init: impl FnOnce(Waitable) -> T) -> *mut T {
    create_counted(bytes, owners, true, init)
}

pub fn create_plain<T>(bytes: usize, init: impl FnOnce(Waitable) -> T) -> Option<*mut T> {
    Some(create_counted(bytes, 1, false, init))
}

fn create_counted<T>(
    bytes: usize,
    owners: i32,
    is_shared: bool,
    init: impl FnOnce(Waitable) -> T,
) -> *mut T {
    let waitable = Waitable {
        header: BlockHeader {
            count: -owners,
            flags: 0,
        },
        lock: SpinLock::new(),
        claim: Claim::default(),
    };
    // SAFETY: fresh memory with room for both.
    unsafe {
        let owners = Owners {
            count: AtomicI64::new(owners.into()),
            is_shared: Cell::new(is_shared),
            bytes,
            _track: loom::alloc::Track::new(()),
        };
        let start: *mut Owners = place(size_of::<Owners>() + bytes);
        start.write(owners);
        let block: *mut T = start.add(1).cast();
        block.write(init(waitable));
        block
    }
}

/// Memory for the blocks of one run.
const ROOM_WORDS: usize = 1 << 13;

thread_local! {
    /// Loom runs all threads of a model on one.
    static ROOM: (Box<[Cell<u128>]>, Cell<usize>) =
        ((0..ROOM_WORDS).map(|_| Cell::new(0)).collect(), Cell::new(0));
}

/// A new run begins: its blocks get the places of the one before.
pub fn begin_run() {
    ROOM.with(|(_, used)| used.set(0));
}

fn place(bytes: usize) -> *mut Owners {
    ROOM.with(|(words, used)| {
        let first = used.get();
        used.set(first + bytes.div_ceil(size_of::<u128>()));
        words[first..used.get()].as_ptr().cast_mut().cast()
    })
}

unsafe fn owners<T>(block: *const T) -> *mut Owners {
    // SAFETY: made by `create_sized`.
    unsafe { block.cast::<Owners>().cast_mut().sub(1) }
}

pub unsafe fn free<T>(block: *mut T) {
    // SAFETY: nobody refers to it any more.
    unsafe {
        block.drop_in_place();
        let start = owners(block);
        let bytes = (*start).bytes;
        start.drop_in_place();
        // Whoever still uses it will notice.
        ptr::write_bytes(start.cast::<u8>(), 0xDD, size_of::<Owners>() + bytes);
    }
}

pub unsafe fn retain<T>(block: *const T) {
    // SAFETY: the caller owns a reference.
    unsafe { (*owners(block)).count.fetch_add(1, Relaxed) };
}

pub unsafe fn release_with<T>(block: *mut T, destroy: unsafe fn(*mut T)) {
    // SAFETY: the caller gives up its reference.
    unsafe {
        if (*owners(block)).count.fetch_sub(1, AcqRel) == 1 {
            destroy(block);
        }
    }
}

pub unsafe fn retain_times<T>(block: *const T, more: i32) {
    // SAFETY: as in `retain`.
    unsafe { (*owners(block)).count.fetch_add(more.into(), Relaxed) };
}

/// Whether several threads may see it.
pub unsafe fn is_shared<T>(block: *const T) -> bool {
    // SAFETY: the caller owns a reference; nobody changes a shared block's answer.
    unsafe { (*owners(block)).is_shared.get() }
}

pub unsafe fn make_shared<T>(block: *const T) -> bool {
    // SAFETY: the caller owns a reference, the only one if it is plain.
    unsafe { !(*owners(block)).is_shared.replace(true) }
}

pub unsafe fn is_unique<T>(block: *const T) -> bool {
    // SAFETY: the caller owns a reference.
    unsafe { (*owners(block)).count.load(Acquire) == 1 }
}
