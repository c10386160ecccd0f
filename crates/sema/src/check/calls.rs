//! Calls of functions, function values, conversions and wrappers.

use echo_syntax::ast::{self, ExprKind as Ast, Ident};
use echo_syntax::{Diagnostic, Span};

use super::collect::DeclId;
use super::composites::stored;
use super::expected::{Origin, Want, broken, node};
use super::scopes::{Entity, Wrapper};
use super::{Checker, code, count_text, is_open};
use crate::typed::{Call, Callee, Expr, ExprKind, FuncId};
use crate::types::{Ty, TyKind};

impl<'a> Checker<'a> {
    /// `callee(args)`
    pub(super) fn call(
        &mut self,
        callee: &'a ast::Expr,
        args: &'a [ast::Expr],
        want: Want,
        span: Span,
    ) -> Expr {
        match &callee.kind {
            Ast::Name(name) => {
                let entity = self.callee_entity(name);
                self.entity_call(entity, name, args, &[], want, span)
            }
            Ast::Field(base, name, _) => self.member_call(base, name, args, &[], want, span),
            Ast::Bracket(base, brackets) if self.takes_type_arguments(base) => {
                let types = self.type_arguments(brackets);
                match &base.kind {
                    Ast::Name(name) => {
                        let entity = self.callee_entity(name);
                        self.entity_call(entity, name, args, &types, want, span)
                    }
                    Ast::Field(module, name, _) => {
                        self.member_call(module, name, args, &types, want, span)
                    }
                    _ => self.broken_call(args, span),
                }
            }
            Ast::Type(ty) => {
                let ty = self.resolve_type(ty);
                self.conversion(ty, args, span)
            }
            _ => {
                let callee = self.operand(callee, Want::Nothing);
                self.value_call(callee, args, span)
            }
        }
    }

    /// What a called name means. A module named like a predeclared type (`string`) does not hide its conversion.
    fn callee_entity(&mut self, name: &Ident) -> Entity {
        match self.lookup(name) {
            Entity::Module(module) => match self.native_entity(None, &name.name) {
                Entity::Unknown => Entity::Module(module),
                predeclared => predeclared,
            },
            entity => entity,
        }
    }

    /// Whether brackets behind it hold type arguments: it is a function or type, not a value.
    fn takes_type_arguments(&mut self, base: &ast::Expr) -> bool {
        let entity = match &base.kind {
            Ast::Name(name) => self.lookup(name),
            Ast::Field(module, name, _) => match self.static_entity(module) {
                Entity::Module(module) => self.member_entity(module, &name.name),
                _ => return false,
            },
            _ => return false,
        };
        matches!(
            entity,
            Entity::Func(_)
                | Entity::Builtin(_)
                | Entity::Type(_)
                | Entity::TypeFamily(_)
                | Entity::Broken
        )
    }

    fn type_arguments(&mut self, brackets: &[ast::Expr]) -> Vec<Ty> {
        let mut types = Vec::new();
        for bracket in brackets {
            types.push(match bracket.to_type() {
                Some(ty) => self.resolve_type(&ty),
                None => {
                    let message = "this is not a type";
                    self.error(code::NOT_A_TYPE, message, bracket.span);
                    Ty::ERROR
                }
            });
        }
        types
    }

    /// A call of what a name means.
    pub(super) fn entity_call(
        &mut self,
        entity: Entity,
        name: &Ident,
        args: &'a [ast::Expr],
        type_args: &[Ty],
        want: Want,
        span: Span,
    ) -> Expr {
        match entity {
            Entity::Func(_) | Entity::Type(_) if !type_args.is_empty() => {
                let message = format!("`{}` takes no type arguments", name.name);
                self.error(code::TYPE_ARGUMENTS, message, name.span);
                self.broken_call(args, span)
            }
            Entity::Func(decl) => self.function_call(decl, None, args, span),
            Entity::Builtin(native) => {
                self.builtin_function(native, name, args, type_args, want, span)
            }
            Entity::Type(ty) => {
                if let TyKind::Struct(_) = self.kind(ty) {
                    let text = self.show(ty);
                    let fields = self.fields_text(ty);
                    let message = format!("`{text}` is a struct: write `{text}{{{fields}}}`");
                    self.error(code::NOT_CALLABLE, message, span);
                    return self.broken_call(args, span);
                }
                self.conversion(ty, args, span)
            }
            Entity::Wrapper(wrapper) => self.wrap(wrapper, args, want, span),
            Entity::Variants(_) => {
                self.report_no_payload(name);
                self.broken_call(args, span)
            }
            Entity::Local(_) | Entity::Global(_) | Entity::Constant(_) => {
                let callee = self.entity_value(&entity, name);
                self.value_call(callee, args, span)
            }
            Entity::TypeFamily(_) | Entity::Module(_) => {
                let what = match entity {
                    Entity::Module(_) => "a module",
                    _ => "a type",
                };
                let message = format!("`{}` is {what} and cannot be called", name.name);
                let mut diagnostic = Diagnostic::error(code::NOT_CALLABLE, message, name.span);
                diagnostic.help = super::conversions::made_by(&name.name);
                self.report(diagnostic);
                self.broken_call(args, span)
            }
            Entity::Enclosing => {
                self.report_enclosing(name);
                self.broken_call(args, span)
            }
            Entity::Unknown => {
                self.report_unknown_name(name);
                self.broken_call(args, span)
            }
            Entity::Broken => self.broken_call(args, span),
        }
    }

