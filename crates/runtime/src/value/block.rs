//! Counted blocks: memory, reference counts, the number of live blocks.
//!
//! # Invariants
//! * All blocks come from [`alloc`] and go through [`free`]; nothing else in the crate makes memory that begins with a `BlockHeader`,
//!   except immortal blocks emitted by the compiler and [`echo_empty`].
//! * A plain count (positive) is touched by one coroutine at a time; a shared one (negative) only atomically. A count changes its sign
//!   when its one owner shares the value ([`make_shared`]) or, being the sole owner, is about to change it in place ([`claim_unique`]).
//! * Whoever brings a count to nothing has seen everything the other owners did (release decrement, acquire load).

use crate::memory;
use echo_abi::layout::BlockHeader;
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{
    AtomicI32, AtomicI64, AtomicPtr, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// Memory of the immortal empty string, array and map.
#[repr(C, align(16))]
pub struct Empty([u8; 64]);

/// What every empty string, array and map points to.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static echo_empty: Empty = Empty([0; 64]);

/// The address of [`echo_empty`]. Its count is zero, so nobody ever writes to it.
#[inline]
pub fn empty() -> *mut u8 {
    (&raw const echo_empty).cast_mut().cast()
}

/// A block of so many bytes, header included, with one owner. Aligned to 16.
#[inline]
pub fn alloc(bytes: usize) -> *mut u8 {
    match alloc_at_last(bytes) {
        Some(block) => block,
        None => out_of_memory(bytes),
    }
}

/// As [`alloc`]; `None` when there is not so much memory, not even what was kept back.
#[inline]
pub fn alloc_at_last(bytes: usize) -> Option<*mut u8> {
    begin(memory::take(bytes), flags(bytes))
}

/// As [`alloc`]; `None` when there is not so much memory beside what was kept back.
#[inline]
pub fn try_alloc(bytes: usize) -> Option<*mut u8> {
    begin(memory::try_take(bytes), flags(bytes))
}

#[inline]
fn flags(bytes: usize) -> u32 {
    if bytes <= memory::SMALL_BYTES {
        bytes as u32
    } else {
        SYSTEM
    }
}

/// As [`try_alloc`], all zero behind the header.
pub fn try_alloc_zeroed(bytes: usize) -> Option<*mut u8> {
    // SAFETY: any size may be asked for.
    begin(unsafe { libc::calloc(1, bytes) }.cast(), SYSTEM)
}

/// In the header's flags: a piece of the system's allocator. Otherwise they hold the bytes that [`memory`] was asked for.
const SYSTEM: u32 = 0;

/// Makes fresh memory a block, unless there was none.
#[inline]
fn begin(block: *mut u8, flags: u32) -> Option<*mut u8> {
    if block.is_null() {
        return None;
    }
    // SAFETY: fresh memory, large enough and aligned for a header.
    unsafe {
        block
            .cast::<BlockHeader>()
            .write(BlockHeader { count: 1, flags })
    };
    count_live(1);
    Some(block)
}

/// Bytes of the memory of a block that came from [`alloc`]: at least as many as were asked for.
pub unsafe fn room(block: *mut u8) -> usize {
    // SAFETY: the caller owns the block.
    unsafe {
        match (*block.cast::<BlockHeader>()).flags {
            SYSTEM => libc::malloc_usable_size(block.cast()),
            bytes => memory::room(bytes as usize),
        }
    }
}

/// Makes a uniquely owned block that came from [`alloc`] longer; it may move.
pub unsafe fn grow(block: *mut u8, bytes: usize) -> *mut u8 {
    // SAFETY: the block's only owner gives up the old address.
    let moved = unsafe {
        match (*block.cast::<BlockHeader>()).flags {
            SYSTEM => libc::realloc(block.cast(), bytes).cast(),
            old => move_small(block, old as usize, bytes),
        }
    };
    if moved.is_null() {
        out_of_memory(bytes);
    }
    moved
}

/// # Safety
/// `block` is of `old` bytes, fewer than `bytes`, and its only owner gives it up.
unsafe fn move_small(block: *mut u8, old: usize, bytes: usize) -> *mut u8 {
    let moved = memory::take(bytes);
    if !moved.is_null() {
        // SAFETY: promised by the caller; the new piece is at least as large as the old one, all of which may be in use.
        unsafe {
            ptr::copy_nonoverlapping(block, moved, memory::room(old));
            (*moved.cast::<BlockHeader>()).flags = flags(bytes);
            memory::give(block, old);
        }
    }
    moved
}

/// Frees the memory of a block whose contents are dropped.
#[inline]
pub unsafe fn free(block: *mut u8) {
    // SAFETY: the block is from `alloc`, and nobody refers to it.
    unsafe {
        match (*block.cast::<BlockHeader>()).flags {
            SYSTEM => libc::free(block.cast()),
            bytes => memory::give(block, bytes as usize),
        }
    }
    count_live(-1);
}

#[cold]
pub fn out_of_memory(bytes: usize) -> ! {
    super::print::flush();
    eprintln!("fatal: out of memory: cannot allocate {bytes} bytes");
    // SAFETY: ends the process.
    unsafe { libc::_exit(2) }
}

/// Bytes behind a header of `header` bytes for `count` items of `size`; `None` when that cannot be addressed.
#[inline]
pub fn block_bytes(header: usize, count: usize, size: usize) -> Option<usize> {
    let bytes = count.checked_mul(size)?.checked_add(header)?;
    (bytes <= isize::MAX as usize).then_some(bytes)
}

/// The room to ask for when `needed` items no longer fit into `capacity`.
pub fn grown_capacity(capacity: usize, needed: usize) -> usize {
    const FIRST: usize = 4;
    capacity.saturating_mul(2).max(needed).max(FIRST)
}

// ---------------------------------------------------------------- counts

unsafe fn count<'a>(block: *mut u8) -> &'a AtomicI32 {
    // SAFETY: a block begins with a header; its count is aligned and lives as long as the caller's ownership.
    unsafe { AtomicI32::from_ptr(&raw mut (*block.cast::<BlockHeader>()).count) }
}

/// One more owner.
#[inline]
pub unsafe fn retain(block: *mut u8) {
    // SAFETY: the caller owns the block, so it is alive; a plain count is the caller's alone.
    unsafe {
        let count = count(block);
        let seen = count.load(Relaxed);
        if seen > 0 {
            count.store(seen + 1, Relaxed);
        } else if seen < 0 {
            count.fetch_sub(1, Relaxed);
        }
    }
}

/// One owner less. True when that was the last one: the caller then drops the contents and frees the block.
#[inline]
#[must_use]
pub unsafe fn give_up(block: *mut u8) -> bool {
    // SAFETY: as for `retain`.
    unsafe {
        let count = count(block);
        let seen = count.load(Relaxed);
        if seen > 1 {
            count.store(seen - 1, Relaxed);
            false
        } else if seen >= 0 {
            seen == 1
        } else {
            give_up_shared(count)
        }
    }
}

/// One owner less of a shared block; true when that was the last one. The only owner need not count: nobody else can.
#[inline]
pub fn give_up_shared(count: &AtomicI32) -> bool {
    // Loads, not fences: thread sanitizers do not understand fences.
    if count.load(Acquire) == -1 {
        return true;
    }
    let last = count.fetch_add(1, Release) == -1;
    if last {
        count.load(Acquire);
    }
    last
}

/// Turns a plain count into a shared one. True when it was plain, so that what the block reaches has to follow.
#[inline]
pub unsafe fn make_shared(block: *mut u8) -> bool {
    // SAFETY: a plain block is seen by the calling coroutine only.
    unsafe {
        let count = count(block);
        let seen = count.load(Relaxed);
        if seen > 0 {
            count.store(-seen, Relaxed);
        }
        seen > 0
    }
}

/// Whether one coroutine alone may see the block, which is not immortal.
#[inline]
pub unsafe fn is_plain(block: *mut u8) -> bool {
    // SAFETY: the caller owns the block.
    unsafe { count(block).load(Relaxed) > 0 }
}

/// Whether that is so, and the caller is the only owner.
#[inline]
pub unsafe fn is_only_plain(block: *mut u8) -> bool {
    // SAFETY: the caller owns the block.
    unsafe { count(block).load(Relaxed) == 1 }
}

/// Whether several coroutines may see the block.
#[inline]
pub unsafe fn is_shared(block: *mut u8) -> bool {
    // SAFETY: the caller owns the block.
    unsafe { count(block).load(Relaxed) < 0 }
}

/// Whether the caller is the only owner. If so the block is plain afterwards and may be changed in place.
///
/// A shared block with one owner becomes plain again: its owner is about to change it through a variable of its own, and has claimed
/// every block on the way there, so no shared block refers to it.
#[inline]
pub unsafe fn claim_unique(block: *mut u8) -> bool {
    // SAFETY: the caller owns the block; with a single owner nobody else can touch the count.
    unsafe {
        let count = count(block);
        match count.load(Relaxed) {
            1 => true,
            -1 => {
                count.load(Acquire);
                count.store(1, Relaxed);
                true
            }
            _ => false,
        }
    }
}

// ---------------------------------------------------------------- live blocks

/// What one thread has allocated less what it has freed. Written by its thread only, never freed, so that it can be summed up at any time.
struct Tally {
    live: AtomicI64,
    next: *const Tally,
}

static TALLIES: AtomicPtr<Tally> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    static TALLY: Cell<*const Tally> = const { Cell::new(ptr::null()) };
}

