//! Running a whole program: the main coroutine, the end, exit codes, deadlock.
//!
//! # The end of a program
//! * Main returned: the program goes on until nothing can make progress. Coroutines blocked for ever are dropped with the process, their
//!   `defer`s do not run. The exit code is what main returned, or 2 where that is 0 and a failure was reported.
//! * Main failed: its failure is reported, the program ends at once with 2.
//! * Main is blocked and nothing can make progress: a deadlock, reported; 2.
//! * `exit(n)`: at once, with `n`, also where a failure is reported.
//!
//! With [`Options::check_leaks`] coroutines that are blocked for ever are cancelled at the end, so that everything they own is given up, and the
//! live blocks are counted.

use crate::arch;
use crate::coroutine::{Completion, Coroutine, Ended, Operation, WaitInfo, Wake};
use crate::failure::{self, Failure, FailureKind, write_stderr};
use crate::outcome::Outcome;
use crate::panic::Exception;
use crate::position;
use crate::report;
use crate::scheduler::topology::{Topology, default_workers};
use crate::scheduler::{self, Quiescent, Scheduler, Stats};
use crate::stack;
use crate::stubs;
use crate::timer;
use crate::unwind::fatal;
use crate::value::{self, print};
use crate::waiter;
use echo_abi::ABI_VERSION;
use echo_abi::layout::ModuleInfo;
use echo_abi::layout::TLS_OFFSET_SYMBOL;
use std::borrow::Cow;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::fmt::Write as _;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::time::Duration;

/// Exit code of a program that failed.
pub const FAILURE_CODE: i32 = 2;

/// How to run a program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// `None`: as many as the machine (or its container) has cores.
    pub workers: Option<usize>,
    /// Maximum stack of a coroutine in bytes; `None` for 1 MiB.
    pub max_stack: Option<usize>,
    /// Prints counters to standard error at the end.
    pub stats: bool,
    /// Lists the coroutines that were blocked for ever when the program ended.
    pub leaks: bool,
    /// The program ends when main returns, as in Go.
    pub main_exit: bool,
    /// Takes the machine for one node, whatever it is.
    pub one_node: bool,
    /// Counts live blocks at the end; any that remain are an error (exit code [`LEAK_CODE`]).
    pub check_leaks: bool,
}

/// Exit code when [`Options::check_leaks`] finds something.
pub const LEAK_CODE: i32 = 99;

impl Options {
    /// What the environment asks for: `ECHO_WORKERS`, `ECHO_MAX_STACK` (bytes, or with `K`/`M`), `ECHO_NUMA` (`on` or `off`), and when set to
    /// anything but `0`, `ECHO_STATS`, `ECHO_LEAKS`, `ECHO_MAIN_EXIT`, `ECHO_CHECK_LEAKS`.
    ///
    /// # Errors
    /// A message that names the variable whose value is no good.
    pub fn from_environment() -> Result<Options, String> {
        let flag =
            |name| std::env::var_os(name).is_some_and(|value| value != "0" && !value.is_empty());
        Ok(Options {
            workers: number("ECHO_WORKERS", parse_workers)?,
            max_stack: number("ECHO_MAX_STACK", parse_max_stack)?,
            stats: flag("ECHO_STATS"),
            leaks: flag("ECHO_LEAKS"),
            main_exit: flag("ECHO_MAIN_EXIT"),
            one_node: !switch("ECHO_NUMA")?,
            check_leaks: flag("ECHO_CHECK_LEAKS"),
        })
    }
}

fn number(name: &str, parse: fn(&str) -> Result<usize, String>) -> Result<Option<usize>, String> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => parse(&text)
            .map(Some)
            .map_err(|why| format!("{name}: {why}")),
        _ => Ok(None),
    }
}

/// Whether a variable is `on`, which it is unless it says `off`.
fn switch(name: &str) -> Result<bool, String> {
    match std::env::var(name).as_deref() {
        Err(_) | Ok("" | "on" | "1") => Ok(true),
        Ok("off" | "0") => Ok(false),
        Ok(text) => Err(format!("{name}: `{text}` is neither `on` nor `off`")),
    }
}

/// A number of workers, from 1 to 1024.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(workers @ 1..=1024) => Ok(workers),
        _ => Err(format!("`{text}` is no number of workers (1 to 1024)")),
    }
}

