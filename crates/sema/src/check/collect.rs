//! Declarations: every name of a block or module is known before any of its code is looked at.
//!
//! In three steps, for all modules at once: names; then imports, which need the names of other modules; then the types in fields
//! and signatures, which need both.

use std::sync::Arc;

use echo_syntax::ast::{
    self, AliasDecl, EnumDecl, Func, Ident, ImplTarget, ImportDecl, ImportPath, Item as AstItem,
    ItemKind, Stmt, StmtKind, StructDecl,
};
use echo_syntax::{Diagnostic, Span};

use super::scopes::{Entity, Item, ScopeId};
use super::{Checker, code, modules};
use crate::builtins;
use crate::typed::{Enum, Field, FuncId, Struct, Variant};
use crate::types::{EnumId, StructId, Ty, TyKind};

/// An index into [`Checker::functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct DeclId(u32);

impl DeclId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An index into [`Checker::aliases`].
#[derive(Clone, Copy, Debug)]
pub(super) struct AliasId(pub u32);

/// An index into [`Checker::imports`].
#[derive(Clone, Copy, Debug)]
pub(super) struct ImportId(pub u32);

/// A function or method with its signature.
pub(super) struct FunctionDecl<'a> {
    pub ast: &'a Func,
    /// `area`, `Point.dist`
    pub name: String,
    /// Where it is declared: what its body sees.
    pub scope: ScopeId,
    /// A receiver first.
    pub params: Vec<Param>,
    pub result: Ty,
    pub is_private: bool,
    /// Something else than itself uses it.
    pub used: bool,
    /// Given when it is first needed.
    pub id: Option<FuncId>,
}

/// A parameter or receiver.
#[derive(Clone)]
pub(super) struct Param {
    pub name: Ident,
    pub ty: Ty,
    pub span: Span,
}

impl FunctionDecl<'_> {
    pub fn is_async(&self) -> bool {
        self.ast.is_async.is_some()
    }

    pub fn is_method(&self) -> bool {
        self.ast.receiver.is_some()
    }

    /// The parameters, without the receiver.
    pub fn value_params(&self) -> &[Param] {
        &self.params[usize::from(self.is_method())..]
    }

    /// Where its result is declared, or its name when it has none.
    pub fn result_span(&self) -> Span {
        let result = self.ast.result.as_ref();
        result.map_or(self.ast.name.span, |ty| ty.span)
    }
}

/// `type Handle = int`
pub(super) struct Alias<'a> {
    pub decl: &'a AliasDecl,
    pub scope: ScopeId,
    pub state: AliasState,
}

#[derive(Clone, Copy)]
pub(super) enum AliasState {
    Unknown,
    /// Being found out: asked for again, it is an alias of itself.
    Resolving,
    Known(Ty),
}

/// A name that an import brings in.
pub(super) struct Import {
    pub name: Ident,
    pub target: Imported,
    pub used: bool,
}

#[derive(Clone)]
pub(super) enum Imported {
    Module(usize),
    Member(Entity),
}

