//! The one walker over values: what parts a value has, and the counting of what it holds.
//!
//! [`Parts`] is the only place that knows how structs, tuples, enums, arrays, maps and closures lay out what is in them. Everything that looks into
//! values (counting here, [`compare`](super::compare), [`format`](super::format)) goes through it.
//!
//! # Invariants
//! * Native recursion is bounded by the nesting of *types* in one piece of memory; from block to block a list of what is still to be done is
//!   used, so values may be nested as deeply as memory allows.
//! * What a shared block reaches is shared; sharing stops at blocks that already are.
//! * A block is dropped by the thread that took its last count, and its contents before its memory.

use super::block::{free, give_up, is_only_plain, make_shared, retain};
use super::{builder, map};
use crate::arch;
use crate::future;
use crate::handle;
use echo_abi::layout::{
    ARRAY_DATA_OFFSET, ArrayBlock, CLOSURE_DATA_OFFSET, ClosureBlock, DESC_MANAGED, FieldDesc,
    ForeignDesc, Kind, TypeDesc,
};
use std::cell::Cell;
use std::ptr;

/// A type's descriptor; they live as long as the program.
pub type Desc = &'static TypeDesc;

/// Whether values of the type hold counted references.
#[inline]
pub fn is_managed(desc: &TypeDesc) -> bool {
    desc.flags & DESC_MANAGED != 0
}

/// The name of the type, as the language prints it.
pub fn type_name(desc: &TypeDesc) -> &'static str {
    // SAFETY: names are constants of the program, in UTF-8.
    unsafe { constant_text(desc.name, desc.name_len) }
}

unsafe fn constant_text(bytes: *const u8, len: u32) -> &'static str {
    if len == 0 {
        return "";
    }
    // SAFETY: the caller passes a constant text of a descriptor.
    unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(bytes, len as usize)) }
}

/// The row of `desc` with that number.
pub fn field(desc: &TypeDesc, number: usize) -> &'static FieldDesc {
    debug_assert!(number < desc.field_count as usize);
    // SAFETY: descriptors have as many rows as they say.
    unsafe { &*desc.fields.add(number) }
}

/// The type of that row, which has one.
pub fn field_type(desc: &TypeDesc, number: usize) -> Desc {
    // SAFETY: descriptors live as long as the program.
    unsafe { &*field(desc, number).desc }
}

/// The name of a field or variant.
pub fn field_name(field: &FieldDesc) -> &'static str {
    // SAFETY: names are constants of the program, in UTF-8.
    unsafe { constant_text(field.name, field.name_len) }
}

/// The block that a value of a block kind points to.
#[inline]
pub unsafe fn block_of(value: *const u8) -> *mut u8 {
    // SAFETY: the caller passes the address of such a value.
    unsafe { value.cast::<*mut u8>().read() }
}

/// The tag of an enum's value.
#[inline]
pub unsafe fn tag_of(value: *const u8) -> usize {
    // SAFETY: the caller passes the address of an enum's value.
    unsafe { value.cast::<i32>().read() as usize }
}

/// Whether values of the kind point to a block of [`handle`].
fn is_handle(kind: Kind) -> bool {
    (Kind::Chan as u8..=Kind::Once as u8).contains(&(kind as u8))
}

/// How values of a kind hold what they hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Nothing inside.
    Scalar,
    /// Parts in the value's own memory.
    Inline,
    /// A pointer to a counted block.
    Block,
}

#[inline]
pub fn shape(kind: Kind) -> Shape {
    match kind {
        Kind::Struct | Kind::Tuple | Kind::Enum => Shape::Inline,
        kind if kind as u8 >= Kind::String as u8 => Shape::Block,
        _ => Shape::Scalar,
    }
}

/// One part of a value.
#[derive(Clone, Copy)]
pub struct Part {
    pub address: *mut u8,
    pub desc: Desc,
    /// Of a field; empty elsewhere.
    pub name: &'static str,
}

/// The parts of a value, in order. For a map keys and values take turns.
pub enum Parts {
    Fields {
        base: *mut u8,
        next: *const FieldDesc,
        remaining: usize,
    },
    Elements {
        next: *mut u8,
        remaining: usize,
        desc: Desc,
    },
    Entries {
        entries: map::Entries,
        /// The value that comes after the key that came last.
        value: Option<*mut u8>,
    },
}

impl Parts {
    const NONE: Parts = Parts::Fields {
        base: ptr::null_mut(),
        next: ptr::null(),
        remaining: 0,
    };

