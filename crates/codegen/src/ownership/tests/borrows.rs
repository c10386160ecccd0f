//! Which loads need no count.

use super::*;

const B0: BlockId = BlockId(0);

#[test]
fn an_element_that_is_only_read() {
    let mut build = Build::normal();
    let (array, text) = (build.var("a", build.strings), build.var("x", Ty::STRING));
    build.fresh_array(B0, array);
    build.load(B0, text, build.element(array));
    build.print(B0, text);
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        a.0 = array string ["a"]
        x.1 = borrow a.0[0]  unwind [a.0]
        runtime echo_print_string(x.1)
        drop a.0
        return"#,
    );
}

#[test]
fn a_borrow_across_a_suspension() {
    let mut build = Build::normal();
    let (array, text) = (build.var("a", build.strings), build.var("x", Ty::STRING));
    build.fresh_array(B0, array);
    build.load(B0, text, build.element(array));
    build.pause(B0);
    build.print(B0, text);
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        a.0 = array string ["a"]
        x.1 = borrow a.0[0]  unwind [a.0]
        runtime echo_yield(position)  unwind [a.0]
        runtime echo_print_string(x.1)
        drop a.0
        return"#,
    );
}

/// The function text of: load an element, do something, print the element, print the array's length.
fn element_around(what: impl FnOnce(&mut Build, Var)) -> String {
    let mut build = Build::normal();
    let (array, text) = (build.var("a", build.strings), build.var("x", Ty::STRING));
    build.fresh_array(B0, array);
    build.load(B0, text, build.element(array));
    what(&mut build, array);
    build.print(B0, text);
    build.ret(B0, None);
    build.counted()
}

#[track_caller]
fn expect_counted_load(text: &str) {
    assert!(text.contains("x.1 = load a.0[0]"), "{text}");
    assert!(text.contains("drop x.1"), "{text}");
}

#[test]
fn the_array_is_stored_into() {
    expect_counted_load(&element_around(|build, array| {
        let value = Operand::Const(Const::Str("b".to_string()));
        let place = build.element(array);
        build.op(B0, Op::Store { place, value });
    }));
}

#[test]
fn the_array_is_pushed_to() {
    expect_counted_load(&element_around(|build, array| {
        let new = build.var("new", Ty::STRING);
        build.fresh(B0, new);
        build.push(B0, array, new);
    }));
}

#[test]
fn the_array_is_passed_by_reference() {
    expect_counted_load(&element_around(|build, array| {
        let callee = build.callee(FunctionKind::Normal, &[build.reference]);
        let place = build.whole(array);
        build.call(B0, callee, vec![Arg::Ref(place)]);
    }));
}

#[test]
fn the_array_variable_gets_another_array() {
    expect_counted_load(&element_around(|build, array| {
        build.fresh_array(B0, array);
        let text = build.var("y", Ty::STRING);
        build.load(B0, text, build.element(array));
        build.print(B0, text);
    }));
}

#[test]
fn the_array_moves_on() {
    expect_counted_load(&element_around(|build, array| {
        let other = build.var("other", build.strings);
        build.set(B0, other, array);
        let new = build.var("new", Ty::STRING);
        build.fresh(B0, new);
        build.push(B0, other, new);
    }));
}

#[test]
fn the_element_is_pushed_to_its_own_array() {
    let mut build = Build::normal();
    let (array, text) = (build.var("a", build.strings), build.var("x", Ty::STRING));
    build.fresh_array(B0, array);
    build.load(B0, text, build.element(array));
    build.push(B0, array, text);
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        a.0 = array string ["a"]
        x.1 = load a.0[0]  unwind [a.0]
        runtime echo_array_push(place a.0, desc string, move out x.1)
        drop a.0
        return"#,
    );
}

