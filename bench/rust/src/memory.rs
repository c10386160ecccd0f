//! A million channels, a million pending results: the script reads the peak memory of the process.

use crate::{Case, Figure};

const COUNT: usize = 1_000_000;

pub const CASES: &[Case] = &[
    ("channel_memory", "kanal", |_| keep(|| kanal::bounded::<usize>(0))),
    ("channel_memory", "flume", |_| keep(|| flume::bounded::<usize>(0))),
    ("channel_memory", "crossbeam", |_| keep(|| crossbeam_channel::bounded::<usize>(0))),
    ("future_memory", "tokio", |_| keep(tokio::sync::oneshot::channel::<usize>)),
];

fn keep<T>(make: impl FnMut() -> T) -> Figure {
    let all: Vec<T> = std::iter::repeat_with(make).take(COUNT).collect();
    assert_eq!(all.len(), COUNT);
    Figure::Done
}