    /// `x: …, y: …`
    fn fields_text(&self, ty: Ty) -> String {
        let TyKind::Struct(id) = self.kind(ty) else {
            return String::new();
        };
        let fields = &self.structs[id.0 as usize].fields;
        let names: Vec<String> = fields
            .iter()
            .map(|field| format!("{}: …", field.name))
            .collect();
        names.join(", ")
    }

    fn entity_value(&mut self, entity: &Entity, name: &Ident) -> Expr {
        match entity {
            Entity::Constant(constant) => super::expressions::constant_value(*constant, name.span),
            Entity::Local(local) => self.read_local(*local, name.span),
            _ => {
                let Entity::Global(local) = *entity else {
                    return broken(name.span);
                };
                self.read_global(name, local)
            }
        }
    }

    /// What stands for a call that cannot be made; the arguments are checked all the same.
    pub(super) fn broken_call(&mut self, args: &'a [ast::Expr], span: Span) -> Expr {
        for arg in args {
            // A reference is fine here as far as anyone knows.
            let value = match &arg.kind {
                Ast::Unary(ast::UnaryOp::Ref, _, inner) => inner,
                _ => arg,
            };
            let is_type = matches!(value.kind, Ast::Type(_));
            if !is_type && super::conditionals::rank(value) != super::conditionals::Rank::Open {
                self.expr(value, Want::Nothing);
            }
        }
        broken(span)
    }

    // ------------------------------------------------------------ functions

    /// The number of a function that the present one uses.
    pub(super) fn use_function(&mut self, decl: DeclId) -> FuncId {
        if self.body.decl != Some(decl) {
            self.functions[decl.index()].used = true;
        }
        self.function_id(decl)
    }

    /// The type of a call's value: a future for an async function.
    pub(super) fn call_type(&mut self, decl: DeclId) -> Ty {
        let function = &self.functions[decl.index()];
        let (result, is_async) = (function.result, function.is_async());
        match is_async {
            true if result != Ty::ERROR => self.types.intern(TyKind::Future(result)),
            _ => result,
        }
    }

    pub(super) fn function_call(
        &mut self,
        decl: DeclId,
        receiver: Option<Expr>,
        args: &'a [ast::Expr],
        span: Span,
    ) -> Expr {
        let id = self.use_function(decl);
        let function = &self.functions[decl.index()];
        let (name, declared) = (function.name.clone(), function.ast.name.span);
        let (result, is_async) = (function.result, function.is_async());
        let params: Vec<(Ty, Origin)> = function
            .value_params()
            .iter()
            .map(|param| {
                let origin = Origin::declared(param.span, "the parameter is declared here");
                (param.ty, origin)
            })
            .collect();
        let mut checked: Vec<Expr> = receiver.into_iter().collect();
        checked.extend(self.arguments(&name, Some(declared), &params, args, span));
        self.reject_overlapping(&checked);
        let ty = self.call_type(decl);
        let call = Call {
            callee: Callee::Function(id),
            args: checked,
            result,
            span,
        };
        match is_async {
            true => node(ExprKind::Spawn(call), ty, span),
            false => node(ExprKind::Call(call), ty, span),
        }
    }

    /// A call of a value of a function type.
    pub(super) fn value_call(&mut self, callee: Expr, args: &'a [ast::Expr], span: Span) -> Expr {
        let (params, result) = match self.kind(callee.ty) {
            TyKind::Func(params, result) => (params.clone(), *result),
            _ => {
                if !is_open(callee.ty) {
                    let message = format!("`{}` is not a function", self.show(callee.ty));
                    self.error(code::NOT_CALLABLE, message, callee.span);
                }
                return self.broken_call(args, span);
            }
        };
        let params: Vec<_> = params.into_iter().map(|ty| (ty, Origin::NONE)).collect();
        let args = self.arguments("this function", None, &params, args, span);
        self.reject_overlapping(&args);
        let call = Call {
            callee: Callee::Value(Box::new(callee)),
            args,
            result,
            span,
        };
        node(ExprKind::Call(call), result, span)
    }