/// The number of live blocks that the calling thread counts in; nobody else writes to it.
pub fn live_of_thread() -> *const AtomicI64 {
    let tally = match TALLY.get() {
        tally if tally.is_null() => new_tally(),
        tally => tally,
    };
    // SAFETY: tallies are never freed.
    unsafe { &raw const (*tally).live }
}

#[inline]
fn count_live(change: i64) {
    let mut tally = TALLY.get();
    if tally.is_null() {
        tally = new_tally();
    }
    // SAFETY: tallies are never freed. Only this thread writes to this one, so load and store need not be one step.
    unsafe {
        let live = &(*tally).live;
        live.store(live.load(Relaxed) + change, Relaxed);
    }
}

#[cold]
fn new_tally() -> *const Tally {
    let tally = Box::leak(Box::new(Tally {
        live: AtomicI64::new(0),
        next: TALLIES.load(Relaxed),
    }));
    while let Err(first) = TALLIES.compare_exchange(tally.next.cast_mut(), tally, Release, Relaxed)
    {
        tally.next = first;
    }
    TALLY.set(tally);
    tally
}

/// Blocks allocated and not yet freed, by all threads. Exact while no coroutine runs.
pub fn live_blocks() -> i64 {
    let mut sum = 0;
    let mut next: *const Tally = TALLIES.load(Acquire);
    while !next.is_null() {
        // SAFETY: tallies are never freed, and their links do not change once they are published.
        unsafe {
            sum += (*next).live.load(Relaxed);
            next = (*next).next;
        }
    }
    sum
}

/// What this thread has allocated less what it has freed.
#[cfg(test)]
pub fn live_blocks_of_thread() -> i64 {
    let tally = TALLY.get();
    // SAFETY: tallies are never freed.
    unsafe { tally.as_ref() }.map_or(0, |tally| tally.live.load(Relaxed))
}

// ---------------------------------------------------------------- rows of the symbol table

pub unsafe extern "C" fn echo_alloc(size: i64) -> *mut u8 {
    alloc(size as usize)
}

pub unsafe extern "C" fn echo_free(block: *mut u8) {
    // SAFETY: the contract of the table.
    unsafe { free(block) }
}

pub unsafe extern "C" fn echo_retain(block: *mut u8) {
    // SAFETY: the contract of the table.
    unsafe { retain(block) }
}