#[test]
fn the_element_and_a_reference_to_its_array_in_one_call() {
    let mut build = Build::normal();
    let callee = build.callee(FunctionKind::Normal, &[Ty::STRING, build.reference]);
    let (array, text) = (build.var("a", build.strings), build.var("x", Ty::STRING));
    build.fresh_array(B0, array);
    build.load(B0, text, build.element(array));
    let place = build.whole(array);
    build.call(
        B0,
        callee,
        vec![Arg::Value(Operand::Var(text)), Arg::Ref(place)],
    );
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        a.0 = array string ["a"]
        x.1 = load a.0[0]  unwind [a.0]
        call callee1(x.1, &a.0)  unwind [x.1, a.0]
        drop x.1
        drop a.0
        return"#,
    );
}

#[test]
fn an_array_and_a_reference_to_it_in_one_call() {
    let mut build = Build::normal();
    let callee = build.callee(FunctionKind::Normal, &[build.strings, build.reference]);
    let array = build.var("a", build.strings);
    build.fresh_array(B0, array);
    let place = build.whole(array);
    build.call(
        B0,
        callee,
        vec![Arg::Value(Operand::Var(array)), Arg::Ref(place)],
    );
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        a.0 = array string ["a"]
        dup a.0
        %1 = a.0
        call callee1(%1, &a.0)  unwind [%1, a.0]
        drop %1
        drop a.0
        return"#,
    );
}

/// As [`element_around`], of an array behind a reference.
fn element_behind_reference(what: impl FnOnce(&mut Build, Var)) -> String {
    let mut build = Build::normal();
    let reference = build.param("r", build.reference);
    let text = build.var("x", Ty::STRING);
    build.load(B0, text, build.element(reference));
    what(&mut build, reference);
    build.print(B0, text);
    build.ret(B0, None);
    build.counted()
}

#[test]
fn a_place_behind_a_reference() {
    expect(
        &element_behind_reference(|_, _| ()),
        "b0:
        x.1 = borrow *r.0[0]
        runtime echo_print_string(x.1)
        return",
    );
}

#[test]
fn a_place_behind_a_reference_across_a_suspension() {
    let text = element_behind_reference(|build, _| build.pause(B0));
    expect(
        &text,
        "b0:
        x.1 = borrow *r.0[0]
        runtime echo_yield(position)
        runtime echo_print_string(x.1)
        return",
    );
}

#[test]
fn what_a_reference_refers_to_changes() {
    let text = element_behind_reference(|build, reference| {
        let new = build.var("new", Ty::STRING);
        build.fresh(B0, new);
        build.push(B0, reference, new);
    });
    assert!(text.contains("x.1 = load *r.0[0]"), "{text}");
    assert!(text.contains("drop x.1"), "{text}");
}

#[test]
fn the_mutation_comes_after_the_last_use_in_a_loop() {
    let mut build = Build::normal();
    let flag = build.param("flag", Ty::BOOL);
    let (array, text) = (build.var("a", build.strings), build.var("x", Ty::STRING));
    let new = build.var("new", Ty::STRING);
    let (body, end) = (build.block(), build.block());
    build.fresh_array(B0, array);
    build.end(B0, Terminator::Jump(body));
    build.load(body, text, build.element(array));
    build.print(body, text);
    build.fresh(body, new);
    build.push(body, array, new);
    build.branch(body, flag, body, end);
    build.ret(end, None);
    expect(
        &build.counted(),
        r#"b0:
        a.1 = array string ["a"]
        jump b1
        b1:
        x.2 = borrow a.1[0]  unwind [a.1]
        runtime echo_print_string(x.2)
        new.3 = runtime echo_string_concat("a", "a")
        runtime echo_array_push(place a.1, desc string, move out new.3)
        branch flag.0 ? b1 : b2
        b2:
        drop a.1
        return"#,
    );
}

