//! All control blocks, for reports: the slabs they are cut from. Nothing is done on the hot path; a block whose state is `Free` is none.

use crate::coroutine::{Coroutine, State};
use crate::lock::SpinMutex;

struct Slab {
    first: *const Coroutine,
    count: usize,
}

// SAFETY: slabs are never unmapped; their blocks are read as the coroutine module allows.
unsafe impl Send for Slab {}

static SLABS: SpinMutex<Vec<Slab>> = SpinMutex::new(Vec::new());

/// Announces a slab of zeroed control blocks.
pub fn add_slab(first: *const Coroutine, count: usize) {
    SLABS.lock().push(Slab { first, count });
}

impl Slab {
    fn live(&self) -> impl Iterator<Item = *const Coroutine> {
        // SAFETY: slabs are mapped for ever, zero pages read as free blocks.
        let blocks = (0..self.count).map(|index| unsafe { self.first.add(index) });
        // SAFETY: the state is atomic.
        blocks.filter(|&block| unsafe { (*block).state() } != State::Free)
    }
}

/// Every coroutine that exists, by id; where there is no memory to list them all, some. Exact only while nothing runs.
pub fn live() -> Vec<*const Coroutine> {
    let slabs = SLABS.lock();
    let mut coroutines = Vec::new();
    for coroutine in slabs.iter().flat_map(Slab::live) {
        if coroutines.try_reserve(1).is_err() {
            break;
        }
        coroutines.push(coroutine);
    }
    drop(slabs);
    // SAFETY: control blocks are never unmapped; an id read while it changes only affects the order.
    coroutines.sort_unstable_by_key(|&coroutine| unsafe { (*coroutine).id() });
    coroutines
}

/// Forgets the coroutines of a program that has ended; how many there were.
pub fn abandon() -> usize {
    let slabs = SLABS.lock();
    let coroutines = slabs.iter().flat_map(Slab::live);
    // SAFETY: nothing runs any more.
    let forget = |coroutine: *const Coroutine| unsafe { (*coroutine).set_state(State::Free) };
    coroutines.map(forget).count()
}
