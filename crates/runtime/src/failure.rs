//! Why a coroutine failed, and how that is told to people.
//!
//! A [`Failure`] is immutable and shared by reference count: the failed future, everybody who awaited it and the chain of failures it
//! caused hold it. It is *observed* once somebody awaited it. An unobserved failure is reported on stderr exactly once: when its future goes away
//! or at the end of the program, whichever comes first.

use crate::panic::MAX_TRACE;
use crate::position::{self, Site};
use crate::sanitize::sync::Mutex;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What kind of end it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// `panic`, a failed check, a stack overflow, a Rust panic.
    Panic,
    /// Cancelled or timed out; never reported.
    Cancelled,
    /// `promise.reject`.
    Rejected,
}

/// Which coroutine failed, and where it came from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Main is 0.
    pub coroutine: u64,
    /// Name of its entry function.
    pub name: String,
    /// Where it was spawned.
    pub spawned_at: u32,
}

/// A shared, immutable description of a failure.
#[derive(Clone, Debug)]
pub struct Failure(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: FailureKind,
    message: String,
    position: u32,
    origin: Option<Origin>,
    /// Return addresses, innermost first.
    trace: Vec<usize>,
    cause: Option<Failure>,
    observed: AtomicBool,
}

impl Failure {
    /// The failure of a coroutine.
    pub fn of_coroutine(
        kind: FailureKind,
        message: String,
        position: u32,
        origin: Origin,
        trace: Vec<usize>,
        cause: Option<Failure>,
    ) -> Failure {
        Failure(Arc::new(Inner {
            kind,
            message,
            position,
            origin: Some(origin),
            trace,
            cause,
            observed: AtomicBool::new(false),
        }))
    }

    /// A failure that no coroutine had: `promise.reject(message)`.
    pub fn rejection(message: String, position: u32) -> Failure {
        Failure(Arc::new(Inner {
            kind: FailureKind::Rejected,
            message,
            position,
            origin: None,
            trace: Vec::new(),
            cause: None,
            observed: AtomicBool::new(false),
        }))
    }

    pub fn kind(&self) -> FailureKind {
        self.0.kind
    }

    /// The bare message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Position of the panic (an index into the module's table, 0: unknown).
    pub fn position(&self) -> u32 {
        self.0.position
    }

    /// The failure that was raised again by an `await`, if that is how this one came about.
    pub fn cause(&self) -> Option<&Failure> {
        self.0.cause.as_ref()
    }

    /// Somebody awaited it (or took its message): it needs no report. True for the first.
    pub fn observe(&self) -> bool {
        !self.0.observed.swap(true, Ordering::AcqRel)
    }

    /// The same failure for another future, whose it is from now on to be awaited or reported.
    pub fn handed_on(&self) -> Failure {
        self.observe();
        let inner = &*self.0;
        Failure(Arc::new(Inner {
            kind: inner.kind,
            message: inner.message.clone(),
            position: inner.position,
            origin: inner.origin.clone(),
            trace: inner.trace.clone(),
            cause: inner.cause.clone(),
            observed: AtomicBool::new(false),
        }))
    }

    pub fn is_observed(&self) -> bool {
        self.0.observed.load(Ordering::Acquire)
    }

    /// Called when the failed future goes away: reports the failure unless somebody saw it.
    pub fn report_if_unobserved(&self) {
        if self.observe() && self.0.kind != FailureKind::Cancelled {
            REPORTED.store(true, Ordering::Release);
            write_stderr(&self.report());
        }
    }

    /// Remembers an unobserved failure, so that it is reported at the end of the program at the latest; at once, when there is no memory for that. For
    /// rejected futures.
    pub fn watch(&self) {
        let mut watched = WATCHED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if watched.len() == watched.capacity() {
            watched.retain(|failure| !failure.is_observed());
        }
        if watched.try_reserve(1).is_ok() {
            watched.push(self.clone());
        } else {
            drop(watched);
            self.report_if_unobserved();
        }
    }

    /// The whole report, ending in a newline.
    pub fn report(&self) -> String {
        let mut text = String::new();
        self.describe(&mut text, "");
        text
    }

