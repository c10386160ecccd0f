//! Pieces of memory of a few sizes, recycled per thread and handed between threads in batches.
//!
//! A thread takes from and gives to its own [`Magazine`]; a full batch that it has no room for goes to the [`Depot`] of that kind, where another thread
//! finds it. So an allocation is a few instructions, whoever frees it, and a lock is taken once per batch. Pieces that were in use before are taken first, and
//! those never used a page at a time: where pieces wander from thread to thread, those that take would otherwise touch ever more memory, beside those that give.
//! While memory is known to be scarce a thread takes single pieces from the depot: a batch might be all there is.
//!
//! The address space of pieces is never returned to the system, but [`Depot::trim`] gives the pages back of which every piece has been in the depot for a
//! while. They read as zero then; the pieces on them are a range not yet cut, as when they were new.
//!
//! Address space is kept back for the time when there is no more, so that it can be told: the failures that follow need a little memory themselves. Whoever can
//! do without ([`try_take`], [`node_memory::map`]) leaves it alone, and gets nothing while it is given away.
//!
//! On a machine of several NUMA nodes ([`node_memory`]) a depot has batches for each of them, and a batch that leaves a thread is sorted: a piece that was given
//! back by a worker of another node goes to those of its own.
//!
//! [`take`] and [`give`] are the general allocator for small pieces built on that; larger ones are the system's. Compiled with
//! `--cfg echo_system_allocator` (for sanitizers, which then see every piece) all are.

use crate::lock::SpinMutex;
use crate::node_memory::{self, PerHome, Purpose};
use crate::sanitize;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::collections::BTreeMap;
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Free pieces: a linked list, and a range not yet cut.
struct List {
    first: *mut u8,
    count: usize,
    fresh: *mut u8,
    fresh_end: *mut u8,
}

impl List {
    const EMPTY: List = List {
        first: ptr::null_mut(),
        count: 0,
        fresh: ptr::null_mut(),
        fresh_end: ptr::null_mut(),
    };

    fn range(fresh: *mut u8, fresh_end: *mut u8) -> List {
        List {
            fresh,
            fresh_end,
            ..List::EMPTY
        }
    }

    fn has_range(&self) -> bool {
        self.fresh != self.fresh_end
    }

    /// Leaves it without its pieces.
    fn take_pieces(&mut self) -> List {
        let range = List::range(self.fresh, self.fresh_end);
        let pieces = std::mem::replace(self, range);
        List {
            first: pieces.first,
            count: pieces.count,
            ..List::EMPTY
        }
    }

    /// Adds pieces to one that has none.
    fn add_pieces(&mut self, pieces: List) {
        debug_assert!(self.first.is_null() && !pieces.has_range());
        self.first = pieces.first;
        self.count = pieces.count;
    }
}

/// One kind of pieces, and the batches of it that belong to no thread.
pub struct Depot {
    /// Of a piece.
    bytes: usize,
    /// Where a free piece holds its link.
    link: usize,
    /// So many bytes of a free piece nobody may access. What follows has a meaning even then.
    poisoned: usize,
    /// Pieces in a batch.
    batch: usize,
    batches: PerHome<Batches>,
}

/// Of one home.
struct Batches {
    /// Without ranges. The last one used first.
    whole: Vec<List>,
    /// Pieces that came one by one.
    open: List,
    /// Without pieces.
    ranges: Vec<List>,
    /// The first so many whole ones have not been used since the last trim.
    unused: usize,
    /// So many the last trim has left: pieces no page of which is wholly free.
    settled: usize,
}

// SAFETY: free pieces belong to whoever holds the list.
unsafe impl Send for Batches {}

impl Batches {
    const EMPTY: Batches = Batches {
        whole: Vec::new(),
        open: List::EMPTY,
        ranges: Vec::new(),
        unused: 0,
        settled: 0,
    };

    /// Pieces without a range. Where there is no memory to tell one batch from the other, they are one.
    fn add(&mut self, mut pieces: List, depot: &Depot) {
        if pieces.count >= depot.batch && self.whole.try_reserve(1).is_ok() {
            return self.whole.push(pieces);
        }
        while !pieces.first.is_null() {
            let piece = pieces.first;
            // SAFETY: a free piece holds its link, and is ours.
            pieces.first = unsafe { *depot.link(piece) };
            self.add_piece(piece, depot);
        }
    }

