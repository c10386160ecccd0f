//! The parser never panics, never loops and never overflows the stack, whatever it reads.
//! Inputs are pseudo-random with fixed seeds, so a failure repeats.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use echo_syntax::{FileId, Parsed, SourceMap, dump_ast, parse};

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

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// Parses, and checks what holds for every input.
fn parse_any(text: &str) -> Parsed {
    let parsed = parse_deep(text);
    let has_error_node = dump_ast(&parsed.file).contains("(error)");
    assert!(
        !has_error_node || parsed.has_errors(),
        "an error node without an error in {text:?}"
    );
    parsed
}

/// Like [`parse_any`] without walking the tree: parsing and dropping alone must get along with
/// the 2 MiB of a test thread.
fn parse_deep(text: &str) -> Parsed {
    let parsed = parse(FileId(0), text);
    for diagnostic in &parsed.diagnostics {
        let spans = diagnostic.labels.iter().map(|label| label.span);
        for span in spans.chain([diagnostic.span]) {
            assert!(
                text.get(span.range()).is_some(),
                "bad span in {diagnostic:?}"
            );
        }
        assert!(!diagnostic.message.is_empty());
    }
    parsed
}

/// Every valid program of the golden tests.
fn valid_programs() -> Vec<String> {
    programs_in("ast")
}

/// The valid programs, and those with mistakes.
fn programs() -> Vec<String> {
    let mut programs = valid_programs();
    programs.extend(programs_in("errors"));
    programs
}

fn programs_in(folder: &str) -> Vec<String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let folder = tests.join(folder);
    let entries = fs::read_dir(folder).expect("the folder of snippets is readable");
    let paths = entries.map(|entry| entry.expect("a folder entry is readable").path());
    let sources = paths.filter(|path| path.extension().is_some_and(|e| e == "eo"));
    let texts = sources.map(|path| fs::read_to_string(path).expect("the file is readable"));
    let mut snippets: Vec<String> = texts
        .flat_map(|text| {
            let snippets = text.split("//// ").skip(1).map(str::to_owned);
            snippets.collect::<Vec<_>>()
        })
        .filter_map(|snippet| Some(snippet.split_once('\n')?.1.to_owned()))
        .collect();
    snippets.sort();
    snippets
}

const PIECES: &[&str] = &[
    "func", "let", "if", "else", "while", "for", "in", "loop", "return", "struct", "enum", "trait",
    "extend", "match", "async", "await", "spawn", "chan", "select", "case", "default", "defer",
    "scope", "package", "import", "from", "as", "private", "print", "break", "continue", "delete",
    "sizeof", "type", "true", "false", "assert", "try", "mut", "where", "self", "after", "timeout",
    "map", "x", "y", "T", "int", "var", "fn", "impl", "range", "println!", "err", "nil", "1", "0",
    "1.5", "\"s\"", "'c'", "...", "..=", "..", ".", "::", ":=", ":", "->", "=>", "<-", "==", "=",
    "!=", "!", "<<", "<=", "<", ">>", ">", "+=", "++", "+", "-", "--", "*", "/", "%", "&&", "&",
    "||", "|", "^", "?", "@", "(", ")", "[", "]", "{", "}", "(", ")", "[", "]", "{", "}", ",", ";",
    "\n", "\n", "\n", " // c\n", "/* c */", "$", "\"open", "'", "\\",
];

#[test]
fn random_bytes() {
    let mut random = Random(1);
    for _ in 0..3000 {
        let length = random.below(120);
        let bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        let mut sources = SourceMap::new();
        let (file, diagnostic) = sources.add_bytes("random.eo", bytes.clone());
        assert_eq!(diagnostic.is_some(), std::str::from_utf8(&bytes).is_err());
        assert_eq!(sources.file(file).text().len(), bytes.len());
        parse_any(sources.file(file).text());
    }
}

#[test]
fn random_printable_characters() {
    let mut random = Random(2);
    for _ in 0..3000 {
        let length = random.below(120);
        let text: String = (0..length)
            .map(|_| char::from(b' ' + random.below(95) as u8))
            .collect();
        parse_any(&text);
    }
}

#[test]
fn token_soup() {
    let mut random = Random(3);
    for _ in 0..6000 {
        let mut text = String::new();
        for _ in 0..random.below(60) {
            let separator = random.pick(&["", " ", " ", " "]);
            let _ = write!(text, "{}{separator}", random.pick(PIECES));
        }
        parse_any(&text);
    }
}

#[test]
fn truncated_programs() {
    for program in programs() {
        for (at, _) in program.char_indices().step_by(3) {
            parse_any(&program[..at]);
        }
    }
}

#[test]
fn mutated_programs() {
    let mut random = Random(4);
    for program in programs() {
        for _ in 0..60 {
            let mut words: Vec<&str> = program
                .split_inclusive([' ', '\n', '(', '{', ','])
                .collect();
            for _ in 0..=random.below(3) {
                let at = random.below(words.len());
                match random.below(4) {
                    0 if words.len() > 1 => drop(words.remove(at)),
                    1 => words.insert(at, random.pick(PIECES)),
                    2 => words[at] = random.pick(PIECES),
                    _ => {
                        let other = random.below(words.len());
                        words.swap(at, other);
                    }
                }
            }
            parse_any(&words.concat());
        }
    }
}

