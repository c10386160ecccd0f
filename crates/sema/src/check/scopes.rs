//! Scopes: which names are visible where, and what they mean.
//!
//! A scope belongs to a block, or to a module; scopes stay after their block has been left, because the functions nested in it are checked
//! later. In one scope a variable hides a declaration. The variables of a scope are visible in its own function only; those of
//! the checked file's top level are visible in every function, as globals.

use std::collections::HashMap;
use std::sync::Arc;

use echo_syntax::Span;
use echo_syntax::ast::Ident;

use super::Checker;
use super::collect::{AliasId, DeclId, ImportId, Imported};
use crate::builtins::{self, Constant};
use crate::typed::LocalId;
use crate::types::{EnumId, Ty};

/// An index into [`Checker::scopes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ScopeId(u32);

impl ScopeId {
    pub const FIRST: ScopeId = ScopeId(0);

    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The names declared in a block, or in a module.
pub(super) struct Scope {
    pub parent: Option<ScopeId>,
    pub module: usize,
    /// The serial number of the function body it belongs to; that of the top level is 0.
    body: u32,
    /// The variables declared so far; of equal names the last.
    locals: HashMap<Arc<str>, LocalId>,
    pub items: HashMap<Arc<str>, Item>,
    /// Where the items are declared.
    pub item_spans: HashMap<Arc<str>, Span>,
    variants: HashMap<Arc<str>, Vec<(EnumId, usize)>>,
}

impl Scope {
    pub fn of_module(module: usize) -> Scope {
        Scope {
            parent: None,
            module,
            body: 0,
            locals: HashMap::new(),
            items: HashMap::new(),
            item_spans: HashMap::new(),
            variants: HashMap::new(),
        }
    }

    pub fn add_variant(&mut self, name: &Arc<str>, id: EnumId, index: usize) {
        self.variants
            .entry(name.clone())
            .or_default()
            .push((id, index));
    }
}

/// A declaration.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    Func(DeclId),
    /// A struct or enum.
    Type(Ty),
    Alias(AliasId),
    Import(ImportId),
    /// Was reported.
    Broken,
}

/// What a name means.
#[derive(Clone, Debug)]
pub(super) enum Entity {
    Local(LocalId),
    /// A variable of the top level, seen from a function.
    Global(LocalId),
    Func(DeclId),
    Type(Ty),
    /// A built-in type that needs type arguments.
    TypeFamily(Native),
    Module(usize),
    /// A built-in function.
    Builtin(Native),
    Constant(Constant),
    /// At least one.
    Variants(Vec<(EnumId, usize)>),
    /// `Some`, `None`, `Ok`, `Err`
    Wrapper(Wrapper),
    /// A variable of the function around this one.
    Enclosing,
    /// Was reported.
    Broken,
    Unknown,
}

/// A row of the table of built-ins: its own name, whatever an import calls it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Native {
    /// `None` for a predeclared one.
    pub module: Option<&'static str>,
    pub name: &'static str,
}

/// The predeclared variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapper {
    Some,
    None,
    Ok,
    Err,
}

impl Wrapper {
    pub fn named(name: &str) -> Option<Wrapper> {
        Some(match name {
            "Some" => Wrapper::Some,
            "None" => Wrapper::None,
            "Ok" => Wrapper::Ok,
            "Err" => Wrapper::Err,
            _ => return None,
        })
    }

    /// The type it is a variant of.
    pub fn family(self) -> &'static str {
        match self {
            Wrapper::Some | Wrapper::None => "Option",
            Wrapper::Ok | Wrapper::Err => "Result",
        }
    }
}

