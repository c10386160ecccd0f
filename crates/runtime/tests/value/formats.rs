//! Every kind of value as `print` shows it.

use crate::support::*;
use echo_abi::layout::Kind;

fn shows(value: Value, expected: &str) {
    assert_eq!(value.text(), expected);
}

#[test]
fn scalars() {
    checked(|| {
        shows(Value::of(scalar(Kind::Bool, 1, "bool"), 1u8), "true");
        shows(Value::of(scalar(Kind::Bool, 1, "bool"), 0u8), "false");
        shows(Value::of(char(), u32::from('é')), "é");
        shows(Value::of(scalar(Kind::I8, 1, "i8"), -128i8), "-128");
        shows(Value::of(scalar(Kind::I16, 2, "i16"), -32768i16), "-32768");
        shows(
            Value::of(scalar(Kind::I32, 4, "i32"), i32::MIN),
            "-2147483648",
        );
        shows(num(i64::MIN), "-9223372036854775808");
        shows(num(i64::MAX), "9223372036854775807");
        shows(num(0), "0");
        shows(Value::of(scalar(Kind::U8, 1, "u8"), 255u8), "255");
        shows(Value::of(scalar(Kind::U16, 2, "u16"), 65535u16), "65535");
        shows(
            Value::of(scalar(Kind::U32, 4, "u32"), u32::MAX),
            "4294967295",
        );
        shows(
            Value::of(scalar(Kind::U64, 8, "u64"), u64::MAX),
            "18446744073709551615",
        );
        shows(Value::of(float(), 42.0f64), "42.0");
        shows(Value::of(scalar(Kind::F32, 4, "f32"), 0.1f32), "0.1");
        shows(Value::zero(void()), "()");
    });
}

#[test]
fn strings_and_chars_are_raw_inside_containers() {
    checked(|| {
        shows(text("a \"b\"\n"), "a \"b\"\n");
        shows(texts(&["a", "", "b, c"]), "[a, , b, c]");
        let chars = array(array_of(char()), vec![Value::of(char(), u32::from('x'))]);
        shows(chars, "[x]");
    });
}

#[test]
fn containers() {
    checked(|| {
        shows(empty_of(array_of(int())), "[]");
        shows(ints(&[1]), "[1]");
        shows(ints(&[1, 2, 3]), "[1, 2, 3]");
        let of_text = map_of(string(), int());
        shows(empty_of(of_text), "{}");
        shows(
            map(of_text, vec![(text("a"), num(1)), (text("b"), num(2))]),
            "{a: 1, b: 2}",
        );
        let nested = map_of(int(), array_of(int()));
        shows(
            map(nested, vec![(num(1), ints(&[1, 2])), (num(2), ints(&[]))]),
            "{1: [1, 2], 2: []}",
        );
    });
}

#[test]
fn structs_and_tuples() {
    checked(|| {
        let point = struct_of("P", &[("x", int()), ("y", int())]);
        shows(fields(point, vec![num(1), num(2)]), "P{x: 1, y: 2}");
        shows(Value::zero(struct_of("E", &[])), "E{}");
        let named = struct_of("Box[string]", &[("v", string())]);
        shows(fields(named, vec![text("hi")]), "Box[string]{v: hi}");
        let pair = tuple_of("(int, string)", &[int(), string()]);
        shows(fields(pair, vec![num(1), text("b")]), "(1, b)");
        shows(Value::zero(tuple_of("()", &[])), "()");
        let outer = struct_of("O", &[("p", point), ("t", pair)]);
        let value = fields(
            outer,
            vec![
                fields(point, vec![num(3), num(4)]),
                fields(pair, vec![num(5), text("c")]),
            ],
        );
        shows(value, "O{p: P{x: 3, y: 4}, t: (5, c)}");
    });
}

#[test]
fn enums() {
    checked(|| {
        let color = enum_of("Color", &[("Red", None), ("Green", None)]);
        shows(variant(color, 1, None), "Green");
        shows(variant(option_of(int()), 0, None), "None");
        shows(variant(option_of(int()), 1, Some(num(42))), "Some(42)");
        let result = enum_of("Result", &[("Ok", Some(int())), ("Err", Some(string()))]);
        shows(variant(result, 0, Some(num(100))), "Ok(100)");
        shows(variant(result, 1, Some(text("no"))), "Err(no)");
        let nothing = enum_of("Result", &[("Ok", Some(void())), ("Err", Some(string()))]);
        shows(variant(nothing, 0, None), "Ok(())");
        let json = enum_of("Json", &[("Null", None), ("Num", Some(float()))]);
        shows(
            variant(json, 1, Some(Value::of(float(), 1.5f64))),
            "Num(1.5)",
        );
        let inner = variant(option_of(int()), 1, Some(num(1)));
        shows(
            variant(option_of(option_of(int())), 1, Some(inner)),
            "Some(Some(1))",
        );
    });
}

#[test]
fn variants_with_several_values_have_one_pair_of_parentheses() {
    checked(|| {
        let payload = tuple_of("", &[int(), int()]);
        let shape = enum_of("Shape", &[("Rect", Some(payload))]);
        shows(
            variant(shape, 0, Some(fields(payload, vec![num(3), num(4)]))),
            "Rect(3, 4)",
        );
        let pair = tuple_of("(int, int)", &[int(), int()]);
        let value = variant(option_of(pair), 1, Some(fields(pair, vec![num(3), num(4)])));
        shows(value, "Some((3, 4))");
    });
}

#[test]
fn functions_and_handles_show_their_type() {
    checked(|| {
        // An immortal block stands for the handle.
        shows(empty_of(scalar(Kind::Chan, 8, "chan int")), "chan int");
        shows(
            empty_of(scalar(Kind::Future, 8, "Future[int]")),
            "Future[int]",
        );
        shows(
            empty_of(scalar(Kind::Func, 8, "func(int) -> int")),
            "func(int) -> int",
        );
    });
}

#[test]
fn format_of_a_string_is_the_string_itself() {
    checked(|| {
        let value = text("same");
        // SAFETY: the value is ours, and the result dropped.
        unsafe {
            let block = echo_runtime::value::echo_format(value.at(), value.desc_ptr());
            assert_eq!(block, value.block());
            echo_runtime::value::drop_string(block);
        }
    });
}