    fn add_piece(&mut self, piece: *mut u8, depot: &Depot) {
        depot.push(&mut self.open, piece);
        let is_whole = self.open.count.is_multiple_of(depot.batch);
        if is_whole && self.whole.try_reserve(1).is_ok() {
            let whole = std::mem::replace(&mut self.open, List::EMPTY);
            self.whole.push(whole);
        }
    }

    /// A range without pieces.
    fn add_range(&mut self, mut range: List, depot: &Depot) {
        if self.ranges.try_reserve(1).is_ok() {
            return self.ranges.push(range);
        }
        while range.has_range() {
            range.cut(depot);
        }
        self.add(range.take_pieces(), depot);
    }

    fn pop_pieces(&mut self) -> Option<List> {
        let open = || std::mem::replace(&mut self.open, List::EMPTY);
        let list = self.whole.pop().unwrap_or_else(open);
        self.unused = self.unused.min(self.whole.len());
        self.settled = self.settled.min(self.whole.len());
        (!list.first.is_null()).then_some(list)
    }

    /// One piece: the rest is for others.
    fn pop_one(&mut self, depot: &Depot) -> Option<List> {
        if self.open.first.is_null() {
            self.open = self.pop_pieces()?;
        }
        let piece = self.open.first;
        // SAFETY: a free piece holds its link, and is ours.
        self.open.first = unsafe { *depot.link(piece) };
        self.open.count -= 1;
        let mut one = List::EMPTY;
        depot.push(&mut one, piece);
        Some(one)
    }

    /// About the first `bytes` of a range of such pieces, which are not larger: the rest is for others.
    fn pop_range(&mut self, piece_bytes: usize, bytes: usize) -> Option<List> {
        let range = self.ranges.last_mut()?;
        let step = range.fresh.wrapping_add(bytes / piece_bytes * piece_bytes);
        if step >= range.fresh_end {
            return self.ranges.pop();
        }
        let first = std::mem::replace(&mut range.fresh, step);
        Some(List::range(first, step))
    }

    /// Whether a trim of the first `count` is likely to find free pages.
    fn is_worth_a_trim(&self, count: usize) -> bool {
        count > self.settled + self.settled / 4 + FEW_BATCHES
    }
}

impl Default for Batches {
    fn default() -> Batches {
        Batches::EMPTY
    }
}

/// Pieces are sorted and given back by regions of this size: so much is done at a time, and several threads find some of it later.
const REGION_BYTES: usize = 1 << 20;
/// A thread takes so much at a time of a range that belongs to none.
const STEP_BYTES: usize = 64 << 10;
/// Not worth a trim.
const FEW_BATCHES: usize = 16;
const PAGE_BYTES: usize = 4096;
const HUGE_PAGE_BYTES: usize = 2 << 20;

impl Depot {
    pub const fn new(bytes: usize, link: usize, batch: usize) -> Depot {
        assert!(link + size_of::<*mut u8>() <= bytes);
        Depot {
            bytes,
            link,
            poisoned: link,
            batch,
            batches: PerHome::new(Batches::EMPTY),
        }
    }

    /// For pieces that are looked at from there on even when they are free.
    pub const fn with_meaning_from(mut self, offset: usize) -> Depot {
        self.poisoned = offset;
        self
    }

    /// What `pop` finds among those that belong to no thread: of this thread's home, or of none.
    fn pop(&self, pop: impl Fn(&mut Batches) -> Option<List>) -> Option<List> {
        let home = node_memory::home();
        let own = pop(&mut self.batches.of(home).lock());
        match home {
            0 => own,
            _ => own.or_else(|| pop(&mut self.batches.of(0).lock())),
        }
    }

    fn pop_pieces(&self) -> Option<List> {
        if is_scarce() {
            return self.pop(|batches| batches.pop_one(self));
        }
        self.pop(Batches::pop_pieces)
    }

    fn pop_range(&self) -> Option<List> {
        let bytes = if is_scarce() { PAGE_BYTES } else { STEP_BYTES };
        self.pop(|batches| batches.pop_range(self.bytes, bytes))
    }

