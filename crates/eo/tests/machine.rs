//! Machine-level tests of the runtime: programs written by hand in LLVM IR, with split stacks and landing pads as the compiler emits them,
//! run in a process of their own by the JIT, and as executables linked with the runtime's static library.
//!
//! Every program prints what a model of it in Rust (or plain arithmetic) says it must print, leaves no live block (the runtime checks), and runs
//! with one worker, with two and with eight.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use echo_abi::symbols::{Class, Machine, SYMBOLS};
use echo_codegen::llvm::{Llvm, Output as Emit};
use echo_codegen::loader::Loaded;
use echo_runtime::program::{self, Options};
use tempfile::TempDir;

/// Names the program that a child process runs.
const PROGRAM: &str = "ECHO_TEST_PROGRAM";
/// Set where the program is to be preempted all the time.
const BOMBARD: &str = "ECHO_TEST_BOMBARD";
/// The runtime's static library, made by the build script.
const LIBRARY: &str = env!("ECHO_RUNTIME_LIBRARY");
/// What the child writes before the program starts; the harness has written before.
const MARK: &str = "\n=== the program\n";
const WORKERS: [usize; 3] = [1, 2, 8];
/// No program takes longer than a few seconds.
const PATIENCE: Duration = Duration::from_secs(120);

macro_rules! program {
    ($name:literal) => {
        ($name, include_str!(concat!("machine/", $name, ".ll")))
    };
}

const PROGRAMS: &[(&str, &str)] = &[
    program!("basic"),
    program!("spawn"),
    program!("grow"),
    program!("overflow"),
    program!("unwind"),
    program!("deep"),
    program!("preempt"),
    program!("deadlock"),
    program!("parked"),
    program!("waits"),
];

/// The example for other compilers, which is complete in itself.
const EXAMPLE: (&str, &str) = (
    "fibonacci",
    include_str!("../../../examples/llvm/fibonacci.ll"),
);

/// What a program is expected to do.
struct Expected {
    stdout: String,
    stderr: String,
    code: i32,
}

impl Expected {
    fn prints(stdout: impl Into<String>) -> Expected {
        Expected {
            stdout: stdout.into(),
            stderr: String::new(),
            code: 0,
        }
    }

    fn code(mut self, code: i32) -> Expected {
        self.code = code;
        self
    }

    fn complains(mut self, stderr: impl Into<String>) -> Expected {
        self.stderr = stderr.into();
        self
    }
}

/// Runs the program in all ways: by the JIT, left alone and preempted all the time, and as an executable.
fn check(name: &str, expected: &Expected) {
    let executable = Executable::link(name);
    for workers in WORKERS {
        compare(name, workers, &run_in_jit(name, workers, false), expected);
        compare(name, workers, &run_in_jit(name, workers, true), expected);
        compare(
            name,
            workers,
            &run(Command::new(&executable.path), workers),
            expected,
        );
    }
}

fn compare(name: &str, workers: usize, output: &Output, expected: &Expected) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stdout = stdout
        .split_once(MARK)
        .map_or(&*stdout, |(_, program)| program);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stdout == expected.stdout
            && stderr == expected.stderr
            && output.status.code() == Some(expected.code),
        "{name} with {workers} workers ended with {}, expected exit code {}\nstdout:\n{stdout}\nexpected:\n{}\nstderr:\n{stderr}\nexpected:\n{}",
        output.status,
        expected.code,
        expected.stdout,
        expected.stderr,
    );
}

fn run_in_jit(name: &str, workers: usize, bombarded: bool) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("tests know themselves"));
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
    command.env(PROGRAM, name);
    if bombarded {
        command.env(BOMBARD, "1");
    }
    run(command, workers)
}

/// A program linked with the runtime's static library.
struct Executable {
    path: PathBuf,
    _folder: TempDir,
}

impl Executable {
    fn link(name: &str) -> Executable {
        Executable::link_by(name, &[])
    }

