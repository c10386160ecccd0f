//! How turns follow each other on one worker, where that is a matter of numbers, not of time.

use std::fs;
use std::process::{Command, Output};

/// Runs a program with one worker.
fn run(program: &str) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("turns.eo");
    fs::write(&file, program).expect("the program is written");
    let output = Command::new(env!("CARGO_BIN_EXE_eo"))
        .args(["run", "--workers", "1", "--stats"])
        .arg(&file)
        .output()
        .expect("eo starts");
    assert!(output.status.success(), "{output:?}");
    output
}

/// The number that it prints.
fn printed(output: &Output) -> u64 {
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().expect("a number")
}

fn switches(output: &Output) -> u64 {
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines();
    let count = lines.find_map(|line| line.strip_prefix("switches"));
    count.and_then(|n| n.trim().parse().ok()).expect("a number")
}

/// Of one that is alone, of several that yield or wait by turns: the monitor knows by that who is stuck, and fairness when it is due.
#[test]
fn every_turn_is_counted() {
    let alone = "
func main() { for i in 0..10000 { yield() } }
";
    let by_yields = "
func take_turns(n: int) { for i in 0..n { yield() } }
func main() {
    let others = [spawn take_turns(5000), spawn take_turns(5000)]
    yield()
    for o in others { await o }
}
";
    let by_waits = "
func pass(input: chan int, output: chan int) {
    for token in input { output <- token }
    close(output)
}
func main() {
    let a = chan int
    let b = chan int
    spawn pass(a, b)
    for i in 0..5000 {
        a <- i
        <- b
    }
    close(a)
}
";
    for program in [alone, by_yields, by_waits] {
        let switches = switches(&run(program));
        assert!(
            (10_000..11_000).contains(&switches),
            "{switches} switches: {program}"
        );
    }
}

/// Two that wake each other have 32 turns, then the queue has one.
#[test]
fn who_is_woken_does_not_keep_the_queue_waiting() {
    let passed = printed(&run("
import sync
func pass(input: chan int, output: chan int, passed: sync.Atomic[int], stop: sync.Atomic[int]) {
    for token in input {
        passed.increment()
        if stop.load() == 1 { break }
        output <- token
    }
    close(output)
}
func main() {
    let passed = sync.new_atomic_int(0)
    let stop = sync.new_atomic_int(0)
    let a = chan int
    let b = chan int
    spawn pass(a, b, passed, stop)
    spawn pass(b, a, passed, stop)
    a <- 0
    for i in 0..1000 { yield() }
    print passed.load()
    stop.store(1)
}
"));
    assert!((1000..40_000).contains(&passed), "{passed}");
}

/// More than the queue holds: the others are not forgotten while those in it yield without end.
#[test]
fn who_finds_the_queue_full_has_turns() {
    let least = printed(&run("
import sync
func take_turns(turns: [sync.Atomic[int]], number: int, over: sync.Atomic[int]) {
    while over.load() == 0 {
        if turns[number].increment() == 2000 { over.store(1) }
        yield()
    }
}
func main() {
    let over = sync.new_atomic_int(0)
    let turns: [sync.Atomic[int]] = []
    for i in 0..400 { turns.push(sync.new_atomic_int(0)) }
    let all: [Future[void]] = []
    for i in 0..400 { all.push(spawn take_turns(turns, i, over)) }
    while over.load() == 0 { yield() }
    let least = 2000
    for t in turns { if t.load() < least { least = t.load() } }
    print least
}
"));
    assert!(least > 50, "{least}");
}

/// Who yields waits for one that was preempted, if nobody else is there: they have turns by turns.
#[test]
fn who_is_alone_with_a_preempted_one_lets_it_go_on() {
    let output = run("
import sync
func compute(done: sync.Atomic[int]) {
    let x = 1
    for i in 0..40000000 { x = (x * 7 + i) % 1000003 }
    done.store(1 + x % 1)
}
func main() {
    let done = sync.new_atomic_int(0)
    spawn compute(done)
    let yields = 0
    while done.load() == 0 {
        yield()
        yields += 1
    }
    print yields
}
");
    let (yields, switches) = (printed(&output), switches(&output));
    assert!(
        switches > yields + yields / 2,
        "{yields} yields, {switches} switches"
    );
}

/// The value of who waits to send moves up when another is received: nobody overtakes it.
#[test]
fn who_waits_to_send_is_let_in_by_who_receives() {
    let buffered = printed(&run("
func send(ch: chan int, value: int) { ch <- value }
func main() {
    let ch = chan[2] int
    ch <- 1
    ch <- 2
    spawn send(ch, 3)
    for i in 0..10 { yield() }
    assert <- ch == 1
    print ch.len()
    assert <- ch == 2
    ch <- 4
    assert <- ch == 3
    assert <- ch == 4
}
"));
    assert_eq!(buffered, 2);
}
