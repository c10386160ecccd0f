//! Golden tests. Every `tests/<stage>/<name>.eo` holds snippets, each behind a line
//! `//// title`; `<name>.expected` beside it holds what the stage makes of them.
//!
//! `UPDATE_EXPECT=1 cargo test -p echo-syntax --test goldens` writes the expectations anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use echo_syntax::token::TokenKind;
use echo_syntax::{Diagnostic, SourceFile, SourceMap, dump_ast, lex, parse};

#[test]
fn tokens() {
    check_stage("tokens", |sources, file| {
        let lexed = lex(file, sources.file(file).text());
        let mut out = String::new();
        for token in &lexed.tokens {
            match &token.kind {
                TokenKind::Newline => out.push_str("⏎\n"),
                TokenKind::Eof => out.push_str("<eof>\n"),
                kind => {
                    let _ = write!(out, "{} ", token_text(kind));
                }
            }
        }
        out + &diagnostics_text(sources.file(file), &lexed.diagnostics)
    });
}

#[test]
fn ast() {
    check_stage("ast", |sources, file| {
        let parsed = parse(file, sources.file(file).text());
        let diagnostics = diagnostics_text(sources.file(file), &parsed.diagnostics);
        assert_eq!(diagnostics, "", "in\n{}", sources.file(file).text());
        dump_ast(&parsed.file)
    });
}

#[test]
fn errors() {
    check_stage("errors", |sources, file| {
        let parsed = parse(file, sources.file(file).text());
        assert!(
            !parsed.diagnostics.is_empty(),
            "no error in\n{}",
            sources.file(file).text()
        );
        diagnostics_text(sources.file(file), &parsed.diagnostics)
    });
}

/// Compares a stage's output for all snippets of its folder with the expectations.
fn check_stage(stage: &str, output_of: impl Fn(&SourceMap, echo_syntax::FileId) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(stage);
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut differing = Vec::new();
    for path in snippet_files(&folder) {
        let text = fs::read_to_string(&path).expect("the snippet file is readable");
        let mut actual = String::new();
        for (title, snippet) in split_snippets(&text) {
            let mut sources = SourceMap::new();
            let file = sources.add("test.eo", snippet);
            let _ = write!(actual, "//// {title}\n{}\n", output_of(&sources, file));
        }
        let expected_path = path.with_extension("expected");
        if update {
            fs::write(&expected_path, actual).expect("the expectation is writable");
            continue;
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if actual != expected {
            let line = first_difference(&expected, &actual);
            differing.push(format!("{}: {line}", expected_path.display()));
        }
    }
    assert!(
        differing.is_empty(),
        "{}\n(UPDATE_EXPECT=1 accepts the new output)",
        differing.join("\n")
    );
}

fn snippet_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder of snippets is readable");
    let paths = entries.map(|entry| entry.expect("a folder entry is readable").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "eo"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no snippets in {}", folder.display());
    paths
}

fn split_snippets(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let snippets = text.split("//// ").skip(1);
    snippets.map(|snippet| snippet.split_once('\n').unwrap_or((snippet, "")))
}

fn first_difference(expected: &str, actual: &str) -> String {
    let mut expected_lines = expected.lines();
    for (number, actual) in (1..).zip(actual.lines()) {
        match expected_lines.next() {
            Some(expected) if expected == actual => {}
            expected => {
                let expected = expected.unwrap_or("(nothing)");
                return format!("line {number}\n  expected: {expected}\n    actual: {actual}");
            }
        }
    }
    "the expectation has more lines".to_owned()
}

fn token_text(kind: &TokenKind) -> String {
    match kind {
        TokenKind::Ident(name) => name.to_string(),
        TokenKind::Int(value) => format!("Int({value})"),
        TokenKind::Float(value) => format!("Float({value:?})"),
        TokenKind::Str(value) => format!("Str({value:?})"),
        TokenKind::Char(value) => format!("Char({value:?})"),
        TokenKind::Keyword(keyword) => keyword.as_str().to_uppercase(),
        TokenKind::Punct(punct) => punct.as_str().to_owned(),
        TokenKind::Error => "<error>".to_owned(),
        TokenKind::Newline | TokenKind::Eof => unreachable!("written by the caller"),
    }
}

/// One line per diagnostic, label, note and help.
fn diagnostics_text(file: &SourceFile, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let start = file.line_column(diagnostic.span.start);
        let code = diagnostic.code;
        let source = file.slice(diagnostic.span).lines().next().unwrap_or("");
        let _ = writeln!(out, "{start} {code} {} «{source}»", diagnostic.message);
        if let Some(text) = &diagnostic.span_label {
            let _ = writeln!(out, "    here: {text}");
        }
        for label in &diagnostic.labels {
            let at = file.line_column(label.span.start);
            let _ = writeln!(out, "    {at}: {}", label.text);
        }
        for note in &diagnostic.notes {
            let _ = writeln!(out, "    note: {note}");
        }
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(out, "    help: {help}");
        }
    }
    out
}
