//! Coroutines and channels: `spawn`, `await`, `defer`, send, receive, `select`; and `?`, which leaves a function early.

use echo_syntax::ast::{self, ExprKind as Ast, Ident, SelectComm, SelectStmt, UnaryOp};
use echo_syntax::{Diagnostic, Span};

use super::bodies::Role;
use super::composites::stored;
use super::expected::{Origin, Want, broken, node};
use super::statements::{MAP_GET, Tail};
use super::{Checker, code, is_open};
use crate::typed::{
    Block, Call, Callee, Expr, ExprKind, Function, Local, LocalId, Select, SelectCase, SelectKind,
    Stmt, StmtKind,
};
use crate::types::{Ty, TyKind};

impl<'a> Checker<'a> {
    // ------------------------------------------------------------ coroutines

    /// `spawn f(x)`
    pub(super) fn spawn(&mut self, operand: &'a ast::Expr, span: Span) -> Expr {
        if let Ast::Block(_) = &operand.kind {
            return self.unsupported(
                "`spawn` of a block is",
                "write a function: `spawn f(x)`",
                span,
            );
        }
        let operand = self.expr(operand, Want::Nothing);
        let Some(call) = self.call_of(operand, "spawn") else {
            return broken(span);
        };
        if call.result == Ty::ERROR {
            return broken(span);
        }
        let mut call = call;
        while let TyKind::Future(value) = *self.kind(call.result) {
            call = self.awaiting(call, value);
        }
        let ty = self.types.intern(TyKind::Future(stored(call.result)));
        node(ExprKind::Spawn(call), ty, span)
    }

    /// A call that gives a future, as a call of a function made for it that awaits that future: `spawn` never gives a future of a future.
    fn awaiting(&mut self, call: Call, value: Ty) -> Call {
        let span = call.span;
        let name = self.callee_name(&call.callee);
        let mut args = call.args;
        // A function value is passed along as the first argument.
        let is_value = matches!(call.callee, Callee::Value(_));
        let callee = match call.callee {
            Callee::Value(callee) => {
                let first = node(ExprKind::Local(LocalId(0)), callee.ty, span);
                args.insert(0, *callee);
                Callee::Value(Box::new(first))
            }
            callee => callee,
        };
        let locals: Vec<Local> = args.iter().map(parameter_for).collect();
        let passed = locals.iter().zip(0..).map(|(local, index)| {
            let kind = ExprKind::Local(LocalId(index));
            node(kind, local.ty, local.span)
        });
        let inner = Call {
            callee,
            args: passed.skip(usize::from(is_value)).collect(),
            result: call.result,
            span,
        };
        let inner = node(ExprKind::Call(inner), call.result, span);
        let inner = node(ExprKind::Await(Box::new(inner)), value, span);
        let function = returning(name, locals, inner);
        Call {
            callee: Callee::Function(self.add_function(function)),
            args,
            result: value,
            span,
        }
    }

    /// What reports call the coroutine that a call starts.
    fn callee_name(&self, callee: &Callee) -> String {
        match callee {
            Callee::Function(id) => {
                let mut functions = self.functions.iter();
                let function = functions.find(|function| function.id == Some(*id));
                function.map_or_else(String::new, |function| function.name.clone())
            }
            Callee::Value(callee) => match callee.kind {
                ExprKind::Local(local) => self.body.locals[local.0 as usize].name.clone(),
                ExprKind::Global(global) => self.global_name(global).0,
                _ => "function value".to_string(),
            },
            Callee::Builtin(builtin) => format!("{builtin:?}").to_lowercase(),
        }
    }

    /// `defer f(x)`
    pub(super) fn defer(&mut self, operand: &'a ast::Expr) -> Option<Call> {
        if let Ast::Block(_) = &operand.kind {
            self.not_supported(
                "`defer` of a block is",
                "write a function: `defer f(x)`",
                operand.span,
            );
            return None;
        }
        let operand = self.expr(operand, Want::Nothing);
        self.call_of(operand, "defer")
    }

