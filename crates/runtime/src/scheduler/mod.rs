//! Workers and queues; what runs next.
//!
//! What the layers above use: [`current`], [`park`], [`yield_now`], [`ready`], [`spawn`], and [`external_begin`]/[`external_end`] around work
//! done by other threads that will ready a coroutine.
//!
//! # Where a coroutine waits for its turn
//! * `run_next` of a worker: the first one woken by what runs there; it runs next, on warm caches. After [`worker::MAX_STREAK`] turns in a row
//!   the queue has its turn. The monitor takes it away from a worker that is stuck.
//! * The worker's deque: what was spawned there and has not started; of that there is only the future. The worker takes the newest, others steal the oldest: so a
//!   tree of coroutines is walked depth first, and few of a million are alive at a time.
//! * The worker's queue: what else wakes there, and what yields. First in, first out; others steal half.
//! * The injector of a node: what comes from other threads, and what overflows a queue, the oldest first.
//! * The preempted of a node: coroutines that the monitor has interrupted after a long turn, the first one first. They run when a worker finds nothing else, so that what
//!   computes does not hold up what answers; and when they are due. Where a crowd waits (`worker::CROWD`), they queue like all others.
//!
//! Who has nothing to run looks from near to far (`node`): at the injectors, then at the queues of the workers of its own NUMA node, in a random order, then
//! at those of other nodes. Who wakes a worker takes a near one.
//!
//! # Fairness
//! A turn is one stretch of one coroutine on one worker. While the worker lives and the program goes on, a coroutine that is ready on it has its turn after
//! a bounded number of turns, whatever the others do:
//! * in `run_next`: it is next, unless the queues have a turn first: at most 2 turns.
//! * in the queue with n before it: queue and deque take turns, and `run_next` has at most [`worker::MAX_STREAK`] in a row in between: at most
//!   2 × (`MAX_STREAK` + 1) × (n + 1) turns, one more in every [`worker::FAIRNESS_PERIOD`], and now and then one that was preempted. One that yields
//!   lets up to `worker::next::GUESTS` run first that have not started, then the queue has as many turns before another does so.
//! * in the deque with n older ones: every `FAIRNESS_PERIOD` turns the oldest of the deque or of the injector has a turn, in turn when both hold something:
//!   at most 2 × `FAIRNESS_PERIOD` × (n + 1). Who yields even lets the oldest of the deque run first, up to
//!   `worker::next::GUESTS`; who spawns many that nobody will await yields to the newest ([`Worker::restrain_spawner`]).
//! * in the injector with n before it: the same; `worker::next::FOREIGN_PERIOD` times as much if no worker of that node runs.
//! * among the preempted of a node with n before it: a time, as it is their turns that are long. A worker that has had none of them for
//!   `monitor::PREEMPTED_PATIENCE` while some wait gives its next turn to one. With the monitor's tick of 5 ms and turns of at most 10 ms, that is
//!   35 ms × (n + 1), less with several workers; `worker::next::FOREIGN_PERIOD` times as much if no worker of that node runs. Who yields to nobody else yields to
//!   one of them.
//!
//! Hence a coroutine that computes without end delays each of the others by about 10 ms at a time, however many there are of its kind.
//!
//! Only what overflows changes its place, at most once and to the end of the injector; what others steal or take only runs earlier.
//!
//! Waking a sleeping worker costs microseconds, so it is done only when a queue holds more than the worker will run next, and the monitor makes
//! good for what that leaves waiting. There is one scheduler at a time in a process.

pub mod deque;
mod gather;
mod idle;
mod injector;
mod monitor;
mod node;
pub mod queue;
pub mod topology;
pub mod worker;

pub use crate::coroutine::{Coroutine, Operation, WaitInfo, Wake};
pub use crate::lock::{SpinLock, SpinMutex};
pub use crate::outcome::Outcome;
pub use gather::Need;
pub use worker::Worker;

use crate::arch;
use crate::coroutine::{Completion, Ended, Identity, State, UnlockHook};
use crate::deadlines;
use crate::door;
use crate::failure::{Failure, FailureKind};
use crate::memory::{self, OutOfMemory};
use crate::node_memory;
use crate::outcome;
use crate::sanitize::sync::{Condvar, Mutex};
use crate::stack::Cache;
use crate::sync::held;
use crate::unwind::fatal;
use echo_abi::layout::EntryDesc;
use idle::Idle;
use node::{Node, Nodes};
use std::alloc::Layout;
use std::ffi::c_void;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use topology::Topology;

