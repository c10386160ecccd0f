//! Syntax tree to typed tree: names resolved, types checked, conversions made explicit.
//!
//! How it goes: the modules a file imports are loaded ([`modules`]); the declarations of every module are collected
//! ([`collect`]), so that their order does not matter; the top-level statements are checked as the body of the main
//! coroutine, which gives the globals their types; then the bodies of functions, from a queue ([`bodies`]).
//!
//! Invariants:
//! - every part of the tree is checked once: what an expression is expected to be is handed down ([`expected`]), never
//!   found out by trying; so the work is linear in the size of the source, but for look-ups in tables;
//! - an expression of type `Ty::ERROR` has been reported, and agrees with everything: one mistake gives one error;
//! - recursion follows the syntax tree, whose height is bounded; the checker runs on a stack that is large enough for it;
//! - library code is checked like the user's, but only what is used of it, and without warnings.

mod bodies;
mod builtin_calls;
mod calls;
pub mod code;
mod collect;
mod composites;
mod concurrency;
mod conditionals;
mod constants;
mod conversions;
mod early;
mod expected;
mod expressions;
mod foreign;
mod globals;
mod lints;
mod literals;
mod matches;
mod members;
mod modules;
mod operators;
mod patterns;
mod places;
mod properties;
mod scopes;
mod statements;
mod suggestions;
mod types;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use echo_syntax::ast::{self, File};
use echo_syntax::{Diagnostic, SourceMap, Span};

use crate::display::type_text;
use crate::typed::{Enum, Function, Program, Struct};
use crate::types::{Ty, TyKind, Types};

use bodies::Body;
use collect::{Alias, DeclId, FunctionDecl, Import};
use globals::Globals;
use modules::{Library, Module};
use properties::Properties;
use scopes::{Scope, ScopeId};

/// What [`check`] gives.
#[derive(Debug)]
pub struct Checked {
    /// Present exactly when no diagnostic is an error and the tree itself has no error nodes.
    pub program: Option<Program>,
    /// In the order of their places, those of the checked file first.
    pub diagnostics: Vec<Diagnostic>,
}

/// The checker's stack. The highest tree the parser builds takes a fraction of it, also without optimisation.
const STACK_BYTES: usize = 64 << 20;

/// Checks a parsed file. Modules of the standard library that it imports are added to `sources`, parsed and checked with it.
pub fn check(sources: &mut SourceMap, file: &File) -> Checked {
    let library = modules::load(sources, file);
    let sources = &*sources;
    let run = || Checker::new(sources, file, &library).run();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("check".to_string())
            .stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, run) {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // Without memory for another stack the present one must do.
            Err(_) => run(),
        }
    })
}

struct Checker<'a> {
    sources: &'a SourceMap,
    /// The first is the checked file, the others are of the library.
    modules: Vec<Module<'a>>,
    types: Types,
    structs: Vec<Struct>,
    /// Where each struct is declared, and its fields.
    struct_spans: Vec<(Span, Vec<Span>)>,
    enums: Vec<Enum>,
    aliases: Vec<Alias<'a>>,
    functions: Vec<FunctionDecl<'a>>,
    methods: HashMap<(Ty, Arc<str>), DeclId>,
    /// Methods may exist that were not understood (`extend`, `@impl`): a missing one is no news.
    may_miss_methods: bool,
    imports: Vec<Import>,
    /// Declarations are being collected: the fields of structs may not be known yet.
    is_collecting: bool,
    /// Structs used as keys meanwhile.
    struct_keys: Vec<(Ty, Span)>,
    scopes: Vec<Scope>,
    /// Where names are looked up at present.
    scope: ScopeId,
    /// The function that is being checked.
    body: Body,
    /// Functions whose bodies are still to be checked.
    queue: VecDeque<DeclId>,
    /// By `FuncId`; `None` until the body has been checked.
    checked: Vec<Option<Function>>,
    globals: Globals,
    properties: Properties,
    /// Unknown names that were reported, with the function body where: once is enough.
    reported_names: HashSet<(u32, Arc<str>)>,
    /// Of those that may be variables: where they were used, and the index of the report.
    early_names: HashMap<(u32, Arc<str>), (ScopeId, usize)>,
    diagnostics: Vec<Diagnostic>,
    error_count: usize,
    /// The parser left an error node.
    has_error_node: bool,
}

