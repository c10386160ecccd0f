//! Types and owned values for tests, and the check that no block is left.

use echo_abi::layout::{DESC_MANAGED, FieldDesc, Kind, TypeDesc};
use echo_runtime::lock::{SpinGuard, SpinMutex};
use echo_runtime::outcome::{Outcome, RAISE, RETURN};
use echo_runtime::panic::Exception;
use echo_runtime::value::{
    self, compare, drop_string, echo_array_push, echo_compare, echo_drop, echo_dup, echo_equal,
    echo_format, echo_map_get, echo_map_insert, echo_map_remove, echo_share, live_blocks,
    type_name,
};
use std::cmp::Ordering;
use std::mem::MaybeUninit;
use std::ptr;

pub type Desc = &'static TypeDesc;

/// Runs a test alone, and checks that it leaves no block behind.
pub fn checked(test: impl FnOnce()) {
    static ALONE: SpinMutex<()> = SpinMutex::new(());
    let _alone = ALONE.lock();
    let before = live_blocks();
    test();
    assert_eq!(live_blocks() - before, 0, "blocks left behind");
}

// ---------------------------------------------------------------- types

struct Layout {
    size: usize,
    align: usize,
}

fn make(kind: Kind, name: &str, layout: Layout, fields: Vec<FieldDesc>) -> TypeDesc {
    let is_block = kind as u8 == Kind::String as u8
        || kind as u8 == Kind::Array as u8
        || kind as u8 == Kind::Map as u8
        || kind as u8 >= Kind::Func as u8;
    let holds = |field: &FieldDesc| {
        // SAFETY: fields of inline types are complete.
        let desc = unsafe { field.desc.as_ref() };
        desc.is_some_and(|desc| desc.flags & DESC_MANAGED != 0)
    };
    let managed = is_block || fields.iter().any(holds);
    let name: &'static str = name.to_owned().leak();
    let zero = zero_of(kind, &layout, &fields);
    let fields = fields.leak();
    TypeDesc {
        kind,
        flags: if managed { DESC_MANAGED } else { 0 },
        align: layout.align as u16,
        size: layout.size as u32,
        name: name.as_ptr(),
        name_len: name.len() as u32,
        field_count: fields.len() as u32,
        fields: fields.as_ptr(),
        zero: zero.leak().as_ptr().cast(),
    }
}

/// The zero value: blocks are the empty one, enums their first variant.
fn zero_of(kind: Kind, layout: &Layout, fields: &[FieldDesc]) -> Vec<u64> {
    let mut zero = vec![0u64; layout.size.div_ceil(8)];
    let base: *mut u8 = zero.as_mut_ptr().cast();
    // SAFETY: parts are inside the value, and their types complete.
    unsafe {
        match kind {
            Kind::String | Kind::Array | Kind::Map => base.cast::<*mut u8>().write(value::empty()),
            Kind::Struct | Kind::Tuple => fields.iter().for_each(|field| {
                let part = &*field.desc;
                ptr::copy_nonoverlapping(
                    part.zero,
                    base.add(field.offset as usize),
                    part.size as usize,
                );
            }),
            _ => {}
        }
    }
    zero
}

/// All types made, so that nobody takes them for leaks.
/// Behind a lock that the sanitizers see, as that above: the standard library's is not instrumented.
static TYPES: SpinMutex<Vec<Made>> = SpinMutex::new(Vec::new());

struct Made(Desc);

// SAFETY: types do not change.
unsafe impl Send for Made {}

fn types() -> SpinGuard<'static, Vec<Made>> {
    TYPES.lock()
}

fn leak(desc: TypeDesc) -> Desc {
    let desc = Box::leak(Box::new(desc));
    types().push(Made(desc));
    desc
}

fn row(name: &str, desc: *const TypeDesc, offset: usize) -> FieldDesc {
    let name: &'static str = name.to_owned().leak();
    FieldDesc {
        desc,
        name: name.as_ptr(),
        name_len: name.len() as u32,
        offset: offset as u32,
    }
}

