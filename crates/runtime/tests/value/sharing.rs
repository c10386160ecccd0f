//! Values that cross threads.

use crate::support::*;
use echo_abi::layout::{ARRAY_DATA_OFFSET, Kind};
use echo_runtime::exports;
use std::thread;

#[test]
fn what_a_shared_block_reaches_is_shared() {
    checked(|| {
        let of = map_of(string(), array_of(string()));
        let key = text("k");
        let value = map(of, vec![(key.clone(), texts(&["a"]))]);
        let row = get(&value, &key).unwrap();
        value.share();
        assert!(value.count() < 0 && key.count() < 0 && row.count() < 0);
        let before = (value.count(), row.count());
        value.share();
        assert_eq!(
            (value.count(), row.count()),
            before,
            "sharing again changes nothing"
        );
        let (element, copy) = (row.clone(), key.clone());
        drop((element, copy));
        assert_eq!((value.count(), key.count(), row.count()), (-1, -2, -2));
    });
}

#[test]
fn share_then_drop_from_other_threads() {
    checked(|| {
        for _ in 0..200 {
            let inside = texts(&["a", "b", "c"]);
            let value = array(
                array_of(inside.desc),
                vec![inside.clone(), inside.clone(), inside],
            );
            value.share();
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let value = value.clone();
                    thread::spawn(move || {
                        let value = value;
                        let copies: Vec<_> = (0..50).map(|_| value.clone()).collect();
                        assert_eq!(copies[7], value);
                    })
                })
                .collect();
            drop(value);
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
        }
    });
}

#[test]
fn a_copy_of_a_shared_value_is_changed_apart() {
    checked(|| {
        let value = texts(&["a"]);
        value.share();
        let threads: Vec<_> = (0..3)
            .map(|number| {
                let value = value.clone();
                thread::spawn(move || {
                    let value = value;
                    for round in 0..500 {
                        push(&value, text(&format!("{number}.{round}")));
                    }
                    assert_eq!(value.text().matches(&format!("{number}.")).count(), 500);
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(value.text(), "[a]");
    });
}

#[test]
fn the_last_owner_of_a_shared_block_changes_it_in_place() {
    checked(|| {
        let value = ints(&[1, 2]);
        value.share();
        assert_eq!(value.count(), -1);
        let block = value.block();
        push(&value, num(3));
        assert_eq!(
            (value.block(), value.count(), value.text()),
            (block, 1, "[1, 2, 3]".into())
        );
        let other = value.clone();
        other.share();
        push(&value, num(4));
        assert_ne!(value.block(), block);
        assert_eq!((other.text(), other.count()), ("[1, 2, 3]".into(), -1));
    });
}

#[test]
fn handles_inside_values_are_counted_like_blocks() {
    checked(|| {
        let of = scalar(Kind::Atomic, 8, "Atomic");
        // SAFETY: the handle is new.
        let atomic = Value::of(of, unsafe { exports::echo_atomic_new(0) });
        let pair = tuple_of("(Atomic, string)", &[of, string()]);
        let row = || fields(pair, vec![atomic.clone(), text("a")]);
        let rows = array(array_of(pair), vec![row(), row()]);
        assert_eq!(rows.text(), "[(Atomic, a), (Atomic, a)]");
        assert_eq!(atomic.count(), -3);
        rows.share();
        let other = rows.clone();
        let thread = thread::spawn(move || {
            let rows = other;
            push(&rows, rows_first(&rows));
            rows.count()
        });
        assert_eq!(thread.join().unwrap(), 1);
        drop(rows);
        assert_eq!(atomic.count(), -1);
    });
}

/// A copy of the first element.
fn rows_first(rows: &Value) -> Value {
    // SAFETY: the array is not empty; elements follow its header.
    unsafe { copy_of(&*inner(rows).cast(), rows.block().add(ARRAY_DATA_OFFSET)) }
}
