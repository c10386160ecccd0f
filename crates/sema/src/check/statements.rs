//! Statements.

use echo_syntax::ast::{self, AssignStmt, ForHead, ForStmt, Ident, LetStmt, UnaryOp};
use echo_syntax::{Diagnostic, Span};

use super::bodies::{Loop, Role};
use super::expected::{Origin, Want, broken, node};
use super::scopes::ScopeId;
use super::{Checker, code};
use crate::typed::{Block, Expr, ExprKind, LocalId, Place, Root, Stmt, StmtKind};
use crate::types::{Ty, TyKind};

/// What the last statement of a block is.
#[derive(Clone, Copy)]
pub(super) enum Tail {
    /// A statement like the others.
    Statement,
    /// If it is an expression, the block's value.
    Value(Want),
}

/// Checked statements.
pub(super) struct Sequence {
    pub stmts: Vec<Stmt>,
    pub value: Option<Expr>,
    /// The end is never reached. (What stood behind that point is left out.)
    pub diverges: bool,
}

/// How to tell a missing key of a map.
pub(super) const MAP_GET: &str = "write `m.get(key)`, which is an `Option`";

impl<'a> Checker<'a> {
    /// Checks the statements of the present scope.
    pub(super) fn stmts(&mut self, stmts: &'a [ast::Stmt], tail: Tail) -> Sequence {
        // The declarations of modules have been collected at the start.
        if self.scopes[self.scope.index()].parent.is_some() {
            self.collect_block(stmts);
        }
        let is_code = |stmt: &ast::Stmt| !matches!(stmt.kind, ast::StmtKind::Item(_));
        let last = stmts.iter().rposition(is_code);
        let mut sequence = Sequence {
            stmts: Vec::new(),
            value: None,
            diverges: false,
        };
        let mut has_warned = false;
        for (index, stmt) in stmts.iter().enumerate() {
            if sequence.diverges && is_code(stmt) {
                if !std::mem::replace(&mut has_warned, true) {
                    self.warn_unreachable(stmt.span);
                }
                self.stmt(stmt, &mut Vec::new());
                continue;
            }
            match (&stmt.kind, tail) {
                (ast::StmtKind::Expr(expr), Tail::Value(want))
                    if Some(index) == last && gives_value(expr) =>
                {
                    let value = self.expr(expr, want);
                    sequence.diverges = value.ty == Ty::NEVER;
                    if sequence.diverges {
                        sequence.stmts.push(effect(value));
                    } else {
                        sequence.value = Some(value);
                    }
                }
                // A declaration may stand where the code is never reached.
                _ => sequence.diverges |= self.stmt(stmt, &mut sequence.stmts),
            }
        }
        sequence
    }

    /// Checks a block in a scope of its own; also gives the type of its value.
    pub(super) fn block(&mut self, block: &'a ast::Block, tail: Tail) -> (Block, Ty) {
        let sequence = self.in_new_scope(|checker| checker.stmts(&block.stmts, tail));
        let ty = match &sequence.value {
            _ if sequence.diverges => Ty::NEVER,
            Some(value) => value.ty,
            None => self.valueless_block(block, tail),
        };
        let block = Block {
            stmts: sequence.stmts,
            value: sequence.value.map(Box::new),
            span: block.span,
        };
        (block, ty)
    }

    /// The type of a block that reaches its end without a value; an error if one is wanted.
    fn valueless_block(&mut self, block: &ast::Block, tail: Tail) -> Ty {
        match tail {
            Tail::Value(Want::Exactly(ty, origin)) if !matches!(ty, Ty::VOID | Ty::ERROR) => {
                let message = format!(
                    "this block must end with a value of type `{}`",
                    self.show(ty)
                );
                let span = super::bodies::closing_brace(block.span);
                let mut diagnostic = Diagnostic::error(code::TYPE_MISMATCH, message, span);
                if let Some((span, text)) = origin.said {
                    diagnostic = diagnostic.with_label(span, text);
                }
                self.report(diagnostic);
                Ty::ERROR
            }
            _ => Ty::VOID,
        }
    }