impl<'a> Checker<'a> {
    fn new(sources: &'a SourceMap, file: &'a File, library: &'a [Library]) -> Checker<'a> {
        let mut checker = Checker {
            sources,
            modules: Vec::new(),
            types: Types::default(),
            structs: Vec::new(),
            struct_spans: Vec::new(),
            enums: Vec::new(),
            aliases: Vec::new(),
            functions: Vec::new(),
            methods: HashMap::new(),
            may_miss_methods: false,
            imports: Vec::new(),
            is_collecting: false,
            struct_keys: Vec::new(),
            scopes: Vec::new(),
            scope: ScopeId::FIRST,
            body: Body::default(),
            queue: VecDeque::new(),
            checked: Vec::new(),
            globals: Globals::default(),
            properties: Properties::default(),
            reported_names: HashSet::new(),
            early_names: HashMap::new(),
            diagnostics: Vec::new(),
            error_count: 0,
            has_error_node: false,
        };
        checker.add_modules(file, library);
        checker
    }

    fn run(mut self) -> Checked {
        self.collect_modules();
        let main = self.user_main();
        let mut entry = self.check_entry(main);
        self.check_queue();
        self.warn_unused_declarations();
        self.warn_unused_globals();
        let mut globals = std::mem::take(&mut self.globals).into_program(&mut entry);
        self.check_early_reads(&entry, &mut globals);
        let entry_id = self.add_function(entry);
        let mut diagnostics = self.diagnostics;
        diagnostics.sort_by_key(|found| (found.span.file, found.span.start, found.span.end));
        let has_error = self.has_error_node || self.error_count > 0;
        if has_error {
            // What is unused may be used by what was not understood.
            diagnostics.retain(|found| !lints::is_about_use(found.code));
        }
        let functions: Option<Vec<_>> = self.checked.into_iter().collect();
        let program = functions.filter(|_| !has_error).map(|functions| Program {
            types: self.types,
            structs: self.structs,
            enums: self.enums,
            functions,
            globals,
            entry: entry_id,
        });
        Checked {
            program,
            diagnostics,
        }
    }

    // ------------------------------------------------------------ reporting

    fn report(&mut self, diagnostic: Diagnostic) {
        self.error_count += usize::from(diagnostic.is_error());
        let is_library = diagnostic.span.file != self.modules[0].file.id;
        if diagnostic.is_error() || !is_library {
            self.diagnostics.push(diagnostic);
        }
    }

    fn error(&mut self, code: &'static str, message: impl Into<String>, span: Span) {
        self.report(Diagnostic::error(code, message, span));
    }

    /// What belongs to the language but cannot be compiled yet, and what to write until then.
    fn not_supported(&mut self, what: &str, instead: &str, span: Span) {
        let message = format!("{what} not supported yet");
        self.report(Diagnostic::error(code::NOT_SUPPORTED, message, span).with_help(instead));
    }

    // ------------------------------------------------------------ types

    fn kind(&self, ty: Ty) -> &TyKind {
        self.types.kind(ty)
    }

    /// A type as messages show it.
    fn show(&self, ty: Ty) -> String {
        let name = |kind: &TyKind| match kind {
            TyKind::Struct(id) => self.structs[id.0 as usize].name.clone(),
            TyKind::Enum(id) => self.enums[id.0 as usize].name.clone(),
            _ => String::new(),
        };
        type_text(&self.types, &name, ty)
    }

    /// The function `main` of the checked file.
    fn user_main(&self) -> Option<DeclId> {
        match self.scopes[self.modules[0].scope.index()].items.get("main") {
            Some(scopes::Item::Func(id)) => Some(*id),
            _ => None,
        }
    }
}

/// Whether a type agrees with every other.
fn is_open(ty: Ty) -> bool {
    matches!(ty, Ty::ERROR | Ty::NEVER)
}

/// `1 argument`, `2 arguments`.
fn count_text(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// The name a type path begins with, for messages.
fn path_text(segments: &[ast::Ident]) -> String {
    let names: Vec<_> = segments.iter().map(ast::Ident::as_str).collect();
    names.join(".")
}
