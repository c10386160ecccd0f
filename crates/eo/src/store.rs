//! The folder in the user's cache where `eo` keeps files between runs.
//!
//! - Files appear whole (written beside, then renamed), so concurrent runs never see half of one;
//! - a kind of files is bounded in size: what was not used for longest goes first;
//! - nothing depends on the folder: whoever cannot use it works without.
//!
//! What is kept there is executed, so a folder that belongs to somebody else is not used.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files of one kind.
pub struct Store {
    folder: PathBuf,
    limit_bytes: u64,
}

impl Store {
    /// Opens the store, makes its folder if need be. `None`: there is no place for it.
    pub fn open(kind: &str, limit_bytes: u64) -> Option<Store> {
        Store::open_in(&root()?, kind, limit_bytes)
    }

    fn open_in(root: &Path, kind: &str, limit_bytes: u64) -> Option<Store> {
        let folder = root.join(kind);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .ok()?;
        // SAFETY: no arguments, cannot fail.
        let me = unsafe { libc::geteuid() };
        let mine = fs::metadata(&folder).is_ok_and(|folder| folder.uid() == me);
        mine.then_some(Store {
            folder,
            limit_bytes,
        })
    }

    /// Where the file of that name is, or would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The bytes of a file, which now counts as just used.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.path(name);
        let bytes = fs::read(&path).ok()?;
        if let Ok(file) = File::open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        Some(bytes)
    }

    /// Keeps a file, and lets go of others if they are too many.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(bytes)?;
        file.persist(self.path(name))?;
        self.sweep();
        Ok(())
    }

    /// Deletes what was not used for longest. Also what an interrupted run left behind goes this way.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let data = entry.metadata().ok()?;
                Some((data.modified().ok()?, data.len(), entry.path()))
            })
            .collect();
        files.sort_by_key(|(used, ..)| std::cmp::Reverse(*used));
        let mut total_bytes = 0;
        for (_, bytes, path) in files {
            total_bytes += bytes;
            if total_bytes > self.limit_bytes {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// `$XDG_CACHE_HOME/echo` or `~/.cache/echo`; relative paths do not count, as that standard says.
pub fn root() -> Option<PathBuf> {
    let folder = |name| {
        let path = PathBuf::from(env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    // A home that is not there is not made.
    let home = || folder("HOME").filter(|home| home.is_dir());
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(home()?.join(".cache")))?;
    Some(cache.join("echo"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_least_recently_used_goes_first() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open_in(root.path(), "things", 250).expect("a store");
        for (age, name) in [(30, "a"), (20, "b")] {
            store.write(name, &[0; 100]).expect("it is written");
            let file = File::open(store.path(name)).expect("it is there");
            file.set_modified(SystemTime::now() - Duration::from_secs(age))
                .expect("its time is set");
        }
        assert!(store.read("a").is_some());
        store.write("c", &[0; 100]).expect("it is written");
        assert!(store.read("a").is_some(), "was just used");
        assert!(store.read("b").is_none(), "was used least recently");
        assert!(store.read("c").is_some(), "is new");
    }

    #[test]
    fn no_folder_no_store() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let file = root.path().join("file");
        fs::write(&file, "").expect("it is written");
        assert!(Store::open_in(&file, "things", 250).is_none());
    }
}
