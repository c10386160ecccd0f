//! Memory on the NUMA nodes: which node a thread belongs to, and which an address.
//!
//! Both are told as a *home*: 0 is none in particular, 1 and on are the nodes. On a machine of one node, and for threads that are no workers, everything
//! is of home 0 and the system's to place. With several nodes the memory of a worker is cut from a *span*: so much address space, aligned to its size
//! and bound to the node as a whole, that the upper bits of an address name its home for ever. Free pieces go back there by that ([`PerHome`]).
//!
//! Binding is a preference: of a node that is full the kernel takes the nearest that is not. Where it is refused, the thread that touches memory first
//! places it, which is mostly a worker of that node, too. Where a span cannot be had (a limit of address space), memory is of home 0.

use crate::lock::SpinMutex;
use crate::memory::{self, OutOfMemory};
use crate::sanitize::sync::OnceLock;
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Spans are reserved, not committed.
const SPAN_SHIFT: u32 = 36;
const SPAN_BYTES: usize = 1 << SPAN_SHIFT;
/// Addresses of user space have 47 bits.
const SPANS: usize = 1 << (47 - SPAN_SHIFT);
/// Opened for access at a time.
const STEP_BYTES: usize = 1 << 20;
const PAGE_BYTES: usize = 4096;
/// Linux is built for at most so many nodes.
const NODE_BOUND: usize = 1024;
/// Of `mbind`.
const MPOL_PREFERRED: usize = 1;

/// Set before workers of several nodes start.
static ARE_SEVERAL: AtomicBool = AtomicBool::new(false);
/// The kernel's numbers of the nodes' memory: home 1 and on.
static NUMBERS: OnceLock<Box<[usize]>> = OnceLock::new();
static HOME_OF_SPAN: [AtomicU8; SPANS] = [const { AtomicU8::new(0) }; SPANS];
static PIECES: PerHome<Span> = PerHome::new(Span::EMPTY);
static STACKS: PerHome<Span> = PerHome::new(Span::EMPTY);

thread_local! {
    static HOME: Cell<u8> = const { Cell::new(0) };
}

/// What memory is for; stacks are kept apart, as they take other options.
#[derive(Clone, Copy)]
pub enum Purpose {
    Pieces,
    Stacks,
}

/// Tells the kernel's numbers of the nodes' memory, before the first thread gets a home. They are the same all through the process.
pub fn tell_nodes(numbers: impl Iterator<Item = usize>) {
    NUMBERS.get_or_init(|| numbers.collect());
    ARE_SEVERAL.store(true, Ordering::Release);
}

/// Whether addresses may have different homes.
#[inline]
pub fn are_several() -> bool {
    ARE_SEVERAL.load(Ordering::Acquire)
}

/// The calling thread belongs to this home from now on.
pub fn settle(home: u8) {
    HOME.set(home);
}

/// Of the calling thread.
#[inline]
pub fn home() -> u8 {
    HOME.get()
}

/// Of an address.
#[inline]
pub fn home_of(address: usize) -> u8 {
    HOME_OF_SPAN
        .get(address >> SPAN_SHIFT)
        .map_or(0, |home| home.load(Ordering::Relaxed))
}

/// Fresh zeroed memory at the home of the calling thread, if possible; aligned to a page, committed by use. Of what there is beside the memory to be
/// kept back.
pub fn map(bytes: usize, purpose: Purpose) -> Result<*mut u8, OutOfMemory> {
    let at_home = match home() {
        0 => None,
        home => map_at(home, bytes, purpose),
    };
    at_home
        .or_else(|| memory::beside_kept(|| reserve(bytes, libc::PROT_READ | libc::PROT_WRITE)))
        .map(std::ptr::with_exposed_provenance_mut)
        .ok_or(OutOfMemory)
}

fn map_at(home: u8, bytes: usize, purpose: Purpose) -> Option<usize> {
    let bytes = bytes.next_multiple_of(PAGE_BYTES);
    if bytes > SPAN_BYTES {
        return None;
    }
    let spans = match purpose {
        Purpose::Pieces => &PIECES,
        Purpose::Stacks => &STACKS,
    };
    let mut span = spans.of(home).lock();
    if span.end - span.next < bytes {
        *span = Span::reserve(home)?;
    }
    span.cut(bytes)
}

