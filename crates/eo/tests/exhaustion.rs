//! Programs of `tests/exhaustion` and their memory. In a process with little address space, what needs the missing memory fails, and the rest goes on; what a
//! burst has used is given back.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const EO: &str = env!("CARGO_BIN_EXE_eo");
const CANNOT_START: &str = "out of memory: cannot start a coroutine";

/// Builds a program.
fn build(name: &str, folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/exhaustion")
        .join(name)
        .with_extension("eo");
    let program = folder.join(name);
    let build = Command::new(EO)
        .arg("build")
        .arg(source)
        .arg("-o")
        .arg(&program)
        .output()
        .expect("eo starts");
    assert!(build.status.success(), "{build:?}");
    program
}

/// Builds and runs a program with so many megabytes of address space.
fn run(name: &str, workers: &str, megabytes: u64) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = build(name, folder.path());
    let mut command = Command::new(program);
    command.env("ECHO_WORKERS", workers);
    let limit = libc::rlimit {
        rlim_cur: megabytes << 20,
        rlim_max: megabytes << 20,
    };
    // SAFETY: between fork and exec only a system call is made.
    unsafe {
        command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_AS, &limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        })
    };
    command.output().expect("the program starts")
}

fn check(run: &Output, expected: &str) {
    let output = String::from_utf8_lossy(&run.stdout);
    let errors = String::from_utf8_lossy(&run.stderr);
    assert_eq!(
        output, expected,
        "{}, standard error:\n{errors}",
        run.status
    );
    assert!(
        errors.is_empty() && run.status.success(),
        "{}:\n{errors}",
        run.status
    );
}

#[test]
fn a_spawn_that_finds_no_memory_fails() {
    let programs = [("spawns", "wait"), ("unstarted", "add")];
    let runs = programs.map(|program| ["1", "2", "64"].map(|workers| (program, workers)));
    for ((name, entry), workers) in runs.into_iter().flatten() {
        let run = run(name, workers, 300);
        assert_eq!(
            String::from_utf8_lossy(&run.stdout),
            format!("{CANNOT_START}\n3\n"),
            "{run:?}"
        );
        // Some that were made just before found no stack; nobody awaits them.
        assert!(matches!(run.status.code(), Some(0 | 2)), "{}", run.status);
        for line in String::from_utf8_lossy(&run.stderr).lines() {
            assert!(
                line.ends_with(&format!("({entry}): {CANNOT_START}"))
                    || line.starts_with("  spawned at "),
                "{line}"
            );
        }
    }
}

/// What all memory has been made into is stacks of the size that was enough for them so far.
#[test]
fn coroutines_that_need_more_stack_than_before_start_on_what_there_is() {
    for workers in ["1", "2"] {
        let run = run("relearned", workers, 300);
        let output = String::from_utf8_lossy(&run.stdout);
        assert_eq!(output, format!("{CANNOT_START}\n600\n"), "{}", run.status);
    }
}

/// Each of them recycles its own, and takes more from the system than it needs at the time.
#[test]
fn many_workers_find_as_much_memory_as_one() {
    let [of_one, of_many] = ["1", "64"].map(|workers| {
        let run = run("crowd", workers, 300);
        let output = String::from_utf8_lossy(&run.stdout).into_owned();
        output
            .trim()
            .parse::<usize>()
            .unwrap_or_else(|_| panic!("{run:?}"))
    });
    assert!(of_many > of_one / 2, "{of_many} instead of {of_one}");
}

#[test]
fn a_stack_that_cannot_grow_is_a_failure_whose_defers_run() {
    for workers in ["1", "2"] {
        check(&run("deep", workers, 300), "true\ntrue\n2000\n");
    }
}

/// Builds and runs a program; megabytes that it has after each line of its output that is not dots.
fn megabytes(name: &str) -> Vec<usize> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut child = Command::new(build(name, folder.path()))
        .env("ECHO_WORKERS", "2")
        .env("ECHO_CHECK_LEAKS", "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let statm = format!("/proc/{}/statm", child.id());
    let megabytes = BufReader::new(child.stdout.take().expect("it is piped"))
        .lines()
        .map(|line| line.expect("it prints text"))
        .filter(|line| !line.starts_with('.'))
        .map(|_| {
            let pages = std::fs::read_to_string(&statm).expect("the program runs");
            let resident = pages.split(' ').nth(1).expect("the second number");
            resident.parse::<usize>().expect("a number") / 256
        })
        .collect();
    assert!(child.wait().expect("it ends").success());
    megabytes
}

#[test]
fn bursts_give_their_memory_back() {
    let megabytes = megabytes("bursts");
    let [parked, after_parked, deep, after_deep] = megabytes[..] else {
        panic!("{megabytes:?}");
    };
    // What stays is the small pieces that are not worth a system call, and the program itself.
    assert!(after_parked < parked / 4, "{megabytes:?} MB");
    assert!(after_deep < deep / 2, "{megabytes:?} MB");
}

/// What they have on their stacks stays, however they wake; those that wait for ever are cancelled.
#[test]
fn coroutines_that_stay_parked_give_back_what_they_used_before() {
    let megabytes = megabytes("shallow");
    let [deep, shallow, _] = megabytes[..] else {
        panic!("{megabytes:?}");
    };
    assert!(shallow < deep / 4, "{megabytes:?} MB");
}

#[test]
fn recursions_give_their_memory_back_while_their_stacks_are_used_again() {
    let megabytes = megabytes("recursions");
    let [deep, shallow, parked] = megabytes[..] else {
        panic!("{megabytes:?}");
    };
    assert!(shallow < deep / 2, "{megabytes:?} MB");
    // Each of the 300 that are parked has used half a megabyte.
    assert!(parked < deep, "{megabytes:?} MB");
}