/// A type without parts, made once.
pub fn scalar(kind: Kind, size: usize, name: &str) -> Desc {
    let is_same = |desc: Desc| desc.kind == kind && type_name(desc) == name;
    if let Some(Made(desc)) = types().iter().find(|made| is_same(made.0)) {
        return desc;
    }
    let align = size.max(1);
    leak(make(kind, name, Layout { size, align }, vec![]))
}

pub fn int() -> Desc {
    scalar(Kind::I64, 8, "int")
}
pub fn float() -> Desc {
    scalar(Kind::F64, 8, "float")
}
pub fn char() -> Desc {
    scalar(Kind::Char, 4, "char")
}
pub fn void() -> Desc {
    scalar(Kind::Void, 0, "void")
}
pub fn string() -> Desc {
    scalar(Kind::String, 8, "string")
}

const BLOCK: Layout = Layout { size: 8, align: 8 };

fn array_desc(element: *const TypeDesc) -> TypeDesc {
    make(Kind::Array, "[T]", BLOCK, vec![raw_row(element)])
}

/// A row that does not look at its type, which may be incomplete.
fn raw_row(desc: *const TypeDesc) -> FieldDesc {
    row("", desc, 0)
}

pub fn array_of(element: Desc) -> Desc {
    leak(array_desc(element))
}

pub fn map_of(key: Desc, value: Desc) -> Desc {
    leak(make(
        Kind::Map,
        "map[K]V",
        BLOCK,
        vec![row("key", key, 0), row("value", value, 0)],
    ))
}

/// Fields behind `start` bytes, and the size and alignment of it all.
fn lay_out(fields: &[(&str, Option<Desc>)], start: usize) -> (Vec<FieldDesc>, Layout) {
    let (mut size, mut align) = (start, start.max(1));
    let mut rows = vec![];
    for &(name, desc) in fields {
        let Some(desc) = desc else {
            rows.push(row(name, ptr::null(), 0));
            continue;
        };
        size = size.next_multiple_of(desc.align as usize);
        rows.push(row(name, desc, size));
        size += desc.size as usize;
        align = align.max(desc.align as usize);
    }
    let size = size.next_multiple_of(align);
    (rows, Layout { size, align })
}

pub fn struct_of(name: &str, fields: &[(&str, Desc)]) -> Desc {
    let fields: Vec<_> = fields
        .iter()
        .map(|&(name, desc)| (name, Some(desc)))
        .collect();
    let (rows, layout) = lay_out(&fields, 0);
    leak(make(Kind::Struct, name, layout, rows))
}

pub fn tuple_of(name: &str, elements: &[Desc]) -> Desc {
    let fields: Vec<_> = elements.iter().map(|&desc| ("", Some(desc))).collect();
    let (rows, layout) = lay_out(&fields, 0);
    leak(make(Kind::Tuple, name, layout, rows))
}

pub fn enum_of(name: &str, variants: &[(&str, Option<Desc>)]) -> Desc {
    let (rows, layout) = lay_out(variants, 4);
    leak(make(Kind::Enum, name, layout, rows))
}

pub fn option_of(payload: Desc) -> Desc {
    enum_of("Option", &[("None", None), ("Some", Some(payload))])
}

/// `type Nest = Option[[Nest]]`: the array's type too.
pub fn nest() -> (Desc, Desc) {
    let place = Box::leak(Box::new(MaybeUninit::<TypeDesc>::uninit()));
    let array = leak(array_desc(place.as_ptr()));
    let option: Desc = place.write(make(
        Kind::Enum,
        "Option",
        Layout { size: 16, align: 8 },
        vec![row("None", ptr::null(), 0), row("Some", array, 8)],
    ));
    (option, array)
}

// ---------------------------------------------------------------- values

