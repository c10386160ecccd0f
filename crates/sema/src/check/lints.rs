//! Warnings about what is never used.

use echo_syntax::{Diagnostic, Span, ast};

use super::bodies::{ReceiverChange, Role};
use super::{Checker, code};
use crate::typed::LocalId;
use crate::types::{Ty, TyKind};

/// Whether a warning says that something is never used.
pub(super) fn is_about_use(code: &str) -> bool {
    matches!(
        code,
        code::UNUSED_VARIABLE | code::UNUSED_FUNCTION | code::UNUSED_IMPORT
    )
}

impl Checker<'_> {
    /// Variables of the function just checked that nothing reads. Those of the top level are looked at when all functions are known.
    pub(super) fn warn_unused_locals(&mut self) {
        let unused: Vec<(String, Span)> = self
            .body
            .locals
            .iter()
            .zip(&self.body.facts)
            .filter(|(_, facts)| facts.role == Role::Variable && facts.reads == 0)
            .map(|(local, _)| (local.name.clone(), local.span))
            .collect();
        for (name, span) in unused {
            self.warn_unused_variable(&name, span);
        }
    }

    pub(super) fn warn_unused_variable(&mut self, name: &str, span: Span) {
        if name.starts_with('_') {
            return;
        }
        let message = format!("the variable `{name}` is never read");
        self.report(
            Diagnostic::warning(code::UNUSED_VARIABLE, message, span)
                .with_help(format!("name it `_{name}` if that is meant")),
        );
    }

    /// Functions and imports of the checked file that nothing uses.
    pub(super) fn warn_unused_declarations(&mut self) {
        let unused = self.functions.iter().filter(|function| {
            let name = function.ast.name.as_str();
            !function.used && !function.is_method() && name != "main" && !name.starts_with('_')
        });
        let mut found: Vec<Diagnostic> = unused
            .map(|function| {
                let name = &function.ast.name;
                let message = format!("the function `{}` is never used", name.name);
                Diagnostic::warning(code::UNUSED_FUNCTION, message, name.span)
            })
            .collect();
        let imports = self.imports.iter().filter(|import| !import.used);
        found.extend(imports.map(|import| {
            let message = format!("the import `{}` is never used", import.name.name);
            Diagnostic::warning(code::UNUSED_IMPORT, message, import.name.span)
        }));
        for warning in found {
            self.report(warning);
        }
    }

    /// A statement whose value is a `Result` of a call: an error goes unnoticed.
    pub(super) fn warn_unused_result(&mut self, expr: &ast::Expr, ty: Ty) {
        let is_call = match &expr.without_parens().kind {
            ast::ExprKind::Call(..) => true,
            ast::ExprKind::Unary(op, ..) => *op == ast::UnaryOp::Await,
            _ => false,
        };
        if is_call && matches!(self.kind(ty), TyKind::Result(..)) {
            let message = "this `Result` is not used, and may be an `Err`";
            self.report(
                Diagnostic::warning(code::UNUSED_RESULT, message, expr.span).with_help(
                    "hand the error on with `?`, look at it with `match`, or say `let _ = …`",
                ),
            );
        }
    }

    /// How often the first local was read.
    pub(super) fn receiver_reads(&self) -> u32 {
        self.body.facts.first().map_or(0, |facts| facts.reads)
    }

    /// The first local, or a part of it, was assigned; naming the target took that many reads.
    pub(super) fn note_receiver_change(&mut self, span: Span, reads_of_target: u32) {
        let before = &self.body.receiver_change;
        let reads_of_targets = before.as_ref().map_or(0, |before| before.reads_of_targets);
        self.body.receiver_change = Some(ReceiverChange {
            span,
            reads: self.receiver_reads(),
            reads_of_targets: reads_of_targets + reads_of_target,
            is_in_loop: !self.body.loops.is_empty(),
        });
    }

    /// A method that changes its receiver, which is a value, and does not read it afterwards: the caller sees nothing of that.
    pub(super) fn warn_changed_copy(&mut self, receiver: &ast::Receiver, method: &str) {
        let Some(change) = &self.body.receiver_change else {
            return;
        };
        let reads = self.receiver_reads();
        let is_read_later = match change.is_in_loop {
            true => reads > change.reads_of_targets,
            false => reads > change.reads,
        };
        if is_read_later || matches!(self.kind(self.local_ty(LocalId(0))), TyKind::Ref(_)) {
            return;
        }
        let name = &receiver.name.name;
        let ty = self.show(self.local_ty(LocalId(0)));
        let message = format!("only a copy is changed: `{name}` is a value here");
        self.report(
            Diagnostic::warning(code::COPY_CHANGED, message, change.span)
                .with_label(
                    receiver.span,
                    "this receiver is a copy of the caller's value",
                )
                .with_help(format!(
                    "to change that, write `func ({name} *{ty}) {method}(…)`"
                )),
        );
    }

    /// Code behind what never ends normally.
    pub(super) fn warn_unreachable(&mut self, span: Span) {
        self.report(Diagnostic::warning(
            code::UNREACHABLE_CODE,
            "this is never reached",
            span,
        ));
    }
}
