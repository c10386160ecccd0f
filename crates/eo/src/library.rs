//! The runtime's static library: carried in `eo`, unpacked where a linker can read it.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::Message;
use crate::store::Store;

/// Made by the build script.
pub static BYTES: &[u8] = include_bytes!(env!("ECHO_RUNTIME_LIBRARY"));

/// Room for the libraries of a few versions.
const LIMIT_BYTES: u64 = 64 << 20;

/// The library as a file.
pub struct Library {
    path: PathBuf,
    /// Deleted after use, when the cache could not take the file.
    _folder: Option<TempDir>,
}

impl Library {
    /// Unpacks the library into the user's cache, where it is kept, or else into a temporary folder.
    pub fn unpack() -> Result<Library, Message> {
        if let Some(path) = unpack_to_cache() {
            return Ok(Library {
                path,
                _folder: None,
            });
        }
        let folder = tempfile::tempdir()
            .map_err(|error| Message::cannot("make a folder in", &std::env::temp_dir(), &error))?;
        let path = folder.path().join("libecho_runtime.a");
        fs::write(&path, BYTES).map_err(|error| Message::cannot("write", &path, &error))?;
        Ok(Library {
            path,
            _folder: Some(folder),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn unpack_to_cache() -> Option<PathBuf> {
    let store = Store::open("runtime", LIMIT_BYTES)?;
    let name = format!("{}.a", &blake3::hash(BYTES).to_hex()[..16]);
    // Compared in full: a damaged file is written anew.
    if store.read(&name).as_deref() != Some(BYTES) {
        store.write(&name, BYTES).ok()?;
    }
    Some(store.path(&name))
}