    /// The call that `spawn` or `defer` makes later, in another place: its arguments cannot be references.
    fn call_of(&mut self, operand: Expr, word: &str) -> Option<Call> {
        let span = operand.span;
        let call = match operand.kind {
            _ if operand.ty == Ty::ERROR => return None,
            ExprKind::Call(call) | ExprKind::Spawn(call) => call,
            ExprKind::Block(block) if has_reference_call(&block) => {
                self.report_later_reference(word, None, span);
                return None;
            }
            _ => {
                let message = format!("`{word}` takes a call");
                self.report(
                    Diagnostic::error(code::BAD_OPERATION, message, span)
                        .with_help(format!("put it into a function `f` and write `{word} f()`")),
                );
                return None;
            }
        };
        let references = call.args.iter().find_map(|arg| match self.kind(arg.ty) {
            TyKind::Ref(target) => Some((*target, arg.span)),
            _ => None,
        });
        if let Some((target, span)) = references {
            self.report_later_reference(word, Some(target), span);
            return None;
        }
        Some(call)
    }

    /// `target`: what it refers to, if that is known.
    fn report_later_reference(&mut self, word: &str, target: Option<Ty>, span: Span) {
        let help = match (word, target) {
            (_, Some(target)) if self.is_handle(target) => {
                let name = self.show(target);
                format!("a `{name}` is a handle: pass it as it is, without `*` and `&`")
            }
            ("defer", _) => "make the call where the function ends; what is deferred takes values and handles (channels, `sync.Mutex`, …)".to_string(),
            _ => "call it without `spawn`, right there; coroutines share state through a channel, `sync.Mutex` or `sync.Atomic`".to_string(),
        };
        let message = format!("a reference cannot be passed to a call that `{word}` makes");
        self.report(
            Diagnostic::error(code::BAD_REFERENCE, message, span)
                .with_note("a reference lives for one call that is made right there")
                .with_help(help),
        );
    }

    /// Whether copies of a value stand for one thing.
    fn is_handle(&self, ty: Ty) -> bool {
        matches!(
            self.kind(ty),
            TyKind::Chan(_)
                | TyKind::Future(_)
                | TyKind::Promise(_)
                | TyKind::Mutex(_)
                | TyKind::RwLock(_)
                | TyKind::Atomic
                | TyKind::WaitGroup
                | TyKind::Semaphore
                | TyKind::Once
        )
    }

    /// `await e`
    pub(super) fn await_expr(&mut self, operand: &'a ast::Expr, span: Span) -> Expr {
        let Some((future, value)) = self.future(operand, "await") else {
            return broken(span);
        };
        // One that is spawned is a coroutine of its own, with its own stack and locks, also when it is awaited at once.
        let is_spawned = matches!(operand.without_parens().kind, Ast::Spawn(_));
        let kind = match future.kind {
            ExprKind::Spawn(call) if !is_spawned => ExprKind::AwaitCall(call),
            _ => ExprKind::Await(Box::new(future)),
        };
        node(kind, value, span)
    }

    /// `try await e`
    pub(super) fn try_await(&mut self, operand: &'a ast::Expr, try_span: Span, span: Span) -> Expr {
        let inner = operand.without_parens();
        let Ast::Unary(UnaryOp::Await, _, future) = &inner.kind else {
            let value = self.expr(operand, Want::Nothing);
            if value.ty != Ty::ERROR {
                let message = "`try` stands in front of `await`";
                self.report(
                    Diagnostic::error(code::BAD_OPERATION, message, try_span).with_help(
                        "an `Err` is passed on with `e?`; a panic is caught with `try await f()`",
                    ),
                );
            }
            return broken(span);
        };
        let Some((future, value)) = self.future(future, "try await") else {
            return broken(span);
        };
        let ty = self.intern_sized(TyKind::Result(value, Ty::STRING), span);
        node(ExprKind::TryAwait(Box::new(future)), ty, span)
    }

