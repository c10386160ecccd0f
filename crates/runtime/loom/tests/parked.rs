//! The stacks of coroutines that stay parked: the monitor is on one alone, or not at all.

#![cfg(loom)]

use echo_runtime_loom::door::{AtomicUsize, Ordering, fence, heavy_fence, light_fence};
use echo_runtime_loom::lock::SpinMutex;
use echo_runtime_loom::parked::Record;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

const ASIDE: usize = 1;
/// Where the coroutine is parked at first, and then.
const HERE: usize = 80;
const THERE: usize = 96;

/// A coroutine that is parked, and the worker that will run it.
struct Coroutine {
    pointer: AtomicUsize,
    waits: AtomicUsize,
    turn: AtomicUsize,
    record: SpinMutex<Record<()>>,
    stack: UnsafeCell<()>,
}

impl Coroutine {
    fn parked() -> Arc<Coroutine> {
        Arc::new(Coroutine {
            pointer: AtomicUsize::new(HERE),
            waits: AtomicUsize::new(1),
            turn: AtomicUsize::new(0),
            record: SpinMutex::new(Record::of(&())),
            stack: UnsafeCell::new(()),
        })
    }

    /// A store; for loom a swap, as it would let a store come between what another swap reads and what that writes.
    fn save(&self, pointer: usize) {
        self.pointer.swap(pointer, Ordering::Release);
    }

    fn touch_stack(&self) {
        // SAFETY: loom checks that nobody else does this meanwhile.
        self.stack.with_mut(|stack| unsafe { *stack = () });
    }

    /// The state is told before what is done next.
    fn wake(&self) {
        self.waits.store(0, Ordering::Release);
        light_fence();
    }

    /// It is to wake in something else, as `arch::slide` has it.
    fn slide(&self) {
        let mut pointer = self.pointer.load(Ordering::Relaxed);
        if pointer == ASIDE {
            pointer = self.record.lock().take_back();
            self.save(pointer);
        }
        assert_eq!(pointer, HERE);
        self.touch_stack();
        self.save(pointer - 8);
    }

    /// A turn, in which it runs and parks again.
    fn run(&self, from: usize) {
        self.turn.store(1, Ordering::Release);
        light_fence();
        let mut pointer = self.pointer.load(Ordering::Relaxed);
        if pointer == ASIDE {
            pointer = self.record.lock().take_back();
        }
        assert_eq!(pointer, from);
        self.touch_stack();
        self.waits.store(1, Ordering::Release);
        self.touch_stack();
        self.save(THERE);
        self.turn.store(2, Ordering::Release);
    }

    /// Of the monitor.
    fn look(&self) {
        self.record.lock().look(
            &self.pointer,
            ASIDE,
            || self.waits.load(Ordering::Acquire) == 1,
            |_| true,
            |_| self.touch_stack(),
        );
    }

    /// Both, one some time after the other.
    fn look_twice(&self) {
        self.look();
        heavy_fence();
        let turn = self.turn.load(Ordering::Relaxed);
        if turn == 1 && self.turn.load(Ordering::Relaxed) == turn {
            return;
        }
        fence(Ordering::Acquire);
        self.look();
    }
}

/// Catches a second look before the turn is over, one that does not ask whether the coroutine waits, a look or a way back without the lock, and a missing fence.
#[test]
fn nobody_runs_on_a_stack_that_is_given_back() {
    loom::model(|| {
        let coroutine = Coroutine::parked();
        let monitor = thread::spawn({
            let coroutine = coroutine.clone();
            move || coroutine.look_twice()
        });
        coroutine.wake();
        coroutine.run(HERE);
        monitor.join().expect("no panic");
        assert_ne!(coroutine.pointer.load(Ordering::Relaxed), HERE);
    });
}

/// Catches one that wakes before that is told.
#[test]
fn what_it_wakes_in_is_changed_on_its_own_stack() {
    loom::model(|| {
        let coroutine = Coroutine::parked();
        let monitor = thread::spawn({
            let coroutine = coroutine.clone();
            move || coroutine.look_twice()
        });
        coroutine.wake();
        coroutine.slide();
        coroutine.run(HERE - 8);
        monitor.join().expect("no panic");
    });
}
