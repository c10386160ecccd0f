//! Expressions: which check belongs to which form, and names.

use echo_syntax::ast::{self, ExprKind as Ast, Ident, UnaryOp};
use echo_syntax::{Diagnostic, Span};

use super::bodies::Role;
use super::collect::DeclId;
use super::expected::{Want, broken, node};
use super::scopes::{Entity, Wrapper};
use super::statements::Tail;
use super::{Checker, code};
use crate::builtins::Constant;
use crate::typed::{Builtin, Call, Callee, Expr, ExprKind, LocalId};
use crate::types::{EnumId, Ty, TyKind};

impl<'a> Checker<'a> {
    /// Checks an expression. What comes back is what is wanted, or an error that was reported.
    pub(super) fn expr(&mut self, expr: &'a ast::Expr, want: Want) -> Expr {
        let checked = self.unfitted(expr, want);
        self.fit(checked, want)
    }

    /// Checks an expression whose value something is done with at once, so that there must be one: `panic("…") + 1` makes no sense.
    pub(super) fn operand(&mut self, expr: &'a ast::Expr, want: Want) -> Expr {
        let operand = self.expr(expr, want);
        if operand.ty != Ty::NEVER {
            return operand;
        }
        let message = "this never gives a value, so nothing can be done with it";
        self.error(code::NOT_A_VALUE, message, operand.span);
        broken(operand.span)
    }

    /// The expression with the type it has by itself, given a hint.
    fn unfitted(&mut self, expr: &'a ast::Expr, want: Want) -> Expr {
        let span = expr.span;
        match &expr.kind {
            Ast::Int(value) => self.int_literal(i128::from(*value), want, span),
            Ast::Float(value) => self.float_literal(*value, want, span),
            Ast::Str(text) => node(ExprKind::Str(text.to_string()), Ty::STRING, span),
            Ast::Char(value) => node(ExprKind::Char(*value), Ty::CHAR, span),
            Ast::Bool(value) => node(ExprKind::Bool(*value), Ty::BOOL, span),
            Ast::Name(name) => self.name(name, want),
            Ast::Paren(inner) => self.expr(inner, want),
            Ast::Tuple(elements) => self.tuple(elements, want, span),
            Ast::Array(elements) => self.array(elements, want, span),
            Ast::ArrayRepeat(value, count) => self.array_repeat(value, count, want, span),
            Ast::Braces(entries) => self.braces(entries, want, span),
            Ast::StructLit(ty, entries) => self.struct_literal(ty, entries, span),
            Ast::Field(base, name, _) => self.member(base, name, want, span),
            Ast::Bracket(base, args) => self.index(base, args, span),
            Ast::Slice(base, start, end) => {
                self.slice(base, start.as_deref(), end.as_deref(), span)
            }
            Ast::Call(callee, args) => self.call(callee, args, want, span),
            Ast::Propagate(inner) => self.propagate(inner, span),
            Ast::Unary(op, op_span, inner) => self.unary(*op, *op_span, inner, want, span),
            Ast::Binary(binary) => self.binary(binary, want, span),
            Ast::Send(channel, value) => self.send(channel, value, span),
            Ast::As(value, ty) => self.cast(value, ty, span),
            Ast::If(inner) => self.if_expr(inner, span, Tail::Value(want)),
            Ast::Match(inner) => self.match_expr(inner, span, Tail::Value(want)),
            Ast::Spawn(operand) => self.spawn(operand, span),
            Ast::Chan(chan) => self.new_chan(chan, span),
            Ast::Sizeof(ty) => {
                let ty = self.resolve_type(ty);
                self.builtin_call(Builtin::SizeOf(ty), Vec::new(), Ty::INT, span)
            }
            Ast::Print(value) => self.print(value, span),
            Ast::Delete(map, key) => self.delete(map, key, span),
            Ast::Assert(condition, message) => self.assert(condition, message.as_deref(), span),
            Ast::Closure(_) => self.unsupported(
                "closures are",
                "write a function, and pass it by its name",
                span,
            ),
            Ast::Scope(_) => self.unsupported(
                "`scope` is",
                "`await` each future: `for f in futures { await f }`",
                span,
            ),
            Ast::Timeout(..) => self.unsupported(
                "`timeout` is",
                "a `select` can wait for a time: `case timeout after 1000:`",
                span,
            ),
            Ast::Block(_) => {
                self.unsupported("a block is here", "write a function, and call it", span)
            }
            Ast::Type(_) => {
                let message = "this is a type, where a value is expected";
                self.error(code::NOT_A_VALUE, message, span);
                broken(span)
            }
            Ast::Error => {
                self.has_error_node = true;
                broken(span)
            }
        }
    }

    pub(super) fn unsupported(&mut self, what: &str, instead: &str, span: Span) -> Expr {
        self.not_supported(what, instead, span);
        broken(span)
    }