/// A maximum stack in bytes: `65536`, `64K`, `8M`, `1G`; at least 64 KiB.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_max_stack(text: &str) -> Result<usize, String> {
    let bytes = parse_bytes(text)?;
    if bytes < stack::LEAST_MAX_STACK_BYTES {
        let least = stack::LEAST_MAX_STACK_BYTES >> 10;
        return Err(format!("`{text}` is too small: the least is {least}K"));
    }
    Ok(bytes)
}

fn parse_bytes(text: &str) -> Result<usize, String> {
    let (digits, shift) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 10),
        Some((at, 'm' | 'M')) => (&text[..at], 20),
        Some((at, 'g' | 'G')) => (&text[..at], 30),
        _ => (text, 0),
    };
    let bytes = digits
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| format!("`{text}` is no number of bytes (such as 65536, 64K or 8M)"))
}

/// Runs `module` to its end; the exit code. Standard output is flushed. Use [`exit_process`] with it: coroutines may still be running.
///
/// # Safety
/// `module` and its code are valid for the rest of the process.
pub unsafe fn run(module: *const ModuleInfo, options: Options) -> i32 {
    // SAFETY: promised by the caller.
    unsafe {
        if (*module).abi_version != ABI_VERSION {
            let version = (*module).abi_version;
            write_stderr(&format!(
                "fatal: the program was compiled for version {version} of the runtime's interface, this is version {ABI_VERSION}\n"
            ));
            return FAILURE_CODE;
        }
        position::attach(module);
    }
    stack::set_max_stack(options.max_stack.unwrap_or(stack::DEFAULT_MAX_STACK_BYTES));
    print::mute(false);
    PHASE.store(MAIN_RUNS, Ordering::SeqCst);
    CODE.store(0, Ordering::SeqCst);
    let one_node = options.one_node.then(|| Topology::of_one_node(&[]));
    let stats = Scheduler::run(
        options.workers.unwrap_or_else(default_workers),
        one_node.as_ref().unwrap_or_else(|| Topology::of_machine()),
        move || quiescent(&options),
        // SAFETY: promised by the caller.
        || unsafe { start_main(module, options.main_exit) },
    );
    // SAFETY: promised by the caller.
    unsafe { end(module, &options, &stats) }
}

/// Ends the process at once: threads that still run get no chance to disturb the end. Output that could not be written makes a 0 a
/// [`FAILURE_CODE`].
pub fn exit_process(code: i32) -> ! {
    print::flush();
    // SAFETY: ends the process.
    unsafe { libc::_exit(with_lost_output(code)) }
}

fn with_lost_output(code: i32) -> i32 {
    match code {
        0 if print::has_lost() => FAILURE_CODE,
        _ => code,
    }
}

/// Where the program is.
static PHASE: AtomicU8 = AtomicU8::new(MAIN_RUNS);
const MAIN_RUNS: u8 = 0;
const MAIN_RETURNED: u8 = 1;
const MAIN_FAILED: u8 = 2;
/// Blocked coroutines were cancelled; what comes now only cleans up.
const DRAINING: u8 = 3;
/// The exit code so far.
static CODE: AtomicI32 = AtomicI32::new(0);

/// Where main's result goes.
struct Exit(UnsafeCell<i64>);
// SAFETY: written by the main coroutine, read after it has ended.
unsafe impl Sync for Exit {}
static EXIT: Exit = Exit(UnsafeCell::new(0));

/// # Safety
/// `module` is valid.
unsafe fn start_main(module: *const ModuleInfo, main_exit: bool) {
    let completion = Completion {
        data: EXIT.0.get().cast(),
        finish: if main_exit {
            main_ended::<true>
        } else {
            main_ended::<false>
        },
    };
    // SAFETY: main takes no arguments and writes an `i64`.
    let started = unsafe {
        scheduler::spawn(
            (*module).main,
            ptr::null(),
            EXIT.0.get().cast(),
            0,
            completion,
        )
    };
    if started.is_err() {
        fatal(scheduler::CANNOT_START);
    }
}

