//! Diagnostics for programs: one JSON object per line. The format is described in docs/book/command-line.md and only ever grows.

use std::io::{self, Write};

use echo_syntax::{Diagnostic, Severity, SourceMap, Span};
use serde::Serialize;

use crate::failure::Message;

#[derive(Serialize)]
struct Finding<'a> {
    /// Null for what concerns a file as a whole.
    code: Option<&'a str>,
    severity: &'static str,
    message: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
    /// What is said at the place itself.
    label: Option<&'a str>,
    labels: Vec<Label<'a>>,
    notes: &'a [String],
    help: Option<&'a str>,
}

#[derive(Serialize)]
struct Label<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    text: &'a str,
}

/// Lines and columns start at 1 and count characters; the end is the place behind the last character.
#[derive(Serialize)]
struct Place<'a> {
    file: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
    end_line: Option<u32>,
    end_column: Option<u32>,
}

/// Prints the diagnostics on standard output.
pub fn diagnostics(sources: &SourceMap, diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        print(&Finding {
            code: Some(diagnostic.code),
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            },
            message: &diagnostic.message,
            place: place(sources, diagnostic.span),
            label: diagnostic.span_label.as_deref(),
            labels: diagnostic
                .labels
                .iter()
                .map(|label| Label {
                    place: place(sources, label.span),
                    text: &label.text,
                })
                .collect(),
            notes: &diagnostic.notes,
            help: diagnostic.help.as_deref(),
        });
    }
}

/// Prints an error that belongs to no place in a text.
pub fn message(message: &Message) {
    print(&Finding {
        code: None,
        severity: "error",
        message: &message.text,
        place: Place {
            file: message.file.as_deref(),
            line: None,
            column: None,
            end_line: None,
            end_column: None,
        },
        label: None,
        labels: Vec::new(),
        notes: &message.notes,
        help: message.help.as_deref(),
    });
}

fn place(sources: &SourceMap, span: Span) -> Place<'_> {
    let file = sources.file(span.file);
    let (start, end) = (file.line_column(span.start), file.line_column(span.end));
    Place {
        file: Some(file.name()),
        line: Some(start.line),
        column: Some(start.column),
        end_line: Some(end.line),
        end_column: Some(end.column),
    }
}

/// Who listens may stop listening.
fn print(finding: &Finding<'_>) {
    let line = serde_json::to_string(finding).expect("strings and numbers can be written");
    let _ = writeln!(io::stdout().lock(), "{line}");
}