    /// A future and the type of its value.
    fn future(&mut self, operand: &'a ast::Expr, word: &str) -> Option<(Expr, Ty)> {
        let future = self.operand(operand, Want::Nothing);
        if let TyKind::Future(value) = *self.kind(future.ty) {
            return Some((future, value));
        }
        if is_open(future.ty) {
            return None;
        }
        let message = format!("`{word}` takes a future, not `{}`", self.show(future.ty));
        let mut diagnostic = Diagnostic::error(code::BAD_OPERATION, message, future.span);
        diagnostic.help = match (self.kind(future.ty), &future.kind) {
            (TyKind::Promise(_), _) => Some("await its `.future()`".to_string()),
            (TyKind::Chan(_), _) => Some("receive from a channel with `<- ch`".to_string()),
            (TyKind::Array(element), _) if matches!(self.kind(*element), TyKind::Future(_)) => {
                Some("await all of them with `await all(…)`".to_string())
            }
            (_, ExprKind::Call(_)) => Some(
                "a call of a plain function gives its value at once: leave `await` out, or `spawn` it".to_string(),
            ),
            (TyKind::Func(..), _) => Some("call it: `await f(x)`, or `await spawn f(x)`".to_string()),
            _ => None,
        };
        self.report(diagnostic);
        None
    }

    // ------------------------------------------------------------ channels

    /// `chan T`, `chan[n] T`
    pub(super) fn new_chan(&mut self, chan: &'a ast::ChanExpr, span: Span) -> Expr {
        let element = self.resolve_type(&chan.element);
        let capacity = chan.capacity.as_ref().map(|capacity| {
            let capacity = self.expr(capacity, Want::plain(Ty::INT));
            self.reject_negative_count(&capacity, "a channel cannot buffer");
            Box::new(capacity)
        });
        let ty = self.intern_sized(TyKind::Chan(element), span);
        node(ExprKind::NewChan(capacity), ty, span)
    }

    /// A channel and the type of what goes through it.
    fn channel(&mut self, operand: &'a ast::Expr, what: &str) -> Option<(Expr, Ty)> {
        let channel = self.operand(operand, Want::Nothing);
        if let TyKind::Chan(element) = *self.kind(channel.ty) {
            return Some((channel, element));
        }
        if !is_open(channel.ty) {
            let message = format!("{what} a channel, not `{}`", self.show(channel.ty));
            self.error(code::BAD_OPERATION, message, channel.span);
        }
        None
    }

    /// `ch <- v`
    pub(super) fn send(
        &mut self,
        channel: &'a ast::Expr,
        value: &'a ast::Expr,
        span: Span,
    ) -> Expr {
        match self.sent(channel, value) {
            Some((channel, value)) => node(
                ExprKind::Send(Box::new(channel), Box::new(value)),
                Ty::VOID,
                span,
            ),
            None => broken(span),
        }
    }

    fn sent(&mut self, channel: &'a ast::Expr, value: &'a ast::Expr) -> Option<(Expr, Expr)> {
        let Some((channel, element)) = self.channel(channel, "`<-` sends to") else {
            self.broken_call(std::slice::from_ref(value), value.span);
            return None;
        };
        let origin = Origin::at(channel.span, "the channel holds values of that type");
        let value = self.expr(value, Want::Exactly(element, origin));
        Some((channel, value))
    }

    /// `<- ch`
    pub(super) fn receive(&mut self, operand: &'a ast::Expr, span: Span) -> Expr {
        match self.channel(operand, "`<-` receives from") {
            Some((channel, element)) => node(ExprKind::Receive(Box::new(channel)), element, span),
            None => broken(span),
        }
    }

