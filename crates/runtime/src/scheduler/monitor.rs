//! The monitor: a thread that looks after workers whose coroutine does not come back.
//!
//! It never runs coroutines, and sleeps while all workers do. Every tick it compares the workers' turn counters with those it saw before. A worker
//! that is in the same turn for [`TICK`] has what it keeps from the others handed on, and its coroutine is asked to yield, again and again until it does, when it
//! has computed for [`PATIENCE`] since it was first seen: within two ticks, if the system lets the thread run. When nobody waits for it, it has longer.
//!
//! While no sleeper keeps the time of the next timer, nobody else looks at the clock: then the monitor looks when that is due, whoever adds one that is due long before that
//! rings, and when one is overdue, whatever runs since the look before is asked to yield.
//!
//! What yields to that and has computed waits until nobody else does (see the fairness of `scheduler`), or until the monitor finds that a worker has run none of that
//! kind for [`PREEMPTED_PATIENCE`].
//!
//! Once a second it gives free memory back to the system, and what parked coroutines do not use of their stacks, and has the workers that have run something do so with what they
//! recycle, until there is none; then it sleeps for good.

use super::Scheduler;
use super::worker::Worker;
use crate::deadlines;
use crate::door;
use crate::memory;
use crate::os_thread::{self, OsThread};
use crate::sanitize::sync::{Condvar, Mutex, MutexGuard};
use crate::stack;
use crate::unwind::fatal;
use crate::value::print;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

/// Memory that was not used for so long is given back to the system.
const TRIM_PERIOD: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(5);
/// The time it wants of a processor at once, which is little, so that the system lets it run at once where workers compute on all of them: with the usual slice it may have
/// to wait for the next tick of the system's clock (4 ms).
const SLICE: Duration = Duration::from_micros(100);
/// The tick where timers of short duration are likely: after one was overdue, and when workers begin to wake. It spares those who add them a ring.
const TIMER_TICK: Duration = Duration::from_millis(1);
/// The shortest tick, as each may cost every worker a turn: how late timers may be, roughly.
const LEAST_TICK: Duration = Duration::from_micros(500);
/// CPU time that a coroutine may be seen to take while others wait: a little less than one tick, and than two while nobody waits.
const PATIENCE: Duration = Duration::from_millis(4);
const LONE_PATIENCE: Duration = Duration::from_millis(9);
/// CPU time that shows that a coroutine computes, if it is not known yet.
const OVERLONG: Duration = Duration::from_micros(250);
/// How long a worker may prefer others while preempted coroutines wait: as long as one of those runs, so that they have about half of its time.
const PREEMPTED_PATIENCE: Duration = Duration::from_millis(10);

