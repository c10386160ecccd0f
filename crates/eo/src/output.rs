//! Where output goes: to standard output, or to a file, which appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::{Failure, Message};

/// Where something is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `-`, or `/dev/stdout`.
    Stdout,
    File(PathBuf),
}

impl Target {
    pub fn new(path: &Path) -> Target {
        if path.as_os_str() == "-" || path.as_os_str() == "/dev/stdout" {
            Target::Stdout
        } else {
            Target::File(path.to_path_buf())
        }
    }

    /// Calls `make` with the path of a file to make; what it makes is written when all went well.
    pub fn write(&self, make: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
        match self {
            Target::Stdout => {
                let mut bytes = Vec::new();
                copy_made(make, Path::new("standard output"), &mut bytes)?;
                print(&bytes)
            }
            Target::File(path) => write_whole(path, make),
        }
    }

    pub fn write_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Target::Stdout => print(bytes),
            Target::File(path) => write_whole(path, |made| {
                fs::write(made, bytes).map_err(|error| cannot_write(path, &error).into())
            }),
        }
    }
}

/// Prints on standard output. Who reads may stop reading.
pub fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(cannot_write(Path::new("standard output"), &error).into())
        }
        _ => Ok(()),
    }
}

fn write_whole(
    path: &Path,
    make: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let cannot = |error: io::Error| cannot_write(path, &error);
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => {
            return Err(cannot(io::ErrorKind::IsADirectory.into()).into());
        }
        // A device, a pipe or another name of an open file (`/dev/fd/3`) is written to, not replaced.
        Ok(there) if !there.is_file() || path.starts_with("/dev") || path.starts_with("/proc") => {
            let mut file = File::options().write(true).open(path).map_err(cannot)?;
            return copy_made(make, path, &mut file);
        }
        _ => {}
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // On the same file system, so that renaming is one step. A folder, not a file: who makes the file sets its permissions.
    let folder = tempfile::Builder::new()
        .prefix(".eo-")
        .tempdir_in(parent)
        .map_err(cannot)?;
    let made = folder.path().join("output");
    make(&made)?;
    fs::rename(&made, path).map_err(cannot)?;
    Ok(())
}

/// What `make` makes, copied to `target`, whose name is `name`.
fn copy_made(
    make: impl FnOnce(&Path) -> Result<(), Failure>,
    name: &Path,
    target: &mut dyn Write,
) -> Result<(), Failure> {
    let cannot = |error: io::Error| cannot_write(name, &error);
    let folder = TempDir::new().map_err(cannot)?;
    let made = folder.path().join("output");
    make(&made)?;
    let bytes = fs::read(&made).map_err(cannot)?;
    target.write_all(&bytes).map_err(cannot)?;
    Ok(())
}

fn cannot_write(path: &Path, error: &io::Error) -> Message {
    let message = Message::cannot("write", path, error);
    match error.kind() {
        io::ErrorKind::IsADirectory => message.help("name a file with -o"),
        io::ErrorKind::NotFound => {
            message.help("make the directory first, or name another file with -o")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            message.help("name a file you may write with -o")
        }
        _ => message,
    }
}