    /// The value of `let v, ok = <- ch`.
    pub(super) fn receive_ok(&mut self, receive: &'a ast::Expr) -> Expr {
        let Ast::Unary(UnaryOp::Recv, _, operand) = &receive.without_parens().kind else {
            return self.expr(receive, Want::Nothing);
        };
        match self.channel(operand, "`<-` receives from") {
            Some((channel, element)) => {
                let ty = self.intern_sized(TyKind::Tuple(vec![element, Ty::BOOL]), receive.span);
                node(ExprKind::ReceiveOk(Box::new(channel)), ty, receive.span)
            }
            None => broken(receive.span),
        }
    }

    // ------------------------------------------------------------ select

    /// Also gives whether what follows is never reached.
    pub(super) fn select(&mut self, stmt: &'a SelectStmt, span: Span) -> (Select, bool) {
        let mut select = Select {
            cases: Vec::new(),
            timeout: None,
            default: None,
        };
        if stmt.cases.is_empty() {
            let message = "a `select` without cases does nothing";
            self.report(Diagnostic::warning(code::EMPTY_SELECT, message, span));
        }
        let mut diverges = !stmt.cases.is_empty();
        let mut first_default = None;
        let mut first_timeout = None;
        for case in &stmt.cases {
            let body = &case.body;
            let ty = match &case.comm {
                SelectComm::Recv { names, channel } => {
                    let (case, ty) = self.receive_case(names, channel, body, case.span);
                    select.cases.extend(case);
                    ty
                }
                SelectComm::Send { channel, value } => {
                    let sent = self.sent(channel, value);
                    let (body, ty) = self.block(body, Tail::Statement);
                    if let Some((channel, value)) = sent {
                        let kind = SelectKind::Send { channel, value };
                        let span = case.span;
                        select.cases.push(SelectCase { kind, body, span });
                    }
                    ty
                }
                SelectComm::Timeout(duration) => {
                    self.reject_second("timeout", &mut first_timeout, case.span);
                    let duration = self.expr(duration, Want::plain(Ty::INT));
                    let (body, ty) = self.block(body, Tail::Statement);
                    select.timeout.get_or_insert((duration, body));
                    ty
                }
                SelectComm::Default => {
                    self.reject_second("default", &mut first_default, case.span);
                    let (body, ty) = self.block(body, Tail::Statement);
                    select.default.get_or_insert(body);
                    ty
                }
                SelectComm::Error => {
                    self.has_error_node = true;
                    self.block(body, Tail::Statement).1
                }
            };
            diverges &= ty == Ty::NEVER;
        }
        (select, diverges)
    }

    fn reject_second(&mut self, what: &str, first: &mut Option<Span>, span: Span) {
        match *first {
            None => *first = Some(span),
            Some(first) => {
                let message = format!("a `select` has at most one `{what}`");
                self.report(
                    Diagnostic::error(code::BAD_SELECT, message, span)
                        .with_label(first, "the first one"),
                );
            }
        }
    }

    fn receive_case(
        &mut self,
        names: &[Ident],
        channel: &'a ast::Expr,
        body: &'a ast::Block,
        span: Span,
    ) -> (Option<SelectCase>, Ty) {
        let channel = self.channel(channel, "a case receives from");
        let element = channel.as_ref().map_or(Ty::ERROR, |(_, element)| *element);
        self.in_new_scope(|checker| {
            let value = names
                .first()
                .and_then(|name| checker.case_local(name, element));
            let ok = names
                .get(1)
                .and_then(|name| checker.case_local(name, Ty::BOOL));
            if let [value, ok, ..] = names
                && !value.is_underscore()
                && value.name == ok.name
            {
                checker.report_duplicate(ok, value.span);
            }
            let (body, ty) = checker.block(body, Tail::Statement);
            let case = channel.map(|(channel, _)| SelectCase {
                kind: SelectKind::Receive { channel, value, ok },
                body,
                span,
            });
            (case, ty)
        })
    }

    fn case_local(&mut self, name: &Ident, ty: Ty) -> Option<LocalId> {
        (!name.is_underscore()).then(|| self.declare(name, ty, Role::Variable))
    }

