//! The modules of a program: the checked file and what it imports of the standard library.

use echo_syntax::ast::{File, ImportPath, ItemKind, StmtKind};
use echo_syntax::{Diagnostic, SourceMap, parse};

use super::Checker;
use super::scopes::{Scope, ScopeId};
use crate::builtins;

/// A module of the standard library.
pub(super) struct Library {
    pub name: &'static str,
    /// The part of it that is written in Echo; empty if there is none.
    pub file: File,
    diagnostics: Vec<Diagnostic>,
}

/// A module being checked.
pub(super) struct Module<'a> {
    /// `None` for the checked file.
    pub name: Option<&'static str>,
    pub file: &'a File,
    /// Its declarations.
    pub scope: ScopeId,
}

/// The module of the standard library that a path means.
pub(super) fn find(path: &ImportPath) -> Option<&'static str> {
    builtins::modules()
        .into_iter()
        .find(|name| *name == &*path.text)
}

/// The library modules that `file` imports, directly or through others; each once.
pub(super) fn load(sources: &mut SourceMap, file: &File) -> Vec<Library> {
    let mut names = imported_names(file);
    let mut library: Vec<Library> = Vec::new();
    while let Some(name) = names.pop() {
        if library.iter().any(|loaded| loaded.name == name) {
            continue;
        }
        let text = builtins::source(name).unwrap_or("");
        let id = sources.add(format!("std/{name}.eo"), text);
        let parsed = parse(id, text);
        names.extend(imported_names(&parsed.file));
        library.push(Library {
            name,
            file: parsed.file,
            diagnostics: parsed.diagnostics,
        });
    }
    library
}

fn imported_names(file: &File) -> Vec<&'static str> {
    let items = file.stmts.iter().filter_map(|stmt| match &stmt.kind {
        StmtKind::Item(item) => Some(&item.kind),
        _ => None,
    });
    let paths = items.filter_map(|item| match item {
        ItemKind::Import(import) => Some(&import.path),
        ItemKind::FromImport(import) => Some(&import.path),
        _ => None,
    });
    paths.filter_map(find).collect()
}

impl<'a> Checker<'a> {
    /// Gives every module its scope.
    pub(super) fn add_modules(&mut self, file: &'a File, library: &'a [Library]) {
        self.add_module(None, file);
        for module in library {
            self.add_module(Some(module.name), &module.file);
            for found in &module.diagnostics {
                self.report(found.clone());
            }
        }
    }

    fn add_module(&mut self, name: Option<&'static str>, file: &'a File) {
        let module = self.modules.len();
        let scope = self.add_scope(Scope::of_module(module));
        self.modules.push(Module { name, file, scope });
    }

    /// The index of a loaded library module.
    pub(super) fn module_named(&self, name: &str) -> Option<usize> {
        self.modules
            .iter()
            .position(|module| module.name == Some(name))
    }
}
