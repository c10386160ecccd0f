//! The one walk over the typed tree.

use crate::typed::{
    Block, Call, Callee, Expr, ExprKind, Match, Place, Select, SelectKind, Step, Stmt, StmtKind,
};

/// Something met on a walk.
pub enum Node<'a> {
    Expr(&'a Expr),
    Stmt(&'a Stmt),
    /// A call, also one that `spawn` or `defer` makes.
    Call(&'a Call),
    /// A place that is assigned or referred to: its root changes.
    Changed(&'a Place),
}

/// Visits everything in the block, in source order.
pub fn walk_block<'a>(block: &'a Block, visit: &mut dyn FnMut(Node<'a>)) {
    for stmt in &block.stmts {
        walk_stmt(stmt, visit);
    }
    if let Some(value) = &block.value {
        walk_expr(value, visit);
    }
}

/// Visits everything in the statement, in source order.
pub fn walk_stmt<'a>(stmt: &'a Stmt, visit: &mut dyn FnMut(Node<'a>)) {
    visit(Node::Stmt(stmt));
    match &stmt.kind {
        StmtKind::Let(_, value) | StmtKind::LetTuple(_, value) | StmtKind::Expr(value) => {
            walk_expr(value, visit);
        }
        StmtKind::Assign(place, value) | StmtKind::Update(place, _, value) => {
            walk_place(place, visit);
            walk_expr(value, visit);
        }
        StmtKind::Return(value) => value.iter().for_each(|value| walk_expr(value, visit)),
        StmtKind::Break | StmtKind::Continue => {}
        StmtKind::While(condition, body) => {
            walk_expr(condition, visit);
            walk_block(body, visit);
        }
        StmtKind::Loop(body) | StmtKind::Block(body) => walk_block(body, visit),
        StmtKind::ForRange {
            start, end, body, ..
        } => {
            walk_expr(start, visit);
            walk_expr(end, visit);
            walk_block(body, visit);
        }
        StmtKind::ForEach { iterable, body, .. } | StmtKind::ForMap { iterable, body, .. } => {
            walk_expr(iterable, visit);
            walk_block(body, visit);
        }
        StmtKind::Select(select) => walk_select(select, visit),
        StmtKind::Defer(call) => walk_call(call, visit),
    }
}

fn walk_select<'a>(select: &'a Select, visit: &mut dyn FnMut(Node<'a>)) {
    for case in &select.cases {
        match &case.kind {
            SelectKind::Receive { channel, .. } => walk_expr(channel, visit),
            SelectKind::Send { channel, value } => {
                walk_expr(channel, visit);
                walk_expr(value, visit);
            }
        }
    }
    if let Some((time, _)) = &select.timeout {
        walk_expr(time, visit);
    }
    let bodies = select.cases.iter().map(|case| &case.body);
    let timeout = select.timeout.iter().map(|(_, body)| body);
    for body in bodies.chain(timeout).chain(&select.default) {
        walk_block(body, visit);
    }
}

fn walk_place<'a>(place: &'a Place, visit: &mut dyn FnMut(Node<'a>)) {
    visit(Node::Changed(place));
    for step in &place.path {
        match step {
            Step::Field(_) => {}
            Step::Index(expr) | Step::Key(expr) => walk_expr(expr, visit),
        }
    }
}

fn walk_call<'a>(call: &'a Call, visit: &mut dyn FnMut(Node<'a>)) {
    visit(Node::Call(call));
    if let Callee::Value(callee) = &call.callee {
        walk_expr(callee, visit);
    }
    for arg in &call.args {
        walk_expr(arg, visit);
    }
}

fn walk_match<'a>(matching: &'a Match, visit: &mut dyn FnMut(Node<'a>)) {
    walk_expr(&matching.value, visit);
    for arm in &matching.arms {
        if let Some(guard) = &arm.guard {
            walk_expr(guard, visit);
        }
        walk_expr(&arm.body, visit);
    }
}

/// Visits everything in the expression, in source order.
pub fn walk_expr<'a>(expr: &'a Expr, visit: &mut dyn FnMut(Node<'a>)) {
    visit(Node::Expr(expr));
    match &expr.kind {
        ExprKind::Int(_)
        | ExprKind::Float(_)
        | ExprKind::Bool(_)
        | ExprKind::Char(_)
        | ExprKind::Str(_)
        | ExprKind::Unit
        | ExprKind::Local(_)
        | ExprKind::Global(_)
        | ExprKind::Deref(_)
        | ExprKind::Function(_)
        | ExprKind::None
        | ExprKind::NewChan(None) => {}
        ExprKind::Ref(place) => walk_place(place, visit),
        ExprKind::Neg(a)
        | ExprKind::Not(a)
        | ExprKind::ToString(a)
        | ExprKind::Convert(_, a)
        | ExprKind::Some(a)
        | ExprKind::Ok(a)
        | ExprKind::Err(a)
        | ExprKind::Field(a, _)
        | ExprKind::Await(a)
        | ExprKind::TryAwait(a)
        | ExprKind::NewChan(Some(a))
        | ExprKind::Receive(a)
        | ExprKind::ReceiveOk(a)
        | ExprKind::Question(a) => walk_expr(a, visit),
        ExprKind::Binary(_, a, b)
        | ExprKind::And(a, b)
        | ExprKind::Or(a, b)
        | ExprKind::Compare(_, a, b)
        | ExprKind::Concat(a, b)
        | ExprKind::ArrayRepeat(a, b)
        | ExprKind::Index(a, b)
        | ExprKind::MapIndex(a, b)
        | ExprKind::CharAt(a, b)
        | ExprKind::Send(a, b) => {
            walk_expr(a, visit);
            walk_expr(b, visit);
        }
        ExprKind::Slice(base, from, to) => {
            walk_expr(base, visit);
            for bound in from.iter().chain(to) {
                walk_expr(bound, visit);
            }
        }
        ExprKind::Struct(_, fields) => fields.iter().for_each(|(_, field)| walk_expr(field, visit)),
        ExprKind::Tuple(list) | ExprKind::Array(list) | ExprKind::Variant(_, _, list) => {
            list.iter().for_each(|element| walk_expr(element, visit));
        }
        ExprKind::Map(entries) => {
            for (key, value) in entries {
                walk_expr(key, visit);
                walk_expr(value, visit);
            }
        }
        ExprKind::Call(call) | ExprKind::Spawn(call) | ExprKind::AwaitCall(call) => {
            walk_call(call, visit);
        }
        ExprKind::If(condition, then, otherwise) => {
            walk_expr(condition, visit);
            walk_block(then, visit);
            otherwise.iter().for_each(|block| walk_block(block, visit));
        }
        ExprKind::Match(matching) => walk_match(matching, visit),
        ExprKind::Block(block) => walk_block(block, visit),
        ExprKind::Diverge(stmt) => walk_stmt(stmt, visit),
    }
}