/// # Safety
/// Called once, when main has ended.
unsafe fn main_ended<const MAIN_EXIT: bool>(exit: *mut c_void, ended: Ended) {
    match ended {
        Ended::Completed => {
            let returned = PHASE.compare_exchange(
                MAIN_RUNS,
                MAIN_RETURNED,
                Ordering::SeqCst,
                Ordering::SeqCst,
            );
            if returned.is_ok() {
                // SAFETY: main has written its result.
                CODE.store(unsafe { *exit.cast::<i64>() } as i32, Ordering::SeqCst);
            }
            if MAIN_EXIT {
                scheduler::request_stop();
            }
        }
        Ended::Failed(failure) => main_failed(&failure),
    }
}

fn main_failed(failure: &Failure) {
    if PHASE
        .compare_exchange(MAIN_RUNS, MAIN_FAILED, Ordering::SeqCst, Ordering::SeqCst)
        .is_err()
    {
        return; // cancelled to count blocks
    }
    CODE.store(FAILURE_CODE, Ordering::SeqCst);
    failure.observe();
    write_stderr(&failure.report());
    scheduler::request_stop();
}

/// Nothing can make progress any more.
fn quiescent(options: &Options) -> Quiescent {
    match PHASE.load(Ordering::SeqCst) {
        MAIN_RUNS => {
            CODE.store(FAILURE_CODE, Ordering::SeqCst);
            write_stderr(&format!(
                "fatal: deadlock: all coroutines are blocked\n{}",
                report::blocked()
            ));
        }
        MAIN_RETURNED if options.leaks => report_leaks(),
        _ => {}
    }
    if options.check_leaks && cancel_all() {
        Quiescent::GoOn
    } else {
        Quiescent::Stop
    }
}

fn report_leaks() {
    let blocked = report::blocked();
    if !blocked.is_empty() {
        write_stderr(&format!(
            "blocked for ever when the program ended:\n{blocked}"
        ));
    }
}

/// Cancels what is parked; whether there was anything. Called while nothing runs.
fn cancel_all() -> bool {
    PHASE.store(DRAINING, Ordering::SeqCst);
    print::mute(true);
    // All are withdrawn before the first is woken: from then on other workers run again, and could wake the others.
    let withdrawn: Vec<_> = report::parked()
        .into_iter()
        // SAFETY: parked, and nothing runs but this.
        .filter_map(|coroutine| unsafe { waiter::withdraw(coroutine.cast_mut()) })
        .collect();
    let any = !withdrawn.is_empty();
    for parked in withdrawn {
        let cancelled = Exception::new(FailureKind::Cancelled, Cow::Borrowed("cancelled"), 0, None);
        // SAFETY: withdrawn just now, and woken once.
        unsafe { parked.wake(cancelled) };
    }
    any
}

/// # Safety
/// The scheduler has stopped; `module` is valid.
unsafe fn end(module: *const ModuleInfo, options: &Options, stats: &Stats) -> i32 {
    let failed = failure::report_unobserved();
    let mut code = CODE.load(Ordering::SeqCst);
    if failed && code == 0 {
        code = FAILURE_CODE;
    }
    print::flush();
    if options.stats {
        write_stderr(&stats_text(stats));
    }
    if options.check_leaks && stats.coroutines_left == 0 {
        // SAFETY: no coroutine is left that could read a global.
        unsafe { drop_globals(module) };
        timer::finish_all();
        let live = value::live_blocks();
        if live != 0 {
            write_stderr(&format!(
                "leak: {live} blocks are still alive at the end of the program\n"
            ));
            return LEAK_CODE;
        }
    }
    timer::forget_all();
    with_lost_output(code)
}

/// # Safety
/// No coroutine is left.
unsafe fn drop_globals(module: *const ModuleInfo) {
    // SAFETY: the module says that this is a function without arguments; null is `None`.
    unsafe {
        let drop: Option<unsafe extern "C" fn()> = std::mem::transmute((*module).drop_globals);
        if let Some(drop) = drop {
            drop();
        }
    }
}