#[test]
fn the_mutation_comes_in_the_next_turn_of_the_loop() {
    let mut build = Build::normal();
    let flag = build.param("flag", Ty::BOOL);
    let (array, text) = (build.var("a", build.strings), build.var("x", Ty::STRING));
    let new = build.var("new", Ty::STRING);
    let (body, end) = (build.block(), build.block());
    build.fresh_array(B0, array);
    build.load(B0, text, build.element(array));
    build.end(B0, Terminator::Jump(body));
    build.print(body, text);
    build.fresh(body, new);
    build.push(body, array, new);
    build.branch(body, flag, body, end);
    build.ret(end, None);
    let text = build.counted();
    assert!(text.contains("x.2 = load a.1[0]"), "{text}");
}

#[test]
fn a_snapshot_of_a_parameter() {
    let mut build = Build::normal();
    let array = build.param("a", build.strings);
    let (snapshot, text) = (build.var("s", build.strings), build.var("x", Ty::STRING));
    build.set(B0, snapshot, array);
    build.load(B0, text, build.element(snapshot));
    build.pause(B0);
    build.print(B0, text);
    build.ret(B0, None);
    expect(
        &build.counted(),
        "b0:
        s.1 = borrow a.0
        x.2 = borrow s.1[0]
        runtime echo_yield(position)
        runtime echo_print_string(x.2)
        return",
    );
}

#[test]
fn a_snapshot_of_an_array_that_changes() {
    let mut build = Build::normal();
    let (array, snapshot) = (build.var("a", build.strings), build.var("s", build.strings));
    let (text, new) = (build.var("x", Ty::STRING), build.var("new", Ty::STRING));
    build.fresh_array(B0, array);
    build.set(B0, snapshot, array);
    build.load(B0, text, build.element(snapshot));
    build.fresh(B0, new);
    build.push(B0, array, new);
    build.print(B0, text);
    build.load(B0, text, build.element(snapshot));
    build.print(B0, text);
    build.ret(B0, None);
    let text = build.counted();
    assert!(text.contains("dup a.0\n  s.1 = a.0"), "{text}");
}

#[test]
fn a_borrow_from_a_variable_that_turns_out_to_be_counted() {
    let mut build = Build::normal();
    let (array, snapshot) = (build.var("a", build.strings), build.var("s", build.strings));
    let (text, new) = (build.var("x", Ty::STRING), build.var("new", Ty::STRING));
    build.fresh_array(B0, array);
    build.set(B0, snapshot, array);
    build.load(B0, text, build.element(snapshot));
    build.fresh(B0, new);
    build.push(B0, array, new);
    build.print(B0, text);
    build.wait_with(B0, snapshot);
    build.ret(B0, None);
    // The array changes, so its snapshot has a count; the element is the snapshot's.
    expect(
        &build.counted(),
        r#"b0:
        a.0 = array string ["a"]
        dup a.0
        s.1 = a.0
        x.2 = borrow s.1[0]  unwind [s.1, a.0]
        new.3 = runtime echo_string_concat("a", "a")
        runtime echo_array_push(place a.0, desc string, move out new.3)
        drop a.0
        runtime echo_print_string(x.2)
        runtime echo_mutex_lock(s.1, position)  unwind [s.1]
        drop s.1
        return"#,
    );
}

#[test]
fn consumed_on_one_path_only() {
    let mut build = Build::normal();
    let flag = build.param("flag", Ty::BOOL);
    let array = build.param("a", build.strings);
    let (text, out) = (build.var("x", Ty::STRING), build.var("out", build.strings));
    let (then, end) = (build.block(), build.block());
    build.fresh_array(B0, out);
    build.load(B0, text, build.element(array));
    build.branch(B0, flag, then, end);
    build.push(then, out, text);
    build.end(then, Terminator::Jump(end));
    build.ret(end, None);
    expect(
        &build.counted(),
        r#"b0:
        out.3 = array string ["a"]
        x.2 = borrow a.1[0]  unwind [out.3]
        branch flag.0 ? b1 : b3
        b1:
        dup x.2
        runtime echo_array_push(place out.3, desc string, move out x.2)
        drop out.3
        jump b2
        b2:
        return
        b3:
        drop out.3
        jump b2"#,
    );
}

