"""For tests: simulated machines in pytest and Hypothesis, and the standard library in virtual time.

pytest finds the fixture ``machine`` and the marker of the same name by itself once bottomhalf is installed::

    import pytest

    @pytest.mark.machine(cpus=2, seed=7)
    def test_a_poller(machine):
        poller = bottomhalf.DelayedWork(poll)
        poller.schedule(3600.0)
        poller.flush()                       # takes no real time
        assert machine.now >= 3600.0

The marker's arguments, all by keyword, are those of :class:`bottomhalf.Machine` (``cpus``, ``hz``, ``seed``,
``schedule``, ``preempt``) and ``max_steps``, how many decisions the test may take before ``BudgetExceeded``. The
machine is simulated, traced, current inside the test, and halted at its end. The test fails on the first exception that
left a handler (one that is expected is taken out of ``machine.errors``) and on what it leaves queued, running or armed.
The report of a test shows the machine's log; that of a failed one also its last trace events and, where the schedule
was not Fifo, how to repeat it.
"""

from __future__ import annotations

import _thread
import contextlib
import functools
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from . import _core
from . import schedules as _schedules
from ._machine import Machine, default_machine

if TYPE_CHECKING:
    from types import TracebackType
__all__ = ["EPOCH", "schedules", "virtual_stdlib"]

# --- pytest: what the plugin's fixture does, without a word of pytest ---

_OPTIONS = ("cpus", "hz", "seed", "schedule", "preempt", "max_steps")
_EVENTS = 200  # of a trace in a report; arbitrary


class _Run:
    """One test on a machine of its own: booted, looked at when the test is over, halted."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        for option in options:
            if option not in _OPTIONS:
                raise TypeError(f"@pytest.mark.machine: no {option}=; allowed are {', '.join(_OPTIONS)}")
        options = dict(options)
        max_steps = options.pop("max_steps", None)
        if max_steps is not None:
            _schedules._natural(max_steps, "max_steps", 1)
        self._preempt = options.get("preempt", "full")
        self._seed = options.get("seed") or 0
        self._trace = ""
        self._log = ""
        self.machine = Machine(simulated=True, trace=True, name=name, **options)
        self.machine._takes_errors = True
        if max_steps is not None:
            _core._sim_max_steps(self.machine, max_steps)
        self._boot = len(self.machine.trace().events)
        self.machine._enter()

    def check(self, failed: bool) -> BaseException | None:
        """The test's function is over: why the test fails beside what it raised itself, or None."""
        machine = self.machine
        if machine.halted:
            return self._first_error()
        if not (failed or machine.errors) and not machine._idle():
            return self._leaked()
        self._look()
        return self._first_error()

    def _first_error(self) -> BaseException | None:
        if not self.machine.errors:
            return None
        source, error = self.machine.errors[0]
        if hasattr(error, "add_note"):
            error.add_note(f"raised in {source!r}, handled by nobody, on machine '{self.machine.name}'")
        return error

    def _leaked(self) -> AssertionError:
        machine = self.machine
        running = machine._running_items()
        before = len(machine.log)
        self._look()
        machine.halt("cancel")
        left = [str(line.text).removeprefix("machine halt: ") for line in machine.log[before:]]
        named = [f"running: {item}" for item in running] + left
        return AssertionError(
            f"the test left pending work behind on machine '{machine.name}' (at {machine.now} s); wait for it (flush, "
            "machine.run()) or take it away (cancel_sync, delete_sync): " + ("; ".join(named) or "a softirq is pending")
        )

    def _look(self) -> None:
        self._trace = self._trace_text()
        self._log = "\n".join(map(str, self.machine.log))

    def _trace_text(self) -> str:
        events = self.machine.trace().events[self._boot :]
        lines = [str(event) for event in events[-_EVENTS:]]
        if len(events) > _EVENTS:
            lines.insert(0, f"({len(events) - _EVENTS} earlier events; machine.trace() has all)")
        return "\n".join(lines)

    def sections(self, failed: bool) -> list[tuple[str, str]]:
        """Titles and texts for the report of the test."""
        found = [("bottomhalf log", self._log)]
        if failed:
            found.append(("bottomhalf trace", self._trace))
            found.append(("bottomhalf schedule", self._schedule()))
        return [(title, text) for title, text in found if text]

    def _schedule(self) -> str:
        machine = self.machine
        if machine._schedule_maker is None:
            return ""
        from ._replay import Recorded

        recording = machine._schedule_maker.recording()
        if recording is None or not recording[2]:
            return ""
        run = Recorded(machine.cpus, machine.hz, self._preempt, None, self._seed, recording[2], None, machine.topology)
        text = str(run)
        return f"the same again: @pytest.mark.machine(..., schedule=bottomhalf.schedules.Replay({text!r}))"

    def end(self) -> None:
        """Halts what is left; whatever was wrong has been said."""
        try:
            self.machine.halt("cancel")
        finally:
            self.machine._leave()


