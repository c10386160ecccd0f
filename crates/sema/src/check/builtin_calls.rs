//! Calls of built-in functions and methods, by the table of [`builtins`].

use echo_syntax::ast::{self, Ident};
use echo_syntax::{Diagnostic, Span};

use super::conditionals::{by_rank, rank};
use super::expected::{Want, broken};
use super::scopes::Native;
use super::{Checker, code};
use crate::builtins::{self, Bound, Signature};
use crate::typed::{Expr, ExprKind};
use crate::types::Ty;

impl<'a> Checker<'a> {
    /// A predeclared function or a native member of a module.
    pub(super) fn builtin_function(
        &mut self,
        native: Native,
        name: &Ident,
        args: &'a [ast::Expr],
        type_args: &[Ty],
        want: Want,
        span: Span,
    ) -> Expr {
        let mut overloads = builtins::function(native.module, native.name);
        if overloads.len() > 1 {
            return self.overloaded(&overloads, name, args, span);
        }
        let Some(mut signature) = overloads.pop() else {
            return self.broken_call(args, span);
        };
        if !signature.bind_type_arguments(&mut self.types, type_args) {
            let message = format!("`{}` does not take these type arguments", name.name);
            self.error(code::TYPE_ARGUMENTS, message, name.span);
            return self.broken_call(args, span);
        }
        self.builtin(signature, None, args, want, span)
    }

    /// One of several functions of a name, by the first argument.
    fn overloaded(
        &mut self,
        overloads: &[Signature],
        name: &Ident,
        args: &'a [ast::Expr],
        span: Span,
    ) -> Expr {
        let [first, rest @ ..] = args else {
            let takes = overloads[0].parameter_count();
            self.report_argument_count(&name.name, None, takes, 0, span);
            return broken(span);
        };
        let first = self.operand(first, Want::Nothing);
        if super::is_open(first.ty) {
            return self.broken_call(rest, span);
        }
        let Some(mut signature) = builtins::select(&self.types, overloads, first.ty) else {
            let show = |ty: Ty| self.show(ty);
            let takes: Vec<_> = overloads
                .iter()
                .map(|signature| format!("`{}`", signature.parameter_text(&show, 0)))
                .collect();
            let message = format!("`{}` does not take `{}`", name.name, self.show(first.ty));
            self.report(
                Diagnostic::error(code::TYPE_MISMATCH, message, first.span)
                    .with_note(format!("it takes {}", takes.join(", "))),
            );
            return self.broken_call(rest, span);
        };
        let first = match signature.parameter(&mut self.types, 0) {
            Some(ty) => self.fit(first, Want::plain(ty)),
            None => first,
        };
        signature.bind(&self.types, 0, first.ty);
        let mut checked = vec![first];
        if !self.check_count(&signature, args.len(), span) {
            return self.broken_call(rest, span);
        }
        for (index, arg) in rest.iter().enumerate() {
            checked.push(self.builtin_argument(&mut signature, index + 1, arg, Want::Nothing));
        }
        self.finish(&signature, checked, Want::Nothing, span)
    }

    /// A call with a signature that is known; `receiver` is the first argument.
    pub(super) fn builtin(
        &mut self,
        mut signature: Signature,
        receiver: Option<Expr>,
        args: &'a [ast::Expr],
        want: Want,
        span: Span,
    ) -> Expr {
        if !self.check_count(&signature, args.len(), span) {
            return self.broken_call(args, span);
        }
        if let Want::Exactly(ty, _) = want {
            signature.bind_result(&mut self.types, ty);
        }
        let order: Vec<usize> = match signature.takes_numbers() {
            true => by_rank(args.iter().map(rank)),
            false => (0..args.len()).collect(),
        };
        let hint = match signature.takes_numbers() {
            true => want.as_hint(),
            false => Want::Nothing,
        };
        let mut checked: Vec<Option<Expr>> = args.iter().map(|_| None).collect();
        for (done, &at) in order.iter().enumerate() {
            let arg = self.builtin_argument(&mut signature, at, &args[at], hint);
            // The other numbers follow this one, so nothing can be said about them.
            if signature.takes_numbers() && arg.ty == Ty::ERROR {
                for &at in &order[done + 1..] {
                    self.broken_call(std::slice::from_ref(&args[at]), span);
                }
                return broken(span);
            }
            checked[at] = Some(arg);
        }
        let checked = receiver.into_iter().chain(checked.into_iter().flatten());
        self.finish(&signature, checked.collect(), want, span)
    }