fn stats_text(stats: &Stats) -> String {
    let Stats {
        workers_started,
        coroutines,
        switches,
        steals,
        far_steals,
        wake_ups,
        preemptions,
        coroutines_left,
        nodes,
    } = stats;
    let (mut node_lines, mut far) = (String::new(), String::new());
    for (number, workers, started) in nodes {
        let _ = writeln!(
            node_lines,
            "  on node {number:<6} {started} of {workers} workers"
        );
        far = format!(", {far_steals} from other nodes");
    }
    let (big, pages, slabs) = (
        stack::BIG_SEGMENTS.load(Ordering::Relaxed),
        stack::PAGE_STACKS.load(Ordering::Relaxed),
        stack::SLABS.load(Ordering::Relaxed),
    );
    format!(
        "workers started  {workers_started}
{node_lines}coroutines       {coroutines}
  left blocked   {coroutines_left}
switches         {switches}
steals           {steals}{far}
wake-ups         {wake_ups}
preemptions      {preemptions}
big segments     {big} reserved
page stacks      {pages} reserved
slabs            {slabs}
"
    )
}

/// Names and addresses of everything that compiled programs refer to and `eo` has to provide when it runs one in process.
pub fn symbols() -> impl Iterator<Item = (&'static str, usize)> {
    unsafe extern "C" {
        fn __gcc_personality_v0();
    }
    let machine: [(&'static str, usize); 9] = [
        ("echo_empty", value::empty().addr()),
        (TLS_OFFSET_SYMBOL, arch::tls_offset().addr()),
        ("__morestack", arch::__morestack as *const () as usize),
        (
            "__morestack_allocate_stack_space",
            arch::__morestack_allocate_stack_space as *const () as usize,
        ),
        (
            "echo_unwind_resume",
            arch::echo_unwind_resume as *const () as usize,
        ),
        (
            "__gcc_personality_v0",
            __gcc_personality_v0 as *const () as usize,
        ),
        // What LLVM makes of copies and fills. glibc's use no stack.
        ("memcpy", libc::memcpy as *const () as usize),
        ("memmove", libc::memmove as *const () as usize),
        ("memset", libc::memset as *const () as usize),
    ];
    stubs::addresses().chain(machine)
}

/// Runs the program of a stand-alone executable; called by its `main`, whose result it returns.
///
/// # Safety
/// `argv` holds `argc` C strings; `module` is the program.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn echo_start(
    _argc: i32,
    _argv: *const *const u8,
    module: *const ModuleInfo,
) -> i32 {
    match Options::from_environment() {
        // SAFETY: promised by the caller.
        Ok(options) => exit_process(unsafe { run(module, options) }),
        Err(message) => {
            write_stderr(&format!("fatal: {message}\n"));
            FAILURE_CODE
        }
    }
}

// ---- rows of the symbol table

pub unsafe extern "C" fn echo_exit(code: i64) {
    failure::report_unobserved();
    exit_process(code as i32)
}

pub unsafe fn echo_yield(_position: i32) -> Outcome {
    scheduler::yield_now()
}

/// A preemption request was seen at a loop's back edge.
pub unsafe fn echo_poll() -> Outcome {
    match scheduler::current() {
        Some(_) => scheduler::yield_now(),
        None => Outcome::DONE,
    }
}

pub unsafe fn echo_sleep(milliseconds: i64, position: i32) -> Outcome {
    let Ok(nanoseconds) = u64::try_from(milliseconds.saturating_mul(1_000_000)) else {
        return scheduler::yield_now();
    };
    let Some(coroutine) = scheduler::current() else {
        std::thread::sleep(Duration::from_nanos(nanoseconds));
        return Outcome::DONE;
    };
    // SAFETY: the running coroutine belongs to this thread. The word carries the deadline until it is parked.
    unsafe { (*coroutine).wake_value = timer::now_ns().saturating_add(nanoseconds) };
    let wait = WaitInfo {
        object: ptr::null(),
        position: position as u32,
        operation: Operation::Sleep,
    };
    // SAFETY: it is the running coroutine, which the hook expects.
    unsafe { scheduler::park_with(coroutine, set_alarm, coroutine.cast(), wait) }
}

/// The unlock hook of a sleep: only a parked coroutine can be woken.
unsafe fn set_alarm(coroutine: *mut c_void) {
    // SAFETY: the coroutine is parked and nobody else wakes it.
    let deadline_ns = unsafe { (*coroutine.cast::<Coroutine>()).wake_value };
    timer::add(deadline_ns, wake_sleeper, coroutine);
}

unsafe fn wake_sleeper(coroutine: *mut c_void) {
    // SAFETY: the timer runs once, and it is all the coroutine waits for.
    unsafe { scheduler::ready(coroutine.cast(), Wake::Value(0)) }
}