    // ------------------------------------------------------------ ?

    /// `e?`
    pub(super) fn propagate(&mut self, operand: &'a ast::Expr, span: Span) -> Expr {
        let value = self.operand(operand, Want::Nothing);
        let (payload, error) = match *self.kind(value.ty) {
            TyKind::Option(payload) => (payload, None),
            TyKind::Result(payload, error) => (payload, Some(error)),
            _ => {
                if !is_open(value.ty) {
                    let message = format!(
                        "`?` takes an `Option` or a `Result`, not `{}`",
                        self.show(value.ty)
                    );
                    let mut diagnostic = Diagnostic::error(code::BAD_PROPAGATION, message, span);
                    diagnostic.help = match value.kind {
                        ExprKind::MapIndex(..) => Some(MAP_GET.to_string()),
                        _ => is_await(operand).then(|| TRY_AWAIT.to_string()),
                    };
                    self.report(diagnostic);
                }
                return broken(span);
            }
        };
        self.require_propagation(error, span);
        node(ExprKind::Question(Box::new(value)), payload, span)
    }

    /// The function must be able to return what `?` passes on: `None`, or an `Err` of that type.
    fn require_propagation(&mut self, error: Option<Ty>, span: Span) {
        let Some((result, declared)) = self.body.result else {
            let message = "`?` returns from a function, but this is at the top level";
            self.report(
                Diagnostic::error(code::BAD_PROPAGATION, message, span)
                    .with_help("use `.unwrap()` or `match`"),
            );
            return;
        };
        let message = match (self.kind(result), error) {
            (TyKind::Error, _) | (TyKind::Option(_), None) => return,
            (TyKind::Result(_, returned), Some(error)) if *returned == error || is_open(error) => {
                return;
            }
            (TyKind::Result(_, returned), Some(error)) => format!(
                "`?` passes on an error of type `{}`, but the function's is `{}`",
                self.show(error),
                self.show(*returned)
            ),
            (_, None) => format!(
                "`?` returns `None`, but the function returns `{}`",
                self.show(result)
            ),
            (_, Some(_)) => format!(
                "`?` returns an `Err`, but the function returns `{}`",
                self.show(result)
            ),
        };
        let label = match result {
            Ty::VOID => "no result type is declared here",
            _ => "the result type is declared here",
        };
        self.report(
            Diagnostic::error(code::BAD_PROPAGATION, message, span).with_label(declared, label),
        );
    }
}

/// A parameter that takes the argument.
fn parameter_for(arg: &Expr) -> Local {
    Local {
        name: String::new(),
        ty: stored(arg.ty),
        span: arg.span,
    }
}

/// A function that returns the value.
fn returning(name: String, params: Vec<Local>, value: Expr) -> Function {
    let (result, span) = (value.ty, value.span);
    let stmt = Stmt {
        kind: StmtKind::Return(Some(value)),
        span,
    };
    Function {
        name,
        is_async: false,
        parameter_count: params.len(),
        locals: params,
        result,
        body: Block {
            stmts: vec![stmt],
            value: None,
            span,
        },
        span,
    }
}

/// Whether a block is a call on a temporary that was put into a local, or a `delete`.
fn has_reference_call(block: &Block) -> bool {
    let effect = block.stmts.last().and_then(|stmt| match &stmt.kind {
        StmtKind::Expr(effect) => Some(effect),
        _ => None,
    });
    block
        .value
        .as_deref()
        .or(effect)
        .is_some_and(|call| matches!(call.kind, ExprKind::Call(_) | ExprKind::Spawn(_)))
}

/// What to write where a failure of what is awaited is looked at.
pub(super) const TRY_AWAIT: &str =
    "`await` gives the value itself, and raises a failure again; `try await` gives a `Result`";

/// `await e`
pub(super) fn is_await(expr: &ast::Expr) -> bool {
    matches!(expr.without_parens().kind, Ast::Unary(UnaryOp::Await, _, _))
}