    /// Gives the system the free pages of the batches that nobody has used since the last call. Whether the next call is likely to find more. Calls
    /// `attend` every few thousand pieces: there can be millions.
    pub fn trim(&self, attend: &mut dyn FnMut()) -> bool {
        self.batches.all().fold(false, |more, batches| {
            self.trim_batches(batches, attend) | more
        })
    }

    fn trim_batches(&self, batches: &SpinMutex<Batches>, attend: &mut dyn FnMut()) -> bool {
        let _trimming = Trimming::begin();
        let mut locked = batches.lock();
        let count = locked.unused;
        let mut taken = Vec::new();
        if locked.is_worth_a_trim(count) && taken.try_reserve_exact(count + 1).is_ok() {
            taken.extend(locked.whole.drain(..count));
            let open = std::mem::replace(&mut locked.open, List::EMPTY);
            taken.extend((!open.first.is_null()).then_some(open));
        }
        drop(locked);
        let trims = !taken.is_empty();
        let (ranges, scattered) = self.trim_lists(taken, attend);
        let mut locked = batches.lock();
        if trims {
            locked.settled = scattered.len();
            for range in ranges {
                locked.add_range(range, self);
            }
            // Beneath the others: the pieces that are used least leave whole pages free.
            if locked.whole.try_reserve(scattered.len()).is_ok() {
                locked.whole.splice(..0, scattered);
            } else {
                scattered
                    .into_iter()
                    .for_each(|list| locked.add(list, self));
            }
        }
        locked.unused = locked.whole.len();
        locked.is_worth_a_trim(locked.unused)
    }

    /// The same pieces: those on free pages as ranges not yet cut, and the others. Needs memory for the pieces of one region.
    fn trim_lists(&self, lists: Vec<List>, attend: &mut dyn FnMut()) -> (Vec<List>, Vec<List>) {
        let (mut pieces, mut ranges, mut scattered) = (Vec::new(), Vec::new(), Vec::new());
        // While what is kept back is given away, the rest of it is not for this.
        if lists.is_empty()
            || beside_kept(|| Some(())).is_none()
            || pieces
                .try_reserve_exact(REGION_BYTES / self.bytes + 1)
                .is_err()
            || scattered.try_reserve_exact(lists.len() + 1).is_err()
        {
            return (ranges, lists);
        }
        let mut open = List::EMPTY;
        for list in self.by_region(&lists, attend).into_values() {
            pieces.clear();
            pieces.extend(self.pieces(&list));
            pieces.sort_unstable();
            let goes_on =
                |&left: &*mut u8, &right: &*mut u8| left.wrapping_add(self.bytes) == right;
            for run in pieces.chunk_by(goes_on) {
                let end = run[run.len() - 1].wrapping_add(self.bytes);
                if ranges.try_reserve(1).is_ok() && give_pages_back(run[0], end) {
                    ranges.push(List::range(run[0], end));
                    continue;
                }
                for &piece in run {
                    self.push(&mut open, piece);
                    if open.count >= self.batch && scattered.len() < lists.len() {
                        scattered.push(std::mem::replace(&mut open, List::EMPTY));
                    }
                }
            }
            attend();
        }
        if open.count != 0 {
            scattered.push(open);
        }
        (ranges, scattered)
    }

    /// The pieces of each region.
    fn by_region(&self, lists: &[List], attend: &mut dyn FnMut()) -> BTreeMap<usize, List> {
        let mut regions = BTreeMap::new();
        for list in lists {
            for piece in self.pieces(list) {
                let region = piece.addr() / REGION_BYTES;
                self.push(regions.entry(region).or_insert(List::EMPTY), piece);
            }
            attend();
        }
        regions
    }

    fn pieces(&self, list: &List) -> impl Iterator<Item = *mut u8> {
        let mut next = list.first;
        std::iter::from_fn(move || {
            let piece = next;
            if piece.is_null() {
                return None;
            }
            // SAFETY: a free piece holds its link, and is ours.
            next = unsafe { *self.link(piece) };
            Some(piece)
        })
    }

    /// Adds a free piece, which is the caller's.
    fn push(&self, list: &mut List, piece: *mut u8) {
        // SAFETY: promised by the caller.
        unsafe { *self.link(piece) = list.first };
        list.first = piece;
        list.count += 1;
    }

    fn link(&self, piece: *mut u8) -> *mut *mut u8 {
        piece.wrapping_add(self.link).cast()
    }

