//! Memory for stacks and control blocks.
//!
//! * **Blocks**: first segments (six size classes) and control blocks, cut from slabs, recycled per worker ([`Cache`]) and between workers in
//!   batches (the depot). On machines of several NUMA nodes all of it stays on its node ([`node_memory`]). Slabs are never returned; those of control blocks are known to the [`registry`](crate::registry).
//! * **Big segments**: reservations of the maximum stack size plus reserve, committed by use. No guard page: the prologues check.
//! * **Page stacks**: for foreign code, which checks nothing: a guard page below each.
//!
//! ```text
//! first segment   [ slack 352 | limit … usable … top ]
//! big segment     [ slack 1024 | reserve 16 KiB | calls in place | limit … usable … top | record 64 ]
//! page stack      [ guard page | slack 1024 | reserve 16 KiB | limit … top ]
//! ```
//! A big segment belongs to a coroutine as long as it uses it: until it parks on the first segment, or ends. What recursions have left committed of the free ones is given
//! back once a second, whether they are used again or not ([`Cache::trim`], [`trim`]): otherwise each would sooner or later keep what the deepest of all has needed. So is what
//! coroutines that stay parked on theirs do not use any more ([`shrink`], [`parked`](crate::parked)).
//!
//! What cannot be had for want of memory is an [`OutOfMemory`]: the coroutine that asked fails, the others go on. A little is kept for that: address space
//! ([`memory::beside_kept`](crate::memory::beside_kept)), and by each worker a big
//! segment for the cleanups of a coroutine that cannot get its own ([`give_last`]).
//!
//! The reserve is opened for the cleanups of a coroutine that overflowed. A [call in place](crate::in_place) that begins in the upper quarter of a
//! big segment has at least as much as on a stack of its own ([`CALL_BYTES`]): the limit is moved down for its time, but for those that begin in the uppermost part, for
//! which each big segment has a little more than it need have.

use crate::arch::{self, BIG_SLACK, PREEMPT_FRAME, SEGMENT_SLACK};
use crate::coroutine::{Coroutine, State};
use crate::lock::SpinMutex;
use crate::memory::{self, Depot, Magazine, OutOfMemory};
use crate::node_memory::{self, PerHome, Purpose};
use crate::parked::Record;
use crate::registry;
use crate::sanitize;
use crate::scheduler::{self, Need};
use echo_abi::layout::{EntryDesc, STACK_PAGES};
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Sizes of first segments.
pub const SEGMENT_BYTES: [usize; 6] = [384, 512, 768, 1024, 2048, 4096];
const LARGEST_SEGMENT_BYTES: usize = SEGMENT_BYTES[SEGMENT_BYTES.len() - 1];
/// Index of control blocks among the block kinds; the segments' classes come before.
const CONTROL: usize = SEGMENT_BYTES.len();
const KINDS: usize = CONTROL + 1;
const BLOCK_BYTES: [usize; KINDS] = [384, 512, 768, 1024, 2048, 4096, size_of::<Coroutine>()];

/// A worker's first slab of a kind is so large, each of the next ones twice as large as the one before, up to the most: of many workers most need little.
const LEAST_SLAB_BYTES: usize = 64 << 10;
const SLAB_BYTES: usize = 1 << 20;
/// From the eighth on, when they are some megabytes, slabs are so large, and made of huge pages if the system has them: what has grown so far is likely to grow further, and
/// the first touch of 512 pages one by one takes several times as long as that of one as large.
const HUGE_SLAB_BYTES: usize = 16 << 20;
const SLABS_BEFORE_HUGE: u32 = 7;
/// Blocks that move between a worker and the depot at a time.
const BATCH: usize = 64;
/// Stack kept for the cleanups after an overflow.
const RESERVE_BYTES: usize = 16 << 10;
const PAGE_BYTES: usize = 4096;
/// Spacing of page stacks.
const PAGE_STACK_BYTES: usize = 64 << 10;
/// Stacks per reservation.
const STACKS_PER_REGION: usize = 64;
/// Stacks a worker keeps; half goes to the pool when there are more.
const CACHED_STACKS: usize = 32;
/// At the top of a big segment: its [`Record`].
const RECORD_BYTES: usize = 64;
/// What stays committed of a stack that was in use of late.
const KEPT_BYTES: usize = 32 << 10;

pub const DEFAULT_MAX_STACK_BYTES: usize = 1 << 20;
/// The least maximum: what runs in place on it, and cleanups, need some room.
pub const LEAST_MAX_STACK_BYTES: usize = 64 << 10;

/// Usable bytes of a big segment.
static MAX_STACK_BYTES: AtomicUsize = AtomicUsize::new(DEFAULT_MAX_STACK_BYTES);
/// How far below its frame the limit of a call in place is at least, on the big segment: it has the maximum, and what the largest first segment has. No page stack
/// has so much.
pub static CALL_BYTES: AtomicUsize = AtomicUsize::new(call_bytes(DEFAULT_MAX_STACK_BYTES));

/// How far down a big segment a call in place may begin whose limit has to be moved.
const fn in_place_bytes(max_stack: usize) -> usize {
    max_stack / 4
}

/// What a big segment has beyond that, so that the limit need not be moved for calls that begin in the uppermost so many bytes.
const fn spare_bytes(max_stack: usize) -> usize {
    max_stack / 64
}

const fn call_bytes(max_stack: usize) -> usize {
    max_stack + LARGEST_SEGMENT_BYTES
}
/// Big segments and page stacks ever reserved, for `--stats`.
pub static BIG_SEGMENTS: AtomicU64 = AtomicU64::new(0);
pub static PAGE_STACKS: AtomicU64 = AtomicU64::new(0);
pub static SLABS: AtomicU64 = AtomicU64::new(0);

