//! `if`, and what the branches of one expression agree on.

use echo_syntax::ast::{self, BinaryOp, ExprKind as Ast, IfExpr, UnaryOp};
use echo_syntax::{Diagnostic, Span};

use super::expected::{Origin, Want, node};
use super::statements::{Tail, block_expr, effect};
use super::{Checker, code};
use crate::typed::{Block, Expr, ExprKind};
use crate::types::Ty;

/// Branches of an `else if` chain; each is a level of the typed tree.
const MAX_BRANCHES: usize = 200;

/// How little an expression says about its own type; less is more. What says most is checked first, and the others follow it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It has its type by itself.
    Fixed,
    /// A float literal: `float` unless `f32` is expected.
    Float,
    /// An integer literal: any number type.
    Int,
    /// `None`, `[]`: no type without an expectation.
    Open,
}

/// Parts of an expression that are looked into for its rank.
const RANK_DEPTH: usize = 6;

/// How much an expression says about its own type.
pub(super) fn rank(expr: &ast::Expr) -> Rank {
    rank_within(expr, RANK_DEPTH)
}

fn rank_within(expr: &ast::Expr, depth: usize) -> Rank {
    let Some(depth) = depth.checked_sub(1) else {
        return Rank::Fixed;
    };
    let inner = |expr: &ast::Expr| rank_within(expr, depth);
    match &expr.kind {
        Ast::Int(_) => Rank::Int,
        Ast::Float(_) => Rank::Float,
        Ast::Name(name) if name.as_str() == "None" => Rank::Open,
        Ast::Paren(expr) | Ast::Unary(UnaryOp::Neg, _, expr) => inner(expr),
        Ast::ArrayRepeat(expr, _) => inner(expr),
        Ast::Array(elements) => elements.iter().map(inner).min().unwrap_or(Rank::Open),
        Ast::Tuple(elements) => elements.iter().map(inner).max().unwrap_or(Rank::Fixed),
        Ast::Braces(_) => Rank::Open,
        Ast::Binary(binary) if is_arithmetic(binary.op) => {
            inner(&binary.left).min(inner(&binary.right))
        }
        Ast::Call(callee, args) => match (&callee.kind, &args[..]) {
            (Ast::Name(name), [payload]) => match name.as_str() {
                "Err" => Rank::Open,
                "Ok" => inner(payload).max(Rank::Int),
                "Some" => inner(payload),
                _ => Rank::Fixed,
            },
            _ => Rank::Fixed,
        },
        _ => Rank::Fixed,
    }
}

fn is_arithmetic(op: BinaryOp) -> bool {
    use BinaryOp::{Add, BitAnd, BitOr, BitXor, Div, Mul, Rem, Shl, Shr, Sub};
    matches!(
        op,
        Add | Sub | Mul | Div | Rem | BitAnd | BitOr | BitXor | Shl | Shr
    )
}

/// The rank of a block's value; a block without one says nothing.
pub(super) fn block_rank(block: &ast::Block) -> Rank {
    match block.stmts.last().map(|stmt| &stmt.kind) {
        Some(ast::StmtKind::Expr(expr)) => rank(expr),
        _ => Rank::Open,
    }
}

/// The order in which to check parts that must agree: what says most about its type first.
pub(super) fn by_rank(ranks: impl Iterator<Item = Rank>) -> Vec<usize> {
    let mut order: Vec<(Rank, usize)> = ranks.enumerate().map(|(at, rank)| (rank, at)).collect();
    order.sort();
    order.into_iter().map(|(_, at)| at).collect()
}

/// The type that parts of one expression agree on.
pub(super) struct Agreement {
    want: Want,
    /// `NEVER` until a part with a value has been seen.
    ty: Ty,
    first: Option<Span>,
    text: &'static str,
}

impl Agreement {
    /// `text` says what the first part determines.
    pub fn new(want: Want, text: &'static str) -> Agreement {
        Agreement {
            want,
            ty: Ty::NEVER,
            first: None,
            text,
        }
    }

    /// What the next part must be.
    pub fn want(&self) -> Want {
        match (self.want, self.first) {
            (Want::Exactly(..), _) | (_, None) => self.want,
            (_, Some(first)) => Want::Exactly(self.ty, Origin::at(first, self.text)),
        }
    }

    /// Takes note of a part.
    pub fn add(&mut self, ty: Ty, span: Span) {
        if self.first.is_none() && ty != Ty::NEVER {
            self.ty = ty;
            self.first = Some(span);
        }
    }

