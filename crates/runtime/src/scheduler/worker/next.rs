//! What a worker runs next: see the fairness of [`scheduler`](crate::scheduler).

use super::{
    DUE_END, DUE_FREE, DUE_PREEMPTED, DUE_TIMERS, DUE_TRIM, FAIRNESS_PERIOD, MAX_STREAK,
    SPAWN_AHEAD, SPAWN_STEP, Worker,
};
use crate::arch;
use crate::coroutine::Coroutine;
use crate::deadlines;
use std::ptr;
use std::sync::atomic::Ordering;

/// After so many of these periods the injectors of other nodes have their turn. The same for their preempted coroutines, when these are due.
const FOREIGN_PERIOD: u64 = 8;
/// Coroutines taken from the injector at a time.
const INJECTOR_BATCH: usize = 32;
/// Coroutines at most that have not started and run before the queue has its turn, which the one that yields is in.
const GUESTS: usize = 256;

impl Worker {
    /// What to run now.
    #[inline]
    pub(super) fn next(&self) -> Option<*mut Coroutine> {
        // SAFETY: on this worker's thread; not kept across calls.
        let (is_fair_turn, streak) = unsafe {
            let own = self.own();
            (self.turn() > own.fair_turn, own.streak)
        };
        if self.due.load(Ordering::Relaxed) != 0
            && let Some(coroutine) = self.next_due()
        {
            return Some(coroutine);
        }
        if is_fair_turn && let Some(coroutine) = self.next_in_fairness() {
            return Some(coroutine);
        }
        if streak < MAX_STREAK
            && let Some(coroutine) = self.take_next()
        {
            self.set_streak(streak + 1);
            return Some(coroutine);
        }
        self.set_streak(0);
        self.next_queued()
            .or_else(|| self.take_next())
            .or_else(|| self.next_from_elsewhere())
    }

    /// Does what is due; a preempted coroutine if that is.
    #[cold]
    fn next_due(&self) -> Option<*mut Coroutine> {
        let due = self.due.fetch_and(DUE_END | DUE_FREE, Ordering::Relaxed);
        if due & DUE_TIMERS != 0 {
            self.expire_timers();
        }
        if due & DUE_TRIM != 0 {
            // SAFETY: on this worker's thread; not kept across calls.
            unsafe { self.own().cache.trim() };
        }
        if due & DUE_FREE != 0 {
            self.give_free();
        }
        if due & DUE_PREEMPTED == 0 {
            return None;
        }
        // SAFETY: on this worker's thread; not kept across calls.
        let count = unsafe {
            let own = self.own();
            own.preempted_due += 1;
            own.preempted_due
        };
        if !count.is_multiple_of(FOREIGN_PERIOD) {
            return self.take_preempted_nearby();
        }
        let nodes = self.scheduler().nodes.len();
        let start = (count / FOREIGN_PERIOD) as usize;
        (start..start + nodes).find_map(|node| self.take_preempted(node % nodes))
    }

    /// What else might wait for ever: timers, and the oldest of the injector and of those that have not started, in turn.
    fn next_in_fairness(&self) -> Option<*mut Coroutine> {
        self.expire_timers();
        // SAFETY: on this worker's thread; not kept across calls.
        let turn = unsafe {
            let own = self.own();
            own.fair_turn = self.turn() + 2 * FAIRNESS_PERIOD - 1;
            own.fair_turns += 1;
            own.fair_turns
        };
        if turn.is_multiple_of(2) {
            self.take_injected_in_turn(turn)
                .or_else(|| self.pop_oldest())
        } else {
            self.pop_oldest()
                .or_else(|| self.take_injected_in_turn(turn))
        }
    }

    /// From the queue and the deque in turn, after the guests.
    #[inline]
    fn next_queued(&self) -> Option<*mut Coroutine> {
        // SAFETY: on this worker's thread; not kept across calls.
        let (guests, owed_to_queue) = unsafe {
            let own = self.own();
            (own.guests, own.owed_to_queue)
        };
        if guests > 0
            && let Some(guest) = self.next_guest()
        {
            return Some(guest);
        }
        if owed_to_queue > 0
            && let Some(queued) = self.pop_in_turn()
        {
            return Some(queued);
        }
        let started = self.pop_unstarted();
        if started.is_some() {
            // SAFETY: as above.
            unsafe { self.own().owed_to_queue = 1 };
            return started;
        }
        self.pop_in_turn()
    }

    #[inline]
    fn pop_in_turn(&self) -> Option<*mut Coroutine> {
        let popped = self.pop();
        // SAFETY: on this worker's thread; not kept across calls.
        let own = unsafe { self.own() };
        own.may_invite = true;
        own.owed_to_queue = match popped {
            Some(_) => own.owed_to_queue.saturating_sub(1),
            None => 0,
        };
        popped
    }

    /// What runs in that turn yields: some of what it has spawned has waited longer. Guests may yield, too: before they invite others, the queue has as many turns as guests
    /// had. Of those that a restrained spawner waits for, twice as many run as it may spawn in a turn.
    pub(super) fn invite_guests(&self, turn: u64) {
        let len = self.unstarted.len();
        // SAFETY: on this worker's thread; not kept across calls.
        let own = unsafe { self.own() };
        let is_restrained = own.restrained_turn == turn;
        let guests = len.min(if is_restrained {
            2 * SPAWN_STEP
        } else {
            GUESTS
        });
        if is_restrained {
            own.spawn_limit = SPAWN_AHEAD.max(len - guests);
        }
        let may_invite = if is_restrained {
            own.may_invite
        } else {
            own.owed_to_queue == 0
        };
        if may_invite || self.queue.is_empty() {
            own.may_invite = false;
            own.guests_are_newest = is_restrained;
            own.guests = guests;
        }
    }

