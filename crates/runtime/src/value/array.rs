//! Arrays: copy on write, growing by doubling.
//!
//! # Invariants
//! * An array without elements is [`block::empty`] or a block with `len == 0`; both are valid everywhere.
//! * A block is changed only after [`unique`] has made the variable its one owner.
//! * Elements are moved by copying their bytes; only [`unique`], slices and repetition make new owners.

use super::block::{
    alloc, alloc_at_last, block_bytes, claim_unique, empty, give_up, grow, grown_capacity,
    out_of_memory, retain, try_alloc, try_alloc_zeroed,
};
use super::compare::{self, float_order};
use super::format::Formatter;
use super::string::{string, text};
use super::walk::{self, Desc, Part, Parts, desc};
use crate::outcome::Outcome;
use crate::panic::raise;
use echo_abi::layout::{ARRAY_DATA_OFFSET, ArrayBlock, Kind, TypeDesc};
use std::marker::PhantomData;
use std::ptr;

/// `index out of range: index I, length N`
#[cold]
pub fn index_out_of_range(index: i64, len: usize, position: i32) -> Outcome {
    raise(
        format!("index out of range: index {index}, length {len}"),
        position as u32,
    )
}

/// `slice out of range: A..B, length N`
#[cold]
pub fn slice_out_of_range(from: i64, to: i64, len: usize, position: i32) -> Outcome {
    raise(
        format!("slice out of range: {from}..{to}, length {len}"),
        position as u32,
    )
}

/// An array of `len` elements, which the caller must write.
pub fn array_alloc(element: &TypeDesc, len: usize) -> *mut u8 {
    match with_room(element, len, len, alloc_at_last) {
        Some(block) => block,
        None => out_of_memory(len.saturating_mul(element.size as usize)),
    }
}

/// Where blocks come from: [`alloc_at_last`], [`try_alloc`] or [`try_alloc_zeroed`].
type Alloc = fn(usize) -> Option<*mut u8>;

/// A block with room for `capacity` elements, of which `len` count as written. `None` when there is no memory for it.
fn with_room(element: &TypeDesc, len: usize, capacity: usize, alloc: Alloc) -> Option<*mut u8> {
    if capacity == 0 {
        return Some(empty());
    }
    let block = alloc(block_bytes(
        ARRAY_DATA_OFFSET,
        capacity,
        element.size as usize,
    )?)?;
    // SAFETY: a fresh block of that size.
    unsafe {
        let array = block.cast::<ArrayBlock>();
        (*array).len = len as i64;
        (*array).capacity = capacity as i64;
    }
    Some(block)
}

#[inline]
unsafe fn len_of(block: *mut u8) -> usize {
    // SAFETY: the block is an array's.
    unsafe { (*block.cast::<ArrayBlock>()).len as usize }
}

unsafe fn set_len(block: *mut u8, len: usize) {
    // SAFETY: the block is an array's, and uniquely owned.
    unsafe { (*block.cast::<ArrayBlock>()).len = len as i64 }
}

/// Where element `index` is, or would be.
#[inline]
unsafe fn at(block: *mut u8, element: &TypeDesc, index: usize) -> *mut u8 {
    // SAFETY: the block has room for that element.
    unsafe { block.add(ARRAY_DATA_OFFSET + index * element.size as usize) }
}

/// The part that one element is.
unsafe fn one(address: *mut u8, element: Desc) -> Parts {
    Parts::Elements {
        next: address,
        remaining: 1,
        desc: element,
    }
}

/// Moves one element.
#[inline]
unsafe fn move_one(from: *const u8, to: *mut u8, size: usize) {
    // SAFETY: the caller vouches for both places. Most elements are a word, which needs no call.
    unsafe {
        if size == size_of::<u64>() {
            to.cast::<u64>()
                .write_unaligned(from.cast::<u64>().read_unaligned());
        } else {
            ptr::copy_nonoverlapping(from, to, size);
        }
    }
}

/// Makes the array in `place` the only owner of its block, with room for `needed` elements. The block.
#[inline]
unsafe fn unique(place: *mut *mut u8, element: Desc, needed: usize) -> *mut u8 {
    // SAFETY: the place holds an array that its caller may change.
    unsafe {
        let block = *place;
        let capacity = (*block.cast::<ArrayBlock>()).capacity as usize;
        if needed <= capacity && claim_unique(block) {
            return block;
        }
        make_unique(place, element, needed)
    }
}