    /// The type of the whole.
    pub fn ty(&self) -> Ty {
        match (self.want, self.ty) {
            (_, Ty::NEVER) => Ty::NEVER,
            (Want::Exactly(ty, _), _) if ty != Ty::ERROR => ty,
            (_, ty) => ty,
        }
    }
}

impl<'a> Checker<'a> {
    pub(super) fn if_expr(&mut self, expr: &'a IfExpr, span: Span, tail: Tail) -> Expr {
        if expr.branches.len() > MAX_BRANCHES {
            let message = format!("an `if` has at most {MAX_BRANCHES} branches");
            self.report(Diagnostic::error(code::TOO_LARGE, message, span).with_help("use `match`"));
            return super::expected::broken(span);
        }
        let mut conditions: Vec<Expr> = Vec::new();
        for branch in &expr.branches {
            conditions.push(self.operand(&branch.condition, Want::plain(Ty::BOOL)));
        }
        let bodies: Vec<&'a ast::Block> = expr
            .branches
            .iter()
            .map(|branch| &branch.body)
            .chain(&expr.else_body)
            .collect();
        let (blocks, ty) = match tail {
            Tail::Statement => self.statement_branches(&bodies, expr.else_body.is_some()),
            Tail::Value(want) => {
                if expr.else_body.is_none() {
                    self.report_missing_else(span);
                    return super::expected::broken(span);
                }
                self.value_branches(&bodies, want)
            }
        };
        self.nest_branches(conditions, blocks, ty, span)
    }

    fn report_missing_else(&mut self, span: Span) {
        let message = "an `if` without `else` gives no value";
        self.report(
            Diagnostic::error(code::TYPE_MISMATCH, message, span).with_help("add `else { … }`"),
        );
    }

    fn statement_branches(&mut self, bodies: &[&'a ast::Block], is_full: bool) -> (Vec<Block>, Ty) {
        let mut diverges = is_full;
        let mut blocks = Vec::new();
        for body in bodies {
            let (block, ty) = self.block(body, Tail::Statement);
            diverges &= ty == Ty::NEVER;
            blocks.push(block);
        }
        (blocks, if diverges { Ty::NEVER } else { Ty::VOID })
    }

    fn value_branches(&mut self, bodies: &[&'a ast::Block], want: Want) -> (Vec<Block>, Ty) {
        let mut agreement = Agreement::new(want, "this branch gives the expected type");
        let mut blocks: Vec<Option<Block>> = bodies.iter().map(|_| None).collect();
        for at in by_rank(bodies.iter().map(|body| block_rank(body))) {
            let (block, ty) = self.block(bodies[at], Tail::Value(agreement.want()));
            let span = block.value.as_ref().map_or(block.span, |value| value.span);
            agreement.add(ty, span);
            blocks[at] = Some(block);
        }
        (blocks.into_iter().flatten().collect(), agreement.ty())
    }

    /// `if`s in the `else` of one another.
    fn nest_branches(
        &self,
        conditions: Vec<Expr>,
        mut blocks: Vec<Block>,
        ty: Ty,
        span: Span,
    ) -> Expr {
        let mut otherwise = match blocks.len() > conditions.len() {
            true => blocks.pop(),
            false => None,
        };
        let mut whole = None;
        for (condition, then) in conditions.into_iter().zip(blocks).rev() {
            let from = if whole.is_none() {
                span
            } else {
                condition.span
            };
            let else_block = match whole.take() {
                Some(inner) => Some(self.else_of(inner)),
                None => otherwise.take(),
            };
            let kind = ExprKind::If(Box::new(condition), then, else_block);
            whole = Some(node(kind, ty, from));
        }
        let mut whole = whole.expect("an `if` has a branch");
        whole.span = span;
        whole
    }

    /// A nested `if` as the block behind `else`.
    fn else_of(&self, inner: Expr) -> Block {
        let span = inner.span;
        let has_value = !matches!(inner.ty, Ty::VOID | Ty::NEVER);
        let (stmts, value) = match has_value {
            true => (Vec::new(), Some(Box::new(inner))),
            false => (vec![effect(inner)], None),
        };
        Block { stmts, value, span }
    }

    /// An expression evaluated for its effect only, of type `void` (or `never`).
    pub(super) fn without_value(&self, expr: Expr) -> Expr {
        if matches!(expr.ty, Ty::VOID | Ty::NEVER | Ty::ERROR) {
            return expr;
        }
        let span = expr.span;
        let block = Block {
            stmts: vec![effect(expr)],
            value: None,
            span,
        };
        block_expr(block, Ty::VOID)
    }
}