/// A fresh mapping of address space.
pub fn reserve(bytes: usize, access: i32) -> Option<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh anonymous mapping.
    let memory = unsafe { libc::mmap(ptr::null_mut(), bytes, access, flags, -1, 0) };
    (memory != libc::MAP_FAILED).then(|| memory.expose_provenance())
}

/// The part of a span that is not cut yet. What is below `open` may be accessed.
struct Span {
    next: usize,
    open: usize,
    end: usize,
}

impl Span {
    const EMPTY: Span = Span {
        next: 0,
        open: 0,
        end: 0,
    };

    fn reserve(home: u8) -> Option<Span> {
        let mapping = memory::beside_kept(|| reserve(2 * SPAN_BYTES, libc::PROT_NONE))?;
        let first = mapping.next_multiple_of(SPAN_BYTES);
        let end = first + SPAN_BYTES;
        let number = NUMBERS.get()?[usize::from(home) - 1];
        // SAFETY: what lies around the aligned part was just mapped, and nobody knows of it.
        unsafe {
            libc::munmap(mapping as *mut _, first - mapping);
            libc::munmap(end as *mut _, mapping + SPAN_BYTES - first);
        }
        bind(first, SPAN_BYTES, number);
        HOME_OF_SPAN
            .get(first >> SPAN_SHIFT)?
            .store(home, Ordering::Relaxed);
        Some(Span {
            next: first,
            open: first,
            end,
        })
    }

    /// Takes the next `bytes`, which there are.
    fn cut(&mut self, bytes: usize) -> Option<usize> {
        let piece = self.next;
        if piece + bytes > self.open {
            let more = (piece + bytes - self.open).next_multiple_of(STEP_BYTES);
            // SAFETY: a part of the span that nobody uses yet. Spans are a multiple of steps.
            let failed = unsafe {
                libc::mprotect(
                    self.open as *mut _,
                    more,
                    libc::PROT_READ | libc::PROT_WRITE,
                )
            };
            if failed != 0 {
                return None;
            }
            self.open += more;
        }
        self.next += bytes;
        Some(piece)
    }
}

/// Asks for the pages of a mapping to come from a node. Where that is refused they come from that of the thread that touches them first.
fn bind(address: usize, bytes: usize, number: usize) {
    let mut nodes = [0u64; NODE_BOUND / 64];
    let Some(word) = nodes.get_mut(number / 64) else {
        return;
    };
    *word |= 1 << (number % 64);
    // SAFETY: the mapping is ours and the mask valid; the kernel takes one off its length.
    unsafe {
        libc::syscall(
            libc::SYS_mbind,
            address,
            bytes,
            MPOL_PREFERRED,
            nodes.as_ptr(),
            NODE_BOUND + 1,
            0,
        )
    };
}

/// One of something for each home, each under a lock of its own.
pub struct PerHome<T> {
    of_none: SpinMutex<T>,
    of_nodes: OnceLock<Box<[Line<T>]>>,
}

#[derive(Default)]
#[repr(align(128))]
struct Line<T>(SpinMutex<T>);

impl<T> PerHome<T> {
    pub const fn new(of_none: T) -> PerHome<T> {
        PerHome {
            of_none: SpinMutex::new(of_none),
            of_nodes: OnceLock::new(),
        }
    }

    /// Those that exist.
    pub fn all(&self) -> impl Iterator<Item = &SpinMutex<T>> {
        let of_nodes = self.of_nodes.get().into_iter().flatten();
        std::iter::once(&self.of_none).chain(of_nodes.map(|line| &line.0))
    }
}

impl<T: Default> PerHome<T> {
    #[inline]
    pub fn of(&self, home: u8) -> &SpinMutex<T> {
        match home {
            0 => &self.of_none,
            home => &self.of_nodes()[usize::from(home) - 1].0,
        }
    }

    #[cold]
    fn of_nodes(&self) -> &[Line<T>] {
        self.of_nodes.get_or_init(|| {
            let count = NUMBERS.get().map_or(0, |numbers| numbers.len());
            (0..count).map(|_| Line::default()).collect()
        })
    }
}

impl Default for Span {
    fn default() -> Span {
        Span::EMPTY
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An address that nobody uses, as if it were memory of that home.
    pub fn as_if_at_home(home: u8) -> usize {
        let span = usize::from(home);
        HOME_OF_SPAN[span].store(home, Ordering::Relaxed);
        span << SPAN_SHIFT
    }
}
