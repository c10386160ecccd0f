//! Hand-made functions through LLVM, at every optimisation level that differs.

use std::collections::BTreeSet;

use echo_abi::symbols;
use echo_sema::typed::{self, BinaryOp, CompareOp, Conversion, GlobalId};
use echo_sema::types::{StructId, Ty, TyKind};
use echo_syntax::span::{SourceMap, Span};
use object::{Object, ObjectSection, ObjectSymbol};

use super::{Options, emit};
use crate::ir::{
    Arg, BlockId, Const, FnId, FunctionKind, Header, Intrinsic, Op, Operand, Place, RtArg,
    SelectCase, Step, Terminator, Var,
};
use crate::llvm::{Llvm, Output, object_code};
use crate::ownership;
use crate::testing::{Build, NOWHERE};

const B0: BlockId = BlockId(0);

/// What generated code may refer to beside the table of runtime symbols.
const ALSO_ALLOWED: &[&str] = &[
    "echo_empty",
    "echo_tls_offset",
    "echo_start",
    "echo_line_table",
    "echo_unwind_resume",
    "__morestack",
    "__gcc_personality_v0",
    // Position independent code.
    "_GLOBAL_OFFSET_TABLE_",
];

fn int(value: i128) -> Operand {
    Operand::Const(Const::Int(value, Ty::INT))
}

fn source() -> SourceMap {
    let mut sources = SourceMap::new();
    sources.add("test.eo", "let a = 1\nlet b = 2\nlet c = 3\n");
    sources
}

/// The LLVM text after the ownership pass.
fn llvm_text(build: Build) -> String {
    let (program, mut module) = build.module();
    module.main = Some(FnId(0));
    ownership::insert(&program, &mut module);
    let options = Options {
        executable: true,
        line_table: true,
        comments: true,
    };
    emit(&program, &module, &source(), options)
}

