//! The monitor: a thread that looks after workers whose coroutine does not come back.
//!
//! It never runs coroutines, and sleeps while all workers do. Every tick it compares the workers' turn counters with those it saw before. A worker
//! still in the same turn has what it keeps from the others handed on, and after [`PATIENCE_TICKS`] its coroutine is asked to yield, again and
//! again until it does.

use super::Scheduler;
use super::worker::Worker;
use crate::deadlines;
use crate::value::print;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(5);
/// A coroutine may run this many ticks (10 ms) before it is preempted.
const PATIENCE_TICKS: u32 = 2;

/// Starts the monitor; it ends when the bell rings.
pub fn start(scheduler: &'static Scheduler) -> JoinHandle<()> {
    std::thread::Builder::new()
        .name("echo-monitor".into())
        .stack_size(128 << 10)
        .spawn(move || watch(scheduler))
        .unwrap_or_else(|error| {
            crate::unwind::fatal(&format!("cannot start the monitor thread: {error}"))
        })
}

/// How the monitor is told to end, and to begin again after it has slept because all workers do.
#[derive(Default)]
pub struct Bell {
    /// Set at the end of the program. Held by the monitor except while it waits.
    over: Mutex<bool>,
    ring: Condvar,
    /// The monitor waits for a worker to wake. Set while the lock is held.
    sleeps: AtomicBool,
}

impl Bell {
    /// The program is over.
    pub fn stop(&self) {
        *self.lock() = true;
        self.ring.notify_all();
    }

    /// A worker has stopped sleeping.
    #[inline]
    pub fn rouse(&self) {
        if self.sleeps.load(Ordering::SeqCst) && self.sleeps.swap(false, Ordering::SeqCst) {
            // With the lock the monitor is certain to wait already.
            let over = self.lock();
            self.ring.notify_all();
            drop(over);
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn watch(scheduler: &'static Scheduler) {
    let mut seen = vec![(0u64, 0u32); scheduler.workers.len()];
    let all_asleep = || scheduler.idle.all_asleep();
    let bell = &scheduler.monitor_bell;
    let mut over = bell.lock();
    while !*over {
        if all_asleep() {
            bell.sleeps.store(true, Ordering::SeqCst);
            // A worker that left the list before it could see the flag is seen here.
            if all_asleep() {
                over = bell.ring.wait(over).unwrap_or_else(PoisonError::into_inner);
            }
            bell.sleeps.store(false, Ordering::SeqCst);
            continue;
        }
        let woken = bell.ring.wait_timeout(over, TICK);
        over = woken.unwrap_or_else(PoisonError::into_inner).0;
        if !all_asleep() {
            look(scheduler, &mut seen);
            print::flush_pending();
        }
    }
}

/// Hands on what a stuck worker would run next. The list of sleepers is locked meanwhile: between its two places the coroutine is in no queue,
/// and the worker may come back, find nothing to do and take that for the end of the program.
fn hand_on_stranded(scheduler: &Scheduler, worker: &Worker) {
    let sleepers = scheduler.idle.lock();
    if let Some(coroutine) = worker.take_stranded() {
        scheduler.nodes[worker.node].injector.push_all(&[coroutine]);
    }
    drop(sleepers);
}

fn look(scheduler: &Scheduler, seen: &mut [(u64, u32)]) {
    for (worker, (turn, ticks)) in scheduler.workers.iter().zip(seen) {
        let now = worker.turn();
        if now % 2 == 0 || now != *turn {
            (*turn, *ticks) = (now, 0);
            continue;
        }
        *ticks += 1;
        hand_on_stranded(scheduler, worker);
        if *ticks >= PATIENCE_TICKS {
            scheduler.preemptions.fetch_add(1, Ordering::Relaxed);
            worker.request_preemption();
        }
    }
    let overdue = deadlines::next_ns() <= deadlines::now_ns();
    if overdue {
        scheduler.timers_due.store(true, Ordering::Relaxed);
    }
    if overdue {
        scheduler.wake_near(0);
    } else if let Some(node) = scheduler.node_with_work()
        && scheduler.idle.should_wake()
    {
        scheduler.wake_near(node);
    }
}
