//! Operators.

use echo_syntax::ast::{self, BinaryExpr, BinaryOp as AstOp, ExprKind as Ast};
use echo_syntax::{Diagnostic, Span};

use super::conditionals::rank;
use super::expected::{Want, broken, node};
use super::{Checker, code, is_open};
use crate::typed::{BinaryOp, CompareOp, Conversion, Expr, ExprKind, Place, StmtKind};
use crate::types::{Ty, TyKind};

impl<'a> Checker<'a> {
    pub(super) fn negate(&mut self, operand: &'a ast::Expr, want: Want, span: Span) -> Expr {
        // A literal and its sign are one number: `-128` fits `i8`.
        match operand.without_parens().kind {
            Ast::Int(value) => return self.int_literal(-i128::from(value), want, span),
            Ast::Float(value) => return self.float_literal(-value, want, span),
            _ => {}
        }
        let operand = self.operand(operand, want.as_hint());
        let fits = match self.kind(operand.ty) {
            TyKind::Int(kind) => kind.is_signed(),
            TyKind::F32 | TyKind::F64 | TyKind::Error | TyKind::Never => true,
            _ => false,
        };
        if !fits {
            let message = format!("`-` cannot be applied to `{}`", self.show(operand.ty));
            self.error(code::BAD_OPERANDS, message, span);
            return broken(span);
        }
        let ty = operand.ty;
        node(ExprKind::Neg(Box::new(operand)), ty, span)
    }

    pub(super) fn not(&mut self, operand: &'a ast::Expr, span: Span) -> Expr {
        let operand = self.operand(operand, Want::Nothing);
        if operand.ty != Ty::BOOL && !is_open(operand.ty) {
            let message = format!("`!` takes a `bool`, not `{}`", self.show(operand.ty));
            let mut diagnostic = Diagnostic::error(code::BAD_OPERANDS, message, span);
            let help = match self.kind(operand.ty) {
                TyKind::Int(_) => Some(
                    "a comparison is negated by `!(a == b)` or `a != b`; bits are flipped with `x ^ -1`",
                ),
                // `print!("…")`
                TyKind::String => Some("there are no macros: write `print x`"),
                _ => None,
            };
            diagnostic.help = help.map(str::to_string);
            self.report(diagnostic);
            return broken(span);
        }
        node(ExprKind::Not(Box::new(operand)), Ty::BOOL, span)
    }

    pub(super) fn binary(&mut self, expr: &'a BinaryExpr, want: Want, span: Span) -> Expr {
        match expr.op {
            AstOp::And | AstOp::Or => self.logic(expr, span),
            AstOp::Eq => self.compare(expr, CompareOp::Eq, span),
            AstOp::Ne => self.compare(expr, CompareOp::Ne, span),
            AstOp::Lt => self.compare(expr, CompareOp::Lt, span),
            AstOp::Le => self.compare(expr, CompareOp::Le, span),
            AstOp::Gt => self.compare(expr, CompareOp::Gt, span),
            AstOp::Ge => self.compare(expr, CompareOp::Ge, span),
            AstOp::Shl => self.shift(expr, BinaryOp::Shl, want, span),
            AstOp::Shr => self.shift(expr, BinaryOp::Shr, want, span),
            AstOp::BitOr => self.arithmetic(expr, BinaryOp::BitOr, want, span),
            AstOp::BitXor => self.arithmetic(expr, BinaryOp::BitXor, want, span),
            AstOp::BitAnd => self.arithmetic(expr, BinaryOp::BitAnd, want, span),
            AstOp::Add => self.arithmetic(expr, BinaryOp::Add, want, span),
            AstOp::Sub => self.arithmetic(expr, BinaryOp::Sub, want, span),
            AstOp::Mul => self.arithmetic(expr, BinaryOp::Mul, want, span),
            AstOp::Div => self.arithmetic(expr, BinaryOp::Div, want, span),
            AstOp::Rem => self.arithmetic(expr, BinaryOp::Rem, want, span),
        }
    }

    // ------------------------------------------------------------ operands

    /// Two operands, of which a literal takes the type of the other.
    pub(super) fn operands(
        &mut self,
        left: &'a ast::Expr,
        right: &'a ast::Expr,
        want: Want,
    ) -> (Expr, Expr) {
        let hint = want.as_hint();
        let other = |ty: Ty| if is_open(ty) { hint } else { Want::Like(ty) };
        if rank(left) > rank(right) {
            let right = self.operand(right, hint);
            let left = self.operand(left, other(right.ty));
            return (left, right);
        }
        let left = self.operand(left, hint);
        let right = self.operand(right, other(left.ty));
        (left, right)
    }

