//! Falling asleep: no wake-up is lost between a worker's last look and its sleep, and the end of the program is found, once, and not too early.

#![cfg(loom)]

use echo_runtime_loom::door::{AtomicBool, AtomicUsize, Ordering};
use echo_runtime_loom::parties::model;
use echo_runtime_loom::scheduler::idle::{Idle, Parker, Rest};
use loom::sync::Arc;
use loom::thread;

/// A scheduler with an injector that is a number, and workers on one node.
struct Program {
    idle: Idle,
    parkers: [Parker; 2],
    injected: AtomicUsize,
    external: AtomicUsize,
    done: AtomicUsize,
    ends: AtomicUsize,
    stopping: AtomicBool,
}

impl Program {
    fn new(workers: usize, external: usize) -> Arc<Program> {
        Arc::new(Program {
            idle: Idle::new(&[workers], workers),
            parkers: [(); 2].map(|()| Parker::new()),
            injected: AtomicUsize::new(0),
            external: AtomicUsize::new(external),
            done: AtomicUsize::new(0),
            ends: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        })
    }

    fn wake_one(&self) {
        if let Some(worker) = self.idle.take_one(&[0]) {
            self.parkers[worker].notify();
        }
    }

    /// As another thread does.
    fn inject(&self) {
        self.injected.fetch_add(1, Ordering::SeqCst);
        self.wake_one();
    }

    /// The thread has announced it.
    fn external_end(&self) {
        if self.external.fetch_sub(1, Ordering::SeqCst) == 1 && self.idle.all_asleep() {
            self.wake_one();
        }
    }

    fn take(&self) -> bool {
        let take = |count: usize| count.checked_sub(1);
        self.injected
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_ok()
    }

    /// A worker's life.
    fn work(&self, worker: usize) {
        while !self.stopping.load(Ordering::SeqCst) {
            if self.take() {
                self.done.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            let injected = || self.injected.load(Ordering::SeqCst) > 0;
            let has_work = || injected() || self.stopping.load(Ordering::SeqCst);
            let nothing_is_left = || self.external.load(Ordering::SeqCst) == 0 && !injected();
            match self.idle.lie_down(worker, has_work, nothing_is_left) {
                Rest::GetUp => {}
                Rest::Sleep => {
                    self.parkers[worker].park(None);
                    self.idle.leave(worker);
                }
                Rest::Over => {
                    self.ends.fetch_add(1, Ordering::SeqCst);
                    self.stopping.store(true, Ordering::SeqCst);
                    self.parkers.iter().for_each(Parker::notify);
                }
            }
        }
    }

    fn assert_over(&self, done: usize) {
        assert_eq!(self.ends.load(Ordering::SeqCst), 1);
        assert_eq!(self.done.load(Ordering::SeqCst), done);
    }
}

/// Catches a worker that does not look again after it has entered the list, a waker that looks at the list before the work is there, orders
/// weaker than sequentially consistent on either side, an end that is found while an operation is pending, and an end of the last operation that
/// wakes nobody. It did find an end that was found twice: by a worker that had entered the list last, and by one that was woken, found nothing and
/// entered it again, before the first one had left it.
#[test]
fn work_from_outside_is_done_before_the_end_is_found() {
    model(2, || {
        let program = Program::new(2, 1);
        let workers = [0, 1].map(|worker| {
            let program = program.clone();
            thread::spawn(move || program.work(worker))
        });
        program.inject();
        program.external_end();
        for worker in workers {
            worker.join().expect("no panic");
        }
        program.assert_over(1);
    });
}

/// The thread says no other word until its work is done. Catches a waker that looks at the list in an order that is weaker than sequentially consistent.
#[test]
fn work_from_outside_needs_no_second_wake_up() {
    model(2, || {
        let program = Program::new(1, 1);
        let worker = {
            let program = program.clone();
            thread::spawn(move || program.work(0))
        };
        program.inject();
        while program.done.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        program.external_end();
        worker.join().expect("no panic");
        program.assert_over(1);
    });
}

/// Catches an end that is found by both workers, or by none.
#[test]
fn of_two_workers_one_finds_the_end() {
    model(3, || {
        let program = Program::new(2, 0);
        let other = {
            let program = program.clone();
            thread::spawn(move || program.work(0))
        };
        program.work(1);
        other.join().expect("no panic");
        program.assert_over(0);
    });
}
