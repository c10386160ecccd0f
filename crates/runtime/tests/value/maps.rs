//! Maps: order of insertion, removal, copy on write.

use crate::support::*;
use echo_runtime::value::{
    echo_array_push, echo_map_clear, echo_map_entry, echo_map_keys, echo_map_len, echo_map_next,
    echo_map_values,
};
use std::ptr;
use std::time::{Duration, Instant};

fn of_texts() -> Desc {
    map_of(string(), int())
}

fn of_ints() -> Desc {
    map_of(int(), string())
}

/// The entries that iteration meets.
fn walk(map: &Value) -> Vec<(String, String)> {
    let (mut key, mut item) = (ptr::null_mut::<u8>(), ptr::null_mut::<u8>());
    let (mut cursor, mut seen) = (0, vec![]);
    // SAFETY: the map is ours, and does not change meanwhile.
    unsafe {
        loop {
            let (key_at, item_at) = ((&raw mut key).cast(), (&raw mut item).cast());
            cursor = echo_map_next(map.block(), map.desc_ptr(), cursor, key_at, item_at);
            if cursor < 0 {
                return seen;
            }
            let of =
                |index: usize, place| copy_of(&*(*map.desc.fields.add(index)).desc, place).text();
            seen.push((of(0, key), of(1, item)));
        }
    }
}

fn keys(map: &Value) -> String {
    // SAFETY: the map is ours, and so is the result.
    unsafe {
        let of = array_of(&*(*map.desc.fields).desc);
        Value::of(of, echo_map_keys(map.block(), map.desc_ptr())).text()
    }
}

fn values(map: &Value) -> String {
    // SAFETY: the map is ours, and so is the result.
    unsafe {
        let of = array_of(&*(*map.desc.fields.add(1)).desc);
        Value::of(of, echo_map_values(map.block(), map.desc_ptr())).text()
    }
}

fn len(map: &Value) -> i64 {
    // SAFETY: the map is ours.
    unsafe { echo_map_len(map.block()) }
}

