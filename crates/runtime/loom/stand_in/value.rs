//! Values are words, or [`Item`]s: counted blocks whose contents loom watches.

use crate::door::{AtomicI64, Ordering::AcqRel, Ordering::Relaxed};
use crate::future;
use crate::handle;
use crate::outcome::Outcome;
use echo_abi::layout::{ArrayBlock, DESC_MANAGED, Kind, TypeDesc};
use loom::cell::UnsafeCell;
use std::ptr;

/// A value that is lost is a leak, one given away twice is freed twice, and one whose contents are read by somebody who was not given them properly is
/// a data race: loom fails for each.
pub struct Item {
    count: AtomicI64,
    contents: UnsafeCell<u64>,
    _track: loom::alloc::Track<()>,
}

/// A reference to an item, as values hold them.
pub type ItemWord = *mut Item;

/// A new item with one owner, and contents written by the caller.
pub fn item(contents: u64) -> ItemWord {
    let item = Box::new(Item {
        count: AtomicI64::new(1),
        contents: UnsafeCell::new(0),
        _track: loom::alloc::Track::new(()),
    });
    // SAFETY: the item is fresh; loom checks.
    item.contents.with_mut(|place| unsafe { *place = contents });
    Box::into_raw(item)
}

/// Gives a reference up; the contents.
///
/// # Safety
/// The caller owns a reference.
pub unsafe fn consume(item: ItemWord) -> u64 {
    // SAFETY: promised by the caller; loom checks that nobody writes meanwhile.
    unsafe {
        let contents = (*item).contents.with(|place| *place);
        if (*item).count.fetch_sub(1, AcqRel) == 1 {
            std::mem::drop(Box::from_raw(item));
        }
        contents
    }
}

const fn desc(flags: u8, zero: *const u8) -> TypeDesc {
    TypeDesc {
        kind: Kind::U64,
        flags,
        align: 8,
        size: 8,
        name: ptr::null(),
        name_len: 0,
        field_count: 0,
        fields: ptr::null(),
        zero,
    }
}

struct Constant(TypeDesc);
// SAFETY: constant.
unsafe impl Sync for Constant {}

static NULL: u64 = 0;
static WORD: Constant = Constant(desc(0, (&raw const NULL).cast()));
/// The zero value is null, which stands for no item.
static ITEM: Constant = Constant(desc(DESC_MANAGED, (&raw const NULL).cast()));

pub fn int_desc() -> *const TypeDesc {
    &WORD.0
}

pub fn item_desc() -> *const TypeDesc {
    &ITEM.0
}

pub fn needs_sharing(desc: &TypeDesc) -> bool {
    desc.flags & DESC_MANAGED != 0
}

pub unsafe fn share(_value: *mut u8, _desc: &TypeDesc) {}

pub unsafe fn drop(value: *mut u8, _desc: &TypeDesc) {
    // SAFETY: only items are managed; the caller owns the value.
    unsafe {
        let item = *value.cast::<ItemWord>();
        if !item.is_null() {
            consume(item);
        }
    }
}

pub unsafe fn dup(value: *mut u8, _desc: &TypeDesc) {
    // SAFETY: as in `drop`.
    unsafe { (**value.cast::<ItemWord>()).count.fetch_add(1, Relaxed) };
}

pub unsafe fn release(block: *mut u8, _desc: &TypeDesc) {
    // SAFETY: only futures are given up like this; the caller owns a reference.
    unsafe { handle::release_with(block.cast(), future::destroy) }
}

pub fn field_type(_desc: &TypeDesc, _number: usize) -> &'static TypeDesc {
    unreachable!("no model has values with parts")
}

pub fn type_name(_desc: &TypeDesc) -> &'static str {
    "?"
}

pub fn string(text: &str) -> *mut u8 {
    Box::into_raw(Box::new(text.to_owned())).cast()
}

pub unsafe fn string_text<'a>(string: *mut u8) -> &'a str {
    // SAFETY: made by `string`.
    unsafe { &*string.cast::<String>() }
}

pub unsafe fn drop_string(string: *mut u8) {
    // SAFETY: made by `string`, and owned by the caller.
    std::mem::drop(unsafe { Box::from_raw(string.cast::<String>()) });
}

pub fn array_alloc(_element: &TypeDesc, _len: usize) -> *mut ArrayBlock {
    unreachable!("no model gathers values")
}

pub fn index_out_of_range(_index: i64, _len: usize, _position: i32) -> Outcome {
    unreachable!("no model has arrays")
}

pub mod block {
    pub fn out_of_memory(bytes: usize) -> ! {
        panic!("no memory for {bytes} bytes")
    }

    pub unsafe fn is_plain(block: *mut u8) -> bool {
        // SAFETY: passed on.
        unsafe { !crate::handle::is_shared(block) }
    }

    pub unsafe fn is_shared(block: *mut u8) -> bool {
        // SAFETY: passed on.
        unsafe { crate::handle::is_shared(block) }
    }

    pub unsafe fn make_shared(block: *mut u8) -> bool {
        // SAFETY: passed on.
        unsafe { crate::handle::make_shared(block) }
    }
}

pub mod print {
    pub fn flush() {}
}