    fn unary(
        &mut self,
        op: UnaryOp,
        op_span: Span,
        operand: &'a ast::Expr,
        want: Want,
        span: Span,
    ) -> Expr {
        match op {
            UnaryOp::Neg => self.negate(operand, want, span),
            UnaryOp::Not => self.not(operand, span),
            UnaryOp::Ref => {
                self.expr(operand, Want::Nothing);
                let message = "a reference can only be an argument for a `*T` parameter";
                self.report(
                    Diagnostic::error(code::BAD_REFERENCE, message, op_span).with_note(
                        "it cannot be stored, returned, sent or passed to `spawn`; values can, and copy cheaply",
                    ),
                );
                broken(span)
            }
            UnaryOp::Deref => self.deref(operand, op_span, span),
            UnaryOp::Recv => self.receive(operand, span),
            UnaryOp::Await => self.await_expr(operand, span),
            UnaryOp::Try => self.try_await(operand, op_span, span),
        }
    }

    /// `*p`
    fn deref(&mut self, operand: &'a ast::Expr, op_span: Span, span: Span) -> Expr {
        if let Some(local) = self.reference_local(operand) {
            return self.deref_local(local, span);
        }
        let value = self.operand(operand, Want::Nothing);
        if value.ty != Ty::ERROR {
            let message = format!("`*` takes a reference, not `{}`", self.show(value.ty));
            self.error(code::BAD_REFERENCE, message, op_span);
        }
        broken(span)
    }

    /// The local of a reference type that an expression names.
    pub(super) fn reference_local(&mut self, expr: &ast::Expr) -> Option<LocalId> {
        let Ast::Name(name) = &expr.without_parens().kind else {
            return None;
        };
        match self.lookup(name) {
            Entity::Local(local) if matches!(self.kind(self.local_ty(local)), TyKind::Ref(_)) => {
                Some(local)
            }
            _ => None,
        }
    }

    /// What a local of a reference type refers to.
    pub(super) fn deref_local(&mut self, local: LocalId, span: Span) -> Expr {
        self.mark_read(local);
        let ty = self.referred(self.local_ty(local));
        node(ExprKind::Deref(local), ty, span)
    }

    // ------------------------------------------------------------ names

    fn name(&mut self, name: &Ident, want: Want) -> Expr {
        let span = name.span;
        if name.is_underscore() {
            let message = "`_` takes values, it gives none";
            self.error(code::NOT_A_VALUE, message, span);
            return broken(span);
        }
        match self.lookup(name) {
            Entity::Local(local) => self.read_local(local, span),
            Entity::Global(local) => self.read_global(name, local),
            Entity::Func(decl) => self.function_value(decl, span),
            Entity::Constant(constant) => constant_value(constant, span),
            Entity::Variants(variants) => self.bare_variant(name, &variants, want),
            Entity::Wrapper(Wrapper::None) => self.none(want, span),
            Entity::Wrapper(_) => self.not_a_value(name, "needs a value: write", "(…)"),
            Entity::Builtin(_) => {
                self.not_a_value(name, "is built in and can only be called:", "(…)")
            }
            Entity::Type(ty) if matches!(self.kind(ty), TyKind::Struct(_)) => {
                self.not_a_value(name, "is a struct; a value is written", "{…}")
            }
            Entity::Type(_) | Entity::TypeFamily(_) => {
                self.not_a_value(name, "is a type; a value is written", "(…)")
            }
            Entity::Module(_) => {
                self.not_a_value(name, "is a module; its members are written", ".name")
            }
            Entity::Broken => broken(span),
            Entity::Enclosing => {
                self.report_enclosing(name);
                broken(span)
            }
            Entity::Unknown => {
                // A variant of the expected enum may be out of sight, in another module.
                if let Some(variant) = want.hint().and_then(|ty| self.variant_of(ty, &name.name)) {
                    return self.variant_value(variant, span);
                }
                self.report_unknown_name(name);
                broken(span)
            }
        }
    }

    pub(super) fn read_local(&mut self, local: LocalId, span: Span) -> Expr {
        let ty = self.local_ty(local);
        if matches!(self.kind(ty), TyKind::Ref(_)) {
            return self.deref_local(local, span);
        }
        self.mark_read(local);
        node(ExprKind::Local(local), ty, span)
    }

    pub(super) fn read_global(&mut self, name: &Ident, local: LocalId) -> Expr {
        let (ty, declared) = self.global_variable(local);
        if let Some(first) = self.globals.redeclared(&name.name)
            && !self.was_reported(&name.name)
        {
            let message = format!(
                "`{}` is declared more than once at the top level",
                name.name
            );
            self.report(
                Diagnostic::error(code::AMBIGUOUS_NAME, message, name.span)
                    .with_label(first, "here")
                    .with_label(declared, "and here")
                    .with_note("a function sees them all, and cannot tell which is meant"),
            );
        }
        if ty == Ty::ERROR {
            return broken(name.span);
        }
        let global = self.global_id(local);
        node(ExprKind::Global(global), ty, name.span)
    }

    fn not_a_value(&mut self, name: &Ident, what: &str, rest: &str) -> Expr {
        let message = format!("`{0}` {what} `{0}{rest}`", name.name);
        self.error(code::NOT_A_VALUE, message, name.span);
        broken(name.span)
    }