    /// Nobody may access a free piece, but for what has a meaning even then.
    fn poison(&self, piece: *mut u8) {
        sanitize::poison(piece, self.poisoned);
    }

    fn unpoison(&self, piece: *mut u8) {
        sanitize::unpoison(piece, self.poisoned);
    }
}

/// Whether somebody has found no memory of late: then nobody takes more from a depot than it needs at once.
static IS_SCARCE: AtomicBool = AtomicBool::new(false);

fn is_scarce() -> bool {
    IS_SCARCE.load(Ordering::Relaxed)
}

/// From here on memory is known to be scarce, or not to be any more.
pub fn set_scarce(is_scarce: bool) {
    IS_SCARCE.store(is_scarce, Ordering::Relaxed);
}

/// Trims under way: what they look through is in no depot, and in no pool of stacks.
static TRIMS: AtomicUsize = AtomicUsize::new(0);

/// One of [`TRIMS`], while it lives.
pub struct Trimming;

impl Trimming {
    pub fn begin() -> Trimming {
        TRIMS.fetch_add(1, Ordering::Relaxed);
        Trimming
    }
}

impl Drop for Trimming {
    /// Releases: who sees it finds what the trim has put back.
    fn drop(&mut self) {
        TRIMS.fetch_sub(1, Ordering::Release);
    }
}

/// Whether what is free is being looked through, so that there may be more soon.
pub fn is_trimming() -> bool {
    TRIMS.load(Ordering::Acquire) != 0
}

/// A thread's own free pieces of one kind: a batch in use and a spare one, so that taking and giving by turns never moves batches.
pub struct Magazine {
    current: List,
    /// Without a range.
    spare: List,
}

impl Magazine {
    /// Of the parts that `arch` looks at.
    pub const FIRST_OFFSET: usize = offset_of!(Magazine, current) + offset_of!(List, first);
    pub const COUNT_OFFSET: usize = offset_of!(Magazine, current) + offset_of!(List, count);

    pub const EMPTY: Magazine = Magazine {
        current: List::EMPTY,
        spare: List::EMPTY,
    };

    /// A free piece, of unknown contents; `None` when there is none anywhere: then [`stock`](Self::stock) and ask again.
    #[inline]
    pub fn take(&mut self, depot: &Depot) -> Option<*mut u8> {
        let piece = self.current.first;
        if piece.is_null() {
            return self.take_slowly(depot);
        }
        // SAFETY: a free piece holds its link, and is ours.
        self.current.first = unsafe { *depot.link(piece) };
        self.current.count -= 1;
        depot.unpoison(piece);
        Some(piece)
    }

    /// What [`take`](Self::take) is likely to give next, which may be null, and where its link is.
    #[inline]
    pub fn peek(&self, depot: &Depot) -> (*mut u8, *mut u8) {
        let piece = self.current.first;
        (piece, depot.link(piece).cast())
    }

    #[inline(never)]
    fn take_slowly(&mut self, depot: &Depot) -> Option<*mut u8> {
        let pieces = self.spare.take_pieces();
        if !pieces.first.is_null() {
            self.current.add_pieces(pieces);
        } else if let Some(pieces) = depot.pop_pieces() {
            self.current.add_pieces(pieces);
        } else {
            if !self.current.has_range() {
                self.current = depot.pop_range()?;
            }
            self.current.cut(depot);
        }
        self.take(depot)
    }

    /// Takes a piece back.
    ///
    /// # Safety
    /// The piece is of the depot's kind and nobody uses it any more.
    #[inline]
    pub unsafe fn give(&mut self, piece: *mut u8, depot: &Depot) {
        // SAFETY: promised by the caller.
        unsafe { *depot.link(piece) = self.current.first };
        depot.poison(piece);
        self.current.first = piece;
        self.current.count += 1;
        if self.current.count >= depot.batch {
            self.put_aside(depot);
        }
    }

    #[cold]
    #[inline(never)]
    fn put_aside(&mut self, depot: &Depot) {
        let full = self.current.take_pieces();
        let surplus = std::mem::replace(&mut self.spare, full);
        surplus.return_to(depot);
    }

