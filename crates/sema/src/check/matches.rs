//! `match`.

use echo_syntax::ast::{self, ArmBody, MatchArm, MatchExpr, PatternKind, StmtKind as AstStmt};
use echo_syntax::{Diagnostic, Span};

use super::concurrency::{TRY_AWAIT, is_await};
use super::conditionals::{Agreement, Rank, by_rank, rank};
use super::expected::{Want, node};
use super::statements::{Tail, block_expr};
use super::{Checker, code, is_open};
use crate::exhaustive::{Coverage, Declarations, coverage};
use crate::typed::{Arm, Expr, ExprKind, Match, Stmt};
use crate::types::{Ty, TyKind};

impl<'a> Checker<'a> {
    pub(super) fn match_expr(&mut self, expr: &'a MatchExpr, span: Span, tail: Tail) -> Expr {
        let mut value = self.operand(&expr.value, Want::Nothing);
        if is_await(&expr.value) && self.expects_outcome(expr, value.ty) {
            value.ty = Ty::ERROR;
        }
        let errors_before = self.error_count;
        let (arms, ty) = match tail {
            Tail::Statement => self.statement_arms(&expr.arms, value.ty),
            Tail::Value(want) => self.value_arms(&expr.arms, value.ty, want),
        };
        let has_error = value.ty == Ty::ERROR || self.error_count > errors_before;
        let coverage = self.coverage(value.ty, &arms);
        let exhaustive = coverage.missing.is_none();
        if !has_error {
            self.report_coverage(&coverage, expr, &value, matches!(tail, Tail::Value(_)));
        }
        let ty = match (tail, ty) {
            // Without a matching arm a statement just ends.
            (Tail::Statement, Ty::NEVER) if !exhaustive => Ty::VOID,
            (_, ty) => ty,
        };
        let matched = Match {
            value: Box::new(value),
            arms,
            exhaustive,
        };
        node(ExprKind::Match(matched), ty, span)
    }

    /// Whether the arms look at `Ok` and `Err` where there is no `Result`; reports it.
    fn expects_outcome(&mut self, expr: &MatchExpr, ty: Ty) -> bool {
        let expects = expr.arms.iter().any(|arm| {
            let name = match &arm.pattern.kind {
                PatternKind::Variant { path, .. } => path.last(),
                _ => None,
            };
            name.is_some_and(|name| matches!(name.as_str(), "Ok" | "Err"))
        });
        let is_result = matches!(
            self.kind(ty),
            TyKind::Result(..) | TyKind::Option(_) | TyKind::Enum(_)
        );
        if !expects || is_result || is_open(ty) {
            return false;
        }
        let message = format!("the value is of type `{}`, not a `Result`", self.show(ty));
        let error = Diagnostic::error(code::BAD_PATTERN, message, expr.value.span);
        self.report(error.with_help(TRY_AWAIT));
        true
    }

    fn coverage(&self, ty: Ty, arms: &[Arm]) -> Coverage {
        let declarations = Declarations {
            types: &self.types,
            structs: &self.structs,
            enums: &self.enums,
        };
        coverage(declarations, ty, arms)
    }

    fn report_coverage(
        &mut self,
        coverage: &Coverage,
        expr: &MatchExpr,
        value: &Expr,
        is_value: bool,
    ) {
        for &index in &coverage.unreachable {
            let message = "no value reaches this arm";
            let span = expr.arms[index].pattern.span;
            let note = "the arms before it take everything it matches";
            self.report(Diagnostic::warning(code::UNREACHABLE_ARM, message, span).with_note(note));
        }
        let Some(missing) = &coverage.missing else {
            return;
        };
        let diagnostic = if is_value {
            let message = format!("this `match` has no value for `{missing}`");
            Diagnostic::error(code::NOT_EXHAUSTIVE, message, value.span)
        } else {
            let message = format!("this `match` does nothing for `{missing}`");
            Diagnostic::warning(code::MISSING_ARM, message, value.span)
        };
        let help = match missing.as_str() {
            "_" => "add the arm `_ => …`".to_string(),
            _ => "add an arm for it, or `_ => …` for all that is left".to_string(),
        };
        self.report(diagnostic.with_help(help));
    }

    // ------------------------------------------------------------ arms

    fn statement_arms(&mut self, arms: &'a [MatchArm], matched: Ty) -> (Vec<Arm>, Ty) {
        let mut diverges = true;
        let mut checked = Vec::new();
        for arm in arms {
            let arm = self.arm(arm, matched, |checker, body| checker.arm_effect(body));
            diverges &= arm.body.ty == Ty::NEVER;
            checked.push(arm);
        }
        (checked, if diverges { Ty::NEVER } else { Ty::VOID })
    }

    fn value_arms(&mut self, arms: &'a [MatchArm], matched: Ty, want: Want) -> (Vec<Arm>, Ty) {
        let mut agreement = Agreement::new(want, "this arm gives the expected type");
        let mut checked: Vec<Option<Arm>> = arms.iter().map(|_| None).collect();
        for at in by_rank(arms.iter().map(|arm| body_rank(&arm.body))) {
            let want = agreement.want();
            let arm = self.arm(&arms[at], matched, |checker, body| {
                checker.arm_value(body, want)
            });
            agreement.add(arm.body.ty, arm.body.span);
            checked[at] = Some(arm);
        }
        (checked.into_iter().flatten().collect(), agreement.ty())
    }

    fn arm(
        &mut self,
        arm: &'a MatchArm,
        matched: Ty,
        body: impl FnOnce(&mut Self, &'a ArmBody) -> Expr,
    ) -> Arm {
        self.in_new_scope(|checker| {
            let pattern = checker.pattern(&arm.pattern, matched);
            let guard = arm.guard.as_ref();
            let guard = guard.map(|guard| checker.operand(guard, Want::plain(Ty::BOOL)));
            let body = body(checker, &arm.body);
            Arm {
                pattern,
                guard,
                body,
            }
        })
    }

    fn arm_effect(&mut self, body: &'a ArmBody) -> Expr {
        match body {
            ArmBody::Expr(expr) => {
                let expr = self.effect(expr);
                self.without_value(expr)
            }
            ArmBody::Block(block) => {
                let (block, ty) = self.block(block, Tail::Statement);
                block_expr(block, ty)
            }
            ArmBody::Stmt(stmt) => self.arm_stmt(stmt),
        }
    }

    fn arm_value(&mut self, body: &'a ArmBody, want: Want) -> Expr {
        match body {
            ArmBody::Expr(expr) => self.expr(expr, want),
            ArmBody::Block(block) => {
                let (block, ty) = self.block(block, Tail::Value(want));
                block_expr(block, ty)
            }
            ArmBody::Stmt(stmt) => {
                let stmt = self.arm_stmt(stmt);
                self.fit(stmt, want)
            }
        }
    }

    fn arm_stmt(&mut self, stmt: &'a ast::Stmt) -> Expr {
        let is_jump = matches!(
            stmt.kind,
            AstStmt::Return(_) | AstStmt::Break | AstStmt::Continue
        );
        if is_jump {
            let span = stmt.span;
            let kind = self.jump(stmt);
            let kind = ExprKind::Diverge(Box::new(Stmt { kind, span }));
            return node(kind, Ty::NEVER, span);
        }
        let (block, ty) = self.lone_stmt(stmt);
        block_expr(block, ty)
    }
}

fn body_rank(body: &ArmBody) -> Rank {
    match body {
        ArmBody::Expr(expr) => rank(expr),
        ArmBody::Block(block) => super::conditionals::block_rank(block),
        ArmBody::Stmt(_) => Rank::Open,
    }
}