/// Starts the monitor; it ends when the bell rings.
pub fn start(scheduler: &'static Scheduler) -> OsThread {
    // Whatever it needs is allocated here, where there still is some memory.
    let mut seen = vec![Seen::default(); scheduler.workers.len()];
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
    /// When the monitor looks next, while it waits for that; 0 otherwise. Set while the lock is held.
    looks_at_ns: AtomicU64,
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

    /// A timer was added, after which whoever did so may compute for long.
    #[inline]
    pub fn expect_timer(&self, deadline_ns: u64) {
        let late_ns = deadline_ns.saturating_add(LEAST_TICK.as_nanos() as u64);
        if late_ns < self.looks_at_ns.load(Ordering::SeqCst) {
            self.hasten();
        }
    }

    /// Has the monitor look again at when it is to look.
    #[cold]
    fn hasten(&self) {
        if self.looks_at_ns.swap(0, Ordering::SeqCst) != 0 {
            // As above.
            let over = self.lock();
            self.ring.notify_all();
            drop(over);
        }
    }

    /// Waits for a ring, or for the time that `tick` tells, at most [`TICK`]. A timer that `tick` does not see yet is added by somebody who sees
    /// that the monitor waits: both do so in sequentially consistent order.
    fn wait_for_tick<'a>(
        &self,
        over: MutexGuard<'a, bool>,
        tick: impl FnOnce(u64) -> Duration,
    ) -> MutexGuard<'a, bool> {
        let now_ns = deadlines::now_ns();
        let looks_at_ns = |tick: Duration| now_ns + tick.as_nanos() as u64;
        self.looks_at_ns.store(looks_at_ns(TICK), Ordering::SeqCst);
        let tick = tick(now_ns);
        self.looks_at_ns
            .fetch_min(looks_at_ns(tick), Ordering::SeqCst);
        let over = self.wait(over, Some(tick));
        self.looks_at_ns.store(0, Ordering::SeqCst);
        over
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
fn trim(scheduler: &Scheduler, seen: &mut [Seen]) -> bool {
    let mut more = false;
    memory::set_scarce(false);
    for (worker, seen) in scheduler.workers.iter().zip(&mut *seen) {
        let turn = worker.turn();
        if turn != seen.trimmed_turn {
            seen.trimmed_turn = turn;
            worker.expect_trim();
            more = true;
        }
    }
    let mut attend = attend(scheduler, seen);
    more |= stack::trim(&mut attend) | memory::trim(&mut attend);
    drop(attend);
    more | shrink(scheduler, seen)
}

/// Gives back what parked coroutines do not use of their stacks; whether there may be more. Not before the turns are over that ran after the last look: see
/// [`parked`](crate::parked).
fn shrink(scheduler: &Scheduler, seen: &mut [Seen]) -> bool {
    if !door::has_heavy_fence() {
        return false;
    }
    let mut turns = scheduler.workers.iter().zip(&*seen);
    if turns.any(|(worker, seen)| is_running(seen.looked_turn) && worker.turn() == seen.looked_turn)
    {
        return true;
    }
    fence(Ordering::Acquire);
    let more = stack::shrink(&mut attend(scheduler, seen));
    door::heavy_fence();
    for (worker, seen) in scheduler.workers.iter().zip(seen) {
        seen.looked_turn = worker.turn();
    }
    more
}

/// Looks at the workers after each tick of something that takes longer.
fn attend(scheduler: &Scheduler, seen: &mut [Seen]) -> impl FnMut() {
    let mut looked_at = Instant::now();
    move || {
        if looked_at.elapsed() < TICK {
            return;
        }
        looked_at = Instant::now();
        let over = scheduler.monitor_bell.lock();
        if !*over {
            look_if_awake(scheduler, seen);
        }
    }
}

/// Whether a coroutine runs in a turn.
fn is_running(turn: u64) -> bool {
    turn % 2 == 1
}

fn watch(scheduler: &'static Scheduler, seen: &mut [Seen]) {
    os_thread::ask_for_slice(SLICE);
    let all_asleep = || scheduler.idle.all_asleep();
    let bell = &scheduler.monitor_bell;
    let mut over = bell.lock();
    let mut trim_at = Instant::now() + TRIM_PERIOD;
    let mut may_trim = true;
    let mut expects_timer = false;
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
            expects_timer = true;
            continue;
        }
        may_trim = true;
        over = bell.wait_for_tick(over, |now_ns| tick(scheduler, expects_timer, now_ns));
        expects_timer = look_if_awake(scheduler, seen);
    }
}