/// Sets the maximum stack of a coroutine, at least [`LEAST_MAX_STACK_BYTES`]. Before a program starts; pooled segments of another size are given up.
pub fn set_max_stack(bytes: usize) {
    let bytes = bytes
        .max(LEAST_MAX_STACK_BYTES)
        .next_multiple_of(PAGE_BYTES);
    if MAX_STACK_BYTES.swap(bytes, Ordering::Relaxed) != bytes {
        CALL_BYTES.store(call_bytes(bytes), Ordering::Relaxed);
        BIG.all().for_each(|pool| pool.lock().clear());
    }
}

/// The maximum stack of a coroutine.
pub fn max_stack() -> usize {
    MAX_STACK_BYTES.load(Ordering::Relaxed)
}

fn big_bytes() -> usize {
    let max_stack = max_stack();
    (call_bytes(max_stack)
        + in_place_bytes(max_stack)
        + spare_bytes(max_stack)
        + RESERVE_BYTES
        + BIG_SLACK
        + RECORD_BYTES)
        .next_multiple_of(PAGE_BYTES)
}

/// Segments are linked through their last word, where a fresh stack is touched first anyway.
static DEPOTS: [Depot; KINDS] = [
    Depot::new(BLOCK_BYTES[0], BLOCK_BYTES[0] - 8, BATCH),
    Depot::new(BLOCK_BYTES[1], BLOCK_BYTES[1] - 8, BATCH),
    Depot::new(BLOCK_BYTES[2], BLOCK_BYTES[2] - 8, BATCH),
    Depot::new(BLOCK_BYTES[3], BLOCK_BYTES[3] - 8, BATCH),
    Depot::new(BLOCK_BYTES[4], BLOCK_BYTES[4] - 8, BATCH),
    Depot::new(BLOCK_BYTES[5], BLOCK_BYTES[5] - 8, BATCH),
    Depot::new(
        BLOCK_BYTES[CONTROL],
        std::mem::offset_of!(Coroutine, next),
        BATCH,
    )
    // Who walks the slabs sees by it what is free. Memory is poisoned in words.
    .with_meaning_from(std::mem::offset_of!(Coroutine, state) & !7),
];
static BIG: PerHome<Pool> = PerHome::new(Pool::EMPTY);
static PAGES: PerHome<Pool> = PerHome::new(Pool::EMPTY);

/// Bases of stacks that belong to no worker, the last one used first.
struct Pool {
    bases: Vec<usize>,
    /// The first so many are given back to the system: none of their pages is committed.
    trimmed: usize,
    /// The first so many have not been used since the last trim.
    unused: usize,
}

impl Pool {
    const EMPTY: Pool = Pool {
        bases: Vec::new(),
        trimmed: 0,
        unused: 0,
    };

    fn clear(&mut self) {
        *self = Pool::EMPTY;
    }

    /// Takes up to so many.
    fn take(&mut self, count: usize) -> Vec<usize> {
        let keep = self.bases.len().saturating_sub(count);
        self.trimmed = self.trimmed.min(keep);
        self.unused = self.unused.min(keep);
        self.bases.split_off(keep)
    }
}

impl Default for Pool {
    fn default() -> Pool {
        Pool::EMPTY
    }
}

/// Gives the system what has been free for a while and belongs to no worker; whether the next call is likely to find more. Calls `attend` now and then. For the monitor.
pub fn trim(attend: &mut dyn FnMut()) -> bool {
    let mut more = false;
    for depot in &DEPOTS {
        more |= depot.trim(attend);
    }
    for kind in [StackKind::Big, StackKind::Pages] {
        for pool in kind.pool().all() {
            more |= kind.trim_pool(pool, attend);
        }
    }
    more
}

/// Big segments that were reserved together. They are never unmapped.
struct Region {
    base: usize,
    count: usize,
    /// Of each.
    bytes: usize,
}

static REGIONS: SpinMutex<Vec<Region>> = SpinMutex::new(Vec::new());

/// Of a big segment.
fn big_top(base: usize) -> usize {
    base + big_bytes() - RECORD_BYTES
}

/// # Safety
/// The coroutine is the caller's, and has a big segment.
unsafe fn big_base(coroutine: *const Coroutine) -> usize {
    // SAFETY: promised by the caller.
    unsafe { (*coroutine).big_top + RECORD_BYTES - big_bytes() }
}

const _: () = assert!(size_of::<SpinMutex<Record<Coroutine>>>() <= RECORD_BYTES);

/// The record above a big segment's top.
///
/// # Safety
/// It is one, and not poisoned.
unsafe fn record<'a>(top: usize) -> &'a SpinMutex<Record<Coroutine>> {
    // SAFETY: promised by the caller; at first it is zero, which is a free segment's.
    unsafe { &*ptr::with_exposed_provenance(top) }
}

/// The stack pointer of a coroutine of which [`shrink`] keeps it, to be stored or used at once. Called by `arch`, too.
///
/// # Safety
/// The coroutine is the caller's to run or to wake, and its saved stack pointer is [`arch::aside`].
pub unsafe extern "C" fn take_back(coroutine: *const Coroutine) -> usize {
    // SAFETY: only who parks on a big segment is set aside.
    unsafe { record((*coroutine).big_top) }.lock().take_back()
}

/// A look at all big segments: gives the system what their coroutines do not use, as far as they have been parked since the last look; whether the next one may find some
/// more. Calls `attend` now and then. The protocol is that of [`parked`](crate::parked).
pub fn shrink(attend: &mut dyn FnMut()) -> bool {
    // Sanitizers keep records of their own of what lies on stacks.
    if cfg!(echo_sanitize) {
        return false;
    }
    let mut more = false;
    for index in 0.. {
        // The lock is held no longer: whoever reserves a region waits for it.
        let Some(tops) = REGIONS.lock().get(index).map(Region::tops) else {
            break;
        };
        for (base, top) in tops {
            // What was never used shall not be touched.
            if is_committed(top, RECORD_BYTES) {
                // SAFETY: there is a record, of a region that stays.
                more |= unsafe { shrink_one(base, top) };
            }
        }
        attend();
    }
    more
}

