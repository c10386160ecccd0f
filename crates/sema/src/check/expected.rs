//! What an expression is expected to be, and making it so.
//!
//! The one place where implicit conversions happen: [`Checker::coerce`].

use echo_syntax::{Diagnostic, Span};

use super::{Checker, code, is_open};
use crate::typed::{Conversion, Expr, ExprKind};
use crate::types::{Ty, TyKind};

/// What is known about the type of an expression before it is looked at.
#[derive(Clone, Copy)]
pub(super) enum Want {
    Nothing,
    /// Literals take this type if they can; others may differ.
    Like(Ty),
    /// Anything else is an error.
    Exactly(Ty, Origin),
}

/// Why a type is expected.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    /// Where that is said, and how messages put it.
    pub said: Option<(Span, &'static str)>,
    /// A destination declared with its type: there a `bool` becomes an `int`.
    pub is_declared: bool,
}

impl Origin {
    pub const NONE: Origin = Origin {
        said: None,
        is_declared: false,
    };

    pub fn at(span: Span, text: &'static str) -> Origin {
        Origin {
            said: Some((span, text)),
            is_declared: false,
        }
    }

    pub fn declared(span: Span, text: &'static str) -> Origin {
        Origin {
            said: Some((span, text)),
            is_declared: true,
        }
    }
}

impl Want {
    /// An expectation without a place to point at.
    pub fn plain(ty: Ty) -> Want {
        Want::Exactly(ty, Origin::NONE)
    }

    /// The type literals should take.
    pub fn hint(self) -> Option<Ty> {
        match self {
            Want::Like(ty) | Want::Exactly(ty, _) if !is_open(ty) => Some(ty),
            _ => None,
        }
    }

    /// The same expectation of a part, whose errors the whole reports.
    pub fn as_hint(self) -> Want {
        self.hint().map_or(Want::Nothing, Want::Like)
    }
}

/// A node of the typed tree.
pub(super) fn node(kind: ExprKind, ty: Ty, span: Span) -> Expr {
    Expr { kind, ty, span }
}

/// What stands for an expression with an error.
pub(super) fn broken(span: Span) -> Expr {
    node(ExprKind::Unit, Ty::ERROR, span)
}

impl Checker<'_> {
    /// The expression, as it is wanted.
    pub(super) fn fit(&mut self, expr: Expr, want: Want) -> Expr {
        match want {
            Want::Exactly(ty, origin) => self.coerce(expr, ty, origin),
            Want::Nothing | Want::Like(_) => expr,
        }
    }

    /// The expression as a value of the type, or an error.
    pub(super) fn coerce(&mut self, expr: Expr, ty: Ty, origin: Origin) -> Expr {
        if expr.ty == ty || is_open(expr.ty) || is_open(ty) {
            return expr;
        }
        if self.is_widening(expr.ty, ty) {
            return self.convert(Conversion::Widen, expr, ty);
        }
        if expr.ty == Ty::BOOL && ty == Ty::INT && origin.is_declared {
            let message = "this `bool` becomes an `int`";
            self.report(
                Diagnostic::warning(code::BOOL_TO_INT, message, expr.span)
                    .with_help("write `int(…)` if that is meant"),
            );
            return self.convert(Conversion::Widen, expr, ty);
        }
        self.report_mismatch(&expr, ty, origin);
        broken(expr.span)
    }

    /// Whether every value of one integer type is one of the other.
    pub(super) fn is_widening(&self, from: Ty, to: Ty) -> bool {
        match (self.kind(from), self.kind(to)) {
            (TyKind::Int(from), TyKind::Int(to)) => {
                from != to && to.min() <= from.min() && from.max() <= to.max()
            }
            _ => false,
        }
    }

    pub(super) fn convert(&self, conversion: Conversion, expr: Expr, ty: Ty) -> Expr {
        let span = expr.span;
        node(ExprKind::Convert(conversion, Box::new(expr)), ty, span)
    }

    fn report_mismatch(&mut self, expr: &Expr, ty: Ty, origin: Origin) {
        let (expected, found) = (self.show(ty), self.show(expr.ty));
        let message = match expr.ty {
            Ty::VOID => format!("expected `{expected}`, but this gives no value"),
            _ => format!("expected `{expected}`, found `{found}`"),
        };
        let mut diagnostic = Diagnostic::error(code::TYPE_MISMATCH, message, expr.span);
        if let Some((span, text)) = origin.said {
            diagnostic = diagnostic.with_label(span, text);
        }
        diagnostic.help = self.mismatch_help(expr.ty, ty);
        self.report(diagnostic);
    }

    /// How to get from a type to the expected one.
    pub(super) fn mismatch_help(&self, found: Ty, expected: Ty) -> Option<String> {
        let is_number =
            |ty: Ty| matches!(self.kind(ty), TyKind::Int(_) | TyKind::F32 | TyKind::F64);
        if found == expected {
            return None;
        }
        let to = self.show(expected);
        match (self.kind(found), self.kind(expected)) {
            (TyKind::Option(payload), _) if *payload == expected => Some(
                "take the value out with `?`, `.unwrap()`, `.unwrap_or(…)` or `match`".to_string(),
            ),
            (TyKind::Result(payload, _), _) if *payload == expected => Some(
                "take the value out with `?`, `.unwrap()`, `.unwrap_or(…)` or `match`".to_string(),
            ),
            (TyKind::Future(value), _) if *value == expected => {
                Some("`await` the future for its value".to_string())
            }
            (TyKind::Chan(element), _) if *element == expected => {
                Some("receive from the channel: `<- ch`".to_string())
            }
            (_, TyKind::Option(payload)) if *payload == found => {
                Some("write `Some(…)`".to_string())
            }
            (_, TyKind::Result(payload, _)) if *payload == found => {
                Some("write `Ok(…)`".to_string())
            }
            (_, TyKind::String) if found != Ty::VOID => {
                Some("convert with `string(…)`".to_string())
            }
            (TyKind::String, TyKind::Int(_)) => Some("parse it: `.parse_int()`".to_string()),
            (TyKind::String, TyKind::Char) => {
                Some("a character stands in single quotes: 'a'".to_string())
            }
            (TyKind::String, TyKind::F64) => Some("parse it: `.parse_float()`".to_string()),
            (TyKind::Int(_), TyKind::Bool) => Some("compare: `x != 0`".to_string()),
            (TyKind::String | TyKind::Array(_) | TyKind::Map(..), TyKind::Bool) => {
                Some("compare: `len(x) > 0`".to_string())
            }
            (TyKind::Option(_), TyKind::Bool) => Some("ask it: `.is_some()`".to_string()),
            (TyKind::Result(..), TyKind::Bool) => Some("ask it: `.is_ok()`".to_string()),
            (TyKind::Bool | TyKind::Char | TyKind::Enum(_), TyKind::Int(_)) => {
                Some(format!("convert with `{to}(…)`"))
            }
            _ if is_number(found) && is_number(expected) => Some(format!("convert with `{to}(…)`")),
            _ => None,
        }
    }
}
