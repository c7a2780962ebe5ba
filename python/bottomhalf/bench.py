"""The Python table of ratios: ``python -m bottomhalf.bench [--json FILE] [--quick] [--rounds N]``.

Every figure is a ratio between two things measured in the same process, round by round in turn, so that a machine that
slows down slows both; the table shows the median over the rounds. Nothing is asserted. "gate" and "goal" are what the
project holds itself to.

``python -m bottomhalf.bench mixed`` is another table: :mod:`bottomhalf.bench_mixed`.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import ctypes
import gc
import itertools
import json
import os
import platform
import queue
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import bottomhalf as bh

from . import _bench_explore

__all__ = ["Row", "add_arguments", "main", "measure", "run"]

_LEAST_ROUNDS = 7
_GAP_SECONDS = 300e-6  # between two latency samples: long enough for both sides to go to sleep


@dataclass(frozen=True)
class Sizes:
    """How many operations one round of each kind has."""

    items: int  # of the cheap kinds: below a microsecond each
    futures: int  # submits to this engine
    submits: int  # submits to a thread pool: 10 us and more each
    chain: int
    samples: int  # of latencies
    pending: int  # items in memory at once
    explored: int  # schedules of a simulated machine
    batons: int  # schedules of threads that hand a baton on

    @classmethod
    def choose(cls, quick: bool) -> Sizes:
        """The sizes for a run of under a minute, or of under a quarter of one."""
        if quick:
            return cls(20_000, 10_000, 4_000, 2_000, samples=60, pending=10_000, explored=500, batons=100)
        return cls(100_000, 50_000, 15_000, 10_000, samples=250, pending=50_000, explored=2_000, batons=400)


@dataclass
class Row:
    """One line of the table. `ours` and `peer` are medians; `ratio` is the median of the rounds' own ratios."""

    name: str
    against: str
    unit: str
    ours: float
    peer: float | None
    ratio: float
    gate: float | None
    goal: float | None
    larger_is_better: bool = True
    ours_samples: list[float] = field(default_factory=list)
    peer_samples: list[float] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """Which of the two marks the ratio reaches."""
        for mark, name in ((self.goal, "goal"), (self.gate, "gate")):
            if mark is not None and (self.ratio >= mark if self.larger_is_better else self.ratio <= mark):
                return name
        return "" if self.gate is None else "below"


# --- the cases: each runs one round and returns what it measured -----------------------------------------------------


def _nothing() -> None:
    pass


def _nothing_with(_work: object) -> None:
    pass


@contextmanager
def _without_gc() -> Iterator[None]:
    """As timeit does: a collection would hit one side by chance."""
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _per_item(start: int, count: int) -> float:
    return (time.perf_counter_ns() - start) / count


