//! Equality, order and hashes of values, by structure.
//!
//! * **Equality** (`==`): floats as IEEE says (`NaN != NaN`, `-0.0 == 0.0`); maps are equal when they have equal values under equal keys, in
//!   any order; functions and handles are equal when they are the same.
//! * **Order** (`<`, `sort`): by the first part that differs; a shorter array before a longer one that begins with it; strings by code point; enums by
//!   variant, then payload; `false` before `true`; `NaN` after all other floats and equal to itself, so that it is total. Maps by their
//!   length, then entry by entry as they iterate.
//! * **Keys** of maps: as equality, but `NaN` is the same key as `NaN`. Hashes agree with it.
//!
//! Nested values are compared with a list of what is still to be done, never by native recursion.

use super::hash::{self, Hasher};
use super::map;
use super::string::text;
use super::walk::{Desc, Part, Parts, Shape, block_of, desc, field_type, shape, tag_of};
use echo_abi::layout::{ARRAY_DATA_OFFSET, ArrayBlock, Kind};
use std::cmp::Ordering;

/// What is asked about two values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Are they equal? Any order but `Equal` means no.
    Equal,
    /// Are they the same key? Likewise.
    SameKey,
    Order,
}

pub unsafe fn equal(left: *mut u8, right: *mut u8, desc: Desc) -> bool {
    // SAFETY: passed on.
    unsafe { relate(left, right, desc, Relation::Equal).is_eq() }
}

#[inline]
pub unsafe fn same_key(left: *mut u8, right: *mut u8, desc: Desc) -> bool {
    // SAFETY: both are keys of this type. The most frequent types first.
    unsafe {
        if desc.kind == Kind::I64 {
            return left.cast::<i64>().read() == right.cast::<i64>().read();
        }
        if desc.kind == Kind::String {
            return strings(block_of(left), block_of(right), Relation::SameKey).is_eq();
        }
    }
    // SAFETY: passed on.
    unsafe { relate(left, right, desc, Relation::SameKey).is_eq() }
}

pub unsafe fn order(left: *mut u8, right: *mut u8, desc: Desc) -> Ordering {
    // SAFETY: passed on.
    unsafe { relate(left, right, desc, Relation::Order) }
}

/// The order of floats: total, NaN last.
#[inline]
pub fn float_order(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right)
        .unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

/// Two values side by side.
enum Pairs {
    Parts {
        left: Parts,
        right: Parts,
        /// What holds if no part differs.
        otherwise: Ordering,
    },
    /// The values of one map and those of another under the same keys.
    Values {
        left: map::Entries,
        right: *mut u8,
        map: Desc,
    },
}

enum Step {
    Decided(Ordering),
    Inside(Pairs),
}

unsafe fn relate(left: *mut u8, right: *mut u8, desc: Desc, relation: Relation) -> Ordering {
    // SAFETY: both values are alive and of this type, and so are their parts.
    unsafe {
        let mut pairs = match enter(left, right, desc, relation) {
            Step::Decided(order) => return order,
            Step::Inside(pairs) => pairs,
        };
        let mut outer = Vec::new();
        loop {
            let step = match pairs.next() {
                Some(Ok((left, right, desc))) => enter(left, right, desc, relation),
                Some(Err(order)) => Step::Decided(order),
                None => match outer.pop() {
                    Some(next) => {
                        pairs = next;
                        continue;
                    }
                    None => return Ordering::Equal,
                },
            };
            match step {
                Step::Decided(Ordering::Equal) => {}
                Step::Decided(order) => return order,
                Step::Inside(inner) => outer.push(std::mem::replace(&mut pairs, inner)),
            }
        }
    }
}

