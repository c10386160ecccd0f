//! Where counts are taken and given up.

use super::*;
use crate::ir::SelectCase;

const B0: BlockId = BlockId(0);

#[test]
fn the_last_use_moves() {
    let mut build = Build::normal();
    let (array, text) = (build.var("a", build.strings), build.var("x", Ty::STRING));
    build.fresh_array(B0, array);
    build.fresh(B0, text);
    build.push(B0, array, text);
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        a.0 = array string ["a"]
        x.1 = runtime echo_string_concat("a", "a")
        runtime echo_array_push(place a.0, desc string, move out x.1)
        drop a.0
        return"#,
    );
}

#[test]
fn consumed_but_still_live() {
    let mut build = Build::normal();
    let (array, text) = (build.var("a", build.strings), build.var("x", Ty::STRING));
    build.fresh_array(B0, array);
    build.fresh(B0, text);
    build.push(B0, array, text);
    build.print(B0, text);
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        a.0 = array string ["a"]
        x.1 = runtime echo_string_concat("a", "a")
        dup x.1
        runtime echo_array_push(place a.0, desc string, move out x.1)
        drop a.0
        runtime echo_print_string(x.1)
        drop x.1
        return"#,
    );
}

#[test]
fn consumed_twice_by_one_instruction() {
    let mut build = Build::normal();
    let (array, text) = (build.var("a", build.strings), build.var("x", Ty::STRING));
    build.fresh(B0, text);
    build.op(
        B0,
        Op::Array {
            dst: array,
            element: Ty::STRING,
            elements: vec![Operand::Var(text), Operand::Var(text)],
        },
    );
    build.pause(B0);
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        x.1 = runtime echo_string_concat("a", "a")
        dup x.1
        a.0 = array string [x.1, x.1]
        drop a.0
        runtime echo_yield(position)
        return"#,
    );
}

#[test]
fn consumed_and_borrowed_by_one_instruction() {
    let mut build = Build::normal();
    let channel_of = build.program.types.intern(TyKind::Chan(Ty::STRING));
    let channel = build.param("c", channel_of);
    let lock = build.var("x", Ty::STRING);
    build.fresh(B0, lock);
    // No real call: what counts is that one variable is read and given away at once.
    build.runtime(
        B0,
        None,
        "echo_promise_reject",
        vec![
            RtArg::Value(Operand::Var(lock)),
            RtArg::Move(lock),
            RtArg::Position,
        ],
    );
    build.wait_with(B0, channel);
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        x.1 = runtime echo_string_concat("a", "a")
        dup x.1
        runtime echo_promise_reject(x.1, move x.1, position)
        drop x.1
        runtime echo_mutex_lock(c.0, position)
        return"#,
    );
}

#[test]
fn a_parameter_belongs_to_the_caller() {
    let mut build = Build::normal().returning(Ty::STRING);
    let text = build.param("x", Ty::STRING);
    build.print(B0, text);
    build.ret(B0, Some(text));
    expect(
        &build.counted(),
        "b0:
        runtime echo_print_string(x.0)
        dup x.0
        return x.0",
    );
}

#[test]
fn an_entry_owns_its_parameters() {
    let mut build = Build::new(FunctionKind::Entry).returning(Ty::STRING);
    let text = build.param("x", Ty::STRING);
    let unused = build.param("unused", Ty::STRING);
    assert_eq!(unused, Var(1));
    build.pause(B0);
    build.ret(B0, Some(text));
    expect(
        &build.counted(),
        "b0:
        drop unused.1
        runtime echo_yield(position)  unwind [x.0]
        return x.0",
    );
}

#[test]
fn an_entry_that_loops_drops_its_parameters_once() {
    let mut build = Build::new(FunctionKind::Entry);
    build.param("unused", Ty::STRING);
    build.op(B0, Op::Poll);
    build.end(B0, Terminator::Jump(B0));
    expect(
        &build.counted(),
        "b0:
        drop unused.0
        jump b1
        b1:
        poll
        jump b1",
    );
}

