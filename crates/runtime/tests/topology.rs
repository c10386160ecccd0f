//! The topology as read from made-up machines, whole, odd and broken ones.

use echo_runtime::scheduler::topology::{MAX_NODES, Node, Topology};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder like `/sys` with the files given: names below `devices/system/node`, and contents.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str, files: &[(&str, &str)]) -> Tree {
        let tree = Tree(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("topology-{name}")));
        let _ = fs::remove_dir_all(&tree.0);
        for (file, text) in files {
            let path = tree.0.join("devices/system/node").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        tree
    }

    /// So many nodes with so many CPUs each, numbered in turn, with the distances of a ring.
    fn regular(name: &str, nodes: usize, cpus: usize) -> Tree {
        let mut files = vec![("online".to_owned(), format!("0-{}\n", nodes - 1))];
        for node in 0..nodes {
            let list = format!("{}-{}\n", node * cpus, (node + 1) * cpus - 1);
            files.push((format!("node{node}/cpulist"), list));
            let mut distances = String::new();
            for other in 0..nodes {
                let steps = node.abs_diff(other).min(nodes - node.abs_diff(other));
                let _ = write!(distances, "{} ", 10 + 6 * steps);
            }
            files.push((format!("node{node}/distance"), distances));
        }
        let files: Vec<_> = files
            .iter()
            .map(|(file, text)| (&**file, &**text))
            .collect();
        Tree::new(name, &files)
    }

    fn read(&self, usable: impl IntoIterator<Item = usize>) -> Topology {
        let usable: Vec<usize> = usable.into_iter().collect();
        Topology::read(&self.0, Some(&usable))
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join("devices/system/node").join(file), text).unwrap();
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn numbers(topology: &Topology) -> Vec<usize> {
    topology.nodes.iter().map(|node| node.number).collect()
}

fn cpu_counts(topology: &Topology) -> Vec<usize> {
    topology.nodes.iter().map(|node| node.cpus.len()).collect()
}

#[test]
fn one_node_of_two() {
    let tree = Tree::regular("1x2", 1, 2);
    assert_eq!(tree.read(0..2), Topology::of_one_node(&[0, 1]));
    assert_eq!(
        Topology::read(&tree.0, None),
        Topology::of_one_node(&[0, 1])
    );
}

#[test]
fn two_nodes_of_four() {
    let tree = Tree::regular("2x4", 2, 4);
    let node = |number, cpus: [usize; 4], distances: [u32; 2]| Node {
        number,
        cpus: cpus.to_vec(),
        memory: number,
        distances: distances.to_vec(),
    };
    let nodes = vec![
        node(0, [0, 1, 2, 3], [10, 16]),
        node(1, [4, 5, 6, 7], [16, 10]),
    ];
    assert_eq!(tree.read(0..8).nodes, nodes);
    assert_eq!(Topology::read(&tree.0, None).nodes, nodes);
}

#[test]
fn four_nodes_of_sixteen_near_to_far() {
    let topology = Tree::regular("4x16", 4, 16).read(0..64);
    assert_eq!(cpu_counts(&topology), [16; 4]);
    assert_eq!(topology.rings(0), [vec![0], vec![1, 3], vec![2]]);
    assert_eq!(topology.rings(3), [vec![3], vec![0, 2], vec![1]]);
    assert_eq!(topology.spread(64), [16; 4]);
    assert_eq!(topology.spread(6), [2, 2, 1, 1]);
    assert_eq!(topology.spread(1), [1, 0, 0, 0]);
}

#[test]
fn holes_in_the_numbering() {
    let tree = Tree::new(
        "holes",
        &[
            ("online", "1,4-5\n"),
            ("node1/cpulist", "0-1,8\n"),
            ("node4/cpulist", "16\n"),
            ("node5/cpulist", "3,700\n"),
            ("node1/distance", "10 30 20\n"),
            ("node4/distance", "30 10 12\n"),
            ("node5/distance", "20 12 10\n"),
        ],
    );
    let topology = tree.read([0, 1, 3, 8, 16, 700]);
    assert_eq!(numbers(&topology), [1, 4, 5]);
    assert_eq!(topology.nodes[0].cpus, [0, 1, 8]);
    assert_eq!(topology.nodes[2].cpus, [3, 700]);
    assert_eq!(topology.rings(0), [[0], [2], [1]]);
    assert_eq!(topology.spread(6), [3, 1, 2]);
    let some = topology.only(&[1, 2]);
    assert_eq!(numbers(&some), [4, 5]);
    assert_eq!(some.nodes[0].distances, [10, 12]);
}

