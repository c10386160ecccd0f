//! Cheap random numbers for fair choices; not for secrets.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};

thread_local! {
    /// Xorshift state, seeded when it is zero.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// A number below `bound`, which is not zero.
#[inline]
pub fn below(bound: u32) -> u32 {
    // Lemire's reduction: the high half of the product is uniform enough for small bounds.
    ((u64::from(next()) * u64::from(bound)) >> 32) as u32
}

#[inline]
fn next() -> u32 {
    STATE.with(|state| {
        let mut x = state.get();
        if x == 0 {
            x = seed();
        }
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set(x);
        (x >> 32) as u32
    })
}

#[cold]
fn seed() -> u64 {
    RandomState::new().build_hasher().finish() | 1
}
