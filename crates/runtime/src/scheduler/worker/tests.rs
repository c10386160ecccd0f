//! Near before far, on a machine of three nodes, the first two of which are near each other, with two workers each.

use super::*;
use crate::node_memory::tests::as_if_at_home;
use crate::scheduler::topology::{self, Topology};
use std::cell::RefCell;
use std::iter;
use std::ops::Deref;

/// Enough for a thief to take some at once.
const MANY: u32 = LONG_QUEUE + 8;
const DISTANCES: [[u32; 3]; 3] = [[10, 16, 22], [16, 10, 22], [22, 20, 10]];
/// A worker, the others by which it may be robbed or robs, and the nodes, from near to far. Once in the order of their numbers, once against it.
const FROM_NEAR_TO_FAR: [(usize, [usize; 3], [usize; 3]); 2] =
    [(0, [1, 2, 4], [0, 1, 2]), (4, [5, 3, 1], [2, 1, 0])];

/// A scheduler that does not run, and coroutines that are never run.
struct Machine {
    scheduler: &'static Scheduler,
    coroutines: RefCell<Vec<*mut Coroutine>>,
}

impl Machine {
    fn new() -> Machine {
        let node = |number: usize| topology::Node {
            number,
            cpus: vec![2 * number, 2 * number + 1],
            memory: number,
            distances: DISTANCES[number].to_vec(),
        };
        let topology = Topology {
            nodes: (0..3).map(node).collect(),
        };
        Machine {
            scheduler: Scheduler::new(6, &topology, || Quiescent::Stop),
            coroutines: RefCell::default(),
        }
    }

    /// One that is in no queue.
    fn coroutine(&self) -> *mut Coroutine {
        // SAFETY: zero is what fresh control blocks are.
        let coroutine = Box::into_raw(unsafe { Box::<Coroutine>::new_zeroed().assume_init() });
        self.coroutines.borrow_mut().push(coroutine);
        coroutine
    }
}

impl Deref for Machine {
    type Target = Scheduler;

    fn deref(&self) -> &Scheduler {
        self.scheduler
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: they came from boxes, and nobody else knows of them.
        unsafe {
            drop(Box::from_raw(ptr::from_ref(self.scheduler).cast_mut()));
            for coroutine in self.coroutines.take() {
                drop(Box::from_raw(coroutine));
            }
        }
    }
}

#[test]
fn thieves_look_near_before_far() {
    for (thief, victims, _) in FROM_NEAR_TO_FAR {
        // Those that are nearer have nothing.
        for nearest in 0..victims.len() {
            let machine = Machine::new();
            let workers = &machine.workers;
            for &victim in &victims[nearest..] {
                (0..MANY).for_each(|_| {
                    workers[victim]
                        .queue
                        .push(machine.coroutine())
                        .expect("room")
                });
            }
            assert!(workers[thief].search().is_some());
            for &victim in &victims[nearest..] {
                let is_robbed = workers[victim].queue.len() < MANY;
                let is_nearest = victim == victims[nearest];
                assert_eq!(is_robbed, is_nearest, "{victim} by {thief}");
            }
        }
    }
}

#[test]
fn sleepers_are_woken_near_before_far() {
    for (waker, _, nodes) in FROM_NEAR_TO_FAR {
        let machine = Machine::new();
        (0..6).for_each(|worker| _ = machine.idle.enter(worker));
        let near_to_far = &machine.workers[waker].home().near_to_far;
        let woken = iter::from_fn(|| machine.idle.take_one(near_to_far));
        let on_nodes: Vec<usize> = woken.map(|index| machine.workers[index].node).collect();
        assert_eq!(on_nodes, nodes.map(|node| [node; 2]).concat());
    }
}

#[test]
fn what_is_shared_is_taken_near_before_far() {
    for (taker, _, nodes) in FROM_NEAR_TO_FAR {
        let machine = Machine::new();
        let taker = &machine.workers[taker];
        let [injected, preempted] = [(); 2].map(|()| nodes.map(|_| machine.coroutine()));
        for (place, &node) in nodes.iter().enumerate() {
            let node = &machine.nodes[node];
            node.injector.push_all(&[injected[place]]);
            node.preempted.push_all(&[preempted[place]]);
        }
        for expected in injected {
            assert_eq!(taker.take_injected_nearby(), Some(expected));
        }
        for expected in preempted {
            assert_eq!(taker.take_preempted_nearby(), Some(expected));
        }
    }
}

#[test]
fn what_overflows_stays_on_its_node() {
    for (worker, _, nodes) in FROM_NEAR_TO_FAR {
        let machine = Machine::new();
        (0..=queue::CAPACITY).for_each(|_| machine.workers[worker].push(machine.coroutine()));
        let lengths = nodes.map(|node| machine.nodes[node].injector.len());
        assert_eq!(lengths, [queue::CAPACITY as usize / 2, 0, 0]);
    }
}

#[test]
fn what_other_threads_wake_goes_to_the_node_of_its_stack() {
    let machine = Machine::new();
    for (node, home) in machine.nodes.iter().map(|node| node.home).enumerate() {
        let coroutine = machine.coroutine();
        // SAFETY: it is ours.
        unsafe { (*coroutine).rsp = as_if_at_home(home) };
        assert_eq!(machine.nodes.for_injected(coroutine), node);
    }
}