/// The coroutine that called the running runtime function; `None` on a plain thread and in callbacks.
#[inline]
pub fn current() -> Option<*mut Coroutine> {
    let coroutine = arch::current_coroutine();
    (!coroutine.is_null()).then_some(coroutine)
}

/// Suspends the calling coroutine, whose [waiter](Coroutine::waiter) says what for; return the result at once. `lock` is released after its registers
/// are saved: from then on it may be woken, by exactly one call of [`ready`].
///
/// # Safety
/// `coroutine` is the calling one, which holds the lock.
#[inline(always)]
pub unsafe fn park(coroutine: *mut Coroutine, operation: Operation, lock: &SpinLock) -> Outcome {
    debug_assert_eq!(current(), Some(coroutine));
    // SAFETY: promised by the caller: the running coroutine belongs to this thread.
    unsafe {
        (*coroutine).operation = operation;
        (*coroutine).set_state(State::Suspended);
    }
    Outcome {
        value: ptr::from_ref(lock).expose_provenance() as u64,
        status: outcome::PARK,
    }
}

/// As [`park`], for what does not wait in a queue: instead of a lock being released, `hook(data)` runs.
///
/// # Safety
/// `coroutine` is the calling one; `hook` may be called with `data`.
#[inline]
pub unsafe fn park_with(
    coroutine: *mut Coroutine,
    hook: UnlockHook,
    data: *mut c_void,
    wait: WaitInfo,
) -> Outcome {
    // SAFETY: the running coroutine belongs to this thread, and its waiter is free: it is in no queue.
    unsafe {
        let waiter = Coroutine::waiter(coroutine);
        (*waiter).object = wait.object.cast_mut().cast();
        (*waiter).position = wait.position;
        (*waiter).value = data.cast();
        (*waiter).extra = hook as *mut u8;
        (*coroutine).operation = wait.operation;
        (*coroutine).set_state(State::Suspended);
    }
    Outcome {
        value: 0,
        status: outcome::PARK,
    }
}

/// The registers of a coroutine that parked are saved: does what [`park`] or [`park_with`] was told. `word` is the value of their outcome.
///
/// # Safety
/// Called once, by the worker that the coroutine has just left.
#[inline(always)]
unsafe fn finish_park(coroutine: *mut Coroutine, word: u64) {
    let lock: *const SpinLock = ptr::with_exposed_provenance(word as usize);
    // SAFETY: the lock was held by the coroutine; its object outlives the wait. Otherwise the hook was stored just before.
    unsafe {
        match lock.as_ref() {
            Some(lock) => lock.unlock(),
            None => {
                let waiter = Coroutine::waiter(coroutine);
                let hook = std::mem::transmute::<*mut u8, UnlockHook>((*waiter).extra);
                hook((*waiter).value.cast());
            }
        }
    }
}

/// Lets the others run; return the result at once. What it returns to the coroutine is of no use.
#[inline]
pub fn yield_now() -> Outcome {
    if current().is_some() {
        return Outcome::YIELD;
    }
    std::thread::yield_now();
    Outcome::DONE
}

/// Wakes a parked coroutine. From any thread; the caller has the right to wake it (it was claimed exactly once).
///
/// # Safety
/// `coroutine` is parked, its unlock hook has run or is running, and nobody else wakes it.
#[inline]
pub unsafe fn ready(coroutine: *mut Coroutine, wake: Wake) {
    // SAFETY: promised by the caller: it owns the coroutine now. That it wakes is told before its stack is touched.
    unsafe {
        (*coroutine).set_state(State::Ready);
        door::light_fence();
        match wake {
            Wake::Value(value) => (*coroutine).wake_value = value,
            Wake::Raise(mut exception) => {
                if exception.position == 0 {
                    exception.position = (*coroutine).wait().position;
                }
                (*coroutine).wake_value = Box::into_raw(exception) as usize as u64;
                arch::slide_raise(coroutine);
            }
            Wake::Again => {
                arch::slide_again(coroutine);
                return match current_worker() {
                    Some(worker) => worker.push(coroutine),
                    None => inject(coroutine),
                };
            }
        }
    }
    match current_worker() {
        Some(worker) => worker.push_woken(coroutine),
        None => inject(coroutine),
    }
}

/// Why a coroutine failed to start, or to be made.
pub const CANNOT_START: &str = "out of memory: cannot start a coroutine";

