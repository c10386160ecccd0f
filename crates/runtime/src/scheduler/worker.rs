//! One worker: a thread that runs coroutines.

use super::idle::Parker;
use super::node::Node;
use super::queue::{CAPACITY, Queue};
use super::{NEXT_ID, Quiescent, Scheduler, Stats, end_coroutine};
use crate::arch::{self, Reason};
use crate::coroutine::{Coroutine, Ended, State};
use crate::deadlines;
use crate::failure::Failure;
use crate::in_place;
use crate::lock::SpinMutex;
use crate::memory;
use crate::stack::Cache;
use crate::unwind::fatal;
use crate::value::print;
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Turns in a row that `run_next` may take before the queue has one.
pub const MAX_STREAK: u32 = 32;
/// Every so many turns the timers and the injector are looked at before the worker's own queue. A prime, so that no pattern of the
/// program keeps step with it.
const FAIRNESS_PERIOD: u64 = 61;
/// After so many of these periods the injectors of other nodes have their turn.
const FOREIGN_PERIOD: u64 = 8;
/// Rounds over the victims before a searcher gives up; the first ones stay on its node.
const SEARCH_ROUNDS: u32 = 4;
const NEAR_ROUNDS: u32 = 2;
/// Ids a worker takes at a time.
const ID_BLOCK: u64 = 64;
/// Coroutines taken from the injector at a time.
const INJECTOR_BATCH: usize = 32;
/// Stack of a worker's thread: runtime functions run there.
const THREAD_STACK_BYTES: usize = 2 << 20;

/// Shared part first; `own` belongs to the worker's thread.
#[repr(align(128))]
pub struct Worker {
    pub index: usize,
    /// Index of its node.
    pub node: usize,
    /// The only one: nobody steals from it, and the monitor takes nothing from it.
    is_alone: bool,
    pub queue: Queue<Coroutine>,
    /// Filled by the owner; emptied by the owner or the monitor.
    run_next: AtomicPtr<Coroutine>,
    /// The coroutine spawned last, not in the queue yet: its parent is likely to await it at once, in place. Filled and displaced by the
    /// owner; others take it when they find nothing else.
    newest: AtomicPtr<Coroutine>,
    /// Counts entries into and exits from coroutines: odd while one runs. Written by the owner only.
    turns: AtomicU64,
    parker: Parker,
    started: AtomicBool,
    /// Address of the thread's stack limit while the thread is alive.
    limit: SpinMutex<usize>,
    scheduler: AtomicPtr<Scheduler>,
    own: UnsafeCell<Own>,
}

// SAFETY: `own` is used by the worker's thread only; see `own()`.
unsafe impl Sync for Worker {}
// SAFETY: a worker moves to its thread once.
unsafe impl Send for Worker {}

/// What only the worker's thread touches.
pub struct Own {
    pub cache: Cache,
    next_id: u64,
    last_id: u64,
    ticks: u64,
    streak: u32,
    random: u64,
    steals: u64,
    /// Of these, from workers of other nodes.
    far_steals: u64,
}

impl Worker {
    pub fn new(index: usize, node: usize, workers: usize) -> Worker {
        Worker {
            index,
            node,
            is_alone: workers == 1,
            queue: Queue::new(),
            run_next: AtomicPtr::new(ptr::null_mut()),
            newest: AtomicPtr::new(ptr::null_mut()),
            turns: AtomicU64::new(0),
            parker: Parker::new(),
            started: AtomicBool::new(false),
            limit: SpinMutex::new(0),
            scheduler: AtomicPtr::new(ptr::null_mut()),
            own: UnsafeCell::new(Own {
                cache: Cache::new(),
                next_id: 0,
                last_id: 0,
                ticks: 0,
                streak: 0,
                random: 0x9E37_79B9_7F4A_7C15 ^ (index as u64 + 1),
                steals: 0,
                far_steals: 0,
            }),
        }
    }

    pub fn join_scheduler(&self, scheduler: &'static Scheduler) {
        self.scheduler
            .store(ptr::from_ref(scheduler).cast_mut(), Ordering::Release);
    }

