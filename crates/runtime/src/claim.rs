//! Who may run a coroutine that has not started, and who frees its future.
//!
//! # Protocol
//! A coroutine that was spawned is nothing but its future, in a deque, until it is claimed. One byte of the future says what became of it:
//! * [`TAKEN`]: it is in no deque. So begin the futures that never are in one.
//! * [`WAITING`], from [`publish`](Claim::publish) on: it is in a deque, and nobody's. It is claimed exactly once, by compare-and-swap: by the worker that takes it
//!   out ([`take_to_start`](Claim::take_to_start)), or by an awaiter ([`take_in_place`](Claim::take_in_place)).
//! * [`IN_PLACE`]: an awaiter runs it, or has run it, while it is still in a deque, as a *tombstone*. It is the block's last user who frees it: the one who
//!   takes it out of the deque ([`leave_queue`](Claim::leave_queue)), or the last owner of the future ([`release`](Claim::release)). Each leaves its mark in one
//!   atomic step that says whether the other's was there already.
//! * [`RELEASED`]: a tombstone whose future has no owner any more.
//!
//! An awaiter that has taken the future out of its worker's own deque, and alone has it, is the only one who can claim it, and need not ask
//! ([`take_for_sure`](Claim::take_for_sure)). Nobody can see when it says so either: `arch` does when the call has ended. Where there is one worker, all who
//! claim are on one thread: then a claim need not be atomic.
//!
//! # Orderings
//! `publish` and the claims are relaxed: a worker gets the future through a deque, and an awaiter from somebody who had it after the spawn; both carry
//! everything that was written before. The marks release what their party did with the block and acquire what the other did, so that the last user
//! may free it. `may_take` only guesses.

use crate::door::{AtomicU8, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};

/// See the module docs.
#[derive(Default)]
pub struct Claim(AtomicU8);

/// `arch` knows these two.
pub const TAKEN: u8 = 0;
pub const WAITING: u8 = 1;
const IN_PLACE: u8 = 2;
const RELEASED: u8 = 3;

impl Claim {
    /// The coroutine is about to be put into a deque. By its owner.
    #[inline]
    pub fn publish(&self) {
        self.0.store(WAITING, Relaxed);
    }

    /// For who took the future out of a deque: whether to run the coroutine. If not, it is a tombstone.
    #[inline]
    pub fn take_to_start(&self, is_alone: bool) -> bool {
        self.take(TAKEN, is_alone)
    }

    /// Whether [`take_in_place`](Self::take_in_place) is worth a try.
    #[inline]
    pub fn may_take(&self) -> bool {
        self.0.load(Relaxed) == WAITING
    }

    /// For an awaiter: whether to run the coroutine. It stays in its deque as a tombstone.
    #[inline]
    pub fn take_in_place(&self, is_alone: bool) -> bool {
        self.take(IN_PLACE, is_alone)
    }

    /// For an awaiter that is the only one who can claim it, and took it out of its deque.
    #[inline]
    pub fn take_for_sure(&self) {
        self.0.store(TAKEN, Relaxed);
    }

    /// Whether the coroutine is run by an awaiter, or was, and is still in a deque.
    #[inline]
    pub fn is_tombstone(&self) -> bool {
        self.0.load(Relaxed) >= IN_PLACE
    }

    /// A tombstone was taken out of its deque; whether the caller is to free it.
    #[inline]
    pub fn leave_queue(&self) -> bool {
        self.0.swap(TAKEN, AcqRel) == RELEASED
    }

    /// Whether it is in no deque.
    #[inline]
    pub fn is_taken(&self) -> bool {
        self.0.load(Acquire) == TAKEN
    }

    /// Nobody owns the future any more; whether the caller is to free it.
    #[inline]
    pub fn release(&self) -> bool {
        self.is_taken() || self.0.swap(RELEASED, AcqRel) == TAKEN
    }

    #[inline]
    fn take(&self, taken: u8, is_alone: bool) -> bool {
        if is_alone {
            let may_take = self.may_take();
            if may_take {
                self.0.store(taken, Relaxed);
            }
            return may_take;
        }
        self.0
            .compare_exchange(WAITING, taken, Relaxed, Relaxed)
            .is_ok()
    }
}
