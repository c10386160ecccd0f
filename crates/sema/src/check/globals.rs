//! Variables of the top level that functions read.
//!
//! All variables of the top level are checked as locals of the main coroutine. When every function is known, those that some function reads are
//! turned into globals: their `let` becomes an assignment, and what refers to them is renamed, in the tree of the main coroutine.

use std::collections::HashMap;

use echo_syntax::Span;

use super::Checker;
use super::bodies::{Body, Role};
use crate::typed::{
    Block, Call, Callee, Expr, ExprKind, Function, Global, GlobalId, Local, LocalId, Place, Root,
    SelectKind, Step, Stmt, StmtKind,
};
use crate::types::Ty;

#[derive(Default)]
pub(super) struct Globals {
    /// The variables of the top level, by their number as locals of the main coroutine.
    variables: Vec<Variable>,
    read: HashMap<LocalId, GlobalId>,
    globals: Vec<Global>,
    /// Of names that the top level declares more than once: the first of them.
    first_of_many: HashMap<String, Span>,
}

struct Variable {
    name: String,
    ty: Ty,
    span: Span,
    /// It is declared at the top level itself, and the main coroutine does not read it.
    is_unread: bool,
}

impl Globals {
    /// The globals, and the main coroutine rewritten to use them.
    pub fn into_program(self, entry: &mut Function) -> Vec<Global> {
        if !self.globals.is_empty() {
            let rewrite = Rewrite(&self.read, &entry.locals);
            rewrite.block(&mut entry.body);
        }
        self.globals
    }

    /// Notes that a name of the top level is declared again.
    pub fn note_redeclared(&mut self, name: &str, first: Span) {
        self.first_of_many.entry(name.to_string()).or_insert(first);
    }

    /// The first declaration of a name that the top level declares more than once.
    pub fn redeclared(&self, name: &str) -> Option<Span> {
        self.first_of_many.get(name).copied()
    }
}

impl Checker<'_> {
    /// Remembers the variables of the top level when it has been checked.
    pub(super) fn keep_globals(&mut self, body: &Body) {
        let locals = body.locals.iter().zip(&body.facts);
        self.globals.variables = locals
            .map(|(local, facts)| Variable {
                name: local.name.clone(),
                ty: local.ty,
                span: local.span,
                is_unread: facts.role == Role::Global && facts.reads == 0,
            })
            .collect();
    }

    /// Type and declaration of a variable of the top level, for a function.
    pub(super) fn global_variable(&self, local: LocalId) -> (Ty, Span) {
        let variable = &self.globals.variables[local.0 as usize];
        (variable.ty, variable.span)
    }

    pub(super) fn global_ty(&self, global: GlobalId) -> Ty {
        self.globals.globals[global.0 as usize].ty
    }

    /// Name and declaration of a global.
    pub(super) fn global_name(&self, global: GlobalId) -> (String, Span) {
        let global = &self.globals.globals[global.0 as usize];
        (global.name.clone(), global.span)
    }

    /// The global that a function reads.
    pub(super) fn global_id(&mut self, local: LocalId) -> GlobalId {
        let globals = &mut self.globals;
        if let Some(&id) = globals.read.get(&local) {
            return id;
        }
        let id = GlobalId(u32::try_from(globals.globals.len()).expect("fewer than 2^32 globals"));
        let variable = &globals.variables[local.0 as usize];
        globals.globals.push(Global {
            name: variable.name.clone(),
            ty: variable.ty,
            span: variable.span,
            may_be_early: false,
        });
        globals.read.insert(local, id);
        id
    }

    /// Variables of the top level that neither it nor a function reads.
    pub(super) fn warn_unused_globals(&mut self) {
        let variables = self.globals.variables.iter().enumerate();
        let unused: Vec<(String, Span)> = variables
            .filter(|(index, variable)| {
                let local = LocalId(u32::try_from(*index).expect("fewer than 2^32 locals"));
                variable.is_unread && !self.globals.read.contains_key(&local)
            })
            .map(|(_, variable)| (variable.name.clone(), variable.span))
            .collect();
        for (name, span) in unused {
            self.warn_unused_variable(&name, span);
        }
    }
}

/// Renames locals to globals.
struct Rewrite<'r>(&'r HashMap<LocalId, GlobalId>, &'r [Local]);

