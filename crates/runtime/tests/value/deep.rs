//! Values nested a million deep: no walk may use the native stack for them.

use crate::support::*;
use echo_abi::layout::Kind;
use echo_runtime::exports;
use std::cmp::Ordering;

const DEPTH: usize = 1_000_000;

/// `Some([Some([… None …])])`
fn tower(depth: usize) -> Value {
    let (option, list) = nest();
    let mut value = variant(option, 0, None);
    for _ in 0..depth {
        value = variant(option, 1, Some(array(list, vec![value])));
    }
    value
}

/// Runs with a stack that recursion would soon leave.
fn on_small_stack(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(128 << 10)
            .spawn_scoped(scope, test);
        thread.unwrap().join().unwrap();
    });
}

#[test]
fn every_walk_of_a_deep_value() {
    checked(|| {
        on_small_stack(|| {
            let value = tower(DEPTH);
            let other = deep_copy(&value);
            assert_eq!(value, other);
            assert_eq!(value.order(&other), Ordering::Equal);
            assert_eq!(value.hash(), other.hash());
            let text = value.text();
            assert_eq!(text.len(), DEPTH * "Some([])".len() + "None".len());
            assert!(text.starts_with("Some([Some([") && text.ends_with("])])"));
            value.share();
            drop(value.clone());
            drop(value);
            drop(other);
        })
    });
}

/// The same tower, built anew with the same types.
fn deep_copy(value: &Value) -> Value {
    let option = value.desc;
    // SAFETY: the payload of `Some` has a type.
    let list = unsafe { &*(*option.fields.add(1)).desc };
    let mut copy = variant(option, 0, None);
    for _ in 0..DEPTH {
        copy = variant(option, 1, Some(array(list, vec![copy])));
    }
    copy
}

#[test]
fn a_difference_at_the_bottom_is_found() {
    checked(|| {
        on_small_stack(|| {
            let (long, short) = (tower(1000), tower(999));
            assert_ne!(long, short);
            assert_eq!(long.order(&short), Ordering::Greater);
        })
    });
}

#[test]
fn maps_inside_maps() {
    checked(|| {
        on_small_stack(|| {
            let of_ints = map_of(int(), int());
            let mut value = map(of_ints, vec![(num(1), num(2))]);
            for _ in 0..2000 {
                value = map(map_of(int(), value.desc), vec![(num(1), value)]);
            }
            let copy = value.clone();
            assert_eq!(value, copy);
            assert_eq!(value.hash(), copy.hash());
            value.share();
            assert!(value.text().ends_with(&"}".repeat(2001)));
        })
    });
}

/// Channels in channels: destroying one drops what is in its buffer, from inside another drop.
#[test]
fn channels_inside_channels() {
    checked(|| {
        on_small_stack(|| {
            let of = scalar(Kind::Chan, 8, "chan");
            let mut chain: Option<Value> = None;
            for _ in 0..200_000 {
                // SAFETY: the type is a constant; what is sent is moved.
                let outer = unsafe {
                    let outer = Value::of(of, word(exports::echo_chan_new(pointer(of), 1, 0)));
                    if let Some(inner) = chain {
                        let inner = inner.moved();
                        let sent = inner.as_ptr().cast_mut().cast();
                        assert!(exports::echo_chan_try_send(outer.block(), sent));
                    }
                    outer
                };
                chain = Some(outer);
            }
            drop(chain);
        })
    });
}