fn compile(text: &str, level: u8) -> Vec<u8> {
    let llvm = Llvm::load().expect("an LLVM");
    llvm.compile(text, level, Output::Object)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn undefined(object: &[u8]) -> BTreeSet<String> {
    let file = object::File::parse(object).expect("an object");
    file.symbols()
        .filter(|symbol| symbol.is_undefined())
        .filter_map(|symbol| symbol.name().ok().map(str::to_string))
        .filter(|name| !name.is_empty())
        .collect()
}

#[track_caller]
fn check_object(object: &[u8]) {
    for name in undefined(object) {
        assert!(
            symbols::find(&name).is_some() || ALSO_ALLOWED.contains(&name.as_str()),
            "`{name}` is not the runtime's"
        );
    }
    let file = object::File::parse(object).expect("an object");
    let code: Vec<_> = file
        .sections()
        .filter(|section| section.kind() == object::SectionKind::Text && section.size() > 0)
        .collect();
    assert_eq!(code.len(), 1, "one section of code");
    assert_eq!(code[0].name(), Ok(".text"));
    assert!(file.section_by_name(".eh_frame").is_some());
    assert!(file.section_by_name(".note.GNU-split-stack").is_none());
}

#[track_caller]
fn check(build: Build) -> String {
    let text = llvm_text(build);
    if std::env::var_os("SHOW").is_some() {
        println!("{text}");
    }
    for level in [0, 2] {
        check_object(&compile(&text, level));
    }
    text
}

fn main_function() -> Build {
    Build::new(FunctionKind::Entry).returning(Ty::INT)
}

fn return_zero(build: &mut Build, block: BlockId) {
    build.end(block, Terminator::Return(Some(int(0))));
}

#[test]
fn arithmetic_of_every_type() {
    let mut build = main_function();
    let ops = [
        BinaryOp::Add,
        BinaryOp::Sub,
        BinaryOp::Mul,
        BinaryOp::Div,
        BinaryOp::Rem,
        BinaryOp::BitAnd,
        BinaryOp::BitOr,
        BinaryOp::BitXor,
        BinaryOp::Shl,
        BinaryOp::Shr,
    ];
    let ints = [
        Ty::I8,
        Ty::I16,
        Ty::I32,
        Ty::INT,
        Ty::U8,
        Ty::U16,
        Ty::U32,
        Ty::U64,
    ];
    for ty in ints {
        let var = build.var("n", ty);
        let one = Operand::Const(Const::Int(1, ty));
        build.op(
            B0,
            Op::Set {
                dst: var,
                value: one.clone(),
            },
        );
        for op in ops {
            build.op(
                B0,
                Op::Arith {
                    dst: var,
                    op,
                    left: Operand::Var(var),
                    right: one.clone(),
                    ty,
                },
            );
        }
        let value = Operand::Var(var);
        build.op(
            B0,
            Op::Neg {
                dst: var,
                value,
                ty,
            },
        );
    }
    for ty in [Ty::F32, Ty::FLOAT] {
        let var = build.var("f", ty);
        let one = Operand::Const(Const::Float(1.5, ty));
        build.op(
            B0,
            Op::Set {
                dst: var,
                value: one.clone(),
            },
        );
        for op in &ops[..5] {
            build.op(
                B0,
                Op::Arith {
                    dst: var,
                    op: *op,
                    left: Operand::Var(var),
                    right: one.clone(),
                    ty,
                },
            );
        }
        for op in [
            Intrinsic::Sqrt,
            Intrinsic::Fabs,
            Intrinsic::Min,
            Intrinsic::Max,
        ] {
            let two = matches!(op, Intrinsic::Min | Intrinsic::Max);
            let args = vec![Operand::Var(var); if two { 2 } else { 1 }];
            build.op(
                B0,
                Op::Intrinsic {
                    dst: var,
                    op,
                    args,
                    ty,
                },
            );
        }
    }
    return_zero(&mut build, B0);
    check(build);
}

#[test]
fn conversions_between_all_scalars() {
    let mut build = main_function();
    let types = [
        Ty::BOOL,
        Ty::CHAR,
        Ty::I8,
        Ty::I16,
        Ty::I32,
        Ty::INT,
        Ty::U8,
        Ty::U16,
        Ty::U32,
        Ty::U64,
        Ty::F32,
        Ty::FLOAT,
    ];
    let vars: Vec<Var> = types.iter().map(|&ty| build.var("v", ty)).collect();
    for (&var, &ty) in vars.iter().zip(&types) {
        let value = Operand::Const(Const::Zero(ty));
        build.op(B0, Op::Set { dst: var, value });
    }
    for (&value, &from) in vars.iter().zip(&types) {
        for (&dst, &to) in vars.iter().zip(&types) {
            for conversion in [Conversion::Checked, Conversion::Wrapping] {
                let value = Operand::Var(value);
                build.op(
                    B0,
                    Op::Convert {
                        dst,
                        conversion,
                        value,
                        from,
                        to,
                    },
                );
            }
        }
    }
    return_zero(&mut build, B0);
    check(build);
}

#[test]
fn comparisons() {
    let mut build = main_function();
    let channel = build.program.types.intern(TyKind::Chan(Ty::INT));
    let result = build.var("r", Ty::BOOL);
    for ty in [Ty::INT, Ty::U8, Ty::FLOAT, Ty::BOOL, Ty::CHAR] {
        for op in [
            CompareOp::Eq,
            CompareOp::Ne,
            CompareOp::Lt,
            CompareOp::Le,
            CompareOp::Gt,
            CompareOp::Ge,
        ] {
            let zero = Operand::Const(Const::Zero(ty));
            build.op(
                B0,
                Op::Compare {
                    dst: result,
                    op,
                    left: zero.clone(),
                    right: zero,
                    ty,
                },
            );
        }
    }
    let made = build.var("c", channel);
    let args = vec![RtArg::Desc(Ty::INT), RtArg::Value(int(0)), RtArg::Position];
    build.runtime(B0, Some(made), "echo_chan_new", args);
    build.op(
        B0,
        Op::Compare {
            dst: result,
            op: CompareOp::Eq,
            left: Operand::Var(made),
            right: Operand::Var(made),
            ty: channel,
        },
    );
    return_zero(&mut build, B0);
    check(build);
}

/// `struct P { name: string, tags: [string], n: int }` and a map of it.
fn with_struct(build: &mut Build) -> (Ty, Ty) {
    let field = |name: &str, ty| typed::Field {
        name: name.to_string(),
        ty,
    };
    build.program.structs.push(typed::Struct {
        name: "P".to_string(),
        fields: vec![
            field("name", Ty::STRING),
            field("tags", build.strings),
            field("n", Ty::INT),
        ],
    });
    let ty = build.program.types.intern(TyKind::Struct(StructId(0)));
    let map = build.program.types.intern(TyKind::Map(Ty::STRING, ty));
    (ty, map)
}

#[test]
fn places_of_every_kind() {
    let mut build = main_function();
    let (point, map) = with_struct(&mut build);
    let points = build.var("m", map);
    let text = build.var("x", Ty::STRING);
    let value = Operand::Const(Const::Zero(map));
    build.op(B0, Op::Set { dst: points, value });
    let key = Operand::Const(Const::Str("k".to_string()));
    let index = Step::Index {
        index: int(3),
        checked: true,
        alone: false,
    };
    let place = Place {
        root: points,
        path: vec![Step::Key(key.clone()), Step::Field(1), index],
        ty: Ty::STRING,
    };
    build.fresh(B0, text);
    build.op(
        B0,
        Op::Store {
            place: place.clone(),
            value: Operand::Var(text),
        },
    );
    let other = build.var("y", Ty::STRING);
    build.load(B0, other, place);
    build.print(B0, other);
    let whole = build.var("p", point);
    let place = Place {
        root: points,
        path: vec![Step::Key(key)],
        ty: point,
    };
    build.load(B0, whole, place);
    build.pause(B0);
    build.runtime(
        B0,
        None,
        "echo_print",
        vec![RtArg::Borrow(whole), RtArg::Desc(point)],
    );
    let array = build.var("ps", build.strings);
    build.fresh_array(B0, array);
    let length = build.var("n", Ty::INT);
    build.op(
        B0,
        Op::Header {
            dst: length,
            value: Operand::Var(array),
            which: Header::ArrayLen,
        },
    );
    build.end(B0, Terminator::Return(Some(Operand::Var(length))));
    let text = check(build);
    assert!(text.contains("invoke void @echo_panic_index"), "{text}");
}

#[test]
fn aggregates_options_and_results() {
    let mut build = main_function();
    let (point, _) = with_struct(&mut build);
    let result = build
        .program
        .types
        .intern(TyKind::Result(point, Ty::STRING));
    let name = build.var("name", Ty::STRING);
    build.fresh(B0, name);
    let made = build.var("p", point);
    let fields = vec![
        Operand::Var(name),
        Operand::Const(Const::Zero(build.strings)),
        int(7),
    ];
    build.op(B0, Op::Make { dst: made, fields });
    let outcome = build.var("r", result);
    build.op(
        B0,
        Op::Variant {
            dst: outcome,
            tag: 0,
            payload: vec![Operand::Var(made)],
        },
    );
    let tag = build.var("tag", Ty::I32);
    build.op(
        B0,
        Op::Tag {
            dst: tag,
            value: outcome,
        },
    );
    let (ok, err) = (build.block(), build.block());
    build.end(
        B0,
        Terminator::Switch {
            value: Operand::Var(tag),
            ty: Ty::I32,
            cases: vec![(0, ok)],
            otherwise: err,
        },
    );
    let payload = build.var("q", point);
    build.load(
        ok,
        payload,
        Place {
            root: outcome,
            path: vec![Step::Payload(0)],
            ty: point,
        },
    );
    build.pause(ok);
    let option = build.var("o", build.maybe);
    build.load(
        ok,
        name,
        Place {
            root: payload,
            path: vec![Step::Field(0)],
            ty: Ty::STRING,
        },
    );
    build.op(
        ok,
        Op::Variant {
            dst: option,
            tag: 1,
            payload: vec![Operand::Var(name)],
        },
    );
    let maybe = build.maybe;
    build.runtime(
        ok,
        None,
        "echo_print",
        vec![RtArg::Borrow(option), RtArg::Desc(maybe)],
    );
    return_zero(&mut build, ok);
    return_zero(&mut build, err);
    check(build);
}

#[test]
fn calls_spawns_defers_and_selects() {
    let mut build = main_function();
    build.function.defers = true;
    let channel_of = build.program.types.intern(TyKind::Chan(Ty::STRING));
    let future_of = build.program.types.intern(TyKind::Future(Ty::VOID));
    let called = build.callee(FunctionKind::Normal, &[Ty::STRING, build.reference]);
    let entry = build.callee(FunctionKind::Entry, &[channel_of, Ty::STRING]);
    let closure = build.callee(FunctionKind::Closure, &[Ty::STRING]);
    let function_ty = build
        .program
        .types
        .intern(TyKind::Func(vec![Ty::STRING], Ty::VOID));
    let (channel, text) = (build.var("c", channel_of), build.var("x", Ty::STRING));
    let (array, future) = (build.var("a", build.strings), build.var("f", future_of));
    let (chosen, got) = (build.var("chosen", Ty::INT), build.var("got", Ty::STRING));
    let ok = build.var("ok", Ty::BOOL);
    let args = vec![
        RtArg::Desc(Ty::STRING),
        RtArg::Value(int(1)),
        RtArg::Position,
    ];
    build.runtime(B0, Some(channel), "echo_chan_new", args);
    build.fresh(B0, text);
    build.fresh_array(B0, array);
    let place = build.whole(array);
    build.call(
        B0,
        called,
        vec![Arg::Value(Operand::Var(text)), Arg::Ref(place)],
    );
    build.op(
        B0,
        Op::CallValue {
            dst: None,
            callee: Operand::Const(Const::Closure(closure, function_ty)),
            args: vec![Arg::Value(Operand::Var(text))],
        },
    );
    build.op(
        B0,
        Op::Defer {
            entry,
            args: vec![channel, text],
        },
    );
    build.runtime(
        B0,
        Some(future),
        "echo_spawn",
        vec![
            RtArg::Entry(entry),
            RtArg::Tuple(vec![channel, text]),
            RtArg::Position,
        ],
    );
    let sent = build.var("sent", Ty::STRING);
    build.set(B0, sent, text);
    build.op(
        B0,
        Op::Select {
            dst: chosen,
            cases: vec![
                SelectCase {
                    channel,
                    send: true,
                    value: sent,
                    ok: None,
                    span: NOWHERE,
                },
                SelectCase {
                    channel,
                    send: false,
                    value: got,
                    ok: Some(ok),
                    span: NOWHERE,
                },
            ],
            timeout: int(-1),
        },
    );
    let (send, receive) = (build.block(), build.block());
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
    build.op(send, Op::Poll);
    build.op(send, Op::RunDefers);
    return_zero(&mut build, send);
    build.op(receive, Op::Define(got));
    build.op(receive, Op::Define(ok));
    build.print(receive, got);
    build.op(receive, Op::RunDefers);
    return_zero(&mut build, receive);
    check(build);
}

#[test]
fn globals() {
    let mut build = main_function();
    for (name, ty) in [
        ("flag", Ty::BOOL),
        ("count", Ty::INT),
        ("names", build.strings),
    ] {
        build.program.globals.push(typed::Global {
            may_be_early: false,
            name: name.to_string(),
            ty,
            span: NOWHERE,
        });
    }
    let flag = build.var("flag", Ty::BOOL);
    build.op(
        B0,
        Op::GlobalLoad {
            dst: flag,
            global: GlobalId(0),
        },
    );
    build.op(
        B0,
        Op::GlobalStore {
            global: GlobalId(0),
            value: Operand::Var(flag),
        },
    );
    build.op(
        B0,
        Op::GlobalStore {
            global: GlobalId(1),
            value: int(3),
        },
    );
    let address = build.var("g", build.reference);
    build.op(
        B0,
        Op::GlobalAddress {
            dst: address,
            global: GlobalId(2),
        },
    );
    let names = build.var("names", build.strings);
    let strings = build.strings;
    build.runtime(
        B0,
        None,
        "echo_global_load",
        vec![
            RtArg::Value(Operand::Var(address)),
            RtArg::Out(names),
            RtArg::Desc(strings),
        ],
    );
    build.runtime(
        B0,
        None,
        "echo_global_store",
        vec![
            RtArg::Value(Operand::Var(address)),
            RtArg::MoveOut(names),
            RtArg::Desc(strings),
        ],
    );
    return_zero(&mut build, B0);
    check(build);
}

#[test]
fn a_loop_that_polls() {
    let mut build = main_function();
    let flag = build.var("flag", Ty::BOOL);
    let text = build.var("x", Ty::STRING);
    let (body, end) = (build.block(), build.block());
    build.fresh(B0, text);
    build.end(B0, Terminator::Jump(body));
    let args = vec![
        RtArg::Value(Operand::Var(text)),
        RtArg::Value(Operand::Var(text)),
    ];
    build.runtime(body, Some(flag), "echo_string_equal", args);
    build.op(body, Op::Poll);
    build.branch(body, flag, body, end);
    return_zero(&mut build, end);
    let text = check(build);
    assert!(text.contains("invoke void @echo_poll()"), "{text}");
}

#[test]
fn lines_of_the_code() {
    let mut build = main_function();
    for line in 0..3 {
        build.pause(B0);
        let at = line * 10;
        build.function.blocks[0].instrs[line as usize].span = Span::new(NOWHERE.file, at, at + 1);
    }
    return_zero(&mut build, B0);
    let text = llvm_text(build);
    for level in [0, 2] {
        let code = object_code(&compile(&text, level)).expect("code");
        let lines: Vec<u32> = code
            .lines
            .iter()
            .filter(|row| row.function == "eo.test")
            .map(|row| row.line)
            .collect();
        for line in 1..=3 {
            assert!(lines.contains(&line), "line {line} in {lines:?}");
        }
        assert!(
            code.lines
                .iter()
                .all(|row| u64::from(row.offset) < code.size)
        );
        assert!(code.offset_of(super::ANCHOR).is_some());
    }
}

#[test]
fn the_same_program_gives_the_same_text() {
    let text = || {
        let mut build = main_function();
        let (point, map) = with_struct(&mut build);
        let (a, b) = (build.var("a", point), build.var("b", map));
        for (var, ty) in [(a, point), (b, map)] {
            let value = Operand::Const(Const::Zero(ty));
            build.op(B0, Op::Set { dst: var, value });
            build.runtime(
                B0,
                None,
                "echo_print",
                vec![RtArg::Borrow(var), RtArg::Desc(ty)],
            );
        }
        return_zero(&mut build, B0);
        llvm_text(build)
    };
    assert_eq!(text(), text());
}

/// The text after the passes.
fn optimised(build: Build) -> String {
    let llvm = Llvm::load().expect("an LLVM");
    let text = llvm_text(build);
    let bytes = llvm.compile(&text, 2, Output::OptimisedIr).expect("valid");
    String::from_utf8(bytes).expect("text")
}

/// `callee` calls itself with its argument and does nothing else.
fn endless_recursion(build: &mut Build) -> FnId {
    let callee = build.callee(FunctionKind::Normal, &[Ty::INT]);
    let call = Op::Call {
        dst: None,
        function: callee,
        args: vec![Arg::Value(Operand::Var(Var(0)))],
    };
    build.others[0].blocks[0].instrs.push(crate::ir::Instr {
        op: call,
        span: NOWHERE,
        unwind: Vec::new(),
    });
    callee
}

#[test]
fn endless_recursion_stays_recursion() {
    let mut build = main_function();
    let callee = endless_recursion(&mut build);
    build.call(B0, callee, vec![Arg::Value(int(1))]);
    return_zero(&mut build, B0);
    let text = optimised(build);
    let body = text.split("@eo.callee1(").nth(2).expect("a body");
    assert!(text.matches("@eo.callee1(").count() >= 3, "{body}");
}

#[test]
fn a_call_that_may_overflow_the_stack_keeps_its_cleanup() {
    let mut build = main_function();
    let callee = endless_recursion(&mut build);
    let text = build.var("x", Ty::STRING);
    build.fresh(B0, text);
    build.call(B0, callee, vec![Arg::Value(int(1))]);
    build.print(B0, text);
    return_zero(&mut build, B0);
    let text = optimised(build);
    assert!(text.contains("invoke "), "{text}");
}

#[test]
fn a_function_that_always_fails_stays_in_the_one_section() {
    let mut build = main_function();
    let callee = build.callee(FunctionKind::Normal, &[Ty::INT]);
    build.others[0].blocks[0] = crate::ir::Block {
        instrs: vec![crate::ir::Instr {
            op: Op::Runtime {
                dst: None,
                symbol: "echo_panic_overflow",
                args: vec![RtArg::Position],
            },
            span: NOWHERE,
            unwind: Vec::new(),
        }],
        terminator: Some(Terminator::Unreachable),
    };
    let flag = build.var("flag", Ty::BOOL);
    build.op(
        B0,
        Op::Compare {
            dst: flag,
            op: CompareOp::Eq,
            left: int(1),
            right: int(2),
            ty: Ty::INT,
        },
    );
    build.call(B0, callee, vec![Arg::Value(int(1))]);
    return_zero(&mut build, B0);
    check(build);
}

#[test]
fn every_function_checks_its_stack() {
    let mut build = main_function();
    build.function.defers = true;
    let entry = build.callee(FunctionKind::Entry, &[Ty::STRING]);
    let text = build.var("x", Ty::STRING);
    build.fresh(B0, text);
    let args = vec![text];
    build.op(B0, Op::Defer { entry, args });
    build.op(B0, Op::RunDefers);
    return_zero(&mut build, B0);
    let text = check(build);
    for line in text.lines().filter(|line| line.starts_with("define")) {
        // The runtime calls these two on a stack of its own.
        let ours = line.contains("@main(") || line.contains(super::ANCHOR);
        let checks = line.contains(" #0 ") || line.contains("\"split-stack\"");
        assert!(ours || checks, "{line}");
    }
    // An alloca elsewhere would allocate by a function that is not there.
    for block in text.split("define ").skip(1) {
        let (_, after_entry) = block.split_once("br ").unwrap_or((block, ""));
        assert!(!after_entry.contains("alloca"), "{block}");
    }
}

#[test]
fn a_reference_to_a_variable_does_not_keep_it_in_memory() {
    let mut build = main_function();
    let (array, new) = (build.var("a", build.strings), build.var("new", Ty::STRING));
    build.fresh_array(B0, array);
    build.fresh(B0, new);
    build.push(B0, array, new);
    let length = |build: &mut Build, dst| {
        let value = Operand::Var(array);
        let which = Header::ArrayLen;
        build.op(B0, Op::Header { dst, value, which });
    };
    let (first, second) = (build.var("m", Ty::INT), build.var("n", Ty::INT));
    length(&mut build, first);
    build.pause(B0);
    length(&mut build, second);
    build.op(
        B0,
        Op::Wrap {
            dst: second,
            op: BinaryOp::Add,
            left: Operand::Var(first),
            right: Operand::Var(second),
            ty: Ty::INT,
        },
    );
    build.end(B0, Terminator::Return(Some(Operand::Var(second))));
    // The array's address stays in a register: the call has a slot of its own for it.
    let text = optimised(build);
    let (_, behind) = text
        .split_once("call void @echo_array_push(")
        .expect("a push");
    let (body, _) = behind.split_once("\n}").expect("an end");
    let loads = body
        .lines()
        .filter(|line| line.contains("load ptr, ptr %v"))
        .count();
    assert_eq!(loads, 0, "{body}");
}

/// A call of a runtime function on the first parameter, a handle of that type; its LLVM text.
fn text_of_call(handle: TyKind, symbol: &'static str, rest: Vec<RtArg>, result: Ty) -> String {
    let mut build = main_function();
    let ty = build.program.types.intern(handle);
    let handle = build.param("handle", ty);
    let dst = build.var("result", result);
    let mut args = vec![RtArg::Value(Operand::Var(handle))];
    args.extend(rest);
    build.runtime(B0, Some(dst), symbol, args);
    return_zero(&mut build, B0);
    check(build)
}

#[test]
fn atomics_are_instructions() {
    let one = || RtArg::Value(int(1));
    for (symbol, rest, result, instruction) in [
        ("echo_atomic_load", vec![], Ty::INT, "load atomic i64"),
        ("echo_atomic_swap", vec![one()], Ty::INT, "atomicrmw xchg"),
        ("echo_atomic_add", vec![one()], Ty::INT, "atomicrmw add"),
        (
            "echo_atomic_compare_and_swap",
            vec![one(), one()],
            Ty::BOOL,
            "cmpxchg",
        ),
    ] {
        let text = text_of_call(TyKind::Atomic, symbol, rest, result);
        assert!(text.contains(instruction), "{symbol}\n{text}");
        assert!(text.contains(" seq_cst, align 8"), "{symbol}\n{text}");
        assert!(!text.contains(symbol), "{symbol} is called\n{text}");
    }
}

#[test]
fn what_a_channel_is_like_is_read() {
    let chan = || TyKind::Chan(Ty::INT);
    for (symbol, result) in [
        ("echo_chan_len", Ty::INT),
        ("echo_chan_cap", Ty::INT),
        ("echo_chan_is_closed", Ty::BOOL),
    ] {
        let text = text_of_call(chan(), symbol, vec![], result);
        assert!(!text.contains(symbol), "{symbol} is called\n{text}");
    }
}

#[test]
fn a_lock_in_nobodys_way_needs_no_call() {
    for (symbol, order) in [
        ("echo_mutex_lock", "acquire monotonic"),
        ("echo_mutex_unlock", "release monotonic"),
    ] {
        let mut build = main_function();
        let ty = build.program.types.intern(TyKind::Mutex(Ty::INT));
        let handle = build.param("handle", ty);
        let args = vec![RtArg::Value(Operand::Var(handle)), RtArg::Position];
        build.runtime(B0, None, symbol, args);
        return_zero(&mut build, B0);
        let text = check(build);
        assert!(text.contains(order), "{text}");
    }
}

/// The text of a `get` of a mutex around a value of that type.
fn text_of_get(value: Ty) -> String {
    let mut build = main_function();
    let ty = build.program.types.intern(TyKind::Mutex(value));
    let handle = build.param("handle", ty);
    let out = build.var("out", value);
    let handle = RtArg::Value(Operand::Var(handle));
    let args = vec![handle, RtArg::Out(out), RtArg::Position];
    build.runtime(B0, None, "echo_mutex_get", args);
    return_zero(&mut build, B0);
    check(build)
}

#[test]
fn only_plain_values_are_read_without_a_call() {
    let asks_who_is_in = "load atomic i64";
    assert!(text_of_get(Ty::INT).contains(asks_who_is_in));
    assert!(!text_of_get(Ty::STRING).contains(asks_who_is_in));
}

/// The text of a spawn whose future is awaited so many times; the value is of that type.
fn text_of_awaits(value: Ty, times: usize) -> String {
    let mut build = main_function();
    let ty = build.program.types.intern(TyKind::Future(value));
    let (future, argument) = (build.var("future", ty), build.var("argument", Ty::INT));
    let entry = build.callee(FunctionKind::Entry, &[Ty::INT]);
    let one = int(1);
    build.op(
        B0,
        Op::Set {
            dst: argument,
            value: one,
        },
    );
    let args = vec![
        RtArg::Entry(entry),
        RtArg::Tuple(vec![argument]),
        RtArg::Position,
    ];
    build.runtime(B0, Some(future), "echo_spawn", args);
    for _ in 0..times {
        let out = build.var("out", value);
        let future = RtArg::Value(Operand::Var(future));
        let args = vec![future, RtArg::Out(out), RtArg::Position];
        build.runtime(B0, None, "echo_await", args);
    }
    return_zero(&mut build, B0);
    check(build)
}

#[test]
fn the_last_await_may_free_the_future_of_a_plain_value() {
    let calls = |text: &str, name: &str| text.matches(&format!(" @{name}(ptr %")).count();
    for (value, times, waits, last) in [
        (Ty::INT, 1, 0, 1),
        (Ty::INT, 2, 1, 1),
        (Ty::STRING, 1, 1, 0),
    ] {
        let text = text_of_awaits(value, times);
        assert_eq!(calls(&text, "echo_future_wait"), waits, "{text}");
        assert_eq!(calls(&text, "echo_future_wait_last"), last, "{text}");
        assert!(text.contains("@echo_spawn_words(ptr @entry"), "{text}");
    }
}