    /// Checks a statement; whether what follows is never reached.
    fn stmt(&mut self, stmt: &'a ast::Stmt, out: &mut Vec<Stmt>) -> bool {
        let span = stmt.span;
        let mut push = |kind: StmtKind| out.push(Stmt { kind, span });
        match &stmt.kind {
            ast::StmtKind::Item(_) => false,
            ast::StmtKind::Error => {
                self.has_error_node = true;
                false
            }
            ast::StmtKind::Let(stmt) => self.let_stmt(stmt, span, out),
            ast::StmtKind::Assign(stmt) => {
                let (kind, diverges) = self.assign(stmt);
                push(kind);
                diverges
            }
            ast::StmtKind::Expr(expr) => {
                let expr = self.effect(expr);
                let diverges = expr.ty == Ty::NEVER;
                push(StmtKind::Expr(expr));
                diverges
            }
            ast::StmtKind::Return(_) | ast::StmtKind::Break | ast::StmtKind::Continue => {
                push(self.jump(stmt));
                true
            }
            ast::StmtKind::While(condition, body) => self.while_stmt(condition, body, span, out),
            ast::StmtKind::Loop(body) => {
                let (kind, diverges) = self.endless_loop(body);
                push(kind);
                diverges
            }
            ast::StmtKind::For(stmt) => self.for_stmt(stmt, span, out),
            ast::StmtKind::Select(select) => {
                let (select, diverges) = self.select(select, span);
                push(StmtKind::Select(select));
                diverges
            }
            ast::StmtKind::Defer(call) => {
                if let Some(call) = self.defer(call) {
                    push(StmtKind::Defer(call));
                }
                false
            }
            ast::StmtKind::Block(block) => {
                let (block, ty) = self.block(block, Tail::Statement);
                push(StmtKind::Block(block));
                ty == Ty::NEVER
            }
        }
    }

    /// Checks a single statement (of a match arm) in a scope of its own.
    pub(super) fn lone_stmt(&mut self, stmt: &'a ast::Stmt) -> (Block, Ty) {
        let sequence =
            self.in_new_scope(|checker| checker.stmts(std::slice::from_ref(stmt), Tail::Statement));
        let ty = if sequence.diverges {
            Ty::NEVER
        } else {
            Ty::VOID
        };
        let block = Block {
            stmts: sequence.stmts,
            value: None,
            span: stmt.span,
        };
        (block, ty)
    }

    /// An expression whose value is not needed.
    pub(super) fn effect(&mut self, expr: &'a ast::Expr) -> Expr {
        match &expr.kind {
            ast::ExprKind::If(inner) => self.if_expr(inner, expr.span, Tail::Statement),
            ast::ExprKind::Match(inner) => self.match_expr(inner, expr.span, Tail::Statement),
            _ => {
                let value = self.expr(expr, Want::Nothing);
                self.warn_unused_result(expr, value.ty);
                value
            }
        }
    }

    /// `return`, `break`, `continue`
    pub(super) fn jump(&mut self, stmt: &'a ast::Stmt) -> StmtKind {
        match &stmt.kind {
            ast::StmtKind::Return(value) => self.return_stmt(value.as_ref(), stmt.span),
            ast::StmtKind::Break => {
                match self.body.loops.last_mut() {
                    Some(innermost) => innermost.has_break = true,
                    None => self.report_outside_loop("break", stmt.span),
                }
                StmtKind::Break
            }
            _ => {
                if self.body.loops.is_empty() {
                    self.report_outside_loop("continue", stmt.span);
                }
                StmtKind::Continue
            }
        }
    }

    fn report_outside_loop(&mut self, word: &str, span: Span) {
        let message = format!("`{word}` stands outside of a loop");
        self.error(code::OUTSIDE_LOOP, message, span);
    }