    #[inline(never)]
    fn next_guest(&self) -> Option<*mut Coroutine> {
        // SAFETY: on this worker's thread; not kept across calls.
        let own = unsafe { self.own() };
        let guest = if own.guests_are_newest {
            self.pop_unstarted()
        } else {
            own.owed_to_queue += 1;
            self.pop_oldest()
        };
        // SAFETY: as above.
        let own = unsafe { self.own() };
        own.guests = if guest.is_some() { own.guests - 1 } else { 0 };
        guest
    }

    fn pop_oldest(&self) -> Option<*mut Coroutine> {
        let mut oldest = [ptr::null_mut()];
        while self.unstarted.take_oldest(&mut oldest) == 1 {
            let started = self.start_coroutine(oldest[0]);
            if started.is_some() {
                return started;
            }
        }
        None
    }

    fn set_streak(&self, streak: u32) {
        // SAFETY: on this worker's thread.
        unsafe { self.own().streak = streak };
    }

    fn next_from_elsewhere(&self) -> Option<*mut Coroutine> {
        if let Some(coroutine) = self.take_injected_nearby() {
            return Some(coroutine);
        }
        if self.expire_timers() {
            return self.take_next().or_else(|| self.next_queued());
        }
        self.search().or_else(|| self.take_preempted_nearby())
    }

    #[inline]
    pub(super) fn take_next(&self) -> Option<*mut Coroutine> {
        let coroutine = self.run_next.load(Ordering::Relaxed);
        if coroutine.is_null() {
            return None;
        }
        if self.is_alone {
            self.run_next.store(ptr::null_mut(), Ordering::Relaxed);
            return Some(coroutine);
        }
        self.take_run_next(coroutine)
    }

    /// Empties `run_next` if it holds `coroutine`.
    fn take_run_next(&self, coroutine: *mut Coroutine) -> Option<*mut Coroutine> {
        let taken = self.run_next.compare_exchange(
            coroutine,
            ptr::null_mut(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        taken.ok()
    }

    /// One from the injector of this node; now and then from any.
    fn take_injected_in_turn(&self, turn: u64) -> Option<*mut Coroutine> {
        let nodes = self.scheduler().nodes.len();
        let own_turn = nodes == 1 || !turn.is_multiple_of(FOREIGN_PERIOD);
        if own_turn {
            return self.take_injected(self.node, 1);
        }
        let start = (turn / FOREIGN_PERIOD) as usize;
        (start..start + nodes).find_map(|node| self.take_injected(node % nodes, 1))
    }

    /// What [`take_injected`](Self::take_injected) finds, on the nearest node that has something.
    pub(super) fn take_injected_nearby(&self) -> Option<*mut Coroutine> {
        let mut nodes = self.home().near_to_far.iter();
        nodes.find_map(|&node| self.take_injected(node, INJECTOR_BATCH))
    }

    /// Takes up to `batch` (and a fair share) from the injector of a node; one to run, the rest goes to the queue, which has room when `batch > 1`.
    fn take_injected(&self, node: usize, batch: usize) -> Option<*mut Coroutine> {
        let scheduler = self.scheduler();
        let from = &scheduler.nodes[node];
        let len = from.injector.len();
        if len == 0 {
            return None;
        }
        let mut taken = [ptr::null_mut(); INJECTOR_BATCH];
        let share = (len / from.workers.len() + 1).min(batch);
        let count = from.injector.take(&mut taken[..share]);
        let (&first, rest) = taken[..count].split_first()?;
        // What went through the injector has waited for long.
        rest.iter()
            .for_each(|&coroutine| arch::prefetch_block(coroutine));
        for &coroutine in rest {
            arch::prefetch_stack(coroutine);
            self.push(coroutine);
        }
        if from.injector.len() > 0 && scheduler.idle.should_wake() {
            scheduler.wake_near(node);
        }
        Some(first)
    }

    /// A preempted coroutine of the nearest node that has one.
    pub(super) fn take_preempted_nearby(&self) -> Option<*mut Coroutine> {
        let mut nodes = self.home().near_to_far.iter();
        nodes.find_map(|&node| self.take_preempted(node))
    }

    fn take_preempted(&self, node: usize) -> Option<*mut Coroutine> {
        let scheduler = self.scheduler();
        let from = &scheduler.nodes[node].preempted;
        let mut taken = [ptr::null_mut()];
        if from.take(&mut taken) == 0 {
            return None;
        }
        self.preempted_turn
            .store(self.turn() + 1, Ordering::Relaxed);
        if from.len() > 0 && scheduler.idle.should_wake() {
            scheduler.wake_near(node);
        }
        Some(taken[0])
    }

    /// A coroutine that computes for long waits behind those that do not.
    #[cold]
    pub(super) fn put_preempted(&self, coroutine: *mut Coroutine) {
        let scheduler = self.scheduler();
        self.home().preempted.push_all(&[coroutine]);
        // A sleeper takes it only if this worker will not.
        let is_busy = !self.has_nothing_next() || self.has_spare_work();
        if is_busy && scheduler.idle.should_wake() {
            scheduler.wake_near(self.node);
        }
    }

    /// Runs the timers that are due; whether there were any.
    fn expire_timers(&self) -> bool {
        deadlines::next_ns() != deadlines::NEVER && deadlines::expire(deadlines::now_ns())
    }
}
