//! Type descriptors, strings, zero values, entry descriptors, closures: the module's constants.

use echo_abi::layout::{DESC_MANAGED, Kind};
use echo_sema::types::{IntKind, Ty, TyKind};

use super::{Emitter, text};
use crate::ir::FnId;
use crate::layout::{self, Layout};

/// One row of a descriptor's `fields`.
struct FieldRow {
    name: String,
    ty: Option<Ty>,
    offset: u32,
}

impl Emitter<'_> {
    /// The number of the type's descriptor, which is emitted when first asked for.
    pub fn desc_number(&mut self, ty: Ty) -> usize {
        if let Some(&number) = self.descs.get(&ty) {
            return number;
        }
        let number = self.descs.len();
        self.descs.insert(ty, number);
        self.define_desc(ty, number);
        number
    }

    /// The symbol of the type's descriptor.
    pub fn desc(&mut self, ty: Ty) -> String {
        format!("@desc.{}", self.desc_number(ty))
    }

    /// As [`Emitter::desc`], `null` for `void`.
    pub fn desc_or_null(&mut self, ty: Ty) -> String {
        if matches!(self.program.types.kind(ty), TyKind::Void | TyKind::Never) {
            "null".to_string()
        } else {
            self.desc(ty)
        }
    }

    fn define_desc(&mut self, ty: Ty, number: usize) {
        let kind = self.desc_kind(ty) as u8;
        let flags = if layout::is_managed(self.program, ty) {
            DESC_MANAGED
        } else {
            0
        };
        let Layout { size, align } = layout::layout(self.program, ty);
        let name = echo_sema::display::type_name(self.program, ty);
        let rows = self.field_rows(ty);
        let count = rows.len();
        let fields = self.define_fields(number, rows);
        let zero = if layout::has_zero(self.program, ty) {
            self.zero(ty)
        } else {
            "null".to_string()
        };
        let name_symbol = self.text_constant(&name);
        let name_len = name.len();
        self.constant(format_args!(
            "@desc.{number} = internal constant %TypeDesc {{ i8 {kind}, i8 {flags}, i16 {align}, i32 {size}, ptr {name_symbol}, i32 {name_len}, i32 {count}, ptr {fields}, ptr {zero} }}"
        ));
    }

    fn define_fields(&mut self, number: usize, rows: Vec<FieldRow>) -> String {
        if rows.is_empty() {
            return "null".to_string();
        }
        let lines: Vec<String> = rows
            .into_iter()
            .map(|row| {
                let desc = row.ty.map_or("null".to_string(), |ty| self.desc(ty));
                let name = self.text_constant(&row.name);
                format!(
                    "%FieldDesc {{ ptr {desc}, ptr {name}, i32 {}, i32 {} }}",
                    row.name.len(),
                    row.offset
                )
            })
            .collect();
        self.constant(format_args!(
            "@fields.{number} = internal constant [{} x %FieldDesc] [{}]",
            lines.len(),
            lines.join(", ")
        ));
        format!("@fields.{number}")
    }

    fn desc_kind(&self, ty: Ty) -> Kind {
        match self.program.types.kind(ty) {
            TyKind::Error | TyKind::Never | TyKind::Void => Kind::Void,
            TyKind::Bool => Kind::Bool,
            TyKind::Char => Kind::Char,
            TyKind::Int(kind) => match kind {
                IntKind::I8 => Kind::I8,
                IntKind::I16 => Kind::I16,
                IntKind::I32 => Kind::I32,
                IntKind::I64 => Kind::I64,
                IntKind::U8 => Kind::U8,
                IntKind::U16 => Kind::U16,
                IntKind::U32 => Kind::U32,
                IntKind::U64 => Kind::U64,
            },
            // A reference is only an argument; nothing is stored that holds one.
            TyKind::Ref(_) => Kind::U64,
            TyKind::F32 => Kind::F32,
            TyKind::F64 => Kind::F64,
            TyKind::String => Kind::String,
            TyKind::Array(_) => Kind::Array,
            TyKind::Map(..) => Kind::Map,
            TyKind::Struct(_) => Kind::Struct,
            TyKind::Tuple(_) => Kind::Tuple,
            TyKind::Enum(_) | TyKind::Option(_) | TyKind::Result(..) => Kind::Enum,
            TyKind::Func(..) => Kind::Func,
            TyKind::Chan(_) => Kind::Chan,
            TyKind::Future(_) => Kind::Future,
            TyKind::Promise(_) => Kind::Promise,
            TyKind::Mutex(_) => Kind::Mutex,
            TyKind::RwLock(_) => Kind::RwLock,
            TyKind::Atomic => Kind::Atomic,
            TyKind::WaitGroup => Kind::WaitGroup,
            TyKind::Semaphore => Kind::Semaphore,
            TyKind::Once => Kind::Once,
            TyKind::StringBuilder => Kind::StringBuilder,
        }
    }

    fn field_rows(&self, ty: Ty) -> Vec<FieldRow> {
        let row = |name: &str, ty, offset| FieldRow {
            name: name.to_string(),
            ty,
            offset,
        };
        let parts = layout::parts(self.program, ty);
        match self.program.types.kind(ty) {
            TyKind::Array(element)
            | TyKind::Chan(element)
            | TyKind::Future(element)
            | TyKind::Promise(element)
            | TyKind::Mutex(element)
            | TyKind::RwLock(element) => vec![row("", Some(*element), 0)],
            TyKind::Map(key, value) => {
                vec![row("key", Some(*key), 0), row("value", Some(*value), 0)]
            }
            TyKind::Tuple(_) => layout::fields(self.program, &parts, 0)
                .0
                .into_iter()
                .zip(parts)
                .map(|(offset, part)| row("", Some(part), offset))
                .collect(),
            TyKind::Struct(id) => layout::fields(self.program, &parts, 0)
                .0
                .into_iter()
                .zip(&self.program.structs[id.0 as usize].fields)
                .map(|(offset, field)| row(&field.name, Some(field.ty), offset))
                .collect(),
            TyKind::Option(payload) => {
                let offsets = layout::fields(self.program, &parts, 4).0;
                vec![
                    row("None", None, 0),
                    row("Some", Some(*payload), offsets[0]),
                ]
            }
            TyKind::Result(ok, err) => {
                let offsets = layout::fields(self.program, &parts, 4).0;
                vec![
                    row("Ok", Some(*ok), offsets[0]),
                    row("Err", Some(*err), offsets[1]),
                ]
            }
            TyKind::Enum(id) => self.program.enums[id.0 as usize]
                .variants
                .iter()
                .map(|variant| row(&variant.name, None, 0))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Bytes of a name or message; no header, not terminated.
    pub fn text_constant(&mut self, value: &str) -> String {
        let number = self.texts.len();
        if let Some(&number) = self.texts.get(value) {
            return format!("@text.{number}");
        }
        self.texts.insert(value.to_string(), number);
        self.constant(format_args!(
            "@text.{number} = private unnamed_addr constant [{} x i8] c\"{}\"",
            value.len(),
            text::escape(value.as_bytes())
        ));
        format!("@text.{number}")
    }

    /// A string value: an immortal block.
    pub fn string_constant(&mut self, value: &str) -> String {
        if value.is_empty() {
            return "@echo_empty".to_string();
        }
        let number = self.strings.len();
        if let Some(&number) = self.strings.get(value) {
            return format!("@string.{number}");
        }
        self.strings.insert(value.to_string(), number);
        self.constant(format_args!(
            "@string.{number} = private constant {{ i32, i32, i64, i64, [{bytes} x i8] }} {{ i32 0, i32 0, i64 {bytes}, i64 {chars}, [{bytes} x i8] c\"{text}\" }}, align 8",
            bytes = value.len(),
            chars = value.chars().count(),
            text = text::escape(value.as_bytes())
        ));
        format!("@string.{number}")
    }

    /// The address of the type's zero value.
    pub fn zero(&mut self, ty: Ty) -> String {
        if let Some(&number) = self.zeros.get(&ty) {
            return format!("@zero.{number}");
        }
        let number = self.zeros.len();
        self.zeros.insert(ty, number);
        let (llvm, value) = (self.ty(ty), self.zero_constant(ty));
        self.constant(format_args!(
            "@zero.{number} = internal constant {llvm} {value}, align 8"
        ));
        format!("@zero.{number}")
    }

    /// The symbol of the EntryDesc of a function of kind `Entry`.
    pub fn entry(&mut self, function: FnId) -> String {
        self.entries.insert(function.0);
        format!("@entry.{}", function.0)
    }

    /// The symbol of the closure block of a function of kind `Closure`.
    pub fn closure(&mut self, function: FnId) -> String {
        self.closures.insert(function.0);
        format!("@closure.{}", function.0)
    }

    /// EntryDescs and closure blocks that were asked for.
    pub fn define_callables(&mut self) {
        for number in std::mem::take(&mut self.entries) {
            self.define_entry(number);
        }
        for number in std::mem::take(&mut self.closures) {
            let symbol = text::function_symbol(&self.module.functions[number as usize]);
            self.constant(format_args!(
                "@closure.{number} = internal constant {{ i32, i32, ptr, ptr }} {{ i32 0, i32 0, ptr {symbol}, ptr null }}"
            ));
        }
    }

    fn define_entry(&mut self, number: u32) {
        let module = self.module;
        let function = &module.functions[number as usize];
        let symbol = text::function_symbol(function);
        let name = self.text_constant(&function.name);
        let result = self.desc_or_null(function.result);
        let params: Vec<Ty> = function.vars[..function.parameter_count]
            .iter()
            .map(|var| var.ty)
            .collect();
        let args = self.tuple_desc(number, &params);
        self.constant(format_args!(
            "@entry.{number} = internal global %EntryDesc {{ ptr {symbol}, ptr {name}, i32 {}, i32 0, ptr {args}, ptr {result}, i32 0, i32 0 }}",
            function.name.len()
        ));
    }

    /// A descriptor for the tuple of an entry's arguments (of any number, so not an Echo type).
    fn tuple_desc(&mut self, number: u32, members: &[Ty]) -> String {
        if members.is_empty() {
            return "null".to_string();
        }
        let (offsets, Layout { size, align }) = layout::fields(self.program, members, 0);
        let rows: Vec<String> = offsets
            .iter()
            .zip(members)
            .map(|(offset, &member)| {
                let desc = self.desc(member);
                format!("%FieldDesc {{ ptr {desc}, ptr null, i32 0, i32 {offset} }}")
            })
            .collect();
        self.constant(format_args!(
            "@args.fields.{number} = internal constant [{} x %FieldDesc] [{}]",
            rows.len(),
            rows.join(", ")
        ));
        let managed = members
            .iter()
            .any(|&member| layout::is_managed(self.program, member));
        let flags = if managed { DESC_MANAGED } else { 0 };
        let name = self.text_constant("arguments");
        self.constant(format_args!(
            "@args.{number} = internal constant %TypeDesc {{ i8 {}, i8 {flags}, i16 {align}, i32 {size}, ptr {name}, i32 9, i32 {}, ptr @args.fields.{number}, ptr null }}",
            Kind::Tuple as u8,
            members.len()
        ));
        format!("@args.{number}")
    }
}