impl Region {
    /// Base and top of each.
    fn tops(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (first, bytes) = (self.base, self.bytes);
        let bases = (0..self.count).map(move |index| first + index * bytes);
        bases.map(move |base| (base, base + bytes - RECORD_BYTES))
    }
}

/// # Safety
/// There is a big segment between `base` and the record at `top`.
unsafe fn shrink_one(base: usize, top: usize) -> bool {
    // SAFETY: promised by the caller; control blocks are never unmapped.
    let (mut record, owner) = unsafe {
        let record = record(top).lock();
        let owner = record.owner;
        (record, owner)
    };
    if owner.is_null() {
        return false;
    }
    // SAFETY: as above; its state is atomic.
    let (pointer, waits) = unsafe {
        let waits = move || (*owner).state() == State::Suspended;
        (arch::saved_pointer(owner), waits)
    };
    let has_surplus = |saved: usize| {
        let end = saved.saturating_sub(KEPT_BYTES);
        let start = end.saturating_sub(KEPT_BYTES).max(base);
        (base..top).contains(&saved) && start < end && is_committed(start, end - start)
    };
    let give_back = |saved: usize| {
        // The word below may be written when it wakes.
        let end = (saved - SEGMENT_SLACK) / PAGE_BYTES * PAGE_BYTES;
        if end > base {
            // SAFETY: below the stack pointer of a coroutine that does not run.
            unsafe { libc::madvise(base as *mut c_void, end - base, libc::MADV_DONTNEED) };
        }
    };
    record.look(pointer, arch::aside(), waits, has_surplus, give_back)
}

/// Whether any page of the range is; at most [`KEPT_BYTES`], of mapped memory.
fn is_committed(start: usize, bytes: usize) -> bool {
    let first = start / PAGE_BYTES * PAGE_BYTES;
    let mut pages = [0u8; KEPT_BYTES / PAGE_BYTES + 1];
    let bytes = start + bytes - first;
    // SAFETY: a byte for each page.
    let failed = unsafe { libc::mincore(first as *mut c_void, bytes, pages.as_mut_ptr()) };
    failed == 0 && pages.iter().any(|page| page & 1 != 0)
}

/// A worker's own free stacks of one kind.
struct FreeStacks {
    /// The last one used first.
    bases: Vec<usize>,
    /// The first so many have not been used since the last trim.
    unused: usize,
}

impl FreeStacks {
    const NONE: FreeStacks = FreeStacks {
        bases: Vec::new(),
        unused: 0,
    };

    fn pop(&mut self) -> Option<usize> {
        let base = self.bases.pop()?;
        self.unused = self.unused.min(self.bases.len());
        Some(base)
    }

    /// Takes out those that were used last, but for so many.
    fn take_above(&mut self, kept: usize) -> Vec<usize> {
        self.unused = self.unused.min(kept);
        self.bases.split_off(kept)
    }

    /// Takes out those that have not been used since the last call.
    fn take_unused(&mut self) -> Vec<usize> {
        let unused = self.bases.drain(..self.unused).collect();
        self.unused = self.bases.len();
        unused
    }
}

/// A worker's own free memory.
pub struct Cache {
    /// The control block of the coroutine that ended last, with its segment, or null: the next one that starts is likely to need the same.
    spare: *mut Coroutine,
    blocks: [Magazine; KINDS],
    /// Of each kind.
    slabs: [u32; KINDS],
    /// Free big segments and page stacks.
    big: FreeStacks,
    pages: FreeStacks,
    /// A big segment that is used only when there is no other; 0 while there is none, or it is in use.
    last_big: usize,
}

// SAFETY: free memory belongs to whoever holds the cache.
unsafe impl Send for Cache {}

impl Cache {
    pub const fn new() -> Cache {
        Cache {
            spare: ptr::null_mut(),
            blocks: [Magazine::EMPTY; KINDS],
            slabs: [0; KINDS],
            big: FreeStacks::NONE,
            pages: FreeStacks::NONE,
            last_big: 0,
        }
    }

    #[inline]
    fn take_block(&mut self, kind: usize) -> Result<*mut u8, OutOfMemory> {
        match self.blocks[kind].take(&DEPOTS[kind]) {
            Some(block) => Ok(block),
            None => self.take_from_slab(kind),
        }
    }

    #[cold]
    fn take_from_slab(&mut self, kind: usize) -> Result<*mut u8, OutOfMemory> {
        let (slab, bytes) = match self.slabs[kind] {
            ..SLABS_BEFORE_HUGE => None,
            _ => huge_slab(),
        }
        .map_or_else(|| slab_after(self.slabs[kind]), Ok)?;
        self.slabs[kind] += 1;
        SLABS.fetch_add(1, Ordering::Relaxed);
        let count = bytes / BLOCK_BYTES[kind];
        if kind == CONTROL {
            registry::add_slab(slab.cast(), count);
        }
        self.blocks[kind].stock(slab, count * BLOCK_BYTES[kind]);
        Ok(self.blocks[kind].take(&DEPOTS[kind]).expect("just stocked"))
    }

    /// A first segment, and of which class it is: where there is no memory for the one asked for, one of another class may be free, since what coroutines are known to
    /// need changes.
    #[inline]
    fn take_segment(&mut self, class: usize) -> Result<(*mut u8, usize), OutOfMemory> {
        match self.take_block(class) {
            Ok(segment) => Ok((segment, class)),
            Err(OutOfMemory) => self.take_other_segment(class),
        }
    }

