//! The checks find what they are for: each function here is counted, but wrongly.

use super::*;

const B0: BlockId = BlockId(0);

#[track_caller]
fn expect_fault(build: Build, part: &str) {
    let fault = build.fault();
    assert!(fault.contains(part), "{fault}");
}

#[test]
fn a_count_that_is_never_given_up() {
    let mut build = Build::normal();
    let text = build.var("x", Ty::STRING);
    build.fresh(B0, text);
    build.ret(B0, None);
    expect_fault(build, "x.0 is never given up");
}

#[test]
fn a_second_drop() {
    let mut build = Build::normal();
    let text = build.var("x", Ty::STRING);
    build.fresh(B0, text);
    build.op(B0, Op::Drop(text));
    build.op(B0, Op::Drop(text));
    build.ret(B0, None);
    expect_fault(build, "x.0 is used but not there");
}

#[test]
fn a_drop_on_one_path_only() {
    let mut build = Build::normal();
    let flag = build.param("flag", Ty::BOOL);
    let text = build.var("x", Ty::STRING);
    let (then, end) = (build.block(), build.block());
    build.fresh(B0, text);
    build.branch(B0, flag, then, end);
    build.op(then, Op::Drop(text));
    build.end(then, Terminator::Jump(end));
    build.ret(end, None);
    // Whichever way is taken first, the fault is found at the end or at the meeting.
    let fault = build.fault();
    assert!(
        fault.contains("by another way") || fault.contains("never given up"),
        "{fault}"
    );
}

#[test]
fn a_parameter_given_away() {
    let mut build = Build::normal().returning(Ty::STRING);
    let text = build.param("x", Ty::STRING);
    build.ret(B0, Some(text));
    expect_fault(build, "x.0 is consumed without a count");
}

#[test]
fn an_unwind_list_without_an_owned_variable() {
    let mut build = Build::normal();
    let text = build.var("x", Ty::STRING);
    build.fresh(B0, text);
    build.pause(B0);
    build.op(B0, Op::Drop(text));
    build.ret(B0, None);
    expect_fault(build, "x.0 is 0 times in the unwind list, its count is 1");
}

#[test]
fn an_unwind_list_with_what_the_call_takes() {
    let mut build = Build::normal();
    let channel_of = build.program.types.intern(TyKind::Chan(Ty::STRING));
    let channel = build.param("c", channel_of);
    let sent = build.var("sent", Ty::STRING);
    build.fresh(B0, sent);
    let args = vec![
        RtArg::Value(Operand::Var(channel)),
        RtArg::MoveOut(sent),
        RtArg::Position,
    ];
    build.runtime(B0, None, "echo_chan_send", args);
    build.function.blocks[0].instrs[1].unwind = vec![sent];
    build.ret(B0, None);
    expect_fault(
        build,
        "sent.1 is 1 times in the unwind list, its count is 0",
    );
}

#[test]
fn overwriting_without_a_drop() {
    let mut build = Build::normal();
    let text = build.var("x", Ty::STRING);
    build.fresh(B0, text);
    build.fresh(B0, text);
    build.op(B0, Op::Drop(text));
    build.ret(B0, None);
    expect_fault(build, "x.0 is overwritten");
}

/// An array, a borrow of its element, something, a print of the element.
fn borrowed_around(what: impl FnOnce(&mut Build, Var)) -> Build {
    let mut build = Build::normal();
    let (array, text) = (build.var("a", build.strings), build.var("x", Ty::STRING));
    build.function.vars[1].borrowed = true;
    build.fresh_array(B0, array);
    let place = build.element(array);
    let borrow = true;
    build.op(
        B0,
        Op::Load {
            dst: text,
            place,
            borrow,
        },
    );
    build.function.blocks[0].instrs[1].unwind = vec![array];
    what(&mut build, array);
    build.print(B0, text);
    build.ret(B0, None);
    build
}

#[test]
fn a_borrow_after_its_owner_has_gone() {
    let build = borrowed_around(|build, array| build.op(B0, Op::Drop(array)));
    expect_fault(build, "x.1 is used but not there");
}

#[test]
fn a_borrow_after_its_owner_has_changed() {
    let build = borrowed_around(|build, array| {
        let new = build.var("new", Ty::STRING);
        build.fresh(B0, new);
        build.push(B0, array, new);
    });
    expect_fault(build, "x.1 is used but not there");
}

#[test]
fn a_value_used_before_it_is_there() {
    let mut build = Build::normal();
    let flag = build.param("flag", Ty::BOOL);
    let text = build.var("x", Ty::STRING);
    let (then, end) = (build.block(), build.block());
    build.branch(B0, flag, then, end);
    build.fresh(then, text);
    build.end(then, Terminator::Jump(end));
    build.print(end, text);
    build.ret(end, None);
    let (program, module) = build.module();
    let fault = ir::verify(&program, &module).expect_err("a fault");
    assert!(fault.contains("x.1 is used without a value"), "{fault}");
}

#[test]
fn a_block_without_an_end() {
    let build = Build::normal();
    let (program, module) = build.module();
    let fault = ir::verify(&program, &module).expect_err("a fault");
    assert!(fault.contains("b0 is not terminated"), "{fault}");
}

#[test]
fn types_that_disagree() {
    let mut build = Build::normal();
    let number = build.param("n", Ty::INT);
    let text = build.var("x", Ty::STRING);
    build.set(B0, text, number);
    build.ret(B0, None);
    let (program, module) = build.module();
    let fault = ir::verify(&program, &module).expect_err("a fault");
    assert!(fault.contains("the value is int, not string"), "{fault}");
}