    /// A function as a value.
    pub(super) fn function_value(&mut self, decl: DeclId, span: Span) -> Expr {
        let function = self.use_function(decl);
        let declared = &self.functions[decl.index()];
        let params = declared.params.iter().map(|param| param.ty).collect();
        let result = self.call_type(decl);
        let ty = self.types.intern(TyKind::Func(params, result));
        node(ExprKind::Function(function), ty, span)
    }

    // ------------------------------------------------------------ variants

    /// `Red`, when the name alone stands there.
    fn bare_variant(&mut self, name: &Ident, variants: &[(EnumId, usize)], want: Want) -> Expr {
        let expected = want.hint().and_then(|ty| self.variant_of(ty, &name.name));
        match (expected, variants) {
            (Some(variant), _) => self.variant_value(variant, name.span),
            (None, [variant]) => self.variant_value(*variant, name.span),
            _ => {
                let owners: Vec<_> = variants
                    .iter()
                    .map(|(id, _)| format!("`{}.{}`", self.enums[id.0 as usize].name, name.name))
                    .collect();
                let message = format!("`{}` is a variant of several enums", name.name);
                self.report(
                    Diagnostic::error(code::AMBIGUOUS_NAME, message, name.span)
                        .with_help(format!("write {}", owners.join(" or "))),
                );
                broken(name.span)
            }
        }
    }

    /// The variant of that name, if the type is an enum that has it.
    pub(super) fn variant_of(&self, ty: Ty, name: &str) -> Option<(EnumId, usize)> {
        let TyKind::Enum(id) = *self.kind(ty) else {
            return None;
        };
        let variants = &self.enums[id.0 as usize].variants;
        let index = variants.iter().position(|variant| variant.name == name)?;
        Some((id, index))
    }

    pub(super) fn variant_value(&mut self, (id, index): (EnumId, usize), span: Span) -> Expr {
        let ty = self.types.intern(TyKind::Enum(id));
        node(ExprKind::Variant(id, index, Vec::new()), ty, span)
    }

    pub(super) fn none(&mut self, want: Want, span: Span) -> Expr {
        match want.hint() {
            Some(ty) if matches!(self.kind(ty), TyKind::Option(_)) => {
                node(ExprKind::None, ty, span)
            }
            // Reported as a mismatch where one is wanted.
            Some(_) if matches!(want, Want::Exactly(..)) => {
                let ty = self.types.intern(TyKind::Option(Ty::ERROR));
                node(ExprKind::None, ty, span)
            }
            _ => self.cannot_infer("None", "Option[int]", want, span),
        }
    }

    /// Reports that nothing determines the type; unless what should have done so is erroneous itself.
    pub(super) fn cannot_infer(
        &mut self,
        what: &str,
        example: &str,
        want: Want,
        span: Span,
    ) -> Expr {
        if let Want::Exactly(Ty::ERROR, _) = want {
            return broken(span);
        }
        let message = format!("the type of `{what}` is not known here");
        self.report(
            Diagnostic::error(code::CANNOT_INFER, message, span).with_help(format!(
                "declare it where it is stored, for example `let x: {example} = {what}`"
            )),
        );
        broken(span)
    }

    // ------------------------------------------------------------ built-in statements

    pub(super) fn builtin_call(
        &mut self,
        builtin: Builtin,
        args: Vec<Expr>,
        result: Ty,
        span: Span,
    ) -> Expr {
        let call = Call {
            callee: Callee::Builtin(builtin),
            args,
            result,
            span,
        };
        node(ExprKind::Call(call), result, span)
    }

    fn print(&mut self, value: &'a ast::Expr, span: Span) -> Expr {
        let value = self.expr(value, Want::Nothing);
        self.require_printable(&value);
        self.builtin_call(Builtin::Print, vec![value], Ty::VOID, span)
    }

    pub(super) fn require_printable(&mut self, value: &Expr) {
        if !self.is_printable(value.ty) {
            let message = format!(
                "`{}` cannot be printed: it is or holds a function",
                self.show(value.ty)
            );
            self.error(code::UNFIT_TYPE, message, value.span);
        }
    }

    fn assert(
        &mut self,
        condition: &'a ast::Expr,
        message: Option<&'a ast::Expr>,
        span: Span,
    ) -> Expr {
        let text = self
            .sources
            .slice(condition.span)
            .lines()
            .next()
            .unwrap_or("");
        let text = format!("assertion failed: {text}");
        let condition = self.operand(condition, Want::plain(Ty::BOOL));
        let message = match message {
            Some(message) => self.expr(message, Want::plain(Ty::STRING)),
            None => node(ExprKind::Str(text), Ty::STRING, span),
        };
        self.builtin_call(Builtin::Assert, vec![condition, message], Ty::VOID, span)
    }

    /// Puts a temporary into a local, so that it can be referred to.
    pub(super) fn temporary(&mut self, value: &Expr) -> LocalId {
        self.new_local("", value.ty, value.span, Role::Silent)
    }
}

pub(super) fn constant_value(constant: Constant, span: Span) -> Expr {
    match constant {
        Constant::Int(value) => node(ExprKind::Int(i128::from(value)), Ty::INT, span),
        Constant::Float(value) => node(ExprKind::Float(value), Ty::FLOAT, span),
    }
}
