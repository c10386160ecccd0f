//! Who is blocked, on what and where: the report of a deadlock and of `--leaks`.
//!
//! Coroutines that wait in the same way at the same place are told once, with their number, after the first few.

use crate::coroutine::{Coroutine, Operation, State, WaitInfo};
use crate::future;
use crate::position;
use crate::registry;
use crate::sync::held;
use crate::sync::lock::{self, Holders, Lock};
use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt::Write as _;

/// Coroutines in the same situation that are listed one by one.
const LISTED: usize = 3;

/// What two coroutines share that are in the same situation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Situation {
    name: &'static str,
    operation: u8,
    position: u32,
    spawned_at: u32,
}

/// Every parked coroutine, one per line, by id. Called while nothing runs.
pub fn blocked() -> String {
    let coroutines = parked();
    let mut numbers = Numbers::default();
    let mut seen: HashMap<Situation, usize> = HashMap::new();
    let mut text = String::new();
    for &coroutine in &coroutines {
        // SAFETY: parked, and nothing runs.
        let coroutine = unsafe { &*coroutine };
        let count = seen.entry(situation(coroutine)).or_default();
        *count += 1;
        if *count <= LISTED {
            describe(coroutine, &mut numbers, &mut text);
        }
    }
    // In the order of the first of each kind.
    for &coroutine in &coroutines {
        // SAFETY: as above.
        let coroutine = unsafe { &*coroutine };
        if let Some(count) = seen.remove(&situation(coroutine))
            && count > LISTED
        {
            let operation = operation_text(&coroutine.wait(), None);
            let place = place(coroutine.wait().position);
            let name = coroutine.name();
            let more = count - LISTED;
            let _ = writeln!(
                text,
                "  … and {more} more coroutines ({name}): {operation}{place}"
            );
        }
    }
    text
}

/// How many coroutines are parked. Called while nothing runs.
pub fn parked() -> Vec<*const Coroutine> {
    let mut coroutines = registry::live();
    // SAFETY: the state is atomic.
    coroutines.retain(|&coroutine| unsafe { (*coroutine).state() } == State::Suspended);
    coroutines
}

fn situation(coroutine: &Coroutine) -> Situation {
    Situation {
        name: coroutine.name(),
        operation: coroutine.wait().operation as u8,
        position: coroutine.wait().position,
        spawned_at: coroutine.spawned_at,
    }
}

fn describe(coroutine: &Coroutine, numbers: &mut Numbers, text: &mut String) {
    let _ = write!(
        text,
        "  coroutine {} ({}): {}{}",
        coroutine.id,
        coroutine.name(),
        operation_text(&coroutine.wait(), Some(numbers)),
        place(coroutine.wait().position)
    );
    if let Some(spawn) = position::site(coroutine.spawned_at) {
        let _ = write!(text, ", spawned at {}:{}", spawn.file, spawn.line);
    }
    if let Operation::Lock | Operation::ReadLock = coroutine.wait().operation {
        text.push_str(&holders_text(coroutine.wait().object.cast()));
    }
    text.push('\n');
}

/// `; coroutine 1 (work) holds it`
fn holders_text(lock: *const Lock) -> String {
    // SAFETY: the coroutine that waits owns a reference to the lock, and nothing runs.
    match unsafe { lock::holders(lock) } {
        Holders::Nobody => String::new(),
        Holders::Coroutine(id) => match with_id(id) {
            Some(holder) => format!("; coroutine {id} ({}) holds it", holder.name()),
            None => format!("; coroutine {id}, which has ended, holds it"),
        },
        Holders::Thread => "; a thread holds it".to_owned(),
        Holders::Readers(count) => readers_text(lock, count),
    }
}

/// Names one of them.
fn readers_text(lock: *const Lock, count: u64) -> String {
    let mut coroutines = registry::live().into_iter();
    // SAFETY: nothing runs.
    let reader = coroutines.find(|&coroutine| unsafe { held::reads(coroutine, lock.cast()) });
    let Some(reader) = reader else {
        return format!("; readers that have ended hold it ({count})");
    };
    // SAFETY: as above.
    let reader = unsafe { &*reader };
    let others = match count {
        1 => " reads it".to_owned(),
        _ => format!(" and {} more read it", count - 1),
    };
    format!("; coroutine {} ({}){others}", reader.id, reader.name())
}

fn with_id(id: u64) -> Option<&'static Coroutine> {
    let mut coroutines = registry::live().into_iter();
    // SAFETY: control blocks are never unmapped, and nothing runs.
    coroutines.find_map(|coroutine| unsafe { coroutine.as_ref().filter(|live| live.id == id) })
}

/// ` at FILE:LINE in FUNCTION`, or nothing when the place is not known.
fn place(position: u32) -> String {
    position::site(position).map_or(String::new(), |site| {
        format!(" at {}:{} in {}", site.file, site.line, site.function)
    })
}

/// What the coroutine does; with the number of what it waits on.
fn operation_text(wait: &WaitInfo, numbers: Option<&mut Numbers>) -> String {
    let (verb, noun) = match wait.operation {
        Operation::None => return "suspended".to_owned(),
        Operation::Sleep => return "sleep".to_owned(),
        Operation::Io => return "input or output".to_owned(),
        Operation::Scope => return "end of scope".to_owned(),
        Operation::Select => return "select".to_owned(),
        Operation::Await => return await_text(wait, numbers),
        Operation::Send => ("send to", "channel"),
        Operation::Receive => ("receive from", "channel"),
        // SAFETY: the coroutine that waits owns a reference to the lock.
        Operation::Lock => ("lock", unsafe { lock::noun(wait.object.cast()) }),
        Operation::ReadLock => ("read_lock", "rwlock"),
        Operation::WaitGroup => ("wait for", "wait group"),
        Operation::Semaphore => ("acquire", "semaphore"),
        Operation::Once => ("wait for", "once"),
    };
    match numbers {
        Some(numbers) => format!("{verb} {noun} {}", numbers.of(noun, wait.object)),
        None => format!("{verb} {} {noun}", lock::article(noun)),
    }
}

fn await_text(wait: &WaitInfo, numbers: Option<&mut Numbers>) -> String {
    let Some(numbers) = numbers else {
        return "await".to_owned();
    };
    // SAFETY: the coroutine that waits owns a reference to the future.
    match unsafe { future::coroutine_id(wait.object.cast()) } {
        Some(id) => format!("await coroutine {id}"),
        None => format!("await promise {}", numbers.of("promise", wait.object)),
    }
}

/// Numbers for objects, from 1, in the order in which they are met.
#[derive(Default)]
struct Numbers {
    known: HashMap<(&'static str, usize), usize>,
    last: HashMap<&'static str, usize>,
}

impl Numbers {
    fn of(&mut self, noun: &'static str, object: *const c_void) -> usize {
        let last = self.last.entry(noun).or_default();
        *self.known.entry((noun, object.addr())).or_insert_with(|| {
            *last += 1;
            *last
        })
    }
}
