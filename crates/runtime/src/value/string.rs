//! Strings: immutable UTF-8 blocks.
//!
//! # Invariants
//! * The bytes are valid UTF-8 and never change once the block is handed out, but for an only owner that appends to them.
//! * `char_len == byte_len` exactly when the text is ASCII: then characters are found by their index at once. Otherwise they are counted from
//!   the start.
//! * The empty string is always [`block::empty`].
//!
//! Functions borrow their arguments and give an owned result, which may be an argument with one more owner.

use super::array;
use super::block::{
    alloc, block_bytes, claim_unique, empty, free, give_up, grow, out_of_memory, retain, room,
};
use crate::outcome::Outcome;
use echo_abi::layout::{STRING_DATA_OFFSET, StringBlock};
use std::num::{IntErrorKind, ParseIntError};
use std::ptr;

/// A new string.
pub fn string(text: &str) -> *mut u8 {
    with_chars(text, count_chars(text.as_bytes()))
}

/// A new string of which the number of characters is known.
pub(super) fn with_chars(text: &str, char_len: usize) -> *mut u8 {
    if text.is_empty() {
        return empty();
    }
    let block = blank(text.len(), char_len);
    // SAFETY: there is room for that many bytes in the fresh block.
    unsafe { ptr::copy_nonoverlapping(text.as_ptr(), bytes_of(block), text.len()) };
    block
}

/// A block for a text that is not empty; the caller writes the bytes.
fn blank(byte_len: usize, char_len: usize) -> *mut u8 {
    let Some(bytes) = block_bytes(STRING_DATA_OFFSET, byte_len, 1) else {
        out_of_memory(byte_len)
    };
    let block = alloc(bytes);
    // SAFETY: a fresh block of that size.
    unsafe {
        let string = block.cast::<StringBlock>();
        (*string).byte_len = byte_len as i64;
        (*string).char_len = char_len as i64;
    }
    block
}

unsafe fn bytes_of(block: *mut u8) -> *mut u8 {
    // SAFETY: the block is a string's.
    unsafe { block.add(STRING_DATA_OFFSET) }
}

/// The text of a string, as long as the caller keeps it alive.
#[inline]
pub unsafe fn text<'a>(block: *mut u8) -> &'a str {
    // SAFETY: strings are valid UTF-8 of that length.
    unsafe {
        let len = (*block.cast::<StringBlock>()).byte_len as usize;
        std::str::from_utf8_unchecked(std::slice::from_raw_parts(bytes_of(block), len))
    }
}

/// Gives up one owner of a string.
pub unsafe fn drop_string(block: *mut u8) {
    // SAFETY: the caller gives up its ownership; a string refers to nothing.
    unsafe {
        if give_up(block) {
            free(block);
        }
    }
}

/// Characters of a string.
#[inline]
pub(super) unsafe fn char_len(block: *mut u8) -> usize {
    // SAFETY: the block is a string's.
    unsafe { (*block.cast::<StringBlock>()).char_len as usize }
}

/// Characters in valid UTF-8: the bytes that do not continue one.
pub fn count_chars(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte as i8 >= -0x40).count()
}

/// The byte where character `index` begins; the length of the text for the one behind the last.
unsafe fn byte_of_char(block: *mut u8, index: usize) -> usize {
    // SAFETY: the block is a string's.
    let (text, chars) = unsafe { (text(block), char_len(block)) };
    if text.len() == chars {
        return index;
    }
    skip_chars(text.as_bytes(), index)
}

/// Bytes of the first `count` characters, of which there are so many.
fn skip_chars(bytes: &[u8], mut count: usize) -> usize {
    const STRIDE: usize = 64;
    let mut offset = 0;
    // Whole strides first: their characters are counted many at a time.
    while let Some(stride) = bytes.get(offset..offset + STRIDE) {
        let chars = count_chars(stride);
        if chars > count {
            break;
        }
        count -= chars;
        offset += STRIDE;
    }
    // The stride may have ended within a character.
    let is_start = |byte: &u8| *byte as i8 >= -0x40;
    let rest = bytes[offset..].iter().enumerate();
    rest.filter(|(_, byte)| is_start(byte))
        .nth(count)
        .map_or(bytes.len(), |(index, _)| offset + index)
}

