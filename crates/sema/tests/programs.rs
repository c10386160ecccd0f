//! Every program of the repository checks without an error, and without a warning that is not meant.

use std::fs;
use std::path::{Path, PathBuf};

use echo_sema::{check, dump};
use echo_syntax::{SourceMap, parse};

/// Warnings that are meant: the program and the code.
const MEANT: &[(&str, &str)] = &[("relet", "W0001"), ("relet_more", "W0001")];

#[test]
fn every_program_checks() {
    let mut found = Vec::new();
    let mut count = 0;
    for path in programs() {
        count += 1;
        let mut sources = SourceMap::new();
        let text = fs::read_to_string(&path).expect("the program is readable");
        let name = path
            .file_stem()
            .expect("a program has a name")
            .to_string_lossy()
            .into_owned();
        let file = sources.add(name.clone(), text);
        let parsed = parse(file, sources.file(file).text());
        for diagnostic in &parsed.diagnostics {
            let at = sources.line_column(diagnostic.span);
            found.push(format!(
                "{name}:{at} {} {}",
                diagnostic.code, diagnostic.message
            ));
        }
        let checked = check(&mut sources, &parsed.file);
        let is_meant = |code: &str| MEANT.contains(&(name.as_str(), code));
        for diagnostic in &checked.diagnostics {
            let at = sources.line_column(diagnostic.span);
            if !is_meant(diagnostic.code) {
                let file = sources.file(diagnostic.span.file).name();
                found.push(format!(
                    "{file}:{at} {} {}",
                    diagnostic.code, diagnostic.message
                ));
            }
        }
        if let Some(program) = &checked.program {
            let tree = dump(program);
            assert!(!tree.contains("<error>"), "an erroneous node in\n{tree}");
        }
        let has_error = checked.diagnostics.iter().any(|found| found.is_error());
        assert_eq!(checked.program.is_some(), !has_error, "{}", path.display());
    }
    assert!(count > 50, "only {count} programs found");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn programs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut programs = Vec::new();
    for folder in ["examples", "tests/run", "bench/echo"] {
        collect(&root.join(folder), &mut programs);
    }
    programs.sort();
    programs
}

fn collect(folder: &Path, programs: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            collect(&path, programs);
        } else if path.extension().is_some_and(|extension| extension == "eo") {
            programs.push(path);
        }
    }
}
