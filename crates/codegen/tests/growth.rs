//! The time the compiler's own stages take grows with the size of a program, not with its square.
//!
//! Measured is the thread's processor time, which other processes disturb little; four times as many statements may take up to ten times as long
//! (linear is four times, quadratic sixteen).

use std::fmt::Write as _;
use std::time::Duration;

use echo_codegen::compile::{Purpose, Unit};
use echo_codegen::{lower, ownership};
use echo_syntax::SourceMap;

const SMALL: usize = 1500;
const FACTOR: usize = 4;
const LIMIT: u32 = 10;

/// Processor time of this thread.
fn now() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    let nanoseconds = text.split(' ').next().expect("three numbers");
    Duration::from_nanos(nanoseconds.parse().expect("a number"))
}

/// From the checked program to LLVM's text.
fn compile(source: &str) -> Duration {
    compiled(source).0
}

/// The time, and the text.
fn compiled(source: &str) -> (Duration, String) {
    let mut sources = SourceMap::new();
    let file = sources.add("growth.eo", source);
    let parsed = echo_syntax::parse(file, sources.file(file).text());
    let checked = echo_sema::check(&mut sources, &parsed.file);
    let mut program = checked.program.expect("a program without errors");
    let start = now();
    let mut module = lower::lower(&mut program);
    ownership::insert(&program, &mut module);
    let unit = Unit::from_ir(&program, &sources, module);
    let text = unit.llvm_text(Purpose::Jit);
    assert!(!text.is_empty());
    (now() - start, text)
}

fn grows_linearly(source: impl Fn(usize) -> String) {
    let (small, large) = (source(SMALL), source(SMALL * FACTOR));
    let mut seen = Vec::new();
    // What disturbs a measurement makes it longer: one good try is enough.
    for _ in 0..4 {
        let times = [compile(&small), compile(&large)];
        if times[1] < times[0] * LIMIT {
            return;
        }
        seen.push(times);
    }
    panic!("{FACTOR} times the size takes too long: {seen:?}");
}

/// A program of the statements that `f` gives for each number.
fn statements(count: usize, f: impl Fn(&mut String, usize)) -> String {
    let mut text = String::new();
    (0..count).for_each(|number| f(&mut text, number));
    text
}

#[test]
fn top_level_assignments() {
    grows_linearly(|count| {
        let body = statements(count, |text, number| {
            writeln!(text, "s = \"x\" + s.byte_len()\nlet g{number} = s").expect("a string");
        });
        format!("let s = \"\"\n{body}")
    });
}

#[test]
fn locals_and_branches_of_one_function() {
    grows_linearly(|count| {
        let body = statements(count, |text, number| {
            writeln!(
                text,
                "let v{number} = l[0]\nif v{number} == \"x\" {{ l.push(v{number} + {number}) }}"
            )
            .expect("a string");
        });
        format!("func main() {{\nlet l = [\"a\"]\n{body}}}\n")
    });
}

/// Each variable borrows from the one before.
#[test]
fn a_chain_of_borrows() {
    grows_linearly(|count| {
        let body = statements(count, |text, number| {
            writeln!(text, "let n{} = n{number}.below[0]", number + 1).expect("a string");
        });
        format!(
            "struct Node {{ below: [Node] }}\nfunc f(n0: Node) -> int {{\n{body}return len(n{count}.below)\n}}\n"
        )
    });
}

#[test]
fn small_functions() {
    grows_linearly(|count| {
        statements(count, |text, number| {
            writeln!(
                text,
                "func f{number}(s: string) -> string {{ return s + {number} }}"
            )
            .expect("a string");
        })
    });
}

/// Whatever lives at a call is dropped if that fails: first ever more variables, then ever fewer. LLVM would take minutes for a block per pair of both.
#[test]
fn landing_pads_share_drops() {
    const LOCALS: usize = 300;
    let defined = statements(LOCALS, |text, number| {
        writeln!(text, "let v{number} = text({number})").expect("a string");
    });
    let used = statements(LOCALS, |text, number| {
        writeln!(text, "sum += v{number}.len()").expect("a string");
    });
    let (_, text) = compiled(&format!(
        "func text(n: int) -> string {{ return \"x\" + n }}\nfunc main() {{\n{defined}let sum = 0\n{used}print sum\n}}\n"
    ));
    let drops = text.matches("\ndrop.").count();
    assert!((LOCALS..4 * LOCALS).contains(&drops), "{drops} drops");
}