    fn return_stmt(&mut self, value: Option<&'a ast::Expr>, span: Span) -> StmtKind {
        let Some((result, declared)) = self.body.result else {
            if let Some(value) = value {
                self.expr(value, Want::Nothing);
            }
            let message = "`return` stands outside of a function";
            self.report(
                Diagnostic::error(code::BAD_RETURN, message, span)
                    .with_help("end the program with `exit(code)`"),
            );
            return StmtKind::Return(None);
        };
        let Some(value) = value else {
            if !matches!(result, Ty::VOID | Ty::ERROR) {
                let message = format!("`return` needs a value of type `{}`", self.show(result));
                self.report(
                    Diagnostic::error(code::BAD_RETURN, message, span)
                        .with_label(declared, "the result type is declared here"),
                );
            }
            return StmtKind::Return(None);
        };
        if result == Ty::VOID {
            let value = self.expr(value, Want::Nothing);
            if value.ty != Ty::ERROR {
                let message = "this function has no result, so `return` takes no value";
                let mut diagnostic = Diagnostic::error(code::BAD_RETURN, message, value.span)
                    .with_label(declared, "no result type is declared here");
                if value.ty != Ty::VOID {
                    let ty = self.show(value.ty);
                    diagnostic = diagnostic.with_help(format!("declare the result: `-> {ty}`"));
                }
                self.report(diagnostic);
            }
            return StmtKind::Return(None);
        }
        let origin = Origin::declared(declared, "the result type is declared here");
        StmtKind::Return(Some(self.expr(value, Want::Exactly(result, origin))))
    }

    // ------------------------------------------------------------ let

    fn let_stmt(&mut self, stmt: &'a LetStmt, span: Span, out: &mut Vec<Stmt>) -> bool {
        let declared = stmt.ty.as_ref().map(|ty| (self.resolve_type(ty), ty.span));
        match &stmt.names[..] {
            [name] => self.let_one(name, declared, stmt.value.as_ref(), span, out),
            names => self.let_many(names, declared, stmt.value.as_ref(), span, out),
        }
    }

    fn let_one(
        &mut self,
        name: &Ident,
        declared: Option<(Ty, Span)>,
        value: Option<&'a ast::Expr>,
        span: Span,
        out: &mut Vec<Stmt>,
    ) -> bool {
        let outer = self.updatable(name);
        let value = self.let_value(name, declared, value);
        let diverges = value.ty == Ty::NEVER;
        let ty = declared.map_or(value.ty, |(ty, _)| ty);
        if let Some((local, reads)) = outer
            && self.body.facts[local.0 as usize].reads > reads
            && self.local_ty(local) == ty
        {
            out.push(self.update_by_let(name, local, value, span));
            return diverges;
        }
        let kind = if name.is_underscore() {
            StmtKind::Expr(value)
        } else {
            let local = self.declare_variable(name, ty);
            match diverges {
                true => StmtKind::Expr(value),
                false => StmtKind::Let(local, value),
            }
        };
        out.push(Stmt { kind, span });
        diverges
    }

    fn let_value(
        &mut self,
        name: &Ident,
        declared: Option<(Ty, Span)>,
        value: Option<&'a ast::Expr>,
    ) -> Expr {
        match (value, declared) {
            (Some(value), Some((ty, said))) => {
                let origin = Origin::declared(said, "the type is declared here");
                self.expr(value, Want::Exactly(ty, origin))
            }
            (Some(value), None) => self.expr(value, Want::Nothing),
            (None, Some((ty, said))) => self.zero_value(ty, name, said),
            (None, None) => {
                let message = format!("`{}` needs a type or a value", name.name);
                self.error(code::CANNOT_INFER, message, name.span);
                broken(name.span)
            }
        }
    }

    /// Declares a variable of a `let`.
    fn declare_variable(&mut self, name: &Ident, ty: Ty) -> LocalId {
        if let Some(&first) = self.scope_mut().item_spans.get(&name.name) {
            self.report_duplicate(name, first);
            return self.new_local(name.as_str(), ty, name.span, Role::Silent);
        }
        let is_global = self.scope == ScopeId::FIRST;
        if is_global && let Some((first, _)) = self.local_named(&name.name) {
            let first = self.local_span(first);
            self.globals.note_redeclared(&name.name, first);
        }
        let role = if is_global {
            Role::Global
        } else {
            Role::Variable
        };
        self.declare(name, ty, role)
    }

