//! Constant integer expressions: those that would always panic are errors.

use echo_syntax::{Diagnostic, Span};

use super::{Checker, code};
use crate::typed::{BinaryOp, Conversion, Expr, ExprKind};
use crate::types::TyKind;

/// Operators that a constant expression is looked through.
const DEPTH: usize = 6;

/// The value of an integer expression made of literals, if it has one.
pub(super) fn constant(expr: &Expr) -> Option<i128> {
    constant_within(expr, DEPTH)
}

fn constant_within(expr: &Expr, depth: usize) -> Option<i128> {
    let depth = depth.checked_sub(1)?;
    match &expr.kind {
        ExprKind::Int(value) => Some(*value),
        ExprKind::Neg(inner) => Some(-constant_within(inner, depth)?),
        ExprKind::Convert(Conversion::Widen, inner) => constant_within(inner, depth),
        ExprKind::Binary(op, left, right) => apply(
            *op,
            constant_within(left, depth)?,
            constant_within(right, depth)?,
        ),
        _ => None,
    }
}

fn apply(op: BinaryOp, left: i128, right: i128) -> Option<i128> {
    match op {
        BinaryOp::Add => left.checked_add(right),
        BinaryOp::Sub => left.checked_sub(right),
        BinaryOp::Mul => left.checked_mul(right),
        BinaryOp::Div => left.checked_div(right),
        BinaryOp::Rem => left.checked_rem(right),
        BinaryOp::BitAnd => Some(left & right),
        BinaryOp::BitOr => Some(left | right),
        BinaryOp::BitXor => Some(left ^ right),
        BinaryOp::Shl | BinaryOp::Shr => None,
    }
}

impl Checker<'_> {
    /// Reports an operation on integers that always panics: a division by zero, an overflow of constants, a shift too far.
    pub(super) fn reject_constant_panic(
        &mut self,
        op: BinaryOp,
        left: &Expr,
        right: &Expr,
        span: Span,
    ) {
        let TyKind::Int(kind) = *self.kind(left.ty) else {
            return;
        };
        let Some(right_value) = constant(right) else {
            return;
        };
        let message = match op {
            BinaryOp::Div | BinaryOp::Rem if right_value == 0 => "this divides by zero".to_string(),
            BinaryOp::Shl | BinaryOp::Shr
                if !(0..i128::from(kind.bits())).contains(&right_value) =>
            {
                format!(
                    "this shifts by {right_value}, but `{}` has {} bits",
                    self.show(left.ty),
                    kind.bits()
                )
            }
            BinaryOp::Shl | BinaryOp::Shr => return,
            _ => match constant(left).and_then(|left| apply(op, left, right_value)) {
                Some(value) if !(kind.min()..=kind.max()).contains(&value) => {
                    format!("this overflows `{}`: it is {value}", self.show(left.ty))
                }
                _ => return,
            },
        };
        self.report(
            Diagnostic::error(code::CONSTANT_PANICS, message, span)
                .with_note("it would panic whenever it runs"),
        );
    }

    /// Reports an index below zero.
    pub(super) fn reject_negative_index(&mut self, index: &Expr) {
        if let Some(value) = constant(index)
            && value < 0
        {
            let message = format!("the index {value} is always out of range");
            self.report(
                Diagnostic::error(code::CONSTANT_PANICS, message, index.span)
                    .with_help("the last element of `a` is `a[len(a) - 1]`"),
            );
        }
    }
}
