//! The monitor: a thread that looks after workers whose coroutine does not come back.
//!
//! It never runs coroutines, and sleeps while all workers do. Every tick it compares the workers' turn counters with those it saw before. A worker
//! that is in the same turn for [`TICK`] has what it keeps from the others handed on, and its coroutine is asked to yield, again and again until it does, when it
//! has run for [`PATIENCE`] after it was first seen: at most twice that after it began. When nobody waits for it, it has longer.
//!
//! While no worker sleeps, nobody else looks at the clock: then the monitor ticks faster as long as there are timers, and when one is overdue, whatever runs since the
//! tick before is asked to yield.
//!
//! Once a second it gives free memory back to the system, until there is none; then it sleeps for good.

use super::Scheduler;
use super::worker::Worker;
use crate::deadlines;
use crate::memory;
use crate::os_thread::OsThread;
use crate::stack;
use crate::unwind::fatal;
use crate::value::print;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Memory that was not used for so long is given back to the system.
const TRIM_PERIOD: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(5);
/// The tick while all workers are busy and there are timers: how late these may be, roughly.
const TIMER_TICK: Duration = Duration::from_millis(1);
/// How long a coroutine may be seen running while others wait.
const PATIENCE: Duration = Duration::from_millis(5);
/// The same while nobody waits.
const LONE_PATIENCE: Duration = Duration::from_millis(10);

/// Starts the monitor; it ends when the bell rings.
pub fn start(scheduler: &'static Scheduler) -> OsThread {
    // Whatever it needs is allocated here, where there still is some memory.
    let mut seen = vec![(0, 0); scheduler.workers.len()];
    OsThread::start(c"echo-monitor".into(), 128 << 10, move || {
        watch(scheduler, &mut seen)
    })
    .unwrap_or_else(|error| fatal(&format!("cannot start the monitor thread: {error}")))
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

    /// Waits for a ring, or until the time is up.
    fn wait<'a>(
        &self,
        over: MutexGuard<'a, bool>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, bool> {
        match timeout {
            None => self.ring.wait(over).unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                let woken = self.ring.wait_timeout(over, time);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives free memory back to the system; whether there may be more. It can take longer than a tick, so the workers are looked at meanwhile.
fn trim(scheduler: &Scheduler, seen: &mut [(u64, u64)]) -> bool {
    let mut looked_at = Instant::now();
    let mut attend = || {
        if looked_at.elapsed() < TICK {
            return;
        }
        looked_at = Instant::now();
        let over = scheduler.monitor_bell.lock();
        if !*over {
            look_if_awake(scheduler, seen);
        }
    };
    stack::trim(&mut attend) | memory::trim(&mut attend)
}

fn watch(scheduler: &'static Scheduler, seen: &mut [(u64, u64)]) {
    let all_asleep = || scheduler.idle.all_asleep();
    let bell = &scheduler.monitor_bell;
    let mut over = bell.lock();
    let mut trim_at = Instant::now() + TRIM_PERIOD;
    let mut may_trim = true;
    while !*over {
        if may_trim && Instant::now() >= trim_at {
            // Without the lock: it takes a while, and workers that wake must not wait for it.
            drop(over);
            may_trim = trim(scheduler, seen);
            trim_at = Instant::now() + TRIM_PERIOD;
            over = bell.lock();
            continue;
        }
        if all_asleep() {
            bell.sleeps.store(true, Ordering::SeqCst);
            // A worker that left the list before it could see the flag is seen here.
            if all_asleep() {
                over = bell.wait(over, may_trim.then_some(TRIM_PERIOD));
            }
            bell.sleeps.store(false, Ordering::SeqCst);
            may_trim |= !all_asleep();
            continue;
        }
        may_trim = true;
        over = bell.wait(over, Some(tick(scheduler)));
        look_if_awake(scheduler, seen);
    }
}

fn look_if_awake(scheduler: &Scheduler, seen: &mut [(u64, u64)]) {
    if !scheduler.idle.all_asleep() {
        look(scheduler, seen);
        print::flush_pending();
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

fn tick(scheduler: &Scheduler) -> Duration {
    let is_anyone_asleep = scheduler.idle.sleeping.load(Ordering::SeqCst) != 0;
    if is_anyone_asleep || deadlines::next_ns() == deadlines::NEVER {
        TICK
    } else {
        TIMER_TICK
    }
}

/// `seen` holds the turn of each worker, and when it was first seen.
fn look(scheduler: &Scheduler, seen: &mut [(u64, u64)]) {
    let now_ns = deadlines::now_ns();
    let overdue = deadlines::next_ns() <= now_ns;
    if overdue {
        scheduler.timers_due.store(true, Ordering::Relaxed);
    }
    for (worker, (turn, since_ns)) in scheduler.workers.iter().zip(seen) {
        let now = worker.turn();
        if now % 2 == 0 || now != *turn {
            (*turn, *since_ns) = (now, now_ns);
            continue;
        }
        let runs_for = Duration::from_nanos(now_ns - *since_ns);
        if runs_for >= TICK {
            hand_on_stranded(scheduler, worker);
        }
        let has_waiters = worker.has_spare_work() || scheduler.nodes.with_injected().is_some();
        let patience = if has_waiters { PATIENCE } else { LONE_PATIENCE };
        if overdue || runs_for >= patience {
            scheduler.preemptions.fetch_add(1, Ordering::Relaxed);
            worker.request_preemption();
        }
    }
    if overdue {
        scheduler.wake_near(0);
    } else if let Some(node) = scheduler.node_with_work()
        && scheduler.idle.should_wake()
    {
        scheduler.wake_near(node);
    }
}