unsafe fn same(block: *mut u8) -> *mut u8 {
    // SAFETY: the caller's string is alive.
    unsafe { retain(block) };
    block
}

/// `part` is a piece of the text of `whole`: `whole` itself when it is all of it.
unsafe fn piece(whole: *mut u8, part: &str) -> *mut u8 {
    // SAFETY: the caller's string is alive.
    unsafe {
        let all = text(whole);
        if part.len() == all.len() {
            return same(whole);
        }
        if all.len() == char_len(whole) {
            return with_chars(part, part.len());
        }
    }
    string(part)
}

// ---------------------------------------------------------------- rows of the symbol table

pub unsafe extern "C" fn echo_string_concat(left: *mut u8, right: *mut u8) -> *mut u8 {
    // SAFETY: the contract of the table, here and below.
    unsafe {
        let (head, tail) = (text(left), text(right));
        if head.is_empty() {
            return same(right);
        }
        if tail.is_empty() {
            return same(left);
        }
        let block = blank(head.len() + tail.len(), char_len(left) + char_len(right));
        let bytes = bytes_of(block);
        ptr::copy_nonoverlapping(head.as_ptr(), bytes, head.len());
        ptr::copy_nonoverlapping(tail.as_ptr(), bytes.add(head.len()), tail.len());
        block
    }
}

/// A text that is built piece by piece is not copied each time: its block grows by half when it is full.
pub unsafe extern "C" fn echo_string_append(left: *mut u8, right: *mut u8) -> *mut u8 {
    // SAFETY: see above. An only owner may change the block; `right` is another one, as its owner would be a second one of `left`.
    unsafe {
        let (head, tail) = (text(left).len(), text(right));
        if tail.is_empty() {
            return left;
        }
        if !claim_unique(left) {
            let both = echo_string_concat(left, right);
            drop_string(left);
            return both;
        }
        let chars = char_len(left) + char_len(right);
        let Some(bytes) = block_bytes(STRING_DATA_OFFSET, head + tail.len(), 1) else {
            out_of_memory(usize::MAX)
        };
        let block = match bytes <= room(left) {
            true => left,
            false => grow(left, bytes.saturating_add(bytes / 2)),
        };
        ptr::copy_nonoverlapping(tail.as_ptr(), bytes_of(block).add(head), tail.len());
        let string = block.cast::<StringBlock>();
        (*string).byte_len = (head + tail.len()) as i64;
        (*string).char_len = chars as i64;
        block
    }
}

pub unsafe extern "C" fn echo_string_push(place: *mut u8, right: *mut u8) {
    // SAFETY: see above; the place holds a string, whose count goes over to the longer one.
    unsafe {
        let place = place.cast::<*mut u8>();
        place.write(echo_string_append(place.read(), right));
    }
}

pub unsafe extern "C" fn echo_string_equal(left: *mut u8, right: *mut u8) -> bool {
    // SAFETY: see above.
    left == right || unsafe { text(left) == text(right) }
}

pub unsafe extern "C" fn echo_string_compare(left: *mut u8, right: *mut u8) -> i32 {
    // SAFETY: see above.
    unsafe { text(left).cmp(text(right)) as i32 }
}

pub unsafe fn echo_string_char_at(block: *mut u8, index: i64, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe {
        let chars = char_len(block);
        if index as u64 >= chars as u64 {
            return array::index_out_of_range(index, chars, position);
        }
        let start = byte_of_char(block, index as usize);
        let (char, _) = decode(text(block), start).expect("the index is in range");
        Outcome::value(u64::from(u32::from(char)))
    }
}

/// The character that begins at byte `start`, and the byte behind it.
fn decode(text: &str, start: usize) -> Option<(char, usize)> {
    let byte = *text.as_bytes().get(start)?;
    if byte.is_ascii() {
        return Some((char::from(byte), start + 1));
    }
    let char = text[start..].chars().next()?;
    Some((char, start + char.len_utf8()))
}

pub unsafe fn echo_string_slice(block: *mut u8, from: i64, to: i64, position: i32) -> Outcome {
    // SAFETY: see above.
    unsafe {
        let chars = char_len(block);
        if from < 0 || to < from || to as u64 > chars as u64 {
            return array::slice_out_of_range(from, to, chars, position);
        }
        let text = text(block);
        let start = byte_of_char(block, from as usize);
        let len = match text.len() == chars {
            true => (to - from) as usize,
            false => skip_chars(&text.as_bytes()[start..], (to - from) as usize),
        };
        let part = &text[start..start + len];
        Outcome::pointer(match part.len() == text.len() {
            true => same(block),
            false => with_chars(part, (to - from) as usize),
        })
    }
}

