"""The tour: reads, hashes and parses a real tree of files through workqueues, and tells how it went.

What ``bottomhalf tour`` does is the work that thread pools are used for: every file is read (which blocks), hashed
(native code without the GIL) and, if it is Python, parsed (pure Python, with the GIL). One prepared work item per file
goes to ``m.system_managed_wq``; nobody chooses a number of threads. An ordered workqueue writes the report, in the
order of the tree although the files are done in any order: its items *wait for the items of the other workqueue*,
which a thread pool of fixed size must not do. A delayed work item that re-arms itself shows the progress.

However large the tree, only a window of it is in memory at any time.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import stat
import sys
import sysconfig
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, TextIO

import bottomhalf as bh

__all__ = ["TourError", "TourResult", "tour"]

_BATCH = 64  # files to one item of the report
_WINDOW = 32  # batches in flight
_CHUNK = 1 << 20  # bytes read at a time where the whole file is not needed
_LARGEST_SOURCE = 32 << 20  # bytes of Python; what is larger was generated and would fill the memory
_NAMED = 8  # troubles named in the summary; the report has them all
_PROGRESS_SECONDS = 0.1


class TourError(Exception):
    """The tour cannot be made: there is no such directory, or the report cannot be written."""


@dataclass
class Trouble:
    """How many files had one kind of trouble, and the first few by name."""

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, path: str, reason: str) -> None:
        self.count += 1
        if len(self.named) < _NAMED:
            self.named.append(f"{_printable(path)}: {_printable(reason)}")


@dataclass
class Totals:
    """What a pass over the tree saw. Written by one thread at a time: the ordered workqueue sees to that."""

    files: int = 0
    bytes: int = 0
    parsed: int = 0
    unreadable: Trouble = field(default_factory=Trouble)
    unparsable: Trouble = field(default_factory=Trouble)

    def add(self, record: dict[str, Any]) -> None:
        self.files += 1
        self.bytes += record.get("bytes", 0)
        if "unreadable" in record:
            self.unreadable.add(record["path"], record["unreadable"])
        elif "syntax_error" in record:
            self.unparsable.add(record["path"], record["syntax_error"])
        elif "lines" in record:
            self.parsed += 1


@dataclass
class Timing:
    """One pass over the tree with the files already in the cache of the operating system."""

    who: str
    seconds: float


@dataclass
class TourResult:
    """What `tour` found and measured; ``str()`` of it is the summary."""

    root: str
    report: str
    cpus: int
    totals: Totals
    seconds: float
    kworkers: int
    busiest: int
    statistics: list[tuple[str, dict[str, Any]]]
    timings: list[Timing]

    def as_dict(self) -> dict[str, Any]:
        """The summary as it stands at the end of the JSON report."""
        totals = self.totals
        ours = self.timings[0].seconds if self.timings else 0.0
        return {
            "files": totals.files,
            "bytes": totals.bytes,
            "parsed": totals.parsed,
            "unreadable": totals.unreadable.count,
            "syntax_errors": totals.unparsable.count,
            "seconds": round(self.seconds, 4),
            "cpus": self.cpus,
            "kworkers": self.kworkers,
            "workqueues": [{"name": name} | counters for name, counters in self.statistics],
            "timings": [
                {
                    "who": timing.who,
                    "seconds": round(timing.seconds, 4),
                    "ratio": round(timing.seconds / ours, 3) if ours else None,
                }
                for timing in self.timings
            ],
        }

    def __str__(self) -> str:
        totals = self.totals
        rate = totals.bytes / self.seconds / 1e6 if self.seconds else 0.0
        lines = [
            "",
            f"The tour of {_printable(self.root)}",
            f"  {totals.files:,} items, {totals.bytes:,} bytes in {self.seconds:.2f} s ({rate:.1f} MB/s); "
            f"{totals.parsed:,} Python files parsed",
        ]
        lines += _trouble_lines("unreadable", totals.unreadable)
        lines += _trouble_lines("with syntax errors", totals.unparsable)
        lines += [
            f"  {self.kworkers} kworkers existed, {self.busiest} of them for the files, on {_count(self.cpus, 'CPU')}; "
            "nobody chose a number",
            f"  report: {_printable(self.report)}",
        ]
        lines += ["", "Workqueues"] + _statistics_lines(self.statistics)
        if self.timings:
            lines += ["", "The same job again, files in the cache: seconds, and how many times ours"]
            ours = self.timings[0].seconds
            for timing in self.timings:
                ratio = timing.seconds / ours if ours else 0.0
                lines.append(f"  {timing.who:32} {timing.seconds:9.3f} {ratio:8.2f}x")
        return "\n".join(lines)


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _printable(text: str) -> str:
    """Names of files may hold anything: undecodable bytes, newlines, control characters."""
    shown = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)


def _trouble_lines(what: str, trouble: Trouble) -> list[str]:
    lines = [f"  {trouble.count:,} {what}" + (":" if trouble.named else "")]
    lines += [f"    {name}" for name in trouble.named]
    if trouble.count > len(trouble.named):
        lines.append(f"    and {trouble.count - len(trouble.named):,} more, in the report")
    return lines


# SEMANTICS' per-pool-workqueue counters, in the order of wq_monitor.
_COUNTERS = ("started", "completed", "cpu_time", "cpu_intensive", "cm_wakeup", "repatriated", "mayday", "rescued")


def _statistics(m: bh.Machine) -> list[tuple[str, dict[str, Any]]]:
    """The counters of every workqueue that ran something."""
    rows = []
    for wq, counters in m.stats():
        values = {name: getattr(counters, name) for name in _COUNTERS}
        if values["started"]:
            rows.append((str(wq.name), values))
    return rows


def _statistics_lines(rows: list[tuple[str, dict[str, Any]]]) -> list[str]:
    lines = ["  " + f"{'':20}" + "".join(f"{name:>14}" for name in _COUNTERS)]
    for name, values in rows:
        lines.append("  " + f"{name[-20:]:20}" + "".join(f"{values[counter]:>14,}" for counter in _COUNTERS))
    return lines


# --- the files -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """A file of the tree, or a directory that could not be listed."""

    path: str  # from the root on, with "/" as the separator
    full: str
    trouble: str | None = None


def _walk(root: str, leave_out: frozenset[str] = frozenset()) -> Iterator[_Found]:
    """The files below `root`, sorted by path; links to directories are not followed, so there are no loops.

    `leave_out`: directories right below the root that are not visited.
    """
    if not os.path.isdir(root):
        yield _Found(os.path.basename(root), root)
        return
    # An explicit stack: a tree may be deeper than Python recurses.
    stack: list[Iterator[tuple[str, str, bool]]] = [iter([("", root, True)])]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        path, full, is_directory = entry
        if not is_directory:
            yield _Found(path, full)
            continue
        if path in leave_out:
            continue
        try:
            stack.append(iter(_listing(path, full)))
        except OSError as error:
            yield _Found(path or ".", full, _reason(error))


def _listing(path: str, full: str) -> list[tuple[str, str, bool]]:
    found = []
    with os.scandir(full) as entries:
        for entry in entries:
            try:
                is_directory = entry.is_dir(follow_symlinks=False)
                skip = not is_directory and entry.is_symlink() and os.path.isdir(entry.path)
            except OSError:
                is_directory = skip = False  # opening it will tell what is wrong
            if not skip:
                name = f"{path}/{entry.name}" if path else entry.name
                found.append((name, entry.path, is_directory))
    # With the "/" the whole walk comes out sorted by path, not only each directory.
    found.sort(key=lambda item: item[0] + "/" if item[2] else item[0])
    return found


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _open_regular(full: str) -> int:
    """A descriptor of a regular file; anything else (a pipe would block for ever) is an `OSError`."""
    descriptor = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file")
    return descriptor


def _examine(found: _Found) -> dict[str, Any]:
    """The record of one file: read, hashed, and parsed if it is Python. Never raises an `Exception`.

    Nothing says where it may block. `bh.blocking()` around each read would hand the CPU over for every file that is in
    the cache, three times each; a read that does wait is noticed by the pool.
    """
    record: dict[str, Any] = {"path": found.path}
    if found.trouble is not None:
        record["unreadable"] = found.trouble
        return record
    source: bytes | None = None
    try:
        digest = hashlib.sha256()
        size = 0
        descriptor = _open_regular(found.full)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            is_source = found.path.endswith((".py", ".pyi"))
            whole = is_source and os.fstat(descriptor).st_size <= _LARGEST_SOURCE
            kept: list[bytes] = []
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                digest.update(chunk)
                # A file may grow while it is read.
                whole = whole and size <= _LARGEST_SOURCE
                if whole:
                    kept.append(chunk)
            if whole:
                source = b"".join(kept)
        record["bytes"] = size
        record["sha256"] = digest.hexdigest()
        if is_source and source is None:
            record["syntax_error"] = f"too large to parse (more than {_LARGEST_SOURCE >> 20} MiB)"
    except Exception as error:
        record["unreadable"] = _reason(error)
        return record
    if source is not None:
        try:
            record.update(_outline(source, found.path))
        except Exception as error:  # SyntaxError, wrong encodings, null bytes, too deeply nested, ...
            record["syntax_error"] = _reason(error)
    return record


def _outline(source: bytes, path: str) -> dict[str, int]:
    """How many lines, functions and classes a Python file has."""
    tree = ast.parse(source, filename=path)
    functions = classes = 0
    blocks: list[Iterable[ast.stmt]] = [tree.body]
    while blocks:
        for statement in blocks.pop():
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                functions += 1
            elif isinstance(statement, ast.ClassDef):
                classes += 1
            body = getattr(statement, "body", None)
            if isinstance(body, list):
                blocks.append(body)
    return {"lines": source.count(b"\n"), "functions": functions, "classes": classes}


# --- the report ------------------------------------------------------------------------------------------------------


class _Report:
    """The JSON report, written record by record. Used by one thread at a time: the ordered workqueue sees to that."""

    def __init__(self, target: str | None) -> None:
        self._unfinished: str | None = None
        self._first = True
        self._file: TextIO
        self.bytes = 0
        self.error: OSError | None = None
        try:
            if target is None:
                descriptor, self.target = tempfile.mkstemp(prefix="bottomhalf-tour-", suffix=".json")
                self._file = os.fdopen(descriptor, "w", encoding="ascii")
                self._unfinished = self.target
            elif os.path.exists(target) and not os.path.isfile(target):
                self.target = target  # a device or a pipe: it cannot be replaced at the end
                self._file = open(target, "w", encoding="ascii")
            else:
                self.target = target
                self._unfinished = f"{target}.unfinished"
                self._file = open(self._unfinished, "w", encoding="ascii")
        except OSError as error:
            raise TourError(f"cannot write the report {_printable(str(target))}: {_reason(error)}") from error

    def begin(self, root: str) -> None:
        head = {"bottomhalf": bh.__version__, "python": platform.python_version(), "root": root}
        self._write(json.dumps(head)[:-1] + ', "files": [')

    def add(self, record: dict[str, Any]) -> None:
        self._write(("\n" if self._first else ",\n") + json.dumps(record, sort_keys=True))
        self._first = False

    def end(self, summary: dict[str, Any]) -> None:
        """Write the last part and give the file its name."""
        self._write('\n], "summary": ' + json.dumps(summary, indent=1, sort_keys=True) + "}\n")
        try:
            self._file.close()
            if self._unfinished is not None and self._unfinished != self.target:
                os.replace(self._unfinished, self.target)
            self._unfinished = None
        except OSError as error:
            self.error = self.error or error

    def discard(self) -> None:
        """Leave nothing half written behind; nothing after `end`."""
        try:
            self._file.close()
        except OSError:
            pass  # the reason is known already, or nobody wants the report
        if self._unfinished is not None:
            try:
                os.unlink(self._unfinished)
            except OSError:
                pass

    def check(self) -> None:
        if self.error is not None:
            raise TourError(f"cannot write the report {_printable(self.target)}: {_reason(self.error)}")

    def _write(self, text: str) -> None:
        if self.error is not None:
            return
        try:
            self._file.write(text)
        except OSError as error:
            self.error = error


# --- through workqueues ----------------------------------------------------------------------------------------------


class _FileItem(bh.Work):
    """Examines one file."""

    def __init__(self, found: _Found) -> None:
        self.found = found
        self.record: dict[str, Any] = {"path": found.path, "unreadable": "the work item did not run"}

    def run(self) -> None:
        self.record = _examine(self.found)


class _BatchItem(bh.Work):
    """Waits for the files of a batch and hands their records on, in order. Runs on the ordered workqueue."""

    def __init__(self, items: list[_FileItem], sink: _Sink) -> None:
        self.items = items
        self.sink = sink

    def run(self) -> None:
        for item in self.items:
            item.flush()
            self.sink(item.record)
        self.items = []


class _Call(bh.Work):
    """Runs a function of no arguments: the first and the last item of the report."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call

    def run(self) -> None:
        self.call()


