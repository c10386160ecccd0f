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

/// Trees of coroutines, and pairs that talk: the same work for any number of workers.
const TREES_AND_PAIRS: &str = "
func tree(depth: int) -> int {
    if depth == 0 {
        yield()
        return 1
    }
    let left = spawn tree(depth - 1)
    let right = spawn tree(depth - 1)
    return await left + await right
}
func send(ch: chan int, n: int) {
    for i in 0..n { ch <- 1 }
    close(ch)
}
func pair(n: int) -> int {
    let ch = chan[8] int
    spawn send(ch, n)
    let sum = 0
    for v in ch { sum += v }
    return sum
}
func main() {
    for r in 0..5 {
        let futures: [Future[int]] = []
        for i in 0..64 { futures.push(spawn tree(9)) }
        for i in 0..64 { futures.push(spawn pair(1000)) }
        let sum = 0
        for f in futures { sum += await f }
        assert sum == 64 * 512 + 64 * 1000
    }
}
";

fn run(rounds: usize, numa: &str) -> Output {
    let machine = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/numa/four-nodes");
    let program = PROGRAM.replace("ROUNDS", &rounds.to_string());
    run_on(&machine, 8, numa, &program)
}

/// Runs a program on a made-up machine.
fn run_on(machine: &Path, workers: usize, numa: &str, program: &str) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("work.eo");
    fs::write(&file, program).expect("the program is written");
    Command::new(env!("CARGO_BIN_EXE_eo"))
        .args(["run", "--workers", &workers.to_string(), "--stats"])
        .arg(&file)
        .env("ECHO_SYS_ROOT", machine)
        .env("ECHO_NUMA", numa)
        .output()
        .expect("eo starts")
}

/// Makes up nodes of 16 CPUs each, four nodes in a box.
fn make_machine(root: &Path, workers: usize) {
    let nodes = workers / 16;
    let write = |file: String, text: String| {
        let path = root.join("devices/system/node").join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
        fs::write(path, text).expect("a file is written");
    };
    write("online".to_owned(), format!("0-{}\n", nodes - 1));
    for node in 0..nodes {
        // Beyond those that this machine may have.
        let first = 1000 + 16 * node;
        write(
            format!("node{node}/cpulist"),
            format!("{first}-{}\n", first + 15),
        );
        let distance = |other: usize| match other {
            _ if other == node => "10",
            _ if other / 4 == node / 4 => "16",
            _ => "22",
        };
        let distances: Vec<&str> = (0..nodes).map(distance).collect();
        write(format!("node{node}/distance"), distances.join(" "));
    }
}

fn stats(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

fn slabs(stats: &str) -> usize {
    let line = line_of(stats, "slabs");
    line.rsplit(' ')
        .next()
        .and_then(|count| count.parse().ok())
        .expect("a number")
}

fn line_of<'a>(stats: &'a str, name: &str) -> &'a str {
    stats
        .lines()
        .find(|line| line.starts_with(name))
        .unwrap_or_else(|| panic!("no line of {name}: {stats}"))
}

/// The first number of a line.
fn count(stats: &str, name: &str) -> usize {
    let digits = line_of(stats, name)
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().expect("a number")
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

/// The same work costs each worker of a large machine no more steals and wake-ups than one of a small machine: about 20. Where a sleeper is woken whenever there is
/// something to take, it is 240.
#[test]
fn steals_and_wake_ups_grow_linearly_at_most() {
    const MOST_EACH: usize = 100;
    for workers in [16, 64, 256] {
        let machine = tempfile::tempdir().expect("a temporary folder");
        make_machine(machine.path(), workers);
        let text = stats(&run_on(machine.path(), workers, "on", TREES_AND_PAIRS));
        assert!(count(&text, "workers started") > workers / 2, "{text}");
        let most = MOST_EACH * workers;
        assert!(count(&text, "steals") <= most, "{workers} workers: {text}");
        assert!(
            count(&text, "wake-ups") <= most,
            "{workers} workers: {text}"
        );
    }
}