/// The end of a coroutine that cannot start.
#[cold]
pub fn cannot_start(coroutine: &Identity) -> Ended {
    let origin = coroutine.origin();
    Ended::Failed(Failure::of_coroutine(
        FailureKind::Panic,
        CANNOT_START.into(),
        0,
        origin,
        Vec::new(),
        None,
    ))
}

/// Starts `entry` as a coroutine. `args` (of `entry.args`) are moved; the result is written to `result`, which stays valid until
/// `completion.finish` was called. Returns the coroutine's id.
///
/// # Errors
/// There is no memory for it; then the arguments are still the caller's.
///
/// # Safety
/// `entry`, `args` and `result` are valid and of matching types.
#[inline]
pub unsafe fn spawn(
    entry: *mut EntryDesc,
    args: *const u8,
    result: *mut u8,
    position: u32,
    completion: Completion,
) -> Result<u64, OutOfMemory> {
    // SAFETY: promised by the caller; the coroutine is ours until it is started.
    unsafe {
        let coroutine = create(position)?;
        let id = (*coroutine).id();
        let started = start(coroutine, entry, args, result, completion);
        if started.is_err() {
            discard(coroutine);
        }
        started.map(|()| id)
    }
}

/// A coroutine with an id that does not run: to be given to [`start`] or [`discard`]. Nobody may look at its entry before.
///
/// # Errors
/// There is no memory for it.
#[inline]
pub fn create(position: u32) -> Result<*mut Coroutine, OutOfMemory> {
    // SAFETY: a worker's cache is used on its own thread only. The block is free, hence ours.
    unsafe {
        let (coroutine, id) = match current_worker() {
            Some(worker) => (
                worker.find(Need::Run, Cache::take_control)?,
                worker.take_id(),
            ),
            None => (
                OUTSIDERS.lock().take_control()?,
                NEXT_ID.fetch_add(1, Ordering::Relaxed),
            ),
        };
        (*coroutine).entry = ptr::null_mut();
        (*coroutine).holder = id + 1;
        (*coroutine).spawned_at = position;
        (*coroutine).set_state(State::Ready);
        Ok(coroutine)
    }
}

/// Starts a coroutine made by [`create`]; see [`spawn`].
///
/// # Errors
/// There is no memory for the arguments, which are still the caller's, as is the coroutine.
///
/// # Safety
/// As for [`spawn`]; the caller owns the coroutine, which is not its own once it has started.
#[inline]
pub unsafe fn start(
    coroutine: *mut Coroutine,
    entry: *mut EntryDesc,
    args: *const u8,
    result: *mut u8,
    completion: Completion,
) -> Result<(), OutOfMemory> {
    // SAFETY: promised by the caller.
    unsafe {
        let bytes = (*entry).args.as_ref().map_or(0, |desc| desc.size as usize);
        let mut own_args = ptr::null_mut();
        if bytes != 0 {
            own_args = std::alloc::alloc(args_layout(bytes));
            if own_args.is_null() {
                return Err(OutOfMemory);
            }
            ptr::copy_nonoverlapping(args, own_args, bytes);
        }
        (*coroutine).rsp = 0;
        (*coroutine).entry = entry;
        (*coroutine).held = ptr::null_mut();
        begin(coroutine, own_args, result, completion);
        (*coroutine).args_on_heap = bytes != 0;
    }
    match current_worker() {
        Some(worker) => worker.push(coroutine),
        None => inject(coroutine),
    }
    Ok(())
}

/// What every coroutine begins with.
///
/// # Safety
/// The caller owns the coroutine, which has its identity, and a stack or none; the places are those of its entry.
#[inline]
unsafe fn begin(coroutine: *mut Coroutine, args: *mut u8, result: *mut u8, completion: Completion) {
    // SAFETY: promised by the caller.
    unsafe {
        (*coroutine).args = args;
        (*coroutine).args_on_heap = false;
        (*coroutine).slot.result = result;
        (*coroutine).operation = Operation::None;
        (*coroutine).completion = completion;
        (*coroutine).in_place = ptr::null_mut();
    }
}

/// Takes a coroutine back that was never started.
///
/// # Safety
/// It was made by [`create`], and the caller owns it.
pub unsafe fn discard(coroutine: *mut Coroutine) {
    // SAFETY: promised by the caller; a worker's cache is used on its own thread only.
    unsafe {
        match current_worker() {
            Some(worker) => worker.own().cache.put_control(coroutine),
            None => OUTSIDERS.lock().put_control(coroutine),
        }
    }
}