    /// The variable outside of the innermost loop that a `let` of this name inside of it may update, and how often it was read.
    fn updatable(&self, name: &Ident) -> Option<(LocalId, u32)> {
        let innermost = self.body.loops.last()?;
        let (local, scope) = self.local_named(&name.name)?;
        let is_outside = !self.is_inside(scope, innermost.scope);
        let is_reference = matches!(self.kind(self.local_ty(local)), TyKind::Ref(_));
        let reads = self.body.facts[local.0 as usize].reads;
        (is_outside && !is_reference).then_some((local, reads))
    }

    fn update_by_let(&mut self, name: &Ident, local: LocalId, value: Expr, span: Span) -> Stmt {
        let message = format!("this updates the outer `{}`", name.name);
        let declared = self.local_span(local);
        self.report(
            Diagnostic::warning(code::LET_UPDATES, message, name.span)
                .with_label(declared, "it is declared here, outside of the loop")
                .with_help(format!("write `{} = …`", name.name)),
        );
        let place = Place {
            root: Root::Local(local),
            path: Vec::new(),
            ty: self.local_ty(local),
            span: name.span,
        };
        let kind = StmtKind::Assign(place, value);
        Stmt { kind, span }
    }

    /// `let a, b = e`: a tuple, or a receive with its `ok`.
    fn let_many(
        &mut self,
        names: &[Ident],
        declared: Option<(Ty, Span)>,
        value: Option<&'a ast::Expr>,
        span: Span,
        out: &mut Vec<Stmt>,
    ) -> bool {
        let value = match value {
            Some(value) if names.len() == 2 && is_receive(value) => self.receive_ok(value),
            Some(value) if declared.is_none() => self.operand(value, Want::Nothing),
            value => self.let_value(&names[0], declared, value),
        };
        let diverges = value.ty == Ty::NEVER;
        let types = self.taken_apart(&value, names);
        let mut locals = Vec::new();
        for (name, ty) in names.iter().zip(types) {
            let local = (!name.is_underscore()).then(|| self.declare_variable(name, ty));
            locals.push(local);
        }
        let kind = match diverges {
            true => StmtKind::Expr(value),
            false => StmtKind::LetTuple(locals, value),
        };
        out.push(Stmt { kind, span });
        diverges
    }

    /// The types of a tuple's elements, one for every name.
    fn taken_apart(&mut self, value: &Expr, names: &[Ident]) -> Vec<Ty> {
        let message = match self.kind(value.ty) {
            TyKind::Tuple(elements) if elements.len() == names.len() => return elements.clone(),
            TyKind::Error | TyKind::Never => return vec![Ty::ERROR; names.len()],
            TyKind::Tuple(elements) => format!(
                "this tuple has {}, but {} are declared",
                super::count_text(elements.len(), "element"),
                super::count_text(names.len(), "name"),
            ),
            _ => format!(
                "only a tuple can be taken apart, this is `{}`",
                self.show(value.ty)
            ),
        };
        let mut diagnostic = Diagnostic::error(code::WRONG_COUNT, message, value.span);
        diagnostic.help = match value.kind {
            ExprKind::MapIndex(..) => Some(MAP_GET.to_string()),
            _ => self.help_to_take_apart(value.ty),
        };
        self.report(diagnostic);
        vec![Ty::ERROR; names.len()]
    }

    fn help_to_take_apart(&mut self, ty: Ty) -> Option<String> {
        let help = match self.kind(ty) {
            TyKind::Result(..) => {
                // The comparison that follows by habit is no mistake of its own.
                self.was_reported(&"nil".into());
                "write `let v = f()?`, or `match f() { Ok(v) => …, Err(why) => … }`"
            }
            TyKind::Option(_) => "write `let v = f()?`, or `match f() { Some(v) => …, None => … }`",
            TyKind::Array(_) => "take the elements one by one: `let a = xs[0]`",
            TyKind::Map(..) => MAP_GET,
            _ => return None,
        };
        Some(help.to_string())
    }

    // ------------------------------------------------------------ assignment