/// [`unique`] for a block that is too small, or has other owners.
#[cold]
unsafe fn make_unique(place: *mut *mut u8, element: Desc, needed: usize) -> *mut u8 {
    // SAFETY: as for `unique`.
    unsafe {
        let block = *place;
        let capacity = (*block.cast::<ArrayBlock>()).capacity as usize;
        let size = element.size as usize;
        if claim_unique(block) {
            if needed <= capacity {
                return block;
            }
            let room = grown_capacity(capacity, needed);
            let Some(bytes) = block_bytes(ARRAY_DATA_OFFSET, room, size) else {
                out_of_memory(usize::MAX)
            };
            let block = grow(block, bytes);
            (*block.cast::<ArrayBlock>()).capacity = room as i64;
            *place = block;
            return block;
        }
        let len = len_of(block);
        let room = match needed > len {
            true => grown_capacity(len, needed),
            false => len,
        };
        let Some(copy) = with_room(element, len, room, alloc_at_last) else {
            out_of_memory(room.saturating_mul(size))
        };
        ptr::copy_nonoverlapping(at(block, element, 0), at(copy, element, 0), len * size);
        walk::dup_parts(Parts::elements(copy, element));
        *place = copy;
        release(block, element);
        copy
    }
}

#[inline]
unsafe fn push(place: *mut *mut u8, element: Desc, value: *const u8) {
    // SAFETY: the place holds an array that its caller may change; the value is moved.
    unsafe {
        let len = len_of(*place);
        let block = unique(place, element, len + 1);
        move_one(value, at(block, element, len), element.size as usize);
        set_len(block, len + 1);
    }
}

/// Gives up one owner of an array's block.
unsafe fn release(block: *mut u8, element: Desc) {
    // SAFETY: the caller gives up its ownership.
    unsafe {
        if give_up(block) {
            walk::drop_parts(Parts::elements(block, element));
            super::block::free(block);
        }
    }
}

/// Builds an array of values that are one `T` each and need no counting.
pub(super) struct Builder<T> {
    block: *mut u8,
    len: usize,
    capacity: usize,
    element: PhantomData<T>,
}

impl<T: Copy> Builder<T> {
    pub(super) fn new() -> Builder<T> {
        Builder {
            block: empty(),
            len: 0,
            capacity: 0,
            element: PhantomData,
        }
    }

    pub(super) fn with_capacity(capacity: usize) -> Builder<T> {
        let mut builder = Builder::new();
        if capacity > 0 {
            builder.reserve(capacity);
        }
        builder
    }

    fn reserve(&mut self, capacity: usize) {
        let Some(bytes) = block_bytes(ARRAY_DATA_OFFSET, capacity, size_of::<T>()) else {
            out_of_memory(usize::MAX)
        };
        self.block = match self.capacity {
            0 => alloc(bytes),
            // SAFETY: the builder is the only owner of its block.
            _ => unsafe { grow(self.block, bytes) },
        };
        self.capacity = capacity;
    }

    pub fn push(&mut self, value: T) {
        if self.len == self.capacity {
            self.reserve(grown_capacity(self.capacity, self.len + 1));
        }
        // SAFETY: there is room for the element.
        unsafe {
            self.block
                .add(ARRAY_DATA_OFFSET)
                .cast::<T>()
                .add(self.len)
                .write(value)
        };
        self.len += 1;
    }

    /// The array, owned by the caller.
    pub fn finish(self) -> *mut u8 {
        if self.capacity > 0 {
            // SAFETY: the block is fresh and has that many elements.
            unsafe {
                let array = self.block.cast::<ArrayBlock>();
                (*array).len = self.len as i64;
                (*array).capacity = self.capacity as i64;
            }
        }
        self.block
    }
}

/// The room for a new array that a program asked for, or why there is none.
fn checked_alloc(
    element: &TypeDesc,
    len: i64,
    position: i32,
    alloc: Alloc,
) -> Result<*mut u8, Outcome> {
    if len < 0 {
        return Err(raise(
            format!("array length is negative: {len}"),
            position as u32,
        ));
    }
    with_room(element, len as usize, len as usize, alloc).ok_or_else(|| {
        raise(
            format!("out of memory: array of length {len}"),
            position as u32,
        )
    })
}