/// An owned value of some type.
pub struct Value {
    bytes: Vec<u64>,
    pub desc: Desc,
}

// SAFETY: tests share a value before they send it.
unsafe impl Send for Value {}

impl Value {
    pub fn zero(desc: Desc) -> Value {
        // Room for a global's lock, too.
        let mut bytes = vec![0u64; desc.size as usize / 8 + 1];
        // SAFETY: the zero value has that many bytes.
        unsafe {
            ptr::copy_nonoverlapping(desc.zero, bytes.as_mut_ptr().cast(), desc.size as usize)
        };
        Value { bytes, desc }
    }

    /// From the bytes of a `T`.
    pub fn of<T: Copy>(desc: Desc, raw: T) -> Value {
        assert_eq!(size_of::<T>(), desc.size as usize);
        let value = Value::zero(desc);
        // SAFETY: there is room.
        unsafe { value.at().cast::<T>().write_unaligned(raw) };
        value
    }

    pub fn at(&self) -> *mut u8 {
        self.bytes.as_ptr().cast_mut().cast()
    }

    pub fn desc_ptr(&self) -> *mut u8 {
        pointer(self.desc)
    }

    /// The block a value of a block kind points to.
    pub fn block(&self) -> *mut u8 {
        // SAFETY: asked of such values only.
        unsafe { self.at().cast::<*mut u8>().read() }
    }

    /// Gives the value away: its bytes are moved by whoever asked.
    pub fn moved(mut self) -> Vec<u64> {
        std::mem::take(&mut self.bytes)
    }

    /// Moves a part into a place in this value.
    fn put(&mut self, offset: usize, part: Value) {
        let size = part.desc.size as usize;
        let bytes = part.moved();
        // SAFETY: the place is inside the value.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr().cast(), self.at().add(offset), size) };
    }

    pub fn count(&self) -> i32 {
        // SAFETY: blocks begin with their count.
        unsafe { self.block().cast::<i32>().read() }
    }

    pub fn share(&self) {
        // SAFETY: the value is ours.
        unsafe { echo_share(self.at(), self.desc_ptr()) }
    }

    pub fn text(&self) -> String {
        // SAFETY: the value is ours; the new string is dropped.
        unsafe {
            let block = echo_format(self.at(), self.desc_ptr());
            let text = value::string_text(block).to_owned();
            drop_string(block);
            text
        }
    }

    pub fn order(&self, other: &Value) -> Ordering {
        // SAFETY: the values are ours.
        unsafe { echo_compare(self.at(), other.at(), self.desc_ptr()) }.cmp(&0)
    }

    pub fn hash(&self) -> u64 {
        // SAFETY: the value is ours.
        unsafe { compare::hash(self.at(), self.desc) }
    }

