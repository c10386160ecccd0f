//! A worker's deque of coroutines that have not started: its owner pushes and pops the newest, everybody steals the oldest.
//!
//! # Protocol
//! `top` counts what was taken at the old end, `bottom` is one past the newest; what is between them is here. Only the owner writes `bottom` and the slots.
//! The oldest item is taken by moving `top` by compare-and-swap, by thieves and by the owner alike. The newest is taken without one: the
//! owner first lowers `bottom`, then looks at `top`; a thief first reads `top`, then `bottom`; a sequentially consistent fence between the two on both sides
//! means that one of them sees the other. What lies above the `top` that the owner sees then is its own; only for the last item both move `top`, and one succeeds.
//! The orders are those proved by Lê, Pop, Cohen and Zappa Nardelli, "Correct and Efficient Work-Stealing for Weak Memory Models" (PPoPP 2013).
//!
//! Beyond that algorithm: the owner may take several of the oldest with one compare-and-swap ([`take_oldest`](Deque::take_oldest)), as nobody but the owner
//! takes from the other end meanwhile; and it may take the second newest ([`remove`](Deque::remove)) by lowering `bottom` by two and
//! pushing the newest again, when not even the older of the two can be stolen. The indexes have 64 bits and do not wrap.
//!
//! When there is no room ([`make_room`](Deque::make_room)) the owner takes everything, and pushes what is worth keeping again: into a buffer of twice the size if that
//! is much. A thief that has read `top` before that fails to move it, whatever it has read of the old buffer, which therefore stays mapped; one that reads
//! `top` afterwards finds the deque empty until `bottom` is stored, with release ordering, after the new buffer.
//!
//! Free of assembly and of scheduler types; atomics come through one door, so that loom can check it (`crates/runtime/loom`).

use crate::door::{AtomicPtr, AtomicUsize, Ordering, fence};
use crate::memory::OutOfMemory;
use std::cell::Cell;
use std::ptr;

/// Slots at first; a power of two.
#[cfg(not(loom))]
pub const CAPACITY: usize = 256;
#[cfg(loom)]
pub const CAPACITY: usize = 4;

/// Most items a thief takes at a time.
const STEAL_BATCH: usize = 32;

/// Thieves write `top` and the owner `bottom`: not on one cache line.
#[repr(align(64))]
struct OwnLine<T>(T);

/// `arch` takes the newest as [`pop`](Deque::pop) does.
#[repr(C, align(64))]
pub struct Deque<T> {
    bottom: AtomicUsize,
    /// Of the buffer, for the owner.
    slots: Cell<*const AtomicPtr<T>>,
    mask: Cell<usize>,
    /// Nobody steals: the owner needs neither fences nor compare-and-swap.
    is_alone: bool,
    top: OwnLine<AtomicUsize>,
    /// Replaced by the owner only.
    buffer: AtomicPtr<Buffer<T>>,
}

struct Buffer<T> {
    /// A power of two.
    slots: Box<[AtomicPtr<T>]>,
    /// The one before, which thieves may still read; null where there are none.
    retired: *mut Buffer<T>,
}

// SAFETY: items are handed over as the protocol says; buffers are freed with the deque.
unsafe impl<T> Send for Deque<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Deque<T> {}

impl<T> Buffer<T> {
    fn new(capacity: usize) -> Result<*mut Buffer<T>, OutOfMemory> {
        let mut slots = Vec::new();
        slots.try_reserve_exact(capacity).map_err(|_| OutOfMemory)?;
        slots.extend((0..capacity).map(|_| AtomicPtr::new(ptr::null_mut())));
        Ok(Box::into_raw(Box::new(Buffer {
            slots: slots.into(),
            retired: ptr::null_mut(),
        })))
    }

    #[inline]
    fn slot(&self, index: usize) -> &AtomicPtr<T> {
        // SAFETY: there are as many slots as the mask and one.
        unsafe { self.slots.get_unchecked(index & (self.slots.len() - 1)) }
    }
}

impl<T> Drop for Deque<T> {
    fn drop(&mut self) {
        let mut buffer = self.buffer.load(Ordering::Relaxed);
        while !buffer.is_null() {
            // SAFETY: nobody uses the deque any more; each buffer is in the list once.
            buffer = unsafe { Box::from_raw(buffer) }.retired;
        }
    }
}

