//! Which accesses in counted loops have a second version without checks; `tests/run/values/counted_loops.eo` shows that both do the same.

use echo_codegen::compile::{Purpose, Unit};
use echo_codegen::{lower, ownership};
use echo_syntax::SourceMap;

/// The Echo IR that is emitted for a program.
fn emitted(source: &str) -> String {
    with_unit(source, |unit| unit.ir_text())
}

fn with_unit(source: &str, text: impl FnOnce(&Unit<'_>) -> String) -> String {
    let mut sources = SourceMap::new();
    let file = sources.add("test.eo", source);
    let parsed = echo_syntax::parse(file, sources.file(file).text());
    let checked = echo_sema::check(&mut sources, &parsed.file);
    let mut program = checked.program.expect("a program without errors");
    let mut module = lower::lower(&mut program);
    ownership::insert(&program, &mut module);
    text(&Unit::from_ir(&program, &sources, module))
}

#[track_caller]
fn has(source: &str, wanted: &[&str]) {
    let text = emitted(source);
    for wanted in wanted {
        assert!(text.contains(wanted), "no `{wanted}` in\n{text}");
    }
}

#[track_caller]
fn has_no_second_version(source: &str) {
    let text = emitted(source);
    assert!(!text.contains("unchecked"), "{text}");
    assert!(!text.contains("is alone"), "{text}");
}

#[test]
fn reading_by_the_counter() {
    has(
        "func f(a: [int], n: int) -> int { let s = 0\n for i in 0..n { s += a[i] }\n return s }",
        &["array length", "[unchecked i.3]", "load a.0[i.3]"],
    );
}

#[test]
fn storing_by_the_counter_and_below_a_fixed_index() {
    has(
        "func f(m: *[[int]], k: int) { for j in 0..9 { m[k][j] += m[0][j] } }",
        &["is alone", "[alone unchecked j.2] add"],
    );
}

#[test]
fn loops_that_count_by_hand() {
    has(
        "func f(a: [int], n: int) -> int { let s = 0\n let i = 0\n while i < n { s += a[i]\n i += 1 }\n return s }",
        &["array length", "[unchecked i.3]", "wrapping"],
    );
    has(
        "func f(a: [int]) -> int { let s = 0\n let i = 0\n while i < a.len() { s += a[i]\n i += 2 }\n return s }",
        &["[unchecked i.2]"],
    );
    has(
        "struct S { a: [int] }\nfunc f(s: *S) { let i = 0\n while s.a.len() > i { s.a[i] = 1\n i += 1 } }",
        &["[alone unchecked i.1] ="],
    );
    has(
        "func f(a: [int]) -> int { let s = 0\n let i = 0\n while i < a.len() - 1 { if a[i] > a[i + 1] { s += 1 }\n i += 1 }\n return s }",
        &["[unchecked i.2]"],
    );
    // The step is looked at before the loop.
    has(
        "func f(a: *[bool], n: int, p: int) { let j = p * p\n while j <= n { a[j] = false\n j += p } }",
        &["[alone unchecked j.3] =", "ge int p.2, 1"],
    );
}

#[test]
fn loops_that_count_by_hand_poll_in_strips() {
    let polls_per_turn = |body: &str| {
        let text = emitted(&format!(
            "func g(i: int) -> int {{ if i < 2 {{ return i }}\n return g(i - 1) }}\nfunc f(a: [int], n: int) -> int {{ let s = 0\n let i = 0\n while i < n {{ {body}\n i += 1 }}\n return s }}"
        ));
        !text.contains("min int")
    };
    assert!(!polls_per_turn("s += a[i]"));
    assert!(polls_per_turn("s += a[g(i)]"));
    assert!(polls_per_turn("s += g(a[i])"));
}

#[test]
fn indexes_beside_the_counter() {
    has(
        "func f(a: *[int], n: int) { let i = 1\n while i < n { a[i] = a[i - 1] + a[i + 1]\n i += 1 } }",
        &["ge int i.2, 1", "[alone unchecked i.2] ="],
    );
}

#[test]
fn counters_that_do_something_else_have_none() {
    for body in [
        // Behind the step.
        "i += 1\n s += a[i]",
        // In two places.
        "if s > 3 { i += 1 } else { i += 2 }\n s += a[i]",
        "s += a[i]\n if s > 3 { i += 1\n continue }\n i += 2",
        "s += a[i]\n i -= 1",
        "s += a[i]\n i += step\n step += 1",
        "s += a[i]\n n += 1\n i += 1",
        "let j = s\n s += a[j]\n j = i + 1\n i += 1",
    ] {
        has_no_second_version(&format!(
            "func f(a: [int], m: int, step0: int) -> int {{ let s = 0\n let i = 0\n let n = m\n let step = step0\n while i < n {{ {body} }}\n return s }}"
        ));
    }
}

#[test]
fn other_indexes_are_checked_still() {
    has(
        "func f(n: int) -> [int] { let a = [0; n]\n for i in 0..n { a[i * 2] = i }\n return a }",
        &["is alone", "[alone %"],
    );
}

#[test]
fn an_array_that_grows_has_none() {
    has_no_second_version(
        "func f(n: int) -> [int] { let a = [0]\n for i in 0..n { a.push(a[i]) }\n return a }",
    );
}

#[test]
fn an_array_that_is_copied_while_it_is_changed_has_none() {
    has_no_second_version(
        "func f(n: int) -> [[int]] { let a = [0; n]\n let all: [[int]] = []\n for i in 0..n { a[i] = i\n all.push(a) }\n return all }",
    );
}

#[test]
fn what_a_call_may_change_has_none() {
    has_no_second_version(
        "func g(a: *[int]) { a.push(1) }\nfunc f(a: *[int], n: int) { for i in 0..n { a[i] = i\n g(a) } }",
    );
    has_no_second_version(
        "func g(a: *[int]) { a.push(1) }\nfunc f(n: int) -> [int] { let a = [0]\n for i in 0..n { a[i] = i\n g(&a) }\n return a }",
    );
}

#[test]
fn stores_through_arrays_without_views_have_none() {
    has_no_second_version("func f(m: *[[int]], n: int) { for i in 0..n { m[i][0] = m[1][i] } }");
}

/// Turns are counted in strips where each ends soon, so that they need no poll of their own.
#[test]
fn calls_of_brief_functions_make_no_poll_per_turn() {
    let strips = |callee: &str| {
        let text = emitted(&format!(
            "{callee}\nfunc f(n: int) -> int {{ let s = 0\n for i in 0..n {{ s += g(i) }}\n return s }}"
        ));
        let (_, caller) = text.split_once("func f(").expect("it is there");
        let caller = caller.split("\nfunc ").next().unwrap_or(caller);
        caller.contains("min u64")
    };
    assert!(strips(
        "func h(i: int) -> int { return i * 2 }\nfunc g(i: int) -> int { return h(i) + 1 }"
    ));
    assert!(!strips(
        "func g(i: int) -> int { if i < 2 { return i }\n return g(i - 1) }"
    ));
    assert!(!strips(
        "func g(i: int) -> int { let s = 0\n for j in 0..i { s += j }\n return s }"
    ));
    // Each calls the one before twice.
    let deep: String = (1..8)
        .map(|n| {
            format!(
                "func g{n}(i: int) -> int {{ return g{}(i) + g{}(i) }}\n",
                n - 1,
                n - 1
            )
        })
        .collect();
    assert!(!strips(&format!(
        "func g0(i: int) -> int {{ return i * i + i }}\n{deep}func g(i: int) -> int {{ return g7(i) }}"
    )));
}

#[test]
fn small_functions_that_call_themselves_are_unfolded() {
    let text = |source: &str| with_unit(source, |unit| unit.llvm_text(Purpose::Jit));
    let fib =
        text("func fib(n: int) -> int { if n < 2 { return n }\n return fib(n - 1) + fib(n - 2) }");
    for (caller, callee, calls) in [
        ("fib", "fib$copy1", 2),
        ("fib$copy1", "fib$copy2", 2),
        ("fib$copy2", "fib", 2),
    ] {
        let (_, body) = fib
            .split_once(&format!("define internal i64 @\"eo.{caller}\"("))
            .expect("it is there");
        let body = body.split("\ndefine").next().unwrap_or(body);
        assert_eq!(
            body.matches(&format!("@\"eo.{callee}\"(")).count(),
            calls,
            "{body}"
        );
    }
    assert!(!text("func f(n: int) -> int { return n + 1 }").contains("$copy"));
    let looping = "func f(n: int) -> int { let s = 0\n for i in 0..n { s += f(i) }\n return s }";
    assert!(!text(looping).contains("$copy"));
}
