//! The hash function of map keys: 128-bit multiplications folded to 64 bits, keyed by a number drawn once per process.
//!
//! Fast on short keys; without the number nobody can choose keys that collide. It never shows in a program's behaviour, as maps
//! iterate in the order of insertion.

use std::hash::BuildHasher;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// Digits of pi: odd-looking constants without meaning.
const FOLD: u64 = 0x2437_54ab_5f1f_6a89;
const STEP: u64 = 0x1319_8a2e_0370_7345;

/// The process's two secret numbers; zero until they are drawn. The second is odd, and written last.
static SECRET: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

#[inline]
fn secret() -> (u64, u64) {
    match SECRET[1].load(Ordering::Acquire) {
        0 => draw(),
        key => (SECRET[0].load(Ordering::Relaxed), key),
    }
}

/// Draws the numbers, once.
#[cold]
fn draw() -> (u64, u64) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let random = std::collections::hash_map::RandomState::new();
        SECRET[0].store(random.hash_one(1u8), Ordering::Relaxed);
        SECRET[1].store(random.hash_one(2u8) | 1, Ordering::Release);
    });
    let [state, key] = [0, 1].map(|number| SECRET[number].load(Ordering::Relaxed));
    (state, key)
}

/// The hash of a key of one word; never zero.
#[inline]
pub fn of_word(word: u64) -> u64 {
    let mut hasher = Hasher::new();
    hasher.word(word);
    not_zero(hasher.state)
}

/// The hash of a text; never zero.
#[inline]
pub fn of_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = Hasher::new();
    hasher.bytes(bytes);
    not_zero(hasher.state)
}

#[inline]
fn not_zero(hash: u64) -> u64 {
    hash.max(1)
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
        not_zero(fold(self.state, self.key ^ STEP))
    }
}

fn read(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

fn read32(bytes: &[u8]) -> u64 {
    u64::from(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
}