pub unsafe extern "C" fn echo_string_next(block: *mut u8, offset: *mut u8) -> i32 {
    // SAFETY: see above; `offset` points to an `i64`.
    unsafe {
        let offset = offset.cast::<i64>();
        match decode(text(block), offset.read() as usize) {
            Some((char, next)) => {
                offset.write(next as i64);
                u32::from(char) as i32
            }
            None => -1,
        }
    }
}

pub unsafe extern "C" fn echo_string_split(block: *mut u8, separator: *mut u8) -> *mut u8 {
    // SAFETY: see above.
    unsafe {
        let (text, separator) = (text(block), text(separator));
        let mut parts = array::Builder::<*mut u8>::new();
        if separator.is_empty() {
            let mut bytes = [0; 4];
            text.chars()
                .for_each(|char| parts.push(with_chars(char.encode_utf8(&mut bytes), 1)));
        } else {
            text.split(separator)
                .for_each(|part| parts.push(piece(block, part)));
        }
        parts.finish()
    }
}

pub unsafe extern "C" fn echo_string_contains(block: *mut u8, part: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe { text(block).contains(text(part)) }
}

pub unsafe extern "C" fn echo_string_starts_with(block: *mut u8, part: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe { text(block).starts_with(text(part)) }
}

pub unsafe extern "C" fn echo_string_ends_with(block: *mut u8, part: *mut u8) -> bool {
    // SAFETY: see above.
    unsafe { text(block).ends_with(text(part)) }
}

pub unsafe extern "C" fn echo_string_trim(block: *mut u8) -> *mut u8 {
    // SAFETY: see above.
    unsafe { piece(block, text(block).trim()) }
}

pub unsafe extern "C" fn echo_string_to_upper(block: *mut u8) -> *mut u8 {
    // SAFETY: see above.
    string(&unsafe { text(block) }.to_uppercase())
}

pub unsafe extern "C" fn echo_string_to_lower(block: *mut u8) -> *mut u8 {
    // SAFETY: see above.
    string(&unsafe { text(block) }.to_lowercase())
}

pub unsafe extern "C" fn echo_string_replace(
    block: *mut u8,
    from: *mut u8,
    to: *mut u8,
) -> *mut u8 {
    // SAFETY: see above.
    unsafe {
        let (whole, from) = (text(block), text(from));
        if !whole.contains(from) {
            return same(block);
        }
        string(&whole.replace(from, text(to)))
    }
}

pub unsafe extern "C" fn echo_string_chars(block: *mut u8) -> *mut u8 {
    // SAFETY: see above.
    unsafe {
        let mut chars = array::Builder::<u32>::with_capacity(char_len(block));
        text(block)
            .chars()
            .for_each(|char| chars.push(u32::from(char)));
        chars.finish()
    }
}

pub unsafe extern "C" fn echo_string_parse_int(
    block: *mut u8,
    out: *mut u8,
    error: *mut u8,
) -> bool {
    // SAFETY: see above; `out` points to an `i64`.
    unsafe { give(parse_int(text(block)), out.cast(), error) }
}

fn parse_int(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => {
                format!("integer out of range: {text:?}")
            }
            _ => format!("invalid integer: {text:?}"),
        })
}

pub unsafe extern "C" fn echo_string_parse_float(
    block: *mut u8,
    out: *mut u8,
    error: *mut u8,
) -> bool {
    // SAFETY: see above; `out` points to an `f64`.
    unsafe { give(parse_float(text(block)), out.cast(), error) }
}

fn parse_float(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("invalid float: {text:?}"))
}

/// Writes the value, or the message as a string.
unsafe fn give<T>(result: Result<T, String>, out: *mut T, error: *mut u8) -> bool {
    // SAFETY: `out` and `error` have room for their values.
    unsafe {
        match result {
            Ok(value) => {
                out.write(value);
                true
            }
            Err(message) => {
                error.cast::<*mut u8>().write(string(&message));
                false
            }
        }
    }
}