    /// Both operands in the type that holds all values of both, if there is one.
    pub(super) fn common_type(&mut self, left: Expr, right: Expr) -> (Expr, Expr, Option<Ty>) {
        let (from, to) = (left.ty, right.ty);
        // An erroneous operand makes the whole erroneous.
        if from == Ty::ERROR || to == Ty::ERROR {
            return (left, right, Some(Ty::ERROR));
        }
        if from == to {
            return (left, right, Some(from));
        }
        if self.is_widening(to, from) {
            let right = self.convert(Conversion::Widen, right, from);
            return (left, right, Some(from));
        }
        if self.is_widening(from, to) {
            let left = self.convert(Conversion::Widen, left, to);
            return (left, right, Some(to));
        }
        (left, right, None)
    }

    fn report_operands(&mut self, op: &str, op_span: Span, left: &Expr, right: &Expr) {
        let (left_text, right_text) = (self.show(left.ty), self.show(right.ty));
        let message = format!("`{op}` cannot be applied to `{left_text}` and `{right_text}`");
        let mut diagnostic = Diagnostic::error(code::BAD_OPERANDS, message, op_span)
            .with_label(left.span, format!("`{left_text}`"))
            .with_label(right.span, format!("`{right_text}`"));
        let is_number =
            |ty: Ty| matches!(self.kind(ty), TyKind::Int(_) | TyKind::F32 | TyKind::F64);
        let both =
            |test: fn(&TyKind) -> bool| test(self.kind(left.ty)) && test(self.kind(right.ty));
        diagnostic.help = if is_number(left.ty) && is_number(right.ty) && left.ty != right.ty {
            let is_float = |ty: Ty| !matches!(self.kind(ty), TyKind::Int(_));
            let to = if is_float(right.ty) {
                right_text
            } else {
                left_text
            };
            Some(format!("convert one of them, for example with `{to}(…)`"))
        } else if both(|kind| matches!(kind, TyKind::Bool)) && matches!(op, "&" | "|" | "^") {
            Some("for `bool` write `&&`, `||` or `!=`".to_string())
        } else if both(|kind| matches!(kind, TyKind::Char)) && op == "+" {
            Some(
                "text begins with text: `\"\" + a + b`; the number of a character is `int(c)`"
                    .to_string(),
            )
        } else {
            // A `bool` becomes the other type, not the other way round.
            let (found, expected) = match right.ty {
                Ty::BOOL => (right.ty, left.ty),
                _ => (left.ty, right.ty),
            };
            self.mismatch_help(found, expected)
                .or_else(|| self.mismatch_help(expected, found))
                .filter(|_| left.ty != Ty::STRING && right.ty != Ty::STRING)
        };
        self.report(diagnostic);
    }

    // ------------------------------------------------------------ the operators

    fn logic(&mut self, expr: &'a BinaryExpr, span: Span) -> Expr {
        let left = Box::new(self.operand(&expr.left, Want::plain(Ty::BOOL)));
        let right = Box::new(self.expr(&expr.right, Want::plain(Ty::BOOL)));
        let kind = match expr.op {
            AstOp::And => ExprKind::And(left, right),
            _ => ExprKind::Or(left, right),
        };
        node(kind, Ty::BOOL, span)
    }

    fn compare(&mut self, expr: &'a BinaryExpr, op: CompareOp, span: Span) -> Expr {
        let (left, right) = self.operands(&expr.left, &expr.right, Want::Nothing);
        let (left, right, common) = self.common_type(left, right);
        let Some(ty) = common else {
            self.report_operands(expr.op.as_str(), expr.op_span, &left, &right);
            return broken(span);
        };
        let is_fit = match op {
            CompareOp::Eq | CompareOp::Ne => self.is_comparable(ty),
            _ => self.is_ordered(ty),
        };
        if !is_fit {
            let message = match op {
                CompareOp::Eq | CompareOp::Ne => {
                    format!("values of type `{}` cannot be compared", self.show(ty))
                }
                _ => format!("values of type `{}` have no order", self.show(ty)),
            };
            self.error(code::BAD_OPERANDS, message, expr.op_span);
            return broken(span);
        }
        let kind = ExprKind::Compare(op, Box::new(left), Box::new(right));
        node(kind, Ty::BOOL, span)
    }