#[cfg(not(loom))]
impl<T> Deque<T> {
    /// Of the parts that `arch` looks at.
    pub const BOTTOM_OFFSET: usize = std::mem::offset_of!(Deque<T>, bottom);
    pub const TOP_OFFSET: usize = std::mem::offset_of!(Deque<T>, top);
    pub const SLOTS_OFFSET: usize = std::mem::offset_of!(Deque<T>, slots);
    pub const MASK_OFFSET: usize = std::mem::offset_of!(Deque<T>, mask);
    pub const IS_ALONE_OFFSET: usize = std::mem::offset_of!(Deque<T>, is_alone);
}

impl<T> Deque<T> {
    pub fn new(is_alone: bool) -> Deque<T> {
        let buffer = Buffer::<T>::new(CAPACITY).expect("memory for the first buffer");
        // The indexes begin where one below the empty deque is still a number.
        Deque {
            bottom: AtomicUsize::new(2),
            // SAFETY: just made.
            slots: Cell::new(unsafe { (*buffer).slots.as_ptr() }),
            mask: Cell::new(CAPACITY - 1),
            is_alone,
            top: OwnLine(AtomicUsize::new(2)),
            buffer: AtomicPtr::new(buffer),
        }
    }

    /// Owner only.
    #[inline]
    fn slot(&self, index: usize) -> &AtomicPtr<T> {
        // SAFETY: the owner's buffer has as many slots as the mask and one, and only the owner replaces it.
        unsafe { &*self.slots.get().add(index & self.mask.get()) }
    }