    /// Adds memory to be cut into pieces. Its length is a multiple of theirs.
    pub fn stock(&mut self, memory: *mut u8, bytes: usize) {
        debug_assert!(self.current.first.is_null() && !self.current.has_range());
        self.current = List::range(memory, memory.wrapping_add(bytes));
    }

    /// Gives everything to the depot, when a thread ends.
    pub fn empty(&mut self, depot: &Depot) {
        for list in [&mut self.current, &mut self.spare] {
            std::mem::replace(list, List::EMPTY).return_to(depot);
        }
    }
}

impl List {
    /// Cuts so many pieces from the fresh range as lie on a page, to be taken in the order of their addresses.
    fn cut(&mut self, depot: &Depot) {
        let bytes = depot.bytes;
        let there = (self.fresh_end.addr() - self.fresh.addr()) / bytes;
        let count = (PAGE_BYTES / bytes).clamp(1, there);
        for index in (0..count).rev() {
            let piece = self.fresh.wrapping_add(index * bytes);
            // SAFETY: the range is free, and ours.
            unsafe { *depot.link(piece) = self.first };
            depot.poison(piece);
            self.first = piece;
        }
        self.fresh = self.fresh.wrapping_add(count * bytes);
        self.count += count;
    }

    fn return_to(mut self, depot: &Depot) {
        let pieces = self.take_pieces();
        if self.has_range() {
            let home = node_memory::home_of(self.fresh.addr());
            depot.batches.of(home).lock().add_range(self, depot);
        }
        if node_memory::are_several() {
            pieces.return_home(depot);
        } else if !pieces.first.is_null() {
            depot.batches.of(0).lock().add(pieces, depot);
        }
    }

    /// Each piece to where it came from.
    fn return_home(mut self, depot: &Depot) {
        while !self.first.is_null() {
            let home = node_memory::home_of(self.first.addr());
            let mut batches = depot.batches.of(home).lock();
            // Mostly all are of one home.
            while !self.first.is_null() && node_memory::home_of(self.first.addr()) == home {
                let piece = self.first;
                // SAFETY: a free piece holds its link, and is ours.
                self.first = unsafe { *depot.link(piece) };
                batches.add_piece(piece, depot);
            }
        }
    }
}

/// Gives the whole pages of a free range back to the system; whether there are any.
fn give_pages_back(start: *mut u8, end: *mut u8) -> bool {
    let first = (start as usize).next_multiple_of(PAGE_BYTES);
    let last = end as usize / PAGE_BYTES * PAGE_BYTES;
    if first >= last {
        return false;
    }
    // Where huge pages were asked for, the kernel would soon make some again of what is left around the range, and commit the range with it.
    let block = first / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    let block_end = last.next_multiple_of(HUGE_PAGE_BYTES);
    // SAFETY: nobody uses the range, and nothing that is in it is needed: as a range not yet cut it may hold anything. The second advice changes nothing
    // that can be observed of what else lies in the block.
    unsafe {
        libc::madvise(
            start.with_addr(first).cast(),
            last - first,
            libc::MADV_DONTNEED,
        );
        libc::madvise(
            start.with_addr(block).cast(),
            block_end - block,
            libc::MADV_NOHUGEPAGE,
        );
    }
    true
}

// ---------------------------------------------------------------- memory of the system

/// There is no memory, or no room for another mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Address space kept back for small pieces, so that there is some to tell of a failure when the rest is used up.
const KEPT_BACK_BYTES: usize = 16 << 20;
/// What is larger is not needed to tell of a failure: a deque, say, that grows with what is spawned.
const LARGEST_AT_LAST_BYTES: usize = KEPT_BACK_BYTES / 16;
/// Its address; 0 while it is given away.
static KEPT_BACK: SpinMutex<usize> = SpinMutex::new(0);

/// What `take` takes from the system: memory is kept back first, and while it is given away, or `take` finds none, there is none. Under the lock: what somebody gives
/// away meanwhile is not for `take`, which itself allocates nothing else.
pub fn beside_kept<T>(take: impl FnOnce() -> Option<T>) -> Option<T> {
    let mut kept = KEPT_BACK.lock();
    if *kept == 0 {
        *kept = node_memory::reserve(KEPT_BACK_BYTES, libc::PROT_READ | libc::PROT_WRITE)?;
    }
    take()
}