    /// The fields, elements, or the payload that the tag names: what is in the value's own memory.
    pub unsafe fn inline(value: *mut u8, desc: Desc) -> Parts {
        match desc.kind {
            Kind::Struct | Kind::Tuple => Parts::Fields {
                base: value,
                next: desc.fields,
                remaining: desc.field_count as usize,
            },
            Kind::Enum => {
                // SAFETY: the value is of this type, so its tag has a row.
                let variant = field(desc, unsafe { tag_of(value) });
                Parts::Fields {
                    base: value,
                    next: variant,
                    remaining: usize::from(!variant.desc.is_null()),
                }
            }
            _ => Parts::NONE,
        }
    }

    /// Elements, entries or captures: what is in the block that a value of type `desc` points to. Handles keep theirs to themselves.
    pub unsafe fn contents(block: *mut u8, desc: Desc) -> Parts {
        // SAFETY: the block belongs to a value of this type.
        unsafe {
            match desc.kind {
                Kind::Array => Parts::elements(block, field_type(desc, 0)),
                Kind::Map => Parts::Entries {
                    entries: map::Entries::of(block, desc),
                    value: None,
                },
                Kind::Func => match (*block.cast::<ClosureBlock>()).captures.as_ref() {
                    Some(captures) => Parts::Elements {
                        next: block.add(CLOSURE_DATA_OFFSET),
                        remaining: 1,
                        desc: captures,
                    },
                    None => Parts::NONE,
                },
                _ => Parts::NONE,
            }
        }
    }

    /// The elements of an array's block.
    pub unsafe fn elements(block: *mut u8, element: Desc) -> Parts {
        // SAFETY: the block is an array's.
        unsafe {
            Parts::Elements {
                next: block.add(ARRAY_DATA_OFFSET),
                remaining: (*block.cast::<ArrayBlock>()).len as usize,
                desc: element,
            }
        }
    }
}

impl Iterator for Parts {
    type Item = Part;

    #[inline]
    fn next(&mut self) -> Option<Part> {
        // SAFETY: whoever made the iterator vouches for the value; rows and elements are as many as they say.
        unsafe {
            match self {
                Parts::Fields {
                    base,
                    next,
                    remaining,
                } => {
                    *remaining = remaining.checked_sub(1)?;
                    let field = &**next;
                    *next = next.add(1);
                    Some(Part {
                        address: base.add(field.offset as usize),
                        desc: &*field.desc,
                        name: field_name(field),
                    })
                }
                Parts::Elements {
                    next,
                    remaining,
                    desc,
                } => {
                    *remaining = remaining.checked_sub(1)?;
                    let address = *next;
                    *next = next.add(desc.size as usize);
                    Some(Part {
                        address,
                        desc,
                        name: "",
                    })
                }
                Parts::Entries { entries, value } => {
                    let (address, desc) = match value.take() {
                        Some(address) => (address, entries.value_desc()),
                        None => {
                            let entry = entries.next()?;
                            *value = Some(entry.value);
                            (entry.key, entries.key_desc())
                        }
                    };
                    Some(Part {
                        address,
                        desc,
                        name: "",
                    })
                }
            }
        }
    }
}

/// Calls `visit` with every block that the value itself refers to, and the type of the reference.
#[inline]
unsafe fn each_block(value: *mut u8, desc: Desc, visit: &mut impl FnMut(*mut u8, Desc)) {
    if !is_managed(desc) {
        return;
    }
    // SAFETY: the value is of this type.
    unsafe {
        match shape(desc.kind) {
            Shape::Scalar => {}
            Shape::Block => visit(block_of(value), desc),
            Shape::Inline => {
                for part in Parts::inline(value, desc) {
                    each_inner_block(part, visit);
                }
            }
        }
    }
}

/// As [`each_block`], out of line: the recursion over nested types.
unsafe fn each_inner_block(part: Part, visit: &mut impl FnMut(*mut u8, Desc)) {
    // SAFETY: a part of a live value.
    unsafe { each_block(part.address, part.desc, visit) }
}

/// [`each_block`] for all of several parts.
unsafe fn each_block_in(parts: Parts, visit: &mut impl FnMut(*mut u8, Desc)) {
    if let Parts::Elements { desc, .. } = &parts
        && !is_managed(desc)
    {
        return;
    }
    for part in parts {
        // SAFETY: parts of a live value.
        unsafe { each_block(part.address, part.desc, visit) };
    }
}

// ---------------------------------------------------------------- dup

/// One more owner for everything the value holds.
pub unsafe fn dup(value: *mut u8, desc: Desc) {
    // SAFETY: the value is alive.
    unsafe { each_block(value, desc, &mut |block, _| retain(block)) }
}

