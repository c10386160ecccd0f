//! Patterns.

use std::collections::HashMap;
use std::sync::Arc;

use echo_syntax::ast::{self, FieldPattern, Ident, LiteralKind, PatternKind as Ast, RestPattern};
use echo_syntax::{Diagnostic, Span};

use super::bodies::Role;
use super::scopes::{Entity, Wrapper};
use super::{Checker, code, count_text, is_open, path_text};
use crate::typed::{Literal, LocalId, Pattern, PatternKind};
use crate::types::{Ty, TyKind};

/// The variables a pattern binds.
#[derive(Default)]
struct Bindings {
    bound: HashMap<Arc<str>, (LocalId, Span)>,
    /// In a further alternative of `a | b`: the variables of the first, which it must bind too.
    first_alternative: Option<HashMap<Arc<str>, (LocalId, Span)>>,
}

impl<'a> Checker<'a> {
    /// A pattern for a value of type `ty`; its variables are declared in the present scope.
    pub(super) fn pattern(&mut self, pattern: &'a ast::Pattern, ty: Ty) -> Pattern {
        self.sub_pattern(pattern, ty, &mut Bindings::default())
    }

    fn sub_pattern(
        &mut self,
        pattern: &'a ast::Pattern,
        ty: Ty,
        bindings: &mut Bindings,
    ) -> Pattern {
        let span = pattern.span;
        let kind = match &pattern.kind {
            Ast::Wildcard => PatternKind::Wildcard,
            Ast::Literal(literal) => self
                .pattern_literal(literal, ty)
                .map_or(PatternKind::Wildcard, PatternKind::Literal),
            Ast::Range(low, high) => self.range_pattern(low, high, ty, span),
            Ast::Name(name) => self.name_pattern(name, ty, bindings),
            Ast::Variant { path, args } => {
                self.variant_pattern(path, args.as_deref(), ty, bindings, span)
            }
            Ast::Struct { path, fields } => self.struct_pattern(path, fields, ty, bindings, span),
            Ast::Tuple(elements) => self.tuple_pattern(elements, ty, bindings, span),
            Ast::Array { elements, rest } => {
                self.array_pattern(elements, rest.as_ref(), ty, bindings, span)
            }
            Ast::Or(alternatives) => self.or_pattern(alternatives, ty, bindings),
            Ast::Error => {
                self.has_error_node = true;
                PatternKind::Wildcard
            }
        };
        Pattern { kind, ty, span }
    }

    /// A pattern that cannot match values of the type. What it binds is declared all the same.
    fn misfit(
        &mut self,
        what: &str,
        ty: Ty,
        parts: impl IntoIterator<Item = &'a ast::Pattern>,
        bindings: &mut Bindings,
        span: Span,
    ) -> PatternKind {
        if !is_open(ty) {
            let message = format!("{what} cannot match a value of type `{}`", self.show(ty));
            self.error(code::BAD_PATTERN, message, span);
        }
        for part in parts {
            self.sub_pattern(part, Ty::ERROR, bindings);
        }
        PatternKind::Wildcard
    }

    // ------------------------------------------------------------ literals

    fn pattern_literal(&mut self, literal: &ast::Literal, ty: Ty) -> Option<Literal> {
        let span = literal.span;
        let (value, what) = match &literal.kind {
            LiteralKind::Int { negative, value } => {
                let value = i128::from(*value);
                let value = if *negative { -value } else { value };
                match self.kind(ty) {
                    TyKind::F32 | TyKind::F64 => return Some(Literal::Float(value as f64)),
                    TyKind::Int(_) => {
                        let fits = self.require_in_range(value, ty, span);
                        return fits.then_some(Literal::Int(value));
                    }
                    _ => (Literal::Int(value), "an integer"),
                }
            }
            LiteralKind::Float(value) => match self.kind(ty) {
                TyKind::F32 => return Some(Literal::Float(f64::from(*value as f32))),
                TyKind::F64 => return Some(Literal::Float(*value)),
                _ => (Literal::Float(*value), "a float"),
            },
            LiteralKind::Str(text) => (Literal::Str(text.to_string()), "a string"),
            LiteralKind::Char(value) => (Literal::Char(*value), "a character"),
            LiteralKind::Bool(value) => (Literal::Bool(*value), "a bool"),
        };
        let fits = matches!(
            (&value, self.kind(ty)),
            (Literal::Str(_), TyKind::String)
                | (Literal::Char(_), TyKind::Char)
                | (Literal::Bool(_), TyKind::Bool)
        );
        if !fits && !is_open(ty) {
            let message = format!("{what} cannot match a value of type `{}`", self.show(ty));
            self.error(code::BAD_PATTERN, message, span);
        }
        fits.then_some(value)
    }