/// Allocates so many bytes, with the memory kept back if need be and they are few. Under the lock: nobody takes it again before it is used.
#[inline(always)]
fn allocate_at_last(bytes: usize, allocate: impl Fn() -> *mut u8) -> *mut u8 {
    let block = allocate();
    if block.is_null() && bytes <= LARGEST_AT_LAST_BYTES {
        return give_kept_to(allocate);
    }
    block
}

#[cold]
fn give_kept_to(allocate: impl Fn() -> *mut u8) -> *mut u8 {
    let mut kept = KEPT_BACK.lock();
    unmap_kept(&mut kept);
    allocate()
}

/// Gives the memory kept back free, for something that cannot be done without.
pub fn give_kept() {
    unmap_kept(&mut KEPT_BACK.lock());
}

fn unmap_kept(kept: &mut usize) {
    if *kept != 0 {
        // SAFETY: nobody uses it.
        unsafe { libc::munmap(*kept as *mut libc::c_void, KEPT_BACK_BYTES) };
        *kept = 0;
    }
}

/// What the system's allocator reserves of address space for an arena, of which it makes several for each processor.
const ARENA_BYTES: u64 = 64 << 20;

/// So many it does not make on small machines either.
const FEW_ARENAS: u64 = 8;

/// Where address space is limited, has arenas take no more than an eighth of it. Before there are threads.
pub fn limit_arenas() {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the place is valid.
    unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) };
    let arenas = limit.rlim_cur / 8 / ARENA_BYTES;
    if arenas < FEW_ARENAS {
        // SAFETY: always allowed.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas.max(1) as i32) };
    }
}

/// The system's allocator for what Rust's libraries allocate. They end the process when there is no memory, so they get what was kept back as well.
struct WithKept;

#[global_allocator]
static ALLOCATOR: WithKept = WithKept;

