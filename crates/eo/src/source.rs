//! Reading source files: everything that can be wrong with one before its text is looked at.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::failure::Message;

/// The largest source file that is read. Spans could address 4 GiB; nobody writes that, but a wrong file name may lead there.
const LARGEST_BYTES: u64 = 64 << 20;

/// The path that means standard input, and the name diagnostics show for it.
const DASH: &str = "-";
const STANDARD_INPUT: &str = "<stdin>";

/// A file as read, under the name that diagnostics show.
#[derive(Debug)]
pub struct Source {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Reads a source file, or standard input when the path is `-`.
pub fn read(path: &Path) -> Result<Source, Message> {
    let (name, bytes) = if path.as_os_str() == DASH {
        let bytes = read_limited(&mut io::stdin().lock());
        (STANDARD_INPUT.to_string(), bytes)
    } else {
        (path.display().to_string(), read_file(path))
    };
    let bytes = bytes.map_err(|error| cannot_read(path, &error))?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(
            Message::new(format!("`{name}` is too large for a source file"))
                .in_file(name)
                .help("a source file has at most 64 MiB; is this the right file?"),
        );
    }
    Ok(Source { name, bytes })
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // Not opened at all when it is a directory: reading one fails with a stranger message.
    if fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    read_limited(&mut File::open(path)?)
}

/// Reads at most one byte more than is allowed, so that a device that never ends is refused too.
fn read_limited(file: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn cannot_read(path: &Path, error: &io::Error) -> Message {
    let message = Message::cannot("read", path, error);
    match advice(path, error.kind()) {
        Some(help) => message.help(help),
        None => message,
    }
}

/// What the user may have meant.
fn advice(path: &Path, kind: io::ErrorKind) -> Option<String> {
    match kind {
        io::ErrorKind::NotFound => {
            let with_ending = path.with_added_extension("eo");
            Some(if with_ending.is_file() {
                format!("there is a file `{}`", with_ending.display())
            } else {
                "check the name, and the directory you are in".to_string()
            })
        }
        io::ErrorKind::IsADirectory => {
            let main = path.join("main.eo");
            Some(if main.is_file() {
                format!("name a source file in it: `{}`", main.display())
            } else {
                "name a source file in it".to_string()
            })
        }
        io::ErrorKind::PermissionDenied => {
            Some("you need the right to read it; `ls -l` shows who has it".to_string())
        }
        _ => None,
    }
}
