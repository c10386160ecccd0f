//! Faults of `eo` itself: a panic of the compiler becomes a [`Failure::Bug`], told like any other error.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::panic;
use std::process;
use std::thread;

use crate::failure::{Failure, Message};
use crate::report;

/// The compiler walks trees by recursion, whose height is bounded; this is ample. Only what is used is ever committed.
const STACK_BYTES: usize = 256 << 20;

thread_local! {
    /// What the panic hook saw; set on the compiler's thread only.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on an error that LLVM cannot come back from is told as a fault of the compiler, and ends the process.
pub fn watch_llvm() {
    echo_codegen::llvm::on_fatal_error(|reason| {
        let failure = Failure::Bug(format!("LLVM failed: {reason}"));
        report::failure(&failure);
        process::exit(failure.exit_code())
    });
}

/// Runs the compiler's work on a thread with a big stack. Its panics come back as failures.
pub fn guarded<T: Send>(work: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(remember));
    let result = thread::scope(|scope| {
        let thread = thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || {
                panic::catch_unwind(panic::AssertUnwindSafe(work))
                    .unwrap_or_else(|payload| Err(Failure::Bug(describe(&*payload))))
            });
        match thread {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|payload| Err(Failure::Bug(describe(&*payload)))),
            Err(error) => Err(Message::new(format!("cannot start a thread: {error}"))
                .help("the limits on memory or processes are too tight; see `ulimit -a`")
                .into()),
        }
    });
    panic::set_hook(hook);
    result
}

fn remember(info: &panic::PanicHookInfo<'_>) {
    let place = info
        .location()
        .map_or(String::new(), |place| format!(" ({place})"));
    let backtrace = Backtrace::capture();
    let trace = if backtrace.status() == BacktraceStatus::Captured {
        format!("\n{backtrace}")
    } else {
        String::new()
    };
    let what = format!("{}{place}{trace}", text(info.payload()));
    PANIC.with_borrow_mut(|panic| *panic = Some(what));
}

fn describe(payload: &(dyn Any + Send)) -> String {
    PANIC.take().unwrap_or_else(|| text(payload).to_string())
}

fn text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_failure() {
        let result = guarded(|| -> Result<(), Failure> { panic!("no {}", "way") });
        let Err(Failure::Bug(what)) = result else {
            panic!("{result:?}")
        };
        assert!(what.starts_with("no way (crates/eo/src/bug.rs:"), "{what}");
    }

    #[test]
    fn deep_recursion_fits() {
        fn depth(n: u64) -> u64 {
            if n == 0 {
                0
            } else {
                std::hint::black_box(depth(n - 1)) + 1
            }
        }
        assert_eq!(guarded(|| Ok(depth(1_000_000))).ok(), Some(1_000_000));
    }
}
