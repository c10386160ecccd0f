//! Who may run a coroutine that has not run yet, and who frees its control block.
//!
//! # Protocol
//! The word holds the generation of the control block and, below it, what became of the coroutine.
//! * [`publish`](Claim::publish) makes it [`WAITING`]: it is about to be put into a queue. From there on it is claimed exactly once, by compare-and-swap from
//!   exactly this generation: by the worker that finds it in a queue ([`take_to_start`](Claim::take_to_start)), or by an awaiter
//!   ([`take_in_place`](Claim::take_in_place)) that knows it by block and generation. An awaiter may be late by any time: the block can have been used again and
//!   then has another generation, so nothing is claimed; control blocks are never unmapped.
//! * An awaiter that has taken the block out of its worker's own deque, and alone has the future that names it, is the only one who can claim it, and
//!   need not ask ([`take_for_sure`](Claim::take_for_sure)).
//! * A worker that claims it is the only one left who knows the block. An awaiter is not: the block is still in its queue, as a tombstone. It is the
//!   block's last user who frees it: the one who takes it out of the queue ([`leave_queue`](Claim::leave_queue)) or the end of the call
//!   ([`end_call`](Claim::end_call)). Each leaves a mark, in one atomic step that says whether the other's mark was there already; who finds that one
//!   there is the last, and needs no mark.
//! * Where there is one worker, both parties are on one thread: then a step need not be atomic.
//!
//! # Orderings
//! `publish` and the claims are relaxed: a worker gets the block through a queue, and an awaiter gets the future that names it from somebody who had it after the
//! spawn; both carry everything that was written before. The marks release what their party did with the block and acquire what the other did, so
//! that the last user may reuse all of it. `may_take` only guesses.

use crate::door::{AtomicU32, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};

/// See the module docs.
#[derive(Default)]
pub struct Claim {
    word: AtomicU32,
}

/// Bits below the generation.
const BITS: u32 = 8;
/// In a queue, nobody's.
const WAITING: u32 = 1;
/// Run by a worker.
const STARTED: u32 = 2;
/// Run by an awaiter.
const IN_PLACE: u32 = 4;
/// It has left its queue.
const LEFT_QUEUE: u32 = 8;
/// The call has ended.
const ENDED: u32 = 16;

impl Claim {
    /// The coroutine may be claimed from now on. By its owner.
    #[inline]
    pub fn publish(&self, generation: u32) {
        self.word.store(generation << BITS | WAITING, Relaxed);
    }

    /// For the worker that took the block from a queue: whether it may run the coroutine. If not, the block is a tombstone.
    #[inline]
    pub fn take_to_start(&self, is_alone: bool) -> bool {
        // Whoever has the block from a queue has its present generation.
        self.take(self.word.load(Relaxed) >> BITS, STARTED, is_alone)
    }

    /// Whether [`take_in_place`](Self::take_in_place) is worth a try.
    #[inline]
    pub fn may_take(&self, generation: u32) -> bool {
        self.word.load(Relaxed) == generation << BITS | WAITING
    }

    /// For an awaiter: whether it may run the coroutine.
    #[inline]
    pub fn take_in_place(&self, generation: u32, is_alone: bool) -> bool {
        self.take(generation, IN_PLACE, is_alone)
    }

    /// For an awaiter that is the only one who can claim it: it has left its queue, and is run in place.
    #[inline]
    pub fn take_for_sure(&self, generation: u32) {
        self.word
            .store(generation << BITS | IN_PLACE | LEFT_QUEUE, Relaxed);
    }

    /// A tombstone was taken out of its queue; whether nobody else uses the block any more.
    #[inline]
    pub fn leave_queue(&self, is_alone: bool) -> bool {
        self.mark(LEFT_QUEUE, is_alone) & ENDED != 0
    }

    /// The call of a coroutine that was run in place has ended; whether nobody else uses the block any more.
    #[inline]
    pub fn end_call(&self, is_alone: bool) -> bool {
        self.mark(ENDED, is_alone) & LEFT_QUEUE != 0
    }

    /// Leaves a mark, unless the other party has left its own; what there was before.
    #[inline]
    fn mark(&self, mark: u32, is_alone: bool) -> u32 {
        let before = self.word.load(Acquire);
        if before & (LEFT_QUEUE | ENDED) != 0 {
            return before;
        }
        if is_alone {
            self.word.store(before | mark, Relaxed);
            return before;
        }
        self.word.fetch_or(mark, AcqRel)
    }

    /// Whether the coroutine is run in place, or was.
    pub fn is_in_place(&self) -> bool {
        self.word.load(Relaxed) & IN_PLACE != 0
    }

    #[inline]
    fn take(&self, generation: u32, by: u32, is_alone: bool) -> bool {
        let (waiting, taken) = (generation << BITS | WAITING, generation << BITS | by);
        if is_alone {
            let may_take = self.word.load(Relaxed) == waiting;
            if may_take {
                self.word.store(taken, Relaxed);
            }
            return may_take;
        }
        self.word
            .compare_exchange(waiting, taken, Relaxed, Relaxed)
            .is_ok()
    }
}