    fn check_count(&mut self, signature: &Signature, given: usize, span: Span) -> bool {
        let takes = signature.parameter_count();
        if takes != given {
            self.report_argument_count(signature.name(), None, takes, given, span);
            if let name @ ("all" | "race") = signature.name()
                && let Some(error) = self.diagnostics.last_mut()
            {
                error.help = Some(format!("it takes an array: `{name}([a, b])`"));
            }
        }
        takes == given
    }

    fn builtin_argument(
        &mut self,
        signature: &mut Signature,
        index: usize,
        arg: &'a ast::Expr,
        hint: Want,
    ) -> Expr {
        if let Some(ty) = signature.parameter(&mut self.types, index) {
            return self.expr(arg, Want::plain(ty));
        }
        let value = self.expr(arg, hint);
        if super::is_open(value.ty) {
            return value;
        }
        if signature.bind(&self.types, index, value.ty) {
            return match self.meets_bound(signature, value.span) {
                true => value,
                false => broken(value.span),
            };
        }
        let show = |ty: Ty| self.show(ty);
        let expected = signature.parameter_text(&show, index);
        let message = format!("expected `{expected}`, found `{}`", self.show(value.ty));
        self.error(code::TYPE_MISMATCH, message, value.span);
        broken(value.span)
    }

    fn finish(&mut self, signature: &Signature, args: Vec<Expr>, want: Want, span: Span) -> Expr {
        let is_broken = args.iter().any(|arg| arg.ty == Ty::ERROR);
        if !is_broken && !self.meets_bound(signature, span) {
            return broken(span);
        }
        match signature.result(&mut self.types) {
            Some(result) => self.builtin_call(signature.builtin(), args, result, span),
            None if is_broken || matches!(want, Want::Exactly(Ty::ERROR, _)) => broken(span),
            None if args.iter().any(|arg| arg.ty == Ty::NEVER) => {
                self.builtin_call(signature.builtin(), args, Ty::NEVER, span)
            }
            None => {
                let message = format!("the type of `{}(…)` is not known here", signature.name());
                self.report(
                    Diagnostic::error(code::CANNOT_INFER, message, span)
                        .with_help(format!("write it: `{}[int]()`", signature.name())),
                );
                broken(span)
            }
        }
    }

    /// Whether what is bound so far can do what is asked of it; reports if not.
    fn meets_bound(&mut self, signature: &Signature, span: Span) -> bool {
        let Some((ty, bound)) = signature.bounds() else {
            return true;
        };
        let meets = self.satisfies(ty, bound);
        if !meets {
            self.report_bound(signature, ty, bound, span);
        }
        meets
    }

    fn report_bound(&mut self, signature: &Signature, ty: Ty, bound: Bound, span: Span) {
        let name = signature.name();
        let text = self.show(ty);
        let message = match bound {
            Bound::Comparable => format!("`{name}` compares, but `{text}` cannot be compared"),
            Bound::Ordered => format!("`{name}` needs an order, but `{text}` has none"),
            Bound::Printable => format!("`{name}` prints, but `{text}` cannot be printed"),
            Bound::Number => format!("`{name}` takes numbers, not `{text}`"),
            Bound::Integer => format!("`{name}` takes integers, not `{text}`"),
            Bound::Value => format!("`{name}` needs a value, not `{text}`"),
        };
        self.error(code::UNFIT_TYPE, message, span);
    }

    /// `delete(m, k)`: the map's method `remove`, its answer dropped.
    pub(super) fn delete(&mut self, map: &'a ast::Expr, key: &'a ast::Expr, span: Span) -> Expr {
        let base = self.base(map);
        let ty = base.ty();
        let is_map = matches!(self.kind(ty), crate::types::TyKind::Map(..));
        let signature = builtins::method(&self.types, ty, "remove").filter(|_| is_map);
        let Some(signature) = signature else {
            if !super::is_open(ty) {
                let message = format!("`delete` takes a map, not `{}`", self.show(ty));
                self.error(code::TYPE_MISMATCH, message, base.span());
            }
            return self.broken_call(std::slice::from_ref(key), span);
        };
        let mut before = Vec::new();
        let receiver = self.reference_to(base, &mut before);
        let keys = std::slice::from_ref(key);
        let removed = self.builtin(signature, Some(receiver), keys, Want::Nothing, span);
        let removed = self.after(before, removed);
        match &removed.kind {
            ExprKind::Call(_) | ExprKind::Block(_) => self.without_value(removed),
            _ => removed,
        }
    }
}
