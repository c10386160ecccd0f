//! The checker never panics, whatever the parser makes of its input, and it stays fast and within its stack.
//! Inputs are pseudo-random with fixed seeds, so a failure repeats.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use echo_sema::types::Ty;
use echo_sema::{Checked, check, dump};
use echo_syntax::{Diagnostic, SourceMap, lex, parse};

/// A linear congruential generator (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Checks a text, and what holds for every text.
fn check_any(text: &str) -> Checked {
    let mut sources = SourceMap::new();
    let file = sources.add("test.eo", text);
    let parsed = parse(file, text);
    let checked = check(&mut sources, &parsed.file);
    let has_error = checked.diagnostics.iter().any(Diagnostic::is_error);
    if checked.program.is_none() {
        assert!(
            has_error || parsed.has_errors(),
            "no program, no error:\n{text}"
        );
    }
    if let Some(program) = &checked.program {
        assert!(!has_error, "a program in spite of errors:\n{text}");
        let tree = dump(program);
        assert!(!tree.contains("<error>"), "an erroneous node:\n{text}");
        let locals = program
            .functions
            .iter()
            .flat_map(|function| &function.locals);
        for local in locals {
            assert!(
                !matches!(local.ty, Ty::ERROR | Ty::NEVER),
                "`{}` of no type:\n{text}",
                local.name
            );
        }
    }
    for found in &checked.diagnostics {
        let labels = found.labels.iter().map(|label| label.span);
        for span in labels.chain([found.span]) {
            let text = sources.file(span.file).text();
            assert!(text.get(span.range()).is_some(), "bad span in {found:?}");
        }
    }
    checked
}

/// All programs of the repository and all snippets of the goldens.
fn programs() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut programs = Vec::new();
    for folder in [
        "examples",
        "tests/run",
        "crates/sema/tests",
        "crates/syntax/tests/ast",
        "crates/syntax/tests/errors",
        "std",
    ] {
        collect(&root.join(folder), &mut programs);
    }
    programs.sort();
    assert!(programs.len() > 100, "only {} programs", programs.len());
    programs
}

fn collect(folder: &Path, programs: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            collect(&path, programs);
        } else if path.extension().is_some_and(|extension| extension == "eo") {
            let text = fs::read_to_string(&path).expect("the program is readable");
            let snippets = text.split("//// ");
            programs.extend(snippets.map(|snippet| match snippet.split_once('\n') {
                Some((title, rest)) if text.starts_with("//// ") && !title.is_empty() => {
                    rest.to_owned()
                }
                _ => snippet.to_owned(),
            }));
        }
    }
}

#[test]
fn whole_programs() {
    for program in programs() {
        check_any(&program);
    }
}

#[test]
fn truncated_programs() {
    let mut random = Random(1);
    for program in programs() {
        for _ in 0..6 {
            let mut at = random.below(program.len().max(1));
            while !program.is_char_boundary(at) {
                at -= 1;
            }
            check_any(&program[..at]);
        }
    }
}

/// Tokens taken out, doubled, and replaced by others of the same program: most of it still parses.
#[test]
fn mutated_programs() {
    let mut random = Random(2);
    for program in programs() {
        let file = echo_syntax::FileId(0);
        let spans: Vec<_> = lex(file, &program)
            .tokens
            .iter()
            .map(|token| token.span)
            .collect();
        if spans.len() < 3 {
            continue;
        }
        for _ in 0..25 {
            let mut text = program.clone();
            let mut places: Vec<usize> = (0..=random.below(3))
                .map(|_| random.below(spans.len()))
                .collect();
            places.sort_unstable();
            places.dedup();
            for &at in places.iter().rev() {
                let other = &program[spans[random.below(spans.len())].range()];
                let own = &program[spans[at].range()];
                let new = match random.below(4) {
                    0 => String::new(),
                    1 => format!("{own} {own}"),
                    _ => other.to_owned(),
                };
                text.replace_range(spans[at].range(), &new);
            }
            check_any(&text);
        }
    }
}