/// Whether the calling runtime function may spin for a moment: other workers run, and this one has nothing else to do.
pub fn has_time_to_spin() -> bool {
    current_worker().is_some_and(Worker::has_time_to_spin)
}

/// Whether coroutines can be started.
pub fn is_running() -> bool {
    visit(|scheduler| !scheduler.stopping.load(Ordering::SeqCst)) == Some(true)
}

/// A coroutine has ended: gives up what it holds, but for its stack and its block. Whom to tell.
///
/// # Safety
/// The coroutine has ended and is the caller's.
pub(crate) unsafe fn end_coroutine(coroutine: *mut Coroutine, ended: &Ended) -> Completion {
    // SAFETY: promised by the caller.
    unsafe {
        (*coroutine).set_state(match ended {
            Ended::Completed => State::Completed,
            Ended::Failed(_) => State::Failed,
        });
        if !(*coroutine).held.is_null() {
            held::release_held(coroutine, matches!(ended, Ended::Failed(_)));
        }
        if (*coroutine).args_on_heap {
            let size = (*(*(*coroutine).entry).args).size as usize;
            std::alloc::dealloc((*coroutine).args, args_layout(size));
        }
        (*coroutine).completion
    }
}

fn args_layout(size: usize) -> Layout {
    Layout::from_size_align(size, 16).expect("arguments are small")
}

/// Announces work outside the scheduler that will ready a coroutine: the program is not at its end until [`external_end`].
pub fn external_begin() {
    EXTERNAL.fetch_add(1, Ordering::SeqCst);
}

/// The announced work is over; called after the coroutine was readied.
pub fn external_end() {
    if EXTERNAL.fetch_sub(1, Ordering::SeqCst) == 1 {
        visit(|scheduler| {
            // A worker that is awake will find out by itself whether this was the end.
            if scheduler.idle.all_asleep() {
                scheduler.wake_near(0);
            }
        });
    }
}

/// The shard for timers of this thread.
pub fn timer_shard() -> usize {
    current_worker().map_or(0, |worker| worker.index)
}

/// A timer was added: sleepers must know when that happened outside the workers.
pub fn timer_added(deadline_ns: u64) {
    match current_worker() {
        Some(worker) => worker.scheduler().monitor_bell.expect_timer(deadline_ns),
        None => {
            visit(|scheduler| {
                scheduler.wake_near(scheduler.nodes.here());
                scheduler.monitor_bell.expect_timer(deadline_ns);
            });
        }
    }
}

/// The memory cache of the worker that runs the calling code.
///
/// # Safety
/// Called on a worker's thread; the reference is dropped before anything else can use the cache.
pub(crate) unsafe fn worker_cache() -> &'static mut Cache {
    let worker = current_worker().expect("coroutines run on workers");
    // SAFETY: promised by the caller.
    unsafe { &mut worker.own().cache }
}

/// Work announced by [`external_begin`]; not of one program, as threads may announce it before a program runs, and finish after it.
static EXTERNAL: AtomicUsize = AtomicUsize::new(0);
static NEXT_ID: AtomicU64 = AtomicU64::new(0);
/// Memory for coroutines spawned by other threads.
static OUTSIDERS: SpinMutex<Cache> = SpinMutex::new(Cache::new());
/// Calls of [`visit`] in progress.
static VISITORS: AtomicUsize = AtomicUsize::new(0);
/// Whether there has been a scheduler.
static HAS_RUN: AtomicBool = AtomicBool::new(false);
/// The running scheduler.
static SCHEDULER: AtomicPtr<Scheduler> = AtomicPtr::new(ptr::null_mut());

#[inline]
pub(crate) fn current_worker() -> Option<&'static Worker> {
    // SAFETY: a worker thread's word points to its worker, which outlives the thread.
    unsafe { arch::current_worker().cast::<Worker>().as_ref() }
}

/// Calls `f` with the running scheduler, which is not freed meanwhile: `Scheduler::run` hides it, then waits until nobody visits it. Both sides
/// use sequentially consistent order, so a visitor that was not counted then finds nothing.
fn visit<R>(f: impl FnOnce(&Scheduler) -> R) -> Option<R> {
    VISITORS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: see above.
    let result = unsafe { SCHEDULER.load(Ordering::SeqCst).as_ref() }.map(f);
    VISITORS.fetch_sub(1, Ordering::SeqCst);
    result
}