    fn describe(&self, text: &mut String, prefix: &str) {
        let inner = &*self.0;
        let site = self.site();
        let _ = write!(text, "{prefix}{}", self.title());
        if let Some(site) = &site {
            let _ = write!(text, " at {}:{}", site.file, site.line);
        }
        let _ = writeln!(text, ": {}", inner.message);
        let addresses = inner.trace.iter();
        let sites = addresses.flat_map(|&address| position::of_address(address));
        let mut sites: Vec<Site> = sites.take(MAX_TRACE).collect();
        // The position says more than the address: that of a `select` is one for all its cases.
        if let (Some(exact), Some(innermost)) = (site, sites.first_mut())
            && (exact.function, exact.file) == (innermost.function, innermost.file)
        {
            *innermost = exact;
        }
        let lines: Vec<String> = sites
            .iter()
            .map(|site| format!("  at {} ({}:{})\n", site.function, site.file, site.line))
            .collect();
        write_folded(&lines, text);
        if let Some(spawn) = inner
            .origin
            .as_ref()
            .and_then(|origin| position::site(origin.spawned_at))
        {
            let _ = writeln!(
                text,
                "  spawned at {}:{} by {}",
                spawn.file, spawn.line, spawn.function
            );
        }
        if let Some(cause) = &inner.cause {
            cause.describe(text, "caused by ");
        }
    }

    /// Where it happened: the position given, else the innermost frame that is known.
    fn site(&self) -> Option<Site> {
        position::site(self.0.position).or_else(|| {
            self.0
                .trace
                .iter()
                .find_map(|&address| position::of_address(address).next())
        })
    }

    fn title(&self) -> String {
        match (&self.0.origin, self.0.kind) {
            (None, _) => "rejected promise".into(),
            (Some(Origin { coroutine: 0, .. }), _) => "panic in main".into(),
            (Some(origin), _) => {
                format!("panic in coroutine {} ({})", origin.coroutine, origin.name)
            }
        }
    }
}

/// Most lines of a recursion that are told once: functions that call each other in a circle.
const LONGEST_CIRCLE: usize = 4;

/// The lines, but for those that repeat the ones before.
fn write_folded(lines: &[String], text: &mut String) {
    let mut rest = lines;
    while !rest.is_empty() {
        let folds =
            (1..=LONGEST_CIRCLE.min(rest.len())).map(|length| (repeats(rest, length), length));
        let fold = folds.filter(|&(count, length)| (count - 1) * length > 1);
        let (count, length) = fold
            .max_by_key(|&(count, length)| (count * length, count))
            .unwrap_or((1, 1));
        text.extend(rest[..length].iter().map(String::as_str));
        let _ = match (count, length) {
            (1, _) => Ok(()),
            (_, 1) => writeln!(text, "  … {} more of the same", count - 1),
            (2, _) => writeln!(text, "  … these {length} lines once more"),
            _ => writeln!(text, "  … these {length} lines {} more times", count - 1),
        };
        rest = &rest[count * length..];
    }
}

/// How often the first lines stand there, one time after the other.
fn repeats(lines: &[String], length: usize) -> usize {
    let first = &lines[..length];
    let times = lines.chunks_exact(length);
    times.take_while(|chunk| *chunk == first).count()
}

/// Failures that may still have to be reported at the end of the program.
static WATCHED: Mutex<Vec<Failure>> = Mutex::new(Vec::new());
/// Whether any failure was reported because nobody observed it.
static REPORTED: AtomicBool = AtomicBool::new(false);

/// Reports what nobody observed; true if anything was ever reported this way. The state is fresh afterwards.
pub fn report_unobserved() -> bool {
    let watched = std::mem::take(
        &mut *WATCHED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()),
    );
    for failure in watched {
        failure.report_if_unobserved();
    }
    REPORTED.swap(false, Ordering::AcqRel)
}

/// One atomic write to standard error, after what was printed before.
pub fn write_stderr(text: &str) {
    use std::io::Write;
    crate::value::print::flush();
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::write_folded;

    fn folded(lines: &str) -> String {
        let lines: Vec<String> = lines.chars().map(|line| format!("{line}\n")).collect();
        let mut text = String::new();
        write_folded(&lines, &mut text);
        text.replace('\n', ";")
    }

    #[test]
    fn recursion_is_told_once() {
        assert_eq!(folded(""), "");
        assert_eq!(folded("abc"), "a;b;c;");
        assert_eq!(folded("aab"), "a;a;b;");
        assert_eq!(folded("baaac"), "b;a;  … 2 more of the same;c;");
        assert_eq!(
            folded("abababac"),
            "a;b;  … these 2 lines 2 more times;a;c;"
        );
        assert_eq!(
            folded("ababaaaa"),
            "a;b;  … these 2 lines once more;a;  … 3 more of the same;"
        );
        assert_eq!(folded("abcdeabcde"), "a;b;c;d;e;a;b;c;d;e;");
    }
}
