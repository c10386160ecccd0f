//! Golden tests of the ownership pass on Echo programs. Every `tests/ownership/<name>.eo` holds programs, each behind a line `//// title`;
//! `<name>.expected` beside it holds their Echo IR with the counting.
//!
//! `UPDATE_EXPECT=1 cargo test -p echo-codegen --test ownership` writes the expectations anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use echo_codegen::{ir, lower, ownership};
use echo_syntax::SourceMap;

#[test]
fn programs_are_counted_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut differing = Vec::new();
    for path in files() {
        let text = fs::read_to_string(&path).expect("the programs are readable");
        let mut actual = String::new();
        for program in text.split("//// ").skip(1) {
            let (title, source) = program.split_once('\n').unwrap_or((program, ""));
            let _ = write!(actual, "//// {title}\n{}\n", counted(title, source));
        }
        let expected_path = path.with_extension("expected");
        if update {
            fs::write(&expected_path, actual).expect("the expectation is writable");
        } else if fs::read_to_string(&expected_path).unwrap_or_default() != actual {
            differing.push(expected_path.display().to_string());
        }
    }
    assert!(
        differing.is_empty(),
        "{} differ (UPDATE_EXPECT=1 accepts what is made now)",
        differing.join(", ")
    );
}

/// The IR after the pass, without the entry that calls `main`.
fn counted(title: &str, source: &str) -> String {
    let mut sources = SourceMap::new();
    let file = sources.add("test.eo", source);
    let parsed = echo_syntax::parse(file, sources.file(file).text());
    assert!(parsed.diagnostics.is_empty(), "{title} does not parse");
    let checked = echo_sema::check(&mut sources, &parsed.file);
    let Some(mut program) = checked.program else {
        panic!("{title} does not check: {:#?}", checked.diagnostics);
    };
    let mut module = lower::lower(&mut program);
    ownership::insert(&program, &mut module);
    let mut text = String::new();
    for function in &module.functions {
        if !function.symbol.starts_with('$') {
            text += &ir::dump_function(&program, &module, &sources, function);
        }
    }
    text
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ownership");
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eo"))
        .collect();
    paths.sort();
    paths
}
