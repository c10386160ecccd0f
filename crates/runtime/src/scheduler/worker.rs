//! One worker: a thread that runs coroutines.

#[cfg(test)]
mod tests;

use super::deque::Deque;
use super::idle::{Parker, Rest};
use super::node::Node;
use super::queue::{self, Queue};
use super::{NEXT_ID, Quiescent, Scheduler, Stats, begin, end_coroutine, finish_park};
use crate::arch::{self, Reason};
use crate::coroutine::{Coroutine, Ended, State};
use crate::deadlines;
use crate::failure::Failure;
use crate::future::{self, Future, Inherited};
use crate::in_place::{self, InPlace};
use crate::lock::SpinMutex;
use crate::memory::{self, Magazine, OutOfMemory};
use crate::node_memory;
use crate::os_thread::OsThread;
use crate::sanitize;
use crate::stack::Cache;
use crate::unwind::fatal;
use crate::value::{self, block, print};
use echo_abi::layout::EntryDesc;
use std::cell::{Cell, UnsafeCell};
use std::ffi::CString;
use std::io;
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering,
};
use std::time::Duration;

/// Turns in a row that `run_next` may take before the queue has one.
pub const MAX_STREAK: u32 = 32;
/// Every so many turns the timers and the injector are looked at before the worker's own queue. A prime, so that no pattern of the
/// program keeps step with it.
pub const FAIRNESS_PERIOD: u64 = 61;
/// After so many of these periods the injectors of other nodes have their turn. The same for their preempted coroutines, when these are due.
const FOREIGN_PERIOD: u64 = 8;
/// Bits of [`Worker::due`]: what is looked at before the next turn.
const DUE_TIMERS: u8 = 1;
const DUE_PREEMPTED: u8 = 2;
const DUE_TRIM: u8 = 4;
const DUE_END: u8 = 8;
/// How long a coroutine that has run must have waited before another worker may take it, in nanoseconds, at first. Those of a group that talk to each other wait
/// less, and lose more by being torn apart; moving one costs a microsecond or two of cache misses.
const STEAL_AFTER_NS: u64 = 10_000;
/// What was taken should keep the thief busy for so long, or for so long each when they were coroutines that had not started. If it does not, it comes from such
/// a group, and is woken again where the rest of it runs, or its parent had run it in place for less: then the thief is twice as patient the next time, up to
/// the limit.
const WORTH_STEALING_NS: u64 = 20_000;
const WORTH_STARTING_NS: u64 = 500;
const MAX_STEAL_AFTER_NS: u64 = 16 * STEAL_AFTER_NS;
/// A queue of so many is taken from at once: moving half of it pays anyhow.
pub const LONG_QUEUE: u32 = 32;
/// A searcher looks around for so many times what it has patience for. It stays on its node but at the end of the last, so that searchers in large machines do not
/// fetch the queues of all workers again and again.
const SEARCH_WINDOWS: usize = 2;
/// Pauses between two looks.
const SEARCH_PAUSES: u32 = 32;
/// Coroutines that become ready between two wake-ups that turned out useless: at first, and at most.
const MIN_BACKOFF: u32 = 1;
const MAX_BACKOFF: u32 = 1 << 13;
/// The same while nobody sleeps, or somebody searches anyway.
const BUSY_BACKOFF: u32 = 8;
/// Ids a worker takes at a time.
const ID_BLOCK: u64 = 64;
/// While so many wait to be started, who spawns coroutines that nobody will await yields after so many: memory for more of them is of no use to anybody. The deque may
/// hold more, which trees of coroutines have left where the oldest had their turn; they are walked depth first, a few spawns a turn.
const SPAWN_AHEAD: usize = 4096;
const SPAWN_STEP: usize = 256;
/// Where so many wait to be started, or in the injector, what computes is not put behind them.
const CROWD: usize = 128;
/// Coroutines taken from the injector at a time.
const INJECTOR_BATCH: usize = 32;
/// Coroutines at most that have not started and run before the queue has its turn, which the one that yields is in.
const GUESTS: usize = 256;
/// Stack of a worker's thread: runtime functions run there.
const THREAD_STACK_BYTES: usize = 2 << 20;