#[test]
fn dead_on_one_side_of_a_branch() {
    let mut build = Build::normal();
    let flag = build.param("flag", Ty::BOOL);
    let text = build.var("x", Ty::STRING);
    let (then, otherwise, end) = (build.block(), build.block(), build.block());
    build.fresh(B0, text);
    build.branch(B0, flag, then, otherwise);
    build.print(then, text);
    build.end(then, Terminator::Jump(end));
    build.pause(otherwise);
    build.end(otherwise, Terminator::Jump(end));
    build.ret(end, None);
    expect(
        &build.counted(),
        r#"b0:
        x.1 = runtime echo_string_concat("a", "a")
        branch flag.0 ? b1 : b2
        b1:
        runtime echo_print_string(x.1)
        drop x.1
        jump b3
        b2:
        drop x.1
        runtime echo_yield(position)
        jump b3
        b3:
        return"#,
    );
}

#[test]
fn dead_on_a_critical_edge() {
    let mut build = Build::normal();
    let flag = build.param("flag", Ty::BOOL);
    let text = build.var("x", Ty::STRING);
    let (then, end) = (build.block(), build.block());
    build.fresh(B0, text);
    build.branch(B0, flag, then, end);
    build.print(then, text);
    build.end(then, Terminator::Jump(end));
    build.ret(end, None);
    expect(
        &build.counted(),
        r#"b0:
        x.1 = runtime echo_string_concat("a", "a")
        branch flag.0 ? b1 : b3
        b1:
        runtime echo_print_string(x.1)
        drop x.1
        jump b2
        b2:
        return
        b3:
        drop x.1
        jump b2"#,
    );
}

#[test]
fn a_result_nobody_uses() {
    let mut build = Build::normal();
    let text = build.var("x", Ty::STRING);
    build.fresh(B0, text);
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        x.0 = runtime echo_string_concat("a", "a")
        drop x.0
        return"#,
    );
}

#[test]
fn a_variable_made_from_its_old_value() {
    let mut build = Build::normal();
    let text = build.var("x", Ty::STRING);
    build.fresh(B0, text);
    let args = vec![
        RtArg::Value(Operand::Var(text)),
        RtArg::Value(Operand::Var(text)),
    ];
    build.runtime(B0, Some(text), "echo_string_concat", args);
    build.print(B0, text);
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        x.0 = runtime echo_string_concat("a", "a")
        %1 = runtime echo_string_concat(x.0, x.0)
        drop x.0
        x.0 = %1
        runtime echo_print_string(x.0)
        drop x.0
        return"#,
    );
}

#[test]
fn pushing_in_a_loop_takes_no_count_of_the_array() {
    let mut build = Build::normal();
    build.function.result = build.strings;
    let flag = build.param("flag", Ty::BOOL);
    let (array, text) = (build.var("a", build.strings), build.var("x", Ty::STRING));
    let (body, end) = (build.block(), build.block());
    build.fresh_array(B0, array);
    build.end(B0, Terminator::Jump(body));
    build.fresh(body, text);
    build.push(body, array, text);
    build.op(
        body,
        Op::Store {
            place: build.element(array),
            value: Operand::Const(Const::Str("b".to_string())),
        },
    );
    build.op(body, Op::Poll);
    build.branch(body, flag, body, end);
    build.ret(end, Some(array));
    expect(
        &build.counted(),
        r#"b0:
        a.1 = array string ["a"]
        jump b1
        b1:
        x.2 = runtime echo_string_concat("a", "a")
        runtime echo_array_push(place a.1, desc string, move out x.2)
        store a.1[0] = "b"  unwind [a.1]
        poll  unwind [a.1]
        branch flag.0 ? b1 : b2
        b2:
        return a.1"#,
    );
}

