//! The bodies of functions, and the top level as the body of the main coroutine.

use echo_syntax::ast::Ident;
use echo_syntax::{Diagnostic, Span};

use super::collect::DeclId;
use super::expected::{Origin, Want, node};
use super::scopes::ScopeId;
use super::statements::{Sequence, Tail};
use super::{Checker, code};
use crate::typed::{
    Block, Call, Callee, Expr, ExprKind, FuncId, Function, Local, LocalId, Stmt, StmtKind,
};
use crate::types::{Ty, TyKind};

/// The function that is being checked.
#[derive(Default)]
pub(super) struct Body {
    /// Tells function bodies apart; the top level is 0.
    pub serial: u32,
    pub decl: Option<DeclId>,
    pub locals: Vec<Local>,
    /// What is known about each local beside.
    pub facts: Vec<LocalFacts>,
    /// The loops around this place, innermost last.
    pub loops: Vec<Loop>,
    /// What `return` gives; `None` at the top level.
    pub result: Option<(Ty, Span)>,
    pub receiver_change: Option<ReceiverChange>,
}

pub(super) struct LocalFacts {
    pub role: Role,
    /// How often it was read (or changed in part).
    pub reads: u32,
}

/// The last assignment to the first local, or a part of it.
pub(super) struct ReceiverChange {
    pub span: Span,
    /// How often the local had been read, the assignment included.
    pub reads: u32,
    /// How many of all reads are of targets of assignments.
    pub reads_of_targets: u32,
    pub is_in_loop: bool,
}

/// How a local came about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Variable,
    /// Of the checked file's top level.
    Global,
    /// Unused ones are no news: parameters, variables of loops, and what the checker itself adds.
    Silent,
}

pub(super) struct Loop {
    /// The scope of its body.
    pub scope: ScopeId,
    pub has_break: bool,
}

impl<'a> Checker<'a> {
    /// Adds a local that no name refers to yet.
    pub(super) fn new_local(&mut self, name: &str, ty: Ty, span: Span, role: Role) -> LocalId {
        let id = LocalId(u32::try_from(self.body.locals.len()).expect("fewer than 2^32 locals"));
        self.body.locals.push(Local {
            name: name.to_string(),
            // A variable for what never comes: its type must be one that has a layout.
            ty: if ty == Ty::NEVER { Ty::VOID } else { ty },
            span,
        });
        self.body.facts.push(LocalFacts { role, reads: 0 });
        id
    }

    /// Declares a variable in the present scope.
    pub(super) fn declare(&mut self, name: &Ident, ty: Ty, role: Role) -> LocalId {
        let local = self.new_local(name.as_str(), ty, name.span, role);
        if !name.is_underscore() {
            self.declare_local(&name.name, local);
            self.note_late_declaration(name);
        }
        local
    }

    pub(super) fn local_ty(&self, local: LocalId) -> Ty {
        self.body.locals[local.0 as usize].ty
    }

    pub(super) fn mark_read(&mut self, local: LocalId) {
        self.body.facts[local.0 as usize].reads += 1;
    }

    // ------------------------------------------------------------ the top level

    /// Checks the top level of the checked file; the call of `main` comes last.
    pub(super) fn check_entry(&mut self, main: Option<DeclId>) -> Function {
        let file = self.modules[0].file;
        self.scope = ScopeId::FIRST;
        self.body = Body::default();
        let Sequence {
            mut stmts,
            diverges,
            ..
        } = self.stmts(&file.stmts, Tail::Statement);
        if !diverges {
            stmts.extend(self.end_of_entry(main, file.span.after()));
        }
        self.warn_unused_locals();
        let body = std::mem::take(&mut self.body);
        self.keep_globals(&body);
        Function {
            name: "main".to_string(),
            is_async: false,
            locals: body.locals,
            parameter_count: 0,
            result: Ty::INT,
            body: Block {
                stmts,
                value: None,
                span: file.span,
            },
            span: file.span,
        }
    }

