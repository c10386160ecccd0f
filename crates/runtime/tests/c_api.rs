//! The C interface: `include/echo.h` against the tables and layouts of the runtime, and programs in C linked with its static and its shared library.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::mem::{align_of, offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use echo_abi::layout::*;
use echo_abi::symbols::{Class, Machine, SYMBOLS, Symbol};
use echo_runtime::c_api::{self, COptions, FUNCTIONS};
use echo_runtime::coroutine::State;
use echo_runtime::future;

const HEADER: &str = include_str!("../../../include/echo.h");
const WORKERS: [&str; 3] = ["1", "2", "8"];
/// Warnings are errors in C that uses the header.
const FLAGS: [&str; 6] = ["-Wall", "-Wextra", "-Werror", "-std=c11", "-pthread", "-O1"];
/// What the runtime needs of the system.
const LIBRARIES: [&str; 5] = ["-lgcc_s", "-lpthread", "-lm", "-ldl", "-Wl,-z,now"];
/// Seconds that no program takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c")
}

fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include")
}

/// Cargo puts the libraries beside the tests.
fn libraries() -> PathBuf {
    let test = std::env::current_exe().expect("tests know themselves");
    test.parent().expect("it lies in a folder").to_path_buf()
}

fn output_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Compiles (and, unless told not to, links); the path of what was made.
fn compile(compiler: &str, source: &Path, name: &str, arguments: &[&OsStr]) -> PathBuf {
    let path = output_folder().join(name);
    let output = Command::new(compiler)
        .arg("-I")
        .arg(include())
        .arg(source)
        .arg("-o")
        .arg(&path)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{compiler} does not start: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{compiler} {}:\n{errors}",
        source.display()
    );
    path
}

fn arguments<'a>(groups: &[&[&'a str]]) -> Vec<&'a OsStr> {
    groups.concat().into_iter().map(OsStr::new).collect()
}

// ---------------------------------------------------------------- the header

/// A declaration of the header: `CLASS type name(type, …);`
struct Declaration {
    class: Class,
    name: String,
    result: Machine,
    arguments: Vec<Machine>,
}

/// Every declaration that begins with a class.
fn declarations() -> Vec<Declaration> {
    let lines = HEADER.lines().filter_map(|line| {
        let (class, rest) = line.split_once(' ')?;
        let class = match class {
            "ECHO_PLAIN" => Class::Plain,
            "ECHO_RAISE" => Class::Raise,
            "ECHO_PARK" => Class::Park,
            "ECHO_NEVER" => Class::Never,
            _ => return None,
        };
        Some((class, rest))
    });
    lines
        .map(|(class, text)| declaration(class, text))
        .collect()
}

fn declaration(class: Class, text: &str) -> Declaration {
    let (head, tail) = text.split_once('(').expect("a function has arguments");
    let split = head.rfind([' ', '*']).expect("a function has a result") + 1;
    let tail = tail
        .strip_suffix(");")
        .expect("a declaration is on one line");
    Declaration {
        class,
        name: head[split..].to_string(),
        result: machine(&head[..split]),
        arguments: match tail {
            "void" => Vec::new(),
            _ => arguments_of(tail).map(machine).collect(),
        },
    }
}

/// Splits at commas outside parentheses.
fn arguments_of(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    text.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    })
}

/// The machine type of a C type, with or without the name of what has it.
fn machine(text: &str) -> Machine {
    if text.contains(['*', '(']) || text.trim_start().starts_with("echo_function") {
        return Machine::Ptr;
    }
    match text.split_whitespace().next() {
        Some("void") => Machine::Void,
        Some("bool") => Machine::Bool,
        Some("int32_t") => Machine::I32,
        Some("int64_t" | "size_t") => Machine::I64,
        Some("double") => Machine::F64,
        _ => panic!("`{text}` is no type of the table"),
    }
}

#[test]
fn header_declares_every_function() {
    let declared = declarations();
    for symbol in SYMBOLS.iter().chain(FUNCTIONS) {
        let found: Vec<_> = declared
            .iter()
            .filter(|line| line.name == symbol.name)
            .collect();
        assert_eq!(found.len(), 1, "declarations of {}", symbol.name);
        let expected: Vec<Machine> = symbol
            .arguments
            .iter()
            .map(|&(_, machine)| machine)
            .collect();
        let Declaration {
            class,
            result,
            arguments,
            ..
        } = found[0];
        assert_eq!(
            (class, result, arguments),
            (&symbol.class, &symbol.result, &expected),
            "{}",
            symbol.name
        );
    }
}

#[test]
fn header_declares_nothing_else() {
    let known = |name: &str| {
        SYMBOLS
            .iter()
            .chain(FUNCTIONS)
            .any(|symbol: &Symbol| symbol.name == name)
    };
    let machine_level = ["echo_unwind_resume", "echo_start"];
    for Declaration { name, .. } in declarations() {
        assert!(
            known(&name) || machine_level.contains(&name.as_str()),
            "{name} is in no table"
        );
    }
}