impl Pairs {
    /// The next two parts, or a decision without looking at parts.
    unsafe fn next(&mut self) -> Option<Result<(*mut u8, *mut u8, Desc), Ordering>> {
        match self {
            Pairs::Parts {
                left,
                right,
                otherwise,
            } => match (left.next(), right.next()) {
                (Some(left), Some(right)) => Some(Ok((left.address, right.address, left.desc))),
                _ if otherwise.is_eq() => None,
                _ => Some(Err(*otherwise)),
            },
            Pairs::Values { left, right, map } => {
                let entry = left.next()?;
                // SAFETY: both maps are alive.
                let other = unsafe { map::find(*right, map, entry.key) };
                Some(match other {
                    Some(value) => Ok((entry.value, value, left.value_desc())),
                    None => Err(Ordering::Less),
                })
            }
        }
    }
}

unsafe fn enter(left: *mut u8, right: *mut u8, desc: Desc, relation: Relation) -> Step {
    // SAFETY: both values are alive and of this type.
    unsafe {
        match desc.kind {
            Kind::String => Step::Decided(strings(block_of(left), block_of(right), relation)),
            Kind::Struct | Kind::Tuple => {
                Step::Inside(Pairs::parts(left, right, desc, Ordering::Equal))
            }
            Kind::Enum => match tag_of(left).cmp(&tag_of(right)) {
                Ordering::Equal => Step::Inside(Pairs::parts(left, right, desc, Ordering::Equal)),
                order => Step::Decided(order),
            },
            Kind::Array => arrays(block_of(left), block_of(right), desc, relation),
            Kind::Map => maps(block_of(left), block_of(right), desc, relation),
            kind if shape(kind) == Shape::Block => {
                Step::Decided(block_of(left).cmp(&block_of(right)))
            }
            kind => Step::Decided(scalars(left, right, kind, relation)),
        }
    }
}

impl Pairs {
    unsafe fn parts(left: *mut u8, right: *mut u8, desc: Desc, otherwise: Ordering) -> Pairs {
        // SAFETY: both values are alive and of this type.
        unsafe {
            Pairs::Parts {
                left: Parts::inline(left, desc),
                right: Parts::inline(right, desc),
                otherwise,
            }
        }
    }
}

unsafe fn strings(left: *mut u8, right: *mut u8, relation: Relation) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    // SAFETY: both are strings. The order of UTF-8 bytes is that of the code points.
    let (left, right) = unsafe { (text(left).as_bytes(), text(right).as_bytes()) };
    if relation != Relation::Order && left.len() != right.len() {
        return Ordering::Less;
    }
    left.cmp(right)
}

unsafe fn arrays(left: *mut u8, right: *mut u8, desc: Desc, relation: Relation) -> Step {
    // SAFETY: both are arrays of this type.
    unsafe {
        let lens = (*left.cast::<ArrayBlock>())
            .len
            .cmp(&(*right.cast::<ArrayBlock>()).len);
        if relation != Relation::Order {
            if lens.is_ne() {
                return Step::Decided(lens);
            }
            if let Some(order) = plain_elements(left, right, field_type(desc, 0)) {
                return Step::Decided(order);
            }
        }
        Step::Inside(Pairs::Parts {
            left: Parts::contents(left, desc),
            right: Parts::contents(right, desc),
            otherwise: lens,
        })
    }
}

/// Compares arrays of the same length by their bytes, when these decide whether they are equal. No order.
unsafe fn plain_elements(left: *mut u8, right: *mut u8, element: Desc) -> Option<Ordering> {
    let is_plain = matches!(
        element.kind,
        Kind::Bool
            | Kind::Char
            | Kind::I8
            | Kind::I16
            | Kind::I32
            | Kind::I64
            | Kind::U8
            | Kind::U16
            | Kind::U32
            | Kind::U64
    );
    if !is_plain {
        return None;
    }
    // SAFETY: both are arrays of such elements, and of the same length.
    unsafe {
        let bytes = (*left.cast::<ArrayBlock>()).len as usize * element.size as usize;
        let elements = |block: *mut u8| {
            std::slice::from_raw_parts(block.add(ARRAY_DATA_OFFSET).cast_const(), bytes)
        };
        Some(match elements(left) == elements(right) {
            true => Ordering::Equal,
            false => Ordering::Less,
        })
    }
}