    /// A larger one if there is any: what does not fit in a smaller one needs a big segment.
    #[cold]
    fn take_other_segment(&mut self, class: usize) -> Result<(*mut u8, usize), OutOfMemory> {
        let mut others = (class + 1..SEGMENT_BYTES.len()).chain((0..class).rev());
        others
            .find_map(|class| Some((self.blocks[class].take(&DEPOTS[class])?, class)))
            .ok_or(OutOfMemory)
    }

    /// # Safety
    /// Nobody uses the block any more.
    #[inline]
    unsafe fn put_block(&mut self, block: *mut u8, kind: usize) {
        // SAFETY: promised by the caller.
        unsafe { self.blocks[kind].give(block, &DEPOTS[kind]) };
    }

    /// A zeroed or recycled control block.
    pub fn take_control(&mut self) -> Result<*mut Coroutine, OutOfMemory> {
        let block = self.take_block(CONTROL)?;
        let (next, _) = self.blocks[CONTROL].peek(&DEPOTS[CONTROL]);
        arch::prefetch_block(next.cast());
        Ok(block.cast())
    }

    /// # Safety
    /// The coroutine has ended and nobody refers to it.
    pub unsafe fn put_control(&mut self, coroutine: *mut Coroutine) {
        // SAFETY: promised by the caller.
        unsafe {
            (*coroutine).set_state(State::Free);
            self.put_block(coroutine.cast(), CONTROL);
        }
    }

    /// Whether there is memory for a coroutine of that entry to start, on a segment.
    ///
    /// # Safety
    /// Entries live as long as the module.
    pub unsafe fn can_start(&mut self, entry: *mut EntryDesc) -> bool {
        // What has ended will do, whatever it has for a segment.
        if !self.spare.is_null() {
            return true;
        }
        // SAFETY: promised by the caller; what is taken is given back.
        unsafe {
            let Ok(control) = self.take_control() else {
                return false;
            };
            let segment = self.take_segment(class_of(entry));
            if let Ok((segment, class)) = segment {
                self.put_block(segment, class);
            }
            self.put_control(control);
            segment.is_ok()
        }
    }

    /// Gives a coroutine the stack its entry asks for and prepares its first run. Without memory it has none afterwards.
    ///
    /// # Errors
    /// There is no memory for a stack.
    ///
    /// # Safety
    /// The coroutine is owned by the caller and has not run yet.
    pub unsafe fn attach_stack(&mut self, coroutine: *mut Coroutine) -> Result<(), OutOfMemory> {
        // SAFETY: promised by the caller; entries live as long as the module.
        unsafe {
            let entry = (*coroutine).entry;
            if (*entry).stack == STACK_PAGES {
                let base = self.take_stack(StackKind::Pages)?;
                StackKind::Pages.unpoison(base);
                (*coroutine).big_top = base + PAGE_STACK_BYTES;
                (*coroutine).big_limit = base + PAGE_BYTES + BIG_SLACK + RESERVE_BYTES;
                (*coroutine).first_top = 0;
                (*coroutine).first_room = 0;
                (*coroutine).limit = (*coroutine).big_limit;
            } else {
                let (segment, class) = self.take_segment(class_of(entry))?;
                let base = segment as usize;
                let (_, top) = self.blocks[class].peek(&DEPOTS[class]);
                arch::prefetch(top);
                (*coroutine).class = class as u8;
                (*coroutine).first_top = base + SEGMENT_BYTES[class];
                (*coroutine).first_room = (SEGMENT_BYTES[class] - SEGMENT_SLACK) as u16;
                (*coroutine).limit = base + SEGMENT_SLACK;
                (*coroutine).big_top = 0;
                (*coroutine).big_limit = 0;
            }
            (*coroutine).reserve_is_open = false;
            arch::prepare(coroutine, (*coroutine).top());
        }
        Ok(())
    }

    /// A control block for a coroutine of that entry, which is not foreign code; if it is at hand, with a stack that is prepared for the first run.
    ///
    /// # Errors
    /// There is no memory for one.
    ///
    /// # Safety
    /// Entries live as long as the module.
    #[inline]
    pub unsafe fn take_for(
        &mut self,
        entry: *mut EntryDesc,
    ) -> Result<*mut Coroutine, OutOfMemory> {
        let spare = std::mem::replace(&mut self.spare, ptr::null_mut());
        // SAFETY: promised by the caller; what is at hand has ended, and has a segment.
        unsafe {
            if !spare.is_null() && usize::from((*spare).class) == class_of(entry) {
                arch::prepare(spare, (*spare).first_top);
                return Ok(spare);
            }
            let coroutine = self.take_without_stack(spare)?;
            (*coroutine).rsp = 0;
            Ok(coroutine)
        }
    }

    /// # Safety
    /// `spare` is what was at hand, or null.
    unsafe fn take_without_stack(
        &mut self,
        spare: *mut Coroutine,
    ) -> Result<*mut Coroutine, OutOfMemory> {
        if spare.is_null() {
            return self.take_control();
        }
        // SAFETY: promised by the caller.
        unsafe { self.detach_stack(spare) };
        Ok(spare)
    }

    /// Takes the control block and the stack of a coroutine back.
    ///
    /// # Safety
    /// The coroutine has ended, and nobody refers to it.
    #[inline]
    pub unsafe fn put_ended(&mut self, coroutine: *mut Coroutine) {
        // SAFETY: promised by the caller. Sanitizers want to know what is free.
        unsafe {
            if self.spare.is_null() && (*coroutine).big_top == 0 && !cfg!(echo_sanitize) {
                (*coroutine).set_state(State::Free);
                self.spare = coroutine;
            } else {
                self.put_apart(coroutine);
            }
        }
    }

