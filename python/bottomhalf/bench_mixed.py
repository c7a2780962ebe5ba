"""Mixed loads against thread pools of every size: ``python -m bottomhalf.bench mixed [--json FILE] [--quick]``.

A mix holds items that compute in Python, that hash (without the GIL), that wait for an answer from another process, and
short ones. It is run twice on each pool: all at once, for the total time; and spread over time, as requests come, for
the latency of the short items (from submit to end). The pools are ``m.system_managed_wq`` with default settings, and
ThreadPoolExecutor with 1, 2, 4, ... 256 workers (joblib's threads too, where it is installed, for the total time).
Rounds are interleaved; the figures are medians.

Below: how soon the next item starts when one blocks without saying so, by each means of detection, and how many items
that only compute were taken for blocked.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_all
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bottomhalf as bh

__all__ = ["detection_table", "main", "mixed_table"]

WORKERS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
_ANSWER = 0.01  # seconds that the other process takes to answer
_BLOCK = b"x" * 1_000_000
_BAR = 24  # columns of the longest bar

# Answers each byte that comes over a socket after a while: a server that is busy elsewhere, without our GIL.
_SERVER = """
import selectors, socket, sys, time
sockets = [socket.socket(fileno=int(fd)) for fd in sys.argv[2:]]
delay, due = float(sys.argv[1]), []
selector = selectors.DefaultSelector()
for s in sockets:
    selector.register(s, selectors.EVENT_READ)
while True:
    for key, _ in selector.select(max(0.0, due[0][0] - time.monotonic()) if due else None):
        if not key.fileobj.recv(1):
            sys.exit()
        due.append((time.monotonic() + delay, key.fileobj))
    while due and due[0][0] <= time.monotonic():
        due.pop(0)[1].send(b"x")
