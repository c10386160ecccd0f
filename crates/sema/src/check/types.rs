//! Types as written, resolved.

use echo_syntax::ast::{Ident, Type, TypeKind, TypePath};
use echo_syntax::{Diagnostic, Span};

use super::collect::{AliasId, AliasState};
use super::scopes::{Entity, Native};
use super::{Checker, code, path_text};
use crate::builtins::{self, TypeNameError};
use crate::types::{Ty, TyKind};

impl Checker<'_> {
    /// The type of a field, variable, result: anything but a reference.
    pub(super) fn resolve_type(&mut self, ty: &Type) -> Ty {
        let resolved = self.resolve_param_type(ty);
        if !matches!(self.kind(resolved), TyKind::Ref(_)) {
            return resolved;
        }
        let message =
            "a reference lives for one call: only parameters and receivers have such types";
        self.report(
            Diagnostic::error(code::BAD_REFERENCE, message, ty.span)
                .with_help("leave the `*` out: every value can be copied cheaply"),
        );
        Ty::ERROR
    }

    /// The type of a parameter or receiver, which may be a reference.
    pub(super) fn resolve_param_type(&mut self, ty: &Type) -> Ty {
        let kind = match &ty.kind {
            TypeKind::Path(path) => return self.resolve_path(path, ty.span),
            TypeKind::Array(element, _) => TyKind::Array(self.resolve_element(element)),
            TypeKind::Map(key, value) => {
                let key = self.resolve_key(key);
                TyKind::Map(key, self.resolve_element(value))
            }
            TypeKind::Chan(element, _) => TyKind::Chan(self.resolve_type(element)),
            TypeKind::Tuple(elements) if elements.is_empty() => return Ty::VOID,
            TypeKind::Tuple(elements) => {
                TyKind::Tuple(elements.iter().map(|ty| self.resolve_type(ty)).collect())
            }
            TypeKind::Func(params, result) => {
                let params = params
                    .iter()
                    .map(|ty| self.resolve_param_type(ty))
                    .collect();
                let result = result.as_ref().map_or(Ty::VOID, |ty| self.resolve_type(ty));
                TyKind::Func(params, result)
            }
            TypeKind::Ref(target, _) => match self.resolve_type(target) {
                Ty::ERROR => return Ty::ERROR,
                target => TyKind::Ref(target),
            },
            TypeKind::Error => {
                self.has_error_node = true;
                return Ty::ERROR;
            }
        };
        self.intern_sized(kind, ty.span)
    }

    /// Of an array or map: `void` has no place there.
    fn resolve_element(&mut self, ty: &Type) -> Ty {
        let element = self.resolve_type(ty);
        self.reject_void_element(element, ty.span)
    }

    /// The type, or an error when arrays and maps of it make no sense.
    pub(super) fn reject_void_element(&mut self, element: Ty, span: Span) -> Ty {
        if element != Ty::VOID {
            return element;
        }
        self.error(code::BAD_TYPE, "arrays and maps cannot hold `void`", span);
        Ty::ERROR
    }

    fn resolve_key(&mut self, ty: &Type) -> Ty {
        let key = self.resolve_type(ty);
        match self.kind(key) {
            // Its fields may not be known yet.
            TyKind::Struct(_) if self.is_collecting => {
                self.struct_keys.push((key, ty.span));
                key
            }
            _ => self.reject_bad_key(key, ty.span),
        }
    }

    /// Looks at the structs that are keys of maps in the types just collected.
    pub(super) fn reject_bad_struct_keys(&mut self) {
        for (key, span) in std::mem::take(&mut self.struct_keys) {
            self.reject_bad_key(key, span);
        }
    }

    /// The type, or an error when it cannot be the key of a map.
    pub(super) fn reject_bad_key(&mut self, key: Ty, span: Span) -> Ty {
        if self.is_key(key) {
            return key;
        }
        let message = format!("`{}` cannot be the key of a map", self.show(key));
        let note = match self.kind(key) {
            TyKind::Struct(_) => "it holds a function, and functions cannot be compared",
            _ => "keys are bool, integers, floats, strings, chars, enums and structs",
        };
        self.report(Diagnostic::error(code::BAD_TYPE, message, span).with_note(note));
        Ty::ERROR
    }

    /// The type; or an error when one of its parts is one, or when its text would go on for pages.
    pub(super) fn intern_sized(&mut self, kind: TyKind, span: Span) -> Ty {
        if super::properties::type_arguments(&kind).contains(&Ty::ERROR) {
            return Ty::ERROR;
        }
        let ty = self.types.intern(kind);
        if !self.is_too_large(ty) {
            return ty;
        }
        self.report(
            Diagnostic::error(code::TOO_LARGE, "this type is too large", span)
                .with_help("give its parts names: make them structs"),
        );
        Ty::ERROR
    }

    // ------------------------------------------------------------ names

    fn resolve_path(&mut self, path: &TypePath, span: Span) -> Ty {
        let name = path.last();
        let entity = match &path.segments[..] {
            [name] => self.type_entity(name),
            [module, name] => match self.lookup_item(module) {
                Entity::Module(module) => match self.member_entity(module, &name.name) {
                    Entity::Unknown => {
                        self.report_unknown_member_of_module(module, name);
                        return Ty::ERROR;
                    }
                    entity => entity,
                },
                Entity::Broken => return Ty::ERROR,
                _ => {
                    self.report_no_module(module);
                    return Ty::ERROR;
                }
            },
            _ => {
                let message = format!("there is no type `{}`", path_text(&path.segments));
                self.error(code::UNKNOWN_TYPE, message, span);
                return Ty::ERROR;
            }
        };
        match entity {
            Entity::Type(ty) if path.args.is_empty() => ty,
            Entity::Type(ty) => self.report_type_arguments(ty, span),
            Entity::TypeFamily(native) => {
                let args: Vec<Ty> = path.args.iter().map(|ty| self.resolve_type(ty)).collect();
                self.instantiate(native, &args, span)
            }
            Entity::Broken => Ty::ERROR,
            Entity::Unknown | Entity::Enclosing => {
                self.report_unknown_type(name);
                Ty::ERROR
            }
            _ => {
                let message = format!("`{}` is not a type", name.name);
                self.error(code::NOT_A_TYPE, message, name.span);
                Ty::ERROR
            }
        }
    }

    /// A plain type name. A module named like a predeclared type (`string`) does not hide it.
    fn type_entity(&mut self, name: &Ident) -> Entity {
        match self.lookup_item(name) {
            Entity::Module(module) => match self.native_entity(None, &name.name) {
                Entity::Unknown => Entity::Module(module),
                predeclared => predeclared,
            },
            entity => entity,
        }
    }

    fn report_no_module(&mut self, name: &Ident) {
        if self.was_reported(&name.name) {
            return;
        }
        let message = format!("`{}` is not an imported module", name.name);
        let mut diagnostic = Diagnostic::error(code::UNKNOWN_NAME, message, name.span);
        if builtins::modules().contains(&name.as_str()) {
            diagnostic = diagnostic.with_help(format!("add `import {}`", name.name));
        }
        self.report(diagnostic);
    }

    fn report_type_arguments(&mut self, ty: Ty, span: Span) -> Ty {
        let message = format!("`{}` takes no type arguments", self.show(ty));
        self.error(code::TYPE_ARGUMENTS, message, span);
        Ty::ERROR
    }

    /// `Option[T]`
    fn instantiate(&mut self, native: Native, args: &[Ty], span: Span) -> Ty {
        let Native { module, name } = native;
        let message = match builtins::type_named(&mut self.types, module, name, args) {
            Ok(ty) => {
                let kind = self.kind(ty).clone();
                return self.intern_sized(kind, span);
            }
            Err(TypeNameError::Arguments(count)) => format!(
                "`{name}` takes {}",
                super::count_text(count, "type argument")
            ),
            Err(TypeNameError::OnlyInt) => format!("`{name}` exists for `int` only"),
            Err(TypeNameError::Unknown) => format!("there is no type `{name}`"),
        };
        self.error(code::TYPE_ARGUMENTS, message, span);
        Ty::ERROR
    }

    /// What an alias stands for.
    pub(super) fn alias_type(&mut self, id: AliasId) -> Ty {
        let alias = &mut self.aliases[id.0 as usize];
        match alias.state {
            AliasState::Known(ty) => return ty,
            AliasState::Resolving => {
                alias.state = AliasState::Known(Ty::ERROR);
                let name = &alias.decl.name;
                let message = format!("`{}` is an alias of itself", name.name);
                self.error(code::RECURSIVE_TYPE, message, name.span);
                return Ty::ERROR;
            }
            AliasState::Unknown => alias.state = AliasState::Resolving,
        }
        let (decl, scope) = (alias.decl, alias.scope);
        let outer = std::mem::replace(&mut self.scope, scope);
        let ty = self.resolve_type(&decl.ty);
        self.scope = outer;
        // A cycle has been reported and settled meanwhile.
        let state = &mut self.aliases[id.0 as usize].state;
        match *state {
            AliasState::Known(ty) => ty,
            _ => {
                *state = AliasState::Known(ty);
                ty
            }
        }
    }

    // ------------------------------------------------------------ looking through

    /// `T` for `*T`, the type itself for others.
    pub(super) fn referred(&self, ty: Ty) -> Ty {
        match *self.kind(ty) {
            TyKind::Ref(target) => target,
            _ => ty,
        }
    }
}
