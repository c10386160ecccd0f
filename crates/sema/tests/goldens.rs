//! Golden tests. Every `tests/<folder>/<name>.eo` holds snippets, each behind a line `//// title`; `<name>.expected`
//! beside it holds what the checker makes of them: for `accept` the typed tree, for `errors` the diagnostics.
//!
//! `UPDATE_EXPECT=1 cargo test -p echo-sema --test goldens` writes the expectations anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use echo_sema::{Checked, check, dump};
use echo_syntax::{Diagnostic, SourceMap, parse};

#[test]
fn accept() {
    check_folder("accept", |sources, checked| {
        let program = checked.program.as_ref().unwrap_or_else(|| {
            let found = diagnostics_text(sources, &checked.diagnostics);
            panic!("errors in an accepted snippet:\n{found}")
        });
        let tree = dump(program);
        assert!(!tree.contains("<error>"), "an erroneous node in\n{tree}");
        tree + &diagnostics_text(sources, &checked.diagnostics)
    });
}

#[test]
fn errors() {
    check_folder("errors", |sources, checked| {
        assert!(
            !checked.diagnostics.is_empty(),
            "nothing found in a snippet"
        );
        let has_error = checked.diagnostics.iter().any(Diagnostic::is_error);
        assert_eq!(checked.program.is_none(), has_error);
        diagnostics_text(sources, &checked.diagnostics)
    });
}

/// Compares what the checker makes of all snippets of a folder with the expectations.
fn check_folder(folder: &str, output_of: impl Fn(&SourceMap, &Checked) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut differing = Vec::new();
    for path in snippet_files(&folder) {
        let text = fs::read_to_string(&path).expect("the snippet file is readable");
        let mut actual = String::new();
        for (title, snippet) in split_snippets(&text) {
            let mut sources = SourceMap::new();
            let file = sources.add("test.eo", snippet);
            let parsed = parse(file, snippet);
            assert!(
                parsed.diagnostics.is_empty(),
                "{title}: {:?}",
                parsed.diagnostics
            );
            let checked = check(&mut sources, &parsed.file);
            let _ = write!(actual, "//// {title}\n{}\n", output_of(&sources, &checked));
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

/// One line per diagnostic, label, note and help.
fn diagnostics_text(sources: &SourceMap, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let start = sources.line_column(diagnostic.span);
        let code = diagnostic.code;
        let source = sources.slice(diagnostic.span).lines().next().unwrap_or("");
        let _ = writeln!(out, "{start} {code} {} «{source}»", diagnostic.message);
        if let Some(text) = &diagnostic.span_label {
            let _ = writeln!(out, "    here: {text}");
        }
        for label in &diagnostic.labels {
            let at = sources.line_column(label.span);
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
