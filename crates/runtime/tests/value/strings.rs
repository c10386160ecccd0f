//! Strings: characters, pieces, parsing, builders.

use crate::support::*;
use echo_abi::layout::ARRAY_DATA_OFFSET;
use echo_runtime::value::{
    echo_builder_clear, echo_builder_len, echo_builder_new, echo_builder_text, echo_builder_write,
    echo_string_append, echo_string_char_at, echo_string_chars, echo_string_concat,
    echo_string_contains, echo_string_ends_with, echo_string_equal, echo_string_next,
    echo_string_parse_float, echo_string_parse_int, echo_string_replace, echo_string_slice,
    echo_string_split, echo_string_starts_with, echo_string_to_lower, echo_string_to_upper,
    echo_string_trim, empty,
};

fn char_len(value: &Value) -> i64 {
    // SAFETY: the count of characters is behind that of bytes.
    unsafe { value.block().add(16).cast::<i64>().read() }
}

fn made(block: *mut u8) -> Value {
    let value = Value::of(string(), block);
    assert_eq!(
        char_len(&value),
        value.text().chars().count() as i64,
        "{value:?}"
    );
    assert!(
        !value.text().is_empty() || block == empty(),
        "one empty string"
    );
    value
}

fn listed(block: *mut u8) -> Vec<String> {
    let array = Value::of(array_of(string()), block);
    // SAFETY: elements follow the header of an array.
    unsafe {
        let len = array.block().add(8).cast::<i64>().read() as usize;
        (0..len)
            .map(|index| copy_of(string(), array.block().add(ARRAY_DATA_OFFSET + index * 8)))
            .map(|value| made(value.clone().moved()[0] as usize as *mut u8).text())
            .collect()
    }
}

const MIXED: &str = "aé漢😀z";

#[test]
fn characters_by_index() {
    checked(|| {
        let long: String = MIXED.chars().cycle().take(1000).collect();
        for content in ["", "abc", MIXED, &long] {
            let value = text(content);
            for (index, char) in content.chars().enumerate() {
                // SAFETY: the string is ours, here and below.
                let outcome = unsafe { echo_string_char_at(value.block(), index as i64, 0) };
                assert_eq!(word(outcome), u64::from(u32::from(char)));
            }
            let len = content.chars().count() as i64;
            for index in [len, -1] {
                // SAFETY: see above.
                let outcome = unsafe { echo_string_char_at(value.block(), index, 0) };
                assert_eq!(
                    message(outcome),
                    format!("index out of range: index {index}, length {len}")
                );
            }
        }
    });
}

#[test]
fn slices_of_every_range() {
    checked(|| {
        let long: String = MIXED.chars().cycle().take(150).collect();
        for content in ["", "abcdef", MIXED, &long] {
            let value = text(content);
            let chars: Vec<char> = content.chars().collect();
            for from in 0..=chars.len() {
                for to in from..=chars.len() {
                    // SAFETY: the string is ours, and so is the result.
                    let part = unsafe {
                        word(echo_string_slice(value.block(), from as i64, to as i64, 0))
                    };
                    let expected: String = chars[from..to].iter().collect();
                    assert_eq!(made(part as usize as *mut u8).text(), expected);
                }
            }
        }
        let value = text(MIXED);
        for (from, to) in [(0, 6), (-1, 2), (3, 2), (6, 6)] {
            // SAFETY: the string is ours.
            let outcome = unsafe { echo_string_slice(value.block(), from, to, 0) };
            assert_eq!(
                message(outcome),
                format!("slice out of range: {from}..{to}, length 5")
            );
        }
    });
}

#[test]
fn iteration() {
    checked(|| {
        let value = text(MIXED);
        let mut offset = 0i64;
        let mut seen = String::new();
        loop {
            // SAFETY: the string is ours.
            let char = unsafe { echo_string_next(value.block(), (&raw mut offset).cast()) };
            match u32::try_from(char) {
                Ok(char) => seen.push(char::from_u32(char).unwrap()),
                Err(_) => break,
            }
        }
        assert_eq!((seen.as_str(), offset), (MIXED, MIXED.len() as i64));
    });
}

#[test]
fn concatenation() {
    checked(|| {
        let join = |left: &str, right: &str| {
            let (left, right) = (text(left), text(right));
            // SAFETY: the strings are ours, and so is the result.
            made(unsafe { echo_string_concat(left.block(), right.block()) }).text()
        };
        assert_eq!(join("a", "é"), "aé");
        assert_eq!(join("", "x"), "x");
        assert_eq!(join("x", ""), "x");
        assert_eq!(join("", ""), "");
    });
}

