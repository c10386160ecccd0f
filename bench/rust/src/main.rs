//! The Rust peers of the benchmark: `peers CASE PEER WORKERS` prints the best time of some repetitions; `peers list` the pairs there are.
//!
//! Each case does what the Echo program of that name does, as a user of the peer would write it, and checks its result. mimalloc is the
//! allocator, as it is for people who care for speed.

mod may_peer;
mod memory;
mod serial;
mod smol_peer;
mod tokio_peer;

use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Case, peer, the function: given the number of workers, what it measured.
type Case = (&'static str, &'static str, fn(usize) -> Figure);

pub enum Figure {
    Nanoseconds(f64),
    Milliseconds(f64),
    /// What counts is the memory or CPU time of the process.
    Done,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let cases: Vec<Case> = [tokio_peer::CASES, may_peer::CASES, smol_peer::CASES, serial::CASES, memory::CASES].concat();
    match words[..] {
        ["list"] => cases.iter().for_each(|(case, peer, _)| println!("{case} {peer}")),
        [case, peer, workers] => {
            let (_, _, run) = cases.iter().find(|(c, p, _)| *c == case && *p == peer).expect("a case of the list");
            match run(workers.parse().expect("a number of workers")) {
                Figure::Nanoseconds(value) => println!("{value} ns"),
                Figure::Milliseconds(value) => println!("{value} ms"),
                Figure::Done => println!("ok"),
            }
        }
        _ => panic!("usage: peers list | peers CASE PEER WORKERS"),
    }
}

/// The least time of so many runs, in nanoseconds. `BENCH_REPETITIONS` says how many are enough.
pub fn best(repetitions: usize, mut run: impl FnMut()) -> f64 {
    let enough = std::env::var("BENCH_REPETITIONS").map_or(repetitions, |text| text.parse().expect("a number of repetitions"));
    let mut least = f64::INFINITY;
    for _ in 0..repetitions.min(enough) {
        let start = Instant::now();
        run();
        least = least.min(start.elapsed().as_nanos() as f64);
    }
    least
}

/// Nanoseconds for each of `count` things.
pub fn each(repetitions: usize, count: usize, run: impl FnMut()) -> Figure {
    Figure::Nanoseconds(best(repetitions, run) / count as f64)
}

/// Milliseconds for the whole.
pub fn whole(repetitions: usize, run: impl FnMut()) -> Figure {
    Figure::Milliseconds(best(repetitions, run) / 1e6)
}
