//! Numbers as written, and zero values.

use echo_syntax::ast::Ident;
use echo_syntax::{Diagnostic, Span};

use super::expected::{Want, broken, node};
use super::{Checker, code};
use crate::typed::{Expr, ExprKind};
use crate::types::{Ty, TyKind};

impl Checker<'_> {
    /// An integer, its sign included, as the number type that is expected, else as `int`.
    pub(super) fn int_literal(&mut self, value: i128, want: Want, span: Span) -> Expr {
        let ty = match want.hint() {
            Some(ty) if matches!(self.kind(ty), TyKind::Int(_) | TyKind::F32 | TyKind::F64) => ty,
            _ => Ty::INT,
        };
        let float = match self.kind(ty) {
            TyKind::F64 => Some(value as f64),
            TyKind::F32 => Some(f64::from(value as f32)),
            _ => None,
        };
        match float {
            Some(float) if float as i128 == value => node(ExprKind::Float(float), ty, span),
            Some(_) => {
                let message = format!("`{value}` has no exact value as `{}`", self.show(ty));
                self.report(
                    Diagnostic::error(code::OUT_OF_RANGE, message, span)
                        .with_help(format!("write `{value}.0` for the nearest one")),
                );
                broken(span)
            }
            None => match self.require_in_range(value, ty, span) {
                true => node(ExprKind::Int(value), ty, span),
                false => broken(span),
            },
        }
    }

    /// Whether an integer type holds the value; reports when not.
    pub(super) fn require_in_range(&mut self, value: i128, ty: Ty, span: Span) -> bool {
        let TyKind::Int(kind) = *self.kind(ty) else {
            return true;
        };
        let (min, max) = (kind.min(), kind.max());
        if (min..=max).contains(&value) {
            return true;
        }
        let message = format!("`{value}` does not fit `{}`", self.show(ty));
        self.report(
            Diagnostic::error(code::OUT_OF_RANGE, message, span)
                .with_note(format!("`{}` holds {min} to {max}", self.show(ty))),
        );
        false
    }

    pub(super) fn float_literal(&mut self, value: f64, want: Want, span: Span) -> Expr {
        if want.hint() != Some(Ty::F32) {
            return node(ExprKind::Float(value), Ty::FLOAT, span);
        }
        if (value as f32).is_infinite() && value.is_finite() {
            let message = format!("`{value:?}` does not fit `f32`");
            self.error(code::OUT_OF_RANGE, message, span);
            return broken(span);
        }
        node(ExprKind::Float(f64::from(value as f32)), Ty::F32, span)
    }

    // ------------------------------------------------------------ zero values

    /// The zero value for a `let` without one.
    pub(super) fn zero_value(&mut self, ty: Ty, name: &Ident, span: Span) -> Expr {
        if ty == Ty::ERROR {
            return broken(span);
        }
        if !self.has_zero(ty) {
            let message = format!(
                "`{}` needs a value: `{}` has no zero value",
                name.name,
                self.show(ty)
            );
            self.error(code::NO_ZERO_VALUE, message, span);
            return broken(span);
        }
        self.zero(ty, span)
    }

    /// Structs hold a bounded number of values in place, so this is too.
    fn zero(&self, ty: Ty, span: Span) -> Expr {
        let kind = match self.kind(ty) {
            TyKind::Int(_) => ExprKind::Int(0),
            TyKind::F32 | TyKind::F64 => ExprKind::Float(0.0),
            TyKind::Bool => ExprKind::Bool(false),
            TyKind::Char => ExprKind::Char('\0'),
            TyKind::String => ExprKind::Str(String::new()),
            TyKind::Array(_) => ExprKind::Array(Vec::new()),
            TyKind::Map(..) => ExprKind::Map(Vec::new()),
            TyKind::Option(_) => ExprKind::None,
            TyKind::Result(ok, _) => ExprKind::Ok(Box::new(self.zero(*ok, span))),
            TyKind::Enum(id) => ExprKind::Variant(*id, 0, Vec::new()),
            TyKind::Tuple(elements) => {
                ExprKind::Tuple(elements.iter().map(|&ty| self.zero(ty, span)).collect())
            }
            TyKind::Struct(id) => {
                let fields = self.structs[id.0 as usize].fields.iter().enumerate();
                let fields = fields.map(|(index, field)| (index, self.zero(field.ty, span)));
                ExprKind::Struct(*id, fields.collect())
            }
            _ => ExprKind::Unit,
        };
        node(kind, ty, span)
    }
}
