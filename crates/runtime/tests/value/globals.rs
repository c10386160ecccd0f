//! Globals: whole snapshots, whatever others store meanwhile.

use crate::support::*;
use echo_runtime::value::{echo_global_load, echo_global_store};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

/// The memory of a global.
struct Global(Value);

// SAFETY: used through the two rows only.
unsafe impl Sync for Global {}

impl Global {
    fn load(&self) -> Value {
        let out = Value::zero(self.0.desc);
        // SAFETY: the global lives, `out` has room.
        unsafe { echo_global_load(self.0.at(), out.at(), self.0.desc_ptr()) };
        out
    }

    fn store(&self, value: Value) {
        let value = value.moved();
        // SAFETY: the value is moved.
        unsafe {
            echo_global_store(
                self.0.at(),
                value.as_ptr().cast_mut().cast(),
                self.0.desc_ptr(),
            )
        }
    }
}

#[test]
fn load_and_store() {
    checked(|| {
        let global = Global(Value::zero(string()));
        global.store(text("first"));
        let held = global.load();
        global.store(text("second"));
        assert_eq!(
            (held.text(), global.load().text()),
            ("first".into(), "second".into())
        );
        assert!(held.count() < 0, "what a global held is shared");
    });
}

#[test]
fn no_torn_reads() {
    checked(|| {
        let triple = struct_of(
            "T",
            &[("a", string()), ("n", int()), ("b", array_of(string()))],
        );
        let make = |n: i64| {
            let content = n.to_string();
            fields(triple, vec![text(&content), num(n), texts(&[&content])])
        };
        let global = Global(make(0));
        global.0.share();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !over.load(Relaxed) {
                        let seen = global.load().text();
                        let number: String = seen
                            .chars()
                            .skip(5)
                            .take_while(|&char| char != ',')
                            .collect();
                        assert_eq!(
                            seen,
                            format!("T{{a: {number}, n: {number}, b: [{number}]}}")
                        );
                    }
                });
            }
            (1..20_000).for_each(|n| global.store(make(n)));
            over.store(true, Relaxed);
        });
    });
}
