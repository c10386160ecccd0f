//! Equality, order and hashes, and that they agree.

use crate::support::*;
use echo_abi::layout::Kind;
use std::cmp::Ordering::{Equal, Greater, Less};

fn real(value: f64) -> Value {
    Value::of(float(), value)
}

#[test]
fn zeros_and_nan_as_numbers_and_as_keys() {
    checked(|| {
        assert_eq!(real(0.0), real(-0.0));
        assert_ne!(real(f64::NAN), real(f64::NAN));
        assert_eq!(real(f64::NAN).order(&real(f64::NAN)), Equal);
        assert_eq!(real(f64::INFINITY).order(&real(f64::NAN)), Less);
        let of = map_of(float(), string());
        let map = map(
            of,
            vec![(real(0.0), text("zero")), (real(f64::NAN), text("nan"))],
        );
        insert(&map, real(-0.0), text("minus"));
        insert(&map, real(-f64::NAN), text("other nan"));
        assert_eq!(map.text(), "{0.0: minus, NaN: other nan}");
        let short = scalar(Kind::F32, 4, "f32");
        let (plus, minus) = (Value::of(short, 0.0f32), Value::of(short, -0.0f32));
        assert!(plus.same_key(&minus) && plus.hash() == minus.hash() && plus == minus);
    });
}

#[test]
fn nan_inside_containers() {
    checked(|| {
        let make = || array(array_of(float()), vec![real(1.0), real(f64::NAN)]);
        let value = make();
        let copy = value.clone();
        assert_ne!(value, copy, "also the very same block holds a NaN");
        assert_ne!(value, make());
        assert!(value.same_key(&make()));
        assert_eq!(value.hash(), make().hash());
        assert_eq!(value.order(&make()), Equal);
    });
}

#[test]
fn order_of_strings_and_arrays() {
    checked(|| {
        assert_eq!(text("a").order(&text("b")), Less);
        assert_eq!(text("Z").order(&text("a")), Less);
        assert_eq!(
            text("\u{ffff}").order(&text("\u{10000}")),
            Less,
            "code points, not UTF-16"
        );
        assert_eq!(text("ab").order(&text("a")), Greater);
        assert_eq!(ints(&[1, 2]).order(&ints(&[1, 2, 0])), Less);
        assert_eq!(ints(&[2]).order(&ints(&[1, 9, 9])), Greater);
        assert_eq!(ints(&[-1]).order(&ints(&[1])), Less);
        assert_eq!(ints(&[]).order(&ints(&[])), Equal);
    });
}

#[test]
fn order_of_enums_and_structs() {
    checked(|| {
        let option = option_of(int());
        let some = |n| variant(option, 1, Some(num(n)));
        assert_eq!(variant(option, 0, None).order(&some(i64::MIN)), Less);
        assert_eq!(some(1).order(&some(2)), Less);
        let mut stale = some(7);
        // A `None` may have any bytes behind its tag.
        stale = {
            let value = variant(option, 0, None);
            std::mem::drop(stale);
            value
        };
        assert_eq!(stale, variant(option, 0, None));
        let point = struct_of("P", &[("x", int()), ("y", int())]);
        let at = |x, y| fields(point, vec![num(x), num(y)]);
        assert_eq!(at(1, 9).order(&at(2, 0)), Less);
        assert_eq!(at(1, 9).order(&at(1, 8)), Greater);
        assert_eq!(at(3, 4), at(3, 4));
    });
}

#[test]
fn padding_and_stale_payloads_do_not_count() {
    checked(|| {
        let option = option_of(int());
        let none = |rest: u64| Value::of(option, [0u64, rest]);
        assert_eq!(none(1), none(2));
        assert_eq!(none(1).hash(), none(2).hash());
        let padded = tuple_of("(bool, int)", &[scalar(Kind::Bool, 1, "bool"), int()]);
        let make = |padding: u64| Value::of(padded, [padding << 8 | 1, 5]);
        assert_eq!(make(1), make(2));
        assert_eq!(make(1).hash(), make(2).hash());
    });
}

#[test]
fn maps_are_equal_in_any_order() {
    checked(|| {
        let of = map_of(string(), int());
        let make = |names: &[&str]| {
            map(
                of,
                names
                    .iter()
                    .map(|name| (text(name), num(name.len() as i64)))
                    .collect(),
            )
        };
        let (one, two) = (make(&["a", "bb", "ccc"]), make(&["ccc", "a", "bb"]));
        assert_eq!(one, two);
        assert_eq!(one.hash(), two.hash());
        assert_ne!(one, make(&["a", "bb"]));
        assert_ne!(one, make(&["a", "bb", "ddd"]));
        insert(&two, text("a"), num(7));
        assert_ne!(one, two);
        assert_eq!(empty_of(of), make(&[]));
    });
}

