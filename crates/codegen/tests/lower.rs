//! Golden tests of lowering. Every `tests/lower/<name>.eo` holds programs, each behind a line `//// title`; `<name>.expected` beside it
//! holds their Echo IR before the ownership pass.
//!
//! `UPDATE_EXPECT=1 cargo test -p echo-codegen --test lower` writes the expectations anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use echo_codegen::{ir, lower};
use echo_syntax::SourceMap;

#[test]
fn programs_are_lowered_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut differing = Vec::new();
    for path in files(&root().join("crates/codegen/tests/lower")) {
        let text = fs::read_to_string(&path).expect("the programs are readable");
        let mut actual = String::new();
        for program in text.split("//// ").skip(1) {
            let (title, source) = program.split_once('\n').unwrap_or((program, ""));
            let text = lowered("test.eo", source);
            let _ = write!(actual, "//// {title}\n{text}\n");
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

/// The examples and language tests make well-formed IR, too.
#[test]
fn whole_programs_are_well_formed() {
    let mut open = vec![root().join("examples"), root().join("tests/run")];
    while let Some(folder) = open.pop() {
        open.extend(entries(&folder).into_iter().filter(|path| path.is_dir()));
        for path in files(&folder) {
            let text = fs::read_to_string(&path).expect("the program is readable");
            lowered(&path.display().to_string(), &text);
        }
    }
}

/// The verified IR as text.
fn lowered(name: &str, source: &str) -> String {
    let mut sources = SourceMap::new();
    let file = sources.add(name, source);
    let parsed = echo_syntax::parse(file, sources.file(file).text());
    assert!(parsed.diagnostics.is_empty(), "{name} does not parse");
    let checked = echo_sema::check(&mut sources, &parsed.file);
    let Some(mut program) = checked.program else {
        panic!("{name} does not check: {:#?}", checked.diagnostics);
    };
    let module = lower::lower(&mut program);
    if let Err(fault) = ir::verify(&program, &module) {
        panic!("{name}: {fault}\n{}", ir::dump(&program, &module, &sources));
    }
    ir::dump(&program, &module, &sources)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the workspace")
        .to_path_buf()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
}

/// The programs in a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths = entries(folder);
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "eo"));
    paths
}
