//! What types can do: be compared, printed, have a zero value; and how large they are.
//!
//! Types may be deep, wide and (through arrays) recursive, so every answer is found by a walk that visits each part once,
//! and is remembered.

use std::collections::{HashMap, HashSet};

use echo_syntax::Diagnostic;

use super::{Checker, code};
use crate::builtins::Bound;
use crate::types::{StructId, Ty, TyKind};

/// Words a type may take when written out.
const MAX_TEXT: u64 = 400;
/// Scalars a value of the type may hold in place.
const MAX_PARTS: u64 = 1000;

#[derive(Default)]
pub(super) struct Properties {
    text: HashMap<Ty, u64>,
    parts: HashMap<Ty, u64>,
    answers: HashMap<(Ty, Question), bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Question {
    Comparable,
    Ordered,
    Printable,
    Zero,
}

impl Checker<'_> {
    /// Whether a type can take the place of a variable with this bound.
    pub(super) fn satisfies(&mut self, ty: Ty, bound: Bound) -> bool {
        match (bound, self.kind(ty)) {
            (_, TyKind::Error | TyKind::Never) => true,
            (Bound::Number, kind) => matches!(kind, TyKind::Int(_) | TyKind::F32 | TyKind::F64),
            (Bound::Integer, kind) => matches!(kind, TyKind::Int(_)),
            (Bound::Value, kind) => !matches!(kind, TyKind::Void),
            (Bound::Comparable, _) => self.is_comparable(ty),
            (Bound::Ordered, _) => self.is_ordered(ty),
            (Bound::Printable, _) => self.is_printable(ty),
        }
    }

    /// `==`: everything but functions, and what holds them.
    pub(super) fn is_comparable(&mut self, ty: Ty) -> bool {
        self.all_parts(ty, Question::Comparable)
    }

    /// `<`: what has one obvious order.
    pub(super) fn is_ordered(&mut self, ty: Ty) -> bool {
        self.all_parts(ty, Question::Ordered)
    }

    /// Everything but functions, and what holds them.
    pub(super) fn is_printable(&mut self, ty: Ty) -> bool {
        self.all_parts(ty, Question::Printable)
    }

    /// Whether a missing entry of a map, say, can be read as a value of the type.
    pub(super) fn has_zero(&mut self, ty: Ty) -> bool {
        self.all_parts(ty, Question::Zero)
    }

    pub(super) fn is_key(&mut self, ty: Ty) -> bool {
        match self.kind(ty) {
            TyKind::Error
            | TyKind::Bool
            | TyKind::Int(_)
            | TyKind::F32
            | TyKind::F64
            | TyKind::String
            | TyKind::Char
            | TyKind::Enum(_) => true,
            TyKind::Struct(_) => self.is_comparable(ty),
            _ => false,
        }
    }

    /// Whether every part of the type that matters to the question is fine.
    fn all_parts(&mut self, ty: Ty, question: Question) -> bool {
        if let Some(&answer) = self.properties.answers.get(&(ty, question)) {
            return answer;
        }
        let mut seen = HashSet::from([ty]);
        let mut todo = vec![ty];
        let mut answer = true;
        while let Some(part) = todo.pop() {
            if self.is_unfit(part, question) {
                answer = false;
                break;
            }
            for inner in self.parts_asked(part, question) {
                if seen.insert(inner) {
                    todo.push(inner);
                }
            }
        }
        self.properties.answers.insert((ty, question), answer);
        answer
    }

    /// Whether a type by itself answers the question with no.
    fn is_unfit(&self, ty: Ty, question: Question) -> bool {
        let kind = self.kind(ty);
        match question {
            Question::Comparable | Question::Printable => matches!(kind, TyKind::Func(..)),
            Question::Ordered => !matches!(
                kind,
                TyKind::Error
                    | TyKind::Never
                    | TyKind::Bool
                    | TyKind::Char
                    | TyKind::Int(_)
                    | TyKind::F32
                    | TyKind::F64
                    | TyKind::String
                    | TyKind::Enum(_)
                    | TyKind::Array(_)
                    | TyKind::Tuple(_)
                    | TyKind::Option(_)
            ),
            Question::Zero => match kind {
                TyKind::Func(..)
                | TyKind::Chan(_)
                | TyKind::Future(_)
                | TyKind::Promise(_)
                | TyKind::Mutex(_)
                | TyKind::RwLock(_)
                | TyKind::Atomic
                | TyKind::WaitGroup
                | TyKind::Semaphore
                | TyKind::Once
                | TyKind::StringBuilder
                | TyKind::Ref(_) => true,
                TyKind::Enum(id) => {
                    let first = self.enums[id.0 as usize].variants.first();
                    !first.is_some_and(|variant| variant.payload.is_empty())
                }
                _ => false,
            },
        }
    }

    /// The parts of a value that the question goes on to.
    fn parts_asked(&self, ty: Ty, question: Question) -> Vec<Ty> {
        match self.kind(ty) {
            TyKind::Tuple(elements) => elements.clone(),
            TyKind::Struct(id) => self.field_types(*id),
            TyKind::Result(ok, _) if question == Question::Zero => vec![*ok],
            TyKind::Result(ok, err) => vec![*ok, *err],
            TyKind::Array(element) | TyKind::Option(element) if question != Question::Zero => {
                vec![*element]
            }
            TyKind::Map(key, value) if question != Question::Zero => vec![*key, *value],
            _ => Vec::new(),
        }
    }