/// Names, types and literals swapped for others of any program: it parses, and means nothing sensible.
#[test]
fn swapped_words() {
    const WORDS: &[&str] = &[
        "int",
        "string",
        "x",
        "f",
        "p",
        "1",
        "\"s\"",
        "None",
        "Some",
        "Ok",
        "Err",
        "[]",
        "{}",
        "true",
        "1.5",
        "'c'",
        "time",
        "math",
        "Point",
        "Red",
        "len",
        "print",
        "main",
        "ch",
        "()",
        "[1]",
        "(1, 2)",
        "Option[int]",
        "*int",
        "func()",
        "_",
        "300",
        "chan int",
        "sync",
        "void",
        "u8",
        "await",
        "<-",
        "&",
        "spawn",
        "!",
        "-",
        "panic(\"x\")",
        "return",
        "break",
        "{x: 1}",
        "match x { _ => 1 }",
        "if x { 1 } else { 2 }",
        "x.y",
        "x[0]",
        "x()",
        "x?",
    ];
    let mut random = Random(3);
    for program in programs() {
        let file = echo_syntax::FileId(0);
        let lexed = lex(file, &program);
        let is_word =
            |text: &str| text.starts_with(|c: char| c.is_alphanumeric() || c == '"' || c == '_');
        let words: Vec<_> = lexed
            .tokens
            .iter()
            .map(|token| token.span)
            .filter(|span| is_word(&program[span.range()]))
            .collect();
        if words.is_empty() {
            continue;
        }
        for _ in 0..25 {
            let mut text = program.clone();
            let mut places: Vec<usize> = (0..=random.below(2))
                .map(|_| random.below(words.len()))
                .collect();
            places.sort_unstable();
            places.dedup();
            for &at in places.iter().rev() {
                text.replace_range(words[at].range(), WORDS[random.below(WORDS.len())]);
            }
            check_any(&text);
        }
    }
}

// ---------------------------------------------------------------- bounds

/// What the test machine may take for one hostile input, without optimisation.
const LIMIT: Duration = Duration::from_secs(20);

fn check_quickly(what: &str, text: &str) -> Checked {
    let start = Instant::now();
    let checked = check_any(text);
    let took = start.elapsed();
    assert!(took < LIMIT, "{what} took {took:?}");
    checked
}

/// As high as the parser lets a tree grow, with the stack that a command's main thread has.
#[test]
fn deep_trees() {
    let main_thread = std::thread::Builder::new().stack_size(8 << 20);
    let run = main_thread
        .spawn(check_deep_trees)
        .expect("a thread can be started");
    run.join().expect("the checks succeed");
}

fn check_deep_trees() {
    let nested = [
        ("parentheses", "(", "1", ")"),
        ("arrays", "[", "1", "]"),
        ("options", "Some(", "1", ")"),
        ("calls", "f(", "1", ")"),
        ("negations", "-", "x", ""),
        ("conditionals", "if true { ", "1", " } else { 2 }"),
        ("matches", "match 1 { _ => ", "1", " }"),
        ("maps", "{1: ", "1", "}"),
        ("tuples", "(1, ", "1", ")"),
        ("sums", "1 + (", "1", ")"),
        ("awaits", "await spawn f(", "1", ")"),
    ];
    for (what, open, inner, close) in nested {
        for depth in [20, 60, 120] {
            let text = format!(
                "func f(x: int) -> int {{ return x }}\nlet x = 1\nlet y = {}{inner}{}\n",
                open.repeat(depth),
                close.repeat(depth)
            );
            check_quickly(what, &text);
        }
    }
    for link in [
        " + x",
        " + 1",
        ".a",
        "(1)",
        "[0]",
        "?",
        " as u8 as int",
        ".map(f)",
        " && x",
        ".unwrap()",
    ] {
        for length in [100, 480] {
            let text = format!(
                "func f(x: int) -> int {{ return x }}\nlet x = 1\nlet y = x{}\n",
                link.repeat(length)
            );
            check_quickly(link, &text);
        }
    }
    let blocks = format!(
        "{}print 1{}",
        "if true { loop { ".repeat(60),
        " } }".repeat(60)
    );
    check_quickly("blocks", &blocks);
    let funcs = format!("{}{}", "func f() { ".repeat(100), "}".repeat(100));
    check_quickly("functions", &funcs);
    let patterns = format!(
        "let x = Some(1)\nmatch x {{ {}_{} => 1, _ => 2 }}",
        "Some(".repeat(100),
        ")".repeat(100)
    );
    check_quickly("patterns", &patterns);
}

