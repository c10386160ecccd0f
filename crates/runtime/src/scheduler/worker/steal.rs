//! What a worker that has nothing to run takes from others: see the invariants of [`idle`](super::super::idle).

use super::{LONG_QUEUE, Loot, Worker};
use crate::coroutine::Coroutine;
use crate::deadlines;
use std::sync::atomic::Ordering;

/// How long a coroutine that has run must have waited before another worker may take it, in nanoseconds, at first. Those of a group that talk to each other wait
/// less, and lose more by being torn apart; moving one costs a microsecond or two of cache misses.
pub const STEAL_AFTER_NS: u64 = 10_000;
/// What was taken should keep the thief busy for so long, or for so long each when they were coroutines that had not started. If it does not, it comes from such
/// a group, and is woken again where the rest of it runs, or its parent had run it in place for less: then the thief is twice as patient the next time, up to
/// the limit.
const WORTH_STEALING_NS: u64 = 20_000;
const WORTH_STARTING_NS: u64 = 500;
const MAX_STEAL_AFTER_NS: u64 = 16 * STEAL_AFTER_NS;
/// A searcher looks around for so many times what it has patience for. It stays on its node but at the end of the last, so that searchers in large machines do not
/// fetch the queues of all workers again and again.
const SEARCH_WINDOWS: usize = 2;
/// Pauses between two looks.
const SEARCH_PAUSES: u32 = 32;

impl Worker {
    /// Looks for work in the other workers' queues.
    pub(super) fn search(&self) -> Option<*mut Coroutine> {
        let scheduler = self.scheduler();
        let is_searcher = !self.is_alone && scheduler.idle.start_searching();
        // SAFETY: on this worker's thread; not kept across calls.
        unsafe { self.own().has_searched = is_searcher };
        if !is_searcher {
            return None;
        }
        let found = (0..SEARCH_WINDOWS).find_map(|window| self.search_for_a_while(window));
        scheduler.idle.stop_searching();
        if found.is_some()
            && let Some(node) = scheduler.node_with_work_to_steal()
            && scheduler.idle.should_wake()
        {
            scheduler.wake_near(node);
        }
        found
    }

    /// Takes what need not have waited, for as long as the rest must have; then also that.
    fn search_for_a_while(&self, window: usize) -> Option<*mut Coroutine> {
        let rings = &self.home().rings;
        let is_last = window + 1 == SEARCH_WINDOWS;
        let reach = if is_last { rings.len() } else { 1 };
        self.mark_queues(&rings[..reach]);
        let start_ns = deadlines::now_ns();
        let patience_ns = self.patience_ns(start_ns);
        let takes_unstarted = patience_ns == STEAL_AFTER_NS;
        while deadlines::now_ns() < start_ns + patience_ns {
            let found = self
                .take_from_victim(&rings[..1], |victim| {
                    self.steal_ready(victim, takes_unstarted)
                })
                .or_else(|| self.take_injected_nearby());
            if found.is_some() {
                return found;
            }
            (0..SEARCH_PAUSES).for_each(|_| std::hint::spin_loop());
        }
        self.take_from_victim(&rings[..reach], |victim| self.steal_waiting(victim))
    }

    /// How long others may leave something waiting, for a worker that has just run out of what it has taken.
    fn patience_ns(&self, now_ns: u64) -> u64 {
        // SAFETY: on this worker's thread; not kept across calls.
        let own = unsafe { self.own() };
        if let Some(Loot { at_ns, worth_ns }) = own.loot.take() {
            own.steal_after_ns = if now_ns.saturating_sub(at_ns) < worth_ns {
                (own.steal_after_ns * 2).min(MAX_STEAL_AFTER_NS)
            } else {
                STEAL_AFTER_NS
            };
        }
        own.steal_after_ns
    }

    fn mark_queues(&self, rings: &[Box<[usize]>]) {
        // SAFETY: on this worker's thread; not kept across calls.
        let marks = unsafe { &mut self.own().marks };
        for &victim in rings.iter().flatten() {
            marks[victim] = self.scheduler().workers[victim].queue.mark();
        }
    }

    /// Takes from a worker that has more than it is likely to run at once.
    fn steal_ready(&self, victim: &Worker, takes_unstarted: bool) -> Option<*mut Coroutine> {
        if takes_unstarted && victim.unstarted.len() >= 2 {
            return self.steal_unstarted(victim);
        }
        if victim.queue.len() >= LONG_QUEUE {
            return victim.queue.steal_into(&self.queue);
        }
        None
    }

    /// Takes what waits since the queues were marked. A single coroutine that has not started is taken now too: it was left to its parent for a while.
    fn steal_waiting(&self, victim: &Worker) -> Option<*mut Coroutine> {
        // SAFETY: on this worker's thread; not kept across calls.
        let mark = unsafe { self.own().marks[victim.index] };
        self.steal_unstarted(victim).or_else(|| {
            let has_waited = victim.queue.holds_since(mark);
            let stolen = has_waited.then(|| victim.queue.steal_into(&self.queue))??;
            self.note_loot(WORTH_STEALING_NS);
            Some(stolen)
        })
    }

    fn note_loot(&self, worth_ns: u64) {
        let at_ns = deadlines::now_ns();
        // SAFETY: on this worker's thread; not kept across calls.
        unsafe { self.own().loot = Some(Loot { at_ns, worth_ns }) };
    }

    /// Half of those that have not started, the oldest to run.
    fn steal_unstarted(&self, victim: &Worker) -> Option<*mut Coroutine> {
        let oldest = victim.unstarted.steal_into(&self.unstarted)?;
        let count = 1 + self.unstarted.len() as u64;
        self.note_loot(count.min(WORTH_STEALING_NS / WORTH_STARTING_NS) * WORTH_STARTING_NS);
        self.start_coroutine(oldest)
            .or_else(|| self.pop_unstarted())
    }

    /// The first thing that `take` finds at another worker, ring by ring, in each from a random one on.
    fn take_from_victim(
        &self,
        rings: &[Box<[usize]>],
        take: impl Fn(&Worker) -> Option<*mut Coroutine>,
    ) -> Option<*mut Coroutine> {
        let workers = &self.scheduler().workers;
        rings.iter().enumerate().find_map(|(distance, ring)| {
            let start = self.random() as usize % ring.len();
            let (before, from_start) = ring.split_at(start);
            let victims = from_start.iter().chain(before);
            let stolen = victims
                .filter(|&&victim| victim != self.index)
                .find_map(|&victim| take(&workers[victim]).map(|stolen| (victim, stolen)));
            let (victim, stolen) = stolen?;
            workers[victim].was_robbed.store(true, Ordering::Relaxed);
            // SAFETY: on this worker's thread.
            let own = unsafe { self.own() };
            own.steals += 1;
            own.far_steals += u64::from(distance > 0);
            Some(stolen)
        })
    }

    fn random(&self) -> u64 {
        // SAFETY: on this worker's thread.
        let own = unsafe { self.own() };
        own.random ^= own.random << 13;
        own.random ^= own.random >> 7;
        own.random ^= own.random << 17;
        own.random
    }
}
