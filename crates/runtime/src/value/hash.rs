//! The hash function of map keys: 128-bit multiplications folded to 64 bits, keyed by a number drawn once per process.
//!
//! Fast on short keys; without the number nobody can choose keys that collide. It never shows in a program's behaviour, as maps
//! iterate in the order of insertion.

use std::hash::BuildHasher;
use std::sync::OnceLock;

/// Digits of pi: odd-looking constants without meaning.
const FOLD: u64 = 0x2437_54ab_5f1f_6a89;
const STEP: u64 = 0x1319_8a2e_0370_7345;

/// The process's two secret numbers; the second is odd.
fn secret() -> (u64, u64) {
    static SECRET: OnceLock<(u64, u64)> = OnceLock::new();
    *SECRET.get_or_init(|| {
        let random = std::collections::hash_map::RandomState::new();
        (random.hash_one(1u8), random.hash_one(2u8) | 1)
    })
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// A hash in the making.
pub struct Hasher {
    state: u64,
    key: u64,
}

impl Hasher {
    #[inline]
    pub fn new() -> Hasher {
        let (state, key) = secret();
        Hasher { state, key }
    }

    #[inline]
    pub fn word(&mut self, word: u64) {
        self.state = fold(self.state ^ word, self.key ^ FOLD);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        let mut state = self.state ^ (bytes.len() as u64).wrapping_mul(STEP);
        let (pairs, rest) = bytes.as_chunks::<16>();
        for pair in pairs {
            state = fold(read(&pair[..8]) ^ state, read(&pair[8..]) ^ self.key);
        }
        // The last bytes, in two words that may overlap.
        let (low, high) = match rest.len() {
            0 => (0, 0),
            1..4 => (
                u64::from(rest[0]) | u64::from(rest[rest.len() / 2]) << 8,
                u64::from(rest[rest.len() - 1]),
            ),
            4..8 => (read32(&rest[..4]), read32(&rest[rest.len() - 4..])),
            _ => (read(&rest[..8]), read(&rest[rest.len() - 8..])),
        };
        self.state = fold(low ^ state, high ^ self.key);
    }

    /// Never zero.
    #[inline]
    pub fn finish(&self) -> u64 {
        let hash = fold(self.state, self.key ^ STEP);
        if hash == 0 { 1 } else { hash }
    }
}

fn read(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

fn read32(bytes: &[u8]) -> u64 {
    u64::from(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
}