    /// With arguments that choose the linker.
    fn link_by(name: &str, linker: &[OsString]) -> Executable {
        let folder = TempDir::new().expect("there is room for files");
        let (object, path) = (
            folder.path().join("program.o"),
            folder.path().join("program"),
        );
        let llvm = Llvm::load().expect("a libLLVM");
        std::fs::write(&object, compile(&llvm, name)).expect("the object can be written");
        let output = Command::new("cc")
            .args(["-Wl,-z,now", "-Wl,--gc-sections"])
            .args(linker)
            .args([&object, Path::new(LIBRARY)])
            .args(["-lgcc_s", "-lpthread", "-lm", "-ldl", "-lc", "-o"])
            .arg(&path)
            .output()
            .expect("cc is installed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{name} cannot be linked:\n{errors}"
        );
        Executable {
            path,
            _folder: folder,
        }
    }
}

/// Runs a program to its end, or for as long as patience lasts.
fn run(mut command: Command, workers: usize) -> Output {
    command
        .env("ECHO_WORKERS", workers.to_string())
        .env("ECHO_CHECK_LEAKS", "1");
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.expect("the program starts");
    let id = child.id();
    let (done, finished) = std::sync::mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let start = Instant::now();
        if finished.recv_timeout(PATIENCE).is_err() && start.elapsed() >= PATIENCE {
            // SAFETY: the child has not been waited for, so the id is still its own.
            unsafe { libc::kill(id as i32, libc::SIGABRT) };
        }
    });
    let output = child.wait_with_output().expect("the program ends");
    drop(done);
    watchdog.join().expect("the watchdog does not fail");
    output
}

/// Not a test: runs the program a test asks for, in a process of its own.
#[test]
fn child() {
    let Ok(name) = std::env::var(PROGRAM) else {
        return;
    };
    let llvm = Llvm::load().expect("a libLLVM");
    let object = compile(&llvm, &name);
    let loaded = Loaded::new(&object, program::symbols().chain([start_symbol()]))
        .expect("the object can be loaded");
    let module = loaded
        .lookup("echo_module")
        .expect("the module is there")
        .cast();
    print!("{MARK}");
    std::io::stdout().flush().expect("standard output works");
    let options = Options::from_environment().expect("the options are good");
    if std::env::var_os(BOMBARD).is_some() {
        bombard();
    }
    // SAFETY: the module is never unloaded.
    let code = unsafe { program::run(module, options) };
    program::exit_process(code)
}

/// Asks the coroutines on all workers to yield, at any instruction, thousands of times a second: what the monitor does, without its patience.
/// The requests are made by a signal's handler on the worker's thread, which cannot outlive it.
fn bombard() {
    extern "C" fn request(_signal: i32) {
        // SAFETY: writes the word that split-stack prologues compare with, in one step.
        unsafe {
            std::arch::asm!(
                "mov qword ptr fs:[0x70], -1",
                options(nostack, preserves_flags)
            )
        };
    }
    // SAFETY: the handler does nothing but its one instruction, on the stack the standard library gives every thread for signals.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = request as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK | libc::SA_RESTART;
        assert_eq!(
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()),
            0
        );
    }
    std::thread::spawn(|| {
        loop {
            let threads = worker_threads();
            for &thread in threads.iter().cycle().take(threads.len() * 64) {
                // SAFETY: at worst the thread is gone, and nothing happens.
                unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGUSR1) };
                std::thread::sleep(Duration::from_micros(10));
            }
        }
    });
}

fn worker_threads() -> Vec<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc is mounted");
    let is_worker = |path: &Path| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with("echo-worker"))
    };
    tasks
        .flatten()
        .filter(|task| is_worker(&task.path()))
        .filter_map(|task| task.file_name().to_str()?.parse().ok())
        .collect()
}

/// Executables' `main` calls it; in the JIT nobody calls that `main`.
fn start_symbol() -> (&'static str, usize) {
    ("echo_start", program::echo_start as *const () as usize)
}

