//! Who runs a coroutine that has not run: a worker or an awaiter, never both; its control block is freed once, when nobody uses it any more.

#![cfg(loom)]

use echo_runtime_loom::claim::Claim;
use echo_runtime_loom::door::{AtomicU32, Ordering};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// A control block with one word of contents, which is the number of times the coroutine ran.
struct Block {
    claim: Claim,
    runs: UnsafeCell<u32>,
    freed: AtomicU32,
}

const GENERATION: u32 = 5;

impl Block {
    fn new() -> Arc<Block> {
        let block = Block {
            claim: Claim::default(),
            runs: UnsafeCell::new(0),
            freed: AtomicU32::new(0),
        };
        block.claim.publish(GENERATION);
        Arc::new(block)
    }

    fn run(&self) {
        // SAFETY: loom checks that nobody else uses the block meanwhile.
        self.runs.with_mut(|runs| unsafe { *runs += 1 });
    }

    fn free(&self) {
        // SAFETY: as above: the block is used again from here on.
        self.runs.with_mut(|runs| unsafe {
            assert_eq!(*runs, 1);
            *runs = 0;
        });
        // A free block goes from hand to hand through queues and locks.
        self.freed.fetch_add(1, Ordering::Release);
    }

    /// Takes the block out of the queue, and runs it or buries it.
    fn work(&self) {
        if self.claim.take_to_start(false) {
            self.run();
            self.free();
        } else if self.claim.leave_queue(false) {
            self.free();
        }
    }

    /// Runs it in place, if that is possible; whether it did.
    fn run_in_place(&self) -> bool {
        if !self.claim.may_take(GENERATION) || !self.claim.take_in_place(GENERATION, false) {
            return false;
        }
        self.run();
        if self.claim.end_call(false) {
            self.free();
        }
        true
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
        block.assert_freed_once();
    });
}

/// The awaiter takes the block out of its queue by itself, then runs it: nobody finds a tombstone. Catches an `end_call` that ignores the mark.
#[test]
fn an_awaiter_that_takes_it_out_of_its_queue_frees_it() {
    loom::model(|| {
        let block = Block::new();
        assert!(block.claim.take_in_place(GENERATION, false));
        let stale = thread::spawn({
            let block = block.clone();
            move || assert!(!block.claim.take_in_place(GENERATION, false))
        });
        assert!(!block.claim.leave_queue(false));
        block.run();
        assert!(block.claim.end_call(false));
        block.free();
        stale.join().expect("no panic");
        block.assert_freed_once();
    });
}

/// The awaiter alone knows the block, but for one who is late by a generation. Catches a claim without the mark that it has left its queue.
#[test]
fn who_alone_knows_it_claims_it_without_asking() {
    loom::model(|| {
        let block = Block::new();
        let stale = thread::spawn({
            let block = block.clone();
            move || assert!(!block.claim.take_in_place(GENERATION - 1, false))
        });
        block.claim.take_for_sure(GENERATION);
        block.run();
        assert!(block.claim.end_call(false));
        block.free();
        stale.join().expect("no panic");
        block.assert_freed_once();
    });
}

/// The block is used again while somebody still knows it by its old name. Catches a claim without a generation.
#[test]
fn a_stale_name_claims_nothing() {
    loom::model(|| {
        let block = Block::new();
        let late = thread::spawn({
            let block = block.clone();
            move || block.run_in_place()
        });
        block.work();
        if block.freed.load(Ordering::Acquire) == 1 {
            block.claim.publish(GENERATION + 1);
            assert!(block.claim.take_to_start(false));
            block.run();
            block.free();
            late.join().expect("no panic");
            assert_eq!(block.freed.load(Ordering::Acquire), 2);
        } else {
            assert!(late.join().expect("no panic"));
            block.assert_freed_once();
        }
    });
}
