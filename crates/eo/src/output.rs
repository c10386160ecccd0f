//! Output files appear whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::TempDir;

use crate::failure::{Failure, Message};

/// Calls `make` with a path beside `path`; the file it makes there takes the place of `path` when all went well.
pub fn write_whole(
    path: &Path,
    make: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let cannot = |error: io::Error| cannot_write(path, &error);
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => {
            return Err(cannot(io::ErrorKind::IsADirectory.into()).into());
        }
        // A device or a pipe is written to, not replaced.
        Ok(there) if !there.is_file() => {
            let folder = TempDir::new().map_err(cannot)?;
            let made = folder.path().join("output");
            make(&made)?;
            let mut source = File::open(&made).map_err(cannot)?;
            let mut target = File::options().write(true).open(path).map_err(cannot)?;
            io::copy(&mut source, &mut target).map_err(cannot)?;
            return Ok(());
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

pub fn cannot_write(path: &Path, error: &io::Error) -> Message {
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