fn append(left: Value, right: &Value) -> Value {
    let block = left.block();
    left.moved();
    // SAFETY: `left` is given away, the others are ours.
    made(unsafe { echo_string_append(block, right.block()) })
}

#[test]
fn appending_to_a_text_of_one_owner_happens_in_place() {
    checked(|| {
        let (piece, mut whole, mut moves) = (text("aé"), text("x"), 0);
        for _ in 0..10_000 {
            let before = whole.block();
            whole = append(whole, &piece);
            moves += usize::from(whole.block() != before);
        }
        assert_eq!(whole.text(), format!("x{}", "aé".repeat(10_000)));
        assert!(moves < 100, "{moves} copies");
    });
}

#[test]
fn appending_changes_no_other_owner_s_text() {
    checked(|| {
        let first = append(text("long enough to have a block"), &text("!"));
        let other = first.clone();
        let second = append(first, &text("?"));
        assert_eq!(other.text(), "long enough to have a block!");
        assert_eq!(second.text(), "long enough to have a block!?");
        let twice = append(second.clone(), &second);
        assert_eq!(second.text(), "long enough to have a block!?");
        assert_eq!(twice.text(), second.text().repeat(2));
    });
}

#[test]
fn appending_to_what_was_shared() {
    checked(|| {
        let shared = text("ab");
        shared.share();
        let longer = append(shared, &text("c"));
        assert_eq!((longer.text(), longer.count()), ("abc".into(), 1));
        assert_eq!(append(text(""), &longer).text(), "abc");
        assert_eq!(append(longer, &text("")).text(), "abc");
    });
}

#[test]
fn splitting() {
    checked(|| {
        let split = |content: &str, separator: &str| {
            let (content, separator) = (text(content), text(separator));
            // SAFETY: the strings are ours, and so is the result.
            listed(unsafe { echo_string_split(content.block(), separator.block()) })
        };
        assert_eq!(split("a,b,,c", ","), ["a", "b", "", "c"]);
        assert_eq!(split("abc", ","), ["abc"]);
        assert_eq!(split("", ","), [""]);
        assert_eq!(split(",", ","), ["", ""]);
        assert_eq!(split("aXXbXX", "XX"), ["a", "b", ""]);
        assert_eq!(split(MIXED, ""), ["a", "é", "漢", "😀", "z"]);
        assert!(split("", "").is_empty());
        assert_eq!(split("é;漢", ";"), ["é", "漢"]);
    });
}

#[test]
fn replacing() {
    checked(|| {
        let replace = |content: &str, from: &str, to: &str| {
            let (content, from, to) = (text(content), text(from), text(to));
            // SAFETY: the strings are ours, and so is the result.
            made(unsafe { echo_string_replace(content.block(), from.block(), to.block()) }).text()
        };
        assert_eq!(replace("banana", "an", "é"), "béaéa".replace("éaéa", "ééa"));
        assert_eq!(replace("abc", "x", "y"), "abc");
        assert_eq!(replace("aaa", "a", ""), "");
        assert_eq!(replace("ab", "", "-"), "-a-b-");
        assert_eq!(replace("", "", "-"), "-");
    });
}

#[test]
fn tests_and_changes_of_case() {
    checked(|| {
        type Change = unsafe extern "C" fn(*mut u8) -> *mut u8;
        let change = |with: Change, content: &str| {
            let value = text(content);
            // SAFETY: the string is ours, and so is the result.
            made(unsafe { with(value.block()) }).text()
        };
        assert_eq!(change(echo_string_to_upper, "straße é"), "STRASSE É");
        assert_eq!(change(echo_string_to_lower, "ÀÉ ABC İ"), "àé abc i\u{307}");
        assert_eq!(change(echo_string_trim, " \t\n x y\u{3000}"), "x y");
        assert_eq!(change(echo_string_trim, "  "), "");
        type Test = unsafe extern "C" fn(*mut u8, *mut u8) -> bool;
        let test = |with: Test, left: &str, right: &str| {
            let (left, right) = (text(left), text(right));
            // SAFETY: the strings are ours.
            unsafe { with(left.block(), right.block()) }
        };
        assert!(test(echo_string_contains, "abc", "bc") && test(echo_string_contains, "abc", ""));
        assert!(!test(echo_string_contains, "abc", "ac"));
        assert!(
            test(echo_string_starts_with, "é漢", "é") && !test(echo_string_starts_with, "a", "ab")
        );
        assert!(test(echo_string_ends_with, "é漢", "漢") && !test(echo_string_ends_with, "", "a"));
        assert!(test(echo_string_equal, "é", "é") && !test(echo_string_equal, "e", "é"));
    });
}

