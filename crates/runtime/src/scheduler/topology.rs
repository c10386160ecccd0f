//! Which CPUs lie beside which memory: the NUMA nodes of the machine, as far as this process may use them.
//!
//! Linux tells in `/sys/devices/system/node`. A node can have memory and no CPUs (it gets no workers, but is the nearest memory of others), or CPUs and
//! no memory; numbers can have holes. Whatever is missing or makes no sense there, the answer is a machine of one node: right, if not the fastest.
//!
//! What a container or `taskset` takes away shows in the affinity of the process, which the CPUs of a node are cut to. A limit of CPU *time*
//! (`cpu.max`) is no matter of topology: it lowers the number of workers, which [`Topology::spread`] is told.

use crate::sanitize::sync::OnceLock;
use std::ffi::OsString;
use std::path::Path;

/// Nodes that are told apart; a machine with more is taken for one node. Indices of nodes fit into a byte.
pub const MAX_NODES: usize = 64;
/// Linux is built for at most so many CPUs and so many nodes.
const CPU_BOUND: usize = 8192;
const NODE_BOUND: usize = 1024;
/// What firmware reports for a node's own memory, and for other memory where nothing is known.
const LOCAL_DISTANCE: u32 = 10;
const REMOTE_DISTANCE: u32 = 20;

/// The nodes that have CPUs for this process; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    pub nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// As the kernel counts.
    pub number: usize,
    /// Those that this process may use; ascending.
    pub cpus: Vec<usize>,
    /// The kernel's number of the nearest node with memory; mostly this one.
    pub memory: usize,
    /// To each node of the topology, in its order.
    pub distances: Vec<u32>,
}

impl Topology {
    /// The machine, read once: indices of nodes mean the same all through the process.
    pub fn of_machine() -> &'static Topology {
        static MACHINE: OnceLock<Topology> = OnceLock::new();
        MACHINE.get_or_init(|| match made_up_root() {
            Some(root) => Topology::read(Path::new(&root), None),
            None => Topology::read(Path::new("/sys"), Some(&usable_cpus())),
        })
    }

    /// What `root`, a folder like `/sys`, tells about the nodes, cut to the CPUs in `usable` (ascending), if given.
    pub fn read(root: &Path, usable: Option<&[usize]>) -> Topology {
        read_nodes(&root.join("devices/system/node"), usable)
            .filter(|nodes| !nodes.is_empty() && nodes.len() <= MAX_NODES)
            .map_or_else(
                || Topology::of_one_node(usable.unwrap_or_default()),
                |nodes| Topology { nodes },
            )
    }

    pub fn of_one_node(cpus: &[usize]) -> Topology {
        Topology {
            nodes: vec![Node {
                number: 0,
                cpus: cpus.to_vec(),
                memory: 0,
                distances: vec![LOCAL_DISTANCE],
            }],
        }
    }

    /// How many of so many workers each node gets: in proportion to its CPUs (by the method of D'Hondt).
    pub fn spread(&self, workers: usize) -> Vec<usize> {
        let mut counts = vec![0; self.nodes.len()];
        for _ in 0..workers {
            let fuller = |&left: &usize, &right: &usize| {
                let load = |node: usize, other: usize| {
                    (counts[node] + 1) * self.nodes[other].cpus.len().max(1)
                };
                load(left, right).cmp(&load(right, left))
            };
            let next = (0..counts.len())
                .min_by(fuller)
                .expect("there is at least one node");
            counts[next] += 1;
        }
        counts
    }

    /// The nodes in sets of the same distance from one of them: itself first, whatever the firmware says, then from near to far.
    pub fn rings(&self, from: usize) -> Vec<Vec<usize>> {
        let distance = |&node: &usize| (node != from, self.nodes[from].distances[node]);
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(distance);
        let rings = order.chunk_by(|left, right| distance(left) == distance(right));
        rings.map(<[usize]>::to_vec).collect()
    }

    /// With only these nodes.
    pub fn only(&self, kept: &[usize]) -> Topology {
        let keep = |&node: &usize| {
            let node = &self.nodes[node];
            Node {
                distances: kept.iter().map(|&other| node.distances[other]).collect(),
                ..node.clone()
            }
        };
        Topology {
            nodes: kept.iter().map(keep).collect(),
        }
    }
}

/// Workers to use when nobody says: the CPUs this process may use, limits of its container included.
pub fn default_workers() -> usize {
    match made_up_root() {
        Some(_) => {
            let nodes = &Topology::of_machine().nodes;
            nodes.iter().map(|node| node.cpus.len()).sum()
        }
        None => processors(),
    }
}