impl Checker<'_> {
    pub(super) fn add_scope(&mut self, scope: Scope) -> ScopeId {
        let id = ScopeId(u32::try_from(self.scopes.len()).expect("fewer than 2^32 scopes"));
        self.scopes.push(scope);
        id
    }

    /// Does something in a scope inside the present one.
    pub(super) fn in_new_scope<T>(&mut self, check: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.scope;
        self.enter_scope();
        let result = check(self);
        self.scope = outer;
        result
    }

    /// Makes a scope inside the present one, of the present function, and goes there.
    pub(super) fn enter_scope(&mut self) {
        let inner = Scope {
            parent: Some(self.scope),
            body: self.body.serial,
            ..Scope::of_module(self.scopes[self.scope.index()].module)
        };
        self.scope = self.add_scope(inner);
    }

    pub(super) fn scope_mut(&mut self) -> &mut Scope {
        &mut self.scopes[self.scope.index()]
    }

    pub(super) fn declare_local(&mut self, name: &Arc<str>, local: LocalId) {
        self.scope_mut().locals.insert(name.clone(), local);
    }

    /// The scopes from the present one outwards.
    pub(super) fn visible_scopes(&self) -> impl Iterator<Item = (ScopeId, &Scope)> {
        let id = |id: ScopeId| (id, &self.scopes[id.index()]);
        std::iter::successors(Some(id(self.scope)), move |(_, scope)| scope.parent.map(id))
    }

    /// The names visible here, for suggestions.
    pub(super) fn visible_names(&self) -> Vec<Arc<str>> {
        let mut names = Vec::new();
        for (_, scope) in self.visible_scopes() {
            if self.sees_locals_of(scope) {
                names.extend(scope.locals.keys().cloned());
            }
            names.extend(scope.items.keys().cloned());
            names.extend(scope.variants.keys().cloned());
        }
        names
    }

    fn sees_locals_of(&self, scope: &Scope) -> bool {
        scope.body == self.body.serial || scope.parent.is_none()
    }

    /// The variable of this function (or the top level) that a name means, with its scope.
    pub(super) fn local_named(&self, name: &str) -> Option<(LocalId, ScopeId)> {
        let mut scopes = self.visible_scopes();
        scopes.find_map(|(id, scope)| {
            let own = scope.body == self.body.serial;
            own.then(|| scope.locals.get(name).map(|&local| (local, id)))?
        })
    }

    /// Whether `scope` is `outer` or somewhere inside of it.
    pub(super) fn is_inside(&self, mut scope: ScopeId, outer: ScopeId) -> bool {
        loop {
            if scope == outer {
                return true;
            }
            match self.scopes[scope.index()].parent {
                Some(parent) => scope = parent,
                None => return false,
            }
        }
    }

    /// What a name means where a value may stand.
    pub(super) fn lookup(&mut self, name: &Ident) -> Entity {
        self.lookup_in(name, true)
    }

    /// What a name means where only types and modules may stand: variables do not hide them.
    pub(super) fn lookup_item(&mut self, name: &Ident) -> Entity {
        self.lookup_in(name, false)
    }

    fn lookup_in(&mut self, name: &Ident, with_locals: bool) -> Entity {
        let name = &*name.name;
        let mut variants = Vec::new();
        let mut enclosing = false;
        let mut found = None;
        for (_, scope) in self.visible_scopes() {
            if with_locals && let Some(&local) = scope.locals.get(name) {
                if scope.body == self.body.serial {
                    return Entity::Local(local);
                }
                if scope.parent.is_none() {
                    return Entity::Global(local);
                }
                enclosing = true;
            }
            if let Some(&item) = scope.items.get(name) {
                found = Some(item);
                break;
            }
            if let Some(here) = scope.variants.get(name) {
                variants.extend(here.iter().copied());
            }
        }
        match found {
            Some(item) => self.item_entity(item),
            None if !variants.is_empty() => Entity::Variants(variants),
            None => match self.builtin_entity(name) {
                Entity::Unknown if enclosing => Entity::Enclosing,
                entity => entity,
            },
        }
    }

    pub(super) fn item_entity(&mut self, item: Item) -> Entity {
        match item {
            Item::Func(id) => Entity::Func(id),
            Item::Type(ty) => Entity::Type(ty),
            Item::Alias(id) => Entity::Type(self.alias_type(id)),
            Item::Broken => Entity::Broken,
            Item::Import(id) => {
                let import = &mut self.imports[id.0 as usize];
                import.used = true;
                match import.target.clone() {
                    Imported::Module(module) => Entity::Module(module),
                    Imported::Member(entity) => entity,
                }
            }
        }
    }

    /// A name that no scope declares: a native member of this library module, or predeclared.
    fn builtin_entity(&mut self, name: &str) -> Entity {
        let module = self.modules[self.scopes[self.scope.index()].module].name;
        if let Some(module) = module {
            match self.native_entity(Some(module), name) {
                Entity::Unknown => {}
                entity => return entity,
            }
        }
        match Wrapper::named(name) {
            Some(wrapper) => Entity::Wrapper(wrapper),
            None => self.native_entity(None, name),
        }
    }

    /// A built-in of a module, or a predeclared one.
    pub(super) fn native_entity(&mut self, module: Option<&'static str>, name: &str) -> Entity {
        if let Some(signature) = builtins::function(module, name).first() {
            let name = signature.name();
            return Entity::Builtin(Native { module, name });
        }
        if let Some(constant) = module.and_then(|module| builtins::constant(module, name)) {
            return Entity::Constant(constant);
        }
        let mut types = builtins::type_names(module).into_iter();
        let Some(name) = types.find(|candidate| *candidate == name) else {
            return Entity::Unknown;
        };
        match builtins::type_named(&mut self.types, module, name, &[]) {
            Ok(ty) => Entity::Type(ty),
            Err(_) => Entity::TypeFamily(Native { module, name }),
        }
    }

    /// What a module shows of a name: its public declarations and native members.
    pub(super) fn member_entity(&mut self, module: usize, name: &str) -> Entity {
        let scope = self.modules[module].scope;
        if let Some(&item) = self.scopes[scope.index()].items.get(name)
            && !self.is_private(item)
        {
            return self.item_entity(item);
        }
        let native = self.modules[module].name;
        self.native_entity(native, name)
    }

    fn is_private(&self, item: Item) -> bool {
        match item {
            Item::Func(id) => self.functions[id.index()].is_private,
            Item::Import(_) | Item::Broken => true,
            Item::Type(_) | Item::Alias(_) => false,
        }
    }

    /// Where a local of the present function is declared.
    pub(super) fn local_span(&self, local: LocalId) -> Span {
        self.body.locals[local.0 as usize].span
    }
}
