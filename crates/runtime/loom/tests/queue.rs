//! The workers' queue: what is pushed is taken exactly once, oldest first, and its contents are seen by the one who takes it.

#![cfg(loom)]

use echo_runtime_loom::scheduler::queue::{CAPACITY, Queue};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// What a coroutine is here: written before it is pushed, read and changed by the one who took it.
struct Item {
    number: u32,
    turns: UnsafeCell<u32>,
}

fn item(number: u32) -> *mut Item {
    let item = Item {
        number,
        turns: UnsafeCell::new(0),
    };
    // As the runtime does: the memory is ours, and plain until it is published.
    item.turns.with_mut(|turns| unsafe { *turns = 1 });
    Box::into_raw(Box::new(item))
}

/// Takes the item over; its number. Loom fails if anybody else could touch it now, or if the one who pushed it had not finished.
fn run(item: *mut Item) -> u32 {
    // SAFETY: taken from a queue, each item is its taker's alone.
    let item = unsafe { Box::from_raw(item) };
    item.turns.with_mut(|turns| unsafe {
        assert_eq!(*turns, 1);
        *turns += 1;
    });
    item.number
}

fn drain(queue: &Queue<Item>, taken: &mut Vec<u32>) {
    while let Some(item) = queue.pop() {
        taken.push(run(item));
    }
}

/// All of `taken` together are the numbers below `count`, each once.
fn assert_complete(taken: impl IntoIterator<Item = Vec<u32>>, count: u32) {
    let mut all: Vec<u32> = taken.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (0..count).collect::<Vec<u32>>());
}

fn assert_ascending(taken: &[u32]) {
    assert!(taken.is_sorted(), "out of order: {taken:?}");
}

/// Steals into a queue of its own and runs everything.
fn thief(victim: Arc<Queue<Item>>, attempts: u32) -> Vec<u32> {
    let own = Queue::new();
    let mut taken = Vec::new();
    for _ in 0..attempts {
        if let Some(first) = victim.steal_into(&own) {
            taken.push(run(first));
        }
        drain(&own, &mut taken);
    }
    assert_ascending(&taken);
    taken
}

#[test]
fn an_owner_and_a_thief_share_the_items() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        queue.push(item(0)).expect("room");
        queue.push(item(1)).expect("room");
        let stolen = thread::spawn({
            let queue = queue.clone();
            move || thief(queue, 1)
        });
        queue.push(item(2)).expect("room");
        let mut taken = Vec::new();
        drain(&queue, &mut taken);
        assert_ascending(&taken);
        assert_complete([taken, stolen.join().expect("no panic")], 3);
    });
}

#[test]
fn two_thieves_never_take_the_same() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let queue = Arc::new(Queue::new());
        (0..3).for_each(|number| queue.push(item(number)).expect("room"));
        let thieves = [(); 2].map(|()| {
            let queue = queue.clone();
            thread::spawn(move || thief(queue, 1))
        });
        let mut taken = Vec::new();
        drain(&queue, &mut taken);
        let [first, second] = thieves.map(|thief| thief.join().expect("no panic"));
        assert_complete([taken, first, second], 3);
    });
}

#[test]
fn who_looks_ahead_sees_items_only() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        for number in 0..2 {
            assert!(queue.push(item(number)).is_ok());
        }
        let victim = queue.clone();
        let other = thread::spawn(move || thief(victim, 2));
        // The thief may have them by now; nobody has used the slots behind them.
        let mut ahead = (0..3).filter_map(|others| queue.peek(others));
        assert!(ahead.all(|item| !item.is_null()));
        let mut own = Vec::new();
        drain(&queue, &mut own);
        assert_complete([own, other.join().unwrap()], 2);
    });
}

#[test]
fn slots_are_used_again_only_after_they_were_taken() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let queue = Arc::new(Queue::new());
        (0..CAPACITY).for_each(|number| queue.push(item(number)).expect("room"));
        let stolen = thread::spawn({
            let queue = queue.clone();
            move || thief(queue, 1)
        });
        // The queue is full, or the thief has made room: then this goes into a slot that it has read.
        let mut taken = Vec::new();
        let mut next = item(CAPACITY);
        while let Err(back) = queue.push(next) {
            next = back;
            taken.extend(queue.pop().map(run));
        }
        drain(&queue, &mut taken);
        assert_ascending(&taken);
        assert_complete([taken, stolen.join().expect("no panic")], CAPACITY + 1);
    });
}

#[test]
fn an_overflowing_owner_and_a_thief_share_the_items() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let queue = Arc::new(Queue::new());
        (0..CAPACITY).for_each(|number| queue.push(item(number)).expect("room"));
        let stolen = thread::spawn({
            let queue = queue.clone();
            move || thief(queue, 1)
        });
        let mut taken = Vec::new();
        if let Err(last) = queue.push(item(CAPACITY)) {
            let mut half = [std::ptr::null_mut(); CAPACITY as usize / 2];
            let count = queue.take_half(&mut half);
            taken.extend(half[..count].iter().map(|&item| run(item)));
            assert!(queue.push(last).is_ok(), "half of the queue was taken");
        }
        drain(&queue, &mut taken);
        assert_ascending(&taken);
        assert_complete([taken, stolen.join().expect("no panic")], CAPACITY + 1);
    });
}

#[test]
fn indexes_wrap() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        // Beyond the capacity, so that slots and indexes differ.
        for number in 0..CAPACITY + 1 {
            queue.push(item(number)).expect("room");
            assert_eq!(queue.pop().map(run), Some(number));
        }
        queue.push(item(0)).expect("room");
        queue.push(item(1)).expect("room");
        let stolen = thread::spawn({
            let queue = queue.clone();
            move || thief(queue, 1)
        });
        let mut taken = Vec::new();
        taken.extend(queue.pop().map(run));
        let stolen = stolen.join().expect("no panic");
        drain(&queue, &mut taken);
        assert_complete([taken, stolen], 2);
    });
}

#[test]
fn a_lone_worker_needs_no_compare_and_swap() {
    loom::model(|| {
        let queue = Queue::new();
        queue.push(item(0)).expect("room");
        queue.push(item(1)).expect("room");
        assert_eq!(queue.pop_alone().map(run), Some(0));
        assert_eq!(queue.pop_alone().map(run), Some(1));
        assert!(queue.pop_alone().is_none() && queue.is_empty());
    });
}