fn inject(coroutine: *mut Coroutine) {
    let injected = visit(|scheduler| {
        let node = scheduler.nodes.for_injected(coroutine);
        scheduler.nodes[node].injector.push_all(&[coroutine]);
        scheduler.wake_near(node);
    });
    // What comes too late is lost, like everything that is blocked when a program ends: other threads cannot know in time.
    assert!(
        injected.is_some() || HAS_RUN.load(Ordering::Relaxed),
        "coroutines need a running scheduler"
    );
}

/// What to do when nothing can happen any more.
pub enum Quiescent {
    /// Something was started.
    GoOn,
    /// End the program.
    Stop,
}

/// Counters for `--stats`.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    pub workers_started: usize,
    pub coroutines: u64,
    pub switches: u64,
    pub steals: u64,
    /// Of these, from workers of other nodes.
    pub far_steals: u64,
    pub wake_ups: u64,
    pub preemptions: u64,
    /// Coroutines that had not ended when the program did.
    pub coroutines_left: usize,
    /// Of each node, if there are several: its number, how many workers it has, and how many of those have started.
    pub nodes: Vec<(usize, usize, usize)>,
}

/// A pool of workers that runs one program.
pub struct Scheduler {
    workers: Box<[Worker]>,
    nodes: Nodes,
    idle: Idle,
    stopping: AtomicBool,
    wake_ups: AtomicU64,
    preemptions: AtomicU64,
    on_quiescent: Box<dyn Fn() -> Quiescent + Send + Sync>,
    /// Worker threads that have not ended.
    threads: Mutex<usize>,
    thread_ended: Condvar,
    monitor_bell: monitor::Bell,
    /// Held by a worker that has found no memory and asks the others.
    gathering: Mutex<()>,
    /// For [`gather`](Self::gather), of each need.
    asked_to_run_ns: AtomicU64,
    asked_to_start_ns: AtomicU64,
}

/// How long the end of a program waits for coroutines that do not give up their worker.
const STOP_PATIENCE: Duration = Duration::from_millis(200);

impl Scheduler {
    /// Runs coroutines on `workers` workers, spread over the nodes of a machine, until [`request_stop`]: `start` is called first, to spawn the first one.
    pub fn run(
        workers: usize,
        topology: &Topology,
        on_quiescent: impl Fn() -> Quiescent + Send + Sync + 'static,
        start: impl FnOnce(),
    ) -> Stats {
        let workers = workers.max(1);
        let scheduler = Scheduler::new(workers, topology, on_quiescent);
        if scheduler.nodes.len() > 1 {
            node_memory::tell_nodes(topology.nodes.iter().map(|node| node.memory));
        }
        HAS_RUN.store(true, Ordering::Relaxed);
        NEXT_ID.store(0, Ordering::Relaxed);
        door::enable_heavy_fence();
        memory::limit_arenas();
        // Other threads may start coroutines as soon as there is a scheduler; when those have ended, that is not the end.
        external_begin();
        // Workers whose thread does not exist yet count as asleep; the first wake-up starts the thread.
        (0..workers)
            .rev()
            .for_each(|worker| _ = scheduler.idle.enter(worker));
        SCHEDULER.store(ptr::from_ref(scheduler).cast_mut(), Ordering::SeqCst);
        let monitor = monitor::start(scheduler);
        start();
        external_end();
        let ended = scheduler.wait_for_threads();
        scheduler.monitor_bell.stop();
        monitor.join();
        SCHEDULER.store(ptr::null_mut(), Ordering::SeqCst);
        while VISITORS.load(Ordering::SeqCst) != 0 {
            std::thread::yield_now();
        }
        // The last visitors may have started another one.
        let clean = ended && scheduler.wait_for_threads();
        let mut stats = scheduler.stats();
        let unstarted = scheduler.workers.iter().map(|worker| match clean {
            true => worker.abandon_unstarted(),
            false => worker.unstarted(),
        });
        stats.coroutines_left = crate::registry::abandon() + unstarted.sum::<usize>();
        if clean {
            // SAFETY: it came from `Box::leak`; its threads have ended, and nobody can find it any more.
            drop(unsafe { Box::from_raw(ptr::from_ref(scheduler).cast_mut()) });
        }
        stats
    }