fn compile(llvm: &Llvm, name: &str) -> Vec<u8> {
    if name == EXAMPLE.0 {
        let object = llvm.compile(EXAMPLE.1, 2, Emit::Object);
        return object.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let (_, text) = PROGRAMS
        .iter()
        .find(|(known, _)| *known == name)
        .expect("the program is in the list");
    let ir = format!(
        "{}{}{text}",
        declarations(),
        include_str!("machine/prelude.ll")
    );
    llvm.compile(&ir, 2, Emit::Object)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All rows of the symbol table, as the compiler declares them.
fn declarations() -> String {
    let mut text = String::from("target triple = \"x86_64-unknown-linux-gnu\"\n");
    for symbol in SYMBOLS {
        let arguments: Vec<&str> = symbol
            .arguments
            .iter()
            .map(|&(_, machine)| llvm_type(machine))
            .collect();
        let result = match symbol.result {
            Machine::Bool => "zeroext i1",
            other => llvm_type(other),
        };
        let attribute = match symbol.class {
            Class::Plain => " nounwind",
            Class::Never => " noreturn",
            Class::Raise | Class::Park => "",
        };
        writeln!(
            text,
            "declare {result} @{}({}){attribute}",
            symbol.name,
            arguments.join(", ")
        )
        .expect("strings take everything");
    }
    text
}

fn llvm_type(machine: Machine) -> &'static str {
    match machine {
        Machine::Void => "void",
        Machine::Bool => "i1 zeroext",
        Machine::I32 => "i32",
        Machine::I64 => "i64",
        Machine::F64 => "double",
        Machine::Ptr => "ptr",
    }
}

#[test]
fn main_returns_its_exit_code() {
    check("basic", &Expected::prints("42\n").code(7));
}

#[test]
fn spawned_coroutines_are_awaited() {
    check("spawn", &Expected::prints("333833500\n"));
}

#[test]
fn segments_grow_and_shrink() {
    let mut sum = 0u64;
    for n in 0..20 {
        for i in 0..20_000u64 {
            let switch = i % 7;
            sum += 2 * i;
            sum += i + 2 * n + 3 * switch + 16 + 25 + 36 + 7 * i + 8 * n + 9 * switch + 10;
            sum += (1 + i + 3 + 4 + 5 + 6 + 7 + 8) * i + 2;
        }
        sum += 8000 * 8001 / 2;
    }
    check("grow", &Expected::prints(format!("{sum}\n")));
}

/// Other linkers must leave the prologues alone, too: lld rewrites those of objects that say they have split stacks.
#[test]
fn lld_links_programs_that_run() {
    let llvm = Llvm::load().expect("a libLLVM");
    let toolchain = llvm.path().parent().expect("a library lies in a folder");
    let folder = toolchain.join("rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld");
    if !folder.join("ld.lld").exists() {
        eprintln!("no lld beside {}: nothing is tested", llvm.path().display());
        return;
    }
    let mut option = OsString::from("-B");
    option.push(folder);
    for name in ["grow", "unwind"] {
        let by_lld = Executable::link_by(name, &["-fuse-ld=lld".into(), option.clone()]);
        let by_default = Executable::link(name);
        let [expected, output] =
            [by_default, by_lld].map(|executable| run(Command::new(&executable.path), 2));
        assert_eq!(output.status.code(), Some(0), "{name} linked by lld");
        assert_eq!(output.stdout, expected.stdout, "{name} linked by lld");
    }
}

#[test]
fn example_in_llvm_ir() {
    check(EXAMPLE.0, &Expected::prints("1346268\n"));
}

/// A landing pad that ended in an ordinary `resume` would unwind on the coroutine's small stack.
#[test]
fn no_resume_is_left() {
    let llvm = Llvm::load().expect("a libLLVM");
    for (name, _) in PROGRAMS {
        let object = compile(&llvm, name);
        let refers_to = |symbol: &[u8]| object.windows(symbol.len()).any(|bytes| bytes == symbol);
        assert!(!refers_to(b"_Unwind_Resume"), "{name}");
        assert_eq!(
            refers_to(b"echo_unwind_resume"),
            ["overflow", "unwind", "deep", "deadlock", "parked", "waits"].contains(name),
            "{name}"
        );
    }
}

#[test]
fn stack_overflow_is_a_panic_with_cleanups() {
    let stdout = "stack overflow\nstack overflow\nstack overflow\n1000\n".repeat(10);
    let stderr = "panic in main: stack overflow\n";
    check(
        "overflow",
        &Expected::prints(stdout)
            .complains(stderr)
            .code(program::FAILURE_CODE),
    );
}

#[test]
fn cleanups_run_in_order_across_segments() {
    let three = hash(&[3, 2, 55, 1]) + 1;
    let nested = hash(&[5, 6]) + 1;
    let arguments = hash(&[7 * 70 + 8 * 80 + 9 * 90 + 10 * 100, 77]) + 1;
    let inlined = hash(&[11, 12]) + 1;
    let numbers = [
        2000 * three,
        50 * hash(&[]),
        5000 * nested,
        5000 * arguments,
        5000 * inlined,
    ];
    let lines: String = numbers.iter().map(|number| format!("{number}\n")).collect();
    check("unwind", &Expected::prints(lines + "two\n"));
}

/// What the programs' logs come to.
fn hash(events: &[u64]) -> u64 {
    events.iter().fold(7, |hash, event| hash * 31 + event)
}

#[test]
fn random_programs_do_what_the_model_does() {
    let lines: String = (0..4)
        .map(|driver| format!("{}\n", model::driver(driver) as i64))
        .collect();
    check("deep", &Expected::prints(lines));
}

#[test]
fn coroutines_that_never_suspend_are_preempted() {
    check("preempt", &Expected::prints("0\n0\n0\n0\n5\n0\n0\n0\n"));
}

#[test]
fn deadlock_is_reported_and_everything_given_up() {
    let stderr = "fatal: deadlock: all coroutines are blocked
  coroutine 0 (main): receive from channel 1 at test.ll:3 in main
  coroutine 1 (worker): send to channel 2 at test.ll:4 in worker, spawned at test.ll:2
";
    check(
        "deadlock",
        &Expected::prints("")
            .complains(stderr)
            .code(program::FAILURE_CODE),
    );
}

#[test]
fn many_coroutines_wait_and_are_cancelled_at_the_end() {
    check("parked", &Expected::prints("50000\n"));
}

#[test]
fn every_way_to_wait_is_woken() {
    let ping_pong = [50_000, 50_000];
    let pipeline = 2999 * 3000 / 2 + 3000 * 10;
    let fan_in = 2 * (4999 * 5000 / 2 + 5000);
    let promises = [1, 100 * 1000 + 99 * 100 / 2];
    let before = [&ping_pong[..], &[pipeline, fan_in, -1, 10, 600, 1200]].concat();
    let after = [&[8 * 2000][..], &promises].concat();
    let lines = |numbers: Vec<i64>| {
        numbers
            .iter()
            .map(|number| format!("{number}\n"))
            .collect::<String>()
    };
    check(
        "waits",
        &Expected::prints(lines(before) + &"send on closed channel\n".repeat(2) + &lines(after)),
    );
}

/// The model of `deep.ll`.
mod model {
    struct State {
        random: u64,
        hash: u64,
        yields: u64,
    }

    struct Panic;

    pub fn driver(number: u64) -> u64 {
        (0..15_000).fold(0, |sum: u64, worker| {
            sum.wrapping_add(self::worker(number * 1_000_000 + worker))
        })
    }

    fn worker(id: u64) -> u64 {
        let seed = (id + 1).wrapping_mul(-7046029254386353131i64 as u64);
        let mut state = State {
            random: seed | 1,
            hash: 7,
            yields: 0,
        };
        let failed = match deep(&mut state, seed % 40, 5) {
            Ok(value) => {
                note(&mut state, value);
                0
            }
            Err(Panic) => 1,
        };
        state.hash.wrapping_add(state.yields).wrapping_add(failed)
    }

    fn deep(state: &mut State, n: u64, sum: u64) -> Result<u64, Panic> {
        let value = act(state).and_then(|()| match n {
            0 => Ok(sum),
            _ => deep(state, n - 1, sum.wrapping_mul(31).wrapping_add(n)),
        });
        match value {
            Ok(value) => Ok(value.wrapping_add(n)),
            Err(panic) => {
                note(state, n + 1000);
                state.yields += 1;
                Err(panic)
            }
        }
    }

    fn act(state: &mut State) -> Result<(), Panic> {
        state.random ^= state.random << 13;
        state.random ^= state.random >> 7;
        state.random ^= state.random << 17;
        match state.random % 24 {
            0..=5 => state.yields += 1,
            6 => return Err(Panic),
            _ => {}
        }
        Ok(())
    }

    fn note(state: &mut State, event: u64) {
        state.hash = state.hash.wrapping_mul(31).wrapping_add(event);
    }
}