#[test]
fn maps_inside_keys() {
    checked(|| {
        let of = map_of(string(), int());
        let key = struct_of("K", &[("m", of), ("n", int())]);
        let make = |names: &[&str]| {
            let inside = map(of, names.iter().map(|name| (text(name), num(1))).collect());
            fields(key, vec![inside, num(3)])
        };
        assert!(make(&["a", "b"]).same_key(&make(&["b", "a"])));
        assert_eq!(make(&["a", "b"]).hash(), make(&["b", "a"]).hash());
        assert_ne!(make(&["a", "b"]).hash(), make(&["a", "c"]).hash());
        assert_ne!(make(&[]).hash(), make(&["a"]).hash());
        let before = struct_of("B", &[("n", int()), ("m", of), ("k", int())]);
        let hash = |n, k| fields(before, vec![num(n), empty_of(of), num(k)]).hash();
        assert_ne!(hash(1, 0), hash(2, 0), "what stands before a map counts");
        assert_ne!(hash(0, 1), hash(0, 2), "what stands behind a map counts");
    });
}

/// Values of a type with everything in it, from few enough choices that equal ones meet.
fn random_value(random: &mut Random, of: Desc) -> Value {
    match of.kind {
        Kind::I64 => num(random.below(3) as i64),
        Kind::F64 => real([0.0, -0.0, f64::NAN, 1.5][random.below(4) as usize]),
        Kind::String => text(
            ["", "a", "é", "a longer text, of more than sixteen bytes"][random.below(4) as usize],
        ),
        Kind::Array => {
            let element = part(of, 0);
            array(
                of,
                (0..random.below(3))
                    .map(|_| random_value(random, element))
                    .collect(),
            )
        }
        Kind::Map => {
            let (key, item) = (part(of, 0), part(of, 1));
            map(
                of,
                (0..random.below(4))
                    .map(|_| (random_value(random, key), random_value(random, item)))
                    .collect(),
            )
        }
        Kind::Enum => {
            let tag = random.below(2) as i32;
            let payload = (tag == 1).then(|| random_value(random, part(of, 1)));
            variant(of, tag, payload)
        }
        _ => fields(
            of,
            (0..of.field_count as usize)
                .map(|index| random_value(random, part(of, index)))
                .collect(),
        ),
    }
}

fn part(of: Desc, index: usize) -> Desc {
    // SAFETY: the row has a type.
    unsafe { &*(*of.fields.add(index)).desc }
}

#[test]
fn equality_order_and_hashes_agree() {
    checked(|| {
        let of = tuple_of(
            "(float, Option[string], [int], map[string]float)",
            &[
                float(),
                option_of(string()),
                array_of(int()),
                map_of(string(), float()),
            ],
        );
        let mut random = Random(2024);
        let values: Vec<_> = (0..700).map(|_| random_value(&mut random, of)).collect();
        let mut same = 0;
        for left in &values {
            assert!(left.same_key(left) && left.order(left) == Equal);
            for right in &values {
                let order = left.order(right);
                assert_eq!(order.reverse(), right.order(left));
                assert!(left != right || left.same_key(right));
                if left.same_key(right) {
                    same += 1;
                    assert_eq!(left.hash(), right.hash(), "{left:?} {right:?}");
                }
                // Maps in another order are the same key, but have a place of their own in the order.
                assert!(order != Equal || left.same_key(right), "{left:?} {right:?}");
            }
        }
        assert!(same > values.len(), "equal values must meet");
    });
}

#[test]
fn hashes_differ() {
    checked(|| {
        let mut seen = std::collections::HashSet::new();
        assert!((0..10_000).all(|n| seen.insert(num(n).hash())));
        // Every length takes another way through the function.
        let long = "0123456789abcdefghijklmnopqrstuvwxyz0123456789";
        assert!((0..long.len()).all(|len| seen.insert(text(&long[..len]).hash())));
        for (len, at) in (1..40).flat_map(|len| (0..len).map(move |at| (len, at))) {
            let mut bytes = vec![b'x'; len];
            bytes[at] = b'y';
            let hash = text(std::str::from_utf8(&bytes).unwrap()).hash();
            assert!(seen.insert(hash), "byte {at} of {len} counts");
        }
    });
}