    /// # Safety
    /// As for [`put_ended`](Self::put_ended).
    #[inline(never)]
    unsafe fn put_apart(&mut self, coroutine: *mut Coroutine) {
        // SAFETY: promised by the caller.
        unsafe {
            self.detach_stack(coroutine);
            self.put_control(coroutine);
        }
    }

    /// Takes the stack of an ended coroutine back.
    ///
    /// # Safety
    /// The coroutine has ended; nothing runs on its stack.
    unsafe fn detach_stack(&mut self, coroutine: *mut Coroutine) {
        // SAFETY: promised by the caller.
        unsafe {
            if (*coroutine).first_top == 0 {
                self.put_stack(StackKind::Pages, (*coroutine).big_top - PAGE_STACK_BYTES);
                return;
            }
            let class = (*coroutine).class as usize;
            self.put_block(
                ((*coroutine).first_top - SEGMENT_BYTES[class]) as *mut u8,
                class,
            );
            if (*coroutine).big_top != 0 {
                self.put_stack(StackKind::Big, big_base(coroutine));
            }
        }
    }

    /// Takes the big segment of a coroutine that parks back, if it does not use it: it can be long until it does again.
    ///
    /// # Safety
    /// The coroutine has just left the caller, and nobody can wake it yet.
    #[inline(always)]
    pub unsafe fn detach_unused(&mut self, coroutine: *mut Coroutine) {
        // SAFETY: promised by the caller. Of a preempted coroutine the big segment may hold registers, but that does not park.
        unsafe {
            if (*coroutine).big_top != 0 && (*coroutine).limit != (*coroutine).big_limit {
                self.detach_big(coroutine);
            }
        }
    }

    /// # Safety
    /// The coroutine is the caller's, and does not use its big segment.
    #[inline(never)]
    unsafe fn detach_big(&mut self, coroutine: *mut Coroutine) {
        // SAFETY: promised by the caller.
        unsafe {
            self.put_stack(StackKind::Big, big_base(coroutine));
            (*coroutine).big_top = 0;
            (*coroutine).big_limit = 0;
            (*coroutine).reserve_is_open = false;
        }
    }

    fn list(&mut self, kind: StackKind) -> &mut FreeStacks {
        match kind {
            StackKind::Big => &mut self.big,
            StackKind::Pages => &mut self.pages,
        }
    }

    fn take_stack(&mut self, kind: StackKind) -> Result<usize, OutOfMemory> {
        if let Some(base) = self.list(kind).pop() {
            return Ok(base);
        }
        let home = node_memory::home();
        let mut pool = kind.pool().of(home).lock();
        if pool.bases.is_empty() && home != 0 {
            *pool = std::mem::take(&mut kind.pool().of(0).lock());
        }
        if pool.bases.is_empty() {
            kind.reserve(&mut pool.bases, STACKS_PER_REGION)?;
        }
        let taken = pool.take(CACHED_STACKS / 4);
        drop(pool);
        self.list(kind).bases.extend(taken);
        Ok(self.list(kind).pop().expect("the pool was filled"))
    }

    /// For a worker that begins: keeps a big segment for the time when there is no memory.
    pub fn keep_last(&mut self) {
        let mut pool = BIG.of(node_memory::home()).lock();
        if pool.bases.is_empty() {
            // Without it the worker does.
            let _ = StackKind::Big.reserve(&mut pool.bases, 1);
        }
        self.last_big = pool.take(1).pop().unwrap_or(0);
    }

    fn put_stack(&mut self, kind: StackKind, base: usize) {
        if matches!(kind, StackKind::Big) {
            // SAFETY: nobody uses the segment any more.
            unsafe { *record(big_top(base)).lock() = Record::of(ptr::null()) };
        }
        kind.poison(base);
        if matches!(kind, StackKind::Big) && self.last_big == 0 {
            self.last_big = base;
            return;
        }
        let list = self.list(kind);
        list.bases.push(base);
        if list.bases.len() > CACHED_STACKS {
            let surplus = list.take_above(CACHED_STACKS / 2);
            surplus.iter().for_each(|&base| kind.trim(base, KEPT_BYTES));
            kind.return_home(&surplus);
        }
    }

    /// Gives the system what is committed of the free stacks, but for a little at their tops, and the pools those that were not used since the last call.
    pub fn trim(&mut self) {
        for kind in [StackKind::Big, StackKind::Pages] {
            let list = self.list(kind);
            let unused = list.take_unused();
            for &base in &list.bases {
                kind.trim(base, KEPT_BYTES);
            }
            kind.return_home(&unused);
        }
        if self.last_big != 0 {
            StackKind::Big.trim(self.last_big, KEPT_BYTES);
        }
    }

    /// For who needs a part of it.
    pub fn put_spare_apart(&mut self) {
        let spare = std::mem::replace(&mut self.spare, ptr::null_mut());
        if !spare.is_null() {
            // SAFETY: it has ended, and has a segment.
            unsafe { self.put_apart(spare) };
        }
    }

    /// Gives what is free to the depots and the pools, but for what one coroutine needs: where there is little memory, every worker can go on with that.
    pub fn give_all(&mut self) {
        self.blocks
            .iter_mut()
            .zip(&DEPOTS)
            .for_each(|(blocks, depot)| blocks.empty(depot));
        for kind in [StackKind::Big, StackKind::Pages] {
            let stacks = self.list(kind).take_above(0);
            kind.return_home(&stacks);
        }
    }

    /// As [`give_all`](Self::give_all), and that, too.
    pub fn empty(&mut self) {
        self.put_spare_apart();
        if self.last_big != 0 {
            let last = std::mem::take(&mut self.last_big);
            self.big.bases.push(last);
        }
        self.give_all();
    }
}

