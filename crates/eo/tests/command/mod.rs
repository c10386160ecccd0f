//! Runs `eo` in a folder of its own, with a home and a cache of its own.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub struct Eo {
    folder: TempDir,
    executable: PathBuf,
    input: String,
    variables: Vec<(String, Option<OsString>)>,
}

/// What a command gave.
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Eo {
    pub fn new() -> Eo {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("work")).expect("a folder to work in");
        let eo = Eo {
            executable: env!("CARGO_BIN_EXE_eo").into(),
            input: String::new(),
            variables: Vec::new(),
            folder,
        };
        let (home, cache) = (eo.path("../home"), eo.path("cache"));
        ["CC", "ECHO_WORKERS", "ECHO_LLVM", "RUST_BACKTRACE"]
            .iter()
            .fold(eo, |eo, name| eo.variable(name, None))
            .variable("HOME", home.to_str())
            .variable("XDG_CACHE_HOME", cache.to_str())
    }

    /// Uses a copy of the executable, away from where it was built.
    pub fn copied(mut self) -> Eo {
        let copy = self.folder.path().join("eo");
        fs::copy(&self.executable, &copy).expect("the copy");
        self.executable = copy;
        self
    }

    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Eo {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("the file is written");
        self
    }

    pub fn input(mut self, text: &str) -> Eo {
        self.input = text.to_string();
        self
    }

    pub fn variable(mut self, name: &str, value: Option<&str>) -> Eo {
        self.variables
            .push((name.to_string(), value.map(OsString::from)));
        self
    }

    /// A path in the folder; `cache…` is in the cache.
    pub fn path(&self, name: &str) -> PathBuf {
        let base = if Path::new(name).starts_with("cache") {
            ""
        } else {
            "work"
        };
        self.folder.path().join(base).join(name)
    }

    /// Names of the files in a folder, sorted.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// Runs `eo`.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.output(&self.executable, arguments)
    }

    /// Runs an executable that was built here, without arguments.
    pub fn start(&self, name: &str) -> Output {
        self.output(&self.path(name), &[])
    }

    /// Runs a line of the shell.
    pub fn shell(&self, line: &str) -> Output {
        self.output(Path::new("/bin/sh"), &["-c", line])
    }

    fn output(&self, executable: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(executable);
        command
            .args(arguments)
            .current_dir(self.path("."))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut child = command.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A command that does not read closes the pipe.
        let _ = stdin.write_all(self.input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Output {
    /// Asserts all there is to see.
    #[track_caller]
    pub fn gives(&self, code: i32, stdout: &str, stderr: &str) {
        assert_eq!(self.stderr, stderr, "standard error");
        assert_eq!(self.stdout, stdout, "standard output");
        assert_eq!(self.code, code, "exit code");
    }
}
