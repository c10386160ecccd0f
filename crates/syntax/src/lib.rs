//! Text to tokens to syntax tree.
//!
//! Invariants of this crate:
//! - nothing here fails: every stage returns a value *and* its diagnostics;
//! - nothing here does I/O or prints;
//! - every node of the tree carries the [`Span`] it was read from;
//! - the height of a tree is bounded (deeper source is an error), so that walking or dropping
//!   one by plain recursion is safe.

pub mod ast;
pub mod diagnostic;
pub mod dump;
pub mod lexer;
pub mod parser;
pub mod span;
pub mod token;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use dump::dump_ast;
pub use lexer::{Lexed, lex};
pub use parser::{Parsed, parse};
pub use span::{FileId, LineColumn, SourceFile, SourceMap, Span};