# --- Hypothesis ---


class _Drawn:
    """The drawing function of a composite strategy, as ``hypothesis.strategies.data()`` presents it."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self._draw = draw

    def draw(self, strategy: Any, label: Any = None) -> Any:
        return self._draw(strategy)


def schedules(*, points: int = 3, horizon: int = 200) -> Any:
    """A Hypothesis strategy of schedules: Fifo but for a few preemptions, so that a failure shrinks to those it needs.

    points: how many preemptions at most. horizon: among how many decisions of the machine they may lie, from its boot.
    Returns a strategy whose values go to ``Machine(simulated=True, schedule=...)``. Raises ValueError and TypeError for
    bad arguments, ImportError without Hypothesis.
    """
    from hypothesis import strategies as st  # type: ignore[import-not-found, unused-ignore]  # only who uses this has it

    _schedules._natural(points, "points", 1)
    _schedules._natural(horizon, "horizon", 1)

    def build(draw: Callable[[Any], Any]) -> _schedules.Hypothesis:
        return _schedules.Hypothesis(_Drawn(draw), points=points, horizon=horizon)

    return st.composite(build)()


# --- the standard library in virtual time ---

#: What ``time.time()`` says when a simulated machine boots: 2000-01-01 00:00 UTC, in seconds since 1970.
EPOCH = 946_684_800

_asking = threading.local()  # of each task of a simulated machine too: every one has a thread state of its own


def _no_machine_booted() -> Any:
    return None if getattr(_asking, "on", False) else default_machine()


def _simulated() -> Machine | None:
    """The simulated machine in whose call the caller is. Boots nothing."""
    _asking.on = True
    try:
        machine: Machine | None = _core.current_machine()
    finally:
        _asking.on = False
    return machine if machine is not None and machine.simulated and not machine.halted else None


_LOOKS = 100  # at the clock at one instant that cost nothing; arbitrary
_looks: weakref.WeakKeyDictionary[Machine, tuple[int, int]] = weakref.WeakKeyDictionary()


def _now_ns(machine: Machine) -> int:
    """The clock. Who looks at it again and again polls: each look beyond the first ones costs a virtual microsecond."""
    now = machine.now_ns
    at, count = _looks.get(machine, (-1, 0))
    if at != now:
        count = 0
    elif count >= _LOOKS:
        _core.cpu_relax()
        now = machine.now_ns
    _looks[machine] = (now, count + 1)
    return now


_N = TypeVar("_N", int, float)

# The real things, before anything is patched.
_real_sleep = time.sleep
_real_start = threading.Thread.start


def _sleep(seconds: float, /) -> None:
    if _simulated() is None:
        _real_sleep(seconds)
    elif seconds < 0:
        raise ValueError("sleep length must be non-negative")
    elif seconds == 0:
        _core.cond_resched()
    else:
        _core.sleep(seconds)


def _clock(real: Callable[[], _N], virtual: Callable[[int], _N]) -> Callable[[], _N]:
    """A clock that is the machine's on a simulated one: virtual(nanoseconds since boot), and the real one elsewhere."""

    @functools.wraps(real)
    def look() -> _N:
        machine = _simulated()
        return real() if machine is None else virtual(_now_ns(machine))

    return look


_monotonic = _clock(time.monotonic, lambda ns: ns / 1e9)
_monotonic_ns = _clock(time.monotonic_ns, lambda ns: ns)
_perf_counter = _clock(time.perf_counter, lambda ns: ns / 1e9)
_perf_counter_ns = _clock(time.perf_counter_ns, lambda ns: ns)
_time = _clock(time.time, lambda ns: EPOCH + ns / 1e9)
_time_ns = _clock(time.time_ns, lambda ns: EPOCH * 1_000_000_000 + ns)


@functools.wraps(threading.Thread.start)
def _start(thread: threading.Thread) -> None:
    machine = _simulated()
    if machine is not None:
        raise _core.Unsupported(
            f"{thread!r} cannot be started on simulated machine '{machine.name}', which has one real thread: "
            "m.spawn(fn) starts a task, a work item runs on a worker"
        )
    _real_start(thread)


class _Lock:
    """threading.Lock: who waits for it on a simulated machine sleeps there, who waits elsewhere blocks as always."""

    def __init__(self) -> None:
        self._real = _thread.allocate_lock()  # whether it is held; never waited for on a simulated machine
        self._sleepers: _core.WaitQueue | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if _simulated() is None:
            return self._real.acquire(blocking, timeout)
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        if timeout > threading.TIMEOUT_MAX:
            raise OverflowError("timeout value is too large")
        sleepers = self._sleepers
        if sleepers is None:
            sleepers = self._sleepers = _core.WaitQueue()
        if not blocking or timeout == 0 or not self._real.locked():
            sleepers.wake_up()  # mostly nobody is there: it is a place where an exploring schedule may switch
            if self._real.acquire(False):
                return True
            if not blocking or timeout == 0:
                return False
        taken = False

        def take() -> bool:
            nonlocal taken
            taken = taken or self._real.acquire(False)
            return taken

        try:
            sleepers.wait_event(take, None if timeout == -1 else timeout)
        except TimeoutError:
            return taken
        except BaseException:
            if taken:
                self.release()
            raise
        return True

    def release(self) -> None:
        self._real.release()
        if self._sleepers is not None and _simulated() is not None:
            self._sleepers.wake_up()

    def locked(self) -> bool:
        return self._real.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self._real = _thread.allocate_lock()
        self._sleepers = None

    def __repr__(self) -> str:
        return f"<{'locked' if self.locked() else 'unlocked'} bottomhalf.testing lock at {id(self):#x}>"