#[test]
fn what_a_call_moves_is_not_ours_when_it_fails() {
    let mut build = Build::normal();
    let channel_of = build.program.types.intern(TyKind::Chan(Ty::STRING));
    let channel = build.param("c", channel_of);
    let (sent, kept) = (build.var("sent", Ty::STRING), build.var("kept", Ty::STRING));
    build.fresh(B0, sent);
    build.fresh(B0, kept);
    build.runtime(
        B0,
        None,
        "echo_chan_send",
        vec![
            RtArg::Value(Operand::Var(channel)),
            RtArg::MoveOut(sent),
            RtArg::Position,
        ],
    );
    build.print(B0, kept);
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        sent.1 = runtime echo_string_concat("a", "a")
        kept.2 = runtime echo_string_concat("a", "a")
        runtime echo_chan_send(c.0, move out sent.1, position)  unwind [kept.2]
        runtime echo_print_string(kept.2)
        drop kept.2
        return"#,
    );
}

#[test]
fn an_out_is_ours_only_after_the_call() {
    let mut build = Build::normal();
    let channel_of = build.program.types.intern(TyKind::Chan(Ty::STRING));
    let channel = build.param("c", channel_of);
    let (got, ok) = (build.var("got", Ty::STRING), build.var("ok", Ty::BOOL));
    build.runtime(
        B0,
        Some(ok),
        "echo_chan_receive",
        vec![
            RtArg::Value(Operand::Var(channel)),
            RtArg::Out(got),
            RtArg::Position,
        ],
    );
    build.pause(B0);
    build.print(B0, got);
    build.ret(B0, None);
    expect(
        &build.counted(),
        "b0:
        ok.2 = runtime echo_chan_receive(c.0, out got.1, position)
        runtime echo_yield(position)  unwind [got.1]
        runtime echo_print_string(got.1)
        drop got.1
        return",
    );
}

#[test]
fn an_address_is_filled_only_on_success() {
    let mut build = Build::normal();
    let channel_of = build.program.types.intern(TyKind::Chan(Ty::STRING));
    let channel = build.param("c", channel_of);
    let (got, ok) = (build.var("got", Ty::STRING), build.var("ok", Ty::BOOL));
    let (some, none) = (build.block(), build.block());
    build.runtime(
        B0,
        Some(ok),
        "echo_chan_receive_option",
        vec![
            RtArg::Value(Operand::Var(channel)),
            RtArg::Address(got),
            RtArg::Position,
        ],
    );
    build.branch(B0, ok, some, none);
    build.op(some, Op::Define(got));
    build.pause(some);
    build.print(some, got);
    build.ret(some, None);
    build.pause(none);
    build.ret(none, None);
    expect(
        &build.counted(),
        "b0:
        ok.2 = runtime echo_chan_receive_option(c.0, address got.1, position)
        branch ok.2 ? b1 : b2
        b1:
        define got.1
        runtime echo_yield(position)  unwind [got.1]
        runtime echo_print_string(got.1)
        drop got.1
        return
        b2:
        runtime echo_yield(position)
        return",
    );
}

#[test]
fn a_select_takes_only_the_chosen_value() {
    let mut build = Build::normal();
    let channel_of = build.program.types.intern(TyKind::Chan(Ty::STRING));
    let channel = build.param("c", channel_of);
    let (sent, got) = (build.var("sent", Ty::STRING), build.var("got", Ty::STRING));
    let chosen = build.var("chosen", Ty::INT);
    let (send, receive) = (build.block(), build.block());
    build.fresh(B0, sent);
    let case = |send, value| SelectCase {
        channel,
        send,
        value,
        ok: None,
        span: NOWHERE,
    };
    build.op(
        B0,
        Op::Select {
            dst: chosen,
            cases: vec![case(true, sent), case(false, got)],
            timeout: Operand::Const(Const::Int(-1, Ty::INT)),
        },
    );
    build.end(
        B0,
        Terminator::Switch {
            value: Operand::Var(chosen),
            ty: Ty::INT,
            cases: vec![(0, send)],
            otherwise: receive,
        },
    );
    build.op(send, Op::Forget(sent));
    build.ret(send, None);
    build.op(receive, Op::Define(got));
    build.print(receive, got);
    build.ret(receive, None);
    expect(
        &build.counted(),
        r#"b0:
        sent.1 = runtime echo_string_concat("a", "a")
        chosen.3 = select [c.0 <- sent.1, got.2 <- c.0] timeout -1  unwind [sent.1]
        switch int chosen.3 [0: b1] else b2
        b1:
        forget sent.1
        return
        b2:
        drop sent.1
        define got.2
        runtime echo_print_string(got.2)
        drop got.2
        return"#,
    );
}

