//! Near before far, on a machine of three nodes, the first two of which are near each other, with two workers each.

use super::*;
use crate::node_memory::tests::as_if_at_home;
use crate::scheduler::topology::{self, Topology};
use std::iter;

/// Enough for a thief to take some at once.
const MANY: u32 = LONG_QUEUE + 8;
const DISTANCES: [[u32; 3]; 3] = [[10, 16, 22], [16, 10, 22], [22, 20, 10]];
/// A worker, the others by which it may be robbed or robs, and the nodes, from near to far. Once in the order of their numbers, once against it.
const FROM_NEAR_TO_FAR: [(usize, [usize; 3], [usize; 3]); 2] =
    [(0, [1, 2, 4], [0, 1, 2]), (4, [5, 3, 1], [2, 1, 0])];

/// One that does not run.
fn scheduler() -> &'static Scheduler {
    let node = |number: usize| topology::Node {
        number,
        cpus: vec![2 * number, 2 * number + 1],
        memory: number,
        distances: DISTANCES[number].to_vec(),
    };
    let topology = Topology {
        nodes: (0..3).map(node).collect(),
    };
    Scheduler::new(6, &topology, || Quiescent::Stop)
}

/// One that is in no queue, and is never run.
fn coroutine() -> *mut Coroutine {
    // SAFETY: zero is what fresh control blocks are.
    Box::leak(unsafe { Box::<Coroutine>::new_zeroed().assume_init() })
}

#[test]
fn thieves_look_near_before_far() {
    for (thief, victims, _) in FROM_NEAR_TO_FAR {
        // Those that are nearer have nothing.
        for nearest in 0..victims.len() {
            let workers = &scheduler().workers;
            for &victim in &victims[nearest..] {
                (0..MANY).for_each(|_| workers[victim].queue.push(coroutine()).expect("room"));
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
        let scheduler = scheduler();
        (0..6).for_each(|worker| _ = scheduler.idle.enter(worker));
        let near_to_far = &scheduler.workers[waker].home().near_to_far;
        let woken = iter::from_fn(|| scheduler.idle.take_one(near_to_far));
        let on_nodes: Vec<usize> = woken.map(|index| scheduler.workers[index].node).collect();
        assert_eq!(on_nodes, nodes.map(|node| [node; 2]).concat());
    }
}

#[test]
fn what_is_shared_is_taken_near_before_far() {
    for (taker, _, nodes) in FROM_NEAR_TO_FAR {
        let scheduler = scheduler();
        let taker = &scheduler.workers[taker];
        let [injected, preempted] = [(); 2].map(|()| nodes.map(|_| coroutine()));
        for (place, &node) in nodes.iter().enumerate() {
            let node = &scheduler.nodes[node];
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
        let scheduler = scheduler();
        (0..=queue::CAPACITY).for_each(|_| scheduler.workers[worker].push(coroutine()));
        let lengths = nodes.map(|node| scheduler.nodes[node].injector.len());
        assert_eq!(lengths, [queue::CAPACITY as usize / 2, 0, 0]);
    }
}

#[test]
fn what_other_threads_wake_goes_to_the_node_of_its_stack() {
    let nodes = &scheduler().nodes;
    for (node, home) in nodes.iter().map(|node| node.home).enumerate() {
        let coroutine = coroutine();
        // SAFETY: it is ours.
        unsafe { (*coroutine).rsp = as_if_at_home(home) };
        assert_eq!(nodes.for_injected(coroutine), node);
    }
}
