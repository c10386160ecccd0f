//! The nodes that have workers, each with a queue of its own for what comes from other threads and what overflows.
//!
//! A worker that has nothing takes from near to far, but every queue is looked at by all workers now and then: the workers of its own node may be kept by
//! calls that do not return. On a machine of one node there is one of everything, and nothing is pinned.

use super::injector::Injector;
use super::topology::{self, CpuMask, Topology};
use crate::coroutine::Coroutine;
use crate::node_memory;
use std::ops::{Deref, Range};

pub struct Node {
    pub injector: Injector,
    /// Coroutines that were preempted after a long turn: they wait until nobody else does, or until they are due.
    pub preempted: Injector,
    /// Indices of its workers.
    pub workers: Range<usize>,
    /// All nodes, the nearest first: this one.
    pub near_to_far: Box<[usize]>,
    /// All workers in sets of the same distance, the nearest first: those of this node.
    pub rings: Box<[Box<[usize]>]>,
    /// Where its workers run; `None` of the only node.
    pub cpus: Option<CpuMask>,
    /// The kernel's number.
    pub number: usize,
    /// Of its memory; 0 of the only node.
    pub home: u8,
}

pub struct Nodes {
    nodes: Box<[Node]>,
    /// The node, or the nearest one, of each home but 0, and of each CPU.
    of_home: Box<[u8]>,
    of_cpu: Box<[u8]>,
}

impl Deref for Nodes {
    type Target = [Node];

    #[inline]
    fn deref(&self) -> &[Node] {
        &self.nodes
    }
}

impl Nodes {
    /// Spreads workers over the machine. Those of a node have indices in a row.
    pub fn new(topology: &Topology, workers: usize) -> Nodes {
        let counts = topology.spread(workers);
        let used: Vec<usize> = (0..counts.len()).filter(|&node| counts[node] > 0).collect();
        let placed = topology.only(&used);
        let mut first = 0;
        let ranges: Vec<Range<usize>> = used
            .iter()
            .map(|&node| {
                first += counts[node];
                first - counts[node]..first
            })
            .collect();
        let of_home = nearest(topology, &used);
        let home = |index: usize| {
            if used.len() > 1 {
                used[index] as u8 + 1
            } else {
                0
            }
        };
        Nodes {
            nodes: (0..used.len())
                .map(|index| Node::new(&placed, &ranges, index, home(index)))
                .collect(),
            of_cpu: by_cpu(topology, &of_home),
            of_home,
        }
    }

    pub fn worker_counts(&self) -> Vec<usize> {
        self.nodes.iter().map(|node| node.workers.len()).collect()
    }

    /// The node for a coroutine that another thread wakes or starts: that of its stack, or of the CPU where the thread runs.
    pub fn for_injected(&self, coroutine: *const Coroutine) -> usize {
        if self.nodes.len() == 1 {
            return 0;
        }
        // SAFETY: the caller's to wake, hence nobody writes.
        match node_memory::home_of(unsafe { (*coroutine).rsp }) {
            0 => self.here(),
            home => usize::from(self.of_home[usize::from(home) - 1]),
        }
    }

    /// The node of the CPU that the calling thread runs on.
    #[inline]
    pub fn here(&self) -> usize {
        if self.nodes.len() == 1 {
            return 0;
        }
        // SAFETY: always allowed; -1 where it is not known.
        let cpu = unsafe { libc::sched_getcpu() };
        let node = self.of_cpu.get(cpu as usize).copied();
        usize::from(node.unwrap_or(0))
    }

    /// A node whose workers share something to run.
    pub fn with_shared_work(&self) -> Option<usize> {
        let has_some = |node: &Node| node.injector.len() > 0 || node.preempted.len() > 0;
        self.nodes.iter().position(has_some)
    }

    pub fn any_preempted(&self) -> bool {
        self.nodes.iter().any(|node| node.preempted.len() > 0)
    }
}

impl Node {
    fn new(topology: &Topology, ranges: &[Range<usize>], index: usize, home: u8) -> Node {
        let rings = topology.rings(index);
        let workers = |ring: &Vec<usize>| {
            let ranges = ring.iter().map(|&node| ranges[node].clone());
            ranges.flatten().collect()
        };
        let node = &topology.nodes[index];
        Node {
            injector: Injector::new(),
            preempted: Injector::new(),
            workers: ranges[index].clone(),
            rings: rings.iter().map(workers).collect(),
            near_to_far: rings.concat().into(),
            cpus: (topology.nodes.len() > 1).then(|| CpuMask::of(&node.cpus)),
            number: node.number,
            home,
        }
    }
}

/// The index in `used` of the nearest used node of each node.
fn nearest(topology: &Topology, used: &[usize]) -> Box<[u8]> {
    let nearest = |(number, node): (usize, &topology::Node)| {
        let distance = |&index: &usize| (used[index] != number, node.distances[used[index]]);
        let nearest = (0..used.len()).min_by_key(distance);
        nearest.expect("some node has workers") as u8
    };
    topology.nodes.iter().enumerate().map(nearest).collect()
}

fn by_cpu(topology: &Topology, of_node: &[u8]) -> Box<[u8]> {
    let bound = topology.nodes.iter().flat_map(|node| &node.cpus).max();
    let mut of_cpu = vec![0; bound.map_or(0, |cpu| cpu + 1)];
    for (node, &nearest) in topology.nodes.iter().zip(of_node) {
        node.cpus.iter().for_each(|&cpu| of_cpu[cpu] = nearest);
    }
    of_cpu.into()
}
