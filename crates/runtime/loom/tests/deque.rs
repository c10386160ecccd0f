//! The deque of coroutines that have not started: what is pushed is taken exactly once, by whichever of the ways there are to take it.

#![cfg(loom)]

use echo_runtime_loom::scheduler::deque::{CAPACITY, Deque};
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
    // SAFETY: nobody else knows it yet.
    item.turns.with_mut(|turns| unsafe { *turns = 1 });
    Box::into_raw(Box::new(item))
}

/// Takes the item over; its number. Loom fails if anybody else could touch it now, or if the one who pushed it had not finished.
fn run(item: *mut Item) -> u32 {
    // SAFETY: taken from a deque, each item is its taker's alone.
    let item = unsafe { Box::from_raw(item) };
    item.turns.with_mut(|turns| unsafe {
        assert_eq!(*turns, 1);
        *turns += 1;
    });
    item.number
}

fn filled(count: usize) -> Arc<Deque<Item>> {
    let deque = Arc::new(Deque::new(false));
    (0..count).for_each(|number| deque.push(item(number as u32)).expect("room"));
    deque
}

fn pop_all(deque: &Deque<Item>) -> Vec<u32> {
    std::iter::from_fn(|| deque.pop()).map(run).collect()
}

/// Steals into a deque of its own and runs everything.
fn thief(victim: &Arc<Deque<Item>>) -> thread::JoinHandle<Vec<u32>> {
    let victim = victim.clone();
    thread::spawn(move || {
        let own = Deque::new(false);
        let mut taken: Vec<u32> = victim.steal_into(&own).map(run).into_iter().collect();
        taken.extend(pop_all(&own));
        taken
    })
}

/// All of `taken` together are the numbers below `count`, each once.
fn assert_complete(taken: impl IntoIterator<Item = Vec<u32>>, count: usize) {
    let mut all: Vec<u32> = taken.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (0..count as u32).collect::<Vec<u32>>());
}

/// Bounded, so that it takes seconds: every interleaving with that many preemptions.
fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn the_last_item_is_taken_once() {
    loom::model(|| {
        let deque = filled(1);
        let stolen = thief(&deque);
        let taken = pop_all(&deque);
        assert_complete([taken, stolen.join().expect("no panic")], 1);
    });
}

#[test]
fn an_owner_that_pops_and_a_thief_share_the_items() {
    check(4, || {
        let deque = filled(2);
        let stolen = thief(&deque);
        let mut taken = pop_all(&deque);
        deque.push(item(2)).expect("room");
        taken.extend(pop_all(&deque));
        assert_complete([taken, stolen.join().expect("no panic")], 3);
    });
}

/// The thief may see `bottom` only after a pop has lowered it.
#[test]
fn what_is_pushed_and_popped_beside_a_thief_is_whole() {
    check(3, || {
        let deque = Arc::new(Deque::new(false));
        let thief = thief(&deque);
        (0..2).for_each(|number| deque.push(item(number)).expect("room"));
        let popped = pop_all(&deque);
        let stolen = thief.join().expect("it does not panic");
        assert_complete([popped, stolen], 2);
    });
}

#[test]
fn a_thief_that_steals_several_meets_an_owner_that_pops() {
    check(3, || {
        let deque = filled(CAPACITY);
        let stolen = thief(&deque);
        let taken = pop_all(&deque);
        assert_complete([taken, stolen.join().expect("no panic")], CAPACITY);
    });
}

#[test]
fn two_thieves_and_the_owner_never_take_the_same() {
    check(2, || {
        let deque = filled(3);
        let thieves = [thief(&deque), thief(&deque)];
        let taken = pop_all(&deque);
        let [first, second] = thieves.map(|thief| thief.join().expect("no panic"));
        assert_complete([taken, first, second], 3);
    });
}

#[test]
fn an_owner_that_takes_several_of_the_oldest_meets_a_thief() {
    check(3, || {
        let deque = filled(3);
        let stolen = thief(&deque);
        let mut oldest = [std::ptr::null_mut(); 2];
        let count = deque.take_oldest(&mut oldest);
        let mut taken: Vec<u32> = oldest[..count].iter().map(|&item| run(item)).collect();
        assert!(taken.is_sorted());
        taken.extend(pop_all(&deque));
        assert_complete([taken, stolen.join().expect("no panic")], 3);
    });
}

#[test]
fn removing_the_second_newest_meets_a_thief() {
    for (count, second) in [(2, 0), (3, 1), (4, 2)] {
        check(3, move || {
            let deque = Arc::new(Deque::new(false));
            let items: Vec<*mut Item> = (0..count).map(item).collect();
            items
                .iter()
                .for_each(|&item| deque.push(item).expect("room"));
            let stolen = thief(&deque);
            let wanted = items[second as usize];
            let mut taken: Vec<u32> = (deque.remove(wanted).then(|| run(wanted)))
                .into_iter()
                .collect();
            taken.extend(pop_all(&deque));
            assert_complete([taken, stolen.join().expect("no panic")], count as usize);
        });
    }
}

#[test]
fn slots_are_used_again_only_after_they_were_taken() {
    check(3, || {
        let deque = filled(CAPACITY);
        let stolen = thief(&deque);
        let mut taken = Vec::new();
        let mut next = item(CAPACITY as u32);
        while let Err(back) = deque.push(next) {
            next = back;
            taken.extend(deque.pop().map(run));
        }
        taken.extend(pop_all(&deque));
        assert_complete([taken, stolen.join().expect("no panic")], CAPACITY + 1);
    });
}

/// Catches a new buffer that is stored after `bottom`, or while there is still something to steal.
#[test]
fn a_deque_that_grows_meets_a_thief() {
    check(2, || {
        let deque = filled(CAPACITY);
        let stolen = thief(&deque);
        deque.make_room(|_| true).expect("memory");
        deque.push(item(CAPACITY as u32)).expect("room");
        let taken = pop_all(&deque);
        assert_complete([taken, stolen.join().expect("no panic")], CAPACITY + 1);
    });
}

/// Catches an item that is dropped and stolen.
#[test]
fn a_deque_that_drops_what_is_not_worth_keeping_meets_a_thief() {
    check(3, || {
        let deque = filled(CAPACITY);
        let stolen = thief(&deque);
        let mut taken = Vec::new();
        let keep = |item: *mut Item| {
            // SAFETY: taken from the deque, it is ours; its number does not change.
            let is_kept = unsafe { (*item).number % 2 == 0 };
            if !is_kept {
                taken.push(run(item));
            }
            is_kept
        };
        deque.make_room(keep).expect("memory");
        deque.push(item(CAPACITY as u32)).expect("room");
        taken.extend(pop_all(&deque));
        assert_complete([taken, stolen.join().expect("no panic")], CAPACITY + 1);
    });
}

#[test]
fn a_lone_worker_needs_neither_fences_nor_compare_and_swap() {
    loom::model(|| {
        let deque = Deque::new(true);
        let items = [0, 1, 2, 3].map(item);
        items
            .iter()
            .for_each(|&item| deque.push(item).expect("room"));
        assert!(deque.remove(items[2]), "the second newest");
        assert!(deque.remove(items[0]), "the oldest");
        assert_eq!([run(items[2]), run(items[0])], [2, 0]);
        (4..7).map(item).for_each(|item| {
            if deque.push(item).is_err() {
                deque.make_room(|_| true).expect("memory");
                deque.push(item).expect("room");
            }
        });
        assert_eq!(pop_all(&deque), [6, 5, 4, 3, 1]);
        assert!(deque.is_empty() && deque.pop().is_none());
    });
}
