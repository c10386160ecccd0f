//! Standard output, watched from outside: the test binary runs itself, and the child acts out a scene.

use crate::support::*;
use echo_runtime::value::{self, echo_alloc, echo_print, echo_print_int, echo_print_string, print};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const SCENE: &str = "ECHO_TEST_SCENE";

/// What children do. Ends the process, so that the test harness prints nothing behind it.
#[test]
fn child() {
    let Ok(scene) = std::env::var(SCENE) else {
        return;
    };
    match scene.as_str() {
        "threads" => print_from_threads(),
        "exit" => print_text("not lost\n"),
        "flush" => {
            print_text("before\n");
            print::flush();
            eprintln!("after");
            std::thread::sleep(Duration::from_secs(20));
        }
        "forever" => loop {
            print_text("again and again\n");
        },
        "mixed" => {
            print_text("first\n");
            print_text(&"x".repeat(200_000));
            print_text("\nlast\n");
        }
        "terminal" => {
            print_text("prompt> ");
            std::thread::sleep(Duration::from_secs(20));
        }
        "out of memory" => {
            print_text("kept\n");
            // SAFETY: any size may be asked for.
            unsafe { echo_alloc(i64::MAX / 2) };
        }
        "large" => print_text(&"x".repeat(3_000_000)),
        "mute" => {
            print_text("kept\n");
            print::mute(true);
            print_text("dropped\n");
            print::flush();
        }
        "rows" => print_rows(),
        "full" => {
            redirect_to_full_device();
            for _ in 0..3 {
                print_text("lost\n");
                print::flush();
            }
        }
        "nonblocking" => {
            // SAFETY: standard output is open.
            unsafe { libc::fcntl(1, libc::F_SETFL, libc::O_NONBLOCK) };
            print_text(&"y".repeat(1_000_000));
        }
        _ => unreachable!("no such scene"),
    }
    std::process::exit(7);
}

fn print_text(content: &str) {
    let content = text(content);
    // SAFETY: the string is ours.
    unsafe { echo_print_string(content.block()) }
}

fn redirect_to_full_device() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    // SAFETY: both descriptors are open.
    unsafe { libc::dup2(full.as_raw_fd(), libc::STDOUT_FILENO) };
}

fn print_from_threads() {
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for round in 0..5000 {
                    let line = ints(&[thread, round, thread]);
                    // SAFETY: the value is ours.
                    unsafe { echo_print(line.at(), line.desc_ptr()) };
                }
            });
        }
    });
}

fn print_rows() {
    let list = texts(&["a", "b"]);
    // SAFETY: the values are ours.
    unsafe {
        echo_print(list.at(), list.desc_ptr());
        echo_print_int(-5);
        echo_print_string(value::empty());
        echo_print(num(6).at(), pointer(int()));
    }
}

fn command(scene: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "prints::child",
        "--nocapture",
        "--test-threads=1",
    ]);
    command.env(SCENE, scene).stdin(Stdio::null());
    command
}

/// What the child printed behind the harness's own first lines.
fn run(scene: &str) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command(scene).output().unwrap();
    assert_eq!(
        status.code(),
        Some(7),
        "{}",
        String::from_utf8_lossy(&stderr)
    );
    strip(&String::from_utf8(stdout).unwrap())
}

fn strip(stdout: &str) -> String {
    let body = stdout
        .trim_start()
        .strip_prefix("running 1 test\n")
        .unwrap();
    body.strip_prefix("test prints::child ... ")
        .unwrap_or(body)
        .to_owned()
}

#[test]
fn lines_never_mix() {
    let output = run("threads");
    let mut next = [0; 4];
    for line in output.lines() {
        let numbers: Vec<i64> = line
            .trim_matches(['[', ']'])
            .split(", ")
            .map(|number| {
                number
                    .parse()
                    .unwrap_or_else(|_| panic!("a torn line: {line}"))
            })
            .collect();
        let [thread, round, again] = numbers[..] else {
            panic!("a torn line: {line}");
        };
        assert_eq!(
            (thread, round),
            (again, next[thread as usize]),
            "in order, too"
        );
        next[thread as usize] += 1;
    }
    assert_eq!(next, [5000; 4]);
}

#[test]
fn rows() {
    assert_eq!(run("rows"), "[a, b]\n-56\n");
}

#[test]
fn exit_writes_what_is_pending() {
    assert_eq!(run("exit"), "not lost\n");
}

#[test]
fn a_text_larger_than_the_buffer() {
    assert_eq!(run("large").len(), 3_000_000);
}

#[test]
fn small_and_large_texts_keep_their_order() {
    let output = run("mixed");
    let lines: Vec<_> = output
        .lines()
        .map(|line| &line[..line.len().min(5)])
        .collect();
    assert_eq!(lines, ["first", "xxxxx", "last"]);
}

#[test]
fn out_of_memory_is_a_clear_end() {
    let output = command("out of memory").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(strip(&String::from_utf8(output.stdout).unwrap()), "kept\n");
    let expected = format!(
        "fatal: out of memory: cannot allocate {} bytes\n",
        i64::MAX / 2
    );
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
}

#[test]
fn a_person_sees_each_print_at_once() {
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: two places for descriptors; nothing else is asked for. Each descriptor gets one owner.
    let (mut terminal, child_end) = unsafe {
        let none = std::ptr::null_mut();
        assert_eq!(
            libc::openpty(
                &raw mut ours,
                &raw mut theirs,
                none,
                none.cast(),
                none.cast()
            ),
            0
        );
        (
            std::fs::File::from_raw_fd(ours),
            OwnedFd::from_raw_fd(theirs),
        )
    };
    let mut child = command("terminal")
        .stdout(child_end)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("prompt> ") {
        let mut bytes = [0; 256];
        let len = terminal.read(&mut bytes).unwrap_or(0);
        assert!(len > 0, "the child has ended");
        seen.extend_from_slice(&bytes[..len]);
    }
    assert!(started.elapsed() < Duration::from_secs(10));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn muted_output_is_dropped() {
    assert_eq!(run("mute"), "kept\n");
}

#[test]
fn flush_comes_before_what_follows() {
    let mut child = command("flush")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    // The child sleeps now; what it printed must be in the pipe already.
    child.kill().unwrap();
    let mut output = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    child.wait().unwrap();
    assert_eq!(
        (line.as_str(), strip(&output).as_str()),
        ("after\n", "before\n")
    );
}

#[test]
fn a_reader_that_goes_away_ends_the_process() {
    let mut child = command("forever")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("again") {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    drop(reader);
    let started = Instant::now();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(libc::SIGPIPE));
    assert!(started.elapsed() < Duration::from_secs(10));
    let mut complaint = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut complaint)
        .unwrap();
    assert_eq!(complaint, "");
}

#[test]
fn a_full_device_is_reported_once() {
    let output = command("full").output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        complaint
            .matches("error: cannot write to standard output")
            .count(),
        1,
        "{complaint}"
    );
}

#[test]
fn a_full_pipe_that_does_not_block_is_waited_for() {
    let mut child = command("nonblocking")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let mut output = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(strip(&output).len(), 1_000_000);
}

#[test]
fn a_closed_descriptor_is_no_error() {
    let script = "exec \"$0\" \"$@\" >&-";
    let mut closed = Command::new("/bin/sh");
    closed
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap());
    closed
        .args([
            "--exact",
            "prints::child",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(SCENE, "exit");
    let output = closed.stderr(Stdio::piped()).output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(7),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
