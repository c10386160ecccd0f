//! Who runs a coroutine that has not started: a worker or an awaiter, never both; its future is freed once, when nobody uses it any more.

#![cfg(loom)]

use echo_runtime_loom::claim::Claim;
use echo_runtime_loom::door::{AtomicU32, Ordering};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// A future with one word of contents, which is the number of times the coroutine ran.
struct Block {
    claim: Claim,
    runs: UnsafeCell<u32>,
    /// Set when the coroutine has ended, on whatever thread.
    is_settled: AtomicU32,
    freed: AtomicU32,
}

impl Block {
    fn new() -> Arc<Block> {
        let block = Block {
            claim: Claim::default(),
            runs: UnsafeCell::new(0),
            is_settled: AtomicU32::new(0),
            freed: AtomicU32::new(0),
        };
        block.claim.publish();
        Arc::new(block)
    }

    fn run(&self) {
        // SAFETY: loom checks that nobody else uses the block meanwhile.
        self.runs.with_mut(|runs| unsafe { *runs += 1 });
        self.is_settled.store(1, Ordering::Release);
    }

    fn free(&self) {
        // SAFETY: as above: the block is used again from here on.
        self.runs.with_mut(|runs| unsafe {
            assert_eq!(*runs, 1);
            *runs = 0;
        });
        self.freed.fetch_add(1, Ordering::Release);
    }

    /// A worker takes it out of its deque, and runs it or buries it.
    fn work(&self) {
        if self.claim.take_to_start(false) {
            self.run();
        } else if self.claim.leave_queue() {
            self.free();
        }
    }

    /// An awaiter runs it in place, if that is possible; whether it did.
    fn run_in_place(&self) -> bool {
        let is_taken = self.claim.may_take() && self.claim.take_in_place(false);
        if is_taken {
            self.run();
        }
        is_taken
    }

    /// The last owner goes, which has seen the end.
    fn release(&self) {
        while self.is_settled.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        if self.claim.release() {
            self.free();
        }
    }

    fn assert_freed_once(&self) {
        assert_eq!(self.freed.load(Ordering::Acquire), 1);
    }
}

/// Catches marks that are set in two steps (load, then store), and marks that do not acquire or do not release.
#[test]
fn a_worker_and_an_awaiter_run_it_once_and_free_it_once() {
    loom::model(|| {
        let block = Block::new();
        let worker = thread::spawn({
            let block = block.clone();
            move || block.work()
        });
        block.run_in_place();
        block.release();
        worker.join().expect("no panic");
        block.assert_freed_once();
    });
}

/// Catches a claim that looks first and then stores.
#[test]
fn of_two_awaiters_one_runs_it() {
    loom::model(|| {
        let block = Block::new();
        let awaiters = [(); 2].map(|()| {
            let block = block.clone();
            thread::spawn(move || block.run_in_place())
        });
        block.work();
        let ran = awaiters.map(|awaiter| awaiter.join().expect("no panic"));
        assert!(!(ran[0] && ran[1]));
        block.release();
        block.assert_freed_once();
    });
}

/// Catches an awaiter that runs what it has taken out of its deque while another one runs it.
#[test]
fn an_awaiter_that_takes_it_out_of_its_deque_asks_whether_another_one_runs_it() {
    loom::model(|| {
        let block = Block::new();
        let other = thread::spawn({
            let block = block.clone();
            move || block.run_in_place()
        });
        let is_taken = block.claim.take_to_start(false);
        if is_taken {
            block.run();
        } else {
            assert!(!block.claim.leave_queue(), "it has an owner");
        }
        assert_ne!(other.join().expect("no panic"), is_taken);
        block.release();
        block.assert_freed_once();
    });
}

/// Who alone has it, and took it out of its deque, need not ask.
#[test]
fn what_is_out_of_its_deque_is_freed_by_its_last_owner() {
    loom::model(|| {
        let block = Block::new();
        block.claim.take_for_sure();
        block.run();
        assert!(!block.claim.is_tombstone());
        block.release();
        block.assert_freed_once();
    });
}