unsafe fn maps(left: *mut u8, right: *mut u8, desc: Desc, relation: Relation) -> Step {
    // SAFETY: both are maps of this type.
    unsafe {
        let lens = map::len(left).cmp(&map::len(right));
        if lens.is_ne() {
            return Step::Decided(lens);
        }
        Step::Inside(match relation {
            Relation::Order => Pairs::Parts {
                left: Parts::contents(left, desc),
                right: Parts::contents(right, desc),
                otherwise: Ordering::Equal,
            },
            Relation::Equal | Relation::SameKey => Pairs::Values {
                left: map::Entries::of(left, desc),
                right,
                map: desc,
            },
        })
    }
}

#[inline]
unsafe fn scalars(left: *mut u8, right: *mut u8, kind: Kind, relation: Relation) -> Ordering {
    // SAFETY: both values are of this kind.
    unsafe {
        match kind {
            Kind::I8 => compare::<i8>(left, right),
            Kind::I16 => compare::<i16>(left, right),
            Kind::I32 => compare::<i32>(left, right),
            Kind::I64 => compare::<i64>(left, right),
            Kind::Bool | Kind::U8 => compare::<u8>(left, right),
            Kind::U16 => compare::<u16>(left, right),
            Kind::Char | Kind::U32 => compare::<u32>(left, right),
            Kind::U64 => compare::<u64>(left, right),
            Kind::F32 => floats(
                f64::from(left.cast::<f32>().read()),
                f64::from(right.cast::<f32>().read()),
                relation,
            ),
            Kind::F64 => floats(
                left.cast::<f64>().read(),
                right.cast::<f64>().read(),
                relation,
            ),
            _ => Ordering::Equal,
        }
    }
}

#[inline]
unsafe fn compare<T: Ord>(left: *mut u8, right: *mut u8) -> Ordering {
    // SAFETY: both point to a `T`.
    unsafe { (*left.cast::<T>()).cmp(&*right.cast::<T>()) }
}

fn floats(left: f64, right: f64, relation: Relation) -> Ordering {
    match relation {
        Relation::Equal if left == right => Ordering::Equal,
        Relation::Equal => Ordering::Less,
        Relation::SameKey | Relation::Order => float_order(left, right),
    }
}

// ---------------------------------------------------------------- hashes

/// A value whose parts are being hashed.
struct Hashing {
    parts: Parts,
    entries: Option<Entries>,
}

/// For a map, whose hash does not depend on the order of its entries, as equality does not: every entry is hashed by itself.
struct Entries {
    /// What the map is a part of.
    outer: Hasher,
    /// Of the hashes of the entries seen.
    sum: u64,
    /// The next part is a key.
    at_key: bool,
}

/// The hash of a key; never zero. Same keys have the same hash.
#[inline]
pub unsafe fn hash(value: *mut u8, desc: Desc) -> u64 {
    // SAFETY: the value is alive and of this type.
    unsafe {
        match desc.kind {
            Kind::I64 => return hash::of_word(value.cast::<u64>().read()),
            Kind::String => return hash::of_bytes(text(block_of(value)).as_bytes()),
            _ => {}
        }
    }
    let mut hasher = Hasher::new();
    // SAFETY: the value is alive and of this type.
    unsafe {
        if let Some(inside) = feed(value, desc, &mut hasher) {
            hash_parts(inside, &mut hasher);
        }
    }
    hasher.finish()
}