macro_rules! layout {
    ($text:ident, $rust:ty, $c:literal, { $($field:ident),* }) => {
        writeln!($text, "_Static_assert(sizeof({0}) == {1} && _Alignof({0}) == {2}, \"{0}\");", $c, size_of::<$rust>(), align_of::<$rust>())
            .expect("strings take everything");
        $(writeln!($text, "_Static_assert(offsetof({0}, {1}) == {2}, \"{0}.{1}\");", $c, stringify!($field), offset_of!($rust, $field))
            .expect("strings take everything");)*
    };
}

#[test]
fn header_has_the_layouts_and_constants() {
    let mut text = String::from("#include <echo.h>\n");
    layout!(text, BlockHeader, "echo_block_header", { count, flags });
    layout!(text, StringBlock, "echo_string_block", { header, byte_len, char_len });
    layout!(text, ArrayBlock, "echo_array_block", { header, len, capacity, reserved });
    layout!(text, ClosureBlock, "echo_closure_block", { header, code, captures });
    layout!(text, TypeDesc, "echo_type_desc", { kind, flags, align, size, name, name_len, field_count, fields, zero });
    layout!(text, ForeignDesc, "echo_foreign_desc", { desc, destroy });
    layout!(text, FieldDesc, "echo_field_desc", { desc, name, name_len, offset });
    layout!(text, EntryDesc, "echo_entry_desc", { code, name, name_len, stack, args, result, learned_class, learned_future });
    layout!(text, Text, "echo_text", { bytes, len });
    layout!(text, Position, "echo_position", { file, line, column, function });
    layout!(text, LineRow, "echo_line_row", { offset, file, line, function });
    layout!(text, LineTable, "echo_line_table", { base, rows, count, code_size });
    layout!(text, ModuleInfo, "echo_module_info", {
        abi_version, position_count, positions, files, functions, file_count, function_count, main, lines, drop_globals
    });
    layout!(text, SelectCase, "echo_select_case", { channel, value, kind, position, ok, reserved });
    layout!(text, COptions, "echo_options", { workers, flags, max_stack });
    let constants = [
        ("ECHO_ABI_VERSION", echo_abi::ABI_VERSION.into()),
        ("ECHO_STRING_DATA_OFFSET", STRING_DATA_OFFSET as i64),
        ("ECHO_ARRAY_DATA_OFFSET", ARRAY_DATA_OFFSET as i64),
        ("ECHO_CLOSURE_DATA_OFFSET", CLOSURE_DATA_OFFSET as i64),
        ("ECHO_STACK_LIMIT_OFFSET", STACK_LIMIT_FS_OFFSET as i64),
        ("ECHO_DESC_MANAGED", DESC_MANAGED.into()),
        ("ECHO_STACK_SEGMENTED", STACK_SEGMENTED.into()),
        ("ECHO_STACK_PAGES", STACK_PAGES.into()),
        ("ECHO_CASE_SEND", CASE_SEND.into()),
        ("ECHO_CASE_RECEIVE", CASE_RECEIVE.into()),
        ("ECHO_CASE_SEND_RESULT", CASE_SEND_RESULT.into()),
        ("ECHO_SELECT_DEFAULT", SELECT_DEFAULT),
        ("ECHO_SELECT_TIMEOUT", SELECT_TIMEOUT),
        ("ECHO_SELECT_FOREVER", SELECT_FOREVER),
        ("ECHO_SELECT_POLL", SELECT_POLL),
        ("ECHO_NOT_RUN", c_api::NOT_RUN.into()),
        ("ECHO_OPTION_STATS", c_api::OPTION_STATS.into()),
        ("ECHO_OPTION_LEAKS", c_api::OPTION_LEAKS.into()),
        ("ECHO_OPTION_MAIN_EXIT", c_api::OPTION_MAIN_EXIT.into()),
        ("ECHO_OPTION_CHECK_LEAKS", c_api::OPTION_CHECK_LEAKS.into()),
        ("ECHO_OPTION_ONE_NODE", c_api::OPTION_ONE_NODE.into()),
        ("ECHO_PENDING", future::PENDING.into()),
        ("ECHO_RESOLVED", future::RESOLVED.into()),
        ("ECHO_REJECTED", future::REJECTED.into()),
        ("ECHO_STATE_READY", State::Ready as i64),
        ("ECHO_STATE_RUNNING", State::Running as i64),
        ("ECHO_STATE_SUSPENDED", State::Suspended as i64),
        ("ECHO_STATE_COMPLETED", State::Completed as i64),
        ("ECHO_STATE_FAILED", State::Failed as i64),
        (
            "sizeof echo_empty",
            size_of::<echo_runtime::value::block::Empty>() as i64,
        ),
    ];
    for (name, value) in constants {
        writeln!(text, "_Static_assert({name} == {value}, \"{name}\");")
            .expect("strings take everything");
    }
    for kind in kinds() {
        let name = constant_name(&format!("{kind:?}"));
        writeln!(
            text,
            "_Static_assert(ECHO_KIND_{name} == {}, \"{kind:?}\");",
            kind as u8
        )
        .expect("strings take everything");
    }
    let source = output_folder().join("layouts.c");
    std::fs::write(&source, text).expect("the file can be written");
    compile("cc", &source, "layouts.o", &arguments(&[&FLAGS, &["-c"]]));
}