// ---------------------------------------------------------------- rows of the symbol table

pub unsafe fn echo_array_alloc(element: *mut u8, len: i64, position: i32) -> Outcome {
    // SAFETY: the contract of the table, here and below.
    match checked_alloc(unsafe { desc(element) }, len, position, try_alloc) {
        Ok(block) => Outcome::pointer(block),
        Err(outcome) => outcome,
    }
}

pub unsafe fn echo_array_repeat(
    element: *mut u8,
    value: *mut u8,
    len: i64,
    position: i32,
) -> Outcome {
    // SAFETY: see above.
    unsafe {
        let element = desc(element);
        let size = element.size as usize;
        let bytes = std::slice::from_raw_parts(value, size);
        let is_zero = bytes.iter().all(|byte| *byte == 0);
        // Zeros come from the system for nothing.
        let alloc = if is_zero { try_alloc_zeroed } else { try_alloc };
        let block = match checked_alloc(element, len, position, alloc) {
            Ok(block) => block,
            Err(outcome) => return outcome,
        };
        if !is_zero {
            fill(at(block, element, 0), bytes, len as usize);
            walk::dup_parts(Parts::elements(block, element));
        }
        Outcome::pointer(block)
    }
}

/// Writes `count` copies of the bytes.
unsafe fn fill(to: *mut u8, bytes: &[u8], count: usize) {
    // SAFETY: there is room for that many bytes.
    unsafe {
        match bytes {
            [byte] => to.write_bytes(*byte, count),
            _ => {
                for index in 0..count {
                    move_one(bytes.as_ptr(), to.add(index * bytes.len()), bytes.len());
                }
            }
        }
    }
}

pub unsafe extern "C" fn echo_array_unique(place: *mut u8, element: *mut u8) {
    // SAFETY: see above.
    unsafe { unique(place.cast(), desc(element), 0) };
}

pub unsafe extern "C" fn echo_array_push(place: *mut u8, element: *mut u8, value: *mut u8) {
    // SAFETY: see above.
    unsafe { push(place.cast(), desc(element), value) }
}

pub unsafe fn echo_array_pop(
    place: *mut u8,
    element: *mut u8,
    out: *mut u8,
    position: i32,
) -> Outcome {
    // SAFETY: see above.
    unsafe {
        let (place, element) = (place.cast(), desc(element));
        let len = len_of(*place);
        if len == 0 {
            return raise("pop from an empty array", position as u32);
        }
        let block = unique(place, element, len);
        move_one(at(block, element, len - 1), out, element.size as usize);
        set_len(block, len - 1);
        Outcome::DONE
    }
}

pub unsafe fn echo_array_insert(
    place: *mut u8,
    element: *mut u8,
    index: i64,
    value: *mut u8,
    position: i32,
) -> Outcome {
    // SAFETY: see above.
    unsafe {
        let (place, element) = (place.cast(), desc(element));
        let len = len_of(*place);
        if index as u64 > len as u64 {
            walk::drop(value, element);
            return index_out_of_range(index, len, position);
        }
        let block = unique(place, element, len + 1);
        let index = index as usize;
        let size = element.size as usize;
        let here = at(block, element, index);
        ptr::copy(here, here.add(size), (len - index) * size);
        ptr::copy_nonoverlapping(value, here, size);
        set_len(block, len + 1);
        Outcome::DONE
    }
}

pub unsafe fn echo_array_remove(
    place: *mut u8,
    element: *mut u8,
    index: i64,
    position: i32,
) -> Outcome {
    // SAFETY: see above.
    unsafe {
        let (place, element) = (place.cast(), desc(element));
        let len = len_of(*place);
        if index as u64 >= len as u64 {
            return index_out_of_range(index, len, position);
        }
        let block = unique(place, element, len);
        let index = index as usize;
        let size = element.size as usize;
        let here = at(block, element, index);
        walk::drop_parts(one(here, element));
        ptr::copy(here.add(size), here, (len - index - 1) * size);
        set_len(block, len - 1);
        Outcome::DONE
    }
}

pub unsafe extern "C" fn echo_array_clear(place: *mut u8, element: *mut u8) {
    // SAFETY: see above.
    unsafe {
        let (place, element) = (place.cast::<*mut u8>(), desc(element));
        let block = *place;
        if claim_unique(block) {
            walk::drop_parts(Parts::elements(block, element));
            set_len(block, 0);
        } else {
            *place = empty();
            release(block, element);
        }
    }
}