    /// The arguments, one for every parameter.
    fn arguments(
        &mut self,
        name: &str,
        declared: Option<Span>,
        params: &[(Ty, Origin)],
        args: &'a [ast::Expr],
        span: Span,
    ) -> Vec<Expr> {
        if params.len() != args.len() {
            self.report_argument_count(name, declared, params.len(), args.len(), span);
        }
        let mut checked = Vec::new();
        for (index, arg) in args.iter().enumerate() {
            checked.push(match params.get(index) {
                None => {
                    self.broken_call(std::slice::from_ref(arg), arg.span);
                    continue;
                }
                Some(&(ty, origin)) => match *self.kind(ty) {
                    TyKind::Ref(target) => self.reference_argument(arg, target),
                    _ => self.expr(arg, Want::Exactly(ty, origin)),
                },
            });
        }
        checked
    }

    pub(super) fn report_argument_count(
        &mut self,
        name: &str,
        declared: Option<Span>,
        takes: usize,
        given: usize,
        span: Span,
    ) {
        let name = match name {
            "this function" => name.to_string(),
            _ => format!("`{name}`"),
        };
        let given = match given {
            0 => "none is given".to_string(),
            1 => "1 is given".to_string(),
            _ => format!("{given} are given"),
        };
        let message = format!(
            "{name} takes {}, but {given}",
            count_text(takes, "argument")
        );
        let mut diagnostic = Diagnostic::error(code::WRONG_COUNT, message, span);
        if let Some(declared) = declared {
            diagnostic = diagnostic.with_label(declared, "it is declared here");
        }
        self.report(diagnostic);
    }

    // ------------------------------------------------------------ Some, Ok, Err

    pub(super) fn wrap(
        &mut self,
        wrapper: Wrapper,
        args: &'a [ast::Expr],
        want: Want,
        span: Span,
    ) -> Expr {
        let [arg] = args else {
            let name = format!("{wrapper:?}");
            let takes = usize::from(wrapper != Wrapper::None);
            self.report_argument_count(&name, None, takes, args.len(), span);
            return self.broken_call(args, span);
        };
        let hint = want.hint().map(|ty| self.kind(ty).clone());
        match (wrapper, hint) {
            (Wrapper::None, _) => {
                self.report_argument_count("None", None, 0, 1, span);
                self.broken_call(args, span)
            }
            (Wrapper::Some, Some(TyKind::Option(payload))) => {
                let payload = self.expr(arg, payload_want(want, payload));
                let ty = stored(payload.ty);
                self.wrapped(
                    ExprKind::Some(Box::new(payload)),
                    TyKind::Option(ty),
                    want,
                    span,
                )
            }
            (Wrapper::Some, _) => {
                let payload = self.expr(arg, Want::Nothing);
                let ty = stored(payload.ty);
                self.wrapped(
                    ExprKind::Some(Box::new(payload)),
                    TyKind::Option(ty),
                    Want::Nothing,
                    span,
                )
            }
            (Wrapper::Ok, Some(TyKind::Result(ok, err))) => {
                let payload = self.expr(arg, payload_want(want, ok));
                let ty = stored(payload.ty);
                self.wrapped(
                    ExprKind::Ok(Box::new(payload)),
                    TyKind::Result(ty, err),
                    want,
                    span,
                )
            }
            (Wrapper::Ok, _) => {
                let payload = self.expr(arg, Want::Nothing);
                let ty = stored(payload.ty);
                let kind = TyKind::Result(ty, Ty::STRING);
                self.wrapped(ExprKind::Ok(Box::new(payload)), kind, Want::Nothing, span)
            }
            (Wrapper::Err, Some(TyKind::Result(ok, err))) => {
                let payload = self.expr(arg, payload_want(want, err));
                let ty = stored(payload.ty);
                self.wrapped(
                    ExprKind::Err(Box::new(payload)),
                    TyKind::Result(ok, ty),
                    want,
                    span,
                )
            }
            (Wrapper::Err, _) => {
                let payload = self.expr(arg, Want::Nothing);
                match want {
                    // Reported as a mismatch.
                    Want::Exactly(ty, _) if !is_open(ty) && payload.ty != Ty::ERROR => {
                        let kind = TyKind::Result(Ty::ERROR, stored(payload.ty));
                        let ty = self.types.intern(kind);
                        node(ExprKind::Err(Box::new(payload)), ty, span)
                    }
                    _ if payload.ty == Ty::ERROR => broken(span),
                    _ => self.cannot_infer("Err(…)", "Result[int]", want, span),
                }
            }
        }
    }

    /// A wrapped value. What is wanted exactly has been demanded of the payload, errors included.
    fn wrapped(&mut self, kind: ExprKind, own: TyKind, want: Want, span: Span) -> Expr {
        let ty = match want {
            Want::Exactly(ty, _) => ty,
            _ => self.intern_sized(own, span),
        };
        node(kind, ty, span)
    }
}

/// What is wanted of the payload, given what is wanted of the whole.
fn payload_want(whole: Want, payload: Ty) -> Want {
    match whole {
        Want::Exactly(_, origin) => Want::Exactly(
            payload,
            Origin {
                is_declared: false,
                ..origin
            },
        ),
        _ => Want::Like(payload),
    }
}