    fn range_pattern(
        &mut self,
        low: &ast::Literal,
        high: &ast::Literal,
        ty: Ty,
        span: Span,
    ) -> PatternKind {
        let low = self.pattern_literal(low, ty);
        let high = self.pattern_literal(high, ty);
        let (Some(low), Some(high)) = (low, high) else {
            return PatternKind::Wildcard;
        };
        let is_empty = match (&low, &high) {
            (Literal::Int(low), Literal::Int(high)) => low > high,
            (Literal::Char(low), Literal::Char(high)) => low > high,
            _ => {
                let message = "a range in a pattern is of integers or characters";
                self.error(code::BAD_PATTERN, message, span);
                return PatternKind::Wildcard;
            }
        };
        if is_empty {
            let message = "this range is empty: its first end is the larger";
            self.error(code::BAD_PATTERN, message, span);
            return PatternKind::Wildcard;
        }
        PatternKind::Range(low, high)
    }

    // ------------------------------------------------------------ names

    /// A variant of the matched type, else a variable.
    fn name_pattern(&mut self, name: &Ident, ty: Ty, bindings: &mut Bindings) -> PatternKind {
        if let Some((id, index)) = self.variant_of(ty, &name.name) {
            return PatternKind::Variant(id, index, Vec::new());
        }
        match (Wrapper::named(&name.name), self.kind(ty)) {
            (Some(Wrapper::None), TyKind::Option(_)) => return PatternKind::None,
            (Some(Wrapper::Some), TyKind::Option(_))
            | (Some(Wrapper::Ok | Wrapper::Err), TyKind::Result(..)) => {
                let message = format!("`{0}` holds a value: write `{0}(x)` or `{0}(_)`", name.name);
                self.error(code::BAD_PATTERN, message, name.span);
                return PatternKind::Wildcard;
            }
            _ => {}
        }
        if name.name.starts_with(char::is_uppercase) {
            self.report_no_variant(name, ty);
            return PatternKind::Wildcard;
        }
        self.bind(name, ty, bindings)
    }

    fn report_no_variant(&mut self, name: &Ident, ty: Ty) {
        match self.kind(ty) {
            TyKind::Error | TyKind::Never => {}
            TyKind::Enum(_) | TyKind::Option(_) | TyKind::Result(..) => {
                self.report_unknown_variant(ty, &name.name, name.span);
            }
            _ => {
                let message = format!("`{}` has no variants", self.show(ty));
                self.report(
                    Diagnostic::error(code::BAD_PATTERN, message, name.span)
                        .with_note("a name that begins with a capital letter is a variant")
                        .with_help("a variable's name begins with a small letter"),
                );
            }
        }
    }

    fn bind(&mut self, name: &Ident, ty: Ty, bindings: &mut Bindings) -> PatternKind {
        if name.is_underscore() {
            return PatternKind::Wildcard;
        }
        if let Some((_, first)) = bindings.bound.get(&name.name) {
            let first = *first;
            let message = format!("`{}` is bound twice in this pattern", name.name);
            self.report(
                Diagnostic::error(code::BAD_PATTERN, message, name.span)
                    .with_label(first, "first bound here"),
            );
            return PatternKind::Wildcard;
        }
        let reused = match &bindings.first_alternative {
            None => None,
            Some(first) => match first.get(&name.name) {
                Some(&(local, declared)) => Some((local, declared)),
                None => {
                    self.report_uneven_alternatives(name);
                    return PatternKind::Wildcard;
                }
            },
        };
        let local = match reused {
            Some((local, declared)) => {
                let first = self.local_ty(local);
                if first != ty && !is_open(first) && !is_open(ty) {
                    let message = format!(
                        "`{}` is `{}` here, but `{}` in another alternative",
                        name.name,
                        self.show(ty),
                        self.show(first)
                    );
                    self.report(
                        Diagnostic::error(code::BAD_PATTERN, message, name.span)
                            .with_label(declared, "the other alternative"),
                    );
                }
                local
            }
            None => self.declare(name, ty, Role::Variable),
        };
        bindings.bound.insert(name.name.clone(), (local, name.span));
        PatternKind::Bind(local)
    }