/// Shared part first; `own` belongs to the worker's thread.
#[repr(align(128))]
pub struct Worker {
    pub index: usize,
    /// Index of its node.
    pub node: usize,
    /// The only one: nobody steals from it, and the monitor takes nothing from it.
    pub is_alone: bool,
    /// Coroutines that have run and wait for another turn.
    queue: Queue<Coroutine>,
    /// Coroutines that have not started. Their parents are likely to await the newest at once, in place; the oldest have most work below them.
    unstarted: Deque<Future>,
    /// Filled by the owner; emptied by the owner or the monitor.
    run_next: AtomicPtr<Coroutine>,
    /// Counts entries into and exits from coroutines: odd while one runs. Written by the owner only.
    turns: AtomicU64,
    /// The last turn of a coroutine that had been preempted. Written by the owner only.
    preempted_turn: AtomicU64,
    /// The last turn that the monitor has found to compute for long.
    overlong_turn: AtomicU64,
    /// What the monitor has found overdue.
    due: AtomicU8,
    /// A thief has found something here since this worker last woke one.
    was_robbed: AtomicBool,
    parker: Parker,
    started: AtomicBool,
    /// While it is alive.
    thread: SpinMutex<Option<Thread>>,
    scheduler: AtomicPtr<Scheduler>,
    own: UnsafeCell<Own>,
    /// Of calls in place, free, linked through `previous`; of the worker's thread only, and `arch`.
    pub records: Cell<*mut InPlace>,
    /// For `arch`, while the thread runs coroutines: its free pieces of the smallest size, those of the others behind them, or null; its number of live blocks; and how
    /// many preempted coroutines wait on its node.
    pieces: Cell<*mut Magazine>,
    live: Cell<*const AtomicI64>,
    preempted: Cell<*const AtomicUsize>,
}

// SAFETY: `own` is used by the worker's thread only; see `own()`.
unsafe impl Sync for Worker {}
// SAFETY: a worker moves to its thread once.
unsafe impl Send for Worker {}

/// What others may know of a worker's thread.
struct Thread {
    /// Address of its stack limit.
    limit: usize,
    cpu_clock: libc::clockid_t,
}

impl Thread {
    /// The calling one.
    fn own() -> Thread {
        let mut cpu_clock = libc::CLOCK_MONOTONIC;
        // SAFETY: the calling thread is alive, and the place is valid. On an error the other clock is good enough.
        unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut cpu_clock) };
        Thread {
            limit: arch::stack_limit_address() as usize,
            cpu_clock,
        }
    }
}

/// What only the worker's thread touches.
pub struct Own {
    pub cache: Cache,
    next_id: u64,
    last_id: u64,
    /// From which turn on fairness comes first, and how often it has.
    fair_turn: u64,
    fair_turns: u64,
    streak: u32,
    /// Turns given to preempted coroutines because they were due.
    preempted_due: u64,
    /// How many were run in place that are not known to have left the deque, since its newest end was last cleared of them. A hint: those that were stolen before
    /// are in another deque, and those that lie deeper are forgotten until they are met.
    tombstones: usize,
    /// A coroutine has found no memory to start: there may be none for others.
    lacks_memory: bool,
    /// Turns that the queue is to have, if it holds anything, before more of the deque start; before that, the guests have theirs: so many in the deque.
    owed_to_queue: usize,
    guests: usize,
    guests_are_newest: bool,
    /// The queue has had a turn since guests were last invited.
    may_invite: bool,
    /// See [`restrain_spawner`](Worker::restrain_spawner): how long the deque may be, the turn of a spawner that has found it longer, and of one that was to yield.
    spawn_limit: usize,
    spawner_turn: u64,
    restrained_turn: u64,
    random: u64,
    /// Up to what each worker's queue was filled when the search began.
    marks: Box<[u32]>,
    /// The last look around was a search.
    has_searched: bool,
    /// How many more coroutines must become ready before this worker wakes a sleeper; and how many it will be the next time.
    until_wake: u32,
    backoff: u32,
    /// How long what has run must have waited before this worker steals it, and, when it is more than at first, also what has not started; and what it stole last,
    /// until that has been judged.
    steal_after_ns: u64,
    loot: Option<Loot>,
    steals: u64,
    /// Of these, from workers of other nodes.
    far_steals: u64,
}