"""


@dataclass(frozen=True)
class Mix:
    """How many of each kind of item a round has, and how far apart they come when they are spread."""

    name: str
    short: int
    compute: int
    hash: int
    answer: int
    gap: float  # seconds

    def items(self) -> list[str]:
        """The kinds in the order of submission, the same every time."""
        kinds = ["short"] * self.short + ["compute"] * self.compute + ["hash"] * self.hash + ["answer"] * self.answer
        random.Random(self.name).shuffle(kinds)
        return kinds


def _mixes(quick: bool) -> list[Mix]:
    n = 1 if quick else 2
    return [
        Mix("waits", short=200 * n, compute=20 * n, hash=20 * n, answer=240 * n, gap=0.5e-3),
        Mix("hashes", short=200 * n, compute=30 * n, hash=150 * n, answer=60 * n, gap=1.5e-3),
        Mix("computes", short=200 * n, compute=200 * n, hash=20 * n, answer=60 * n, gap=2e-3),
    ]


class Load:
    """The bodies of the items, and the process that answers."""

    def __init__(self) -> None:
        pairs = [socket.socketpair() for _ in range(300)]
        self._idle = [ours for ours, _ in pairs]
        fds = [theirs.fileno() for _, theirs in pairs]
        command = [sys.executable, "-S", "-c", _SERVER, str(_ANSWER), *map(str, fds)]
        self._server = subprocess.Popen(command, pass_fds=fds)
        for _, theirs in pairs:
            theirs.close()
        start = time.perf_counter()
        sum(range(100_000))
        # About 2 ms of Python.
        self._loops = max(1, int(100_000 * 2e-3 / (time.perf_counter() - start)))

    def close(self) -> None:
        """End the other process."""
        for ours in self._idle:
            ours.close()
        self._server.wait()

    def short(self) -> None:
        """Some ten microseconds of Python."""
        sum(range(300))

    def compute(self) -> None:
        """Some milliseconds of Python."""
        total = 0
        for i in range(self._loops // 4):
            total += i

    def hash(self) -> None:
        """Some milliseconds without the GIL."""
        for _ in range(4):
            hashlib.sha256(_BLOCK).digest()

    def answer(self) -> None:
        """A question, and its answer."""
        ours = self._idle.pop()
        ours.send(b"?")
        ours.recv(1)
        self._idle.append(ours)


Submit = Callable[[Callable[[], None]], "Future[None]"]


def _burst(submit: Submit, load: Load, mix: Mix) -> float:
    """Seconds until all are through that were submitted at once."""
    functions = [getattr(load, kind) for kind in mix.items()]
    start = time.perf_counter()
    futures = [submit(function) for function in functions]
    wait_all(futures)
    return time.perf_counter() - start


def _spread(submit: Submit, load: Load, mix: Mix) -> list[float]:
    """Seconds from submit to end of each short item, while all come one after the other."""
    taken: list[float] = []
    futures = []

    def timed() -> None:
        due = time.perf_counter()

        def short() -> None:
            load.short()
            taken.append(time.perf_counter() - due)

        futures.append(submit(short))

    due = time.perf_counter()
    for kind in mix.items():
        due += mix.gap
        while (left := due - time.perf_counter()) > 0:
            time.sleep(left)
        if kind == "short":
            timed()
        else:
            futures.append(submit(getattr(load, kind)))
    wait_all(futures)
    return taken


def _bar(value: float, all_of: dict[str, float]) -> str:
    # Logarithmic: from the least, which has one column, to the most.
    least, most = min(all_of.values()), max(all_of.values())
    return "#" * (1 + round((_BAR - 1) * math.log(value / least) / max(math.log(most / least), 1e-9)))


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * share) - 1)]


@contextmanager
def _pools() -> Iterator[dict[str, Submit]]:
    """The submit of each pool; a ThreadPoolExecutor makes its threads at the first round, which is not counted."""
    with bh.Machine(name="bench") as m:
        executors = {f"executor({n})": ThreadPoolExecutor(n) for n in WORKERS}
        try:
            yield {"bottomhalf": m.system_managed_wq.submit, **{k: e.submit for k, e in executors.items()}}
        finally:
            for executor in executors.values():
                executor.shutdown()


def _joblib_burst(load: Load, mix: Mix) -> dict[str, float]:
    try:
        import joblib  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        return {}
    functions = [getattr(load, kind) for kind in mix.items()]
    times = {}
    for n in WORKERS:
        with joblib.Parallel(n_jobs=n, prefer="threads") as parallel:
            start = time.perf_counter()
            parallel(joblib.delayed(function)() for function in functions)
            times[f"joblib({n})"] = time.perf_counter() - start
    return times


def mixed_table(rounds: int, quick: bool, say: Callable[[str], None] = print) -> list[dict[str, Any]]:
    """Measure every mix on every pool and print; returns the figures, one dict for each mix."""
    figures = []
    load = Load()
    try:
        for mix in _mixes(quick):
            totals: dict[str, list[float]] = {}
            tails: dict[str, list[float]] = {}
            with _pools() as pools:
                for turn in range(rounds + 1):
                    for name, submit in pools.items():
                        total, taken = _burst(submit, load, mix), _spread(submit, load, mix)
                        if turn > 0:
                            totals.setdefault(name, []).append(total)
                            tails.setdefault(name, []).append(_percentile(taken, 0.99))
            for name, total in _joblib_burst(load, mix).items():
                totals[name] = [total]
            total_of = {name: statistics.median(v) for name, v in totals.items()}
            tail_of = {name: statistics.median(v) for name, v in tails.items()}
            peers = [name for name in tail_of if name != "bottomhalf"]
            best = min(peers, key=total_of.__getitem__)
            say(
                f"mix {mix.name!r}: {mix.short} short, {mix.compute} compute, {mix.hash} hash, {mix.answer} wait "
                f"{_ANSWER * 1e3:.0f} ms; at once, and one every {mix.gap * 1e3:.1f} ms"
            )
            say(f"  {'(bars: logarithmic)':28}{'total':<{_BAR}}  {'':14}p99 of the short ones")
            for name, total in total_of.items():
                line = f"  {name:14} {total * 1e3:8.1f} ms  {_bar(total, total_of):{_BAR}}"
                if name in tail_of:
                    line += f"  {tail_of[name] * 1e3:9.2f} ms  {_bar(tail_of[name], tail_of)}"
                say(line.rstrip())
            say(
                f"  against {best}, the best total: time {total_of[best] / total_of['bottomhalf']:.2f}x, "
                f"p99 {tail_of[best] / tail_of['bottomhalf']:.1f}x; against the best p99 of all: "
                f"{min(tail_of[p] for p in peers) / tail_of['bottomhalf']:.1f}x"
            )
            figures.append({"mix": mix.name, "best": best, "total_s": total_of, "p99_s": tail_of})
    finally:
        load.close()
    return figures


# --- detection -------------------------------------------------------------------------------------------------------


def _ways() -> dict[str, Callable[[], object]]:
    """Handlers that block for some 10 ms, and one that computes for as long."""
    lock = threading.Lock()
    lock.acquire()
    ours, _theirs = socket.socketpair()
    ours.settimeout(0.01)

    def receive(_keep: object = _theirs) -> None:
        try:
            ours.recv(1)
        except TimeoutError:
            pass

    def compute_and_sleep() -> None:
        _compute(0.002)
        time.sleep(0.01)

    return {
        "time.sleep": lambda: time.sleep(0.01),
        "lock.acquire": lambda: lock.acquire(timeout=0.01),
        "recv": receive,
        "subprocess.run": lambda: subprocess.run(["sleep", "0.01"], check=True),
        "sleep after 2 ms": compute_and_sleep,
        "compute": lambda: _compute(0.008),
    }


def _compute(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def detection_table(samples: int, say: Callable[[str], None] = print) -> list[dict[str, Any]]:
    """Measure how soon the next item starts when one blocks, by each means; returns the figures."""
    figures = []
    for means in ("switch-records", "sampling", "budget", "hooks"):
        try:
            m = bh.Machine(cpus=1, name="bench", detection=means)
        except bh.Unsupported as error:
            say(f"{means}: {error}")
            continue
        with m:
            before = m._monitor_counters()[0]
            time.sleep(0.2)
            idle = m._monitor_counters()[0] - before
            say(f"detection by {means} (woken {idle} times in 0.2 s of nothing to do):")
            ways = [(name, block, False) for name, block in _ways().items()]
            for name, block, known in [*ways, ("sleep, known", lambda: time.sleep(0.01), True)]:
                taken = []
                handed_over = m._monitor_counters()[2]
                for _ in range(samples):
                    taken.append(_block_and_next(m.system_wq, block, known))
                wrong = m._monitor_counters()[2] - handed_over
                middle, tail = statistics.median(taken), _percentile(taken, 0.95)
                figures.append({"means": means, "way": name, "p50_s": middle, "p95_s": tail, "handed_over": wrong})
                line = f"  {name:17} next item after p50 {middle * 1e6:8.0f} us, p95 {tail * 1e6:8.0f} us"
                if name == "compute":
                    line += f"; taken for blocked {wrong} of {samples}"
                say(line)
    return figures


_codes: list[Any] = []  # alive, so that no address comes twice


def _block_and_next(wq: bh.Workqueue, block: Callable[[], object], known: bool) -> float:
    """Seconds from the start of an item that blocks to the start of the one behind it.

    known: the same function every time, so that the pool knows it after the second.
    """
    started = [0.0, 0.0]

    def first(_work: object) -> None:
        started[0] = time.perf_counter()
        block()

    def second(_work: object) -> None:
        started[1] = time.perf_counter()

    if not known:
        first.__code__ = first.__code__.replace()
        _codes.append(first.__code__)
    works = [bh.Work(first), bh.Work(second)]
    for work in works:
        wq.queue(work)
    for work in works:
        work.flush()
    return started[1] - started[0]


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m bottomhalf.bench mixed``; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bottomhalf.bench mixed", description="Mixed loads.")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--quick", action="store_true", help="half the items")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds of each (default 3)")
    parser.add_argument("--only", choices=["mixes", "detection"], help="leave the other out")
    arguments = parser.parse_args(argv)
    if arguments.rounds < 1:
        parser.error(f"--rounds is {arguments.rounds}; at least 1 is allowed")
    print(f"bottomhalf {bh.__version__}, {sys.version.split()[0]}, {os.cpu_count()} CPUs")
    figures: dict[str, Any] = {"rounds": arguments.rounds, "cpus": os.cpu_count(), "python": sys.version.split()[0]}
    if arguments.only != "detection":
        figures["mixes"] = mixed_table(arguments.rounds, arguments.quick)
    if arguments.only != "mixes":
        figures["detection"] = detection_table(20 if arguments.quick else 60)
    if arguments.json is not None:
        with open(arguments.json, "w", encoding="ascii") as file:
            json.dump(figures, file, indent=1)
            file.write("\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