/// All kinds: their numbers have no gaps.
fn kinds() -> impl Iterator<Item = Kind> {
    // SAFETY: every number up to the last is a kind.
    (0..=Kind::Foreign as u8).map(|number| unsafe { std::mem::transmute::<u8, Kind>(number) })
}

/// `RwLock` -> `RW_LOCK`, `I64` -> `I64`
fn constant_name(name: &str) -> String {
    let mut constant = String::new();
    for (index, letter) in name.char_indices() {
        if index > 0 && letter.is_uppercase() {
            constant.push('_');
        }
        constant.push(letter.to_ascii_uppercase());
    }
    constant
}

#[test]
fn header_is_strict_c() {
    let source = output_folder().join("header.c");
    std::fs::write(&source, "#include <echo.h>\nint main(void) { return 0; }\n")
        .expect("the file can be written");
    compile(
        "cc",
        &source,
        "header.o",
        &arguments(&[&FLAGS, &["-pedantic", "-c"]]),
    );
}

/// Only where there is a C++ compiler: without one, C++ programs cannot be anybody's concern.
#[test]
fn header_is_cpp() {
    if Command::new("g++").arg("--version").output().is_err() {
        eprintln!("no g++: nothing is tested");
        return;
    }
    let library = libraries().join("libecho_runtime.a");
    let mut all = vec![library.as_os_str()];
    all.extend(arguments(&[
        &["-Wall", "-Wextra", "-Werror", "-pthread"],
        &LIBRARIES,
    ]));
    let program = compile("g++", &here().join("header.cpp"), "header", &all);
    assert_eq!(run(Command::new(program)).status.code(), Some(5));
}

// ---------------------------------------------------------------- programs

/// The suite, linked with the static library.
fn with_static_library() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let library = libraries().join("libecho_runtime.a");
        let mut all = vec![library.as_os_str()];
        all.extend(arguments(&[&FLAGS, &LIBRARIES]));
        compile("cc", &here().join("suite.c"), "suite-static", &all)
    })
}

/// The suite, linked with the shared library.
fn with_shared_library() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = libraries();
        // An old-style path goes before LD_LIBRARY_PATH, in which cargo names a folder that may hold the library of an earlier build.
        let run_path = format!("-Wl,--disable-new-dtags,-rpath,{}", folder.display());
        let mut all = vec![
            OsStr::new("-L"),
            folder.as_os_str(),
            OsStr::new(&run_path),
            OsStr::new("-lecho_runtime"),
        ];
        all.extend(arguments(&[&FLAGS]));
        compile("cc", &here().join("suite.c"), "suite-shared", &all)
    })
}

/// Runs to the end, or for as long as patience lasts.
fn run(mut command: Command) -> Output {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.expect("the program starts");
    let id = child.id();
    let (done, finished) = std::sync::mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = finished.recv_timeout(PATIENCE) {
            // SAFETY: the child has not been waited for, so the id is still its own.
            unsafe { libc::kill(id as i32, libc::SIGABRT) };
        }
    });
    let output = child.wait_with_output().expect("the program ends");
    drop(done);
    watchdog.join().expect("the watchdog does not fail");
    output
}

/// Runs one program of the suite with each number of workers, and once with the shared library.
fn check(name: &str, stdout: &str, stderr: &str, code: i32) {
    let runs = WORKERS.map(|workers| (with_static_library(), workers));
    for (program, workers) in runs.into_iter().chain([(with_shared_library(), "2")]) {
        let mut command = Command::new(program);
        command.args([name, workers]);
        let output = run(command);
        let (out, errors) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            out == stdout && errors == stderr && output.status.code() == Some(code),
            "{} {name} {workers} ended with {}\nstdout:\n{out}stderr:\n{errors}",
            program.display(),
            output.status
        );
    }
}

#[test]
fn ping_pong_over_one_channel() {
    check("ping_pong", "ping-pong 20000 20000\n", "", 0);
}

#[test]
fn pipeline_of_structs() {
    let numbers: i64 = (0..2000).map(|number| number + 8).sum();
    let halves: f64 = (0..2000).map(|number| f64::from(number) / 2.0 + 4.0).sum();
    check(
        "pipeline",
        &format!("pipeline 2000 {numbers} {halves:.1}\n"),
        "",
        0,
    );
}

