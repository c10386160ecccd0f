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

/// Every coroutine that exists, by id. Exact only while nothing runs.
pub fn live() -> Vec<*const Coroutine> {
    let mut coroutines = Vec::new();
    for slab in SLABS.lock().iter() {
        // SAFETY: slabs are mapped for ever, zero pages read as free blocks.
        let blocks = (0..slab.count).map(|index| unsafe { slab.first.add(index) });
        // SAFETY: the state is atomic.
        coroutines.extend(blocks.filter(|&block| unsafe { (*block).state() } != State::Free));
    }
    // SAFETY: as above; an id read while it changes only affects the order.
    coroutines.sort_by_key(|&coroutine| unsafe { (*coroutine).id() });
    coroutines
}

/// Forgets the coroutines of a program that has ended; how many there were.
pub fn abandon() -> usize {
    let coroutines = live();
    for &coroutine in &coroutines {
        // SAFETY: nothing runs any more.
        unsafe { (*coroutine).set_state(State::Free) };
    }
    coroutines.len()
}
