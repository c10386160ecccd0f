//! Programs on made-up machines of several NUMA nodes; on emulated ones they run by `tests/numa/run`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Coroutines that other workers steal and end, again and again.
const PROGRAM: &str = "
func work(n: int) -> int {
    let text = [n, n + 1]
    if n % 50 == 0 { yield() }
    return text[0] & 1
}
func main() {
    for r in 0..ROUNDS {
        let futures: [Future[int]] = []
        for i in 0..20000 { futures.push(spawn work(i)) }
        let sum = 0
        for f in futures { sum += await f }
        assert sum == 10000
    }
}
";

fn run(rounds: usize, numa: &str) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("work.eo");
    fs::write(&file, PROGRAM.replace("ROUNDS", &rounds.to_string()))
        .expect("the program is written");
    let machine = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/numa/four-nodes");
    Command::new(env!("CARGO_BIN_EXE_eo"))
        .args(["run", "--workers", "8", "--stats"])
        .arg(&file)
        .env("ECHO_SYS_ROOT", machine)
        .env("ECHO_NUMA", numa)
        .output()
        .expect("eo starts")
}

fn stats(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

fn slabs(stats: &str) -> usize {
    let line = stats
        .lines()
        .find(|line| line.starts_with("slabs"))
        .expect("a line of slabs");
    line.rsplit(' ')
        .next()
        .and_then(|count| count.parse().ok())
        .expect("a number")
}

#[test]
fn statistics_show_the_nodes() {
    let text = stats(&run(3, "on"));
    for node in 0..4 {
        assert!(text.contains(&format!("on node {node} ")), "{text}");
    }
    assert_eq!(text.matches("of 2 workers").count(), 4, "{text}");
    assert!(text.contains("from other nodes"), "{text}");
}

#[test]
fn off_is_one_node() {
    let text = stats(&run(3, "off"));
    assert!(!text.contains("node"), "{text}");
}

#[test]
fn neither_on_nor_off() {
    let output = run(1, "maybe");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        text,
        "error: ECHO_NUMA: `maybe` is neither `on` nor `off`\n"
    );
}

/// What is given back far from where it was taken is found again.
#[test]
fn memory_of_other_nodes_comes_back() {
    let (few, many) = (slabs(&stats(&run(5, "on"))), slabs(&stats(&run(60, "on"))));
    assert!(
        many <= 2 * few + 16,
        "{few} slabs after 5 rounds, {many} after 60"
    );
}
