//! Every program shown in README.md and in the book does what is said below it.
//!
//! A block ` ```echo ` is a program. A block ` ```output ` behind it is its standard output, a block ` ```stderr ` what it says on standard
//! error (compile errors too); what is missing must be empty. A program with neither is only checked.
//! `UPDATE_EXPECT=1 cargo test -p eo --test docs` writes the blocks that are there anew.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn programs_in_the_documentation_do_what_is_said() {
    let mut failures = Vec::new();
    let mut programs = 0;
    for path in documents() {
        let text = fs::read_to_string(&path).expect("the document");
        let lines: Vec<&str> = text.lines().collect();
        let groups = groups(&lines);
        programs += groups.len();
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, updated(&lines, &groups)).expect("the document is written");
        } else {
            let found = groups.iter().filter_map(|group| group.check(&lines).err());
            failures.extend(found.map(|why| format!("{}:{why}", path.display())));
        }
    }
    assert!(programs > 20, "only {programs} programs found");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the workspace");
    let book = fs::read_dir(root.join("docs/book")).expect("the book");
    let mut paths: Vec<PathBuf> = book
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.push(root.join("README.md"));
    paths.sort();
    paths
}

/// A program with what is said about it, as ranges of lines.
struct Group {
    program: Range<usize>,
    output: Option<Range<usize>>,
    stderr: Option<Range<usize>>,
}

fn groups(lines: &[&str]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    // Whether the last block belongs to the last group.
    let mut follows = false;
    let mut number = 0;
    while number < lines.len() {
        let Some(language) = lines[number].strip_prefix("```") else {
            number += 1;
            continue;
        };
        let start = number + 1;
        let length = lines[start..].iter().position(|line| *line == "```");
        let block = start..start + length.expect("a fence that closes the block");
        number = block.end + 1;
        match (language, groups.last_mut().filter(|_| follows)) {
            ("echo", _) => {
                groups.push(Group {
                    program: block,
                    output: None,
                    stderr: None,
                });
                follows = true;
            }
            ("output", Some(group)) => group.output = Some(block),
            ("stderr", Some(group)) => group.stderr = Some(block),
            _ => follows = false,
        }
    }
    groups
}

impl Group {
    fn check(&self, lines: &[&str]) -> Result<(), String> {
        let got = self.run(lines);
        for (what, said, got) in [
            ("standard error", &self.stderr, &got.stderr),
            ("standard output", &self.output, &got.stdout),
        ] {
            let said = said
                .clone()
                .map_or(String::new(), |block| text(&lines[block]));
            let got = String::from_utf8_lossy(got);
            if said != got {
                let line = self.program.start;
                return Err(format!("{line}: {what}\n--- said\n{said}\n--- got\n{got}"));
            }
        }
        Ok(())
    }

    fn run(&self, lines: &[&str]) -> Output {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = text(&lines[self.program.clone()]);
        fs::write(folder.path().join("main.eo"), program).expect("the program is written");
        let silent = self.output.is_none() && self.stderr.is_none();
        Command::new(env!("CARGO_BIN_EXE_eo"))
            .arg(if silent { "check" } else { "run" })
            .arg("main.eo")
            .current_dir(folder.path())
            .output()
            .expect("eo starts")
    }
}

/// The document with its blocks as they should be.
fn updated(lines: &[&str], groups: &[Group]) -> String {
    let mut out = String::new();
    let mut from = 0;
    for group in groups {
        let got = group.run(lines);
        let mut blocks = [(&group.output, got.stdout), (&group.stderr, got.stderr)];
        blocks.sort_by_key(|(block, _)| block.as_ref().map(|block| block.start));
        for (block, got) in blocks {
            if let Some(block) = block {
                out += &text(&lines[from..block.start]);
                out += &String::from_utf8_lossy(&got);
                from = block.end;
            }
        }
    }
    out + &text(&lines[from..])
}

fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