    fn report_uneven_alternatives(&mut self, name: &Ident) {
        let message = format!("`{}` is not bound in every alternative", name.name);
        self.report(
            Diagnostic::error(code::BAD_PATTERN, message, name.span)
                .with_note("what is bound must not depend on which alternative matches"),
        );
    }

    fn or_pattern(
        &mut self,
        alternatives: &'a [ast::Pattern],
        ty: Ty,
        bindings: &mut Bindings,
    ) -> PatternKind {
        let mut checked = Vec::new();
        let mut first: Option<HashMap<Arc<str>, (LocalId, Span)>> = None;
        for alternative in alternatives {
            let mut own = Bindings {
                bound: HashMap::new(),
                first_alternative: first.clone().or_else(|| bindings.first_alternative.clone()),
            };
            checked.push(self.sub_pattern(alternative, ty, &mut own));
            match &first {
                None => first = Some(own.bound),
                Some(first) => {
                    let missing = first.keys().find(|name| !own.bound.contains_key(*name));
                    if let Some(name) = missing {
                        let (name, span) = (name.clone(), first[name].1);
                        self.report_uneven_alternatives(&Ident { name, span });
                    }
                }
            }
        }
        for (name, (local, span)) in first.unwrap_or_default() {
            if let Some((_, earlier)) = bindings.bound.insert(name.clone(), (local, span)) {
                let message = format!("`{name}` is bound twice in this pattern");
                self.report(
                    Diagnostic::error(code::BAD_PATTERN, message, span)
                        .with_label(earlier, "first bound here"),
                );
            }
        }
        PatternKind::Or(checked)
    }

    // ------------------------------------------------------------ variants

    /// `Some(p)`, `Color.Red`
    fn variant_pattern(
        &mut self,
        path: &'a [Ident],
        args: Option<&'a [ast::Pattern]>,
        ty: Ty,
        bindings: &mut Bindings,
        span: Span,
    ) -> PatternKind {
        let name = path.last().expect("a path has a segment");
        let parts = args.unwrap_or_default();
        if let [qualifiers @ .., _] = path
            && !qualifiers.is_empty()
            && !self.is_qualified_by(qualifiers, ty)
        {
            let what = format!("`{}`", path_text(path));
            return self.misfit(&what, ty, parts, bindings, span);
        }
        if let Some((id, index)) = self.variant_of(ty, &name.name) {
            if args.is_some() {
                self.report_no_payload(name);
            }
            return PatternKind::Variant(id, index, Vec::new());
        }
        let payload = match (Wrapper::named(&name.name), self.kind(ty)) {
            (Some(Wrapper::None), TyKind::Option(_)) => None,
            (Some(Wrapper::Some), TyKind::Option(payload)) => Some(*payload),
            (Some(Wrapper::Ok), TyKind::Result(ok, _)) => Some(*ok),
            (Some(Wrapper::Err), TyKind::Result(_, err)) => Some(*err),
            (Some(_), _) => {
                let what = format!("`{}`", name.name);
                return self.misfit(&what, ty, parts, bindings, span);
            }
            (None, _) => {
                self.report_no_variant(name, ty);
                return self.misfit("", Ty::ERROR, parts, bindings, span);
            }
        };
        let takes = usize::from(payload.is_some());
        if parts.len() != takes {
            let message = format!(
                "`{}` holds {}, but the pattern has {}",
                name.name,
                count_text(takes, "value"),
                parts.len()
            );
            self.error(code::WRONG_COUNT, message, span);
            return self.misfit("", Ty::ERROR, parts, bindings, span);
        }
        let Some(payload) = payload else {
            return PatternKind::None;
        };
        let inner = Box::new(self.sub_pattern(&parts[0], payload, bindings));
        match Wrapper::named(&name.name) {
            Some(Wrapper::Some) => PatternKind::Some(inner),
            Some(Wrapper::Ok) => PatternKind::Ok(inner),
            _ => PatternKind::Err(inner),
        }
    }

    /// Whether what stands before a variant's name is its enum.
    fn is_qualified_by(&mut self, qualifiers: &[Ident], ty: Ty) -> bool {
        if is_open(ty) {
            return true;
        }
        match self.path_entity(qualifiers) {
            Entity::Type(named) => named == ty || named == Ty::ERROR,
            Entity::TypeFamily(native) => match self.kind(ty) {
                TyKind::Option(_) => native.name == "Option",
                TyKind::Result(..) => native.name == "Result",
                _ => false,
            },
            Entity::Broken => true,
            _ => false,
        }
    }

