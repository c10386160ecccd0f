//! A worker's bounded deque of coroutines that have not started: its owner pushes and pops the newest, everybody steals the oldest.
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
//! Free of assembly and of scheduler types; atomics come through one door, so that loom can check it (`crates/runtime/loom`).

use crate::door::{AtomicPtr, AtomicUsize, Ordering, fence};
use std::ptr;

/// Slots; a power of two.
#[cfg(not(loom))]
pub const CAPACITY: usize = 256;
#[cfg(loom)]
pub const CAPACITY: usize = 4;

/// Most items a thief takes at a time.
const STEAL_BATCH: usize = 32;

/// Thieves write `top` and the owner `bottom`: not on one cache line.
#[repr(align(64))]
struct OwnLine<T>(T);

pub struct Deque<T> {
    bottom: OwnLine<AtomicUsize>,
    top: OwnLine<AtomicUsize>,
    slots: [AtomicPtr<T>; CAPACITY],
    /// Nobody steals: the owner needs neither fences nor compare-and-swap.
    is_alone: bool,
}

impl<T> Deque<T> {
    pub fn new(is_alone: bool) -> Deque<T> {
        // The indexes begin where one below the empty deque is still a number.
        Deque {
            bottom: OwnLine(AtomicUsize::new(2)),
            top: OwnLine(AtomicUsize::new(2)),
            slots: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            is_alone,
        }
    }

    #[inline]
    fn slot(&self, index: usize) -> &AtomicPtr<T> {
        &self.slots[index % CAPACITY]
    }

    /// How many there are; out of date at once unless the owner asks and nobody steals.
    #[inline]
    pub fn len(&self) -> usize {
        let top = self.top.0.load(Ordering::Acquire);
        // While the owner takes the last item, `bottom` may be less.
        (self.bottom.0.load(Ordering::Acquire)).saturating_sub(top)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Owner only. Gives the item back when the deque is full.
    #[inline]
    pub fn push(&self, item: *mut T) -> Result<(), *mut T> {
        let bottom = self.bottom.0.load(Ordering::Relaxed);
        if bottom - self.top.0.load(Ordering::Acquire) >= CAPACITY {
            return Err(item);
        }
        self.slot(bottom).store(item, Ordering::Relaxed);
        self.bottom.0.store(bottom + 1, Ordering::Release);
        Ok(())
    }

    /// Owner only: takes the newest item.
    #[inline]
    pub fn pop(&self) -> Option<*mut T> {
        let bottom = self.bottom.0.load(Ordering::Relaxed);
        // `top` only grows: what looks empty is.
        if self.top.0.load(Ordering::Relaxed) >= bottom {
            return None;
        }
        let newest = bottom - 1;
        let top = self.lower_bottom(newest);
        let is_ours = top < newest || top == newest && self.move_top(top, 1);
        if top >= newest {
            self.bottom.0.store(bottom, Ordering::Relaxed);
        }
        is_ours.then(|| self.slot(newest).load(Ordering::Relaxed))
    }

    /// Owner only: lowers `bottom` to `index`; the `top` that all thieves respect from here on if it is less.
    #[inline]
    fn lower_bottom(&self, index: usize) -> usize {
        self.bottom.0.store(index, Ordering::Relaxed);
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

    /// Owner only: the newest item as long as nobody steals it.
    #[inline]
    pub fn newest(&self) -> Option<*mut T> {
        let bottom = self.bottom.0.load(Ordering::Relaxed);
        (self.top.0.load(Ordering::Relaxed) < bottom)
            .then(|| self.slot(bottom - 1).load(Ordering::Relaxed))
    }

    /// Owner only: takes up to `out.len()` of the oldest items; how many.
    pub fn take_oldest(&self, out: &mut [*mut T]) -> usize {
        loop {
            let top = self.top.0.load(Ordering::Acquire);
            let len = self.bottom.0.load(Ordering::Relaxed) - top;
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
        let bottom = self.bottom.0.load(Ordering::Relaxed);
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
            self.bottom.0.store(bottom, Ordering::Relaxed);
            return false;
        }
        let newest = self.slot(second + 1).load(Ordering::Relaxed);
        self.slot(second).store(newest, Ordering::Relaxed);
        self.bottom.0.store(second + 1, Ordering::Release);
        true
    }

    /// Takes the oldest item.
    fn steal(&self) -> Option<*mut T> {
        loop {
            let top = self.top.0.load(Ordering::Acquire);
            fence(Ordering::SeqCst);
            if top >= self.bottom.0.load(Ordering::Acquire) {
                return None;
            }
            let item = self.slot(top).load(Ordering::Relaxed);
            if self.move_top(top, 1) {
                return Some(item);
            }
        }
    }

    /// Steals half of the items, oldest first, for `thief`, whose owner is calling: one to run, the rest is pushed there. `thief` is empty. One by one: of
    /// several at once the owner could pop the newest before they are taken.
    pub fn steal_into(&self, thief: &Deque<T>) -> Option<*mut T> {
        let rest = (self.len() / 2).min(STEAL_BATCH.min(CAPACITY) - 1);
        let first = self.steal()?;
        for item in (0..rest).map_while(|_| self.steal()) {
            let pushed = thief.push(item);
            debug_assert!(pushed.is_ok(), "a batch fits into an empty deque");
        }
        Some(first)
    }
}