/// When something was stolen, and how long it must last to have been worth it.
struct Loot {
    at_ns: u64,
    worth_ns: u64,
}

impl Worker {
    /// Of the parts that `arch` looks at.
    pub const UNSTARTED_OFFSET: usize = offset_of!(Worker, unstarted);
    pub const QUEUE_OFFSET: usize = offset_of!(Worker, queue);
    pub const RUN_NEXT_OFFSET: usize = offset_of!(Worker, run_next);
    pub const TURNS_OFFSET: usize = offset_of!(Worker, turns);
    pub const OVERLONG_TURN_OFFSET: usize = offset_of!(Worker, overlong_turn);
    pub const DUE_OFFSET: usize = offset_of!(Worker, due);
    pub const FAIR_TURN_OFFSET: usize = offset_of!(Worker, own) + offset_of!(Own, fair_turn);
    pub const PREEMPTED_OFFSET: usize = offset_of!(Worker, preempted);
    pub const STREAK_OFFSET: usize = offset_of!(Worker, own) + offset_of!(Own, streak);
    pub const TOMBSTONES_OFFSET: usize = offset_of!(Worker, own) + offset_of!(Own, tombstones);
    pub const RECORDS_OFFSET: usize = offset_of!(Worker, records);
    pub const PIECES_OFFSET: usize = offset_of!(Worker, pieces);
    pub const LIVE_OFFSET: usize = offset_of!(Worker, live);
    pub const WAS_ROBBED_OFFSET: usize = offset_of!(Worker, was_robbed);
    pub const NEXT_ID_OFFSET: usize = offset_of!(Worker, own) + offset_of!(Own, next_id);
    pub const LAST_ID_OFFSET: usize = offset_of!(Worker, own) + offset_of!(Own, last_id);
    pub const UNTIL_WAKE_OFFSET: usize = offset_of!(Worker, own) + offset_of!(Own, until_wake);
    pub const SPAWN_LIMIT_OFFSET: usize = offset_of!(Worker, own) + offset_of!(Own, spawn_limit);
    pub const LACKS_MEMORY_OFFSET: usize = offset_of!(Worker, own) + offset_of!(Own, lacks_memory);

    pub fn new(index: usize, node: usize, workers: usize) -> Worker {
        Worker {
            index,
            node,
            is_alone: workers == 1,
            queue: Queue::new(),
            unstarted: Deque::new(workers == 1),
            run_next: AtomicPtr::new(ptr::null_mut()),
            turns: AtomicU64::new(0),
            preempted_turn: AtomicU64::new(0),
            overlong_turn: AtomicU64::new(0),
            due: AtomicU8::new(0),
            was_robbed: AtomicBool::new(false),
            parker: Parker::new(),
            started: AtomicBool::new(false),
            thread: SpinMutex::new(None),
            scheduler: AtomicPtr::new(ptr::null_mut()),
            own: UnsafeCell::new(Own {
                cache: Cache::new(),
                next_id: 0,
                last_id: 0,
                fair_turn: 2 * FAIRNESS_PERIOD - 1,
                fair_turns: 0,
                streak: 0,
                preempted_due: 0,
                tombstones: 0,
                lacks_memory: false,
                owed_to_queue: 0,
                guests: 0,
                guests_are_newest: false,
                may_invite: true,
                spawn_limit: SPAWN_AHEAD,
                spawner_turn: 0,
                restrained_turn: 0,
                random: 0x9E37_79B9_7F4A_7C15 ^ (index as u64 + 1),
                marks: vec![0; workers].into(),
                has_searched: false,
                until_wake: 0,
                backoff: MIN_BACKOFF,
                steal_after_ns: STEAL_AFTER_NS,
                loot: None,
                steals: 0,
                far_steals: 0,
            }),
            records: Cell::new(ptr::null_mut()),
            pieces: Cell::new(ptr::null_mut()),
            live: Cell::new(ptr::null()),
            preempted: Cell::new(ptr::null()),
        }
    }

