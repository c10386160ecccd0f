//! tokio, with kanal's channels where tokio has none of that kind.

use crate::{Case, Figure, best, each, whole};
use std::future::Future;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, yield_now};

pub const CASES: &[Case] = &[
    ("spawn_all", "tokio", spawn_all),
    ("spawn_batch", "tokio", spawn_batch),
    ("spawn_one", "tokio", spawn_one),
    ("yield_2", "tokio", |workers| yields(workers, 2)),
    ("yield_1000", "tokio", |workers| yields(workers, 1000)),
    ("ping_pong", "tokio+kanal", ping_pong),
    ("ring", "tokio+kanal", ring),
    ("chan_buffered", "tokio+kanal", chan_buffered),
    ("producer_consumer", "tokio+kanal", |workers| {
        producer_consumer(workers, 128, 5_000_000)
    }),
    ("producer_consumer_0", "tokio+kanal", |workers| {
        producer_consumer(workers, 0, 3_000_000)
    }),
    ("four_by_four", "tokio+kanal", four_by_four),
    ("select_2_0", "tokio with capacity 1", |workers| select_2(workers, 1)),
    ("select_8_0", "tokio with capacity 1", |workers| select_8(workers, 1)),
    ("select_2_128", "tokio", |workers| select_2(workers, 128)),
    ("select_8_128", "tokio", |workers| select_8(workers, 128)),
    ("sieve", "tokio+kanal", sieve),
    ("skynet", "tokio", skynet),
    ("fib_tasks", "tokio", fib_tasks),
    ("future", "tokio", oneshot),
    ("mutex_8", "tokio", mutex_8),
    ("idle_memory", "tokio", idle),
    ("sleepers", "tokio", sleepers),
];

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_time()
        .build()
        .expect("a runtime")
}

/// Runs the future as a task, so that it does not run on the blocked main thread.
fn run<T: Send + 'static>(runtime: &Runtime, task: impl Future<Output = T> + Send + 'static) -> T {
    runtime.block_on(async move { tokio::spawn(task).await.expect("no panic") })
}

async fn unit(i: usize) -> usize {
    i & 1
}

async fn join_all(count: usize) -> usize {
    let tasks: Vec<JoinHandle<usize>> = (0..count).map(|i| tokio::spawn(unit(i))).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("no panic");
    }
    sum
}

fn spawn_all(workers: usize) -> Figure {
    let runtime = runtime(workers);
    run(&runtime, join_all(1_000_000));
    each(5, 1_000_000, || assert_eq!(run(&runtime, join_all(1_000_000)), 500_000))
}

fn spawn_batch(workers: usize) -> Figure {
    let runtime = runtime(workers);
    each(5, 2_000_000, || {
        run(&runtime, async {
            for _ in 0..2000 {
                assert_eq!(join_all(1000).await, 500);
            }
        })
    })
}

fn spawn_one(workers: usize) -> Figure {
    let runtime = runtime(workers);
    each(5, 1_000_000, || {
        run(&runtime, async {
            let mut sum = 0;
            for i in 0..1_000_000 {
                sum += tokio::spawn(unit(i)).await.expect("no panic");
            }
            assert_eq!(sum, 500_000);
        })
    })
}