/// A slab for who has had so many; a smaller one where there is less memory.
fn slab_after(slabs: u32) -> Result<(*mut u8, usize), OutOfMemory> {
    let bytes = (LEAST_SLAB_BYTES << slabs.min(SLABS_BEFORE_HUGE)).min(SLAB_BYTES);
    let map = |bytes| Ok((node_memory::map(bytes, Purpose::Pieces)?, bytes));
    map(bytes).or_else(|OutOfMemory| map(LEAST_SLAB_BYTES))
}

/// A slab of huge pages, if there is so much memory.
fn huge_slab() -> Option<(*mut u8, usize)> {
    let slab = node_memory::map(HUGE_SLAB_BYTES, Purpose::Pieces).ok()?;
    // SAFETY: the slab was just mapped. Where the advice is refused, its pages are small.
    unsafe { libc::madvise(slab.cast(), HUGE_SLAB_BYTES, libc::MADV_HUGEPAGE) };
    Some((slab, HUGE_SLAB_BYTES))
}

impl Default for Cache {
    fn default() -> Self {
        Cache::new()
    }
}

#[derive(Clone, Copy)]
enum StackKind {
    Big,
    Pages,
}

impl StackKind {
    fn pool(self) -> &'static PerHome<Pool> {
        match self {
            StackKind::Big => &BIG,
            StackKind::Pages => &PAGES,
        }
    }

    fn bytes(self) -> usize {
        match self {
            StackKind::Big => big_bytes(),
            StackKind::Pages => PAGE_STACK_BYTES,
        }
    }

    fn guard_bytes(self) -> usize {
        match self {
            StackKind::Big => 0,
            StackKind::Pages => PAGE_BYTES,
        }
    }

    /// Nobody may access a free stack.
    fn poison(self, base: usize) {
        let low = self.guard_bytes();
        sanitize::poison((base + low) as *mut u8, self.bytes() - low);
    }

    fn unpoison(self, base: usize) {
        let low = self.guard_bytes();
        sanitize::unpoison((base + low) as *mut u8, self.bytes() - low);
    }

    /// Gives each stack to the pool of its home.
    fn return_home(self, stacks: &[usize]) {
        let home = |base: &usize| node_memory::home_of(*base);
        for stacks in stacks.chunk_by(|left, right| home(left) == home(right)) {
            let mut pool = self.pool().of(home(&stacks[0])).lock();
            pool.bases.extend(stacks);
        }
    }

    /// Reserves a region of so many stacks, or fewer when there is less memory.
    fn reserve(self, pool: &mut Vec<usize>, mut count: usize) -> Result<(), OutOfMemory> {
        let bytes = self.bytes();
        let region = loop {
            match node_memory::map(bytes * count, Purpose::Stacks) {
                Ok(region) => break region,
                Err(error) if count == 1 => return Err(error),
                Err(_) => count /= 2,
            }
        };
        // SAFETY: the region was just mapped. A huge page would commit several stacks at once.
        unsafe { libc::madvise(region.cast(), bytes * count, libc::MADV_NOHUGEPAGE) };
        let bases = (0..count).map(|index| region as usize + index * bytes);
        match self {
            StackKind::Big => {
                BIG_SEGMENTS.fetch_add(count as u64, Ordering::Relaxed);
                REGIONS.lock().push(Region {
                    base: region as usize,
                    count,
                    bytes,
                });
                pool.extend(bases.rev());
            }
            StackKind::Pages => {
                let guarded = bases
                    .clone()
                    .take_while(|&base| install_guard(base))
                    .count();
                if guarded < count {
                    // SAFETY: nobody uses these stacks.
                    unsafe {
                        libc::munmap(
                            region.add(guarded * bytes).cast(),
                            (count - guarded) * bytes,
                        )
                    };
                }
                if guarded == 0 {
                    return Err(OutOfMemory);
                }
                PAGE_STACKS.fetch_add(guarded as u64, Ordering::Relaxed);
                pool.extend(bases.take(guarded).rev());
            }
        }
        Ok(())
    }

    /// Gives the system the stacks of the pool that nobody has used since the last call, a few at a time; whether the next call is likely to find more.
    fn trim_pool(self, shared: &SpinMutex<Pool>, attend: &mut dyn FnMut()) -> bool {
        loop {
            let mut pool = shared.lock();
            let end = pool.unused.min(pool.trimmed + STACKS_PER_REGION);
            if end <= pool.trimmed {
                pool.unused = pool.bases.len();
                return pool.unused > pool.trimmed;
            }
            // Not in the pool meanwhile: nobody may use them before their pages are gone.
            let _trimming = memory::Trimming::begin();
            let start = pool.trimmed;
            let taken: Vec<usize> = pool.bases.drain(start..end).collect();
            pool.unused -= taken.len();
            drop(pool);
            taken.iter().for_each(|&base| self.trim(base, 0));
            attend();
            let mut pool = shared.lock();
            pool.trimmed += taken.len();
            pool.unused += taken.len();
            pool.bases.splice(..0, taken);
        }
    }

    /// Gives back what is committed of a free stack, but for so many bytes at its top.
    fn trim(self, base: usize, kept_bytes: usize) {
        let low = self.guard_bytes();
        let bytes = self.bytes().saturating_sub(kept_bytes + low);
        if bytes > 0 {
            // SAFETY: the range is part of a free stack.
            unsafe { libc::madvise((base + low) as *mut c_void, bytes, libc::MADV_DONTNEED) };
        }
    }
}

/// `MADV_GUARD_INSTALL`, Linux 6.13: a guard without a mapping of its own.
const MADV_GUARD_INSTALL: i32 = 102;