    /// What `name` or `module.name` means.
    fn path_entity(&mut self, path: &[Ident]) -> Entity {
        match path {
            [name] => self.lookup_item(name),
            [module, name] => match self.lookup_item(module) {
                Entity::Module(module) => self.member_entity(module, &name.name),
                _ => Entity::Unknown,
            },
            _ => Entity::Unknown,
        }
    }

    // ------------------------------------------------------------ structs, tuples, arrays

    fn struct_pattern(
        &mut self,
        path: &'a [Ident],
        fields: &'a [FieldPattern],
        ty: Ty,
        bindings: &mut Bindings,
        span: Span,
    ) -> PatternKind {
        let parts = || fields.iter().filter_map(|field| field.pattern.as_ref());
        let named = match self.path_entity(path) {
            Entity::Type(named) => named,
            Entity::Broken => Ty::ERROR,
            _ => {
                let message = format!("there is no struct `{}`", path_text(path));
                self.error(code::UNKNOWN_TYPE, message, span);
                Ty::ERROR
            }
        };
        if !matches!(self.kind(ty), TyKind::Struct(_)) || named != ty {
            let ty = if named == Ty::ERROR { named } else { ty };
            let what = format!("a `{}`", path_text(path));
            let kind = self.misfit(&what, ty, parts(), bindings, span);
            for field in fields.iter().filter(|field| field.pattern.is_none()) {
                self.bind(&field.name, Ty::ERROR, bindings);
            }
            return kind;
        }
        let mut checked: Vec<(usize, Pattern)> = Vec::new();
        for field in fields {
            let Some((index, field_ty)) = self.field_named(ty, &field.name) else {
                self.report_unknown_member(ty, &field.name, "field");
                self.field_pattern(field, Ty::ERROR, bindings);
                continue;
            };
            if checked.iter().any(|(other, _)| *other == index) {
                let message = format!("the field `{}` is matched twice", field.name.name);
                self.error(code::BAD_PATTERN, message, field.span);
            }
            let pattern = self.field_pattern(field, field_ty, bindings);
            checked.push((index, pattern));
        }
        PatternKind::Struct(checked)
    }

    fn field_pattern(
        &mut self,
        field: &'a FieldPattern,
        ty: Ty,
        bindings: &mut Bindings,
    ) -> Pattern {
        match &field.pattern {
            Some(pattern) => self.sub_pattern(pattern, ty, bindings),
            None => {
                let kind = self.bind(&field.name, ty, bindings);
                let span = field.span;
                Pattern { kind, ty, span }
            }
        }
    }

    fn tuple_pattern(
        &mut self,
        elements: &'a [ast::Pattern],
        ty: Ty,
        bindings: &mut Bindings,
        span: Span,
    ) -> PatternKind {
        match self.kind(ty) {
            TyKind::Void if elements.is_empty() => PatternKind::Wildcard,
            TyKind::Tuple(types) if types.len() == elements.len() => {
                let types = types.clone();
                let elements = elements.iter().zip(types);
                PatternKind::Tuple(
                    elements
                        .map(|(element, ty)| self.sub_pattern(element, ty, bindings))
                        .collect(),
                )
            }
            _ => {
                let what = format!("a tuple of {}", elements.len());
                self.misfit(&what, ty, elements, bindings, span)
            }
        }
    }

    fn array_pattern(
        &mut self,
        elements: &'a [ast::Pattern],
        rest: Option<&RestPattern>,
        ty: Ty,
        bindings: &mut Bindings,
        span: Span,
    ) -> PatternKind {
        let rest_name = rest.and_then(|rest| rest.name.as_ref());
        let TyKind::Array(element) = *self.kind(ty) else {
            let kind = self.misfit("an array", ty, elements, bindings, span);
            if let Some(name) = rest_name {
                self.bind(name, Ty::ERROR, bindings);
            }
            return kind;
        };
        let checked = elements
            .iter()
            .map(|pattern| self.sub_pattern(pattern, element, bindings))
            .collect();
        let rest_local = rest_name.and_then(|name| match self.bind(name, ty, bindings) {
            PatternKind::Bind(local) => Some(local),
            _ => None,
        });
        PatternKind::Array {
            elements: checked,
            rest: rest.map(|_| rest_local),
        }
    }
}