/// The CPUs this process may use, limits of its container included. Asked for once: the system reads several files for that.
pub fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// A folder to read instead of `/sys`, to try out another machine, all of whose CPUs count as usable.
fn made_up_root() -> Option<OsString> {
    std::env::var_os("ECHO_SYS_ROOT").filter(|root| !root.is_empty())
}

/// `None` when something is missing or makes no sense.
fn read_nodes(folder: &Path, usable: Option<&[usize]>) -> Option<Vec<Node>> {
    let list =
        |name: &str, bound| parse_list(&std::fs::read_to_string(folder.join(name)).ok()?, bound);
    let online = list("online", NODE_BOUND)?;
    if online.len() == 1 && usable.is_some() {
        return None; // The common case: no need to know more.
    }
    let with_memory = list("has_memory", NODE_BOUND).unwrap_or_else(|| online.clone());
    let distances: Vec<Vec<u32>> = online
        .iter()
        .map(|&node| read_distances(folder, &online, node))
        .collect();
    let mut nodes = Vec::new();
    // Places in `online` of the nodes that are kept.
    let mut kept = Vec::new();
    for (place, &number) in online.iter().enumerate() {
        let mut cpus = list(&format!("node{number}/cpulist"), CPU_BOUND)?;
        if let Some(usable) = usable {
            cpus.retain(|cpu| usable.binary_search(cpu).is_ok());
        }
        if cpus.is_empty() {
            continue;
        }
        let nearest = (0..online.len())
            .filter(|&other| with_memory.contains(&online[other]))
            .min_by_key(|&other| (other != place, distances[place][other]))?;
        kept.push(place);
        nodes.push(Node {
            number,
            cpus,
            memory: online[nearest],
            distances: Vec::new(),
        });
    }
    for (node, &place) in nodes.iter_mut().zip(&kept) {
        node.distances = kept.iter().map(|&other| distances[place][other]).collect();
    }
    covers_each_once(&nodes, usable).then_some(nodes)
}

/// The distances of a node from all online ones; those that are common where the file is no good.
fn read_distances(folder: &Path, online: &[usize], node: usize) -> Vec<u32> {
    let text = std::fs::read_to_string(folder.join(format!("node{node}/distance"))).ok();
    let numbers: Option<Vec<u32>> = text.and_then(|text| {
        text.split_whitespace()
            .map(|word| word.parse().ok())
            .collect()
    });
    numbers
        .filter(|numbers| numbers.len() == online.len())
        .unwrap_or_else(|| {
            let distance = |&other: &usize| match other == node {
                true => LOCAL_DISTANCE,
                false => REMOTE_DISTANCE,
            };
            online.iter().map(distance).collect()
        })
}

/// Whether no CPU is in two nodes, and none of the usable ones in no node.
fn covers_each_once(nodes: &[Node], usable: Option<&[usize]>) -> bool {
    let mut cpus: Vec<usize> = nodes.iter().flat_map(|node| node.cpus.clone()).collect();
    let count = cpus.len();
    cpus.sort_unstable();
    cpus.dedup();
    cpus.len() == count && usable.is_none_or(|usable| usable.len() == count)
}

/// Reads a list such as `0-3,8,10-11`, ascending, of numbers below `bound`.
fn parse_list(text: &str, bound: usize) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    let text = text.trim();
    if text.is_empty() {
        return Some(numbers);
    }
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        let ascends = numbers.last().is_none_or(|&before| before < first);
        if !ascends || first > last || last >= bound {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

/// A set of CPUs as the kernel takes it.
pub struct CpuMask([u64; CPU_BOUND / 64]);

impl CpuMask {
    pub fn of(cpus: &[usize]) -> CpuMask {
        let mut mask = CpuMask([0; CPU_BOUND / 64]);
        for &cpu in cpus {
            mask.0[cpu / 64] |= 1 << (cpu % 64);
        }
        mask
    }

    fn cpus(&self) -> Vec<usize> {
        (0..CPU_BOUND)
            .filter(|cpu| self.0[cpu / 64] >> (cpu % 64) & 1 != 0)
            .collect()
    }

    /// Keeps the calling thread on these CPUs from now on. Where that is refused it runs anywhere.
    pub fn pin_thread(&self) {
        // SAFETY: the mask is valid; 0 is the calling thread.
        unsafe { libc::sched_setaffinity(0, size_of::<CpuMask>(), self.0.as_ptr().cast()) };
    }
}

/// The CPUs that the affinity of this thread leaves; none when that is not known.
fn usable_cpus() -> Vec<usize> {
    let mut mask = CpuMask([0; CPU_BOUND / 64]);
    // SAFETY: the mask is valid for writing; 0 is the calling thread.
    unsafe { libc::sched_getaffinity(0, size_of::<CpuMask>(), mask.0.as_mut_ptr().cast()) };
    mask.cpus()
}
