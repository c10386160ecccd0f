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
    told: Arc<Told>,
    observed: AtomicBool,
}

/// What happened.
#[derive(Debug)]
struct Told {
    kind: FailureKind,
    message: String,
    position: u32,
    origin: Option<Origin>,
    /// Return addresses, innermost first.
    trace: Vec<usize>,
    cause: Option<Failure>,
    /// It was reported: also where it was [handed on](Failure::handed_on) to several that nobody awaited, once is enough.
    reported: AtomicBool,
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
        Failure::unobserved(Arc::new(Told {
            kind,
            message,
            position,
            origin: Some(origin),
            trace,
            cause,
            reported: AtomicBool::new(false),
        }))
    }

    /// A failure that no coroutine had: `promise.reject(message)`.
    pub fn rejection(message: String, position: u32) -> Failure {
        Failure::unobserved(Arc::new(Told {
            kind: FailureKind::Rejected,
            message,
            position,
            origin: None,
            trace: Vec::new(),
            cause: None,
            reported: AtomicBool::new(false),
        }))
    }

    fn unobserved(told: Arc<Told>) -> Failure {
        Failure(Arc::new(Inner {
            told,
            observed: AtomicBool::new(false),
        }))
    }

    pub fn kind(&self) -> FailureKind {
        self.0.told.kind
    }

    /// The bare message.
    pub fn message(&self) -> &str {
        &self.0.told.message
    }

    /// Position of the panic (an index into the module's table, 0: unknown).
    pub fn position(&self) -> u32 {
        self.0.told.position
    }

    /// The failure that was raised again by an `await`, if that is how this one came about.
    pub fn cause(&self) -> Option<&Failure> {
        self.0.told.cause.as_ref()
    }

    /// Somebody awaited it (or took its message): it needs no report. True for the first.
    pub fn observe(&self) -> bool {
        !self.0.observed.swap(true, Ordering::AcqRel)
    }

    /// The same failure for another future, whose it is from now on to be awaited or reported.
    pub fn handed_on(&self) -> Failure {
        self.observe();
        Failure::unobserved(self.0.told.clone())
    }

    pub fn is_observed(&self) -> bool {
        self.0.observed.load(Ordering::Acquire)
    }

    /// Called when the failed future goes away: reports the failure unless somebody saw it.
    pub fn report_if_unobserved(&self) {
        let is_news = self.observe() && self.kind() != FailureKind::Cancelled;
        if is_news && !self.0.told.reported.swap(true, Ordering::AcqRel) {
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
        let chain: Vec<&Failure> =
            std::iter::successors(Some(self), |failure| failure.cause()).collect();
        let mut text = String::new();
        let left_out = chain.len().saturating_sub(2 * TOLD_CAUSES);
        for (number, failure) in chain.iter().enumerate() {
            let prefix = if number == 0 { "" } else { "caused by " };
            if left_out == 0 || !(TOLD_CAUSES..TOLD_CAUSES + left_out).contains(&number) {
                failure.describe(&mut text, prefix);
            } else if number == TOLD_CAUSES {
                let _ = writeln!(text, "… {left_out} causes are left out");
            }
        }
        text
    }

    fn describe(&self, text: &mut String, prefix: &str) {
        let told = &*self.0.told;
        let site = self.site();
        let _ = write!(text, "{prefix}{}", self.title());
        if let Some(site) = &site {
            let _ = write!(text, " at {}:{}", site.file, site.line);
        }
        let _ = writeln!(text, ": {}", told.message);
        let addresses = told.trace.iter();
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
        if let Some(spawn) = told
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
    }

    /// Where it happened: the position given, else the innermost frame that is known.
    fn site(&self) -> Option<Site> {
        let told = &self.0.told;
        position::site(told.position).or_else(|| {
            told.trace
                .iter()
                .find_map(|&address| position::of_address(address).next())
        })
    }

    fn title(&self) -> String {
        match (&self.0.told.origin, self.kind()) {
            (None, _) => "rejected promise".into(),
            (Some(Origin { coroutine: 0, .. }), _) => "panic in main".into(),
            (Some(origin), _) => {
                format!("panic in coroutine {} ({})", origin.coroutine, origin.name)
            }
        }
    }
}

/// Causes may hang on one another in long chains, so dropping one must not drop the next inside.
impl Drop for Told {
    fn drop(&mut self) {
        let mut next = self.cause.take();
        while let Some(Failure(inner)) = next {
            let told = Arc::into_inner(inner).and_then(|inner| Arc::into_inner(inner.told));
            next = told.and_then(|mut told| told.cause.take());
        }
    }
}

/// Of a chain of causes so many are told at its beginning, and at its end.
const TOLD_CAUSES: usize = 50;

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
    use super::{Failure, FailureKind, Origin, TOLD_CAUSES, write_folded};

    /// Longer than a stack of this thread, if one were told or dropped inside the other.
    #[test]
    fn a_long_chain_of_causes_is_cut() {
        let mut failure = Failure::rejection("first".to_owned(), 0);
        for number in 1..100_000 {
            let message = format!("awaiter {number}");
            let origin = Origin::default();
            let cause = Some(failure);
            failure =
                Failure::of_coroutine(FailureKind::Panic, message, 0, origin, Vec::new(), cause);
        }
        let report = failure.report();
        let lines: Vec<&str> = report.lines().collect();
        assert_eq!(lines.len(), 2 * TOLD_CAUSES + 1);
        assert_eq!(lines[TOLD_CAUSES], "… 99900 causes are left out");
        assert_eq!(lines.last(), Some(&"caused by rejected promise: first"));
    }

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