/// [`dup`] for all of several parts.
pub unsafe fn dup_parts(parts: Parts) {
    // SAFETY: the parts are alive.
    unsafe { each_block_in(parts, &mut |block, _| retain(block)) }
}

// ---------------------------------------------------------------- share

/// Makes the value and all it reaches fit to be seen by several coroutines.
pub unsafe fn share(value: *mut u8, desc: Desc) {
    let mut pending = Vec::new();
    let convert = |block, desc: Desc, pending: &mut Vec<(*mut u8, Desc)>| {
        // SAFETY: what a live value refers to is alive; plain blocks are this coroutine's alone.
        if unsafe { make_shared(block) } && has_contents(desc) {
            pending.push((block, desc));
        }
    };
    // SAFETY: the value is alive and of this type.
    unsafe {
        each_block(value, desc, &mut |block, desc| {
            convert(block, desc, &mut pending)
        });
        while let Some((block, desc)) = pending.pop() {
            each_block_in(Parts::contents(block, desc), &mut |block, desc| {
                convert(block, desc, &mut pending)
            });
        }
    }
}

/// Whether [`share`] may find something to do in values of the type. Handles but futures are shared from the start.
pub fn needs_sharing(desc: &TypeDesc) -> bool {
    match shape(desc.kind) {
        Shape::Scalar => false,
        Shape::Inline => (0..desc.field_count as usize)
            .filter_map(|number| {
                // SAFETY: descriptors live as long as the program. Variants without a payload have none.
                unsafe { field(desc, number).desc.as_ref() }
            })
            .any(needs_sharing),
        Shape::Block => matches!(desc.kind, Kind::Future | Kind::Promise) || !is_handle(desc.kind),
    }
}

/// Whether blocks of the type can refer to other blocks that the walker knows of.
fn has_contents(desc: &TypeDesc) -> bool {
    match desc.kind {
        Kind::Array => is_managed(field_type(desc, 0)),
        Kind::Map => is_managed(field_type(desc, 0)) || is_managed(field_type(desc, 1)),
        Kind::Func => true,
        _ => false,
    }
}

// ---------------------------------------------------------------- drop

/// Blocks without owners whose contents are still to be dropped.
type Dead = Vec<(*mut u8, Desc)>;

