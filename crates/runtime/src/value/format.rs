//! Values as text, the way `print` shows them.
//!
//! Strings and chars are raw, inside containers too; enums by the name of the variant, with the payload behind it: `Some(42)`; structs `P{x: 1, y: 2}`;
//! arrays `[1, 2]`; maps `{a: 1}`; tuples `(1, 2)`; void `()`; functions and handles by the name of their type.
//!
//! The payload of a variant with several values is described by a tuple without a name (the tuples of programs have one): `Rect(3, 4)`, but
//! `Some((3, 4))`.

use super::float::{push_f32, push_f64};
use super::string::{string, text};
use super::walk::{
    Desc, Parts, Shape, block_of, desc, field, field_name, shape, tag_of, type_name,
};
use echo_abi::layout::Kind;
use std::cell::RefCell;

/// Collects text.
#[derive(Default)]
pub struct Formatter {
    out: String,
}

/// A thread keeps a scratch text of at most this size.
const SCRATCH_BYTES: usize = 64 << 10;

thread_local! {
    static SCRATCH: RefCell<Formatter> = RefCell::new(Formatter::new());
}

/// How the parts of a value are set apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `a, b`
    Plain,
    /// `name: a, name: b`
    Named,
    /// Keys and values in turn: `k: v, k: v`
    Entries,
}

/// A value whose parts are being written.
struct Open {
    parts: Parts,
    style: Style,
    /// Parts begun.
    begun: usize,
    close: char,
}

impl Formatter {
    pub fn new() -> Formatter {
        Formatter::default()
    }

    /// Calls `write` with this thread's own formatter, empty, so that short texts need no allocation. Does not nest.
    pub fn with_scratch<T>(write: impl FnOnce(&mut Formatter) -> T) -> T {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.out.clear();
            let result = write(scratch);
            if scratch.out.capacity() > SCRATCH_BYTES {
                *scratch = Formatter::new();
            }
            result
        })
    }

    pub fn as_str(&self) -> &str {
        &self.out
    }

    /// Appends text as it is.
    pub fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Appends a value. Nested ones are kept in a list, so that they may be nested as deeply as memory allows.
    pub unsafe fn value(&mut self, address: *mut u8, desc: Desc) {
        // SAFETY: the caller's value is alive and of this type, and so are its parts.
        unsafe {
            let Some(mut open) = self.begin(address, desc) else {
                return;
            };
            let mut outer = Vec::new();
            loop {
                match open.parts.next() {
                    Some(part) => {
                        self.separate(&mut open, part.name);
                        if let Some(inner) = self.begin(part.address, part.desc) {
                            outer.push(std::mem::replace(&mut open, inner));
                        }
                    }
                    None => {
                        self.out.push(open.close);
                        match outer.pop() {
                            Some(next) => open = next,
                            None => return,
                        }
                    }
                }
            }
        }
    }

    /// What stands before a part.
    fn separate(&mut self, open: &mut Open, name: &str) {
        let is_value_of_entry = open.style == Style::Entries && open.begun % 2 == 1;
        if is_value_of_entry {
            self.out.push_str(": ");
        } else if open.begun > 0 {
            self.out.push_str(", ");
        }
        if open.style == Style::Named {
            self.out.push_str(name);
            self.out.push_str(": ");
        }
        open.begun += 1;
    }

    /// Writes a value without parts, or what stands before the first part.
    unsafe fn begin(&mut self, value: *mut u8, desc: Desc) -> Option<Open> {
        // SAFETY: the value is alive and of this type.
        unsafe {
            match desc.kind {
                Kind::String => self.out.push_str(text(block_of(value))),
                Kind::Array => {
                    self.out.push('[');
                    return Some(open(
                        Parts::contents(block_of(value), desc),
                        Style::Plain,
                        ']',
                    ));
                }
                Kind::Map => {
                    self.out.push('{');
                    return Some(open(
                        Parts::contents(block_of(value), desc),
                        Style::Entries,
                        '}',
                    ));
                }
                Kind::Struct => {
                    self.out.push_str(type_name(desc));
                    self.out.push('{');
                    return Some(open(Parts::inline(value, desc), Style::Named, '}'));
                }
                Kind::Tuple => {
                    self.out.push('(');
                    return Some(open(Parts::inline(value, desc), Style::Plain, ')'));
                }
                Kind::Enum => return self.begin_variant(value, desc),
                kind if shape(kind) == Shape::Block => self.out.push_str(type_name(desc)),
                kind => self.scalar(value, kind),
            }
        }
        None
    }

    unsafe fn begin_variant(&mut self, value: *mut u8, desc: Desc) -> Option<Open> {
        // SAFETY: the value is alive and of this enum, so its tag has a row.
        unsafe {
            let variant = field(desc, tag_of(value));
            self.out.push_str(field_name(variant));
            let payload = variant.desc.as_ref()?;
            self.out.push('(');
            let several = payload.kind == Kind::Tuple && payload.name_len == 0;
            let parts = match several {
                true => Parts::inline(value.add(variant.offset as usize), payload),
                false => Parts::inline(value, desc),
            };
            Some(open(parts, Style::Plain, ')'))
        }
    }

    unsafe fn scalar(&mut self, value: *mut u8, kind: Kind) {
        // SAFETY: the value is of this kind.
        unsafe {
            match kind {
                Kind::Void => self.out.push_str("()"),
                Kind::Bool => self
                    .out
                    .push_str(if value.read() != 0 { "true" } else { "false" }),
                Kind::Char => {
                    let char = char::from_u32(value.cast::<u32>().read());
                    self.out.push(char.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                Kind::I8 => self.integer(i64::from(value.cast::<i8>().read())),
                Kind::I16 => self.integer(i64::from(value.cast::<i16>().read())),
                Kind::I32 => self.integer(i64::from(value.cast::<i32>().read())),
                Kind::I64 => self.integer(value.cast::<i64>().read()),
                Kind::U8 => self.natural(u64::from(value.read())),
                Kind::U16 => self.natural(u64::from(value.cast::<u16>().read())),
                Kind::U32 => self.natural(u64::from(value.cast::<u32>().read())),
                Kind::U64 => self.natural(value.cast::<u64>().read()),
                Kind::F32 => push_f32(&mut self.out, value.cast::<f32>().read()),
                Kind::F64 => push_f64(&mut self.out, value.cast::<f64>().read()),
                kind => unreachable!("{kind:?} is no scalar"),
            }
        }
    }

    /// Appends an integer.
    pub fn integer(&mut self, value: i64) {
        if value < 0 {
            self.out.push('-');
        }
        self.natural(value.unsigned_abs());
    }

    fn natural(&mut self, mut value: u64) {
        /// Digits of the largest number.
        const DIGITS: usize = 20;
        let mut digits = [0; DIGITS];
        let mut start = DIGITS;
        loop {
            start -= 1;
            digits[start] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        // SAFETY: digits are ASCII.
        self.out
            .push_str(unsafe { std::str::from_utf8_unchecked(&digits[start..]) });
    }
}

fn open(parts: Parts, style: Style, close: char) -> Open {
    Open {
        parts,
        style,
        begun: 0,
        close,
    }
}

// ---------------------------------------------------------------- rows of the symbol table

pub unsafe extern "C" fn echo_format(value: *mut u8, of: *mut u8) -> *mut u8 {
    // SAFETY: the contract of the table.
    unsafe {
        let desc = desc(of);
        if desc.kind == Kind::String {
            super::block::retain(block_of(value));
            return block_of(value);
        }
        Formatter::with_scratch(|scratch| {
            scratch.value(value, desc);
            string(scratch.as_str())
        })
    }
}