/// What doubles with every line must not take twice the time with every line.
#[test]
fn doubling() {
    let lines = |count: usize, line: &dyn Fn(usize) -> String| {
        (1..=count).map(line).collect::<Vec<_>>().join("\n")
    };
    let types = format!(
        "type T0 = int\n{}\nlet x: T40 = 1",
        lines(40, &|n| format!("type T{n} = (T{0}, T{0})", n - 1))
    );
    check_quickly("tuple types", &types);
    let maps = format!(
        "type T0 = int\n{}\nlet x: T40 = 1",
        lines(40, &|n| format!("type T{n} = func(T{0}) -> T{0}", n - 1))
    );
    check_quickly("function types", &maps);
    let values = format!(
        "let t0 = 1\n{}\nprint t40",
        lines(40, &|n| format!("let t{n} = (t{0}, t{0})", n - 1))
    );
    check_quickly("tuple values", &values);
    let structs = format!(
        "struct S0 {{ a: int }}\n{}\nlet x: [S40] = []\nlet y: S8\nprint x == x",
        lines(40, &|n| format!(
            "struct S{n} {{ a: S{0}, b: S{0} }}",
            n - 1
        ))
    );
    check_quickly("structs", &structs);
    let arrays = format!(
        "struct S0 {{ a: int }}\n{}\nlet x: [S40] = []\nlet y: S40\nprint x == x\nprint y",
        lines(40, &|n| format!(
            "struct S{n} {{ a: [S{0}], b: [S{0}] }}",
            n - 1
        ))
    );
    check_quickly("structs of arrays", &arrays);
    let wide = lines(11, &|n| format!("a{n}: bool"));
    let columns = (1..=11)
        .map(|n| format!("P{{a{n}: true}} => {n}"))
        .collect::<Vec<_>>()
        .join("\n");
    check_quickly(
        "matches",
        &format!(
            "struct P {{ {wide} }}\nfunc f(p: P) -> int {{ return match p {{ {columns}\n_ => 0 }} }}"
        ),
    );
}

/// Many of everything: nothing may be quadratic to a degree that shows.
#[test]
fn long_programs() {
    let count = 3000;
    let mut many = String::new();
    for n in 0..count {
        let _ = writeln!(
            many,
            "struct S{n} {{ x: int }}\nenum E{n} {{ A, B{n} }}\nlet v{n} = S{n}{{x: {n}}}"
        );
        let _ = writeln!(
            many,
            "func f{n}(x: int) -> int {{ return x + v{n}.x }}\nfunc (s S{n}) m() -> int {{ return f{n}(s.x) }}"
        );
        let _ = writeln!(many, "print v{n}.m()");
    }
    assert!(check_quickly("declarations", &many).program.is_some());
    let unknown: String = (0..count)
        .map(|n| format!("print unknown{n}\nlet known{n} = missing{n}.x\n"))
        .collect();
    check_quickly("unknown names", &unknown);
    let chain: String = (0..count)
        .map(|n| format!("struct S{n} {{ s: S{} }}\n", n + 1))
        .collect();
    check_quickly("a chain of structs", &chain);
    let ring: String = (0..count)
        .map(|n| format!("struct S{n} {{ s: S{} }}\n", (n + 1) % count))
        .collect();
    check_quickly("a ring of structs", &ring);
    let aliases: String = (0..count)
        .map(|n| format!("type T{n} = [T{}]\n", n + 1))
        .collect();
    check_quickly("a chain of aliases", &aliases);
    let branches = format!(
        "let x = 1\nif x == 0 {{ }}{}",
        " else if x == 1 { }".repeat(count)
    );
    check_quickly("branches", &branches);
    let arms: String = (0..count).map(|n| format!("{n} => {n}\n")).collect();
    check_quickly(
        "arms",
        &format!("let x = 1\nprint match x {{ {arms} _ => 0 }}"),
    );
    let lets = "let x = 1\n".repeat(count);
    check_quickly("shadowing", &lets);
    let elements = "1, ".repeat(count * 10);
    check_quickly("elements", &format!("print [{elements}]"));
}
