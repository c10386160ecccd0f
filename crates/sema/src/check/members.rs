//! What stands behind a dot: fields, methods, variants, members of modules.

use echo_syntax::ast::{self, ExprKind as Ast, Ident};
use echo_syntax::{Diagnostic, Span};

use super::collect::DeclId;
use super::expected::{Want, broken, node};
use super::places::Base;
use super::scopes::{Entity, Native, Wrapper};
use super::{Checker, code, foreign, is_open};
use crate::builtins;
use crate::typed::{Expr, ExprKind};
use crate::types::{Ty, TyKind};

impl<'a> Checker<'a> {
    /// Whether an expression names a module or type, so that what follows the dot belongs to that.
    pub(super) fn is_static(&mut self, base: &ast::Expr) -> bool {
        !matches!(self.static_entity(base), Entity::Unknown)
    }

    /// The module or type an expression names (or `Broken`); `Unknown` when it is a value.
    pub(super) fn static_entity(&mut self, base: &ast::Expr) -> Entity {
        let entity = match &base.kind {
            Ast::Name(name) => self.lookup(name),
            Ast::Field(module, name, _) => match &module.kind {
                Ast::Name(module) => match self.lookup(module) {
                    Entity::Module(module) => self.member_entity(module, &name.name),
                    _ => Entity::Unknown,
                },
                _ => Entity::Unknown,
            },
            _ => Entity::Unknown,
        };
        match entity {
            Entity::Module(_) | Entity::Type(_) | Entity::TypeFamily(_) | Entity::Broken => entity,
            _ => Entity::Unknown,
        }
    }

    /// `base.name`, not called.
    pub(super) fn member(
        &mut self,
        base: &'a ast::Expr,
        name: &Ident,
        want: Want,
        span: Span,
    ) -> Expr {
        match self.static_entity(base) {
            Entity::Module(module) => self.module_member(module, name, span),
            Entity::Type(ty) => self.type_member(ty, name, span),
            Entity::TypeFamily(native) if native.name == "Option" && name.as_str() == "None" => {
                self.none(want, span)
            }
            Entity::TypeFamily(native) => {
                self.report_no_family_member(native, name);
                broken(span)
            }
            Entity::Broken => broken(span),
            _ => {
                let base = self.operand(base, Want::Nothing);
                self.field_of(base, name, span)
            }
        }
    }

    fn report_no_family_member(&mut self, native: Native, name: &Ident) {
        let message = format!("the type `{}` has no member `{}`", native.name, name.name);
        self.error(code::UNKNOWN_MEMBER, message, name.span);
    }

    fn module_member(&mut self, module: usize, name: &Ident, span: Span) -> Expr {
        match self.member_entity(module, &name.name) {
            Entity::Func(decl) => self.function_value(decl, span),
            Entity::Constant(constant) => super::expressions::constant_value(constant, span),
            Entity::Broken => broken(span),
            Entity::Unknown => {
                self.report_unknown_member_of_module(module, name);
                broken(span)
            }
            Entity::Builtin(_) => {
                let message = format!(
                    "`{0}` is built in and can only be called: `{0}(…)`",
                    name.name
                );
                self.error(code::NOT_A_VALUE, message, name.span);
                broken(span)
            }
            _ => {
                let message = format!("`{}` is a type, where a value is expected", name.name);
                self.error(code::NOT_A_VALUE, message, name.span);
                broken(span)
            }
        }
    }

    /// `Color.Red`
    pub(super) fn type_member(&mut self, ty: Ty, name: &Ident, span: Span) -> Expr {
        if let Some(variant) = self.variant_of(ty, &name.name) {
            return self.variant_value(variant, span);
        }
        match self.kind(ty) {
            TyKind::Error => {}
            TyKind::Enum(_) => self.report_unknown_variant(ty, &name.name, name.span),
            _ => {
                let message = format!("the type `{}` has no member `{}`", self.show(ty), name.name);
                self.error(code::UNKNOWN_MEMBER, message, name.span);
            }
        }
        broken(span)
    }

    // ------------------------------------------------------------ fields

    /// The field or element of that name, with its type.
    pub(super) fn field_named(&self, ty: Ty, name: &Ident) -> Option<(usize, Ty)> {
        match self.kind(ty) {
            TyKind::Struct(id) => {
                let fields = &self.structs[id.0 as usize].fields;
                let index = fields.iter().position(|field| field.name == *name.name)?;
                Some((index, fields[index].ty))
            }
            TyKind::Tuple(elements) => {
                let index: usize = name.name.parse().ok()?;
                Some((index, *elements.get(index)?))
            }
            _ => None,
        }
    }

    pub(super) fn field_of(&mut self, base: Expr, name: &Ident, span: Span) -> Expr {
        if is_open(base.ty) {
            return broken(span);
        }
        let Some((index, ty)) = self.field_named(base.ty, name) else {
            self.report_no_field(base.ty, name);
            return broken(span);
        };
        node(ExprKind::Field(Box::new(base), index), ty, span)
    }

