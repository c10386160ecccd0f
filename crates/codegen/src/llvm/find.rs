//! Where a libLLVM may be, best first.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Versions that a system may have, newest first.
const VERSIONS: std::ops::RangeInclusive<u32> = super::OLDEST..=22;

/// Every library worth trying: `ECHO_LLVM`, beside the executable, the Rust toolchain's, the system's. Nothing is looked for before it is its turn.
pub fn candidates() -> Box<dyn Iterator<Item = PathBuf>> {
    if let Some(path) = std::env::var_os("ECHO_LLVM") {
        // Named by the user: nothing else is tried in its place.
        return Box::new(std::iter::once(PathBuf::from(path)));
    }
    let places: [fn() -> Vec<PathBuf>; 3] = [beside_executable, in_toolchain, in_system];
    let mut seen = HashSet::new();
    let found = places.into_iter().flat_map(|look| look());
    Box::new(found.filter(move |path| seen.insert(path.clone())))
}

fn beside_executable() -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(executable) = std::env::current_exe()
        && let Some(folder) = executable.parent()
    {
        libraries_in(folder, &mut found);
        libraries_in(&folder.join("../lib"), &mut found);
    }
    found
}

fn in_toolchain() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in toolchain_folders() {
        libraries_in(&folder, &mut found);
    }
    found
}

/// The `lib` folders of Rust toolchains: the one that built `eo`, then the one `rustc` belongs to.
fn toolchain_folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(built) = option_env!("ECHO_BUILD_SYSROOT") {
        folders.push(Path::new(built).join("lib"));
    }
    if folders.iter().any(|folder| folder.is_dir()) {
        return folders;
    }
    if let Ok(output) = Command::new("rustc").args(["--print", "sysroot"]).output()
        && output.status.success()
    {
        let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_string();
        folders.push(Path::new(&sysroot).join("lib"));
    }
    folders
}

fn libraries_in(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut here: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libLLVM") && name.contains(".so")
        })
        // A linker script of that name is a few bytes long.
        .filter(|entry| std::fs::metadata(entry.path()).is_ok_and(|file| file.len() > 1 << 20))
        .map(|entry| entry.path())
        .collect();
    here.sort();
    found.append(&mut here);
}

fn in_system() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for version in VERSIONS.rev() {
        for folder in [
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib64",
            "/usr/lib",
            "/usr/local/lib",
        ] {
            for name in [
                format!("libLLVM.so.{version}.1"),
                format!("libLLVM-{version}.so.1"),
                format!("libLLVM-{version}.so"),
                format!("libLLVM.so.{version}"),
            ] {
                let path = Path::new(folder).join(name);
                if path.exists() {
                    found.push(path);
                }
            }
        }
        libraries_in(
            &PathBuf::from(format!("/usr/lib/llvm-{version}/lib")),
            &mut found,
        );
    }
    found
}