    fn arithmetic(&mut self, expr: &'a BinaryExpr, op: BinaryOp, want: Want, span: Span) -> Expr {
        let (left, right) = self.operands(&expr.left, &expr.right, want);
        if op == BinaryOp::Add && (left.ty == Ty::STRING || right.ty == Ty::STRING) {
            return self.concat(left, right, span);
        }
        let (left, right, common) = self.common_type(left, right);
        let Some(ty) = common else {
            self.report_operands(expr.op.as_str(), expr.op_span, &left, &right);
            return broken(span);
        };
        if !self.is_operand(op, ty) {
            self.report_operands(expr.op.as_str(), expr.op_span, &left, &right);
            return broken(span);
        }
        self.reject_constant_panic(op, &left, &right, span);
        node(
            ExprKind::Binary(op, Box::new(left), Box::new(right)),
            ty,
            span,
        )
    }

    fn is_operand(&self, op: BinaryOp, ty: Ty) -> bool {
        let takes_floats = matches!(
            op,
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem
        );
        match self.kind(ty) {
            TyKind::Int(_) | TyKind::Error | TyKind::Never => true,
            TyKind::F32 | TyKind::F64 => takes_floats,
            _ => false,
        }
    }

    fn concat(&mut self, left: Expr, right: Expr, span: Span) -> Expr {
        let left = Box::new(self.as_text(left));
        let right = Box::new(self.as_text(right));
        node(ExprKind::Concat(left, right), Ty::STRING, span)
    }

    /// The value as `print` would print it.
    pub(super) fn as_text(&mut self, value: Expr) -> Expr {
        if value.ty == Ty::STRING || is_open(value.ty) {
            return value;
        }
        self.require_printable(&value);
        let span = value.span;
        node(ExprKind::ToString(Box::new(value)), Ty::STRING, span)
    }

    /// The amount may be of any integer type; it is converted to that of the shifted value. What does not fit there is too far anyway, and
    /// panics either way.
    fn shift(&mut self, expr: &'a BinaryExpr, op: BinaryOp, want: Want, span: Span) -> Expr {
        let left = self.operand(&expr.left, want.as_hint());
        let amount = self.operand(&expr.right, Want::Like(left.ty));
        let is_integer = |ty: Ty| {
            matches!(
                self.kind(ty),
                TyKind::Int(_) | TyKind::Error | TyKind::Never
            )
        };
        if !is_integer(left.ty) || !is_integer(amount.ty) {
            self.report_operands(expr.op.as_str(), expr.op_span, &left, &amount);
            return broken(span);
        }
        let amount = if is_open(left.ty) || is_open(amount.ty) || amount.ty == left.ty {
            amount
        } else if self.is_widening(amount.ty, left.ty) {
            self.convert(Conversion::Widen, amount, left.ty)
        } else {
            self.convert(Conversion::Checked, amount, left.ty)
        };
        self.reject_constant_panic(op, &left, &amount, span);
        let ty = left.ty;
        node(
            ExprKind::Binary(op, Box::new(left), Box::new(amount)),
            ty,
            span,
        )
    }

    // ------------------------------------------------------------ updates

    /// `place op= value`
    pub(super) fn update(
        &mut self,
        place: Place,
        op: AstOp,
        op_span: Span,
        value: &'a ast::Expr,
    ) -> StmtKind {
        let typed_op = match op {
            AstOp::Sub => BinaryOp::Sub,
            AstOp::Mul => BinaryOp::Mul,
            AstOp::Div => BinaryOp::Div,
            AstOp::Rem => BinaryOp::Rem,
            _ => BinaryOp::Add,
        };
        let value = self.operand(value, Want::Like(place.ty));
        if typed_op == BinaryOp::Add && place.ty == Ty::STRING {
            let value = self.as_text(value);
            return StmtKind::Update(place, typed_op, value);
        }
        let target = node(ExprKind::Unit, place.ty, place.span);
        if !self.is_operand(typed_op, place.ty) {
            if !is_open(value.ty) {
                self.report_operands(&format!("{}=", op.as_str()), op_span, &target, &value);
            }
            return StmtKind::Expr(value);
        }
        let fits = value.ty == place.ty
            || is_open(value.ty)
            || is_open(place.ty)
            || self.is_widening(value.ty, place.ty);
        if !fits {
            self.report_operands(&format!("{}=", op.as_str()), op_span, &target, &value);
            return StmtKind::Expr(value);
        }
        let value = self.fit(value, Want::plain(place.ty));
        self.reject_constant_panic(typed_op, &target, &value, op_span);
        StmtKind::Update(place, typed_op, value)
    }
}