/// Whether the stack at `base` has a guard page now. Older systems make it a mapping of its own, of which there are `vm.max_map_count`.
fn install_guard(base: usize) -> bool {
    #[cfg(test)]
    if tests::no_guard_is_left() {
        return false;
    }
    // SAFETY: the page is the lowest of a stack that nobody uses yet.
    unsafe {
        libc::madvise(base as *mut c_void, PAGE_BYTES, MADV_GUARD_INSTALL) == 0
            || libc::mprotect(base as *mut c_void, PAGE_BYTES, libc::PROT_NONE) == 0
    }
}

/// The size class of the first segment of an entry's coroutines.
///
/// # Safety
/// Entries live as long as the module.
#[inline]
unsafe fn class_of(entry: *mut EntryDesc) -> usize {
    // SAFETY: promised by the caller.
    let learned = unsafe { AtomicLearned::of(&raw mut (*entry).learned_class) };
    (learned.get() as usize).min(SEGMENT_BYTES.len() - 1)
}

/// The learned size class of an entry: many workers read and bump it, precision does not matter.
struct AtomicLearned<'a>(&'a std::sync::atomic::AtomicU32);

impl AtomicLearned<'_> {
    /// # Safety
    /// `class` is valid for the lifetime chosen.
    unsafe fn of<'a>(class: *mut u32) -> AtomicLearned<'a> {
        // SAFETY: promised by the caller; only accessed atomically.
        AtomicLearned(unsafe { std::sync::atomic::AtomicU32::from_ptr(class) })
    }

    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    fn learn(&self, class: u32) {
        if class < SEGMENT_BYTES.len() as u32 && self.get() < class {
            self.0.store(class, Ordering::Relaxed);
        }
    }
}

/// The running coroutine's first segment is full for the first time: it gets a big one, unless there is no memory. Called by `__morestack`.
///
/// # Safety
/// `coroutine` is the running one and has no big segment.
pub unsafe extern "C" fn grow(coroutine: *mut Coroutine) -> bool {
    // SAFETY: promised by the caller; the worker's cache is used by this thread alone.
    unsafe {
        // What runs in place says nothing about the entry that the segment was chosen for.
        if (*coroutine).in_place.is_null() {
            AtomicLearned::of(&raw mut (*(*coroutine).entry).learned_class)
                .learn((*coroutine).class as u32 + 1);
        }
        let worker = scheduler::current_worker().expect("coroutines run on workers");
        let base = worker.find(Need::Run, |cache| cache.take_stack(StackKind::Big));
        base.map(|base| set_big(coroutine, base)).is_ok()
    }
}

/// # Safety
/// `coroutine` is the running one and has no big segment; the one at `base` is free.
unsafe fn set_big(coroutine: *mut Coroutine, base: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        StackKind::Big.unpoison(base);
        *record(big_top(base)).lock() = Record::of(coroutine);
        (*coroutine).big_top = big_top(base);
        (*coroutine).big_limit = limit_of_call((*coroutine).big_top);
    }
}

/// For the cleanups of a coroutine for which [`grow`] found no memory: the worker's last big segment, if it is free. Without it they run on the first
/// segment, and what does not fit there is left out.
///
/// # Safety
/// As for [`grow`].
pub unsafe fn give_last(coroutine: *mut Coroutine) {
    // SAFETY: promised by the caller; the worker's cache is used by this thread alone.
    unsafe {
        let base = std::mem::take(&mut scheduler::worker_cache().last_big);
        if base != 0 {
            set_big(coroutine, base);
        }
    }
}

/// Copies the registers of a function preempted at its entry to where its coroutine has room; returns that place, or null when the function is
/// to go on: there is no memory, or these may be cleanups on the worker's last big segment, which the next coroutine needs. Called by `__morestack`.
///
/// # Safety
/// `coroutine` is the running one, `frame` its saved registers, `stack_pointer` what it has reached.
pub unsafe extern "C" fn save_preempted(
    coroutine: *mut Coroutine,
    frame: *const u8,
    stack_pointer: usize,
) -> *mut u8 {
    // SAFETY: on the big segment there is slack below the stack pointer; otherwise the big segment is unused.
    unsafe {
        let is_unwinding = !(*coroutine).slot.exception.is_null();
        if is_unwinding && scheduler::worker_cache().last_big == 0 {
            return ptr::null_mut();
        }
        if (*coroutine).big_limit == 0 {
            let Ok(base) = scheduler::worker_cache().take_stack(StackKind::Big) else {
                return ptr::null_mut();
            };
            set_big(coroutine, base);
        }
        let on_big = (*coroutine).limit == (*coroutine).big_limit;
        let top = if on_big {
            (stack_pointer - 16) & !15
        } else {
            (*coroutine).big_top
        };
        let copy = (top - PREEMPT_FRAME) as *mut u8;
        ptr::copy_nonoverlapping(frame, copy, PREEMPT_FRAME);
        copy
    }
}

/// Lowers the limit of an overflowing coroutine by the reserve, once.
///
/// # Safety
/// `coroutine` is the running one.
pub unsafe fn open_reserve(coroutine: *mut Coroutine) {
    // SAFETY: promised by the caller.
    unsafe {
        if is_on_big(coroutine) && !(*coroutine).reserve_is_open {
            (*coroutine).reserve_is_open = true;
            move_big_limit(coroutine, (*coroutine).big_limit - RESERVE_BYTES);
        }
    }
}

/// Takes the reserve away again, if it was opened: the cleanups have run, and the coroutine goes on.
///
/// # Safety
/// `coroutine` is the running one.
unsafe fn close_reserve(coroutine: *mut Coroutine) {
    // SAFETY: promised by the caller.
    unsafe {
        if (*coroutine).reserve_is_open {
            (*coroutine).reserve_is_open = false;
            move_big_limit(coroutine, (*coroutine).big_limit + RESERVE_BYTES);
        }
    }
}