unsafe fn hash_parts(mut inside: Hashing, hasher: &mut Hasher) {
    let mut outer = Vec::new();
    loop {
        let part = inside.parts.next();
        if let Some(entries) = &mut inside.entries {
            entries.between(hasher, part.is_none());
        }
        match part {
            Some(Part { address, desc, .. }) => {
                // SAFETY: a part of a live value.
                if let Some(inner) = unsafe { feed(address, desc, hasher) } {
                    outer.push(std::mem::replace(&mut inside, inner));
                }
            }
            None => match outer.pop() {
                Some(next) => inside = next,
                None => return,
            },
        }
    }
}

impl Entries {
    /// Before every part, and at the end.
    fn between(&mut self, hasher: &mut Hasher, at_end: bool) {
        if self.at_key {
            let entry = std::mem::replace(hasher, Hasher::new());
            self.sum = self.sum.wrapping_add(entry.finish());
        }
        self.at_key = !self.at_key;
        if at_end {
            std::mem::swap(hasher, &mut self.outer);
            hasher.word(self.sum);
        }
    }
}

/// Hashes what is not in parts, and gives the parts.
#[inline]
unsafe fn feed(value: *mut u8, desc: Desc, hasher: &mut Hasher) -> Option<Hashing> {
    // SAFETY: the value is alive and of this type.
    unsafe {
        let parts = match desc.kind {
            Kind::String => {
                hasher.bytes(text(block_of(value)).as_bytes());
                return None;
            }
            Kind::Struct | Kind::Tuple => Parts::inline(value, desc),
            Kind::Enum => {
                hasher.word(tag_of(value) as u64);
                Parts::inline(value, desc)
            }
            Kind::Array => {
                let block = block_of(value);
                hasher.word((*block.cast::<ArrayBlock>()).len as u64);
                Parts::contents(block, desc)
            }
            Kind::Map => return Some(Hashing::map(block_of(value), desc, hasher)),
            kind if shape(kind) == Shape::Block => {
                hasher.word(block_of(value).addr() as u64);
                return None;
            }
            kind => {
                hasher.word(scalar_word(value, kind));
                return None;
            }
        };
        Some(Hashing {
            parts,
            entries: None,
        })
    }
}

impl Hashing {
    /// A map; from here on `hasher` is for its entries.
    unsafe fn map(block: *mut u8, desc: Desc, hasher: &mut Hasher) -> Hashing {
        // SAFETY: the block is a map's of this type.
        let (parts, len) = unsafe { (Parts::contents(block, desc), map::len(block)) };
        hasher.word(len as u64);
        Hashing {
            parts,
            entries: Some(Entries {
                outer: std::mem::replace(hasher, Hasher::new()),
                sum: 0,
                at_key: true,
            }),
        }
    }
}

#[inline]
unsafe fn scalar_word(value: *mut u8, kind: Kind) -> u64 {
    // SAFETY: the value is of this kind.
    unsafe {
        match kind {
            Kind::Bool | Kind::I8 | Kind::U8 => u64::from(value.read()),
            Kind::I16 | Kind::U16 => u64::from(value.cast::<u16>().read()),
            Kind::Char | Kind::I32 | Kind::U32 => u64::from(value.cast::<u32>().read()),
            Kind::I64 | Kind::U64 => value.cast::<u64>().read(),
            Kind::F32 => float_word(f64::from(value.cast::<f32>().read())),
            Kind::F64 => float_word(value.cast::<f64>().read()),
            _ => 0,
        }
    }
}

fn float_word(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        // Turns -0.0 into 0.0.
        (value + 0.0).to_bits()
    }
}

// ---------------------------------------------------------------- rows of the symbol table

pub unsafe extern "C" fn echo_equal(left: *mut u8, right: *mut u8, of: *mut u8) -> bool {
    // SAFETY: the contract of the table, here and below.
    unsafe { equal(left, right, desc(of)) }
}

pub unsafe extern "C" fn echo_compare(left: *mut u8, right: *mut u8, of: *mut u8) -> i32 {
    // SAFETY: see above.
    unsafe { order(left, right, desc(of)) as i32 }
}