#[test]
fn select_receives_sends_and_times_out() {
    check("fan_in", &format!("fan-in {}\n", 3 * 500 * 1001), "", 0);
}

#[test]
fn first_come_first_served() {
    let suite = std::fs::read_to_string(here().join("suite.c")).expect("the suite is there");
    for (queue, offset) in [
        ("SENDERS", CHANNEL_SENDERS_OFFSET),
        ("RECEIVERS", CHANNEL_RECEIVERS_OFFSET),
    ] {
        let line = format!("#define CHANNEL_{queue}_OFFSET {offset}\n");
        assert!(suite.contains(&line), "{line}");
    }
    check("in_turn", "in turn\n", "", 0);
}

#[test]
fn select_that_sends_is_told_of_the_close() {
    check("closed_send", "closed send\n", "", 0);
}

#[test]
fn ten_thousand_coroutines_at_once() {
    check("crowd", &format!("crowd {}\n", 10_000 * 2000 * 7), "", 0);
}

#[test]
fn failures_are_return_values() {
    check("failure", "failure no good\n", "", 0);
}

#[test]
fn unobserved_failure_is_reported() {
    check(
        "unobserved",
        "",
        "panic in coroutine 1 (C function): no good\n",
        2,
    );
}

#[test]
fn failure_of_main_ends_the_program() {
    check("main_fails", "", "panic in main: no good\n", 2);
}

#[test]
fn two_step_creation_and_states() {
    check("two_steps", "two steps\n", "", 0);
}

#[test]
fn states_are_true() {
    check("states", "states\n", "", 0);
}

#[test]
fn promises_and_callbacks() {
    check("promises", "promises 42 refused\n", "", 0);
}

#[test]
fn owned_contents_are_destroyed_once() {
    check("owned", "owned 1000 600\n", "", 0);
}

#[test]
fn locks_exclude() {
    check("locks", "locks 10000\n", "", 0);
}

/// Without the fence of who waits first, somebody is forgotten.
#[test]
fn who_waits_first_is_woken() {
    check(
        "first_waits",
        &format!("first waits {}\n", 2 * 300 * 300),
        "",
        0,
    );
}

#[test]
fn nothing_behind_arguments_is_read() {
    check("edge", "edge 120\n", "", 0);
}

#[test]
fn plain_threads_wait_for_coroutines() {
    check(
        "threads",
        &format!("threads {} 1500\n", 3 * 499 * 500),
        "",
        0,
    );
}

#[test]
fn deadlock_is_reported() {
    let stderr = "fatal: deadlock: all coroutines are blocked
  coroutine 0 (main): await coroutine 1
  coroutine 1 (receiver): receive from channel 1
";
    check("deadlock", "", stderr, 2);
}

#[test]
fn coroutines_left_blocked_are_listed() {
    let listed: String = (1..=3)
        .map(|id| format!("  coroutine {id} (C function): receive from channel 1\n"))
        .collect();
    let stderr = format!(
        "blocked for ever when the program ended:\n{listed}  … and 97 more coroutines (C function): receive from a channel\n"
    );
    check("left", "left\n", &stderr, 0);
}

#[test]
fn coroutines_left_blocked_are_cancelled_through_c_frames() {
    // The channel itself is what is left: it has to outlive those who wait.
    check(
        "cancelled",
        "left\n",
        "leak: 1 blocks are still alive at the end of the program\n",
        99,
    );
}

#[test]
fn main_result_is_the_exit_code() {
    check("exit_code", "", "", 9);
}

#[test]
fn one_program_at_a_time() {
    check("nested_run", "nested run\n", "", 0);
}

#[test]
fn other_threads_start_coroutines_at_any_time() {
    check("eager", "", "", 0);
}

#[test]
fn example_in_c() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/c/primes.c");
    let library = libraries().join("libecho_runtime.a");
    let mut all = vec![library.as_os_str()];
    all.extend(arguments(&[&FLAGS, &LIBRARIES]));
    let program = compile("cc", &source, "primes", &all);
    for workers in WORKERS {
        let mut command = Command::new(&program);
        command
            .env("ECHO_WORKERS", workers)
            .env("ECHO_CHECK_LEAKS", "1");
        let output = run(command);
        let text = String::from_utf8_lossy(&output.stdout);
        let primes: Vec<u32> = text
            .split_whitespace()
            .map(|word| word.parse().expect("a number"))
            .collect();
        let expected: Vec<u32> = (2..)
            .filter(|n| (2..*n).all(|d| n % d != 0))
            .take(100)
            .collect();
        assert_eq!(primes, expected);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{workers} workers: {}\n{errors}",
            output.status
        );
    }
}