    /// How many there are; out of date at once unless the owner asks and nobody steals.
    #[inline]
    pub fn len(&self) -> usize {
        let top = self.top.0.load(Ordering::Acquire);
        // While the owner takes the last item, `bottom` may be less.
        (self.bottom.load(Ordering::Acquire)).saturating_sub(top)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Owner only. Gives the item back when there is no room.
    #[inline]
    pub fn push(&self, item: *mut T) -> Result<(), *mut T> {
        let bottom = self.bottom.load(Ordering::Relaxed);
        if bottom - self.top.0.load(Ordering::Acquire) > self.mask.get() {
            return Err(item);
        }
        self.slot(bottom).store(item, Ordering::Relaxed);
        self.bottom.store(bottom + 1, Ordering::Release);
        Ok(())
    }

    /// Owner only: makes room in the full deque; `keep` says whether an item is to stay, and takes it over otherwise.
    ///
    /// # Errors
    /// All stay, and there is no memory for more.
    pub fn make_room(&self, mut keep: impl FnMut(*mut T) -> bool) -> Result<(), OutOfMemory> {
        let bottom = self.bottom.load(Ordering::Relaxed);
        let mut top = self.top.0.load(Ordering::Acquire);
        while !self.move_top(top, bottom - top) {
            top = self.top.0.load(Ordering::Acquire);
        }
        // From here on the deque is empty, and the slots are ours.
        let mut end = bottom;
        for index in top..bottom {
            let item = self.slot(index).load(Ordering::Relaxed);
            if keep(item) {
                self.slot(end).store(item, Ordering::Relaxed);
                end += 1;
            }
        }
        let (kept, capacity) = (end - bottom, self.mask.get() + 1);
        let grown = if kept > capacity / 2 {
            self.grow(bottom, end)
        } else {
            Ok(())
        };
        self.bottom.store(end, Ordering::Release);
        grown.or(if kept < capacity {
            Ok(())
        } else {
            Err(OutOfMemory)
        })
    }

    /// Moves what lies between the indexes to a buffer of twice the size. The deque is empty for everybody else.
    fn grow(&self, start: usize, end: usize) -> Result<(), OutOfMemory> {
        let capacity = (self.mask.get() + 1) * 2;
        let buffer = Buffer::new(capacity)?;
        for index in start..end {
            let item = self.slot(index).load(Ordering::Relaxed);
            // SAFETY: fresh.
            unsafe { (*buffer).slot(index).store(item, Ordering::Relaxed) };
        }
        let old = self.buffer.load(Ordering::Relaxed);
        // SAFETY: as above; nobody else reads the old one where nobody steals.
        unsafe {
            self.slots.set((*buffer).slots.as_ptr());
            self.mask.set(capacity - 1);
            if self.is_alone {
                drop(Box::from_raw(old));
            } else {
                (*buffer).retired = old;
            }
        }
        self.buffer.store(buffer, Ordering::Release);
        Ok(())
    }

    /// Owner only: takes the newest item.
    #[inline]
    pub fn pop(&self) -> Option<*mut T> {
        let bottom = self.bottom.load(Ordering::Relaxed);
        // `top` only grows: what looks empty is.
        if self.top.0.load(Ordering::Relaxed) >= bottom {
            return None;
        }
        let newest = bottom - 1;
        let top = self.lower_bottom(newest);
        let is_ours = top < newest || top == newest && self.move_top(top, 1);
        if top >= newest {
            self.bottom.store(bottom, Ordering::Relaxed);
        }
        is_ours.then(|| self.slot(newest).load(Ordering::Relaxed))
    }

    /// Owner only: lowers `bottom` to `index`; the `top` that all thieves respect from here on if it is less. With release ordering: a thief that sees the lower value
    /// gets what was pushed before as well.
    #[inline]
    fn lower_bottom(&self, index: usize) -> usize {
        self.bottom.store(index, Ordering::Release);
        if !self.is_alone {
            fence(Ordering::SeqCst);
        }
        self.top.0.load(Ordering::Relaxed)
    }

    /// Takes the `count` oldest items, the first of them at `top`, unless somebody else takes one.
    #[inline]
    fn move_top(&self, top: usize, count: usize) -> bool {
        if self.is_alone {
            self.top.0.store(top + count, Ordering::Relaxed);
            return true;
        }
        let (success, failure) = (Ordering::SeqCst, Ordering::Relaxed);
        (self.top.0)
            .compare_exchange(top, top + count, success, failure)
            .is_ok()
    }

    /// Owner only: takes up to `out.len()` of the oldest items; how many.
    pub fn take_oldest(&self, out: &mut [*mut T]) -> usize {
        loop {
            let top = self.top.0.load(Ordering::Acquire);
            let len = self.bottom.load(Ordering::Relaxed) - top;
            let count = len.min(out.len());
            if count == 0 {
                return 0;
            }
            for (offset, item) in out[..count].iter_mut().enumerate() {
                *item = self.slot(top + offset).load(Ordering::Relaxed);
            }
            if self.move_top(top, count) {
                return count;
            }
        }
    }

    /// Owner only: takes `item` if that is the newest, the second newest or the oldest; whether it was, and nobody has stolen it.
    #[inline]
    pub fn remove(&self, item: *mut T) -> bool {
        let bottom = self.bottom.load(Ordering::Relaxed);
        let top = self.top.0.load(Ordering::Relaxed);
        if top >= bottom {
            return false;
        }
        let is_at = |index: usize| self.slot(index).load(Ordering::Relaxed) == item;
        if is_at(bottom - 1) {
            return self.pop().is_some();
        }
        if is_at(top) {
            return self.move_top(top, 1);
        }
        is_at(bottom - 2) && self.remove_second(bottom)
    }

    /// Takes the second newest item unless it is, or becomes, the oldest.
    fn remove_second(&self, bottom: usize) -> bool {
        let second = bottom - 2;
        if self.lower_bottom(second) >= second {
            self.bottom.store(bottom, Ordering::Relaxed);
            return false;
        }
        let newest = self.slot(second + 1).load(Ordering::Relaxed);
        self.slot(second).store(newest, Ordering::Relaxed);
        self.bottom.store(second + 1, Ordering::Release);
        true
    }

    /// Takes the oldest item.
    fn steal(&self) -> Option<*mut T> {
        loop {
            let top = self.top.0.load(Ordering::Acquire);
            fence(Ordering::SeqCst);
            if top >= self.bottom.load(Ordering::Acquire) {
                return None;
            }
            // SAFETY: buffers are freed with the deque.
            let buffer = unsafe { &*self.buffer.load(Ordering::Acquire) };
            let item = buffer.slot(top).load(Ordering::Relaxed);
            if self.move_top(top, 1) {
                return Some(item);
            }
        }
    }

    /// Steals half of the items, rounded up, oldest first, for `thief`, whose owner is calling: one to run, the rest is pushed there. `thief` is empty. One by one: of
    /// several at once the owner could pop the newest before they are taken.
    pub fn steal_into(&self, thief: &Deque<T>) -> Option<*mut T> {
        let rest = (self.len().saturating_sub(1) / 2).min(STEAL_BATCH.min(CAPACITY) - 1);
        let first = self.steal()?;
        for item in (0..rest).map_while(|_| self.steal()) {
            let pushed = thief.push(item);
            debug_assert!(pushed.is_ok(), "a batch fits into an empty deque");
        }
        Some(first)
    }
}