class _Bench:
    """What the cases share: a machine, prepared items, a thread pool."""

    def __init__(self, m: bh.Machine, pool: ThreadPoolExecutor, sizes: Sizes) -> None:
        self.machine = m
        self.pool = pool
        self.sizes = sizes
        self.wq = m.system_wq
        self.works = [bh.Work(_nothing_with) for _ in range(sizes.items)]

    def loop(self) -> float:
        """A bare loop: what the calls alone cost."""
        n = self.sizes.items
        start = time.perf_counter_ns()
        for _ in itertools.repeat(None, n):
            _nothing()
        return _per_item(start, n)

    def prepared(self) -> float:
        """Prepared items: queue each, then flush."""
        put = self.wq.queue
        start = time.perf_counter_ns()
        for work in self.works:
            put(work)
        self.wq.flush()
        return _per_item(start, len(self.works))

    def simple_queue(self) -> float:
        """What one would write by hand: a SimpleQueue and a thread."""
        n = self.sizes.items
        q: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

        def worker() -> None:
            get = q.get
            while (function := get()) is not None:
                function()

        thread = threading.Thread(target=worker)
        thread.start()
        put = q.put
        start = time.perf_counter_ns()
        for _ in itertools.repeat(None, n):
            put(_nothing)
        put(None)
        thread.join()
        return _per_item(start, n)

    def pool_submit(self) -> float:
        """ThreadPoolExecutor(1): submit each, then wait for all."""
        n = self.sizes.submits
        submit = self.pool.submit
        start = time.perf_counter_ns()
        concurrent.futures.wait([submit(_nothing) for _ in range(n)])
        return _per_item(start, n)

    def submit(self) -> float:
        """``wq.submit(fn)`` each, then wait for all the futures."""
        n = self.sizes.futures
        submit = self.wq.submit
        start = time.perf_counter_ns()
        bh.wait([submit(_nothing) for _ in range(n)])
        return _per_item(start, n)

    def chain(self) -> float:
        """An item that queues itself again."""
        n = left = self.sizes.chain
        done = bh.Completion()
        put = self.wq.queue

        def step(work: bh.Work) -> None:
            nonlocal left
            left -= 1
            if left:
                put(work)
            else:
                done.complete()

        first = bh.Work(step)
        start = time.perf_counter_ns()
        put(first)
        done.wait()
        return _per_item(start, n)

    def pool_chain(self) -> float:
        """A task that submits itself again."""
        n = left = self.sizes.chain
        done = threading.Event()
        submit = self.pool.submit

        def step() -> None:
            nonlocal left
            left -= 1
            if left:
                submit(step)
            else:
                done.set()

        start = time.perf_counter_ns()
        submit(step)
        done.wait()
        return _per_item(start, n)

    def latency(self) -> float:
        """From queue() to the item's first line, median; the main thread flushes meanwhile."""
        started = 0

        def item(_work: object) -> None:
            nonlocal started
            started = time.perf_counter_ns()

        work = bh.Work(item)
        put, flush = self.wq.queue, work.flush
        taken = []
        for _ in range(self.sizes.samples):
            time.sleep(_GAP_SECONDS)
            start = time.perf_counter_ns()
            put(work)
            flush()
            taken.append(started - start)
        return statistics.median(taken) / 1e3

    def pool_latency(self) -> float:
        """From submit() to the task's first line, median; the main thread waits for the result meanwhile."""
        started = 0

        def task() -> None:
            nonlocal started
            started = time.perf_counter_ns()

        submit = self.pool.submit
        taken = []
        for _ in range(self.sizes.samples):
            time.sleep(_GAP_SECONDS)
            start = time.perf_counter_ns()
            submit(task).result()
            taken.append(started - start)
        return statistics.median(taken) / 1e3

    def explore(self) -> float:
        """A schedule of four handlers that offer their CPU ten times, by ``explore()``."""
        return _bench_explore.explored(self.sizes.explored)

    def baton(self) -> float:
        """The same by threads that hand a baton on."""
        return _bench_explore.handed_on(self.sizes.batons)


# --- memory ----------------------------------------------------------------------------------------------------------


@contextmanager
def _held_workqueue(m: bh.Machine) -> Iterator[bh.Workqueue]:
    """A workqueue whose items stay pending: it is ordered, and its first item waits.

    On any other workqueue the pool would see the waiting and start the next item.
    """
    gate = bh.Completion()
    running = bh.Completion()

    def hold(_work: object) -> None:
        running.complete()
        gate.wait()

    wq = m.alloc_ordered_workqueue("bench_held")
    try:
        wq.queue(bh.Work(hold))
        running.wait()
        yield wq
    finally:
        gate.complete()
        wq.destroy()


def _allocations_per_queued_item(m: bh.Machine, count: int) -> tuple[float, float | None]:
    """Heap blocks of Python, and bytes of malloc if the C library tells, per ``queue()`` of a prepared item."""
    works = [bh.Work(_nothing_with) for _ in range(count)]
    malloc_bytes = _malloc_in_use()
    with _held_workqueue(m) as wq:
        put = wq.queue
        with _without_gc():
            bytes_before = malloc_bytes() if malloc_bytes else 0
            blocks_before = sys.getallocatedblocks()
            for work in works:
                put(work)
            blocks = sys.getallocatedblocks() - blocks_before
            taken = (malloc_bytes() - bytes_before) / count if malloc_bytes else None
    # The loop's own few objects are not the items'.
    return round(blocks / count, 3), None if taken is None else round(taken, 3)


