//! All memory is the system's.

/// Nothing is recycled.
pub const SMALL_BYTES: usize = usize::MAX;

/// As the runtime's; models have enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

pub struct Depot;

impl Depot {
    pub const fn new(_bytes: usize, _link: usize, _batch: usize) -> Depot {
        Depot
    }
}

pub struct Magazine;

impl Magazine {
    pub const EMPTY: Magazine = Magazine;

    pub fn take(&mut self, _depot: &Depot) -> Option<*mut u8> {
        None
    }

    pub unsafe fn give(&mut self, piece: *mut u8, _depot: &Depot) {
        // SAFETY: it came from `take` below.
        unsafe { libc::free(piece.cast()) }
    }
}

/// There are none for `arch`.
pub fn magazine(_bytes: usize) -> *mut Magazine {
    std::ptr::null_mut()
}

pub fn room(bytes: usize) -> usize {
    bytes
}

pub fn take(bytes: usize) -> *mut u8 {
    // SAFETY: any size may be asked for.
    unsafe { libc::malloc(bytes) }.cast()
}

pub unsafe fn give(piece: *mut u8, _bytes: usize) {
    // SAFETY: it came from `take`.
    unsafe { libc::free(piece.cast()) }
}