    pub(super) fn report_no_field(&mut self, ty: Ty, name: &Ident) {
        if is_open(ty) {
            return;
        }
        let is_method = self.methods.contains_key(&(ty, name.name.clone()))
            || builtins::method(&self.types, ty, &name.name).is_some();
        if is_method {
            let message = format!("`{0}` is a method: call it with `.{0}(…)`", name.name);
            self.error(code::NOT_A_VALUE, message, name.span);
            return;
        }
        match self.kind(ty) {
            TyKind::Tuple(elements) => {
                let message = format!(
                    "a tuple of {} has no element `{}`",
                    elements.len(),
                    name.name
                );
                self.error(code::UNKNOWN_MEMBER, message, name.span);
            }
            _ => self.report_unknown_member(ty, name, "field"),
        }
    }

    // ------------------------------------------------------------ calls

    /// `base.name(args)`
    pub(super) fn member_call(
        &mut self,
        base: &'a ast::Expr,
        name: &Ident,
        args: &'a [ast::Expr],
        type_args: &[Ty],
        want: Want,
        span: Span,
    ) -> Expr {
        match self.static_entity(base) {
            Entity::Module(module) => match self.member_entity(module, &name.name) {
                Entity::Unknown => {
                    self.report_unknown_member_of_module(module, name);
                    self.broken_call(args, span)
                }
                entity => self.entity_call(entity, name, args, type_args, want, span),
            },
            Entity::Type(ty) => {
                let value = self.type_member(ty, name, span);
                if value.ty != Ty::ERROR {
                    self.report_no_payload(name);
                }
                self.broken_call(args, span)
            }
            // `Option.Some(x)`
            Entity::TypeFamily(native) => match Wrapper::named(&name.name) {
                Some(wrapper) if wrapper.family() == native.name => {
                    self.wrap(wrapper, args, want, span)
                }
                _ => {
                    self.report_no_family_member(native, name);
                    self.broken_call(args, span)
                }
            },
            Entity::Broken => self.broken_call(args, span),
            _ => {
                let mut call = self.method_call(base, name, args, want, span);
                place_at(&mut call, name.span);
                call
            }
        }
    }

    pub(super) fn report_no_payload(&mut self, name: &Ident) {
        let message = format!("the variant `{}` holds no value", name.name);
        self.report(
            Diagnostic::error(code::NOT_CALLABLE, message, name.span)
                .with_help(format!("write `{}` alone", name.name)),
        );
    }

    fn method_call(
        &mut self,
        base: &'a ast::Expr,
        name: &Ident,
        args: &'a [ast::Expr],
        want: Want,
        span: Span,
    ) -> Expr {
        let base = self.base(base);
        let ty = base.ty();
        if is_open(ty) {
            return self.broken_call(args, span);
        }
        if let Some(&decl) = self.methods.get(&(ty, name.name.clone())) {
            return self.declared_method_call(decl, base, args, span);
        }
        if args.is_empty()
            && &*name.name == "join"
            && let Some(help) = foreign::futures_help(&self.types, ty, &name.name)
        {
            let message = "`join` makes one text of many, and takes what goes between them";
            let error = Diagnostic::error(code::WRONG_COUNT, message, span);
            self.report(error.with_help(help));
            return broken(span);
        }
        if let Some(signature) = builtins::method(&self.types, ty, &name.name) {
            let mut before = Vec::new();
            let receiver = match signature.mutates_receiver() {
                true => self.reference_to(base, &mut before),
                false => self.base_value(base),
            };
            let call = self.builtin(signature, Some(receiver), args, want, span);
            return self.after(before, call);
        }
        if self.field_named(ty, name).is_some() {
            let base = self.base_value(base);
            let callee = self.field_of(base, name, name.span);
            return self.value_call(callee, args, span);
        }
        match (self.kind(ty), &*name.name) {
            (TyKind::Future(_), "cancel") => self.not_supported(
                "`.cancel()` is",
                "tell the coroutine to end through a channel, which it looks at in a `select`",
                name.span,
            ),
            _ => self.report_unknown_member(ty, name, "method"),
        }
        self.broken_call(args, span)
    }

    fn declared_method_call(
        &mut self,
        decl: DeclId,
        base: Base,
        args: &'a [ast::Expr],
        span: Span,
    ) -> Expr {
        let receiver = self.functions[decl.index()].params[0].ty;
        let mut before = Vec::new();
        let receiver = match self.kind(receiver) {
            TyKind::Ref(_) => self.reference_to(base, &mut before),
            _ => self.base_value(base),
        };
        let call = self.function_call(decl, Some(receiver), args, span);
        self.after(before, call)
    }
}

/// A call in a chain over several lines is where its name is, not where the chain begins.
fn place_at(call: &mut Expr, name: Span) {
    match &mut call.kind {
        ExprKind::Call(call) | ExprKind::Spawn(call) => call.span.start = name.start,
        ExprKind::Block(block) => block.value.iter_mut().for_each(|call| place_at(call, name)),
        _ => {}
    }
}
