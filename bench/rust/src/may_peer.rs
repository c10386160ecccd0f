//! may: stackful coroutines for Rust.

use crate::{Case, Figure, each};
use may::coroutine;
use std::sync::Once;

pub const CASES: &[Case] = &[
    ("yield_2", "may", |workers| yields(workers, 2)),
    ("yield_1000", "may", |workers| yields(workers, 1000)),
    ("ping_pong", "may", ping_pong),
    ("spawn_batch", "may", spawn_batch),
];

fn configure(workers: usize) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        may::config().set_workers(workers).set_stack_size(0x1000);
    });
}

/// Runs a closure in a coroutine.
fn run<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> T {
    // SAFETY: the closures use little stack and no thread-locals.
    unsafe { coroutine::spawn(task) }.join().expect("no panic")
}

fn yields(workers: usize, tasks: usize) -> Figure {
    configure(workers);
    let rounds = 4_000_000 / tasks;
    each(3, rounds * tasks, || {
        run(move || {
            let tasks: Vec<_> = (0..tasks)
                // SAFETY: as in `run`.
                .map(|_| unsafe { coroutine::spawn(move || (0..rounds).for_each(|_| coroutine::yield_now())) })
                .collect();
            tasks.into_iter().for_each(|task| task.join().expect("no panic"));
        })
    })
}

fn ping_pong(workers: usize) -> Figure {
    configure(workers);
    let count = 1_000_000;
    each(3, count, || {
        run(move || {
            let (to, from) = may::sync::mpsc::channel::<usize>();
            let (back, here) = may::sync::mpsc::channel::<usize>();
            // SAFETY: as in `run`.
            let echo = unsafe {
                coroutine::spawn(move || {
                    for value in from {
                        if back.send(value).is_err() {
                            break;
                        }
                    }
                })
            };
            let mut sum = 0;
            for _ in 0..count {
                to.send(1).expect("open");
                sum += here.recv().expect("open");
            }
            assert_eq!(sum, count);
            drop(to);
            echo.join().expect("no panic");
        })
    })
}

fn spawn_batch(workers: usize) -> Figure {
    configure(workers);
    each(3, 200_000, || {
        run(|| {
            for _ in 0..200 {
                // SAFETY: as in `run`.
                let tasks: Vec<_> = (0..1000).map(|i| unsafe { coroutine::spawn(move || i & 1) }).collect();
                let sum: usize = tasks.into_iter().map(|task| task.join().expect("no panic")).sum();
                assert_eq!(sum, 500);
            }
        })
    })
}
