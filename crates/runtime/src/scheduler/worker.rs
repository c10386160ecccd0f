//! One worker: a thread that runs coroutines.

mod next;
mod steal;
#[cfg(test)]
mod tests;

use self::steal::STEAL_AFTER_NS;
use super::deque::Deque;
use super::gather::Need;
use super::idle::{Parker, Rest};
use super::node::Node;
use super::queue::{self, Queue};
use super::{NEXT_ID, Quiescent, Scheduler, Stats, begin, end_coroutine, finish_park};
use crate::arch::{self, Reason};
use crate::coroutine::{Coroutine, Ended, State};
use crate::deadlines;
use crate::failure::Failure;
use crate::future::{self, Future, Inherited};
use crate::in_place;
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
/// Bits of [`Worker::due`]: what is looked at before the next turn.
const DUE_TIMERS: u8 = 1;
const DUE_PREEMPTED: u8 = 2;
const DUE_TRIM: u8 = 4;
const DUE_END: u8 = 8;
/// Until it is done.
const DUE_FREE: u8 = 16;
/// A queue of so many is taken from at once: moving half of it pays anyhow.
pub const LONG_QUEUE: u32 = 32;
/// Coroutines that become ready between two wake-ups that turned out useless: at first, and at most.
const MIN_BACKOFF: u32 = 1;
const MAX_BACKOFF: u32 = 1 << 13;
/// The same while nobody sleeps, or somebody searches anyway.
const BUSY_BACKOFF: u32 = 8;
/// Ids a worker takes at a time; the first ones one by one, so that reports of small programs tell coroutines by the order in which they were spawned, whichever
/// workers did that.
const ID_BLOCK: u64 = 64;
const ORDERED_IDS: u64 = 32;
/// While so many wait to be started, who spawns coroutines that nobody will await yields after so many: memory for more of them is of no use to anybody. The deque may
/// hold more, which trees of coroutines have left where the oldest had their turn; they are walked depth first, a few spawns a turn.
const SPAWN_AHEAD: usize = 4096;
const SPAWN_STEP: usize = 256;
/// Where so many wait to be started, or in the injector, what computes is not put behind them.
const CROWD: usize = 128;
/// Stack of a worker's thread: runtime functions run there.
const THREAD_STACK_BYTES: usize = 512 << 10;

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
    /// When it was last asked for what it recycles.
    asked_for_free_ns: AtomicU64,
    /// A thief has found something here since this worker last woke one.
    was_robbed: AtomicBool,
    parker: Parker,
    started: AtomicBool,
    /// While it is alive.
    thread: SpinMutex<Option<Thread>>,
    scheduler: AtomicPtr<Scheduler>,
    own: UnsafeCell<Own>,
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
    /// None are left while it lacks memory.
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
    pub const PIECES_OFFSET: usize = offset_of!(Worker, pieces);
    pub const LIVE_OFFSET: usize = offset_of!(Worker, live);
    pub const WAS_ROBBED_OFFSET: usize = offset_of!(Worker, was_robbed);
    pub const NEXT_ID_OFFSET: usize = offset_of!(Worker, own) + offset_of!(Own, next_id);
    pub const LAST_ID_OFFSET: usize = offset_of!(Worker, own) + offset_of!(Own, last_id);
    pub const UNTIL_WAKE_OFFSET: usize = offset_of!(Worker, own) + offset_of!(Own, until_wake);
    pub const SPAWN_LIMIT_OFFSET: usize = offset_of!(Worker, own) + offset_of!(Own, spawn_limit);

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
            asked_for_free_ns: AtomicU64::new(0),
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
        if own.lacks_memory {
            return NEXT_ID.fetch_add(1, Ordering::Relaxed);
        }
        if own.next_id == own.last_id {
            let is_early = NEXT_ID.load(Ordering::Relaxed) < ORDERED_IDS;
            let count = if is_early { 1 } else { ID_BLOCK };
            own.next_id = NEXT_ID.fetch_add(count, Ordering::Relaxed);
            own.last_id = own.next_id + count;
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
            let entry = future::entry(future);
            let Ok(coroutine) = self.find(Need::Start, |cache| cache.take_for(entry)) else {
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

    /// What `find` finds in the worker's memory; when there is none, of what the other workers have given.
    ///
    /// # Safety
    /// On this worker's thread, where nothing of its memory is in use.
    #[inline]
    pub unsafe fn find<T>(
        &self,
        need: Need,
        find: impl Fn(&mut Cache) -> Result<T, OutOfMemory>,
    ) -> Result<T, OutOfMemory> {
        // SAFETY: promised by the caller; not kept across calls.
        let find = || find(unsafe { &mut self.own().cache });
        find().or_else(|OutOfMemory| self.gather(need, || find().ok()).ok_or(OutOfMemory))
    }

    /// What `find`, which has found no memory, finds when the others have given theirs. As for [`find`](Self::find).
    #[cold]
    pub fn gather<T>(&self, need: Need, find: impl FnMut() -> Option<T>) -> Option<T> {
        self.scheduler().gather(self, need, find)
    }

    /// Has what is kept for the next coroutine serve anything. As for [`find`](Self::find).
    pub(super) fn put_spare_apart(&self) {
        // SAFETY: promised by the caller; not kept across calls.
        unsafe { self.own().cache.put_spare_apart() };
    }

    /// Gives what it recycles to all. As for [`find`](Self::find).
    pub(super) fn give_free(&self) {
        // SAFETY: promised by the caller; not kept across calls.
        unsafe { self.own().cache.give_all() };
        memory::give_all();
        self.due.fetch_and(!DUE_FREE, Ordering::Release);
    }

    /// For a worker that finds no memory: has this one give what it recycles, as soon as what runs here comes back.
    pub(super) fn ask_for_free(&self, now_ns: u64) {
        if self.due.load(Ordering::Relaxed) & DUE_FREE != 0 {
            return;
        }
        self.asked_for_free_ns.store(now_ns, Ordering::Relaxed);
        // Who sees that it owes sees since when.
        self.due.fetch_or(DUE_FREE, Ordering::Release);
        self.parker.notify();
        self.request_preemption();
    }

    /// Whether it was asked after that time, and has not done so yet.
    pub(super) fn owes_free(&self, time_ns: u64) -> bool {
        self.due.load(Ordering::Acquire) & DUE_FREE != 0
            && self.asked_for_free_ns.load(Ordering::Relaxed) > time_ns
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
        // SAFETY: promised by the caller; not kept across calls.
        unsafe {
            let can_start = || self.own().cache.can_start(entry).then_some(());
            let found = can_start().or_else(|| self.gather(Need::Run, can_start));
            self.own().lacks_memory = found.is_none();
            found.is_some()
        }
    }

    /// A coroutine has found no memory to start. What is spawned from here on fails at once, until there is some again.
    #[cold]
    fn expect_no_memory(&self) {
        // SAFETY: on this worker's thread.
        let own = unsafe { self.own() };
        own.lacks_memory = true;
        // Without ids `arch` spawns nothing.
        own.last_id = own.next_id;
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

    /// So many take turns that the next ones are likely to be in memory only: fetches the block of one, and the stack of the one before, whose block is there. Thieves
    /// may leave nothing of the queue meanwhile.
    #[inline]
    fn prefetch_next(&self) {
        if let Some(first) = self.queue.peek(0) {
            arch::prefetch_stack(first);
        }
        if let Some(second) = self.queue.peek(1) {
            arch::prefetch_block(second);
        }
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
            memory::give_all();
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
            if (*coroutine).rsp == 0
                && self
                    .find(Need::Start, |cache| cache.attach_stack(coroutine))
                    .is_err()
            {
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
            let ended = super::cannot_start(&in_place::identity(&*coroutine));
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