    fn assign(&mut self, stmt: &'a AssignStmt) -> (StmtKind, bool) {
        if let (ast::ExprKind::Name(name), None) = (&stmt.target.kind, stmt.op)
            && name.is_underscore()
        {
            let value = self.expr(&stmt.value, Want::Nothing);
            let diverges = value.ty == Ty::NEVER;
            let place = Place {
                root: Root::Discard,
                path: Vec::new(),
                ty: value.ty,
                span: name.span,
            };
            return (StmtKind::Assign(place, value), diverges);
        }
        let reads_before = self.receiver_reads();
        let Some(place) = self.assigned_place(&stmt.target, stmt.op.is_some()) else {
            let value = self.expr(&stmt.value, Want::Nothing);
            return (StmtKind::Expr(value), false);
        };
        let is_receiver = matches!(place.root, Root::Local(LocalId(0)));
        let reads_of_target = self.receiver_reads() - reads_before;
        let kind = match stmt.op {
            None => {
                let origin = Origin::at(place.span, "this has the expected type");
                let value = self.expr(&stmt.value, Want::Exactly(place.ty, origin));
                StmtKind::Assign(place, value)
            }
            Some(op) => self.update(place, op, stmt.op_span, &stmt.value),
        };
        if is_receiver {
            self.note_receiver_change(stmt.target.span, reads_of_target);
        }
        let diverges = match &kind {
            StmtKind::Assign(_, value) | StmtKind::Update(_, _, value) => value.ty == Ty::NEVER,
            _ => false,
        };
        (kind, diverges)
    }

    // ------------------------------------------------------------ loops

    /// Checks the body of a loop. `declare` declares its variables, which belong to the loop.
    fn loop_body<T>(
        &mut self,
        body: &'a ast::Block,
        declare: impl FnOnce(&mut Self) -> T,
    ) -> (T, Block, bool) {
        self.in_new_scope(|checker| {
            let declared = declare(checker);
            let scope = checker.scope;
            checker.body.loops.push(Loop {
                scope,
                has_break: false,
            });
            let (block, _) = checker.block(body, Tail::Statement);
            let ended = checker.body.loops.pop();
            (declared, block, ended.is_some_and(|ended| ended.has_break))
        })
    }

    fn endless_loop(&mut self, body: &'a ast::Block) -> (StmtKind, bool) {
        let ((), body, has_break) = self.loop_body(body, |_| ());
        (StmtKind::Loop(body), !has_break)
    }

    fn while_stmt(
        &mut self,
        condition: &'a ast::Expr,
        body: &'a ast::Block,
        span: Span,
        out: &mut Vec<Stmt>,
    ) -> bool {
        let (kind, diverges) = if let ast::ExprKind::Bool(true) = condition.without_parens().kind {
            self.endless_loop(body)
        } else {
            let condition = self.operand(condition, Want::plain(Ty::BOOL));
            let ((), body, _) = self.loop_body(body, |_| ());
            (StmtKind::While(condition, body), false)
        };
        out.push(Stmt { kind, span });
        diverges
    }

    fn for_stmt(&mut self, stmt: &'a ForStmt, span: Span, out: &mut Vec<Stmt>) -> bool {
        let body = &stmt.body;
        let kind = match &stmt.head {
            ForHead::Condition(condition) => return self.while_stmt(condition, body, span, out),
            ForHead::Range { name, start, end } => self.for_range(name, start, end, body),
            ForHead::Each { name, iterable } => self.for_each(name, iterable, body),
            ForHead::Pairs {
                key,
                value,
                iterable,
            } => self.for_pairs(key, value, iterable, body),
        };
        out.push(Stmt { kind, span });
        false
    }

    fn for_range(
        &mut self,
        name: &Ident,
        start: &'a ast::Expr,
        end: &'a ast::Expr,
        body: &'a ast::Block,
    ) -> StmtKind {
        let (start, end) = self.operands(start, end, Want::Nothing);
        let (start, end, common) = self.common_type(start, end);
        let ty = common.unwrap_or_else(|| {
            let (from, to) = (self.show(start.ty), self.show(end.ty));
            let message = format!("a range cannot go from `{from}` to `{to}`");
            self.error(code::TYPE_MISMATCH, message, start.span.to(end.span));
            Ty::ERROR
        });
        let is_integer = matches!(
            self.kind(ty),
            TyKind::Int(_) | TyKind::Error | TyKind::Never
        );
        if !is_integer {
            let message = format!("a range is of integers, not `{}`", self.show(ty));
            self.error(code::BAD_OPERANDS, message, start.span.to(end.span));
        }
        let ty = if is_integer { ty } else { Ty::ERROR };
        let (local, body, _) =
            self.loop_body(body, |checker| checker.declare(name, ty, Role::Silent));
        StmtKind::ForRange {
            local,
            start,
            end,
            body,
        }
    }

