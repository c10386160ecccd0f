//! From objects and the runtime's library to an executable, by the system's C compiler.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::failure::{Failure, Message};
use crate::library::Library;

/// Tried in this order when `CC` is not set.
const COMPILERS: [&str; 3] = ["cc", "gcc", "clang"];

/// What the runtime's library needs, as `rustc --print native-static-libs` says.
const LIBRARIES: [&str; 7] = [
    "-lgcc_s",
    "-lutil",
    "-lrt",
    "-lpthread",
    "-lm",
    "-ldl",
    "-lc",
];

/// Which symbols an executable keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbols {
    /// With debug information.
    Debug,
    /// Names of functions only.
    Names,
    None,
}

/// How executables are linked here.
pub struct Linker {
    /// The compiler that drives the link, with arguments of its own (`CC="ccache gcc"`).
    command: Vec<OsString>,
    /// Where the Rust toolchain keeps its lld, if it does.
    lld: Option<PathBuf>,
}

impl Linker {
    /// Finds a C compiler. An lld is looked for in the Rust toolchain that libLLVM came from.
    pub fn find(llvm: &Path) -> Result<Linker, Message> {
        let command = match env::var("CC") {
            Ok(command) if !command.trim().is_empty() => {
                command.split_whitespace().map(OsString::from).collect()
            }
            _ => vec![first_compiler().ok_or_else(no_compiler)?.into()],
        };
        Ok(Linker {
            command,
            lld: toolchain_lld(llvm),
        })
    }

    /// Makes an executable at `path`.
    pub fn link(
        &self,
        objects: &[Vec<u8>],
        library: &Library,
        symbols: Symbols,
        path: &Path,
    ) -> Result<(), Failure> {
        let folder = TempDir::new()
            .map_err(|error| Message::cannot("make a folder in", &env::temp_dir(), &error))?;
        let mut inputs = Vec::new();
        for (number, object) in objects.iter().enumerate() {
            let input = folder.path().join(format!("{number}.o"));
            fs::write(&input, object).map_err(|error| Message::cannot("write", &input, &error))?;
            inputs.push(input);
        }
        inputs.push(library.path().to_path_buf());
        if self.lld.is_some() && self.run(true, &inputs, symbols, path)?.status.success() {
            return Ok(());
        }
        let output = self.run(false, &inputs, symbols, path)?;
        if output.status.success() {
            Ok(())
        } else {
            Err(failed(&output).into())
        }
    }

    /// Links with lld or with the compiler's own choice.
    fn run(
        &self,
        with_lld: bool,
        inputs: &[PathBuf],
        symbols: Symbols,
        path: &Path,
    ) -> Result<Output, Message> {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        if let Some(folder) = self.lld.as_ref().filter(|_| with_lld) {
            command.arg("-fuse-ld=lld").arg(option("-B", folder));
        }
        command
            // Binding a function at its first call takes more stack than a coroutine may have.
            .args(["-Wl,-z,now", "-Wl,--gc-sections", "-Wl,--as-needed"])
            .args(inputs)
            .args(LIBRARIES)
            .args(match symbols {
                Symbols::Debug => None,
                Symbols::Names => Some("-Wl,--strip-debug"),
                Symbols::None => Some("-Wl,--strip-all"),
            })
            .arg("-o")
            .arg(path);
        command.output().map_err(|error| {
            Message::new(format!(
                "cannot start the linker `{}`: {error}",
                self.command[0].display()
            ))
            .help("CC names the C compiler that links; unset it, or name one that is installed")
        })
    }

    /// For `eo version --verbose`.
    pub fn describe(&self) -> String {
        let words: Vec<String> = self
            .command
            .iter()
            .map(|word| word.display().to_string())
            .collect();
        let lld = match &self.lld {
            Some(folder) => format!(" with lld from {}", folder.display()),
            None => String::new(),
        };
        words.join(" ") + &lld
    }
}

fn first_compiler() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let folders: Vec<PathBuf> = env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .collect();
    COMPILERS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// `<sysroot>/lib/libLLVM.so…` has its lld under `<sysroot>/lib/rustlib`, in a folder that a C compiler can be pointed to.
fn toolchain_lld(llvm: &Path) -> Option<PathBuf> {
    let folder = llvm
        .parent()?
        .join("rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld");
    is_executable(&folder.join("ld.lld")).then_some(folder)
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push::<&OsStr>(path.as_ref());
    option
}

fn no_compiler() -> Message {
    Message::new("no C compiler found; `eo build` needs one to link")
        .note("looked for cc, gcc and clang in PATH")
        .help(
            "install one (`apt install gcc`, `dnf install gcc`), or name one: CC=/path/to/gcc; \
             `eo run` works without",
        )
}

/// The last lines tell the reason.
fn failed(output: &Output) -> Message {
    const LINES: usize = 12;
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let tail = lines[lines.len().saturating_sub(LINES)..].join("\n");
    Message::new(format!("linking failed ({})", output.status))
        .note(tail)
        .help("CC names another C compiler; `eo version --verbose` shows the one in use")
}
