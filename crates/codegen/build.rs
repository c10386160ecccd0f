//! Tells the compiler where the toolchain that builds it keeps its libLLVM: a hint, checked at run time.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=RUSTC");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    if let Ok(output) = Command::new(rustc).args(["--print", "sysroot"]).output()
        && output.status.success()
    {
        let sysroot = String::from_utf8_lossy(&output.stdout);
        println!("cargo::rustc-env=ECHO_BUILD_SYSROOT={}", sysroot.trim());
    }
}
