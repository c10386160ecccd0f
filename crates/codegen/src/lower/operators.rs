//! Operators: arithmetic, comparison, text, conversion.

use echo_sema::typed::{BinaryOp, CompareOp, Conversion, Expr, ExprKind};
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::body::{Body, tag_const};
use crate::ir::{Const, Op, Operand, RtArg, Var};
use crate::layout;

impl<'p> Body<'_, 'p> {
    pub fn neg(&mut self, value: &'p Expr, ty: Ty, span: Span) -> Operand {
        if let Some(constant) = self.negated_literal(value, ty) {
            return Operand::Const(constant);
        }
        let value = self.expr(value);
        let dst = self.builder.temp(ty);
        self.builder.emit(Op::Neg { dst, value, ty }, span);
        Operand::Var(dst)
    }

    fn negated_literal(&self, value: &Expr, ty: Ty) -> Option<Const> {
        match (&value.kind, self.kind(ty)) {
            (ExprKind::Int(number), TyKind::Int(kind)) if -number >= kind.min() => {
                Some(Const::Int(-number, ty))
            }
            (ExprKind::Float(number), _) => Some(Const::Float(-number, ty)),
            _ => None,
        }
    }

    pub fn not(&mut self, value: &'p Expr, span: Span) -> Operand {
        let value = self.expr(value);
        self.inverted(value, span)
    }

    fn inverted(&mut self, value: Operand, span: Span) -> Operand {
        let dst = self.builder.temp(Ty::BOOL);
        self.builder.emit(Op::Not { dst, value }, span);
        Operand::Var(dst)
    }

    pub fn binary(&mut self, op: BinaryOp, left: &'p Expr, right: &'p Expr, ty: Ty) -> Operand {
        let [a, b] = self.operands([left, right]);
        self.arith(op, a, b, ty, left.span.after())
    }

    /// A checked operation.
    pub fn arith(
        &mut self,
        op: BinaryOp,
        left: Operand,
        right: Operand,
        ty: Ty,
        span: Span,
    ) -> Operand {
        let dst = self.builder.temp(ty);
        let arith = Op::Arith {
            dst,
            op,
            left,
            right,
            ty,
        };
        self.builder.emit(arith, span);
        Operand::Var(dst)
    }

    /// An operation that wraps.
    pub fn wrap(
        &mut self,
        op: BinaryOp,
        left: Operand,
        right: Operand,
        ty: Ty,
        span: Span,
    ) -> Operand {
        let dst = self.builder.temp(ty);
        let wrap = Op::Wrap {
            dst,
            op,
            left,
            right,
            ty,
        };
        self.builder.emit(wrap, span);
        Operand::Var(dst)
    }

    pub fn concat(&mut self, left: Operand, right: Operand, span: Span) -> Operand {
        let args = vec![RtArg::Value(left), RtArg::Value(right)];
        self.runtime("echo_string_concat", args, Ty::STRING, span)
    }

    /// `left` and what follows it; in place, unless another variable needs `left`.
    pub fn append_text(&mut self, left: Var, right: Operand, span: Span) -> Operand {
        let args = vec![RtArg::Move(left), RtArg::Value(right)];
        self.runtime("echo_string_append", args, Ty::STRING, span)
    }

    pub fn formatted(&mut self, value: &'p Expr, span: Span) -> Operand {
        let operand = self.expr(value);
        self.text_of(operand, span)
    }

    /// What `print` prints.
    pub fn text_of(&mut self, value: Operand, span: Span) -> Operand {
        let ty = self.operand_ty(&value);
        if ty == Ty::STRING {
            return value;
        }
        let var = self.in_var(value, span);
        let args = vec![RtArg::Borrow(var), RtArg::Desc(ty)];
        self.runtime("echo_format", args, Ty::STRING, span)
    }

    pub fn convert(
        &mut self,
        conversion: Conversion,
        value: &'p Expr,
        to: Ty,
        span: Span,
    ) -> Operand {
        let from = value.ty;
        let value = self.expr(value);
        self.converted(conversion, value, from, to, span)
    }

    pub fn converted(
        &mut self,
        conversion: Conversion,
        value: Operand,
        from: Ty,
        to: Ty,
        span: Span,
    ) -> Operand {
        if from == to {
            return value;
        }
        let dst = self.builder.temp(to);
        let convert = Op::Convert {
            dst,
            conversion,
            value,
            from,
            to,
        };
        self.builder.emit(convert, span);
        Operand::Var(dst)
    }

    // ------------------------------------------------------------ comparison

    /// By the machine for what fits into a register (handles: identity), by the runtime for the rest.
    pub fn compare(
        &mut self,
        op: CompareOp,
        [left, right]: [Operand; 2],
        ty: Ty,
        span: Span,
    ) -> Operand {
        match self.kind(ty) {
            TyKind::String => {
                let args = vec![RtArg::Value(left), RtArg::Value(right)];
                self.compare_by("echo_string_equal", "echo_string_compare", op, args, span)
            }
            TyKind::Array(_)
            | TyKind::Map(..)
            | TyKind::Tuple(_)
            | TyKind::Struct(_)
            | TyKind::Option(_)
            | TyKind::Result(..) => self.compare_in_memory(op, [left, right], ty, span),
            TyKind::Enum(_) if layout::is_managed(self.program(), ty) => {
                self.compare_in_memory(op, [left, right], ty, span)
            }
            _ => self.compare_scalars(op, left, right, ty, span),
        }
    }

    pub fn compare_scalars(
        &mut self,
        op: CompareOp,
        left: Operand,
        right: Operand,
        ty: Ty,
        span: Span,
    ) -> Operand {
        let dst = self.builder.temp(Ty::BOOL);
        let compare = Op::Compare {
            dst,
            op,
            left,
            right,
            ty,
        };
        self.builder.emit(compare, span);
        Operand::Var(dst)
    }

    fn compare_in_memory(
        &mut self,
        op: CompareOp,
        operands: [Operand; 2],
        ty: Ty,
        span: Span,
    ) -> Operand {
        let [left, right] = operands.map(|operand| self.in_var(operand, span));
        let args = vec![RtArg::Borrow(left), RtArg::Borrow(right), RtArg::Desc(ty)];
        self.compare_by("echo_equal", "echo_compare", op, args, span)
    }

    /// With one function that tells equality and one that tells the order.
    fn compare_by(
        &mut self,
        equal: &'static str,
        order: &'static str,
        op: CompareOp,
        args: Vec<RtArg>,
        span: Span,
    ) -> Operand {
        match op {
            CompareOp::Eq => self.runtime(equal, args, Ty::BOOL, span),
            CompareOp::Ne => {
                let equal = self.runtime(equal, args, Ty::BOOL, span);
                self.inverted(equal, span)
            }
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => {
                let order = self.runtime(order, args, Ty::I32, span);
                self.compare_scalars(op, order, tag_const(0), Ty::I32, span)
            }
        }
    }
}