/// One mistake must not give a page of errors: without one of its tokens, a program has about
/// one error. (Some have none; those without a brace may have more.)
#[test]
fn one_missing_token_gives_few_errors() {
    let mut errors = 0;
    let mut programs = 0;
    for program in valid_programs() {
        let lexed = echo_syntax::lex(FileId(0), &program);
        for token in &lexed.tokens {
            let range = token.span.range();
            let text = [&program[..range.start], &program[range.end..]].concat();
            errors += parse_any(&text).diagnostics.len();
            programs += 1;
        }
    }
    let mean = errors as f64 / f64::from(programs);
    assert!(mean < 0.9, "{mean} errors on average");
}

/// Nested source of every kind is reported.
#[test]
fn deep_nesting_is_an_error() {
    let openings = [
        "(",
        "[",
        "{",
        "f(",
        "a[",
        "{a:",
        "P{a:",
        "if ",
        "if x {",
        "if x { } else {",
        "while x {",
        "loop {",
        "for x in ",
        "match ",
        "match x { _ => ",
        "match x { ",
        "spawn {",
        "scope {",
        "timeout 1 {",
        "func f() {",
        "func() {",
        "f(func() {",
        "struct S { x: [",
        "-",
        "!",
        "&",
        "*",
        "<- ",
        "await ",
        "try ",
        "spawn ",
        "defer { ",
        "let x: [",
        "let x: *",
        "let x: (",
        "let x: chan ",
        "let x: chan[",
        "let x: map[",
        "let x: map[int]",
        "let x: func(",
        "let x: func() -> ",
        "let x: T[",
        "chan ",
        "chan[",
        "x as [",
        "a + (",
        "a + -",
        "a || b && c == d | e ^ f & g << h + i * (",
        "print ",
        "assert ",
        "return (",
        "select { case <- a: ",
        "match x { (",
        "match x { [",
        "match x { S(",
        "match x { S{x: ",
        "x = (",
        "[(",
        "{(",
        "({",
        "a[b:",
        "a <- (",
        "map[",
        "f[[",
        "@impl [",
        "trait T { func f() {",
        "extend [",
        "timeout (",
        "sizeof([",
        "x = if a { ",
    ];
    for opening in openings {
        for count in [129, 1000, 20_000] {
            let text = opening.repeat(count);
            let parsed = parse_deep(&text);
            assert!(parsed.has_errors(), "{opening:?} times {count}");
            assert!(
                parsed.diagnostics.len() < 10,
                "{} errors for {opening:?} times {count}",
                parsed.diagnostics.len()
            );
        }
    }
}

/// What is as deep as allowed is parsed, and so is what stands behind something too deep.
#[test]
fn allowed_depth() {
    let nested = |depth: usize| format!("x = {}1{}\n", "(".repeat(depth), ")".repeat(depth));
    assert!(!parse_deep(&nested(120)).has_errors());
    let parsed = parse_deep(&(nested(300) + "let y = 1"));
    assert_eq!(parsed.diagnostics.len(), 1);
    assert_eq!(parsed.diagnostics[0].code, "E0103");
    assert_eq!(parsed.file.stmts.len(), 2);
}

/// Chains grow the tree without nesting.
#[test]
fn long_chains() {
    for (operand, link) in [
        ("a", " + b"),
        ("a", ".b"),
        ("a", ".b()"),
        ("a", "(1)"),
        ("a", "[1]"),
        ("a", "?"),
        ("a", " as int"),
        ("a", " && b"),
    ] {
        // A call of a method is two nodes; take two of the others.
        let link = if link == ".b()" {
            link.to_owned()
        } else {
            link.repeat(2)
        };
        let chain = |count: usize| format!("x = {operand}{}", link.repeat(count));
        assert!(!parse_deep(&chain(240)).has_errors(), "{link}");
        assert!(parse_deep(&chain(260)).has_errors(), "{link}");
        // Chains inside chains: the heights add up.
        let nested = format!(
            "x = {}a{}",
            "(".repeat(100),
            format!("{}){0}", link.repeat(240)).repeat(100)
        );
        assert!(parse_deep(&nested).has_errors(), "{link}");
    }
    // What is long but flat has no limit.
    let flat = [
        format!("x = [{}]", "a + b, ".repeat(20_000)),
        "x = a + b + c\n".repeat(20_000),
        format!("if a {{ }}{}", " else if b { }".repeat(5000)),
        format!("match x {{ {} => 1 }}", "a | ".repeat(5000) + "b"),
        format!("match x {{ {} }}", "a => b + c\n".repeat(5000)),
        format!("f({})", "g(1).h[2] + 3, ".repeat(5000)),
        format!("{{ {} }}", "{ a + b }\n".repeat(5000)),
    ];
    for text in flat {
        assert!(!parse_deep(&text).has_errors(), "{}…", &text[..20]);
    }
}

/// Time grows with the length of the input, not with its square.
#[test]
fn repeated_openings_take_linear_time() {
    for piece in [
        "timeout (",
        "timeout (a) ",
        "chan[",
        "map[x",
        "{ a ",
        "{ (a",
        "'",
        "'\\",
        "\"",
        "/*",
        "f(\n",
        "if x\n",
        "@impl A\n",
        "}",
        ")",
        "case",
        "case a, ",
        "select {",
        "$",
        "a,",
        "for (a, b",
        "}{",
        "\\",
        "func (a",
        "func (a:",
        "let ",
        "[] ",
        "struct S {\n",
    ] {
        parse_deep(&piece.repeat(20_000));
    }
}
