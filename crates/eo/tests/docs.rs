//! Every program shown in README.md and in the book does what is said below it.
//!
//! A block ` ```echo ` is a program. A block ` ```output ` behind it is its standard output, a block ` ```stderr ` what it says on standard
//! error (compile errors too); what is missing must be empty. A program with neither is only checked.

mod command;

use std::fs;
use std::path::{Path, PathBuf};

use command::Eo;

#[test]
fn programs_in_the_documentation_do_what_is_said() {
    let mut failures = Vec::new();
    let mut run = 0;
    for path in documents() {
        let text = fs::read_to_string(&path).expect("the document");
        let blocks = blocks(&text);
        for (index, block) in blocks.iter().enumerate() {
            if block.language == "echo" {
                run += 1;
                if let Err(why) = check(block, &blocks[index + 1..]) {
                    failures.push(format!("{}:{}: {why}", path.display(), block.line));
                }
            }
        }
    }
    assert!(run > 20, "only {run} programs found");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let book = fs::read_dir(root.join("docs/book")).expect("the book");
    let chapters = book.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = chapters
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.push(root.join("README.md"));
    paths.sort();
    paths
}

/// A fenced block.
struct Block<'a> {
    language: &'a str,
    text: String,
    /// Of its fence, from 1.
    line: usize,
}

fn blocks(document: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for (number, line) in (1..).zip(document.lines()) {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block {
                    language,
                    text: String::new(),
                    line: number,
                });
            }
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => {
                block.text += line;
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

fn check(program: &Block<'_>, after: &[Block<'_>]) -> Result<(), String> {
    let said = |language: &str| {
        let following = after
            .iter()
            .take_while(|block| matches!(block.language, "output" | "stderr"));
        let text = following
            .filter(|block| block.language == language)
            .map(|block| block.text.clone());
        text.reduce(|all, more| all + &more)
    };
    let eo = Eo::new().file("main.eo", &program.text);
    let (stdout, stderr) = (said("output"), said("stderr"));
    let output = match (&stdout, &stderr) {
        (None, None) => eo.run(&["check", "main.eo"]),
        _ => eo.run(&["run", "main.eo"]),
    };
    for (what, said, got) in [
        ("standard error", stderr, output.stderr),
        ("standard output", stdout, output.stdout),
    ] {
        let said = said.unwrap_or_default();
        if said != got {
            return Err(format!("{what}\n--- said\n{said}\n--- got\n{got}"));
        }
    }
    Ok(())
}
