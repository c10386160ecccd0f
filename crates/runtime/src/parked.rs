//! What coroutines that stay parked have committed of their big segments, and do not use.
//!
//! Who has been deep in a recursion and parks where it has a few frames left on its big segment would keep all the pages it has ever touched. So the monitor
//! looks at the big segments once a second ([`stack::shrink`](crate::stack::shrink)), and gives the system what lies below the stack pointer of a coroutine that stays parked
//! from one look to the next. Parking, switching and calls do nothing for that.
//!
//! # Protocol
//! A record at the top of each big segment says whose it is. It is written under its lock.
//! * At the first look the monitor puts [`aside`](crate::arch::aside), which is a frame on no stack, in place of the saved stack pointer, and keeps that in the record. Who
//!   goes on with the coroutine from then on wakes in that frame, whose code [takes the stack pointer back](Record::take_back) before anything is done on the stack. So
//!   does who wakes the coroutine and changes what it wakes in; that it wakes is told ([`Coroutine::state`](crate::coroutine::Coroutine::state)) before.
//! * Others may have read the saved stack pointer just before. After the look the monitor passes a heavy fence. So it sees the turn in which a worker goes on with the
//!   coroutine, and that it wakes. There is no second look before that turn is over: by then the coroutine has ended, or stored another stack pointer.
//! * If at the second look the frame is still in place and the coroutine waits, nobody is on its stack, and nobody comes there while the record is locked.
//!
//! What is in place of the stack pointer is changed by the monitor from what a coroutine has stored only, in one step; so what others store is never lost.

use crate::door::{AtomicUsize, Ordering};

/// Of a big segment.
pub struct Record<C> {
    /// Null when the segment is free.
    pub owner: *const C,
    /// What the owner has stored, while something else is in place of it.
    saved: usize,
    seen: Seen,
}

/// What was done at the last look. A record of zeros is that of a free segment that nobody has looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Seen {
    Nothing = 0,
    Aside = 1,
    GivenBack = 2,
}

// SAFETY: whoever holds the lock may read the owner, which is never unmapped.
unsafe impl<C> Send for Record<C> {}

impl<C> Record<C> {
    /// Of a segment that has just been taken.
    pub fn of(owner: *const C) -> Record<C> {
        Record {
            owner,
            saved: 0,
            seen: Seen::Nothing,
        }
    }

    /// A look at the owner, whose stack pointer is saved in `pointer`; for the monitor. `is_worthwhile` says for a stack pointer whether there is something below that can be
    /// given back, `give_back` does it. Whether the next look may find something to do.
    pub fn look(
        &mut self,
        pointer: &AtomicUsize,
        aside: usize,
        waits: impl FnOnce() -> bool,
        is_worthwhile: impl FnOnce(usize) -> bool,
        give_back: impl FnOnce(usize),
    ) -> bool {
        // Before the stack pointer: a coroutine that wakes and waits again has stored another one in between.
        let waits = waits();
        let saved = pointer.load(Ordering::Acquire);
        if self.seen != Seen::Nothing && saved == aside {
            if self.seen == Seen::Aside && waits {
                give_back(self.saved);
                self.seen = Seen::GivenBack;
            }
            return self.seen == Seen::Aside;
        }
        self.seen = Seen::Nothing;
        if !waits || !is_worthwhile(saved) {
            return false;
        }
        self.saved = saved;
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        if pointer
            .compare_exchange(saved, aside, success, failure)
            .is_ok()
        {
            self.seen = Seen::Aside;
        }
        true
    }

    /// The stack pointer of the owner, in place of which there is a frame: for who goes on with it, or wakes it.
    pub fn take_back(&mut self) -> usize {
        debug_assert!(self.seen != Seen::Nothing);
        self.seen = Seen::Nothing;
        self.saved
    }
}