thread_local! {
    /// The list of the drop that is going on, so that a drop inside it (by a handle) adds to the list instead of nesting.
    static DEAD: Cell<*mut Dead> = const { Cell::new(ptr::null_mut()) };
    /// Handles that are being destroyed inside one another.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Handles nested deeper than this go through the list.
const MAX_DEPTH: u32 = 4;

/// Gives up everything the value holds.
pub unsafe fn drop(value: *mut u8, desc: Desc) {
    // SAFETY: the caller owns the value.
    unsafe { each_block(value, desc, &mut |block, desc| release(block, desc)) }
}

/// [`drop`] for all of several parts.
pub unsafe fn drop_parts(parts: Parts) {
    // SAFETY: the caller owns the parts.
    unsafe {
        match parts {
            // The common case in a tight loop.
            Parts::Elements {
                next,
                remaining,
                desc,
            } if shape(desc.kind) == Shape::Block => {
                let is_future = matches!(desc.kind, Kind::Future | Kind::Promise);
                for index in 0..remaining {
                    let block = next.cast::<*mut u8>().add(index).read();
                    if !(is_future && is_only_plain(block) && future::free_settled(block.cast())) {
                        release(block, desc);
                    }
                }
            }
            parts => each_block_in(parts, &mut |block, desc| release(block, desc)),
        }
    }
}

/// Gives up one owner of the block that a value of type `desc` points to.
#[inline]
pub unsafe fn release(block: *mut u8, desc: Desc) {
    // SAFETY: the caller gives up its ownership; the last owner may take the block apart.
    unsafe {
        if give_up(block) {
            match desc.kind {
                Kind::String => free(block),
                kind if is_handle(kind) && DEPTH.get() < MAX_DEPTH => {
                    // What it holds is dropped here, too, or goes to the list of the burial that is going on.
                    DEPTH.set(DEPTH.get() + 1);
                    handle::destroy(kind, block);
                    DEPTH.set(DEPTH.get() - 1);
                }
                _ => bury(block, desc),
            }
        }
    }
}

/// Drops the contents of a block without owners and frees it, now or, within another burial, soon.
unsafe fn bury(block: *mut u8, desc: Desc) {
    // SAFETY: the list outlives the burial that put it there, on this thread.
    unsafe {
        if let Some(dead) = DEAD.get().as_mut() {
            dead.push((block, desc));
            return;
        }
        let mut dead: Dead = Vec::new();
        DEAD.set(&raw mut dead);
        let list = DEAD.get();
        let mut next = Some((block, desc));
        while let Some((block, desc)) = next {
            if has_contents(desc) {
                drop_parts(Parts::contents(block, desc));
            }
            dispose(block, desc);
            next = (*list).pop();
        }
        DEAD.set(ptr::null_mut());
    }
}

/// Frees a block whose counted contents are dropped.
unsafe fn dispose(block: *mut u8, desc: Desc) {
    // SAFETY: nobody refers to the block.
    unsafe {
        match desc.kind {
            Kind::Map => map::dispose(block),
            Kind::StringBuilder => builder::dispose(block),
            Kind::Foreign => {
                destroy_foreign(block, desc);
                free(block);
            }
            Kind::String | Kind::Array | Kind::Func => free(block),
            kind => handle::destroy(kind, block),
        }
    }
}

/// Calls the destructor of a foreign block.
unsafe fn destroy_foreign(block: *mut u8, desc: Desc) {
    // SAFETY: a descriptor of this kind is the first field of a `ForeignDesc`, whose destructor is a function of that type or null.
    unsafe {
        let foreign: *const ForeignDesc = (&raw const *desc).cast();
        let destroy: Option<unsafe extern "C" fn(*mut u8)> =
            std::mem::transmute((*foreign).destroy);
        if let Some(destroy) = destroy {
            arch::call_foreign(|| destroy(block));
        }
    }
}

// ---------------------------------------------------------------- rows of the symbol table

/// The descriptor that generated code passes.
#[inline]
pub(super) unsafe fn desc(pointer: *mut u8) -> Desc {
    // SAFETY: the contract of the table: descriptors live as long as the program.
    unsafe { &*pointer.cast::<TypeDesc>() }
}

pub unsafe extern "C" fn echo_release(block: *mut u8, of: *mut u8) {
    // SAFETY: the contract of the table, here and below.
    unsafe { release(block, desc(of)) }
}

pub unsafe extern "C" fn echo_share(value: *mut u8, of: *mut u8) {
    // SAFETY: see above.
    unsafe { share(value, desc(of)) }
}

pub unsafe extern "C" fn echo_dup(value: *mut u8, of: *mut u8) {
    // SAFETY: see above.
    unsafe { dup(value, desc(of)) }
}

pub unsafe extern "C" fn echo_drop(value: *mut u8, of: *mut u8) {
    // SAFETY: see above.
    unsafe { drop(value, desc(of)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As long as its fields are alive.
    const fn desc(kind: Kind, fields: &[FieldDesc]) -> TypeDesc {
        TypeDesc {
            kind,
            flags: 0,
            align: 8,
            size: 8,
            name: ptr::null(),
            name_len: 0,
            field_count: fields.len() as u32,
            fields: fields.as_ptr(),
            zero: ptr::null(),
        }
    }

    fn field_of(desc: *const TypeDesc) -> FieldDesc {
        FieldDesc {
            name: ptr::null(),
            name_len: 0,
            offset: 0,
            desc,
        }
    }

    #[test]
    fn only_what_is_shared_from_the_start_needs_no_sharing() {
        let plain = [Kind::String, Kind::Array, Kind::Map, Kind::Func]
            .into_iter()
            .chain([Kind::Future, Kind::Promise])
            .chain([Kind::StringBuilder, Kind::Foreign]);
        for kind in plain {
            let inner = desc(kind, &[]);
            assert!(needs_sharing(&inner), "{kind:?}");
            let fields = [field_of(ptr::null()), field_of(&inner)];
            let outer = desc(Kind::Enum, &fields);
            assert!(needs_sharing(&outer), "{kind:?} in an enum");
            let fields = [field_of(&outer)];
            assert!(
                needs_sharing(&desc(Kind::Tuple, &fields)),
                "{kind:?} in an enum in a tuple"
            );
        }
        for kind in [Kind::I64, Kind::Chan, Kind::Mutex, Kind::Atomic, Kind::Once] {
            let inner = desc(kind, &[]);
            let fields = [field_of(&inner), field_of(&inner)];
            assert!(!needs_sharing(&inner), "{kind:?}");
            assert!(
                !needs_sharing(&desc(Kind::Struct, &fields)),
                "{kind:?} in a struct"
            );
        }
    }
}
