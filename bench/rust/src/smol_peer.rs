//! smol: async-executor on as many threads as workers are wanted.

use crate::{Case, Figure, whole};
use smol::Executor;
use std::pin::Pin;
use std::sync::Arc;

pub const CASES: &[Case] = &[("skynet", "smol", skynet), ("sleepers", "smol", sleepers)];

/// Runs a task on the executor, served by so many threads.
fn run<T: Send + 'static>(workers: usize, task: impl FnOnce(Arc<Executor<'static>>) -> Pin<Box<dyn Future<Output = T> + Send>>) -> T {
    let executor = Arc::new(Executor::new());
    let (stop, stopped) = smol::channel::unbounded::<()>();
    let threads: Vec<_> = (0..workers)
        .map(|_| {
            let (executor, stopped) = (executor.clone(), stopped.clone());
            std::thread::spawn(move || smol::block_on(executor.run(stopped.recv())).expect_err("nothing is sent"))
        })
        .collect();
    let result = smol::block_on(executor.spawn(task(executor.clone())));
    drop(stop);
    threads.into_iter().for_each(|thread| {
        thread.join().expect("no panic");
    });
    result
}

fn skynet(workers: usize) -> Figure {
    fn node(executor: Arc<Executor<'static>>, number: usize, size: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
        Box::pin(async move {
            if size == 1 {
                return number;
            }
            let part = size / 10;
            let children: Vec<_> = (0..10)
                .map(|i| executor.spawn(node(executor.clone(), number + i * part, part)))
                .collect();
            let mut sum = 0;
            for child in children {
                sum += child.await;
            }
            sum
        })
    }
    whole(3, || {
        assert_eq!(run(workers, |executor| node(executor, 0, 1_000_000)), 499_999_500_000)
    })
}

fn sleepers(workers: usize) -> Figure {
    run(workers, |executor| {
        Box::pin(async move {
            let nap = async || {
                smol::Timer::after(std::time::Duration::from_secs(1)).await;
            };
            let tasks: Vec<_> = (0..1_000_000).map(|_| executor.spawn(nap())).collect();
            for task in tasks {
                task.await;
            }
        })
    });
    Figure::Done
}
