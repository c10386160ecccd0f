//! Arrays: copy on write, bounds, growth, sorting.

use crate::support::*;
use echo_abi::layout::Kind;
use echo_runtime::outcome::Outcome;
use echo_runtime::value::{
    self, echo_array_clear, echo_array_contains, echo_array_insert, echo_array_join,
    echo_array_pop, echo_array_remove, echo_array_repeat, echo_array_slice, echo_array_sort,
    echo_array_unique,
};

fn len(array: &Value) -> i64 {
    // SAFETY: an array's length follows its header.
    unsafe { array.block().add(8).cast::<i64>().read() }
}

fn pop(array: &Value) -> Value {
    let mut out = num(0);
    // SAFETY: every array popped from here has elements of eight bytes, and `out` takes the type of one.
    unsafe {
        word(echo_array_pop(array.at(), inner(array), out.at(), 0));
        out.desc = &*inner(array).cast();
    }
    out
}

fn put(array: &Value, index: i64, element: Value) -> Outcome {
    let element = element.moved();
    // SAFETY: the element is moved.
    unsafe {
        echo_array_insert(
            array.at(),
            inner(array),
            index,
            element.as_ptr().cast_mut().cast(),
            0,
        )
    }
}

fn take_out(array: &Value, index: i64) -> Outcome {
    // SAFETY: the array is ours.
    unsafe { echo_array_remove(array.at(), inner(array), index, 0) }
}

fn sort(array: &Value) {
    // SAFETY: the array is ours.
    unsafe { echo_array_sort(array.at(), inner(array)) }
}

#[test]
fn a_copy_does_not_see_changes() {
    checked(|| {
        let first = texts(&["a", "b"]);
        let second = first.clone();
        assert_eq!(first.block(), second.block());
        push(&first, text("c"));
        assert_eq!(first.text(), "[a, b, c]");
        assert_eq!(second.text(), "[a, b]");
        // SAFETY: the arrays are ours.
        unsafe { echo_array_clear(second.at(), inner(&second)) };
        assert_eq!(
            (first.text(), second.text()),
            ("[a, b, c]".into(), "[]".into())
        );
    });
}

#[test]
fn every_change_copies_first() {
    checked(|| {
        let old = texts(&["b", "a"]);
        let changes: [fn(&Value); 6] = [
            |a: &Value| push(a, text("c")),
            |a| assert_eq!(pop(a).text(), "a"),
            |a| {
                word(put(a, 1, text("n")));
                assert_eq!(a.text(), "[b, n, a]");
            },
            |a| {
                word(take_out(a, 0));
                assert_eq!(a.text(), "[a]");
            },
            |a| {
                sort(a);
                assert_eq!(a.text(), "[a, b]");
            },
            // SAFETY: the array is ours.
            |a| unsafe { echo_array_unique(a.at(), inner(a)) },
        ];
        for change in changes {
            let new = old.clone();
            change(&new);
            assert_ne!(new.block(), old.block());
            assert_eq!(old.text(), "[b, a]");
        }
        assert_eq!(old.count(), 1);
    });
}

#[test]
fn a_sole_owner_changes_in_place() {
    checked(|| {
        let array = ints(&[1, 2, 3, 4]);
        let block = array.block();
        word(take_out(&array, 1));
        word(put(&array, 0, num(9)));
        assert_eq!(
            (array.block(), array.text()),
            (block, "[9, 1, 3, 4]".into())
        );
    });
}

#[test]
fn the_immortal_empty_array_is_never_written() {
    checked(|| {
        let array = empty_of(array_of(int()));
        // SAFETY: the array is ours.
        unsafe {
            echo_array_unique(array.at(), inner(&array));
            echo_array_clear(array.at(), inner(&array));
            echo_array_sort(array.at(), inner(&array));
        }
        push(&array, num(1));
        // SAFETY: 64 bytes that live for ever.
        let bytes = unsafe { std::slice::from_raw_parts(value::empty(), 64) };
        assert!(bytes.iter().all(|&byte| byte == 0));
        assert_eq!(array.text(), "[1]");
    });
}