    fn field_types(&self, id: StructId) -> Vec<Ty> {
        let fields = &self.structs[id.0 as usize].fields;
        fields.iter().map(|field| field.ty).collect()
    }

    // ------------------------------------------------------------ size

    /// Whether writing the type out would take too many words. Types made of such that are not are measured in one step each.
    pub(super) fn is_too_large(&mut self, ty: Ty) -> bool {
        self.text_size(ty) > MAX_TEXT
    }

    fn text_size(&mut self, ty: Ty) -> u64 {
        if let Some(&size) = self.properties.text.get(&ty) {
            return size;
        }
        let parts = type_arguments(self.kind(ty));
        // A part that is too large was reported when it was made; it is not looked into again.
        let sizes = parts.iter().map(|&part| self.text_size(part));
        let size = sizes.fold(1, u64::saturating_add);
        self.properties.text.insert(ty, size);
        size
    }

    /// A struct that holds itself in place has no size; one that holds too much in place is refused too.
    pub(super) fn reject_unbounded_struct(&mut self, id: StructId) {
        let ty = self.types.intern(TyKind::Struct(id));
        let Err(cycle) = self.count_parts(ty, &mut Vec::new()) else {
            if self
                .properties
                .parts
                .get(&ty)
                .is_some_and(|&parts| parts > MAX_PARTS)
            {
                let span = self.struct_spans[id.0 as usize].0;
                let name = &self.structs[id.0 as usize].name;
                let message = format!("`{name}` holds more than {MAX_PARTS} values in place");
                self.report(
                    Diagnostic::error(code::TOO_LARGE, message, span)
                        .with_help("put parts of it into arrays"),
                );
                self.structs[id.0 as usize].fields.clear();
                self.struct_spans[id.0 as usize].1.clear();
                self.properties.parts.insert(ty, 1);
            }
            return;
        };
        let (span, fields) = &self.struct_spans[cycle.0.0 as usize];
        let name = &self.structs[cycle.0.0 as usize].name;
        let message = format!("`{name}` contains itself");
        self.report(
            Diagnostic::error(code::RECURSIVE_TYPE, message, *span)
                .with_label(fields[cycle.1], "through this field")
                .with_help("put it behind an array or a map: `[T]` may be empty"),
        );
        self.structs[cycle.0.0 as usize].fields[cycle.1].ty = Ty::ERROR;
        // There may be another way around.
        self.reject_unbounded_struct(id);
    }

    /// The scalars a value holds in place; or the struct and field through which it holds itself.
    fn count_parts(&mut self, ty: Ty, open: &mut Vec<Ty>) -> Result<u64, (StructId, usize)> {
        if let Some(&parts) = self.properties.parts.get(&ty) {
            return Ok(parts);
        }
        let inner = match self.kind(ty).clone() {
            TyKind::Struct(id) => return self.count_fields(ty, id, open),
            TyKind::Tuple(elements) => elements,
            TyKind::Option(inner) => vec![inner],
            TyKind::Result(ok, err) => vec![ok, err],
            _ => return Ok(1),
        };
        let mut parts: u64 = 1;
        for inner in inner {
            parts = parts.saturating_add(self.count_parts(inner, open)?);
        }
        self.properties.parts.insert(ty, parts);
        Ok(parts)
    }

    fn count_fields(
        &mut self,
        ty: Ty,
        id: StructId,
        open: &mut Vec<Ty>,
    ) -> Result<u64, (StructId, usize)> {
        open.push(ty);
        let mut parts: u64 = 1;
        for (index, field) in self.field_types(id).into_iter().enumerate() {
            if self.holds_open(field, open) {
                open.pop();
                return Err((id, index));
            }
            parts = parts.saturating_add(self.count_parts(field, open)?);
        }
        open.pop();
        self.properties.parts.insert(ty, parts);
        Ok(parts)
    }

    /// Whether a field's type is, or holds right in place, a struct that is being counted.
    fn holds_open(&self, ty: Ty, open: &[Ty]) -> bool {
        match self.kind(ty) {
            TyKind::Struct(_) => open.contains(&ty),
            TyKind::Tuple(elements) => elements.iter().any(|&inner| self.holds_open(inner, open)),
            TyKind::Option(inner) => self.holds_open(*inner, open),
            TyKind::Result(ok, err) => self.holds_open(*ok, open) || self.holds_open(*err, open),
            _ => false,
        }
    }
}

/// The types a type is written with.
pub(super) fn type_arguments(kind: &TyKind) -> Vec<Ty> {
    match kind {
        TyKind::Tuple(elements) => elements.clone(),
        TyKind::Func(params, result) => params.iter().copied().chain([*result]).collect(),
        TyKind::Map(a, b) | TyKind::Result(a, b) => vec![*a, *b],
        TyKind::Array(inner)
        | TyKind::Option(inner)
        | TyKind::Ref(inner)
        | TyKind::Chan(inner)
        | TyKind::Future(inner)
        | TyKind::Promise(inner)
        | TyKind::Mutex(inner)
        | TyKind::RwLock(inner) => vec![*inner],
        _ => Vec::new(),
    }
}
