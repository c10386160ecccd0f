//! Diagnostics as data. Every stage returns them; only the command renders them.
//!
//! Codes are stable: a number, once used, keeps its meaning. Ranges:
//! `E0001..` source text and tokens, `E0100..` grammar, `E0200..` and up belong to the checker;
//! warnings are `W0001..`.

use crate::span::Span;

/// How serious a diagnostic is. Only errors stop the compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Error,
    Warning,
    Note,
}

/// A remark on a second place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// One finding: what, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// `E0123` or `W0001`.
    pub code: &'static str,
    /// One line, lower case, no full stop.
    pub message: String,
    /// The primary place.
    pub span: Span,
    /// Text shown at the primary place, if it says more than the message.
    pub span_label: Option<String>,
    /// Other places that matter, in source order of interest.
    pub labels: Vec<Label>,
    /// Facts that explain the finding.
    pub notes: Vec<String>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A finding of the given severity, without labels, notes or help.
    pub fn new(
        severity: Severity,
        code: &'static str,
        message: impl Into<String>,
        span: Span,
    ) -> Diagnostic {
        Diagnostic {
            severity,
            code,
            message: message.into(),
            span,
            span_label: None,
            labels: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// An error.
    pub fn error(code: &'static str, message: impl Into<String>, span: Span) -> Diagnostic {
        Diagnostic::new(Severity::Error, code, message, span)
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>, span: Span) -> Diagnostic {
        Diagnostic::new(Severity::Warning, code, message, span)
    }

    /// Sets the text shown at the primary place.
    pub fn with_span_label(mut self, text: impl Into<String>) -> Diagnostic {
        self.span_label = Some(text.into());
        self
    }

    /// Adds a remark on another place.
    pub fn with_label(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        let text = text.into();
        self.labels.push(Label { span, text });
        self
    }

    /// Adds an explaining fact.
    pub fn with_note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    /// Sets what to write instead.
    pub fn with_help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help = Some(text.into());
        self
    }

    /// Whether this stops the compilation.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The codes this crate uses.
pub mod code {
    /// The file is not UTF-8.
    pub const NOT_UTF8: &str = "E0001";
    /// The file is too large (4 GiB and more).
    pub const FILE_TOO_LARGE: &str = "E0002";
    /// A character that starts no token.
    pub const UNKNOWN_CHARACTER: &str = "E0003";
    /// A string without its closing quote.
    pub const UNTERMINATED_STRING: &str = "E0004";
    /// A block comment without its end.
    pub const UNTERMINATED_COMMENT: &str = "E0005";
    /// An unknown or malformed escape in a string or character.
    pub const BAD_ESCAPE: &str = "E0006";
    /// A character literal that is empty, unclosed or too long.
    pub const BAD_CHAR: &str = "E0007";
    /// A malformed number.
    pub const BAD_NUMBER: &str = "E0008";
    /// An integer above 2^64 - 1, or a float above the largest.
    pub const NUMBER_TOO_LARGE: &str = "E0009";

    /// Something else was expected here.
    pub const UNEXPECTED_TOKEN: &str = "E0100";
    /// A bracket or brace that is never closed.
    pub const UNCLOSED: &str = "E0101";
    /// A closing bracket or brace with nothing to close.
    pub const UNOPENED: &str = "E0102";
    /// The source is nested too deeply.
    pub const NESTED_TOO_DEEPLY: &str = "E0103";
    /// Two statements on one line without `;`.
    pub const MISSING_SEPARATOR: &str = "E0104";
    /// A `{` that must stand on the line of its head.
    pub const BRACE_ON_NEXT_LINE: &str = "E0105";
    /// Syntax of another language, with Echo's form in the help.
    pub const FOREIGN_SYNTAX: &str = "E0106";
    /// An assignment where a condition is expected.
    pub const ASSIGNMENT_IN_CONDITION: &str = "E0107";
    /// The left side of an assignment cannot be assigned to.
    pub const BAD_ASSIGNMENT_TARGET: &str = "E0108";
    /// A keyword used as a name.
    pub const KEYWORD_AS_NAME: &str = "E0109";
    /// A declaration that misses a part or has one too many.
    pub const BAD_DECLARATION: &str = "E0110";
    /// A malformed pattern.
    pub const BAD_PATTERN: &str = "E0111";
    /// `spawn` of something that is neither call nor block.
    pub const BAD_SPAWN: &str = "E0112";
    /// A malformed `select` case.
    pub const BAD_SELECT_CASE: &str = "E0113";
    /// `a < b < c`.
    pub const CHAINED_COMPARISON: &str = "E0114";
}
