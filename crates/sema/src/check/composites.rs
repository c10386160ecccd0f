//! Tuples, arrays, maps and structs as written; indexes and slices.

use echo_syntax::ast::{self, Entry, ExprKind as Ast};
use echo_syntax::{Diagnostic, Span};

use super::conditionals::{Agreement, Rank, by_rank, rank};
use super::expected::{Origin, Want, broken, node};
use super::{Checker, code, is_open};
use crate::typed::{Expr, ExprKind};
use crate::types::{StructId, Ty, TyKind};

impl<'a> Checker<'a> {
    pub(super) fn tuple(&mut self, elements: &'a [ast::Expr], want: Want, span: Span) -> Expr {
        if elements.is_empty() {
            return node(ExprKind::Unit, Ty::VOID, span);
        }
        let expected = match want.hint().map(|ty| self.kind(ty)) {
            Some(TyKind::Tuple(types)) if types.len() == elements.len() => Some(types.clone()),
            _ => None,
        };
        let mut checked = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            let want = match &expected {
                Some(types) => part_of(want, types[index]),
                None => Want::Nothing,
            };
            checked.push(self.expr(element, want));
        }
        let types = match expected {
            Some(types) if matches!(want, Want::Exactly(..)) => types,
            _ => checked.iter().map(|element| stored(element.ty)).collect(),
        };
        let ty = self.intern_sized(TyKind::Tuple(types), span);
        node(ExprKind::Tuple(checked), ty, span)
    }

    // ------------------------------------------------------------ arrays

    pub(super) fn array(&mut self, elements: &'a [ast::Expr], want: Want, span: Span) -> Expr {
        let expected = self.element_hint(want);
        if elements.is_empty() {
            return match (expected, want) {
                (Some(_), _) => {
                    let ty = want.hint().expect("an element was hinted at");
                    node(ExprKind::Array(Vec::new()), ty, span)
                }
                // Reported as a mismatch.
                (None, Want::Exactly(ty, _)) if ty != Ty::ERROR => {
                    let ty = self.types.intern(TyKind::Array(Ty::ERROR));
                    node(ExprKind::Array(Vec::new()), ty, span)
                }
                _ => self.cannot_infer("[]", "[int]", want, span),
            };
        }
        let want = expected.map_or(Want::Nothing, |element| part_of(want, element));
        let mut agreement = Agreement::new(want, "this element determines the type of the others");
        let mut checked: Vec<Option<Expr>> = elements.iter().map(|_| None).collect();
        for at in by_rank(elements.iter().map(element_rank)) {
            let element = self.element(&elements[at], agreement.want(), expected.is_some());
            agreement.add(element.ty, element.span);
            checked[at] = Some(element);
        }
        let element = match (agreement.ty(), expected) {
            (Ty::NEVER, Some(element)) => element,
            (Ty::NEVER, None) => return self.cannot_infer("[…]", "[int]", want, span),
            (element, _) => self.reject_void_element(element, span),
        };
        self.array_of(checked.into_iter().flatten().collect(), element, span)
    }

    /// An element. Numbers must be alike as they stand: `[1, 2.5]` is mixed, unless `[float]` is expected.
    fn element(&mut self, element: &'a ast::Expr, want: Want, is_expected: bool) -> Expr {
        match want {
            Want::Exactly(ty, origin)
                if !is_expected
                    && rank(element) == Rank::Int
                    && matches!(self.kind(ty), TyKind::F32 | TyKind::F64) =>
            {
                let element = self.expr(element, Want::Nothing);
                self.coerce(element, ty, origin)
            }
            _ => self.expr(element, want),
        }
    }

    fn array_of(&mut self, elements: Vec<Expr>, element: Ty, span: Span) -> Expr {
        let ty = self.intern_sized(TyKind::Array(element), span);
        node(ExprKind::Array(elements), ty, span)
    }

    fn element_hint(&self, want: Want) -> Option<Ty> {
        match self.kind(want.hint()?) {
            TyKind::Array(element) => Some(*element),
            _ => None,
        }
    }

    /// `[value; count]`
    pub(super) fn array_repeat(
        &mut self,
        value: &'a ast::Expr,
        count: &'a ast::Expr,
        want: Want,
        span: Span,
    ) -> Expr {
        let expected = self.element_hint(want);
        let want = expected.map_or(Want::Nothing, |element| part_of(want, element));
        let value = self.expr(value, want);
        let count = self.expr(count, Want::plain(Ty::INT));
        self.reject_negative_count(&count, "an array cannot have");
        let element = match want {
            Want::Exactly(ty, _) => ty,
            _ => self.reject_void_element(value.ty, value.span),
        };
        let ty = self.intern_sized(TyKind::Array(stored(element)), span);
        node(
            ExprKind::ArrayRepeat(Box::new(value), Box::new(count)),
            ty,
            span,
        )
    }

    pub(super) fn reject_negative_count(&mut self, count: &Expr, what: &str) {
        if let Some(value) = super::constants::constant(count)
            && value < 0
        {
            let message = format!("{what} {value} elements");
            self.error(code::CONSTANT_PANICS, message, count.span);
        }
    }

    // ------------------------------------------------------------ braces

    /// `{…}`: a struct or a map, by the expected type; without one a map, if the keys cannot be field names.
    pub(super) fn braces(&mut self, entries: &'a [Entry], want: Want, span: Span) -> Expr {
        if let Want::Exactly(Ty::ERROR, _) = want {
            return self.broken_entries(entries, span);
        }
        if let Some(ty) = want.hint() {
            match *self.kind(ty) {
                TyKind::Struct(id) => return self.fields(id, ty, entries, span),
                TyKind::Map(key, value) => {
                    return self.map(entries, part_of(want, key), part_of(want, value), span);
                }
                _ => {}
            }
        }
        let has_names = entries
            .iter()
            .any(|entry| matches!(entry.key.kind, Ast::Name(_)) && truth(&entry.key).is_none());
        if entries.is_empty() || has_names {
            let message = "it is not known here which struct or map this is";
            self.report(
                Diagnostic::error(code::CANNOT_INFER, message, span).with_help(
                    "write the struct's name in front, or declare the type where it is stored",
                ),
            );
            return self.broken_entries(entries, span);
        }
        self.map(entries, Want::Nothing, Want::Nothing, span)
    }

    /// Entries of what is not known; their values are checked all the same.
    fn broken_entries(&mut self, entries: &'a [Entry], span: Span) -> Expr {
        for entry in entries {
            self.broken_call(std::slice::from_ref(&entry.value), span);
        }
        broken(span)
    }

    fn map(&mut self, entries: &'a [Entry], key: Want, value: Want, span: Span) -> Expr {
        let mut keys = Agreement::new(key, "this key determines the type of the others");
        let mut values = Agreement::new(value, "this value determines the type of the others");
        let mut checked_keys: Vec<Option<Expr>> = entries.iter().map(|_| None).collect();
        let mut checked_values: Vec<Option<Expr>> = entries.iter().map(|_| None).collect();
        for at in by_rank(entries.iter().map(|entry| rank(&entry.key))) {
            let key = &entries[at].key;
            let key = match truth(key) {
                Some(value) => node(ExprKind::Bool(value), Ty::BOOL, key.span),
                None => self.expr(key, keys.want()),
            };
            keys.add(key.ty, key.span);
            checked_keys[at] = Some(key);
        }
        for at in by_rank(entries.iter().map(|entry| rank(&entry.value))) {
            let value = self.expr(&entries[at].value, values.want());
            values.add(value.ty, value.span);
            checked_values[at] = Some(value);
        }
        let of = |agreement: &Agreement, want: Want| match (entries.is_empty(), want.hint()) {
            (true, Some(ty)) => ty,
            _ => stored(agreement.ty()),
        };
        let key = of(&keys, key);
        let key = self.reject_bad_key(key, span);
        let value = of(&values, value);
        let value = self.reject_void_element(value, span);
        let ty = self.intern_sized(TyKind::Map(key, value), span);
        let entries = checked_keys.into_iter().zip(checked_values);
        let entries = entries
            .filter_map(|(key, value)| Some((key?, value?)))
            .collect();
        node(ExprKind::Map(entries), ty, span)
    }

    /// `Point{x: 1}`; also a map by the name of an alias.
    pub(super) fn struct_literal(
        &mut self,
        ty: &ast::Type,
        entries: &'a [Entry],
        span: Span,
    ) -> Expr {
        let resolved = self.resolve_type(ty);
        match *self.kind(resolved) {
            TyKind::Struct(id) => self.fields(id, resolved, entries, span),
            TyKind::Map(key, value) => {
                self.map(entries, Want::plain(key), Want::plain(value), span)
            }
            _ => {
                if resolved != Ty::ERROR {
                    let message = format!("`{}` is not a struct", self.show(resolved));
                    self.error(code::NOT_A_TYPE, message, ty.span);
                }
                self.broken_entries(entries, span)
            }
        }
    }

    fn fields(&mut self, id: StructId, ty: Ty, entries: &'a [Entry], span: Span) -> Expr {
        let mut given: Vec<(usize, Expr)> = Vec::new();
        let mut spans = std::collections::HashMap::new();
        let mut is_broken = false;
        for entry in entries {
            let Some(index) = self.field_of_entry(id, ty, entry) else {
                self.broken_call(std::slice::from_ref(&entry.value), span);
                is_broken = true;
                continue;
            };
            let field = self.structs[id.0 as usize].fields[index].ty;
            let declared = self.struct_spans[id.0 as usize].1[index];
            let origin = Origin::declared(declared, "the field is declared here");
            let value = self.expr(&entry.value, Want::Exactly(field, origin));
            if let Some(&first) = spans.get(&index) {
                let name = &self.structs[id.0 as usize].fields[index].name;
                let message = format!("the field `{name}` is given twice");
                self.report(
                    Diagnostic::error(code::BAD_FIELDS, message, entry.key.span)
                        .with_label(first, "first given here"),
                );
            }
            spans.insert(index, entry.key.span);
            given.push((index, value));
        }
        if !is_broken {
            self.report_missing_fields(id, &given, span);
        }
        node(ExprKind::Struct(id, given), ty, span)
    }

    fn field_of_entry(&mut self, id: StructId, ty: Ty, entry: &Entry) -> Option<usize> {
        let Ast::Name(name) = &entry.key.kind else {
            let message = format!("`{}` is a struct: write `field: value`", self.show(ty));
            self.error(code::BAD_FIELDS, message, entry.key.span);
            return None;
        };
        let fields = &self.structs[id.0 as usize].fields;
        let index = fields.iter().position(|field| field.name == *name.name);
        if index.is_none() {
            self.report_unknown_member(ty, name, "field");
        }
        index
    }

    fn report_missing_fields(&mut self, id: StructId, given: &[(usize, Expr)], span: Span) {
        let decl = &self.structs[id.0 as usize];
        let mut is_given = vec![false; decl.fields.len()];
        for (index, _) in given {
            is_given[*index] = true;
        }
        let missing: Vec<_> = decl
            .fields
            .iter()
            .zip(is_given)
            .filter(|(_, is_given)| !is_given)
            .map(|(field, _)| format!("`{}`", field.name))
            .collect();
        if missing.is_empty() {
            return;
        }
        let message = format!("`{}` also needs {}", decl.name, missing.join(", "));
        let declared = self.struct_spans[id.0 as usize].0;
        self.report(
            Diagnostic::error(code::BAD_FIELDS, message, span)
                .with_label(declared, "the struct is declared here"),
        );
    }

    // ------------------------------------------------------------ indexes

    /// `a[i]`, `m[k]`, `s[i]`
    pub(super) fn index(&mut self, base: &'a ast::Expr, args: &'a [ast::Expr], span: Span) -> Expr {
        let base = self.operand(base, Want::Nothing);
        self.index_of(base, args, span)
    }

    pub(super) fn index_of(&mut self, base: Expr, args: &'a [ast::Expr], span: Span) -> Expr {
        let [arg] = args else {
            let message = format!("an index is one value, not {}", args.len());
            self.error(code::WRONG_COUNT, message, span);
            return broken(span);
        };
        match *self.kind(base.ty) {
            TyKind::Array(element) => {
                let index = self.position(arg);
                node(
                    ExprKind::Index(Box::new(base), Box::new(index)),
                    element,
                    span,
                )
            }
            TyKind::String => {
                let index = self.position(arg);
                node(
                    ExprKind::CharAt(Box::new(base), Box::new(index)),
                    Ty::CHAR,
                    span,
                )
            }
            TyKind::Map(key, value) => {
                let key = self.expr(arg, Want::plain(key));
                self.require_zero(value, span);
                node(
                    ExprKind::MapIndex(Box::new(base), Box::new(key)),
                    value,
                    span,
                )
            }
            _ => {
                self.expr(arg, Want::Nothing);
                self.report_not_indexed(&base);
                broken(span)
            }
        }
    }

    /// What reads a missing entry of a map needs a zero value.
    pub(super) fn require_zero(&mut self, value: Ty, span: Span) {
        if self.has_zero(value) {
            return;
        }
        let message = format!(
            "`{}` has no zero value for a missing entry",
            self.show(value)
        );
        self.report(
            Diagnostic::error(code::NO_ZERO_VALUE, message, span)
                .with_help("read it with `.get(key)`, an `Option`"),
        );
    }

    pub(super) fn report_not_indexed(&mut self, base: &Expr) {
        if is_open(base.ty) {
            return;
        }
        let message = format!("`{}` cannot be indexed", self.show(base.ty));
        let mut diagnostic = Diagnostic::error(code::BAD_OPERANDS, message, base.span);
        if matches!(self.kind(base.ty), TyKind::Tuple(_)) {
            diagnostic = diagnostic.with_help("the elements of a tuple are `.0`, `.1` and so on");
        }
        self.report(diagnostic);
    }

    /// The index of an array or string.
    pub(super) fn position(&mut self, index: &'a ast::Expr) -> Expr {
        let index = self.expr(index, Want::plain(Ty::INT));
        self.reject_negative_index(&index);
        index
    }

    /// `a[i:j]`
    pub(super) fn slice(
        &mut self,
        base: &'a ast::Expr,
        start: Option<&'a ast::Expr>,
        end: Option<&'a ast::Expr>,
        span: Span,
    ) -> Expr {
        let base = self.operand(base, Want::Nothing);
        let start = start.map(|start| Box::new(self.position(start)));
        let end = end.map(|end| Box::new(self.position(end)));
        let ty = base.ty;
        match self.kind(ty) {
            TyKind::Array(_) | TyKind::String => {
                node(ExprKind::Slice(Box::new(base), start, end), ty, span)
            }
            _ => {
                if !is_open(ty) {
                    let message = format!("`{}` cannot be sliced", self.show(ty));
                    self.error(code::BAD_OPERANDS, message, base.span);
                }
                broken(span)
            }
        }
    }
}

/// Among the elements of an array numbers are one rank: the first gives the type.
fn element_rank(element: &ast::Expr) -> Rank {
    match rank(element) {
        Rank::Int | Rank::Float => Rank::Float,
        rank => rank,
    }
}

/// What is wanted of a part, given what is wanted of the whole.
fn part_of(whole: Want, part: Ty) -> Want {
    match whole {
        Want::Exactly(_, origin) => Want::Exactly(
            part,
            Origin {
                is_declared: false,
                ..origin
            },
        ),
        _ => Want::Like(part),
    }
}

/// The type of a part that may be an expression that does not return.
pub(super) fn stored(ty: Ty) -> Ty {
    match ty {
        Ty::NEVER => Ty::VOID,
        ty => ty,
    }
}

/// `true` and `false` in front of a `:`, where the parser takes them for the names of fields.
fn truth(key: &ast::Expr) -> Option<bool> {
    match &key.kind {
        Ast::Name(name) => name.as_str().parse().ok(),
        _ => None,
    }
}