#[test]
fn indices_out_of_range() {
    checked(|| {
        let array = texts(&["a"]);
        let insert = |index| put(&array, index, text("moved in any case"));
        assert_eq!(message(insert(2)), "index out of range: index 2, length 1");
        assert_eq!(
            message(insert(-1)),
            "index out of range: index -1, length 1"
        );
        let remove = |index| message(take_out(&array, index));
        assert_eq!(remove(1), "index out of range: index 1, length 1");
        let least = i64::MIN;
        assert_eq!(
            remove(least),
            format!("index out of range: index {least}, length 1")
        );
        for (from, to) in [(0, 2), (1, 0), (-1, 1)] {
            // SAFETY: the array is ours, here and below.
            let outcome = unsafe { echo_array_slice(array.block(), inner(&array), from, to, 0) };
            assert_eq!(
                message(outcome),
                format!("slice out of range: {from}..{to}, length 1")
            );
        }
        let (none, out) = (empty_of(array_of(int())), num(0));
        // SAFETY: see above.
        let outcome = unsafe { echo_array_pop(none.at(), inner(&none), out.at(), 0) };
        assert_eq!(message(outcome), "pop from an empty array");
        assert_eq!(array.text(), "[a]");
    });
}

fn slice(array: &Value, from: i64, to: i64) -> Value {
    // SAFETY: the array is ours, and so is the result.
    let block = unsafe { word(echo_array_slice(array.block(), inner(array), from, to, 0)) };
    Value::of(array.desc, block)
}

#[test]
fn slices_own_their_elements() {
    checked(|| {
        let array = texts(&["a", "b", "c"]);
        let (some, all, none) = (
            slice(&array, 1, 3),
            slice(&array, 0, 3),
            slice(&array, 2, 2),
        );
        drop(array);
        assert_eq!(
            (some.text(), all.text(), none.text()),
            ("[b, c]".into(), "[a, b, c]".into(), "[]".into())
        );
    });
}

fn repeat(value: &Value, len: i64) -> Outcome {
    // SAFETY: the value is borrowed.
    unsafe { echo_array_repeat(value.desc_ptr(), value.at(), len, 0) }
}

#[test]
fn repetition() {
    checked(|| {
        let made = |value: &Value, len| Value::of(array_of(value.desc), word(repeat(value, len)));
        assert_eq!(made(&num(0), 3).text(), "[0, 0, 0]");
        assert_eq!(made(&num(-7), 2).text(), "[-7, -7]");
        assert_eq!(made(&num(7), 0).text(), "[]");
        let byte = Value::of(scalar(Kind::U8, 1, "u8"), 9u8);
        assert_eq!(made(&byte, 3).text(), "[9, 9, 9]");
        let pair = tuple_of(
            "(i8, u16)",
            &[scalar(Kind::I8, 1, "i8"), scalar(Kind::U16, 2, "u16")],
        );
        let value = Value::of(pair, [0xffu8, 0, 2, 1]);
        assert_eq!(made(&value, 2).text(), "[(-1, 258), (-1, 258)]");
        let shared = text("s");
        let array = made(&shared, 3);
        assert_eq!((array.text(), shared.count()), ("[s, s, s]".into(), 4));
        assert_eq!(made(&Value::zero(void()), 2).text(), "[(), ()]");
    });
}

#[test]
fn impossible_lengths_are_panics() {
    checked(|| {
        assert_eq!(message(repeat(&num(0), -1)), "array length is negative: -1");
        let len = i64::MAX;
        assert_eq!(
            message(repeat(&num(1), len)),
            format!("out of memory: array of length {len}")
        );
        let len = i64::MAX / 8;
        assert_eq!(
            message(repeat(&num(0), len)),
            format!("out of memory: array of length {len}")
        );
    });
}

#[test]
fn growth_is_amortised() {
    checked(|| {
        let array = empty_of(array_of(int()));
        let mut moves = 0;
        let mut capacity = 0;
        for number in 0..100_000 {
            push(&array, num(number));
            // SAFETY: an array's capacity follows its length.
            let now = unsafe { array.block().add(16).cast::<i64>().read() };
            moves += i32::from(now != capacity);
            capacity = now;
        }
        assert_eq!(len(&array), 100_000);
        assert!(moves < 20, "{moves} reallocations");
    });
}

#[test]
fn elements_without_bytes() {
    checked(|| {
        let array = array(
            array_of(void()),
            (0..10).map(|_| Value::zero(void())).collect(),
        );
        assert_eq!(len(&array), 10);
        word(take_out(&array, 3));
        sort(&array);
        assert_eq!(len(&array), 9);
    });
}