    fn for_each(
        &mut self,
        name: &Ident,
        iterable: &'a ast::Expr,
        body: &'a ast::Block,
    ) -> StmtKind {
        let iterable = self.operand(iterable, Want::Nothing);
        let element = match *self.kind(iterable.ty) {
            TyKind::Array(element) | TyKind::Chan(element) => element,
            TyKind::String => Ty::CHAR,
            _ => self.report_not_iterable(&iterable, name),
        };
        let (local, body, _) =
            self.loop_body(body, |checker| checker.declare(name, element, Role::Silent));
        StmtKind::ForEach {
            local,
            iterable,
            body,
        }
    }

    fn report_not_iterable(&mut self, iterable: &Expr, name: &Ident) -> Ty {
        let help = match self.kind(iterable.ty) {
            TyKind::Error | TyKind::Never => return Ty::ERROR,
            TyKind::Map(..) => {
                Some("go over the entries of a map with `for (key, value) in …`".to_string())
            }
            TyKind::Int(_) => Some(format!("count with `for {} in 0..n`", name.name)),
            _ => None,
        };
        let message = format!("`for` cannot go over `{}`", self.show(iterable.ty));
        let mut diagnostic = Diagnostic::error(code::TYPE_MISMATCH, message, iterable.span)
            .with_note("it goes over ranges, arrays, strings and channels, and over maps in pairs");
        diagnostic.help = help;
        self.report(diagnostic);
        Ty::ERROR
    }

    fn for_pairs(
        &mut self,
        key: &Ident,
        value: &Ident,
        iterable: &'a ast::Expr,
        body: &'a ast::Block,
    ) -> StmtKind {
        let iterable = self.operand(iterable, Want::Nothing);
        let (key_ty, value_ty) = match *self.kind(iterable.ty) {
            TyKind::Map(key, value) => (key, value),
            TyKind::Error | TyKind::Never => (Ty::ERROR, Ty::ERROR),
            _ => {
                let message = format!("only a map has pairs, this is `{}`", self.show(iterable.ty));
                let mut diagnostic = Diagnostic::error(code::TYPE_MISMATCH, message, iterable.span);
                if matches!(self.kind(iterable.ty), TyKind::Array(_)) {
                    let help = "use `for x in …`, or count with `for i in 0..len(…)`";
                    diagnostic = diagnostic.with_help(help);
                }
                self.report(diagnostic);
                (Ty::ERROR, Ty::ERROR)
            }
        };
        if !key.is_underscore() && key.name == value.name {
            self.report_duplicate(value, key.span);
        }
        let ((key, value), body, _) = self.loop_body(body, |checker| {
            let key = checker.declare(key, key_ty, Role::Silent);
            (key, checker.declare(value, value_ty, Role::Silent))
        });
        StmtKind::ForMap {
            key,
            value,
            iterable,
            body,
        }
    }
}

/// Whether an expression statement at the end of a block is its value.
fn gives_value(expr: &ast::Expr) -> bool {
    match &expr.kind {
        ast::ExprKind::If(inner) => inner.else_body.is_some(),
        ast::ExprKind::Print(_)
        | ast::ExprKind::Delete(..)
        | ast::ExprKind::Assert(..)
        | ast::ExprKind::Send(..) => false,
        _ => true,
    }
}

pub(super) fn is_receive(expr: &ast::Expr) -> bool {
    matches!(
        expr.without_parens().kind,
        ast::ExprKind::Unary(UnaryOp::Recv, ..)
    )
}

/// An expression as a statement.
pub(super) fn effect(expr: Expr) -> Stmt {
    Stmt {
        span: expr.span,
        kind: StmtKind::Expr(expr),
    }
}

/// A block expression.
pub(super) fn block_expr(block: Block, ty: Ty) -> Expr {
    let span = block.span;
    node(ExprKind::Block(block), ty, span)
}