#[test]
fn order_of_insertion() {
    checked(|| {
        let map = map(
            of_texts(),
            vec![
                (text("z"), num(1)),
                (text("a"), num(2)),
                (text("m"), num(3)),
            ],
        );
        insert(&map, text("a"), num(20));
        assert_eq!(map.text(), "{z: 1, a: 20, m: 3}");
        assert!(remove(&map, &text("z")) && !remove(&map, &text("z")));
        insert(&map, text("z"), num(9));
        assert_eq!(
            (map.text(), keys(&map), values(&map)),
            (
                "{a: 20, m: 3, z: 9}".into(),
                "[a, m, z]".into(),
                "[20, 3, 9]".into()
            )
        );
        let pairs =
            [("a", "20"), ("m", "3"), ("z", "9")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(walk(&map), pairs);
    });
}

#[test]
fn an_empty_map() {
    checked(|| {
        let map = empty_of(of_texts());
        assert_eq!(
            (len(&map), keys(&map), walk(&map).len()),
            (0, "[]".into(), 0)
        );
        assert!(get(&map, &text("a")).is_none() && !remove(&map, &text("a")));
        // SAFETY: the map is ours.
        unsafe { echo_map_clear(map.at(), map.desc_ptr()) };
        insert(&map, text("a"), num(1));
        assert!(remove(&map, &text("a")));
        assert_eq!((map.text(), walk(&map).len()), ("{}".into(), 0));
        assert_eq!(map, empty_of(of_texts()));
        insert(&map, text("b"), num(2));
        assert_eq!(map.text(), "{b: 2}");
    });
}

#[test]
fn a_copy_does_not_see_changes() {
    checked(|| {
        let old = map(
            of_ints(),
            (0..20).map(|n| (num(n), text(&n.to_string()))).collect(),
        );
        let expected = old.text();
        let changes: [fn(&Value); 5] = [
            |m| insert(m, num(5), text("new")),
            |m| insert(m, num(50), text("new")),
            |m| assert!(remove(m, &num(7))),
            // SAFETY: the map is ours.
            |m| unsafe { echo_map_clear(m.at(), m.desc_ptr()) },
            // SAFETY: see above.
            |m| unsafe { assert!(!echo_map_entry(m.at(), m.desc_ptr(), num(99).at()).is_null()) },
        ];
        for change in changes {
            let new = old.clone();
            change(&new);
            assert_ne!(new.text(), expected);
            assert_eq!(old.text(), expected);
        }
        let same = old.clone();
        assert!(!remove(&same, &num(1000)));
        assert_eq!(same.block(), old.block(), "nothing removed, nothing copied");
    });
}

#[test]
fn an_entry_is_made_with_the_zero_value() {
    checked(|| {
        let map = empty_of(map_of(string(), array_of(int())));
        let key = text("k");
        for number in 0..3 {
            // SAFETY: the entry's place holds an array.
            unsafe {
                let place = echo_map_entry(map.at(), map.desc_ptr(), key.at());
                let new = num(number).moved();
                echo_array_push(place, pointer(int()), new.as_ptr().cast_mut().cast());
            }
        }
        assert_eq!((map.text(), key.count()), ("{k: [0, 1, 2]}".into(), 2));
    });
}

#[test]
fn clearing_a_map_of_ones_own() {
    checked(|| {
        let map = map(of_ints(), (0..50).map(|n| (num(n), text("x"))).collect());
        for n in [3, 49, 0] {
            assert!(remove(&map, &num(n)));
        }
        // SAFETY: the map is ours.
        unsafe { echo_map_clear(map.at(), map.desc_ptr()) };
        assert_eq!((map.text(), len(&map)), ("{}".into(), 0));
        assert!(get(&map, &num(5)).is_none());
        (0..20).for_each(|n| insert(&map, num(n), text("y")));
        assert_eq!(
            (len(&map), get(&map, &num(7)).unwrap().text()),
            (20, "y".into())
        );
    });
}

#[test]
fn a_map_as_a_queue_stays_fast_and_small() {
    checked(|| {
        let map = empty_of(map_of(int(), int()));
        (0..1000).for_each(|n| insert(&map, num(n), num(n)));
        for n in 1000..300_000 {
            insert(&map, num(n), num(n));
            assert_eq!(first_key(&map), n - 1000);
            assert!(remove(&map, &num(n - 1000)));
        }
        assert_eq!(len(&map), 1000);
        // SAFETY: a map's capacity is its fifth word.
        let capacity = unsafe { map.block().cast::<usize>().add(4).read() };
        assert!(capacity <= 2048, "room for {capacity} entries");
    });
}

#[test]
fn taking_from_the_front_does_not_step_over_what_was_taken() {
    checked(|| {
        const ENTRIES: i64 = 200_000;
        let map = empty_of(map_of(int(), int()));
        (0..ENTRIES).for_each(|n| insert(&map, num(n), num(n)));
        let started = Instant::now();
        for n in 0..ENTRIES {
            assert_eq!(first_key(&map), n);
            assert!(remove(&map, &num(n)));
        }
        // Twenty thousand million steps would take far longer.
        assert!(started.elapsed() < Duration::from_secs(5));
    });
}

/// The first key of a map from int to int, which is not empty.
fn first_key(map: &Value) -> i64 {
    let (mut key, mut item) = (ptr::null_mut::<i64>(), ptr::null_mut::<i64>());
    // SAFETY: the map is ours.
    unsafe {
        let (key_at, item_at) = ((&raw mut key).cast(), (&raw mut item).cast());
        let next = echo_map_next(map.block(), map.desc_ptr(), 0, key_at, item_at);
        assert!(next > 0);
        key.read()
    }
}

/// Random operations against a list of pairs; copies must stay as they were.
#[test]
fn against_a_model() {
    for (seed, keys) in [(1, 6), (2, 12), (3, 40), (4, 700)] {
        checked(|| model_run(seed, keys));
    }
}

fn model_run(seed: u64, keys: u64) {
    let mut random = Random(seed);
    let map = empty_of(of_texts());
    let mut model: Vec<(String, i64)> = vec![];
    let mut copies = vec![];
    for round in 0..8_000i64 {
        let name = format!("key-{}", random.below(keys));
        let position = model.iter().position(|(key, _)| *key == name);
        match random.below(4) {
            0 | 1 => {
                insert(&map, text(&name), num(round));
                match position {
                    Some(at) => model[at].1 = round,
                    None => model.push((name.clone(), round)),
                }
            }
            2 => {
                assert_eq!(remove(&map, &text(&name)), position.is_some());
                position.map(|at| model.remove(at));
            }
            _ => {
                let found = get(&map, &text(&name)).map(|value| value.text());
                assert_eq!(found, position.map(|at| model[at].1.to_string()));
            }
        }
        assert_eq!(len(&map), model.len() as i64);
        if round % 500 == 0 {
            copies.push((map.clone(), model.clone()));
        }
    }
    copies.push((map.clone(), model));
    for (map, model) in copies {
        let pairs: Vec<_> = model
            .iter()
            .map(|(k, v)| (k.clone(), v.to_string()))
            .collect();
        assert_eq!(walk(&map), pairs);
        for (key, value) in &model {
            assert_eq!(get(&map, &text(key)).unwrap().text(), value.to_string());
        }
    }
}

#[test]
fn keys_and_values_of_any_size() {
    checked(|| {
        let byte = scalar(echo_abi::layout::Kind::U8, 1, "u8");
        let map = map(
            map_of(byte, byte),
            (0..200u8)
                .map(|n| (Value::of(byte, n), Value::of(byte, n.wrapping_mul(3))))
                .collect(),
        );
        for n in 0..200u8 {
            assert_eq!(
                get(&map, &Value::of(byte, n)).unwrap().text(),
                n.wrapping_mul(3).to_string()
            );
        }
        let wide = struct_of("W", &[("a", byte), ("b", string()), ("c", byte)]);
        let make = |n: u8| {
            fields(
                wide,
                vec![Value::of(byte, n), text("w"), Value::of(byte, n)],
            )
        };
        let wides = crate::support::map(
            map_of(wide, void()),
            (0..30).map(|n| (make(n), Value::zero(void()))).collect(),
        );
        assert!(get(&wides, &make(29)).is_some() && get(&wides, &make(30)).is_none());
    });
}