    pub fn join_scheduler(&self, scheduler: &'static Scheduler) {
        self.scheduler
            .store(ptr::from_ref(scheduler).cast_mut(), Ordering::Release);
    }

    #[inline]
    pub(super) fn scheduler(&self) -> &'static Scheduler {
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

    /// An id for a coroutine. Owner only.
    #[inline]
    pub fn take_id(&self) -> u64 {
        // SAFETY: on this worker's thread; not kept across calls.
        let own = unsafe { self.own() };
        if own.next_id == own.last_id {
            own.next_id = NEXT_ID.fetch_add(ID_BLOCK, Ordering::Relaxed);
            own.last_id = own.next_id + ID_BLOCK;
        }
        own.next_id += 1;
        own.next_id - 1
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

    /// A coroutine that has not started. Owner only.
    ///
    /// # Errors
    /// There is no memory for more; it is still the caller's.
    #[inline]
    pub fn push_unstarted(&self, future: *mut Future) -> Result<(), OutOfMemory> {
        if self.unstarted.push(future).is_err() {
            self.push_after_growth(future)?;
        }
        if !self.is_alone && self.unstarted.len() >= 2 {
            self.offer();
        }
        Ok(())
    }

    /// A coroutine that nobody will await was put into the deque. Where many wait there, and the running one has spawned some of them in this turn, it is to let them
    /// have theirs. Owner only.
    pub fn restrain_spawner(&self) {
        // SAFETY: on this worker's thread; not kept across calls.
        let own = unsafe { self.own() };
        let (len, turn) = (self.unstarted.len(), self.turn());
        if len <= own.spawn_limit {
            return;
        }
        if own.spawner_turn == turn {
            own.restrained_turn = turn;
            arch::set_stack_limit(arch::PREEMPT_LIMIT);
        } else {
            own.spawner_turn = turn;
            own.spawn_limit = len + SPAWN_STEP;
        }
    }

    #[cold]
    fn push_after_growth(&self, future: *mut Future) -> Result<(), OutOfMemory> {
        self.unstarted.make_room(|old| {
            // SAFETY: taken from the deque, where nobody claims it meanwhile but who awaits it.
            unsafe {
                let is_tombstone = future::claim(old).is_tombstone();
                if is_tombstone {
                    future::bury(old);
                }
                !is_tombstone
            }
        })?;
        // SAFETY: on this worker's thread.
        unsafe { self.own().tombstones = 0 };
        let pushed = self.unstarted.push(future);
        debug_assert!(pushed.is_ok(), "there is room now");
        Ok(())
    }

    /// Takes out a coroutine that this worker has spawned, if it is where that is easy. Owner only.
    #[inline]
    pub fn take_own(&self, future: *mut Future) -> bool {
        let taken = self.unstarted.remove(future);
        // SAFETY: on this worker's thread; not kept across calls.
        if unsafe { self.own().tombstones } == 0 {
            return taken;
        }
        self.bury_tombstones();
        taken || self.unstarted.remove(future)
    }

    /// A coroutine is run in place that was not taken out of its deque, most likely this one. Owner only.
    pub fn leave_tombstone(&self) {
        // SAFETY: on this worker's thread.
        unsafe { self.own().tombstones += 1 };
    }

    /// Takes the newest out of the deque as long as they were run in place.
    #[cold]
    fn bury_tombstones(&self) {
        // SAFETY: on this worker's thread; not kept across calls. What is taken from the deque is alive.
        unsafe {
            self.own().tombstones = 0;
            while let Some(newest) = self.unstarted.pop() {
                if !future::claim(newest).is_tombstone() {
                    let pushed = self.unstarted.push(newest);
                    debug_assert!(pushed.is_ok(), "it was here before");
                    return;
                }
                future::bury(newest);
            }
        }
    }

    /// Starts a coroutine that was taken from a deque; `None` when it was a tombstone, or there is no memory for it.
    #[inline]
    fn start_coroutine(&self, future: *mut Future) -> Option<*mut Coroutine> {
        // SAFETY: taken from a deque; once it is claimed, the coroutine is ours.
        unsafe {
            if !future::take_to_start(future, self.is_alone) {
                let own = self.own();
                own.tombstones = own.tombstones.saturating_sub(1);
                return None;
            }
            let Ok(coroutine) = self.own().cache.take_for(future::entry(future)) else {
                self.expect_no_memory();
                future::fail_to_start(future);
                return None;
            };
            (*coroutine).set_identity(future::start(future).callee);
            let Inherited { slot, completion } = future::inherit(future, coroutine);
            begin(coroutine, slot, slot, completion);
            (*coroutine).set_state(State::Ready);
            Some(coroutine)
        }
    }

    /// Whether a coroutine that is spawned now is likely to find memory when it starts.
    ///
    /// # Safety
    /// On this worker's thread; entries live as long as the module.
    #[inline]
    pub unsafe fn can_start(&self, entry: *mut EntryDesc) -> bool {
        // SAFETY: promised by the caller; not kept across calls.
        unsafe { !self.own().lacks_memory || self.finds_memory(entry) }
    }

    /// # Safety
    /// As for [`can_start`](Self::can_start).
    #[cold]
    unsafe fn finds_memory(&self, entry: *mut EntryDesc) -> bool {
        // SAFETY: promised by the caller.
        unsafe {
            let own = self.own();
            own.lacks_memory = !own.cache.can_start(entry);
            !own.lacks_memory
        }
    }

    /// A coroutine has found no memory to start. What is spawned from here on fails at once, until there is some again.
    #[cold]
    fn expect_no_memory(&self) {
        // SAFETY: on this worker's thread.
        unsafe { self.own().lacks_memory = true };
    }

    /// The newest that has not started.
    #[inline]
    fn pop_unstarted(&self) -> Option<*mut Coroutine> {
        while let Some(future) = self.unstarted.pop() {
            let started = self.start_coroutine(future);
            if started.is_some() {
                return started;
            }
        }
        None
    }

    /// How many have not started, or were run in place.
    pub fn unstarted(&self) -> usize {
        self.unstarted.len()
    }

    /// Forgets those that have not started; how many there were. After the worker's thread has ended.
    pub fn abandon_unstarted(&self) -> usize {
        let newest = std::iter::from_fn(|| self.unstarted.pop());
        // SAFETY: what is taken from the deque is alive, and nobody else looks at it.
        let is_left = newest.filter(|&future| unsafe {
            let is_tombstone = future::claim(future).is_tombstone();
            if is_tombstone {
                future::bury(future);
            }
            !is_tombstone
        });
        is_left.count()
    }

    /// To the back of the queue. Owner only.
    #[inline]
    pub fn push(&self, coroutine: *mut Coroutine) {
        if let Err(coroutine) = self.queue.push(coroutine) {
            self.overflow(coroutine);
        }
        if !self.is_alone && self.queue.len() >= 2 {
            self.offer();
        }
    }

    /// There is something that others might take: wakes a sleeper, but seldom if those woken before have found nothing worth taking.
    #[inline]
    fn offer(&self) {
        // SAFETY: on this worker's thread; not kept across calls.
        let own = unsafe { self.own() };
        if own.until_wake > 0 && !self.was_robbed.load(Ordering::Relaxed) {
            own.until_wake -= 1;
        } else {
            self.offer_now();
        }
    }

    #[cold]
    fn offer_now(&self) {
        // SAFETY: on this worker's thread; not kept across calls.
        let own = unsafe { self.own() };
        let was_robbed = self.was_robbed.swap(false, Ordering::Relaxed);
        if was_robbed {
            own.backoff = MIN_BACKOFF;
        }
        if !self.scheduler().idle.should_wake() {
            own.until_wake = BUSY_BACKOFF;
            return;
        }
        if !was_robbed {
            own.backoff = (own.backoff * 2).min(MAX_BACKOFF);
        }
        own.until_wake = own.backoff;
        self.scheduler().wake_near(self.node);
    }

    #[inline]
    fn pop(&self) -> Option<*mut Coroutine> {
        let popped = if self.is_alone {
            self.queue.pop_alone()
        } else {
            self.queue.pop()
        };
        if self.queue.len() >= LONG_QUEUE {
            self.prefetch_next();
        }
        popped
    }

    /// So many take turns that the next ones are likely to be in memory only: fetches the block of one, and the stack of the one before, whose block is there.
    #[inline]
    fn prefetch_next(&self) {
        arch::prefetch_stack(self.queue.peek(0));
        arch::prefetch_block(self.queue.peek(1));
    }

    /// Makes room in the full queue: half of it moves to the injector.
    #[cold]
    fn overflow(&self, coroutine: *mut Coroutine) {
        let mut half = [ptr::null_mut(); queue::CAPACITY as usize / 2];
        let count = self.queue.take_half(&mut half);
        self.home().injector.push_all(&half[..count]);
        let pushed = self.queue.push(coroutine);
        debug_assert!(pushed.is_ok(), "half of the queue was taken");
    }

    /// Wakes the worker, which was taken out of the list of sleepers; starts its thread the first time. An error when that is not possible.
    pub fn wake(&self) -> io::Result<()> {
        if self.started.swap(true, Ordering::SeqCst) {
            self.parker.notify();
            return Ok(());
        }
        self.start()
            .inspect_err(|_| self.started.store(false, Ordering::SeqCst))
    }

    pub fn has_started(&self) -> bool {
        self.started.load(Ordering::SeqCst)
    }

    /// The program is at its end: what runs does not switch to others by itself any more, so that the worker's loop finds out.
    pub fn expect_end(&self) {
        self.due.fetch_or(DUE_END, Ordering::Release);
        if self.has_started() {
            self.parker.notify();
        }
    }

    pub fn has_nothing_next(&self) -> bool {
        self.run_next.load(Ordering::SeqCst).is_null()
    }

    /// Whether another worker is awake, and this one has nothing to run but what runs.
    pub fn has_time_to_spin(&self) -> bool {
        let scheduler = self.scheduler();
        scheduler.idle.sleeping.load(Ordering::Relaxed) + 1 < scheduler.workers.len()
            && self.has_nothing_next()
            && !self.has_spare_work()
    }

    /// Whether something waits here that others could take, now or later.
    pub fn has_spare_work(&self) -> bool {
        !self.queue.is_empty() || !self.unstarted.is_empty()
    }

    /// Whether a searcher would take something from here, however short it has waited.
    pub fn has_work_to_steal(&self) -> bool {
        !self.unstarted.is_empty() || self.queue.len() >= LONG_QUEUE
    }

    fn start(&self) -> io::Result<()> {
        let scheduler = self.scheduler();
        let index = self.index;
        let mut threads = scheduler
            .threads
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        *threads += 1;
        let is_only_one = *threads == 1;
        drop(threads);
        let start = || {
            let name = CString::new(format!("echo-worker-{index}")).expect("it has no zero");
            OsThread::start(name, THREAD_STACK_BYTES, move || {
                scheduler.workers[index].thread_main();
            })
        };
        let mut started = start();
        // The others can do without this one, but not without what is kept back.
        if started.is_err() && is_only_one {
            memory::give_kept();
            started = start();
        }
        if started.is_err() {
            self.thread_is_over();
        }
        started.map(drop)
    }

    fn thread_main(&self) {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if let Some(cpus) = &self.home().cpus {
                cpus.pin_thread();
            }
            node_memory::settle(self.home().home);
            arch::set_worker(ptr::from_ref(self).cast_mut().cast());
            *self.thread.lock() = Some(Thread::own());
            // SAFETY: on this worker's thread.
            unsafe { self.own().cache.keep_last() };
            self.live.set(block::live_of_thread());
            self.pieces.set(memory::magazine(memory::GRAIN_BYTES));
            self.preempted.set(self.home().preempted.len_address());
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
            *self.thread.lock() = None;
            // SAFETY: on this worker's thread.
            unsafe { self.own().cache.empty() };
            self.pieces.set(ptr::null_mut());
            in_place::free_records(self);
            memory::thread_ends();
            arch::set_worker(ptr::null_mut());
        }));
        if result.is_err() {
            fatal("internal error in a worker");
        }
        self.thread_is_over();
    }

    /// It has ended, or could not be started.
    fn thread_is_over(&self) {
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
        let due = self.due.fetch_and(DUE_END, Ordering::Relaxed);
        if due & DUE_TIMERS != 0 {
            self.expire_timers();
        }
        if due & DUE_TRIM != 0 {
            // SAFETY: on this worker's thread; not kept across calls.
            unsafe { self.own().cache.trim() };
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
    fn invite_guests(&self, turn: u64) {
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
    fn take_preempted_nearby(&self) -> Option<*mut Coroutine> {
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
    fn put_preempted(&self, coroutine: *mut Coroutine) {
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

    /// Looks for work in the other workers' queues.
    fn search(&self) -> Option<*mut Coroutine> {
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

    /// Sleeps until there may be something to do; finds out when there never will be.
    fn sleep(&self) {
        let scheduler = self.scheduler();
        let idle = &scheduler.idle;
        // SAFETY: on this worker's thread.
        let has_searched = unsafe { self.own().has_searched };
        let has_work = || {
            scheduler.nodes.with_shared_work().is_some()
                || has_searched && scheduler.node_with_work_to_steal().is_some()
                || scheduler.stopping.load(Ordering::SeqCst)
        };
        match idle.lie_down(self.index, has_work, || scheduler.nothing_is_left()) {
            Rest::Sleep => {}
            Rest::GetUp => return,
            Rest::Over => {
                if let Quiescent::Stop = (scheduler.on_quiescent)() {
                    super::request_stop();
                }
                return;
            }
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

    /// Runs a coroutine, and those that are switched to, until one leaves the worker.
    #[inline]
    fn execute(&self, coroutine: *mut Coroutine) {
        // SAFETY: a coroutine taken from a queue belongs to the worker until it is parked or queued again.
        unsafe {
            if (*coroutine).rsp == 0 && self.own().cache.attach_stack(coroutine).is_err() {
                self.fail_to_start(coroutine);
                return;
            }
            (*coroutine).set_state(State::Running);
            let turn = self.turns.load(Ordering::Relaxed);
            self.turns.store(turn + 1, Ordering::Relaxed);
            let worker = sanitize::enter(coroutine);
            let left = arch::resume(coroutine);
            // Not always the one that was resumed: coroutines switch to others by themselves.
            let coroutine = arch::take_left();
            let is_over = matches!(left.reason, Reason::Exited | Reason::Failed);
            sanitize::leave(coroutine, worker, is_over);
            let turn = self.turns.load(Ordering::Relaxed);
            self.turns.store(turn + 1, Ordering::Relaxed);
            match left.reason {
                Reason::Park => {
                    self.own().cache.detach_unused(coroutine);
                    finish_park(coroutine, left.value);
                }
                Reason::Yield | Reason::Preempted => {
                    (*coroutine).set_state(State::Ready);
                    // It is not to wait for a crowd, which it may be spawning and awaiting itself.
                    let is_crowded = self.unstarted.len().max(self.home().injector.len()) >= CROWD;
                    if !is_crowded && self.overlong_turn.load(Ordering::Relaxed) == turn {
                        self.put_preempted(coroutine);
                        return;
                    }
                    self.invite_guests(turn);
                    // Who yields waits for others: if none but preempted ones are here, for those.
                    if self.queue.is_empty() && self.home().preempted.len() > 0 {
                        self.due.fetch_or(DUE_PREEMPTED, Ordering::Relaxed);
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
    /// The coroutine is this worker's, has not run, and there is no memory for its stack.
    #[cold]
    unsafe fn fail_to_start(&self, coroutine: *mut Coroutine) {
        // SAFETY: promised by the caller; the arguments would have been the entry's.
        unsafe {
            self.expect_no_memory();
            if let Some(args) = (*(*coroutine).entry).args.as_ref() {
                value::drop((*coroutine).args, args);
            }
            let ended = super::cannot_start(&(*coroutine).identity());
            let completion = end_coroutine(coroutine, &ended);
            self.own().cache.put_control(coroutine);
            completion.tell(ended);
        }
    }

    /// # Safety
    /// The coroutine has ended on this worker.
    unsafe fn finish(&self, coroutine: *mut Coroutine, ended: Ended) {
        // SAFETY: promised by the caller.
        unsafe {
            let completion = end_coroutine(coroutine, &ended);
            self.own().cache.put_ended(coroutine);
            completion.tell(ended);
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

    /// For the monitor: the last turn of a coroutine that had been preempted.
    pub fn preempted_turn(&self) -> u64 {
        self.preempted_turn.load(Ordering::Relaxed)
    }

    /// For the monitor: has the worker look at its timers before its next turn.
    pub fn expect_timers(&self) {
        self.due.fetch_or(DUE_TIMERS, Ordering::Relaxed);
    }

    /// For the monitor: has the worker give its next turn to a preempted coroutine.
    pub fn expect_preempted(&self) {
        self.due.fetch_or(DUE_PREEMPTED, Ordering::Relaxed);
    }

    /// For the monitor: has the worker give back what is committed of its free stacks, before its next turn; if it sleeps, now.
    pub fn expect_trim(&self) {
        self.due.fetch_or(DUE_TRIM, Ordering::Relaxed);
        self.parker.notify();
    }

    /// For the monitor: takes away what a stuck worker would run next.
    pub fn take_stranded(&self) -> Option<*mut Coroutine> {
        if self.is_alone {
            None
        } else {
            self.take_next()
        }
    }

    /// For the monitor: the CPU time of the worker's thread so far.
    pub fn cpu_time(&self) -> Duration {
        let thread = self.thread.lock();
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        if let Some(thread) = &*thread {
            // SAFETY: the thread is alive while its clock is here, and the place is valid.
            unsafe { libc::clock_gettime(thread.cpu_clock, &raw mut time) };
        }
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    /// For the monitor: what runs in that turn computes for long. If it is preempted, it waits behind those that do not.
    pub fn call_overlong(&self, turn: u64) {
        self.overlong_turn.store(turn, Ordering::Relaxed);
    }

    /// For the monitor: asks the running coroutine to yield. A request that is overwritten by a change of stack is repeated later.
    pub fn request_preemption(&self) {
        let thread = self.thread.lock();
        if let Some(thread) = &*thread {
            // SAFETY: the thread is alive while its address is here; the word is only ever accessed whole.
            unsafe {
                AtomicUsize::from_ptr(thread.limit as *mut usize)
                    .store(arch::PREEMPT_LIMIT, Ordering::Relaxed)
            };
        }
    }
}