/// Whether a timer was overdue.
fn look_if_awake(scheduler: &Scheduler, seen: &mut [Seen]) -> bool {
    if scheduler.idle.all_asleep() {
        return false;
    }
    let overdue = look(scheduler, seen);
    print::flush_pending();
    overdue
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

/// Time until the next look.
fn tick(scheduler: &Scheduler, expects_timer: bool, now_ns: u64) -> Duration {
    let longest = if expects_timer { TIMER_TICK } else { TICK };
    let next_ns = deadlines::next_ns();
    if scheduler.idle.wake_at_ns.load(Ordering::SeqCst) <= next_ns {
        return longest;
    }
    let left = Duration::from_nanos(next_ns.saturating_sub(now_ns));
    left.clamp(LEAST_TICK, longest)
}

/// What the monitor has seen of a worker.
#[derive(Clone, Default)]
struct Seen {
    /// Its turn, since when, and the CPU time of its thread then, if a coroutine runs.
    turn: u64,
    since_ns: u64,
    since_cpu: Duration,
    /// The last turn of a coroutine that had been preempted, and when it was last seen, or none waited for one.
    preempted_turn: u64,
    content_ns: u64,
    /// The turn in which it was last asked to give free memory back.
    trimmed_turn: u64,
    /// Its turn after the last look at the stacks of parked coroutines.
    looked_turn: u64,
}

impl Seen {
    /// How long the worker has been in the turn of a coroutine, as far as was seen.
    fn runs_for(&mut self, worker: &Worker, turn: u64, now_ns: u64) -> Option<Duration> {
        let is_running = is_running(turn);
        if !is_running || turn != self.turn {
            (self.turn, self.since_ns) = (turn, now_ns);
            if is_running {
                self.since_cpu = worker.cpu_time();
            }
            return None;
        }
        Some(Duration::from_nanos(now_ns - self.since_ns))
    }

    /// CPU time the worker has taken in this turn.
    fn computes_for(&self, worker: &Worker) -> Duration {
        worker.cpu_time().saturating_sub(self.since_cpu)
    }

    /// Whether preempted coroutines have waited here for long enough.
    fn owes_preempted(&mut self, worker: &Worker, any_wait: bool, now_ns: u64) -> bool {
        let turn = worker.preempted_turn();
        if !any_wait || turn == worker.turn() || turn != self.preempted_turn {
            (self.preempted_turn, self.content_ns) = (turn, now_ns);
        }
        Duration::from_nanos(now_ns - self.content_ns) >= PREEMPTED_PATIENCE
    }
}

/// Whether a timer was overdue.
fn look(scheduler: &Scheduler, seen: &mut [Seen]) -> bool {
    let now_ns = deadlines::now_ns();
    let overdue = deadlines::next_ns() <= now_ns;
    let any_preempted = scheduler.nodes.any_preempted();
    for (worker, seen) in scheduler.workers.iter().zip(seen) {
        if overdue {
            worker.expect_timers();
        }
        if seen.owes_preempted(worker, any_preempted, now_ns) {
            worker.expect_preempted();
        }
        let turn = worker.turn();
        let Some(runs_for) = seen.runs_for(worker, turn, now_ns) else {
            continue;
        };
        if runs_for >= TICK {
            hand_on_stranded(scheduler, worker);
        }
        let computes_for = seen.computes_for(worker);
        let has_waiters = worker.has_spare_work() || scheduler.nodes.with_shared_work().is_some();
        let patience = if has_waiters { PATIENCE } else { LONE_PATIENCE };
        if overdue || computes_for >= patience {
            if computes_for >= OVERLONG || turn == worker.preempted_turn() {
                worker.call_overlong(turn);
            }
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
    overdue
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_timer_due_before_the_next_look_ends_the_wait() {
        const HOUR: Duration = Duration::from_secs(3600);
        let bell = Bell::default();
        thread::scope(|scope| {
            let over = bell.lock();
            scope.spawn(|| {
                while bell.looks_at_ns.load(Ordering::SeqCst) == 0 {
                    thread::yield_now();
                }
                bell.expect_timer(deadlines::NEVER);
                assert_ne!(bell.looks_at_ns.load(Ordering::SeqCst), 0);
                bell.expect_timer(0);
            });
            drop(bell.wait_for_tick(over, |_| HOUR));
        });
        assert_eq!(bell.looks_at_ns.load(Ordering::SeqCst), 0);
    }
}
