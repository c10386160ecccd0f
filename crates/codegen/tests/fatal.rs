//! Errors that LLVM does not return from reach the compiler's handler. They end the process, so a child has them.

use std::process::{Command, exit};

use echo_codegen::llvm::{Llvm, Output, on_fatal_error};

/// LLVM has no prologue of that kind for such a function.
const IMPOSSIBLE: &str = "target triple = \"x86_64-unknown-linux-gnu\"
define void @f(...) \"split-stack\" {
  call void @g()
  ret void
}
declare void @g()
";

#[test]
fn the_handler_is_told() {
    let child = Command::new(std::env::current_exe().expect("the test itself"))
        .args(["--exact", "fails", "--ignored", "--nocapture"])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.code(), Some(42), "{text}");
    assert!(
        text.contains("told: Segmented stacks do not support vararg"),
        "{text}"
    );
}

#[test]
#[ignore = "ends the process; run by the_handler_is_told"]
fn fails() {
    on_fatal_error(|reason| {
        eprintln!("told: {reason}");
        exit(42)
    });
    let llvm = Llvm::load().expect("an LLVM");
    let result = llvm.compile(IMPOSSIBLE, 0, Output::Object);
    panic!("it came back: {:?}", result.map(|object| object.len()));
}