class _Progress(bh.DelayedWork):
    """Shows how far the tour is, and re-arms itself: a delayed work item is a timer that may sleep."""

    def __init__(self, m: bh.Machine, totals: Totals, screen: TextIO | None) -> None:
        self.machine = m
        self.totals = totals
        self.screen = screen
        self.started = time.monotonic()
        self.kworkers = 0
        self.busiest = 0
        self.width = 0

    def run(self) -> None:
        self.look()
        self.schedule(_PROGRESS_SECONDS)

    def look(self) -> None:
        """Count the kworkers and draw the line."""
        names = [task.name for task in self.machine.tasks() if task.name.startswith("kworker/")]
        self.kworkers = max(self.kworkers, len(names))
        self.busiest = max(self.busiest, sum(name.startswith("kworker/u") for name in names))
        if self.screen is None:
            return
        totals = self.totals
        line = (
            f"{totals.files:,} files, {totals.bytes / 1e6:,.1f} MB, {time.monotonic() - self.started:.1f} s, "
            f"{len(names)} kworkers"
        )
        self.width = max(self.width, len(line))
        self._draw(f"\r{line:{self.width}}")

    def finish(self) -> None:
        """Stop re-arming and wipe the line."""
        self.cancel_sync()
        if self.screen is not None and self.width:
            self._draw("\r" + " " * self.width + "\r")

    def _draw(self, text: str) -> None:
        try:
            if self.screen is not None:
                self.screen.write(text)
                self.screen.flush()
        except (OSError, ValueError):
            self.screen = None  # the terminal is gone; the tour goes on