pub unsafe extern "C" fn echo_array_contains(
    array: *mut u8,
    element: *mut u8,
    value: *mut u8,
) -> bool {
    // SAFETY: see above.
    unsafe {
        let element = desc(element);
        Parts::elements(array, element).any(|part| compare::equal(part.address, value, element))
    }
}

pub unsafe fn echo_array_slice(
    array: *mut u8,
    element: *mut u8,
    from: i64,
    to: i64,
    position: i32,
) -> Outcome {
    // SAFETY: see above.
    unsafe {
        let element = desc(element);
        let len = len_of(array);
        if from < 0 || to < from || to as u64 > len as u64 {
            return slice_out_of_range(from, to, len, position);
        }
        if to - from == len as i64 {
            retain(array);
            return Outcome::pointer(array);
        }
        let block = array_alloc(element, (to - from) as usize);
        ptr::copy_nonoverlapping(
            at(array, element, from as usize),
            at(block, element, 0),
            (to - from) as usize * element.size as usize,
        );
        walk::dup_parts(Parts::elements(block, element));
        Outcome::pointer(block)
    }
}

pub unsafe extern "C" fn echo_array_join(
    array: *mut u8,
    element: *mut u8,
    separator: *mut u8,
) -> *mut u8 {
    // SAFETY: see above.
    unsafe {
        let separator = text(separator);
        Formatter::with_scratch(|scratch| {
            for (index, part) in Parts::elements(array, desc(element)).enumerate() {
                if index > 0 {
                    scratch.text(separator);
                }
                scratch.value(part.address, part.desc);
            }
            string(scratch.as_str())
        })
    }
}

// ---------------------------------------------------------------- sorting

pub unsafe extern "C" fn echo_array_sort(place: *mut u8, element: *mut u8) {
    // SAFETY: see above; the elements are of the kind that the descriptor names.
    unsafe {
        let (place, element) = (place.cast(), desc(element));
        if len_of(*place) < 2 {
            return;
        }
        let block = unique(place, element, 0);
        match element.kind {
            Kind::Bool | Kind::U8 => items::<u8>(block).sort_unstable(),
            Kind::I8 => items::<i8>(block).sort_unstable(),
            Kind::I16 => items::<i16>(block).sort_unstable(),
            Kind::U16 => items::<u16>(block).sort_unstable(),
            Kind::I32 => items::<i32>(block).sort_unstable(),
            Kind::Char | Kind::U32 => items::<u32>(block).sort_unstable(),
            Kind::I64 => items::<i64>(block).sort_unstable(),
            Kind::U64 => items::<u64>(block).sort_unstable(),
            Kind::F32 => items::<f32>(block)
                .sort_by(|left, right| float_order(f64::from(*left), f64::from(*right))),
            Kind::F64 => items::<f64>(block).sort_by(|left, right| float_order(*left, *right)),
            Kind::String => {
                items::<*mut u8>(block).sort_by(|left, right| text(*left).cmp(text(*right)))
            }
            _ => sort_compound(block, element),
        }
    }
}

/// The elements of an array, each of which is a `T`.
unsafe fn items<'a, T>(block: *mut u8) -> &'a mut [T] {
    // SAFETY: the caller is the only owner, and names the type of the elements.
    unsafe {
        std::slice::from_raw_parts_mut(block.add(ARRAY_DATA_OFFSET).cast::<T>(), len_of(block))
    }
}

/// Sorts addresses, then moves the elements to where they belong.
unsafe fn sort_compound(block: *mut u8, element: Desc) {
    // SAFETY: the caller is the only owner; every element is moved exactly once.
    unsafe {
        let mut addresses: Vec<*mut u8> = Parts::elements(block, element)
            .map(|Part { address, .. }| address)
            .collect();
        addresses.sort_by(|left, right| compare::order(*left, *right, element));
        let size = element.size as usize;
        let mut sorted: Vec<u8> = Vec::with_capacity(addresses.len() * size);
        for (index, address) in addresses.iter().enumerate() {
            ptr::copy_nonoverlapping(*address, sorted.as_mut_ptr().add(index * size), size);
        }
        ptr::copy_nonoverlapping(
            sorted.as_ptr(),
            at(block, element, 0),
            addresses.len() * size,
        );
    }
}
