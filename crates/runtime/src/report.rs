//! Who is blocked, on what and where: the report of a deadlock and of `--leaks`.
//!
//! Coroutines that wait in the same way at the same place are told once, with their number, after the first few.

use crate::coroutine::{Coroutine, Identity, Operation, State, WaitInfo};
use crate::future;
use crate::in_place;
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

/// A coroutine as it is told of.
struct Told {
    who: Identity,
    wait: WaitInfo,
    is_parked: bool,
}

/// Every parked coroutine, one per line, by id. Called while nothing runs.
pub fn blocked() -> String {
    let mut coroutines = all();
    coroutines.retain(|coroutine| coroutine.is_parked);
    let mut numbers = Numbers::default();
    let mut seen: HashMap<Situation, usize> = HashMap::new();
    let mut text = String::new();
    for coroutine in &coroutines {
        let count = seen.entry(situation(coroutine)).or_default();
        *count += 1;
        if *count <= LISTED {
            describe(coroutine, &mut numbers, &mut text);
        }
    }
    // In the order of the first of each kind.
    for coroutine in &coroutines {
        if let Some(count) = seen.remove(&situation(coroutine))
            && count > LISTED
        {
            let operation = operation_text(&coroutine.wait, None);
            let place = place(coroutine.wait.position);
            let name = coroutine.who.name();
            let more = count - LISTED;
            let _ = writeln!(
                text,
                "  … and {more} more coroutines ({name}): {operation}{place}"
            );
        }
    }
    text
}

/// The control blocks of coroutines that are parked. Called while nothing runs.
pub fn parked() -> Vec<*const Coroutine> {
    let mut coroutines = registry::live();
    // SAFETY: the state is atomic.
    coroutines.retain(|&coroutine| unsafe { (*coroutine).state() } == State::Suspended);
    coroutines
}

/// Every coroutine that has started, by id, or some where there is no memory to list them all: those that have a control block, and those that await what runs in place on one's stack. Called while nothing runs.
fn all() -> Vec<Told> {
    let mut all = Vec::new();
    for block in registry::live() {
        // SAFETY: control blocks are never unmapped, and nothing runs.
        let block = unsafe { &*block };
        let is_parked = block.state() == State::Suspended;
        if all.try_reserve(1).is_err() {
            break;
        }
        all.push(Told {
            // SAFETY: nothing runs.
            who: unsafe { in_place::identity(block) },
            wait: if is_parked {
                block.wait()
            } else {
                WaitInfo::NONE
            },
            is_parked,
        });
        // SAFETY: nothing runs.
        let awaiters = unsafe { in_place::awaiters(block) };
        all.extend(awaiters.map(|(who, wait)| Told {
            who,
            wait,
            is_parked,
        }));
    }
    all.sort_unstable_by_key(|coroutine| coroutine.who.id);
    all
}

fn situation(coroutine: &Told) -> Situation {
    Situation {
        name: coroutine.who.name(),
        operation: coroutine.wait.operation as u8,
        position: coroutine.wait.position,
        spawned_at: coroutine.who.spawned_at,
    }
}

fn describe(coroutine: &Told, numbers: &mut Numbers, text: &mut String) {
    let Told { who, wait, .. } = coroutine;
    let _ = write!(
        text,
        "  coroutine {} ({}): {}{}",
        who.id,
        who.name(),
        operation_text(wait, Some(numbers)),
        place(wait.position)
    );
    if let Some(spawn) = position::site(who.spawned_at) {
        let _ = write!(text, ", spawned at {}:{}", spawn.file, spawn.line);
    }
    if let Operation::Lock | Operation::ReadLock = wait.operation {
        text.push_str(&holders_text(wait.object.cast(), who.id));
    }
    text.push('\n');
}

/// `; coroutine 1 (work) holds it`, told of one that waits.
fn holders_text(lock: *const Lock, waits: u64) -> String {
    // SAFETY: the coroutine that waits owns a reference to the lock, and nothing runs.
    match unsafe { lock::holders(lock) } {
        Holders::Nobody => String::new(),
        Holders::Coroutine(id) if id == waits => "; it holds it itself".to_owned(),
        Holders::Coroutine(id) => match all().iter().find(|coroutine| coroutine.who.id == id) {
            Some(holder) => format!("; coroutine {id} ({}) holds it", holder.who.name()),
            None => format!("; coroutine {id}, which has ended, holds it"),
        },
        Holders::Thread => "; a thread holds it".to_owned(),
        Holders::Readers(count) => readers_text(lock, count),
    }
}

/// Names one of them.
fn readers_text(lock: *const Lock, count: u64) -> String {
    let mut coroutines = all().into_iter();
    // SAFETY: nothing runs.
    let reader = coroutines.find(|told| unsafe { held::reads(told.who.held, lock.cast()) });
    let Some(Told { who, .. }) = reader else {
        return format!("; readers that have ended hold it ({count})");
    };
    let others = match count {
        1 => " reads it".to_owned(),
        _ => format!(" and {} more read it", count - 1),
    };
    format!("; coroutine {} ({}){others}", who.id, who.name())
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