// SAFETY: the system's allocator does it.
unsafe impl GlobalAlloc for WithKept {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        allocate_at_last(layout.size(), || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        allocate_at_last(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: passed on; a block that could not be moved is as it was.
        allocate_at_last(bytes, || unsafe { System.realloc(block, layout, bytes) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

// ---------------------------------------------------------------- the general allocator

/// Sizes are rounded up to a multiple of this, and pieces aligned to it.
pub const GRAIN_BYTES: usize = 16;
const CLASSES: usize = 24;
/// Larger pieces are the system's.
pub const SMALL_BYTES: usize = GRAIN_BYTES * CLASSES;
/// Cut into pieces of one class.
const CHUNK_BYTES: usize = 16 << 10;
/// A batch is about so large.
const BATCH_BYTES: usize = 8 << 10;

const fn small(class: usize) -> Depot {
    let bytes = (class + 1) * GRAIN_BYTES;
    Depot::new(bytes, 0, BATCH_BYTES / bytes)
}

macro_rules! small_depots {
    ($($class:literal)*) => { [$(small($class)),*] };
}

static DEPOTS: [Depot; CLASSES] =
    small_depots!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23);

thread_local! {
    /// Has no destructor: reading it is one instruction. Workers call [`give_all`] when they end; what other threads leave behind is lost.
    static MAGAZINES: UnsafeCell<[Magazine; CLASSES]> = const { UnsafeCell::new([Magazine::EMPTY; CLASSES]) };
}

/// Whether [`take`] recycles pieces of that size.
#[inline(always)]
fn is_small(bytes: usize) -> bool {
    !cfg!(echo_system_allocator) && bytes <= SMALL_BYTES
}

/// The class of a small size.
#[inline(always)]
fn class_of(bytes: usize) -> usize {
    (bytes.max(1) - 1) / GRAIN_BYTES
}

/// Bytes of the piece that [`take`] gives for so many.
#[inline]
pub fn room(bytes: usize) -> usize {
    if is_small(bytes) {
        DEPOTS[class_of(bytes)].bytes
    } else {
        bytes
    }
}

/// A piece of so many bytes, aligned to 16; null when there is no memory, not even what was kept back.
#[inline]
pub fn take(bytes: usize) -> *mut u8 {
    take_or(bytes, take_fresh)
}

/// As [`take`], for who can tell that there is none: of what there is beside the memory to be kept back.
#[inline]
pub fn try_take(bytes: usize) -> *mut u8 {
    take_or(bytes, try_take_fresh)
}

#[inline(always)]
fn take_or(bytes: usize, take_fresh: fn(&mut Magazine, usize) -> *mut u8) -> *mut u8 {
    if !is_small(bytes) {
        return from_system(bytes);
    }
    let class = class_of(bytes);
    MAGAZINES.with(|magazines| {
        // SAFETY: this thread's own; nothing called meanwhile takes or gives.
        let magazine = unsafe { &mut (*magazines.get())[class] };
        match magazine.take(&DEPOTS[class]) {
            Some(piece) => piece,
            None => take_fresh(magazine, class),
        }
    })
}

#[cold]
fn take_fresh(magazine: &mut Magazine, class: usize) -> *mut u8 {
    take_of_chunk(magazine, class, |bytes| {
        allocate_at_last(bytes, || from_system(bytes))
    })
}

#[cold]
fn try_take_fresh(magazine: &mut Magazine, class: usize) -> *mut u8 {
    take_of_chunk(magazine, class, |bytes| {
        let chunk = beside_kept(|| Some(from_system(bytes)));
        chunk.unwrap_or(ptr::null_mut())
    })
}

/// Memory of the system's allocator, or null.
fn from_system(bytes: usize) -> *mut u8 {
    // SAFETY: any size may be asked for.
    unsafe { libc::malloc(bytes) }.cast()
}

fn take_of_chunk(
    magazine: &mut Magazine,
    class: usize,
    allocate: impl Fn(usize) -> *mut u8,
) -> *mut u8 {
    let depot = &DEPOTS[class];
    let bytes = CHUNK_BYTES / depot.bytes * depot.bytes;
    let at_home = match node_memory::home() {
        0 => None,
        _ => node_memory::map(bytes, Purpose::Pieces).ok(),
    };
    let chunk = at_home.unwrap_or_else(|| allocate(bytes));
    if chunk.is_null() {
        return chunk;
    }
    magazine.stock(chunk, bytes);
    magazine.take(depot).expect("just stocked")
}

/// Gives a piece back that [`take`] made for `bytes`.
///
/// # Safety
/// Nobody uses the piece any more.
#[inline]
pub unsafe fn give(piece: *mut u8, bytes: usize) {
    if !is_small(bytes) {
        // SAFETY: it came from `malloc`.
        return unsafe { libc::free(piece.cast()) };
    }
    let class = class_of(bytes);
    MAGAZINES.with(|magazines| {
        // SAFETY: this thread's own; the piece is promised to be free.
        unsafe { (*magazines.get())[class].give(piece, &DEPOTS[class]) }
    })
}

/// The calling thread's pieces of so many bytes; null where they are the system's, or a sanitizer is told of each. A free piece holds its link at its beginning. The
/// magazines of one grain after the other lie in a row.
pub fn magazine(bytes: usize) -> *mut Magazine {
    if !is_small(bytes) || cfg!(echo_sanitize) {
        return ptr::null_mut();
    }
    MAGAZINES.with(|magazines| {
        magazines
            .get()
            .cast::<Magazine>()
            .wrapping_add(class_of(bytes))
    })
}

/// When a magazine of such pieces has so many, one more is given by [`give`].
pub const fn batch(bytes: usize) -> usize {
    BATCH_BYTES / (bytes.next_multiple_of(GRAIN_BYTES))
}

/// Gives the system what has been free for a while; see [`Depot::trim`].
pub fn trim(attend: &mut dyn FnMut()) -> bool {
    let trim = |more, depot: &Depot| depot.trim(attend) | more;
    DEPOTS.iter().fold(false, trim)
}

/// Gives what the calling thread has recycled to all.
pub fn give_all() {
    MAGAZINES.with(|magazines| {
        // SAFETY: this thread's own.
        let magazines = unsafe { &mut *magazines.get() };
        magazines
            .iter_mut()
            .zip(&DEPOTS)
            .for_each(|(magazine, depot)| magazine.empty(depot));
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Pages that are committed.
    fn resident(start: *mut u8, bytes: usize) -> usize {
        let mut pages = vec![0u8; bytes / PAGE_BYTES];
        // SAFETY: one byte per page of a mapped range.
        let found = unsafe { libc::mincore(start.cast(), bytes, pages.as_mut_ptr().cast()) };
        assert_eq!(found, 0);
        pages.iter().filter(|&&page| page & 1 != 0).count()
    }

    /// Sanitizers report it.
    #[test]
    #[cfg(not(echo_sanitize))]
    fn what_is_too_large_leaves_what_is_kept_back() {
        beside_kept(|| Some(())).expect("there is memory");
        let reserved = Vec::<u8>::new().try_reserve_exact(1 << 46);
        assert!(reserved.is_err(), "there is no limit");
        assert_ne!(*KEPT_BACK.lock(), 0);
    }

    /// As where one thread spawns and another one runs.
    #[test]
    fn pieces_that_wander_are_used_again_before_new_ones() {
        const BYTES: usize = 512;
        const PIECES: usize = 4096;
        const BATCH: usize = 64;
        static DEPOT: Depot = Depot::new(BYTES, BYTES - 8, BATCH);
        let memory = node_memory::map(BYTES * PIECES, Purpose::Pieces).expect("there is memory");
        let (mut takes, mut gives) = (Magazine::EMPTY, Magazine::EMPTY);
        takes.stock(memory, BYTES * PIECES);
        let mut touched = HashSet::new();
        for _ in 0..1000 {
            for _ in 0..BATCH / 2 {
                let piece = takes.take(&DEPOT).expect("it was stocked");
                touched.insert(piece);
                // SAFETY: the piece is ours, and given up.
                unsafe { gives.give(piece, &DEPOT) };
            }
        }
        // Two batches with each, and what is cut from a page.
        let most = 4 * BATCH + PAGE_BYTES / BYTES;
        assert!(touched.len() <= most, "{} pieces", touched.len());
    }

    /// As where memory is scarce, when nobody shall need more of it to tell what is free.
    #[test]
    fn pieces_that_come_one_by_one_are_told_by_the_batch() {
        const BYTES: usize = 64;
        const PIECES: usize = 1024;
        const BATCH: usize = 64;
        static DEPOT: Depot = Depot::new(BYTES, 0, BATCH);
        let memory = node_memory::map(BYTES * PIECES, Purpose::Pieces).expect("there is memory");
        let mut magazine = Magazine::EMPTY;
        for index in 0..PIECES {
            // SAFETY: the piece is ours, and given up.
            unsafe { magazine.give(memory.wrapping_add(index * BYTES), &DEPOT) };
            magazine.empty(&DEPOT);
        }
        assert_eq!(DEPOT.batches.of(0).lock().whole.len(), PIECES / BATCH);
        let taken = std::iter::from_fn(|| magazine.take(&DEPOT));
        assert_eq!(taken.collect::<HashSet<_>>().len(), PIECES);
    }

    #[test]
    fn a_trim_loses_no_piece_and_gives_free_pages_back() {
        const BYTES: usize = 512;
        const PIECES: usize = 64 * 2048;
        static DEPOT: Depot = Depot::new(BYTES, BYTES - 8, 64);
        let memory = node_memory::map(BYTES * PIECES, Purpose::Pieces).expect("there is memory");
        let mut magazine = Magazine::EMPTY;
        magazine.stock(memory, BYTES * PIECES);
        let pieces: Vec<_> = (0..PIECES)
            .map(|_| magazine.take(&DEPOT).expect("it was stocked"))
            .collect();
        let (used, free): (Vec<*mut u8>, Vec<*mut u8>) = pieces.into_iter().partition(|&piece| {
            // One piece of the first page stays in use.
            piece == memory
        });
        for &piece in &free {
            // SAFETY: the piece is ours, and given up.
            unsafe {
                piece.write_bytes(7, BYTES);
                magazine.give(piece, &DEPOT);
            }
        }
        magazine.empty(&DEPOT);
        assert!(
            DEPOT.trim(&mut || ()),
            "what was used just now is left alone"
        );
        assert!(resident(memory, BYTES * PIECES) > BYTES * PIECES / PAGE_BYTES / 2);
        assert!(!DEPOT.trim(&mut || ()), "nothing is left to give back");
        assert_eq!(resident(memory, BYTES * PIECES), 1);
        let mut again = HashSet::new();
        while let Some(piece) = magazine.take(&DEPOT) {
            assert!(again.insert(piece), "a piece was handed out twice");
        }
        assert_eq!(again, free.into_iter().collect());
        assert_eq!(used, [memory]);
    }
}