#[test]
fn deferred_arguments_are_given_away() {
    let mut build = Build::normal();
    build.function.defers = true;
    let entry = build.callee(FunctionKind::Entry, &[Ty::STRING]);
    let text = build.var("x", Ty::STRING);
    build.fresh(B0, text);
    build.op(
        B0,
        Op::Defer {
            entry,
            args: vec![text],
        },
    );
    build.print(B0, text);
    build.op(B0, Op::RunDefers);
    build.ret(B0, None);
    expect(
        &build.counted(),
        r#"b0:
        x.0 = runtime echo_string_concat("a", "a")
        dup x.0
        defer callee1(x.0)
        runtime echo_print_string(x.0)
        drop x.0
        run defers
        return"#,
    );
}

#[test]
fn before_a_panic_what_is_not_used_any_more_has_gone() {
    let mut build = Build::normal();
    let flag = build.param("flag", Ty::BOOL);
    let (text, message) = (build.var("x", Ty::STRING), build.var("m", Ty::STRING));
    let (fail, end) = (build.block(), build.block());
    build.fresh(B0, text);
    build.branch(B0, flag, fail, end);
    build.fresh(fail, message);
    build.runtime(
        fail,
        None,
        "echo_panic",
        vec![RtArg::Move(message), RtArg::Position],
    );
    build.end(fail, Terminator::Unreachable);
    build.print(end, text);
    build.ret(end, None);
    expect(
        &build.counted(),
        r#"b0:
        x.1 = runtime echo_string_concat("a", "a")
        branch flag.0 ? b1 : b2
        b1:
        drop x.1
        m.2 = runtime echo_string_concat("a", "a")
        runtime echo_panic(move m.2, position)
        unreachable
        b2:
        runtime echo_print_string(x.1)
        drop x.1
        return"#,
    );
}

#[test]
fn the_payload_of_a_dying_option_moves_out() {
    let mut build = Build::new(FunctionKind::Entry).returning(Ty::STRING);
    let option = build.param("o", build.maybe);
    let text = build.var("x", Ty::STRING);
    build.load(B0, text, build.payload(option));
    build.pause(B0);
    build.ret(B0, Some(text));
    expect(
        &build.counted(),
        "b0:
        x.1 = borrow o.0.payload(1)
        forget o.0
        runtime echo_yield(position)  unwind [x.1]
        return x.1",
    );
}

#[test]
fn a_payload_nobody_looks_at_stays_where_it_is() {
    let mut build = Build::new(FunctionKind::Entry);
    let option = build.param("o", build.maybe);
    let text = build.var("x", Ty::STRING);
    build.load(B0, text, build.payload(option));
    build.ret(B0, None);
    expect(
        &build.counted(),
        "b0:
        x.1 = borrow o.0.payload(1)
        drop o.0
        return",
    );
}

#[test]
fn one_field_of_two_does_not_move_out() {
    let mut build = Build::new(FunctionKind::Entry).returning(Ty::STRING);
    let pair = build
        .program
        .types
        .intern(TyKind::Tuple(vec![Ty::STRING, Ty::STRING]));
    let pair = build.param("p", pair);
    let text = build.var("x", Ty::STRING);
    let place = Place {
        root: pair,
        path: vec![Step::Field(0)],
        ty: Ty::STRING,
    };
    build.load(B0, text, place);
    build.ret(B0, Some(text));
    // Borrowed, counted when it is returned, and only then is the pair dropped.
    expect(
        &build.counted(),
        "b0:
        x.1 = borrow p.0.0
        dup x.1
        drop p.0
        return x.1",
    );
}