    pub fn same_key(&self, other: &Value) -> bool {
        // SAFETY: the values are ours.
        unsafe { compare::same_key(self.at(), other.at(), self.desc) }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        // SAFETY: the values are ours.
        unsafe { echo_equal(self.at(), other.at(), self.desc_ptr()) }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

impl Clone for Value {
    fn clone(&self) -> Value {
        // SAFETY: the copy of the bytes becomes an owner.
        unsafe { echo_dup(self.at(), self.desc_ptr()) };
        Value {
            bytes: self.bytes.clone(),
            desc: self.desc,
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if self.bytes.len() * 8 >= self.desc.size as usize && !self.bytes.is_empty() {
            // SAFETY: the value is ours.
            unsafe { echo_drop(self.at(), self.desc_ptr()) }
        }
    }
}

pub fn pointer(desc: Desc) -> *mut u8 {
    ptr::from_ref(desc).cast_mut().cast()
}

pub fn num(value: i64) -> Value {
    Value::of(int(), value)
}

pub fn text(content: &str) -> Value {
    Value::of(string(), value::string(content))
}

pub fn empty_of(desc: Desc) -> Value {
    Value::of(desc, value::empty())
}

fn field(desc: Desc, index: usize) -> &'static FieldDesc {
    assert!(index < desc.field_count as usize);
    // SAFETY: there are that many rows.
    unsafe { &*desc.fields.add(index) }
}

/// A struct or tuple.
pub fn fields(desc: Desc, parts: Vec<Value>) -> Value {
    assert_eq!(parts.len(), desc.field_count as usize);
    let mut value = Value::zero(desc);
    for (index, part) in parts.into_iter().enumerate() {
        value.put(field(desc, index).offset as usize, part);
    }
    value
}

pub fn variant(desc: Desc, tag: i32, payload: Option<Value>) -> Value {
    let mut value = Value::zero(desc);
    value.put(0, Value::of(scalar(Kind::I32, 4, "i32"), tag));
    if let Some(payload) = payload {
        value.put(field(desc, tag as usize).offset as usize, payload);
    }
    value
}

pub fn array(desc: Desc, elements: Vec<Value>) -> Value {
    let value = empty_of(desc);
    elements
        .into_iter()
        .for_each(|element| push(&value, element));
    value
}

pub fn ints(elements: &[i64]) -> Value {
    array(array_of(int()), elements.iter().map(|&n| num(n)).collect())
}

pub fn texts(elements: &[&str]) -> Value {
    array(
        array_of(string()),
        elements.iter().map(|t| text(t)).collect(),
    )
}

/// The type of an array's elements, or of a map's keys.
pub fn inner(value: &Value) -> *mut u8 {
    field(value.desc, 0).desc.cast_mut().cast()
}

pub fn push(array: &Value, element: Value) {
    let element = element.moved();
    // SAFETY: the element is moved.
    unsafe { echo_array_push(array.at(), inner(array), element.as_ptr().cast_mut().cast()) }
}

pub fn map(desc: Desc, entries: Vec<(Value, Value)>) -> Value {
    let value = empty_of(desc);
    entries
        .into_iter()
        .for_each(|(key, item)| insert(&value, key, item));
    value
}

pub fn insert(map: &Value, key: Value, item: Value) {
    let (key, item) = (key.moved(), item.moved());
    // SAFETY: key and value are moved.
    unsafe {
        echo_map_insert(
            map.at(),
            map.desc_ptr(),
            key.as_ptr().cast_mut().cast(),
            item.as_ptr().cast_mut().cast(),
        )
    }
}

pub fn remove(map: &Value, key: &Value) -> bool {
    // SAFETY: the map is ours.
    unsafe { echo_map_remove(map.at(), map.desc_ptr(), key.at()) }
}

/// A copy of the value under a key.
pub fn get(map: &Value, key: &Value) -> Option<Value> {
    // SAFETY: the map is ours, and the address valid until it changes.
    unsafe {
        let place = echo_map_get(map.block(), map.desc_ptr(), key.at());
        (!place.is_null()).then(|| copy_of(&*field(map.desc, 1).desc, place))
    }
}

/// A copy of a value that lies somewhere.
pub unsafe fn copy_of(desc: Desc, place: *mut u8) -> Value {
    let value = Value::zero(desc);
    // SAFETY: the caller vouches for the place.
    unsafe {
        ptr::copy_nonoverlapping(place, value.at(), desc.size as usize);
        echo_dup(value.at(), pointer(desc));
    }
    value
}

// ---------------------------------------------------------------- outcomes

/// The word returned.
pub fn word(outcome: Outcome) -> u64 {
    assert_eq!(outcome.status, RETURN);
    outcome.value
}

/// The message of the panic raised.
pub fn message(outcome: Outcome) -> String {
    assert_eq!(outcome.status, RAISE);
    // SAFETY: a raise carries an exception.
    let exception = unsafe { Box::from_raw(outcome.value as usize as *mut Exception) };
    exception.message.to_string()
}

/// Deterministic random numbers (xorshift64*).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