/// What is declared in one scope and not understood in full yet.
#[derive(Default)]
struct Pending<'a> {
    structs: Vec<(&'a StructDecl, StructId)>,
    funcs: Vec<(&'a Func, bool)>,
    aliases: Vec<AliasId>,
    imports: Vec<&'a AstItem>,
}

impl<'a> Checker<'a> {
    /// Collects the declarations of all modules.
    pub(super) fn collect_modules(&mut self) {
        self.is_collecting = true;
        let mut all = Vec::new();
        for index in 0..self.modules.len() {
            self.scope = self.modules[index].scope;
            let file = self.modules[index].file;
            all.push((self.scope, self.declare_names(&file.stmts)));
        }
        for (scope, pending) in &all {
            self.scope = *scope;
            for item in &pending.imports {
                self.declare_import(item);
            }
        }
        for (scope, pending) in &all {
            self.scope = *scope;
            self.resolve_types(pending);
        }
        self.is_collecting = false;
        self.reject_bad_struct_keys();
        for (scope, pending) in &all {
            self.scope = *scope;
            self.resolve_functions(pending);
        }
        self.scope = ScopeId::FIRST;
    }

    /// Collects the declarations of a block into the present scope, which is the block's.
    pub(super) fn collect_block(&mut self, stmts: &'a [Stmt]) {
        if !stmts
            .iter()
            .any(|stmt| matches!(stmt.kind, StmtKind::Item(_)))
        {
            return;
        }
        let pending = self.declare_names(stmts);
        for item in &pending.imports {
            let message = "an import stands at the top level of a file";
            self.error(code::BAD_IMPORT, message, item.span);
        }
        self.is_collecting = true;
        self.resolve_types(&pending);
        self.is_collecting = false;
        self.reject_bad_struct_keys();
        self.resolve_functions(&pending);
    }

    // ------------------------------------------------------------ names

    fn declare_names(&mut self, stmts: &'a [Stmt]) -> Pending<'a> {
        let mut pending = Pending::default();
        for stmt in stmts {
            if let StmtKind::Item(item) = &stmt.kind {
                self.declare_item(item, &mut pending);
            }
        }
        pending
    }

    fn declare_item(&mut self, item: &'a AstItem, pending: &mut Pending<'a>) {
        match &item.kind {
            ItemKind::Func(func) => pending.funcs.push((func, item.private.is_some())),
            ItemKind::Struct(decl) => self.declare_struct(decl, pending),
            ItemKind::Enum(decl) => self.declare_enum(decl),
            ItemKind::Alias(decl) => pending.aliases.push(self.declare_alias(decl)),
            ItemKind::Import(_) | ItemKind::FromImport(_) => pending.imports.push(item),
            ItemKind::Package(_) => {}
            ItemKind::Trait(decl) => {
                self.not_supported(
                    "traits are",
                    "write a function that takes other functions, or an enum and a `match`",
                    decl.name.span,
                );
                self.may_miss_methods = true;
                self.name_item(&decl.name, Item::Broken);
            }
            ItemKind::Extend(decl) => {
                self.not_supported(
                    "`extend` is",
                    "write a function that takes the value",
                    decl.ty.span,
                );
                self.may_miss_methods = true;
            }
            ItemKind::Impl(decl) => {
                self.not_supported(
                    "`@impl` is",
                    "write the methods as `func (p Type) name(…) { … }`",
                    decl.clauses[0].span,
                );
                self.may_miss_methods = true;
                if let ImplTarget::Item(target) = &decl.target {
                    self.declare_item(target, pending);
                }
            }
        }
    }

    /// Gives a name its meaning in the present scope; a second meaning is an error.
    fn name_item(&mut self, name: &Ident, item: Item) {
        let scope = self.scope_mut();
        if let Some(&first) = scope.item_spans.get(&name.name) {
            self.report_duplicate(name, first);
            return;
        }
        scope.items.insert(name.name.clone(), item);
        scope.item_spans.insert(name.name.clone(), name.span);
    }

    pub(super) fn report_duplicate(&mut self, name: &Ident, first: Span) {
        let message = format!("`{}` is declared twice", name.name);
        self.report(
            Diagnostic::error(code::DUPLICATE, message, name.span)
                .with_label(first, "first declared here"),
        );
    }

    fn declare_struct(&mut self, decl: &'a StructDecl, pending: &mut Pending<'a>) {
        if let Some(param) = decl.type_params.first() {
            self.not_supported("generic types are", "write one for each type", param.span);
            self.name_item(&decl.name, Item::Broken);
            return;
        }
        let id = StructId(u32::try_from(self.structs.len()).expect("fewer than 2^32 structs"));
        self.structs.push(Struct {
            name: decl.name.name.to_string(),
            fields: Vec::new(),
        });
        self.struct_spans.push((decl.name.span, Vec::new()));
        let ty = self.types.intern(TyKind::Struct(id));
        self.name_item(&decl.name, Item::Type(ty));
        pending.structs.push((decl, id));
    }

    fn declare_enum(&mut self, decl: &'a EnumDecl) {
        let payload = decl
            .variants
            .iter()
            .find(|variant| !variant.payload.is_empty());
        let unsupported = match (decl.type_params.first(), payload) {
            (Some(param), _) => Some(("generic types are", "write one for each type", param.span)),
            (None, Some(variant)) => Some((
                "variants with a payload are",
                "write a struct with a field of the enum and one for the value",
                variant.span,
            )),
            (None, None) => None,
        };
        if let Some((what, instead, span)) = unsupported {
            self.not_supported(what, instead, span);
            self.name_item(&decl.name, Item::Broken);
            for variant in &decl.variants {
                let items = &mut self.scope_mut().items;
                items
                    .entry(variant.name.name.clone())
                    .or_insert(Item::Broken);
            }
            return;
        }
        let id = EnumId(u32::try_from(self.enums.len()).expect("fewer than 2^32 enums"));
        let ty = self.types.intern(TyKind::Enum(id));
        self.name_item(&decl.name, Item::Type(ty));
        let mut variants: Vec<Variant> = Vec::new();
        let mut seen = std::collections::HashMap::new();
        for variant in &decl.variants {
            let name = &variant.name;
            if let Some(&first) = seen.get(&name.name) {
                self.report_duplicate(name, first);
                continue;
            }
            seen.insert(name.name.clone(), name.span);
            self.scope_mut().add_variant(&name.name, id, variants.len());
            variants.push(Variant {
                name: name.name.to_string(),
                payload: Vec::new(),
            });
        }
        self.enums.push(Enum {
            name: decl.name.name.to_string(),
            variants,
        });
    }

    fn declare_alias(&mut self, decl: &'a AliasDecl) -> AliasId {
        let id = AliasId(u32::try_from(self.aliases.len()).expect("fewer than 2^32 aliases"));
        self.aliases.push(Alias {
            decl,
            scope: self.scope,
            state: AliasState::Unknown,
        });
        self.name_item(&decl.name, Item::Alias(id));
        id
    }

    // ------------------------------------------------------------ imports

    fn declare_import(&mut self, item: &'a AstItem) {
        match &item.kind {
            ItemKind::Import(import) => self.declare_module_import(import),
            ItemKind::FromImport(import) => {
                let module = self.find_module(&import.path);
                for imported in &import.names {
                    let name = imported.alias.as_ref().unwrap_or(&imported.name);
                    match module {
                        Some(module) => self.declare_member_import(module, &imported.name, name),
                        None => self.name_item(name, Item::Broken),
                    }
                }
            }
            _ => {}
        }
    }

    fn declare_module_import(&mut self, import: &'a ImportDecl) {
        let own_name = || Ident {
            name: Arc::from(import.path.text.rsplit('/').next().unwrap_or("")),
            span: import.path.span,
        };
        let name = import.alias.clone().unwrap_or_else(own_name);
        match self.find_module(&import.path) {
            Some(module) => self.add_import(&name, Imported::Module(module)),
            None => self.name_item(&name, Item::Broken),
        }
    }

    fn declare_member_import(&mut self, module: usize, member: &Ident, name: &Ident) {
        match self.member_entity(module, &member.name) {
            Entity::Unknown => {
                self.report_unknown_member_of_module(module, member);
                self.name_item(name, Item::Broken);
            }
            entity => self.add_import(name, Imported::Member(entity)),
        }
    }

    fn add_import(&mut self, name: &Ident, target: Imported) {
        let id = ImportId(u32::try_from(self.imports.len()).expect("fewer than 2^32 imports"));
        self.imports.push(Import {
            name: name.clone(),
            target,
            used: false,
        });
        self.name_item(name, Item::Import(id));
    }

    fn find_module(&mut self, path: &ImportPath) -> Option<usize> {
        let found = modules::find(path).and_then(|name| self.module_named(name));
        if found.is_none() {
            self.report_unknown_module(path);
        }
        found
    }

    fn report_unknown_module(&mut self, path: &ImportPath) {
        let message = format!("there is no standard module `{}`", path.text);
        let names = builtins::modules();
        let help = super::suggestions::closest(&path.text, names.iter().copied());
        let mut diagnostic = Diagnostic::error(code::BAD_IMPORT, message, path.span)
            .with_note(format!("the standard modules are {}", names.join(", ")));
        let foreign = super::foreign::module_help(&path.text).map(str::to_string);
        diagnostic.help = foreign.or(help.map(|name| format!("did you mean `{name}`?")));
        if path.quoted && diagnostic.help.is_none() {
            diagnostic = diagnostic.with_note("importing other files is not supported yet");
        }
        self.report(diagnostic);
    }

    // ------------------------------------------------------------ fields and signatures

    /// Aliases are resolved when they are first used; here the others, for the mistakes in them.
    fn resolve_types(&mut self, pending: &Pending<'a>) {
        for &alias in &pending.aliases {
            self.alias_type(alias);
        }
        for (decl, id) in &pending.structs {
            let mut fields: Vec<Field> = Vec::new();
            let mut spans: Vec<Span> = Vec::new();
            for field in &decl.fields {
                let name = field.name.as_str();
                if let Some(first) = fields.iter().position(|field| field.name == name) {
                    self.report_duplicate(&field.name, spans[first]);
                    continue;
                }
                let ty = self.resolve_type(&field.ty);
                fields.push(Field {
                    name: name.to_string(),
                    ty,
                });
                spans.push(field.name.span);
            }
            self.structs[id.0 as usize].fields = fields;
            self.struct_spans[id.0 as usize].1 = spans;
        }
        for (_, id) in &pending.structs {
            self.reject_unbounded_struct(*id);
        }
    }

    fn resolve_functions(&mut self, pending: &Pending<'a>) {
        for &(func, is_private) in &pending.funcs {
            self.declare_function(func, is_private);
        }
    }

    fn declare_function(&mut self, func: &'a Func, is_private: bool) {
        let is_generic = func.type_params.first().map(|param| param.span);
        let unsupported = is_generic.or(func.where_clause.as_ref().map(|clause| clause.span));
        if let Some(span) = unsupported {
            self.not_supported("generic functions are", "write one for each type", span);
            match func.receiver {
                Some(_) => self.may_miss_methods = true,
                None => self.name_item(&func.name, Item::Broken),
            }
            return;
        }
        if func.body.is_none() {
            self.has_error_node = true;
            return;
        }
        let receiver = match &func.receiver {
            None => None,
            Some(receiver) => match self.receiver_param(receiver) {
                Some(param) => Some(param),
                None => {
                    self.may_miss_methods = true;
                    return;
                }
            },
        };
        let id = DeclId(u32::try_from(self.functions.len()).expect("fewer than 2^32 functions"));
        let owner = receiver.as_ref().map(|receiver| self.referred(receiver.ty));
        let name = match owner {
            Some(owner) => format!("{}.{}", self.show(owner), func.name.name),
            None => func.name.name.to_string(),
        };
        let mut params: Vec<Param> = receiver.into_iter().collect();
        for param in &func.params {
            params.push(Param {
                name: param.name.clone(),
                ty: self.resolve_param_type(&param.ty),
                span: param.span,
            });
        }
        self.reject_bad_params(func, &params);
        let result = func
            .result
            .as_ref()
            .map_or(Ty::VOID, |ty| self.resolve_type(ty));
        self.functions.push(FunctionDecl {
            ast: func,
            name,
            scope: self.scope,
            params,
            result,
            is_private,
            used: false,
            id: None,
        });
        match owner {
            Some(owner) => self.declare_method(owner, &func.name, id),
            None => self.name_item(&func.name, Item::Func(id)),
        }
        let is_library = self.modules[self.scopes[self.scope.index()].module]
            .name
            .is_some();
        if !is_library {
            self.function_id(id);
        }
    }

    fn reject_bad_params(&mut self, func: &Func, params: &[Param]) {
        for (index, param) in params.iter().enumerate() {
            if param.name.is_underscore() {
                continue;
            }
            let first = params[..index]
                .iter()
                .find(|other| other.name.name == param.name.name);
            if let Some(first) = first {
                self.report_duplicate(&param.name, first.name.span);
            }
        }
        let reference = params
            .iter()
            .find(|param| matches!(self.kind(param.ty), TyKind::Ref(_)));
        if let (Some(_), Some(reference)) = (func.is_async, reference) {
            let message = "an `async func` cannot take a reference";
            self.report(
                Diagnostic::error(code::BAD_REFERENCE, message, reference.span)
                    .with_note("a reference lives for one call, and the coroutine may live longer"),
            );
        }
    }

    /// The receiver, if it is one that can have methods.
    fn receiver_param(&mut self, receiver: &ast::Receiver) -> Option<Param> {
        let ty = self.resolve_param_type(&receiver.ty);
        let owner = self.referred(ty);
        match self.kind(owner) {
            TyKind::Error => return None,
            TyKind::Struct(_) | TyKind::Enum(_) => {}
            _ => {
                let message = format!("`{}` cannot have methods of its own", self.show(owner));
                self.report(
                    Diagnostic::error(code::BAD_TYPE, message, receiver.ty.span)
                        .with_note("methods belong to structs and enums"),
                );
                return None;
            }
        }
        Some(Param {
            name: receiver.name.clone(),
            ty,
            span: receiver.span,
        })
    }

    fn declare_method(&mut self, owner: Ty, name: &Ident, id: DeclId) {
        if let Some(field) = self.field_span(owner, &name.name) {
            let message = format!(
                "`{}` is already a field of `{}`",
                name.name,
                self.show(owner)
            );
            self.report(
                Diagnostic::error(code::DUPLICATE, message, name.span)
                    .with_label(field, "the field is declared here"),
            );
        }
        if let Some(first) = self.methods.get(&(owner, name.name.clone())) {
            let first = self.functions[first.index()].ast.name.span;
            self.report_duplicate(name, first);
            return;
        }
        self.methods.insert((owner, name.name.clone()), id);
    }

    fn field_span(&self, owner: Ty, name: &str) -> Option<Span> {
        let TyKind::Struct(id) = *self.kind(owner) else {
            return None;
        };
        let fields = &self.structs[id.0 as usize].fields;
        let index = fields.iter().position(|field| field.name == name)?;
        Some(self.struct_spans[id.0 as usize].1[index])
    }

    /// The number of a function that is used; its body will be checked.
    pub(super) fn function_id(&mut self, decl: DeclId) -> FuncId {
        if let Some(id) = self.functions[decl.index()].id {
            return id;
        }
        let id = FuncId(u32::try_from(self.checked.len()).expect("fewer than 2^32 functions"));
        self.checked.push(None);
        self.functions[decl.index()].id = Some(id);
        self.queue.push_back(decl);
        id
    }
}
