//! The monitor: a thread that looks after workers whose coroutine does not come back.
//!
//! It never runs coroutines and holds no locks while it naps. Every tick it compares the workers' turn counters with those it saw before. A worker
//! still in the same turn has what it keeps from the others handed on, and after [`PATIENCE_TICKS`] its coroutine is asked to yield, again and
//! again until it does.

use super::Scheduler;
use super::worker::Worker;
use crate::deadlines;
use crate::value::print;
use std::sync::atomic::Ordering;
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

fn watch(scheduler: &'static Scheduler) {
    let mut seen = vec![(0u64, 0u32); scheduler.workers.len()];
    let (bell, ring) = &scheduler.monitor_bell;
    let mut over = bell.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    while !*over {
        over = ring
            .wait_timeout(over, TICK)
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .0;
        if scheduler.idle.sleeping.load(Ordering::SeqCst) < scheduler.workers.len() {
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
        scheduler.injector.push_all(&[coroutine]);
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
    if overdue || scheduler.has_work() && scheduler.idle.should_wake() {
        scheduler.wake_one();
    }
}