def _malloc_in_use() -> Callable[[], int] | None:
    """A function that returns the bytes in use by the C library's malloc, where it has ``mallinfo2``."""

    class Information(ctypes.Structure):
        _fields_ = [
            (name, ctypes.c_size_t)
            for name in (
                "arena",
                "ordblks",
                "smblks",
                "hblks",
                "hblkhd",
                "usmblks",
                "fsmblks",
                "uordblks",
                "fordblks",
                "keepcost",
            )
        ]

    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):
        return None
    mallinfo2.restype = Information
    return lambda: int(mallinfo2().uordblks)


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _probe_engine(count: int) -> float:
    """Bytes of resident memory per pending item, made and queued while the workqueue is held."""
    with bh.Machine(name="bench") as m, _held_workqueue(m) as wq:
        held: list[Any] = [None] * count
        put = wq.queue
        with _without_gc():
            before = _resident()
            for i in range(count):
                work = bh.Work(_nothing_with)
                put(work)
                held[i] = work
            return (_resident() - before) / count


def _probe_pool(count: int) -> float:
    """The same for a thread pool whose only thread waits."""
    gate = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(gate.wait)
        try:
            held: list[Any] = [None] * count
            submit = pool.submit
            with _without_gc():
                before = _resident()
                for i in range(count):
                    held[i] = submit(_nothing)
                return (_resident() - before) / count
        finally:
            gate.set()


_PROBES = {"engine": _probe_engine, "pool": _probe_pool}


