//! Echo IR to LLVM IR text.
//!
//! Invariants:
//! - every function of the program carries `split-stack` and an unwind table; allocas stand in the entry block only (an alloca elsewhere would
//!   make LLVM call the segmented allocator);
//! - nothing here decides about ownership: `Dup`, `Drop` and the `unwind` lists come from the IR;
//! - constants are interned, and emitted in the order of their first use: the same program gives the same text.

mod await_path;
mod callback_path;
mod channel_path;
mod counter_path;
mod debug;
mod desc;
mod fast_path;
mod function;
mod global;
mod lock_path;
mod ops;
mod place;
mod program;
mod push;
mod runtime;
mod spawn_path;
#[cfg(test)]
mod tests;
mod text;
mod types;
mod unfold;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use echo_sema::typed::Program;
use echo_syntax::span::{SourceMap, Span};

use crate::ir;

pub use text::{debug_name, escape, linkage_name};

/// A function of every module; where it is tells where the module's code is.
pub const ANCHOR: &str = "echo.drop_globals";

/// What the text is for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Defines `main`, which starts the runtime: for a stand-alone executable.
    pub executable: bool,
    /// The module refers to the side table of lines, which a second object defines.
    pub line_table: bool,
    /// Puts the source line above the code made from it, as a comment.
    pub comments: bool,
}

/// The text of the LLVM module for a lowered program.
pub fn emit(
    program: &Program,
    module: &ir::Module,
    sources: &SourceMap,
    options: Options,
) -> String {
    let mut emitter = Emitter::new(program, module, sources, options);
    for function in &module.functions {
        emitter.function(function);
    }
    emitter.finish()
}

/// What is collected while functions are printed.
struct Emitter<'a> {
    program: &'a Program,
    module: &'a ir::Module,
    sources: &'a SourceMap,
    options: Options,
    /// Finished function bodies.
    functions: String,
    /// Constants and descriptors, in order of first use.
    constants: String,
    /// Named struct types.
    type_lines: String,
    /// String values and bare texts, by content.
    strings: HashMap<String, usize>,
    texts: HashMap<String, usize>,
    descs: HashMap<echo_sema::types::Ty, usize>,
    zeros: HashMap<echo_sema::types::Ty, usize>,
    /// Functions of kind `Entry` whose EntryDesc is needed.
    entries: BTreeSet<u32>,
    closures: BTreeSet<u32>,
    /// Names of runtime functions and intrinsics in use.
    runtime: BTreeSet<&'static str>,
    intrinsics: BTreeSet<String>,
    /// Types whose dup and drop helpers are needed.
    helpers: BTreeSet<(types::Helper, echo_sema::types::Ty)>,
    /// Whether the thread-local block is read.
    uses_tls: bool,
    positions: Positions,
    debug: debug::Debug,
}

/// Rows of the module's position table; the first is "unknown".
#[derive(Default)]
struct Positions {
    rows: Vec<(u32, u32, u32, u32)>,
    index: HashMap<(u32, u32, u32, u32), usize>,
    functions: Vec<String>,
}

impl<'a> Emitter<'a> {
    fn new(
        program: &'a Program,
        module: &'a ir::Module,
        sources: &'a SourceMap,
        options: Options,
    ) -> Self {
        Emitter {
            program,
            module,
            sources,
            options,
            functions: String::new(),
            constants: String::new(),
            type_lines: String::new(),
            strings: HashMap::new(),
            texts: HashMap::new(),
            descs: HashMap::new(),
            zeros: HashMap::new(),
            entries: BTreeSet::new(),
            closures: BTreeSet::new(),
            runtime: BTreeSet::new(),
            intrinsics: BTreeSet::new(),
            helpers: BTreeSet::new(),
            uses_tls: false,
            positions: Positions {
                rows: vec![(0, 0, 0, 0)],
                index: HashMap::new(),
                functions: vec!["?".to_string()],
            },
            debug: debug::Debug::default(),
        }
    }

    fn function(&mut self, function: &'a ir::Function) {
        let index = self.positions.functions.len();
        self.positions.functions.push(function.name.clone());
        let text = function::emit(self, function, index as u32);
        self.functions.push_str(&text);
    }

    /// Line and column, from 1.
    fn line_column(&self, span: Span) -> (u32, u32) {
        let position = self.sources.line_column(span);
        (position.line, position.column)
    }

    /// The number of the position in the table.
    fn position(&mut self, span: Span, function: u32) -> usize {
        let (line, column) = self.line_column(span);
        let row = (span.file.0, line, column, function);
        let next = self.positions.rows.len();
        let number = *self.positions.index.entry(row).or_insert(next);
        if number == next {
            self.positions.rows.push(row);
        }
        number
    }

    /// Adds a line to the constants.
    fn constant(&mut self, line: std::fmt::Arguments<'_>) {
        self.constants
            .write_fmt(line)
            .expect("writing to a string cannot fail");
        self.constants.push('\n');
    }
}