class _RLock:
    """threading.RLock: a task of a simulated machine owns it as a thread does elsewhere."""

    def __init__(self) -> None:
        self._lock = _Lock()
        self._owner: Any = None
        self._count = 0

    @staticmethod
    def _me() -> Any:
        machine = _simulated()
        return _thread.get_ident() if machine is None else (id(machine), _core.current_task().pid)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        me = self._me()
        if self._owner == me:
            self._count += 1
            return True
        if not self._lock.acquire(blocking, timeout):
            return False
        self._owner, self._count = me, 1
        return True

    def release(self) -> None:
        if self._owner != self._me():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if self._count == 0:
            self._owner = None
            self._lock.release()

    def locked(self) -> bool:
        return self._count > 0

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    # For threading.Condition.

    def _release_save(self) -> tuple[int, Any]:
        if self._count == 0:
            raise RuntimeError("cannot release un-acquired lock")
        state = (self._count, self._owner)
        self._count, self._owner = 0, None
        self._lock.release()
        return state

    def _acquire_restore(self, state: tuple[int, Any]) -> None:
        self._lock.acquire()
        self._count, self._owner = state

    def _is_owned(self) -> bool:
        return bool(self._owner == self._me())

    def _recursion_count(self) -> int:
        return self._count if self._is_owned() else 0

    def _at_fork_reinit(self) -> None:
        self._lock._at_fork_reinit()
        self._owner, self._count = None, 0

    def __repr__(self) -> str:
        return f"<{'locked' if self._count else 'unlocked'} bottomhalf.testing rlock at {id(self):#x}>"


# Condition, Event, Semaphore, Barrier and queue.Queue are Python and made of locks: with these in their place, and with
# the clocks, they act in virtual time as they are.
_PATCHES: list[tuple[Any, str, Any]] = [
    (time, "sleep", _sleep),
    (time, "monotonic", _monotonic),
    (time, "monotonic_ns", _monotonic_ns),
    (time, "perf_counter", _perf_counter),
    (time, "perf_counter_ns", _perf_counter_ns),
    (time, "time", _time),
    (time, "time_ns", _time_ns),
    (threading, "Lock", _Lock),
    (threading, "RLock", _RLock),
    (threading, "_allocate_lock", _Lock),
    (threading, "_time", _monotonic),
    (threading.Thread, "start", _start),
    (queue, "time", _monotonic),
    (queue, "SimpleQueue", queue._PySimpleQueue),  # type: ignore[attr-defined]
]

_patch_lock = _thread.allocate_lock()
_depth = 0
_originals: list[tuple[Any, str, Any]] = []


@contextlib.contextmanager
def virtual_stdlib() -> Iterator[None]:
    """Inside ``with``, waiting and time of the standard library are those of the current simulated machine.

    For code that cannot be changed. ``time.sleep``, ``monotonic``, ``perf_counter`` and ``time`` (and their ``_ns``
    forms), ``threading.Lock``, ``RLock``, ``Condition``, ``Event``, ``Semaphore`` and ``Barrier``, ``queue.Queue`` and
    its kin and ``SimpleQueue``: in the handlers of a simulated machine, and in the task that booted it, they sleep on
    that machine, so that others run meanwhile, a timeout takes no real time and a deadlock is a ``DeadlockError``.
    ``monotonic`` and ``perf_counter`` count from boot, ``time`` from :data:`EPOCH`. Elsewhere they do what they always
    did, in other threads too.

    Locks, and what is made of them, must be made inside; code that imported ``sleep``, a clock or ``Lock`` itself by
    name before keeps the real one. Starting a thread on a simulated machine raises ``Unsupported``: use ``m.spawn`` or
    work items. Contexts nest; the last to end, in whatever way, puts everything back.
    """
    global _depth
    with _patch_lock:
        _depth += 1
        if _depth == 1:
            _core._set_default_machine(_no_machine_booted)  # for good: locks made inside go on asking
            for owner, name, replacement in _PATCHES:
                _originals.append((owner, name, getattr(owner, name)))
                setattr(owner, name, replacement)
    try:
        yield
    finally:
        with _patch_lock:
            _depth -= 1
            if _depth == 0:
                while _originals:
                    owner, name, original = _originals.pop()
                    setattr(owner, name, original)
