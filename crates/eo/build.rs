//! Builds the runtime as a static library, which `eo` carries in itself and links into executables, and names the state of all sources.
//!
//! The library is built by a cargo of its own, in a folder of its own beside the outer one's (so neither waits for the other, and dev and release
//! builds of `eo` share it), always optimised: see the profile `runtime-library` in the workspace's Cargo.toml.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROFILE: &str = "runtime-library";

/// What the library is made of, from the root of the workspace.
const LIBRARY_SOURCES: [&str; 4] = ["Cargo.toml", "Cargo.lock", "crates/abi", "crates/runtime"];

/// What decides which code a program is compiled to, from the root of the workspace.
const COMPILER_SOURCES: [&str; 8] = [
    "Cargo.lock",
    "crates/abi/src",
    "crates/syntax/src",
    "crates/sema/src",
    "crates/codegen/src",
    "crates/runtime/src",
    "crates/eo/src",
    "std",
];

fn main() {
    let root = Path::new(&variable("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two levels below the workspace")
        .to_path_buf();
    for source in LIBRARY_SOURCES.iter().chain(&COMPILER_SOURCES) {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    let library = build_library(&root);
    println!(
        "cargo::rustc-env=ECHO_RUNTIME_LIBRARY={}",
        library.display()
    );
    println!("cargo::rustc-env=ECHO_SOURCES={}", hash_sources(&root));
}

fn build_library(root: &Path) -> PathBuf {
    let target = variable("TARGET");
    let folder = library_folder();
    let status = Command::new(variable("CARGO"))
        .current_dir(root)
        .args([
            "rustc",
            "--package",
            "echo-runtime",
            "--lib",
            "--crate-type",
            "staticlib",
        ])
        .args([
            "--profile",
            PROFILE,
            "--target",
            &target,
            "--locked",
            "--quiet",
        ])
        .arg("--target-dir")
        .arg(&folder)
        // Set for the outer build: clippy's wrapper, and flags such as `-C target-cpu` that must not reach executables for other machines.
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .status()
        .expect("cargo starts");
    assert!(
        status.success(),
        "the runtime's static library could not be built"
    );
    let library = folder.join(target).join(PROFILE).join("libecho_runtime.a");
    without_debug_info(&library).unwrap_or(library)
}

/// The standard library's debug information is more than half of the file. Where the toolchain has no objcopy, the file stays as it is.
fn without_debug_info(library: &Path) -> Option<PathBuf> {
    let sysroot = Command::new(variable("RUSTC"))
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let sysroot = PathBuf::from(String::from_utf8(sysroot.stdout).ok()?.trim_end());
    let tool = sysroot
        .join("lib/rustlib")
        .join(variable("HOST"))
        .join("bin/rust-objcopy");
    let stripped = Path::new(&variable("OUT_DIR")).join("libecho_runtime.a");
    let status = Command::new(tool)
        .env("LD_LIBRARY_PATH", sysroot.join("lib"))
        .arg("--strip-debug")
        .args([library, &stripped])
        .status()
        .ok()?;
    status.success().then_some(stripped)
}

/// `OUT_DIR` is `<target>/<profile>/build/eo-<hash>/out`; the library is built in `<target>/runtime-library`.
fn library_folder() -> PathBuf {
    let out = PathBuf::from(variable("OUT_DIR"));
    let target = out.ancestors().nth(4);
    target.unwrap_or(&out).join("runtime-library")
}

fn hash_sources(root: &Path) -> String {
    let mut hasher = blake3::Hasher::new();
    for source in COMPILER_SOURCES {
        hash_path(&root.join(source), &mut hasher);
    }
    hasher.finalize().to_hex()[..16].to_string()
}

/// Names and contents of a file, or of all files below a folder, in order.
fn hash_path(path: &Path, hasher: &mut blake3::Hasher) {
    if let Ok(entries) = fs::read_dir(path) {
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            hash_path(&path, hasher);
        }
    } else if let Ok(bytes) = fs::read(path) {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        for part in [name, &bytes] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
