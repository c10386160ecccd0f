//! Whole programs: every `examples/*.eo` and `tests/run/**/*.eo` is run and compared with the files beside it.
//!
//! `x.out` is the expected standard output (must exist), `x.err` the expected standard error (empty when missing),
//! `x.code` the expected exit code (0 when missing), `x.args` command-line options for `eo run`, one per line.
//! Every program is run with 1, 2, 3 and 64 workers; it must leave no live block behind.
//! `UPDATE_EXPECT=1 cargo test` writes the files anew.

use std::fs;
use std::io;
use std::mem;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const EO: &str = env!("CARGO_BIN_EXE_eo");
const WORKERS: [&str; 4] = ["1", "2", "3", "64"];

#[test]
fn examples_run_as_expected() {
    check_all(&["examples"]);
}

#[test]
fn language_tests_run_as_expected() {
    check_all(&["tests/run"]);
}

/// On a made-up machine with a worker on every CPU.
#[test]
fn programs_run_as_expected_on_four_nodes() {
    let machine = root().join("tests/numa/four-nodes");
    let programs = programs(&["examples", "tests/run/concurrency"]);
    for_each(&programs, &|program| {
        let mut command = command(program, "8");
        let run = command.env("ECHO_SYS_ROOT", &machine).output();
        compare(program, &run.expect("eo starts"), "four nodes")
    });
}

/// Where the kernel has no barrier for those who wait first, locks are given up in the other way.
#[test]
fn programs_with_locks_run_as_expected_without_membarrier() {
    let mut programs = programs(&["examples", "tests/run"]);
    programs.retain(|program| {
        let source = fs::read_to_string(program).expect("the program is read");
        source.contains("sync.new_mutex") || source.contains("sync.new_rwlock")
    });
    assert!(programs.len() > 5, "{programs:?}");
    for_each(&programs, &|program| {
        for workers in ["1", "4"] {
            let mut command = command(program, workers);
            // SAFETY: between fork and exec only system calls are made.
            unsafe { command.pre_exec(refuse_membarrier) };
            let run = command.output().expect("eo starts");
            compare(program, &run, &format!("{workers} workers, no membarrier"))?;
        }
        Ok(())
    });
}

#[test]
fn examples_build_and_run_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let programs = programs(&["examples"]);
    for_each(&programs, &|program| {
        let out = folder.path().join(program.file_stem().expect("a name"));
        // From its folder: messages name the file as it was named here.
        let build = Command::new(EO)
            .arg("build")
            .arg(program.file_name().expect("a name"))
            .arg("-o")
            .arg(&out)
            .current_dir(program.parent().expect("a folder"))
            .output()
            .expect("eo starts");
        if !build.status.success() {
            return Err(format!(
                "eo build failed:\n{}",
                String::from_utf8_lossy(&build.stderr)
            ));
        }
        let run = Command::new(&out)
            .current_dir(folder.path())
            .output()
            .expect("the executable starts");
        compare(program, &run, "stand-alone")
    });
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the workspace")
        .to_path_buf()
}

fn programs(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of programs") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "eo") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no programs in {folders:?}");
    found
}

fn check_all(folders: &[&str]) {
    let programs = programs(folders);
    for_each(&programs, &|program| {
        for workers in WORKERS {
            let run = command(program, workers).output().expect("eo starts");
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                bless(program, &run);
            }
            compare(program, &run, &format!("{workers} workers"))?;
        }
        Ok(())
    });
}

/// Runs the check on all programs, two at a time, and reports every failure.
fn for_each(programs: &[PathBuf], check: &(dyn Fn(&Path) -> Result<(), String> + Sync)) {
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = check(program) {
                        failures
                            .lock()
                            .expect("no check panics")
                            .push(format!("{}: {why}", program.display()));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no check panics");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn command(program: &Path, workers: &str) -> Command {
    let options = fs::read_to_string(program.with_extension("args")).unwrap_or_default();
    let folder = program.parent().expect("a folder");
    let name = program.file_name().expect("a name");
    let mut command = Command::new("timeout");
    command
        .args(["-k", "1", "60", EO, "run", "--workers", workers])
        .args(options.lines())
        .arg(name)
        .current_dir(folder)
        .env("ECHO_CHECK_LEAKS", "1");
    command
}

/// From now on the system call does not exist for this process and those that it starts.
fn refuse_membarrier() -> io::Result<()> {
    let step = |code: u32, k: u32, otherwise: u8| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: otherwise,
        k,
    };
    const NUMBER_OFFSET: u32 = mem::offset_of!(libc::seccomp_data, nr) as u32;
    let mut steps = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER_OFFSET, 0),
        step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            libc::SYS_membarrier as u32,
            1,
        ),
        step(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
            0,
        ),
        step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let filter = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the filter is valid during the call.
    let is_refused = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const filter,
            ) == 0
            && libc::syscall(
                libc::SYS_membarrier,
                libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
                0,
                0,
            ) != 0
    };
    if is_refused {
        Ok(())
    } else {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn expected(program: &Path, extension: &str) -> String {
    fs::read_to_string(program.with_extension(extension)).unwrap_or_default()
}

fn compare(program: &Path, run: &Output, how: &str) -> Result<(), String> {
    if !program.with_extension("out").exists() {
        return Err("there is no .out file".to_string());
    }
    let code = expected(program, "code");
    let code = if code.is_empty() { "0" } else { code.trim() };
    for (what, expected, got) in [
        (
            "standard error",
            expected(program, "err"),
            String::from_utf8_lossy(&run.stderr).into_owned(),
        ),
        (
            "standard output",
            expected(program, "out"),
            String::from_utf8_lossy(&run.stdout).into_owned(),
        ),
        (
            "exit code",
            code.to_string(),
            run.status
                .code()
                .map_or(format!("{}", run.status), |code| code.to_string()),
        ),
    ] {
        if expected != got {
            return Err(format!(
                "{what} ({how})\n--- expected\n{expected}\n--- got\n{got}"
            ));
        }
    }
    Ok(())
}

fn bless(program: &Path, run: &Output) {
    let write = |extension: &str, text: &[u8], always: bool| {
        let path = program.with_extension(extension);
        if always || !text.is_empty() {
            fs::write(path, text).expect("the golden file is written");
        } else {
            let _ = fs::remove_file(path);
        }
    };
    write("out", &run.stdout, true);
    write("err", &run.stderr, false);
    let code = run.status.code().unwrap_or(-1);
    let code = if code == 0 {
        String::new()
    } else {
        format!("{code}\n")
    };
    write("code", code.as_bytes(), false);
}