/// The lowest bytes of a page stack, which are the last that foreign code would use: for [`sanitize`]. `None` of a segmented one. They are zero
/// at first.
///
/// # Safety
/// The caller owns the coroutine, which has a stack.
#[cfg(echo_sanitize)]
pub unsafe fn lowest_words(coroutine: *const Coroutine) -> Option<*mut u8> {
    // SAFETY: promised by the caller.
    unsafe {
        let base = (*coroutine).big_top.wrapping_sub(PAGE_STACK_BYTES);
        ((*coroutine).first_top == 0).then_some((base + PAGE_BYTES) as *mut u8)
    }
}

/// Whether the coroutine uses its big segment.
///
/// # Safety
/// `coroutine` is the running one.
unsafe fn is_on_big(coroutine: *const Coroutine) -> bool {
    // SAFETY: promised by the caller.
    unsafe { (*coroutine).limit == (*coroutine).big_limit && (*coroutine).big_limit != 0 }
}

/// # Safety
/// `coroutine` is the running one and has a big segment.
unsafe fn move_big_limit(coroutine: *mut Coroutine, limit: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        let on_big = is_on_big(coroutine);
        (*coroutine).big_limit = limit;
        if on_big {
            (*coroutine).limit = limit;
            arch::set_stack_limit(limit);
        }
    }
}

/// The limit of the big segment for what begins at `frame`, and is to have room for calls in place that begin not much below.
fn limit_of_call(frame: usize) -> usize {
    let max_stack = max_stack();
    frame - call_bytes(max_stack) - spare_bytes(max_stack)
}

/// What a call in place changes for its time, to be given to [`end_call`]. What `arch` begins changes nothing: it does so where [`CALL_BYTES`] are left as it is.
#[derive(Clone, Copy)]
pub struct BeforeCall {
    /// 0 when the call begins on the first segment, below which the whole big segment is free.
    pub big_limit: usize,
    pub reserve_is_open: bool,
}

impl BeforeCall {
    pub const NOTHING: BeforeCall = BeforeCall {
        big_limit: 0,
        reserve_is_open: false,
    };
}

/// Whether a call in place below `frame` can have as much stack as on a stack of its own: on the first segment, or in the upper part of the big one.
///
/// # Safety
/// `coroutine` is the running one; `frame` is what its stack pointer has reached.
pub unsafe fn has_room_for_call(coroutine: *const Coroutine, frame: usize) -> bool {
    // SAFETY: promised by the caller.
    unsafe {
        (*coroutine).first_top != 0
            && (!is_on_big(coroutine)
                || (*coroutine).big_top - frame <= in_place_bytes(max_stack()))
    }
}

/// Prepares the stack for a call in place below `frame`.
///
/// # Safety
/// As for [`has_room_for_call`], which said so.
pub unsafe fn begin_call(coroutine: *mut Coroutine, frame: usize) -> BeforeCall {
    // SAFETY: promised by the caller.
    unsafe {
        if !is_on_big(coroutine) {
            // Whatever has overflowed is unwound.
            close_reserve(coroutine);
            return BeforeCall::NOTHING;
        }
        let before = BeforeCall {
            big_limit: (*coroutine).big_limit,
            reserve_is_open: (*coroutine).reserve_is_open,
        };
        (*coroutine).reserve_is_open = false;
        move_big_limit(coroutine, limit_of_call(frame));
        before
    }
}

/// A call in place has ended, by return or by failure.
///
/// # Safety
/// `coroutine` is the running one, on the segment on which the call began; `before` is what [`begin_call`] returned.
pub unsafe fn end_call(coroutine: *mut Coroutine, before: BeforeCall) {
    // SAFETY: promised by the caller.
    unsafe {
        if before.big_limit == 0 {
            close_reserve(coroutine);
            return;
        }
        (*coroutine).reserve_is_open = before.reserve_is_open;
        move_big_limit(coroutine, before.big_limit);
    }
}

/// During unwinding: where the frame lies on the first segment, its limit holds again.
///
/// # Safety
/// `coroutine` is the running one.
pub unsafe fn reset_limit(coroutine: *mut Coroutine, frame_address: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        let first_limit = (*coroutine).first_limit();
        let first_base = first_limit.wrapping_sub(SEGMENT_SLACK);
        // The big segment may end where the first one begins.
        let on_first = frame_address <= (*coroutine).first_top && frame_address > first_base;
        if on_first && (*coroutine).limit != first_limit {
            (*coroutine).limit = first_limit;
            arch::set_stack_limit((*coroutine).limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        static GUARDS_LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    /// The system has no mapping for another guard page.
    pub fn no_guard_is_left() -> bool {
        let left = GUARDS_LEFT.get();
        GUARDS_LEFT.set(left.saturating_sub(1));
        left == 0
    }

    #[test]
    fn stacks_without_a_guard_are_not_used() {
        let mut pool = Vec::new();
        GUARDS_LEFT.set(3);
        assert_eq!(
            StackKind::Pages.reserve(&mut pool, STACKS_PER_REGION),
            Ok(())
        );
        assert_eq!(pool.len(), 3);
        GUARDS_LEFT.set(0);
        assert_eq!(
            StackKind::Pages.reserve(&mut pool, STACKS_PER_REGION),
            Err(OutOfMemory)
        );
        GUARDS_LEFT.set(usize::MAX);
        assert_eq!(
            StackKind::Pages.reserve(&mut pool, STACKS_PER_REGION),
            Ok(())
        );
        assert_eq!(pool.len(), 3 + STACKS_PER_REGION);
        pool.iter().for_each(|&base| {
            // SAFETY: the stack is free; above its guard it can be written.
            unsafe { ((base + PAGE_BYTES) as *mut u8).write_volatile(1) };
        });
    }
}
