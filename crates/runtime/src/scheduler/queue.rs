//! A worker's bounded queue: its owner pushes and pops, everybody steals.
//!
//! # Protocol
//! `head` counts what was taken, `tail` what was pushed; both wrap. Only the owner writes `tail` and the slots from `tail` on. A taker, the
//! owner included, copies slots from `head` on and then moves `head` by compare-and-swap: if that fails, the copies are worthless and forgotten. A slot
//! is written again only after `head` has passed it, so a successful swap proves that the copies were of this round.
//!
//! Free of assembly and of scheduler types; atomics come through one door, so that loom can check it (`crates/runtime/loom`).

use crate::door::{AtomicPtr, AtomicU32, Ordering};

/// Slots; a power of two.
#[cfg(not(loom))]
pub const CAPACITY: u32 = 256;
#[cfg(loom)]
pub const CAPACITY: u32 = 4;

/// `arch` pushes and pops, too.
#[repr(C)]
pub struct Queue<T> {
    head: AtomicU32,
    tail: AtomicU32,
    slots: [AtomicPtr<T>; CAPACITY as usize],
}

#[cfg(not(loom))]
impl<T> Queue<T> {
    /// Of the parts that `arch` looks at.
    pub const HEAD_OFFSET: usize = std::mem::offset_of!(Queue<T>, head);
    pub const TAIL_OFFSET: usize = std::mem::offset_of!(Queue<T>, tail);
    pub const SLOTS_OFFSET: usize = std::mem::offset_of!(Queue<T>, slots);
}

impl<T> Queue<T> {
    pub fn new() -> Queue<T> {
        Queue {
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            slots: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
        }
    }

    fn slot(&self, index: u32) -> &AtomicPtr<T> {
        &self.slots[(index % CAPACITY) as usize]
    }

    /// How many there are; may be out of date at once unless the owner asks and nobody steals.
    #[inline]
    pub fn len(&self) -> u32 {
        let head = self.head.load(Ordering::Acquire);
        self.tail
            .load(Ordering::Acquire)
            .wrapping_sub(head)
            .min(CAPACITY)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What has been pushed so far, for [`holds_since`](Self::holds_since).
    pub fn mark(&self) -> u32 {
        self.tail.load(Ordering::Acquire)
    }

    /// Whether something is still here that was pushed before `mark`.
    pub fn holds_since(&self, mark: u32) -> bool {
        mark.wrapping_sub(self.head.load(Ordering::Acquire))
            .cast_signed()
            > 0
    }

    /// Owner only. Gives the item back when the queue is full.
    #[inline]
    pub fn push(&self, item: *mut T) -> Result<(), *mut T> {
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Relaxed);
        if tail.wrapping_sub(head) >= CAPACITY {
            return Err(item);
        }
        self.slot(tail).store(item, Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    /// Owner only: the oldest item.
    #[inline]
    pub fn pop(&self) -> Option<*mut T> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            if head == self.tail.load(Ordering::Relaxed) {
                return None;
            }
            let item = self.slot(head).load(Ordering::Relaxed);
            match self.head.compare_exchange_weak(
                head,
                head.wrapping_add(1),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(item),
                Err(now) => head = now,
            }
        }
    }

    /// As [`pop`](Self::pop), when there is nobody who could steal.
    #[inline]
    pub fn pop_alone(&self) -> Option<*mut T> {
        let head = self.head.load(Ordering::Relaxed);
        if head == self.tail.load(Ordering::Relaxed) {
            return None;
        }
        let item = self.slot(head).load(Ordering::Relaxed);
        self.head.store(head.wrapping_add(1), Ordering::Relaxed);
        Some(item)
    }

    /// Owner only: the item that will be popped after so many others, if there are more, for prefetching: it may be taken at any moment.
    #[inline]
    pub fn peek(&self, others: u32) -> Option<*mut T> {
        let place = self.head.load(Ordering::Relaxed).wrapping_add(others);
        let later = self.tail.load(Ordering::Relaxed).wrapping_sub(place);
        (later.cast_signed() > 0).then(|| self.slot(place).load(Ordering::Relaxed))
    }

    /// Owner only: moves the older half of a full queue to `out`; how many that were.
    pub fn take_half(&self, out: &mut [*mut T; CAPACITY as usize / 2]) -> usize {
        self.take(out, |len| len / 2)
    }

    /// Steals half (rounded up) of this queue for `thief`, whose owner is calling: one to run, the rest is pushed there. `thief` must be empty.
    pub fn steal_into(&self, thief: &Queue<T>) -> Option<*mut T> {
        let mut items = [std::ptr::null_mut(); CAPACITY as usize / 2];
        let count = self.take(&mut items, |len| len - len / 2);
        let (&first, rest) = items[..count].split_first()?;
        for &item in rest {
            let pushed = thief.push(item);
            debug_assert!(pushed.is_ok(), "half a queue fits into an empty one");
        }
        Some(first)
    }

    fn take(&self, out: &mut [*mut T; CAPACITY as usize / 2], share: impl Fn(u32) -> u32) -> usize {
        loop {
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Acquire);
            let len = tail.wrapping_sub(head);
            if len > CAPACITY {
                continue; // `head` was read long before `tail`
            }
            let count = share(len).min(CAPACITY / 2);
            if count == 0 {
                return 0;
            }
            for index in 0..count {
                out[index as usize] = self.slot(head.wrapping_add(index)).load(Ordering::Relaxed);
            }
            let taken = self.head.compare_exchange(
                head,
                head.wrapping_add(count),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if taken.is_ok() {
                return count as usize;
            }
        }
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue::new()
    }
}
