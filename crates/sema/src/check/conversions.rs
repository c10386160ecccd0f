//! Conversions that are written: `T(x)` and `x as T`.

use echo_syntax::ast::{self, ExprKind as Ast, UnaryOp};
use echo_syntax::{Diagnostic, Span};

use super::constants::constant;
use super::expected::{Want, broken, node};
use super::{Checker, code, foreign, is_open};
use crate::typed::{Conversion, Expr, ExprKind};
use crate::types::{Ty, TyKind};

impl<'a> Checker<'a> {
    /// `T(x)`
    pub(super) fn conversion(&mut self, ty: Ty, args: &'a [ast::Expr], span: Span) -> Expr {
        let [value] = args else {
            for arg in args {
                self.expr(arg, Want::Nothing);
            }
            if ty != Ty::ERROR {
                let message = format!("a conversion to `{}` takes one value", self.show(ty));
                let mut diagnostic = Diagnostic::error(code::WRONG_COUNT, message, span);
                diagnostic.help = made_by(&self.show(ty));
                self.report(diagnostic);
            }
            return broken(span);
        };
        if ty == Ty::ERROR {
            self.expr(value, Want::Nothing);
            return broken(span);
        }
        let value = self.converted_operand(value, ty);
        if ty == Ty::STRING {
            let mut text = self.as_text(value);
            text.span = span;
            return text;
        }
        if let Some(value) = constant(&value)
            && !self.require_in_range(value, ty, span)
        {
            return broken(span);
        }
        self.convert_to(Conversion::Checked, value, ty, span)
    }

    /// `x as T`
    pub(super) fn cast(&mut self, value: &'a ast::Expr, ty: &ast::Type, span: Span) -> Expr {
        let ty = self.resolve_type(ty);
        let value = self.converted_operand(value, ty);
        if ty == Ty::STRING {
            return self.as_text(value);
        }
        self.convert_to(Conversion::Wrapping, value, ty, span)
    }

    /// A number that stands there itself is read as one of the new type if it fits; one that is computed keeps its own type:
    /// `float(7 / 2)` is `3.0`.
    fn converted_operand(&mut self, value: &'a ast::Expr, ty: Ty) -> Expr {
        let literal = match &value.without_parens().kind {
            Ast::Int(value) => Some(i128::from(*value)),
            Ast::Unary(UnaryOp::Neg, _, inner) => match inner.without_parens().kind {
                Ast::Int(value) => Some(-i128::from(value)),
                _ => None,
            },
            _ => None,
        };
        let takes_literal = match (self.kind(ty), literal) {
            (TyKind::Int(kind), Some(value)) => (kind.min()..=kind.max()).contains(&value),
            (TyKind::F32 | TyKind::F64, Some(value)) => value.unsigned_abs() < 1 << 24,
            _ => false,
        };
        let want = match takes_literal {
            true => Want::Like(ty),
            false => Want::Nothing,
        };
        self.operand(value, want)
    }

    fn convert_to(&mut self, conversion: Conversion, value: Expr, ty: Ty, span: Span) -> Expr {
        if is_open(value.ty) || is_open(ty) {
            return node(
                value.kind,
                if ty == Ty::ERROR { ty } else { value.ty },
                span,
            );
        }
        if value.ty == ty {
            return Expr { span, ..value };
        }
        if !self.is_convertible(value.ty, ty) {
            self.report_no_conversion(&value, ty, span);
            return broken(span);
        }
        let conversion = match self.is_widening(value.ty, ty) {
            true => Conversion::Widen,
            false => conversion,
        };
        node(ExprKind::Convert(conversion, Box::new(value)), ty, span)
    }

    fn is_convertible(&self, from: Ty, to: Ty) -> bool {
        match (self.kind(from), self.kind(to)) {
            (TyKind::Int(_), TyKind::Int(_) | TyKind::F32 | TyKind::F64 | TyKind::Char) => true,
            (TyKind::F32 | TyKind::F64, TyKind::Int(_) | TyKind::F32 | TyKind::F64) => true,
            (TyKind::Bool | TyKind::Char, TyKind::Int(_)) => true,
            (TyKind::Enum(id), TyKind::Int(_)) => {
                let variants = &self.enums[id.0 as usize].variants;
                variants.iter().all(|variant| variant.payload.is_empty())
            }
            _ => false,
        }
    }

    fn report_no_conversion(&mut self, value: &Expr, ty: Ty, span: Span) {
        let (from, to) = (self.show(value.ty), self.show(ty));
        let help = match (self.kind(value.ty), self.kind(ty)) {
            (TyKind::Int(_), TyKind::Bool) => Some("compare: `x != 0`".to_string()),
            (TyKind::String, TyKind::Array(_)) => {
                Some("take its characters: `.chars()`".to_string())
            }
            (_, TyKind::Struct(_)) => Some(format!("a struct is written `{to}{{…}}`")),
            _ => self
                .mismatch_help(value.ty, ty)
                .filter(|help| !help.starts_with("convert")),
        };
        let message = format!("`{from}` cannot be converted to `{to}`");
        let mut diagnostic = Diagnostic::error(code::BAD_CONVERSION, message, span);
        diagnostic.help = help;
        self.report(diagnostic);
    }
}

/// How a value of a type that cannot be called is made.
pub(super) fn made_by(name: &str) -> Option<String> {
    foreign::maker(name).map(|maker| format!("it is made by `{maker}`"))
}