#[test]
fn nodes_without_memory_use_the_nearest() {
    let tree = Tree::regular("memory-less", 4, 2);
    tree.write("has_memory", "1-2\n");
    let memory: Vec<_> = tree
        .read(0..8)
        .nodes
        .iter()
        .map(|node| node.memory)
        .collect();
    assert_eq!(memory, [1, 1, 2, 2]);
}

#[test]
fn nodes_without_cpus_get_no_workers() {
    let tree = Tree::regular("cpu-less", 3, 2);
    tree.write("node1/cpulist", "\n");
    tree.write("has_memory", "1-2\n");
    let topology = tree.read([0, 1, 4, 5]);
    assert_eq!(numbers(&topology), [0, 2]);
    assert_eq!(topology.nodes[0].distances, [10, 16]);
    // Equally near; the first.
    assert_eq!(topology.nodes[0].memory, 1);
    assert_eq!(topology.nodes[1].memory, 2);
}

#[test]
fn what_a_container_takes_away() {
    let tree = Tree::regular("cgroup", 2, 4);
    assert_eq!(cpu_counts(&tree.read([1, 2, 3, 7])), [3, 1]);
    // All on the second: the first is none of ours.
    let second = tree.read(4..6);
    assert_eq!(numbers(&second), [1]);
    assert_eq!(second.nodes[0].distances, [10]);
    // A limit of CPU time: fewer workers than CPUs.
    assert_eq!(tree.read(0..8).spread(3), [2, 1]);
    assert_eq!(tree.read([1, 2, 3, 7]).spread(4), [3, 1]);
}

#[test]
fn more_workers_than_cpus() {
    let topology = Tree::regular("crowded", 2, 1).read(0..2);
    assert_eq!(topology.spread(7), [4, 3]);
}

#[test]
fn garbage_is_one_node() {
    let cpus = [0, 1, 2, 3];
    let one = Topology::of_one_node(&cpus);
    let empty = Tree::new("nothing", &[]);
    assert_eq!(empty.read(cpus), one);
    for (file, text) in [
        ("online", ""),
        ("online", "rubbish\n"),
        ("online", "1-0\n"),
        ("online", "0,0-1\n"),
        ("online", "0-99999999999\n"),
        ("online", "0-18446744073709551615\n"),
        ("online", "0-1,\n"),
        ("online", "0-2\n"),
        ("node0/cpulist", "0-1,1\n"),
        ("node0/cpulist", "-1\n"),
        ("node0/cpulist", "0-1 \u{0} 3\n"),
        // A CPU in no node, and one in two.
        ("node0/cpulist", "0\n"),
        ("node1/cpulist", "1-3\n"),
        ("has_memory", "none\n0\n"),
    ] {
        let tree = Tree::regular("garbage", 2, 2);
        assert_eq!(cpu_counts(&tree.read(cpus)), [2, 2]);
        tree.write(file, text);
        let topology = tree.read(cpus);
        match file {
            "has_memory" => assert_eq!(cpu_counts(&topology), [2, 2]),
            _ => assert_eq!(topology, one, "{file}: {text:?}"),
        }
    }
}

#[test]
fn odd_distances_are_the_common_ones() {
    for text in ["", "10\n", "10 x\n", "10 -1\n", "10 20 30\n"] {
        let tree = Tree::regular("distances", 2, 2);
        tree.write("node0/distance", text);
        assert_eq!(tree.read(0..4).nodes[0].distances, [10, 20], "{text:?}");
    }
}

#[test]
fn a_missing_cpulist_is_one_node() {
    let tree = Tree::regular("missing", 2, 2);
    fs::remove_file(tree.0.join("devices/system/node/node1/cpulist")).unwrap();
    assert_eq!(tree.read(0..4), Topology::of_one_node(&[0, 1, 2, 3]));
}

#[test]
fn more_nodes_than_are_told_apart() {
    let tree = Tree::regular("many", MAX_NODES + 1, 1);
    assert_eq!(tree.read(0..=MAX_NODES).nodes.len(), 1);
    assert_eq!(
        Tree::regular("most", MAX_NODES, 1)
            .read(0..MAX_NODES)
            .nodes
            .len(),
        MAX_NODES
    );
}

#[test]
fn this_machine_has_a_node_with_cpus() {
    let topology = Topology::of_machine();
    assert!(!topology.nodes.is_empty());
    assert!(topology.nodes.iter().all(|node| !node.cpus.is_empty()));
}