#[test]
fn contains_and_join() {
    checked(|| {
        let array = texts(&["a", "bc"]);
        let contains = |value: &Value| {
            // SAFETY: both are ours.
            unsafe { echo_array_contains(array.block(), inner(&array), value.at()) }
        };
        assert!(contains(&text("bc")) && !contains(&text("b")));
        let join = |array: &Value, separator: &str| {
            let separator = text(separator);
            // SAFETY: all are ours, also the result.
            Value::of(string(), unsafe {
                echo_array_join(array.block(), inner(array), separator.block())
            })
            .text()
        };
        assert_eq!(join(&array, ", "), "a, bc");
        assert_eq!(join(&ints(&[1, 2, 3]), ""), "123");
        assert_eq!(join(&ints(&[]), ","), "");
    });
}

fn sorted(array: Value) -> String {
    sort(&array);
    array.text()
}

#[test]
fn sorting() {
    checked(|| {
        assert_eq!(sorted(ints(&[3, -1, 2])), "[-1, 2, 3]");
        assert_eq!(sorted(texts(&["b", "é", "a", "Z", ""])), "[, Z, a, b, é]");
        let floats = [
            1.5,
            f64::NAN,
            -0.5,
            f64::INFINITY,
            f64::NAN,
            f64::NEG_INFINITY,
        ];
        let floats = floats.map(|value| Value::of(float(), value)).to_vec();
        assert_eq!(
            sorted(array(array_of(float()), floats)),
            "[-inf, -0.5, 1.5, inf, NaN, NaN]"
        );
        let small = [-1i8, 1, -128]
            .map(|value| Value::of(scalar(Kind::I8, 1, "i8"), value))
            .to_vec();
        assert_eq!(
            sorted(array(array_of(scalar(Kind::I8, 1, "i8")), small)),
            "[-128, -1, 1]"
        );
        let nested = array(
            array_of(array_of(int())),
            vec![ints(&[1, 2]), ints(&[1]), ints(&[0, 9])],
        );
        assert_eq!(sorted(nested), "[[0, 9], [1], [1, 2]]");
    });
}

#[test]
fn sorting_floats_is_stable() {
    checked(|| {
        let zeros = [0.0, -0.0, 0.0, -1.0]
            .map(|value| Value::of(float(), value))
            .to_vec();
        assert_eq!(
            sorted(array(array_of(float()), zeros)),
            "[-1.0, 0.0, -0.0, 0.0]"
        );
    });
}

#[test]
fn sorting_compounds_moves_each_element_once() {
    checked(|| {
        let pair = tuple_of("(string, int)", &[string(), int()]);
        let mut random = Random(5);
        let rows: Vec<_> = (0..500)
            .map(|_| (format!("k{}", random.below(40)), random.below(9) as i64))
            .collect();
        let make = |rows: &[(String, i64)]| {
            let elements = rows
                .iter()
                .map(|(key, n)| fields(pair, vec![text(key), num(*n)]));
            array(array_of(pair), elements.collect())
        };
        let array = make(&rows);
        let mut expected = rows.clone();
        expected.sort();
        assert_eq!(sorted(array), make(&expected).text());
    });
}

/// Random operations against a `Vec`, with a copy taken now and then.
#[test]
fn against_a_model() {
    checked(|| {
        let mut random = Random(99);
        let array = empty_of(array_of(string()));
        let mut model: Vec<String> = vec![];
        let mut copies = vec![];
        for round in 0..20_000 {
            let index = random.below(model.len() as u64 + 1) as usize;
            match random.below(5) {
                0 | 1 => {
                    push(&array, text(&round.to_string()));
                    model.push(round.to_string());
                }
                2 => {
                    word(put(&array, index as i64, text(&round.to_string())));
                    model.insert(index, round.to_string());
                }
                3 if index < model.len() => {
                    word(take_out(&array, index as i64));
                    model.remove(index);
                }
                4 if !model.is_empty() => assert_eq!(pop(&array).text(), model.pop().unwrap()),
                _ => {}
            }
            if round % 1000 == 0 {
                copies.push((array.clone(), model.clone()));
                model.truncate(50);
                while len(&array) > 50 {
                    pop(&array);
                }
            }
        }
        copies.push((array.clone(), model));
        for (array, model) in copies {
            assert_eq!(array.text(), format!("[{}]", model.join(", ")));
        }
    });
}