#[test]
fn list_of_characters() {
    checked(|| {
        let value = text(MIXED);
        // SAFETY: the string is ours, and so is the result.
        let chars = Value::of(array_of(char()), unsafe {
            echo_string_chars(value.block())
        });
        assert_eq!(chars.text(), "[a, é, 漢, 😀, z]");
    });
}

fn parse_int(content: &str) -> Result<i64, String> {
    let content = text(content);
    let (out, error) = (num(0), Value::zero(string()));
    // SAFETY: the places have room for their values.
    match unsafe { echo_string_parse_int(content.block(), out.at(), error.at()) } {
        true => {
            error.moved();
            Ok(out.block() as usize as i64)
        }
        false => Err(error.text()),
    }
}

fn parse_float(content: &str) -> Result<f64, String> {
    let content = text(content);
    let (out, error) = (num(0), Value::zero(string()));
    // SAFETY: the places have room for their values.
    match unsafe { echo_string_parse_float(content.block(), out.at(), error.at()) } {
        true => {
            error.moved();
            Ok(f64::from_bits(out.block() as usize as u64))
        }
        false => Err(error.text()),
    }
}

#[test]
fn parsing() {
    checked(|| {
        assert_eq!(parse_int("42"), Ok(42));
        assert_eq!(parse_int("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(parse_int("+7"), Ok(7));
        let invalid = |content: &str| Err(format!("invalid integer: {content}"));
        assert_eq!(parse_int("abc"), invalid("\"abc\""));
        assert_eq!(parse_int(""), invalid("\"\""));
        assert_eq!(parse_int(" 1"), invalid("\" 1\""));
        assert_eq!(parse_int("1\n2"), invalid("\"1\\n2\""));
        let large = "9223372036854775808";
        assert_eq!(
            parse_int(large),
            Err(format!("integer out of range: \"{large}\""))
        );
        assert_eq!(parse_float("2.5"), Ok(2.5));
        assert_eq!(parse_float("1e3"), Ok(1000.0));
        assert_eq!(parse_float("-inf"), Ok(f64::NEG_INFINITY));
        assert_eq!(parse_float("x"), Err("invalid float: \"x\"".into()));
        assert_eq!(parse_float(""), Err("invalid float: \"\"".into()));
    });
}

#[test]
fn builders() {
    checked(|| {
        let of = scalar(echo_abi::layout::Kind::StringBuilder, 8, "string.Builder");
        // SAFETY: the builder is ours.
        unsafe {
            let builder = Value::of(of, echo_builder_new());
            let (part, other) = (text("é漢"), text("abc"));
            echo_builder_write(builder.block(), part.block());
            builder.share();
            echo_builder_write(builder.block(), other.block());
            assert_eq!(echo_builder_len(builder.block()), 5);
            let so_far = made(echo_builder_text(builder.block()));
            echo_builder_clear(builder.block());
            assert_eq!(echo_builder_len(builder.block()), 0);
            assert_eq!(made(echo_builder_text(builder.block())).text(), "");
            assert_eq!(so_far.text(), "é漢abc");
        }
    });
}

#[test]
fn a_shared_builder_takes_whole_pieces() {
    checked(|| {
        let of = scalar(echo_abi::layout::Kind::StringBuilder, 8, "string.Builder");
        // SAFETY: the builder is shared before threads see it.
        let builder = Value::of(of, unsafe { echo_builder_new() });
        builder.share();
        let threads: Vec<_> = ["aaaa", "bbbb"]
            .map(|piece| {
                let builder = builder.clone();
                std::thread::spawn(move || {
                    let builder = builder;
                    let piece = text(piece);
                    // SAFETY: the thread owns a reference.
                    (0..10_000).for_each(|_| unsafe {
                        echo_builder_write(builder.block(), piece.block())
                    });
                })
            })
            .into();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        // SAFETY: the builder is ours.
        let all = made(unsafe { echo_builder_text(builder.block()) }).text();
        assert_eq!(all.len(), 80_000);
        assert!(
            all.as_bytes()
                .chunks(4)
                .all(|piece| piece == b"aaaa" || piece == b"bbbb")
        );
    });
}