    #[inline]
    fn scheduler(&self) -> &'static Scheduler {
        // SAFETY: set before any thread or coroutine exists; the scheduler outlives its workers.
        unsafe { &*self.scheduler.load(Ordering::Relaxed) }
    }

    /// Its node.
    #[inline]
    fn home(&self) -> &'static Node {
        &self.scheduler().nodes[self.node]
    }

    /// # Safety
    /// On this worker's thread (or after it has ended); the reference is not kept while other code of the worker runs.
    #[allow(clippy::mut_from_ref)]
    #[inline]
    pub unsafe fn own(&self) -> &mut Own {
        // SAFETY: promised by the caller.
        unsafe { &mut *self.own.get() }
    }

    /// A control block and an id, for the thread of this worker.
    #[inline]
    pub fn take_control(&self) -> (*mut Coroutine, u64) {
        // SAFETY: called through `current_worker`, hence on this thread.
        let own = unsafe { self.own() };
        if own.next_id == own.last_id {
            own.next_id = NEXT_ID.fetch_add(ID_BLOCK, Ordering::Relaxed);
            own.last_id = own.next_id + ID_BLOCK;
        }
        own.next_id += 1;
        (own.cache.take_control(), own.next_id - 1)
    }

    /// A coroutine woken by what runs here: next, if nobody else is. Owner only.
    #[inline]
    pub fn push_woken(&self, coroutine: *mut Coroutine) {
        if self.run_next.load(Ordering::Relaxed).is_null() {
            self.run_next.store(coroutine, Ordering::Release);
        } else {
            self.push(coroutine);
        }
    }

    /// A coroutine spawned by what runs here; the one before it goes to the queue. Owner only.
    #[inline]
    pub fn push_spawned(&self, coroutine: *mut Coroutine) {
        let before = if self.is_alone {
            let before = self.newest.load(Ordering::Relaxed);
            self.newest.store(coroutine, Ordering::Relaxed);
            before
        } else {
            self.newest.swap(coroutine, Ordering::AcqRel)
        };
        if !before.is_null() {
            self.push(before);
        }
    }

    /// Takes the coroutine spawned last, if there is one that nobody else takes. By anybody.
    #[inline]
    pub fn take_newest(&self) -> Option<*mut Coroutine> {
        if self.newest.load(Ordering::Relaxed).is_null() {
            return None;
        }
        let taken = self.newest.swap(ptr::null_mut(), Ordering::AcqRel);
        (!taken.is_null()).then_some(taken)
    }

    /// Takes out a coroutine that is run in place, unless it is in some worker's queue. Owner only.
    #[inline]
    pub fn take_out(&self, coroutine: *mut Coroutine) -> bool {
        self.forget_newest(coroutine) || self.scheduler().nodes.remove(coroutine)
    }

    #[inline]
    fn forget_newest(&self, coroutine: *mut Coroutine) -> bool {
        self.newest.load(Ordering::Relaxed) == coroutine
            && self
                .newest
                .compare_exchange(
                    coroutine,
                    ptr::null_mut(),
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// To the back of the queue. Owner only.
    #[inline]
    pub fn push(&self, coroutine: *mut Coroutine) {
        if let Err(coroutine) = self.queue.push(coroutine) {
            self.overflow(coroutine);
        }
        if !self.is_alone && self.queue.len() >= 2 && self.scheduler().idle.should_wake() {
            self.scheduler().wake_near(self.node);
        }
    }

    #[inline]
    fn pop(&self) -> Option<*mut Coroutine> {
        if self.is_alone {
            self.queue.pop_alone()
        } else {
            self.queue.pop()
        }
    }

    /// Makes room in a full queue: what was run in place meanwhile goes, of the rest half moves to the injector.
    #[cold]
    fn overflow(&self, coroutine: *mut Coroutine) {
        let mut half = [ptr::null_mut(); CAPACITY as usize / 2];
        let count = self.queue.take_half(&mut half);
        let mut kept = 0;
        for index in 0..count {
            // SAFETY: taken from the queue; a block that was run in place has not run itself.
            let is_tombstone = unsafe {
                (*half[index]).claim.is_in_place() && !in_place::claim_to_start(half[index])
            };
            if !is_tombstone {
                half[kept] = half[index];
                kept += 1;
            }
        }
        self.home().injector.push_all(&half[..kept]);
        let pushed = self.queue.push(coroutine);
        debug_assert!(pushed.is_ok(), "half of the queue was taken");
    }

    /// Wakes the worker, which was taken out of the list of sleepers; starts its thread the first time.
    pub fn wake(&self) {
        if self.started.swap(true, Ordering::AcqRel) {
            self.parker.notify();
        } else {
            self.start();
        }
    }

    pub fn has_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    pub fn wake_if_started(&self) {
        if self.has_started() {
            self.parker.notify();
        }
    }

    pub fn has_nothing_next(&self) -> bool {
        self.run_next.load(Ordering::SeqCst).is_null()
            && self.newest.load(Ordering::SeqCst).is_null()
    }

    /// Whether others could take something from this worker.
    pub fn has_spare_work(&self) -> bool {
        !self.queue.is_empty() || !self.newest.load(Ordering::SeqCst).is_null()
    }

    fn start(&self) {
        let scheduler = self.scheduler();
        let index = self.index;
        *scheduler
            .threads
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) += 1;
        let thread = std::thread::Builder::new()
            .name(format!("echo-worker-{index}"))
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || scheduler.workers[index].thread_main());
        if let Err(error) = thread {
            fatal(&format!("cannot start a worker thread: {error}"));
        }
    }

    fn thread_main(&self) {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if let Some(cpus) = &self.home().cpus {
                cpus.pin_thread();
            }
            arch::set_worker(ptr::from_ref(self).cast_mut().cast());
            *self.limit.lock() = arch::stack_limit_address() as usize;
            self.scheduler().monitor_bell.rouse();
            while !self.scheduler().stopping.load(Ordering::Relaxed) {
                match self.next() {
                    Some(coroutine) => self.execute(coroutine),
                    None => {
                        self.sleep();
                        self.scheduler().monitor_bell.rouse();
                    }
                }
            }
            *self.limit.lock() = 0;
            // SAFETY: on this worker's thread.
            unsafe { self.own().cache.empty() };
            memory::thread_ends();
            arch::set_worker(ptr::null_mut());
        }));
        if result.is_err() {
            fatal("internal error in a worker");
        }
        let scheduler = self.scheduler();
        let mut threads = scheduler
            .threads
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        *threads -= 1;
        scheduler.thread_ended.notify_all();
    }

    /// What to run now.
    #[inline]
    fn next(&self) -> Option<*mut Coroutine> {
        // SAFETY: on this worker's thread; not kept across calls.
        let (ticks, streak) = unsafe {
            let own = self.own();
            own.ticks += 1;
            (own.ticks, own.streak)
        };
        if ticks.is_multiple_of(FAIRNESS_PERIOD)
            || self.scheduler().timers_due.load(Ordering::Relaxed)
        {
            self.expire_timers();
            if let Some(coroutine) = self.take_newest() {
                self.push(coroutine);
            }
            if let Some(coroutine) = self.take_injected_in_turn(ticks) {
                return Some(coroutine);
            }
        }
        if streak < MAX_STREAK
            && let Some(coroutine) = self.take_next()
        {
            self.set_streak(streak + 1);
            return Some(coroutine);
        }
        self.set_streak(0);
        self.pop()
            .or_else(|| self.take_next())
            .or_else(|| self.take_newest())
            .or_else(|| self.next_from_elsewhere())
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
            return self.take_next().or_else(|| self.pop());
        }
        self.search()
    }

    #[inline]
    fn take_next(&self) -> Option<*mut Coroutine> {
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
    fn take_injected_in_turn(&self, ticks: u64) -> Option<*mut Coroutine> {
        let nodes = self.scheduler().nodes.len();
        let own_turn = nodes == 1 || !ticks.is_multiple_of(FAIRNESS_PERIOD * FOREIGN_PERIOD);
        if own_turn {
            return self.take_injected(self.node, 1);
        }
        let start = (ticks / (FAIRNESS_PERIOD * FOREIGN_PERIOD)) as usize;
        (start..start + nodes).find_map(|node| self.take_injected(node % nodes, 1))
    }

    /// What [`take_injected`](Self::take_injected) finds, on the nearest node that has something.
    fn take_injected_nearby(&self) -> Option<*mut Coroutine> {
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
        rest.iter().for_each(|&coroutine| self.push(coroutine));
        if from.injector.len() > 0 && scheduler.idle.should_wake() {
            scheduler.wake_near(node);
        }
        Some(first)
    }

    /// Runs the timers that are due; whether there were any.
    fn expire_timers(&self) -> bool {
        let timers_due = &self.scheduler().timers_due;
        if timers_due.load(Ordering::Relaxed) {
            timers_due.store(false, Ordering::Relaxed);
        }
        deadlines::next_ns() != deadlines::NEVER && deadlines::expire(deadlines::now_ns())
    }

    /// Looks for work in the other workers' queues.
    fn search(&self) -> Option<*mut Coroutine> {
        let scheduler = self.scheduler();
        if scheduler.workers.len() == 1 || !scheduler.idle.start_searching() {
            return None;
        }
        let found = (0..SEARCH_ROUNDS).find_map(|round| {
            (0..round * 16).for_each(|_| std::hint::spin_loop());
            let rings = &self.home().rings;
            let reach = if round < NEAR_ROUNDS { 1 } else { rings.len() };
            self.steal(&rings[..reach])
                .or_else(|| self.take_injected_nearby())
                .or_else(|| (round == SEARCH_ROUNDS - 1).then(|| self.steal_newest(rings))?)
        });
        scheduler.idle.stop_searching();
        if found.is_some() && scheduler.has_work() && scheduler.idle.should_wake() {
            scheduler.wake_near(self.node);
        }
        found
    }

    fn steal(&self, rings: &[Box<[usize]>]) -> Option<*mut Coroutine> {
        self.take_from_victim(rings, |victim| victim.queue.steal_into(&self.queue))
    }

    /// What another worker spawned last, which it is likely to run itself soon: the last thing to take.
    fn steal_newest(&self, rings: &[Box<[usize]>]) -> Option<*mut Coroutine> {
        self.take_from_victim(rings, Worker::take_newest)
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
                .find_map(|&victim| take(&workers[victim]))?;
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

    /// Sleeps until there may be something to do; finds out when there never will be.
    fn sleep(&self) {
        let scheduler = self.scheduler();
        let idle = &scheduler.idle;
        let all_asleep = idle.enter(self.index);
        if scheduler.has_work() || scheduler.stopping.load(Ordering::SeqCst) {
            idle.leave(self.index);
            return;
        }
        if all_asleep && scheduler.is_quiescent() {
            if idle.leave(self.index)
                && let Quiescent::Stop = (scheduler.on_quiescent)()
            {
                super::request_stop();
            }
            return;
        }
        print::flush_pending();
        let next_ns = deadlines::next_ns();
        let wake_at_ns = &idle.wake_at_ns;
        let keeps_time = next_ns < wake_at_ns.load(Ordering::SeqCst);
        let timeout = keeps_time.then(|| {
            wake_at_ns.store(next_ns, Ordering::SeqCst);
            Duration::from_nanos(next_ns.saturating_sub(deadlines::now_ns()))
        });
        self.parker.park(timeout);
        if keeps_time {
            let _ =
                wake_at_ns.compare_exchange(next_ns, u64::MAX, Ordering::SeqCst, Ordering::SeqCst);
        }
        idle.leave(self.index);
    }

    /// Runs a coroutine until it leaves the worker.
    #[inline]
    fn execute(&self, coroutine: *mut Coroutine) {
        // SAFETY: a coroutine taken from a queue belongs to the worker until it is parked or queued again.
        unsafe {
            if (*coroutine).rsp == 0 {
                if !in_place::claim_to_start(coroutine) {
                    return;
                }
                self.own().cache.attach_stack(coroutine);
            }
            (*coroutine).set_state(State::Running);
            let turn = self.turns.load(Ordering::Relaxed);
            self.turns.store(turn + 1, Ordering::Relaxed);
            let reason = arch::resume(coroutine);
            self.turns.store(turn + 2, Ordering::Relaxed);
            match reason {
                Reason::Park => {
                    let unlock = (*coroutine).unlock.take().expect("park stored the hook");
                    unlock((*coroutine).unlock_data);
                }
                Reason::Yield | Reason::Preempted => {
                    (*coroutine).set_state(State::Ready);
                    // What it spawned last has waited longer.
                    if let Some(newest) = self.take_newest() {
                        self.push(newest);
                    }
                    self.push(coroutine);
                }
                Reason::Exited => self.finish(coroutine, Ended::Completed),
                Reason::Failed => {
                    let failure = Box::from_raw((*coroutine).wake_value as usize as *mut Failure);
                    self.finish(coroutine, Ended::Failed(*failure));
                }
            }
        }
    }

    /// # Safety
    /// The coroutine has ended on this worker.
    unsafe fn finish(&self, coroutine: *mut Coroutine, ended: Ended) {
        // SAFETY: promised by the caller.
        unsafe {
            let completion = end_coroutine(coroutine, &ended);
            let cache = &mut self.own().cache;
            cache.detach_stack(coroutine);
            cache.put_control(coroutine);
            (completion.finish)(completion.data, ended);
        }
    }

    pub fn add_stats(&self, stats: &mut Stats) {
        // SAFETY: the thread has ended, or the numbers are merely out of date.
        let own = unsafe { self.own() };
        stats.workers_started += self.has_started() as usize;
        stats.switches += self.turns.load(Ordering::Relaxed) / 2;
        stats.steals += own.steals;
        stats.far_steals += own.far_steals;
        stats.coroutines -= own.last_id - own.next_id;
    }

    /// For the monitor: the turn the worker is in, odd while a coroutine runs.
    pub fn turn(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// For the monitor: takes away what a stuck worker would run next.
    pub fn take_stranded(&self) -> Option<*mut Coroutine> {
        if self.is_alone {
            None
        } else {
            self.take_next()
        }
    }

    /// For the monitor: asks the running coroutine to yield. A request that is overwritten by a change of stack is repeated later.
    pub fn request_preemption(&self) {
        let limit = self.limit.lock();
        if *limit != 0 {
            // SAFETY: the thread is alive while its address is here; the word is only ever accessed whole.
            unsafe {
                AtomicUsize::from_ptr(*limit as *mut usize)
                    .store(arch::PREEMPT_LIMIT, Ordering::Relaxed)
            };
        }
    }
}