    /// One that does not run yet.
    fn new(
        workers: usize,
        topology: &Topology,
        on_quiescent: impl Fn() -> Quiescent + Send + Sync + 'static,
    ) -> &'static Scheduler {
        let nodes = Nodes::new(topology, workers);
        let scheduler: &'static Scheduler = Box::leak(Box::new(Scheduler {
            workers: nodes
                .iter()
                .enumerate()
                .flat_map(|(node, on_it)| on_it.workers.clone().map(move |index| (index, node)))
                .map(|(index, node)| Worker::new(index, node, workers))
                .collect(),
            idle: Idle::new(&nodes.worker_counts(), topology::processors()),
            nodes,
            stopping: AtomicBool::new(false),
            wake_ups: AtomicU64::new(0),
            preemptions: AtomicU64::new(0),
            on_quiescent: Box::new(on_quiescent),
            threads: Mutex::new(0),
            thread_ended: Condvar::new(),
            monitor_bell: monitor::Bell::default(),
            gathering: Mutex::new(()),
            asked_to_run_ns: AtomicU64::new(0),
            asked_to_start_ns: AtomicU64::new(0),
        }));
        for worker in &scheduler.workers {
            worker.join_scheduler(scheduler);
        }
        scheduler
    }

    fn stats(&self) -> Stats {
        let mut stats = Stats {
            wake_ups: self.wake_ups.load(Ordering::Relaxed),
            preemptions: self.preemptions.load(Ordering::Relaxed),
            coroutines: NEXT_ID.load(Ordering::Relaxed),
            ..Stats::default()
        };
        for worker in &self.workers {
            worker.add_stats(&mut stats);
        }
        if self.nodes.len() > 1 {
            stats.nodes = self
                .nodes
                .iter()
                .map(|node| self.node_stats(node))
                .collect();
        }
        stats
    }

    fn node_stats(&self, node: &Node) -> (usize, usize, usize) {
        let workers = &self.workers[node.workers.clone()];
        let started = workers.iter().filter(|worker| worker.has_started());
        (node.number, workers.len(), started.count())
    }

    /// Wakes a sleeper, if there is one, as near to the node as possible.
    fn wake_near(&self, node: usize) {
        while let Some(index) = self.idle.take_one(&self.nodes[node].near_to_far) {
            match self.workers[index].wake() {
                Ok(()) => {
                    self.wake_ups.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(error) => self.lose_worker(&error),
            }
        }
    }

    /// The thread of a worker cannot be started: the others have to do. The caller wakes one of those that sleep, which finds out whether that was the
    /// end of the program.
    #[cold]
    fn lose_worker(&self, error: &io::Error) {
        if !self.workers.iter().any(Worker::has_started) {
            fatal(&format!("cannot start a worker thread: {error}"));
        }
        self.idle.lose();
    }

    /// Whether a coroutine is queued anywhere.
    fn has_work(&self) -> bool {
        self.node_with_work().is_some()
    }

    /// A node where a coroutine is queued.
    fn node_with_work(&self) -> Option<usize> {
        let busy = || self.workers.iter().find(|worker| worker.has_spare_work());
        self.nodes
            .with_shared_work()
            .or_else(|| busy().map(|worker| worker.node))
    }

    /// A node where a searcher would find something to take.
    fn node_with_work_to_steal(&self) -> Option<usize> {
        let busy = || {
            self.workers
                .iter()
                .find(|worker| worker.has_work_to_steal())
        };
        self.nodes
            .with_shared_work()
            .or_else(|| busy().map(|worker| worker.node))
    }

    /// Whether nothing keeps the program going, once all workers sleep. The list of sleepers is locked.
    fn nothing_is_left(&self) -> bool {
        EXTERNAL.load(Ordering::SeqCst) == 0
            && !self.has_work()
            && self.workers.iter().all(Worker::has_nothing_next)
            && !deadlines::any_wanted()
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for worker in &self.workers {
            worker.expect_end();
        }
        self.thread_ended.notify_all();
    }

    /// Waits until the program has stopped and its workers have ended; whether all did in time.
    fn wait_for_threads(&self) -> bool {
        let mut threads = self
            .threads
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        while !self.stopping.load(Ordering::SeqCst) {
            threads = self
                .thread_ended
                .wait(threads)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        let deadline = Instant::now() + STOP_PATIENCE;
        while *threads > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            threads = self
                .thread_ended
                .wait_timeout(threads, left)
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .0;
        }
        true
    }
}

/// Ends the running program: workers stop at their next switch.
pub fn request_stop() {
    visit(|scheduler| {
        let threads = scheduler
            .threads
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        scheduler.stop();
        drop(threads);
    });
}