fn yields(workers: usize, tasks: usize) -> Figure {
    let runtime = runtime(workers);
    let rounds = 4_000_000 / tasks;
    each(3, rounds * tasks, || {
        run(&runtime, async move {
            let tasks: Vec<_> = (0..tasks)
                .map(|_| {
                    tokio::spawn(async move {
                        for _ in 0..rounds {
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
        })
    })
}

fn ping_pong(workers: usize) -> Figure {
    let runtime = runtime(workers);
    let count = 1_000_000;
    each(5, count, || {
        run(&runtime, async move {
            let (to, from) = kanal::bounded_async::<usize>(0);
            let (back, here) = kanal::bounded_async::<usize>(0);
            tokio::spawn(async move {
                while let Ok(value) = from.recv().await {
                    if back.send(value).await.is_err() {
                        break;
                    }
                }
            });
            let mut sum = 0;
            for _ in 0..count {
                to.send(1).await.expect("open");
                sum += here.recv().await.expect("open");
            }
            assert_eq!(sum, count);
        })
    })
}

fn ring(workers: usize) -> Figure {
    let runtime = runtime(workers);
    let (nodes, rounds) = (503, 4000);
    each(3, nodes * rounds, || {
        run(&runtime, async move {
            let (first, mut last) = kanal::bounded_async::<usize>(0);
            for _ in 1..nodes {
                let (output, next) = kanal::bounded_async::<usize>(0);
                let input = std::mem::replace(&mut last, next);
                tokio::spawn(async move {
                    while let Ok(token) = input.recv().await {
                        if output.send(token + 1).await.is_err() {
                            break;
                        }
                    }
                });
            }
            let mut token = 0;
            for _ in 0..rounds {
                first.send(token).await.expect("open");
                token = last.recv().await.expect("open");
            }
            assert_eq!(token, rounds * (nodes - 1));
        })
    })
}

fn chan_buffered(workers: usize) -> Figure {
    let runtime = runtime(workers);
    let count = 10_000_000;
    each(5, 2 * count, || {
        run(&runtime, async move {
            let (to, from) = kanal::bounded_async::<usize>(16);
            let mut sum = 0;
            for i in 0..count {
                to.send(i & 1).await.expect("open");
                sum += from.recv().await.expect("open");
            }
            assert_eq!(sum, count / 2);
        })
    })
}

fn producer_consumer(workers: usize, capacity: usize, count: usize) -> Figure {
    let runtime = runtime(workers);
    each(5, count, || {
        run(&runtime, async move {
            let (to, from) = kanal::bounded_async::<usize>(capacity);
            tokio::spawn(async move {
                for i in 0..count {
                    to.send(i & 1).await.expect("open");
                }
            });
            let mut sum = 0;
            while let Ok(value) = from.recv().await {
                sum += value;
            }
            assert_eq!(sum, count / 2);
        })
    })
}

fn four_by_four(workers: usize) -> Figure {
    let runtime = runtime(workers);
    let count = 1_000_000;
    each(5, 4 * count, || {
        run(&runtime, async move {
            let (to, from) = kanal::bounded_async::<usize>(128);
            for _ in 0..4 {
                let to = to.clone();
                tokio::spawn(async move {
                    for i in 0..count {
                        to.send(i & 1).await.expect("open");
                    }
                });
            }
            drop(to);
            let consumers: Vec<_> = (0..4)
                .map(|_| {
                    let from = from.clone();
                    tokio::spawn(async move {
                        let mut sum = 0;
                        while let Ok(value) = from.recv().await {
                            sum += value;
                        }
                        sum
                    })
                })
                .collect();
            let mut sum = 0;
            for consumer in consumers {
                sum += consumer.await.expect("no panic");
            }
            assert_eq!(sum, 2 * count);
        })
    })
}

fn select_2(workers: usize, capacity: usize) -> Figure {
    let runtime = runtime(workers);
    let count = 2_000_000;
    each(5, 2 * count, || {
        run(&runtime, async move {
            let (to_a, mut a) = tokio::sync::mpsc::channel::<usize>(capacity);
            let (to_b, mut b) = tokio::sync::mpsc::channel::<usize>(capacity);
            produce_into(vec![to_a, to_b], count);
            let mut sum = 0;
            while sum < 2 * count {
                tokio::select! {
                    Some(value) = a.recv() => sum += value,
                    Some(value) = b.recv() => sum += value,
                    else => break,
                }
            }
            assert_eq!(sum, 2 * count);
        })
    })
}

/// Sends `count` ones into each of the channels.
fn produce_into(outputs: Vec<tokio::sync::mpsc::Sender<usize>>, count: usize) {
    for to in outputs {
        tokio::spawn(async move {
            for _ in 0..count {
                to.send(1).await.expect("open");
            }
        });
    }
}

fn select_8(workers: usize, capacity: usize) -> Figure {
    let runtime = runtime(workers);
    let count = 250_000;
    each(5, 8 * count, || {
        run(&runtime, async move {
            let (to, from): (Vec<_>, Vec<_>) = (0..8).map(|_| tokio::sync::mpsc::channel::<usize>(capacity)).unzip();
            produce_into(to, count);
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h]: [_; 8] = from.try_into().expect("eight");
            let mut sum = 0;
            while sum < 8 * count {
                tokio::select! {
                    Some(value) = a.recv() => sum += value,
                    Some(value) = b.recv() => sum += value,
                    Some(value) = c.recv() => sum += value,
                    Some(value) = d.recv() => sum += value,
                    Some(value) = e.recv() => sum += value,
                    Some(value) = f.recv() => sum += value,
                    Some(value) = g.recv() => sum += value,
                    Some(value) = h.recv() => sum += value,
                    else => break,
                }
            }
            assert_eq!(sum, 8 * count);
        })
    })
}

fn sieve(workers: usize) -> Figure {
    let runtime = runtime(workers);
    whole(3, || {
        run(&runtime, async {
            let (to, mut numbers) = kanal::bounded_async::<usize>(0);
            tokio::spawn(async move {
                let mut number = 2;
                while to.send(number).await.is_ok() {
                    number += 1;
                }
            });
            let mut prime = 0;
            for _ in 0..2000 {
                prime = numbers.recv().await.expect("open");
                let (to, next) = kanal::bounded_async::<usize>(0);
                let input = std::mem::replace(&mut numbers, next);
                tokio::spawn(async move {
                    while let Ok(number) = input.recv().await {
                        if number % prime != 0 && to.send(number).await.is_err() {
                            break;
                        }
                    }
                });
            }
            assert_eq!(prime, 17_389);
        })
    })
}

/// A million tasks that wait for one gate.
fn idle(workers: usize) -> Figure {
    let runtime = runtime(workers);
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    run(&runtime, async move {
        for _ in 0..1_000_000 {
            let gate = gate.clone();
            tokio::spawn(async move { drop(gate.acquire().await) });
        }
        while std::sync::Arc::strong_count(&gate) < 1_000_001 {
            yield_now().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        gate.close();
    });
    Figure::Done
}

fn sleepers(workers: usize) -> Figure {
    let runtime = runtime(workers);
    run(&runtime, async {
        let nap = || tokio::time::sleep(std::time::Duration::from_secs(1));
        let tasks: Vec<_> = (0..1_000_000).map(|_| tokio::spawn(nap())).collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    Figure::Done
}

fn skynet(workers: usize) -> Figure {
    fn node(number: usize, size: usize) -> std::pin::Pin<Box<dyn Future<Output = usize> + Send>> {
        Box::pin(async move {
            if size == 1 {
                return number;
            }
            let part = size / 10;
            let children: Vec<_> = (0..10).map(|i| tokio::spawn(node(number + i * part, part))).collect();
            let mut sum = 0;
            for child in children {
                sum += child.await.expect("no panic");
            }
            sum
        })
    }
    let runtime = runtime(workers);
    whole(3, || assert_eq!(run(&runtime, node(0, 1_000_000)), 499_999_500_000))
}

fn fib_tasks(workers: usize) -> Figure {
    fn fib(n: usize) -> std::pin::Pin<Box<dyn Future<Output = usize> + Send>> {
        Box::pin(async move {
            if n < 2 {
                return n;
            }
            let (a, b) = (tokio::spawn(fib(n - 1)), tokio::spawn(fib(n - 2)));
            a.await.expect("no panic") + b.await.expect("no panic")
        })
    }
    let runtime = runtime(workers);
    whole(5, || assert_eq!(run(&runtime, fib(27)), 196_418))
}

fn oneshot(workers: usize) -> Figure {
    let runtime = runtime(workers);
    let count = 5_000_000;
    each(5, count, || {
        run(&runtime, async move {
            let mut sum = 0;
            for i in 0..count {
                let (to, from) = tokio::sync::oneshot::channel();
                to.send(i & 1).expect("open");
                sum += from.await.expect("sent");
            }
            assert_eq!(sum, count / 2);
        })
    })
}

fn mutex_8(workers: usize) -> Figure {
    let runtime = runtime(workers);
    let count = 200_000;
    Figure::Nanoseconds(
        best(3, || {
            run(&runtime, async move {
                let mutex = std::sync::Arc::new(tokio::sync::Mutex::new(0));
                let tasks: Vec<_> = (0..8)
                    .map(|_| {
                        let mutex = mutex.clone();
                        tokio::spawn(async move {
                            for _ in 0..count {
                                *mutex.lock().await += 1;
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("no panic");
                }
                assert_eq!(*mutex.lock().await, 8 * count);
            })
        }) / (8 * count) as f64,
    )
}
