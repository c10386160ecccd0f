//! Pieces of memory of a few sizes, recycled per thread and handed between threads in batches.
//!
//! A thread takes from and gives to its own [`Magazine`]; a full batch that it has no room for goes to the [`Depot`] of that kind, where another thread
//! finds it. So an allocation is a few instructions, whoever frees it, and a lock is taken once per batch. Pieces are never returned to the system.
//!
//! On a machine of several NUMA nodes ([`node_memory`]) a depot has batches for each of them, and a batch that leaves a thread is sorted: a piece that was given
//! back by a worker of another node goes to those of its own.
//!
//! [`take`] and [`give`] are the general allocator for small pieces built on that; larger ones are the system's. Compiled with
//! `--cfg echo_system_allocator` (for sanitizers, which then see every piece) all are.

use crate::node_memory::{self, PerHome, Purpose};
use std::cell::UnsafeCell;
use std::ptr;

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

    fn is_empty(&self) -> bool {
        self.first.is_null() && self.fresh == self.fresh_end
    }
}

/// One kind of pieces, and the batches of it that belong to no thread.
pub struct Depot {
    /// Of a piece.
    bytes: usize,
    /// Where a free piece holds its link.
    link: usize,
    /// Pieces in a batch.
    batch: usize,
    batches: PerHome<Batches>,
}

/// Of one home.
struct Batches {
    whole: Vec<List>,
    /// Pieces that came one by one.
    open: List,
}

// SAFETY: free pieces belong to whoever holds the list.
unsafe impl Send for Batches {}

impl Batches {
    const EMPTY: Batches = Batches {
        whole: Vec::new(),
        open: List::EMPTY,
    };

    fn pop(&mut self) -> Option<List> {
        let open = || std::mem::replace(&mut self.open, List::EMPTY);
        let list = self.whole.pop().unwrap_or_else(open);
        (!list.is_empty()).then_some(list)
    }
}

impl Default for Batches {
    fn default() -> Batches {
        Batches::EMPTY
    }
}

impl Depot {
    pub const fn new(bytes: usize, link: usize, batch: usize) -> Depot {
        assert!(link + size_of::<*mut u8>() <= bytes);
        Depot {
            bytes,
            link,
            batch,
            batches: PerHome::new(Batches::EMPTY),
        }
    }

    /// A batch that belongs to no thread: of this thread's home, or of none.
    fn pop(&self) -> Option<List> {
        let home = node_memory::home();
        let own = self.batches.of(home).lock().pop();
        match home {
            0 => own,
            _ => own.or_else(|| self.batches.of(0).lock().pop()),
        }
    }

    fn link(&self, piece: *mut u8) -> *mut *mut u8 {
        piece.wrapping_add(self.link).cast()
    }
}

/// A thread's own free pieces of one kind: a batch in use and a spare one, so that taking and giving by turns never moves batches.
pub struct Magazine {
    current: List,
    spare: List,
}

impl Magazine {
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
        Some(piece)
    }

    fn take_slowly(&mut self, depot: &Depot) -> Option<*mut u8> {
        if self.current.fresh < self.current.fresh_end {
            let piece = self.current.fresh;
            self.current.fresh = piece.wrapping_add(depot.bytes);
            return Some(piece);
        }
        self.current = std::mem::replace(&mut self.spare, List::EMPTY);
        if self.current.is_empty() {
            self.current = depot.pop()?;
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
        self.current.first = piece;
        self.current.count += 1;
        if self.current.count >= depot.batch {
            self.put_aside(depot);
        }
    }

    #[cold]
    fn put_aside(&mut self, depot: &Depot) {
        let full = std::mem::replace(&mut self.current, List::EMPTY);
        let surplus = std::mem::replace(&mut self.spare, full);
        surplus.return_to(depot);
    }

    /// Adds memory to be cut into pieces. Its length is a multiple of theirs.
    pub fn stock(&mut self, memory: *mut u8, bytes: usize) {
        debug_assert!(self.current.is_empty());
        self.current.fresh = memory;
        self.current.fresh_end = memory.wrapping_add(bytes);
    }

    /// Gives everything to the depot, when a thread ends.
    pub fn empty(&mut self, depot: &Depot) {
        for list in [&mut self.current, &mut self.spare] {
            std::mem::replace(list, List::EMPTY).return_to(depot);
        }
    }
}

impl List {
    fn return_to(self, depot: &Depot) {
        if node_memory::are_several() {
            self.return_home(depot);
        } else if !self.is_empty() {
            depot.batches.of(0).lock().whole.push(self);
        }
    }

    /// Each piece to where it came from.
    fn return_home(mut self, depot: &Depot) {
        if self.fresh != self.fresh_end {
            let home = node_memory::home_of(self.fresh.addr());
            let (fresh, fresh_end) = (self.fresh, self.fresh_end);
            let list = List {
                fresh,
                fresh_end,
                ..List::EMPTY
            };
            depot.batches.of(home).lock().whole.push(list);
        }
        while !self.first.is_null() {
            let home = node_memory::home_of(self.first.addr());
            let mut batches = depot.batches.of(home).lock();
            // Mostly all are of one home.
            while !self.first.is_null() && node_memory::home_of(self.first.addr()) == home {
                let piece = self.first;
                // SAFETY: a free piece holds its link, and is ours.
                unsafe {
                    self.first = *depot.link(piece);
                    *depot.link(piece) = batches.open.first;
                }
                batches.open.first = piece;
                batches.open.count += 1;
                if batches.open.count >= depot.batch {
                    let whole = std::mem::replace(&mut batches.open, List::EMPTY);
                    batches.whole.push(whole);
                }
            }
        }
    }
}

// ---------------------------------------------------------------- the general allocator

/// Sizes are rounded up to a multiple of this, and pieces aligned to it.
const GRAIN_BYTES: usize = 16;
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
    /// Has no destructor: reading it is one instruction. Workers call [`thread_ends`]; what other threads leave behind is lost.
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

/// A piece of so many bytes, aligned to 16; null when there is no memory.
#[inline]
pub fn take(bytes: usize) -> *mut u8 {
    if !is_small(bytes) {
        // SAFETY: any size may be asked for.
        return unsafe { libc::malloc(bytes) }.cast();
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
    let depot = &DEPOTS[class];
    let bytes = CHUNK_BYTES / depot.bytes * depot.bytes;
    let chunk: *mut u8 = match node_memory::home() {
        // SAFETY: any size may be asked for.
        0 => unsafe { libc::malloc(bytes) }.cast(),
        _ => node_memory::map(bytes, Purpose::Pieces),
    };
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

/// Keeps what the ending thread has recycled for others.
pub fn thread_ends() {
    MAGAZINES.with(|magazines| {
        // SAFETY: this thread's own.
        let magazines = unsafe { &mut *magazines.get() };
        magazines
            .iter_mut()
            .zip(&DEPOTS)
            .for_each(|(magazine, depot)| magazine.empty(depot));
    })
}