impl Rewrite<'_> {
    fn block(&self, block: &mut Block) {
        let mut stmts = Vec::with_capacity(block.stmts.len());
        for mut stmt in block.stmts.drain(..) {
            self.stmt(&mut stmt);
            let span = stmt.span;
            match stmt.kind {
                StmtKind::Let(local, value) if self.0.contains_key(&local) => {
                    stmts.push(self.assign(local, value, span));
                }
                StmtKind::LetTuple(locals, value) => {
                    let taken = locals.clone();
                    let kind = StmtKind::LetTuple(locals, value);
                    stmts.push(Stmt { kind, span });
                    for local in taken.into_iter().flatten() {
                        if self.0.contains_key(&local) {
                            let value = self.local(local, span);
                            stmts.push(self.assign(local, value, span));
                        }
                    }
                }
                kind => stmts.push(Stmt { kind, span }),
            }
        }
        block.stmts = stmts;
        if let Some(value) = &mut block.value {
            self.expr(value);
        }
    }

    fn local(&self, local: LocalId, span: Span) -> Expr {
        Expr {
            kind: ExprKind::Local(local),
            ty: self.1[local.0 as usize].ty,
            span,
        }
    }

    /// `global = value`
    fn assign(&self, local: LocalId, value: Expr, span: Span) -> Stmt {
        let place = Place {
            root: Root::Global(self.0[&local]),
            path: Vec::new(),
            ty: self.1[local.0 as usize].ty,
            span,
        };
        Stmt {
            kind: StmtKind::Assign(place, value),
            span,
        }
    }

    fn stmt(&self, stmt: &mut Stmt) {
        match &mut stmt.kind {
            StmtKind::Let(_, value) | StmtKind::LetTuple(_, value) | StmtKind::Expr(value) => {
                self.expr(value);
            }
            StmtKind::Assign(place, value) | StmtKind::Update(place, _, value) => {
                self.place(place);
                self.expr(value);
            }
            StmtKind::Return(value) => self.exprs(value),
            StmtKind::Break | StmtKind::Continue => {}
            StmtKind::While(condition, body) => {
                self.expr(condition);
                self.block(body);
            }
            StmtKind::Loop(body) | StmtKind::Block(body) => self.block(body),
            StmtKind::ForRange {
                start, end, body, ..
            } => {
                self.expr(start);
                self.expr(end);
                self.block(body);
            }
            StmtKind::ForEach { iterable, body, .. } | StmtKind::ForMap { iterable, body, .. } => {
                self.expr(iterable);
                self.block(body);
            }
            StmtKind::Select(select) => {
                for case in &mut select.cases {
                    match &mut case.kind {
                        SelectKind::Receive { channel, .. } => self.expr(channel),
                        SelectKind::Send { channel, value } => {
                            self.expr(channel);
                            self.expr(value);
                        }
                    }
                    self.block(&mut case.body);
                }
                if let Some((duration, body)) = &mut select.timeout {
                    self.expr(duration);
                    self.block(body);
                }
                if let Some(body) = &mut select.default {
                    self.block(body);
                }
            }
            StmtKind::Defer(call) => self.call(call),
        }
    }

    fn place(&self, place: &mut Place) {
        if let Root::Local(local) = place.root
            && let Some(&global) = self.0.get(&local)
        {
            place.root = Root::Global(global);
        }
        for step in &mut place.path {
            match step {
                Step::Field(_) => {}
                Step::Index(index) | Step::Key(index) => self.expr(index),
            }
        }
    }

    fn call(&self, call: &mut Call) {
        if let Callee::Value(callee) = &mut call.callee {
            self.expr(callee);
        }
        self.exprs(&mut call.args);
    }

    fn exprs<'e>(&self, exprs: impl IntoIterator<Item = &'e mut Expr>) {
        for expr in exprs {
            self.expr(expr);
        }
    }

    fn boxed<'e>(&self, exprs: impl IntoIterator<Item = &'e mut Box<Expr>>) {
        for expr in exprs {
            self.expr(expr);
        }
    }

    fn expr(&self, expr: &mut Expr) {
        match &mut expr.kind {
            ExprKind::Local(local) => {
                if let Some(&global) = self.0.get(local) {
                    expr.kind = ExprKind::Global(global);
                }
            }
            ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Bool(_)
            | ExprKind::Char(_)
            | ExprKind::Str(_)
            | ExprKind::Unit
            | ExprKind::Global(_)
            | ExprKind::Deref(_)
            | ExprKind::Function(_)
            | ExprKind::None => {}
            ExprKind::Ref(place) => self.place(place),
            ExprKind::Neg(inner)
            | ExprKind::Not(inner)
            | ExprKind::ToString(inner)
            | ExprKind::Convert(_, inner)
            | ExprKind::Some(inner)
            | ExprKind::Ok(inner)
            | ExprKind::Err(inner)
            | ExprKind::Field(inner, _)
            | ExprKind::Await(inner)
            | ExprKind::TryAwait(inner)
            | ExprKind::Receive(inner)
            | ExprKind::ReceiveOk(inner)
            | ExprKind::Question(inner) => self.expr(inner),
            ExprKind::Binary(_, left, right)
            | ExprKind::And(left, right)
            | ExprKind::Or(left, right)
            | ExprKind::Compare(_, left, right)
            | ExprKind::Concat(left, right)
            | ExprKind::ArrayRepeat(left, right)
            | ExprKind::Index(left, right)
            | ExprKind::MapIndex(left, right)
            | ExprKind::CharAt(left, right)
            | ExprKind::Send(left, right) => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Struct(_, fields) => self.exprs(fields.iter_mut().map(|(_, value)| value)),
            ExprKind::Tuple(elements)
            | ExprKind::Array(elements)
            | ExprKind::Variant(_, _, elements) => self.exprs(elements),
            ExprKind::Map(entries) => {
                self.exprs(entries.iter_mut().flat_map(|(key, value)| [key, value]));
            }
            ExprKind::Slice(value, start, end) => {
                self.expr(value);
                self.boxed(start.iter_mut().chain(end));
            }
            ExprKind::NewChan(capacity) => self.boxed(capacity),
            ExprKind::Call(call) | ExprKind::Spawn(call) | ExprKind::AwaitCall(call) => {
                self.call(call);
            }
            ExprKind::If(condition, then, otherwise) => {
                self.expr(condition);
                self.block(then);
                if let Some(otherwise) = otherwise {
                    self.block(otherwise);
                }
            }
            ExprKind::Match(matched) => {
                self.expr(&mut matched.value);
                for arm in &mut matched.arms {
                    self.exprs(&mut arm.guard);
                    self.expr(&mut arm.body);
                }
            }
            ExprKind::Block(block) => self.block(block),
            ExprKind::Diverge(stmt) => self.stmt(stmt),
        }
    }
}