def _probe(what: str, count: int) -> float:
    """Run a probe in a fresh process: memory that was freed before would be used again and not be seen."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    program = f"from bottomhalf.bench import _PROBES; print(_PROBES[{what!r}]({count}))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout)


# --- the table -------------------------------------------------------------------------------------------------------


def _row(
    name: str, against: str, unit: str, ours: list[float], peer: list[float], gate: float, goal: float, **options: bool
) -> Row:
    larger_is_better = options.get("larger_is_better", True)
    if larger_is_better:
        ratios = [theirs / mine for mine, theirs in zip(ours, peer, strict=True)]
    else:
        ratios = [mine / theirs for mine, theirs in zip(ours, peer, strict=True)]
    return Row(
        name=name,
        against=against,
        unit=unit,
        ours=statistics.median(ours),
        peer=statistics.median(peer),
        ratio=statistics.median(ratios),
        gate=gate,
        goal=goal,
        larger_is_better=larger_is_better,
        ours_samples=ours,
        peer_samples=peer,
    )


def measure(*, rounds: int = _LEAST_ROUNDS, quick: bool = False, say: Callable[[str], None] | None = None) -> list[Row]:
    """Measure everything and return the rows of the table.

    `rounds`: how often each case is measured, one after the other in every round; `quick`: smaller rounds; `say`:
    called with a line of progress. Boots a machine of its own and halts it.
    """
    sizes = Sizes.choose(quick)
    tell = say if say is not None else lambda _text: None
    with bh.Machine(name="bench") as m, ThreadPoolExecutor(1) as pool:
        bench = _Bench(m, pool, sizes)
        cases: list[Callable[[], float]] = [
            bench.prepared,
            bench.pool_submit,
            bench.loop,
            bench.simple_queue,
            bench.submit,
            bench.chain,
            bench.pool_chain,
            bench.latency,
            bench.pool_latency,
            bench.explore,
            bench.baton,
        ]
        taken: dict[str, list[float]] = {case.__name__: [] for case in cases}
        pool.submit(_nothing).result()
        bench.prepared()
        for number in range(rounds):
            tell(f"round {number + 1} of {rounds}")
            for case in cases:
                with _without_gc():
                    taken[case.__name__].append(case())
        tell("memory")
        blocks, malloc_bytes = _allocations_per_queued_item(m, sizes.items)
    probes = [(_probe("engine", sizes.pending), _probe("pool", sizes.pending)) for _ in range(3)]
    memory = [max(ours, 1.0) for ours, _ in probes]
    pool_memory = [peer for _, peer in probes]

    rows = [
        _row("prepared items, queue + flush", "ThreadPoolExecutor(1)", "ns", taken["prepared"], taken["pool_submit"],
             100, 180),
        _row("prepared items, queue + flush", "bare for: noop()", "ns", taken["prepared"], taken["loop"], 3.5, 2.3,
             larger_is_better=False),
        _row("prepared items, queue + flush", "SimpleQueue + thread", "ns", taken["prepared"], taken["simple_queue"],
             0.9, 1.1),
        _row("submit(fn) with a Future", "ThreadPoolExecutor(1)", "ns", taken["submit"], taken["pool_submit"], 10, 30),
        _row("an item that requeues itself", "chain of submits", "ns", taken["chain"], taken["pool_chain"], 25, 40),
        _row("start latency, main flushes", "ThreadPoolExecutor(1)", "us", taken["latency"], taken["pool_latency"],
             1.5, 2),
        _row("explore(), 4 handlers x 10 yields", "threads with a baton", "us", taken["explore"], taken["baton"],
             4, 10),
        _row("memory per pending item", "ThreadPoolExecutor(1)", "B", memory, pool_memory, 8, 12),
    ]  # fmt: skip
    rows.append(Row("Python blocks per queued item", "0", "", blocks, None, blocks, 0, 0, False, [blocks], []))
    if malloc_bytes is not None:
        rows.append(
            Row("malloc bytes per queued item", "0", "B", malloc_bytes, None, malloc_bytes, 0, 0, False, [malloc_bytes])
        )
    return rows


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.4g} {unit}"


def _mark(value: float | None, row: Row) -> str:
    if value is None:
        return ""
    if row.peer is None:
        return f"{value:g}"
    return f"{value:g}x" if row.larger_is_better else f"<= {value:g}x"


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    cells = [("", "against", "ours", "peer", "ratio", "gate", "goal", "reaches")]
    for row in rows:
        ratio = f"{row.ratio:.2f}x" if row.peer is not None else f"{row.ratio:g}"
        cells.append(
            (
                row.name,
                row.against,
                _figure(row.ours, row.unit),
                _figure(row.peer, row.unit),
                ratio,
                _mark(row.gate, row),
                _mark(row.goal, row),
                row.verdict,
            )
        )
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = []
    for line in cells:
        parts = [f"{cell:{'<' if column < 2 else '>'}{widths[column]}}" for column, cell in enumerate(line)]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, for the command line of this module and for ``bottomhalf bench``."""
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--quick", action="store_true", help="smaller rounds: under a quarter of a minute")
    parser.add_argument(
        "--rounds", type=int, default=_LEAST_ROUNDS, metavar="N", help=f"rounds of each (default {_LEAST_ROUNDS})"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the table, write the JSON file if one is asked for; returns the exit code."""
    if arguments.rounds < 1:
        print(f"bottomhalf bench: --rounds is {arguments.rounds}; at least 1 is allowed", file=sys.stderr)
        return 2
    on_terminal = sys.stderr.isatty()

    def say(text: str) -> None:
        if on_terminal:
            print(f"\r{text:40}\r", end="", file=sys.stderr, flush=True)

    rows = measure(rounds=arguments.rounds, quick=arguments.quick, say=say)
    say("")
    print(
        f"bottomhalf {bh.__version__}, {platform.python_implementation()} {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, {platform.machine()}; medians of {arguments.rounds} interleaved rounds"
    )
    print(table(rows))
    if arguments.json is not None:
        figures = {
            "bottomhalf": bh.__version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "rounds": arguments.rounds,
            "quick": arguments.quick,
            "rows": [asdict(row) | {"reaches": row.verdict} for row in rows],
        }
        try:
            with open(arguments.json, "w", encoding="ascii") as file:
                json.dump(figures, file, indent=1)
                file.write("\n")
        except OSError as error:
            print(f"bottomhalf bench: cannot write {arguments.json}: {error.strerror}", file=sys.stderr)
            return 1
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m bottomhalf.bench``; returns the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["mixed"]:
        from . import bench_mixed

        return bench_mixed.main(given[1:])
    parser = argparse.ArgumentParser(prog="python -m bottomhalf.bench", description="The Python table of ratios.")
    add_arguments(parser)
    try:
        return run(parser.parse_args(given))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