_Sink = Callable[[dict[str, Any]], object]
_Job = Callable[[Iterator[_Found], _Sink], None]


def _batches(files: Iterator[_Found]) -> Iterator[list[_Found]]:
    while batch := list(islice(files, _BATCH)):
        yield batch


def _through_workqueues(m: bh.Machine, ordered: bh.Workqueue, files: Iterator[_Found], sink: _Sink) -> None:
    """Examine the files on the managed workqueue; `sink` gets each record, in order, on the ordered one."""
    managed = m.system_managed_wq
    in_flight: deque[_BatchItem] = deque()
    for batch in _batches(files):
        items = [_FileItem(found) for found in batch]
        managed.queue_many(items)
        report = _BatchItem(items, sink)
        ordered.queue(report)
        in_flight.append(report)
        if len(in_flight) >= _WINDOW:
            _finish(in_flight.popleft())
    while in_flight:
        _finish(in_flight.popleft())


def _finish(report: _BatchItem) -> None:
    report.flush()
    if report.exception is not None:
        raise report.exception


def _through_threads(workers: int, files: Iterator[_Found], sink: _Sink) -> None:
    """The same with a `ThreadPoolExecutor`, with the same number of files in flight."""
    in_flight: deque[Future[dict[str, Any]]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for found in files:
            in_flight.append(pool.submit(_examine, found))
            if len(in_flight) >= _BATCH * _WINDOW:
                sink(in_flight.popleft().result())
        while in_flight:
            sink(in_flight.popleft().result())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _write_record(file: TextIO, record: dict[str, Any]) -> None:
    file.write(json.dumps(record, sort_keys=True))


def _compare(
    m: bh.Machine, ordered: bh.Workqueue, files: Callable[[], Iterator[_Found]], say: Callable[[str], None]
) -> list[Timing]:
    """The same job, with a report that goes nowhere, by us and by thread pools of several sizes."""
    jobs: list[tuple[str, _Job]] = [("bottomhalf", partial(_through_workqueues, m, ordered))]
    default = min(32, (os.cpu_count() or 1) + 4)  # what ThreadPoolExecutor() would take
    for workers in sorted({1, m.cpus, 2 * m.cpus, default}):
        jobs.append((f"ThreadPoolExecutor({workers})", partial(_through_threads, workers)))
    timings = []
    for who, job in jobs:
        say(f"the same again: {who} ...")
        with open(os.devnull, "w", encoding="ascii") as nowhere:
            start = time.perf_counter()
            job(files(), partial(_write_record, nowhere))
            timings.append(Timing(who, time.perf_counter() - start))
    return timings


def tour(
    root: str | os.PathLike[str] | None = None,
    *,
    report: str | os.PathLike[str] | None = None,
    cpus: int | None = None,
    limit: int | None = None,
    compare: bool = True,
    screen: TextIO | None = None,
) -> TourResult:
    """Make the tour of the tree `root` on a machine of its own, write the report and return what came out.

    `root`: a directory or a file (None: the standard library of this Python); `report`: where the JSON report goes
    (None: a new file in the temporary directory); `cpus`: of the machine (None: those this process may use); `limit`:
    how many files at most; `compare`: time the same job with thread pools too; `screen`: a terminal for the progress
    line (None: silent). Raises `TourError` when there is nothing to visit or the report cannot be written. Files that
    cannot be read or parsed are counted and named, never fatal.
    """
    top = os.fspath(root) if root is not None else sysconfig.get_path("stdlib")
    # What is installed beside the standard library is not part of it.
    leave_out = frozenset(("site-packages", "dist-packages")) if root is None else frozenset()
    if not os.path.lexists(top):
        raise TourError(f"{_printable(top)}: there is no such directory")

    def files() -> Iterator[_Found]:
        return islice(_walk(top, leave_out), limit)

    def say(text: str) -> None:
        if screen is not None:
            screen.write(f"\r{text:60}\r")
            screen.flush()

    paper = _Report(None if report is None else os.fspath(report))
    try:
        # The filters belong to the process, so this covers the kworkers: what old sources deserve is not our subject.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with bh.Machine(cpus=cpus, name="tour") as m:
                return _visit(m, top, files, paper, compare, screen, say)
    finally:
        paper.discard()


def _visit(
    m: bh.Machine,
    top: str,
    files: Callable[[], Iterator[_Found]],
    paper: _Report,
    compare: bool,
    screen: TextIO | None,
    say: Callable[[str], None],
) -> TourResult:
    totals = Totals()

    def sink(record: dict[str, Any]) -> None:
        totals.add(record)
        paper.add(record)

    ordered = m.alloc_ordered_workqueue("tour_report")
    progress = _Progress(m, totals, screen)
    start = time.perf_counter()
    ordered.queue(_Call(lambda: paper.begin(top)))
    progress.schedule(_PROGRESS_SECONDS)
    try:
        _through_workqueues(m, ordered, files(), sink)
        seconds = time.perf_counter() - start
        progress.look()
    finally:
        progress.finish()
    paper.check()
    # Before the comparison, so that the counters are those of one tour.
    statistics = _statistics(m)
    timings = _compare(m, ordered, files, say) if compare else []
    say("")
    result = TourResult(
        top, paper.target, m.cpus, totals, seconds, progress.kworkers, progress.busiest, statistics, timings
    )
    last = _Call(lambda: paper.end(result.as_dict()))
    ordered.queue(last)
    last.flush()
    paper.check()
    ordered.destroy()
    return result


def run(root: str | None, *, report: str | None, cpus: int | None, limit: int | None, compare: bool) -> int:
    """What ``bottomhalf tour`` does: make the tour, print the summary, return the exit code."""
    screen = sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None
    try:
        result = tour(root, report=report, cpus=cpus, limit=limit, compare=compare, screen=screen)
    except TourError as error:
        print(f"bottomhalf tour: {error}", file=sys.stderr)
        return 1
    print(result)
    return 0