    /// `return main()`, or `main()` and `return 0`.
    fn end_of_entry(&mut self, main: Option<DeclId>, span: Span) -> Vec<Stmt> {
        let return_value = |value: Expr| Stmt {
            span: value.span,
            kind: StmtKind::Return(Some(value)),
        };
        let zero = node(ExprKind::Int(0), Ty::INT, span);
        let Some(main) = main else {
            return vec![return_value(zero)];
        };
        let decl = &self.functions[main.index()];
        let (result, name_span, is_async) = (decl.result, decl.ast.name.span, decl.is_async());
        if !decl.params.is_empty() || !matches!(result, Ty::INT | Ty::VOID | Ty::ERROR) {
            let message = "`main` takes no parameters and returns `int` or nothing";
            let mut error = Diagnostic::error(code::BAD_MAIN, message, decl_span(decl.ast));
            if !decl.params.is_empty() {
                error = error.with_note("programs cannot read arguments yet");
            }
            self.report(error);
        }
        let call = Call {
            callee: Callee::Function(self.function_id(main)),
            args: Vec::new(),
            result,
            span: name_span,
        };
        let kind = match is_async {
            true => ExprKind::AwaitCall(call),
            false => ExprKind::Call(call),
        };
        let call = node(kind, result, name_span);
        if result == Ty::INT {
            return vec![return_value(call)];
        }
        let call = Stmt {
            span: name_span,
            kind: StmtKind::Expr(call),
        };
        vec![call, return_value(zero)]
    }

    /// Adds a function that no declaration stands for.
    pub(super) fn add_function(&mut self, function: Function) -> FuncId {
        self.checked.push(Some(function));
        FuncId(u32::try_from(self.checked.len() - 1).expect("fewer than 2^32 functions"))
    }

    // ------------------------------------------------------------ functions

    /// Checks the bodies in the queue, and those that get there meanwhile.
    pub(super) fn check_queue(&mut self) {
        let mut serial = 0;
        while let Some(decl) = self.queue.pop_front() {
            serial += 1;
            let function = self.check_function(decl, serial);
            let id = self.function_id(decl);
            self.checked[id.0 as usize] = Some(function);
        }
    }

    fn check_function(&mut self, decl: DeclId, serial: u32) -> Function {
        let function = &self.functions[decl.index()];
        let (ast, result) = (function.ast, function.result);
        let (is_async, result_span) = (function.is_async(), function.result_span());
        let params = function.params.clone();
        let name = function.name.clone();
        self.scope = function.scope;
        self.body = Body {
            serial,
            decl: Some(decl),
            result: Some((result, result_span)),
            ..Body::default()
        };
        self.enter_scope();
        for param in &params {
            self.declare(&param.name, param.ty, Role::Silent);
        }
        let body = ast
            .body
            .as_ref()
            .expect("functions without body are not declared");
        let stmts = self.function_stmts(&body.stmts, result, result_span, &name, body.span);
        self.warn_unused_locals();
        if let Some(receiver) = &ast.receiver {
            self.warn_changed_copy(receiver, ast.name.as_str());
        }
        Function {
            name,
            is_async,
            locals: std::mem::take(&mut self.body).locals,
            parameter_count: params.len(),
            result,
            body: Block {
                stmts,
                value: None,
                span: body.span,
            },
            span: ast.span,
        }
    }

    /// The statements of a body; a final expression that is the result becomes a `return`.
    fn function_stmts(
        &mut self,
        stmts: &'a [echo_syntax::ast::Stmt],
        result: Ty,
        result_span: Span,
        name: &str,
        span: Span,
    ) -> Vec<Stmt> {
        // Parameters can be shadowed by the body's own variables, so it has a scope of its own.
        self.enter_scope();
        if result == Ty::VOID {
            return self.stmts(stmts, Tail::Statement).stmts;
        }
        let want = Want::Exactly(
            result,
            Origin::declared(result_span, "the result type is declared here"),
        );
        let checked = self.stmts(stmts, Tail::Value(want));
        let mut out = checked.stmts;
        match checked.value {
            Some(value) => out.push(Stmt {
                span: value.span,
                kind: StmtKind::Return(Some(value)),
            }),
            None if checked.diverges || result == Ty::ERROR => {}
            None => self.report_missing_return(name, result, result_span, span),
        }
        out
    }

    fn report_missing_return(&mut self, name: &str, result: Ty, result_span: Span, body: Span) {
        let expected = self.show(result);
        let message = format!("`{name}` must return `{expected}`, but can end without a value");
        let mut diagnostic = Diagnostic::error(code::MISSING_RETURN, message, closing_brace(body))
            .with_label(result_span, "the result type is declared here");
        diagnostic.help = match self.kind(result) {
            TyKind::Result(Ty::VOID, _) => Some("end with `Ok(())`".to_string()),
            _ => None,
        };
        self.report(diagnostic);
    }
}

/// The last character of a block.
pub(super) fn closing_brace(block: Span) -> Span {
    Span {
        start: block.end.saturating_sub(1).max(block.start),
        ..block
    }
}

fn decl_span(func: &echo_syntax::ast::Func) -> Span {
    let result = func.result.as_ref().map(|ty| ty.span);
    let first = func.params.first().map(|param| param.span);
    first.or(result).unwrap_or(func.name.span)
}