#[test]
fn a_variable_with_two_definitions_is_counted() {
    let mut build = Build::normal();
    let flag = build.param("flag", Ty::BOOL);
    let array = build.param("a", build.strings);
    let text = build.var("x", Ty::STRING);
    let (then, otherwise, end) = (build.block(), build.block(), build.block());
    build.branch(B0, flag, then, otherwise);
    build.load(then, text, build.element(array));
    build.end(then, Terminator::Jump(end));
    build.fresh(otherwise, text);
    build.end(otherwise, Terminator::Jump(end));
    build.print(end, text);
    build.ret(end, None);
    let text = build.counted();
    assert!(text.contains("x.2 = load a.1[0]"), "{text}");
    assert!(text.contains("drop x.2"), "{text}");
}

/// The function text of: an element gets a name, which is printed around what is done.
fn named_element_around(what: impl FnOnce(&mut Build, Var)) -> String {
    let mut build = Build::normal();
    let (array, text) = (build.var("a", build.strings), build.var("t", Ty::STRING));
    let name = build.var("x", Ty::STRING);
    build.fresh_array(B0, array);
    build.load(B0, text, build.element(array));
    build.set(B0, name, text);
    build.print(B0, name);
    what(&mut build, array);
    build.print(B0, name);
    build.ret(B0, None);
    build.counted()
}

#[test]
fn a_part_with_a_name() {
    let mut build = Build::normal();
    let (array, text) = (build.var("a", build.strings), build.var("t", Ty::STRING));
    let name = build.var("x", Ty::STRING);
    build.fresh_array(B0, array);
    build.load(B0, text, build.element(array));
    build.set(B0, name, text);
    build.pause(B0);
    build.print(B0, name);
    build.wait_with(B0, array);
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        a.0 = array string ["a"]
        t.1 = borrow a.0[0]  unwind [a.0]
        x.2 = borrow t.1
        runtime echo_yield(position)  unwind [a.0]
        runtime echo_print_string(x.2)
        runtime echo_mutex_lock(a.0, position)  unwind [a.0]
        drop a.0
        return"#,
    );
}

/// A name that lives on does not keep the whole of which it is a part.
#[test]
fn the_whole_ends_before_the_name_of_its_part() {
    for text in [
        named_element_around(|_, _| {}),
        named_element_around(|build, array| build.wait_with(B0, array)),
    ] {
        assert!(text.contains("dup t.1\n  x.2 = t.1"), "{text}");
        assert!(text.contains("drop x.2"), "{text}");
    }
}

/// On one way it does.
#[test]
fn the_whole_ends_on_one_path_before_the_name_of_its_part() {
    let mut build = Build::normal();
    let flag = build.param("flag", Ty::BOOL);
    let (array, text) = (build.var("a", build.strings), build.var("t", Ty::STRING));
    let name = build.var("x", Ty::STRING);
    let (long, short) = (build.block(), build.block());
    build.fresh_array(B0, array);
    build.load(B0, text, build.element(array));
    build.set(B0, name, text);
    build.branch(B0, flag, long, short);
    build.print(long, name);
    build.wait_with(long, array);
    build.ret(long, None);
    build.print(short, name);
    build.ret(short, None);
    let text = build.counted();
    assert!(text.contains("dup t.2\n  x.3 = t.2"), "{text}");
}

#[test]
fn the_whole_changes_while_its_part_has_a_name() {
    let text = named_element_around(|build, array| {
        let new = build.var("new", Ty::STRING);
        build.fresh(B0, new);
        build.push(B0, array, new);
        build.wait_with(B0, array);
    });
    assert!(text.contains("dup t.1\n  x.2 = t.1"), "{text}");
    assert!(text.contains("drop x.2"), "{text}");
}
