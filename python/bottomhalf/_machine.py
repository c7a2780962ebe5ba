"""Machines: the whole engine, booted and halted."""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import random
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, ParamSpec, SupportsIndex, TypeVar, overload

from . import _core, _watchdog, schedules  # noqa: F401  (_watchdog: tells the engine where reports go)
from ._constants import WQ, Softirq
from ._future import Future
from ._module_host import ModuleHost
from ._topology import PROPERTIES, Topology

__all__ = ["Machine", "Trace", "default_machine", "submit"]

P = ParamSpec("P")
T = TypeVar("T")

_FOREVER = (1 << 63) - 1

# What a machine was booted with: the engine's own arguments before and behind the schedule, seed, at_exit, topology.
_Booted = tuple[tuple[int, int, bool, str, bool, bool], tuple[str, list[int], bool], int | None, str, Topology | None]

_live: weakref.WeakSet[Machine] = weakref.WeakSet()
_names = itertools.count()
_sim_names = itertools.count()


def _flags(value: Any, what: str = "flags") -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} must be a bottomhalf.WQ, not {type(value).__name__}")
    return int(value)


def _count(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} must be an int, not {type(value).__name__}")
    return value


class _once(Generic[T]):  # it reads like property
    """An attribute that is made when it is first asked for, and then is like any other of the instance."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> _once[T]: ...

    @overload
    def __get__(self, instance: Machine, owner: type) -> T: ...

    def __get__(self, instance: Machine | None, owner: type) -> _once[T] | T:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._make(instance)
        return value


class Trace:
    """The events of a machine while a ``with m.trace()`` block ran; a sequence of :class:`TraceEvent`."""

    def __init__(self, machine: Machine, keep_on: bool = False) -> None:
        self._machine = machine
        self._keep_on = keep_on
        self._events: list[_core.TraceEvent] = []

    def __enter__(self) -> Trace:
        if not self._keep_on:
            self._machine._trace_start()
        return self

    def __exit__(self, *exc: object) -> None:
        if not self._keep_on:
            self._machine._trace_stop()
        self._collect()

    def _collect(self) -> None:
        self._events.extend(self._machine._trace_take())

    @property
    def events(self) -> list[_core.TraceEvent]:
        """The events so far, in order."""
        self._collect()
        return self._events

    def __iter__(self) -> Iterator[_core.TraceEvent]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    @overload
    def __getitem__(self, index: SupportsIndex) -> _core.TraceEvent: ...

    @overload
    def __getitem__(self, index: slice) -> list[_core.TraceEvent]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> _core.TraceEvent | list[_core.TraceEvent]:
        return self.events[index]

    def __str__(self) -> str:
        return "\n".join(map(str, self.events))

    def __repr__(self) -> str:
        return f"<bottomhalf.Trace of {self._machine.name}: {len(self.events)} events; print(it) shows them>"


class Machine(ModuleHost):
    """A machine: CPUs, interrupts, timers and workqueues (host: real threads, real time).

    cpus: how many logical CPUs, None: the CPUs this process may use. hz: ticks a second, 10 to 100000.
    name: shown in messages. trace: record events from boot on. seed: of ``m.random`` and nothing else.
    at_exit: ``"drain"`` or ``"cancel"``, what interpreter exit does with pending items.
    detection: how pools notice a worker that blocks in code which does not say so. ``"auto"`` takes the best that the
    system permits: ``"switch-records"`` (perf tells of every switch), ``"sampling"`` (a look at /proc at ticks),
    ``"budget"`` (no CPU time for 100 ms), ``"hooks"`` (only this library's own waits and ``bh.blocking()``).
    ``m.detection`` says which; Unsupported when the one that was named does not work here.
    low_latency: a thread outside of the machine that queues an item and wakes a worker by it lets that worker have the
    GIL at once, for up to half a millisecond. Else an item waits for the interpreter's switch interval (5 ms) while
    that thread computes. Each such call costs the thread some tens of microseconds; nothing of the interpreter is
    changed.
    power_efficient: POWER_EFFICIENT workqueues are unbound (Linux: workqueue.power_efficient).
    Simulated machines: topology: a :class:`Topology`, which says how many CPUs, None: one node, one cache; on the host
    it is read from the system. schedule: of :mod:`bottomhalf.schedules`. preempt: ``"full"`` or ``"voluntary"``.

    Current inside ``with``; on exit it halts: drains on success, cancels when an exception passes.
    """

    _booted = False  # True once there is something to halt

    def __init__(
        self,
        cpus: int | None = None,
        hz: int = 1000,
        name: str | None = None,
        *,
        simulated: bool = False,
        trace: bool = False,
        seed: int | None = None,
        at_exit: str = "drain",
        schedule: Any = None,
        preempt: str = "full",
        detection: str = "auto",
        low_latency: bool = False,
        topology: Topology | None = None,
        power_efficient: bool = False,
    ) -> None:
        if cpus is not None and not 1 <= _count(cpus, "cpus") <= 1024:
            raise ValueError(f"cpus={cpus} is out of range: allowed are 1 to 1024, or None for this process's CPUs")
        if not 10 <= _count(hz, "hz") <= 100_000:
            raise ValueError(f"hz={hz} is out of range: allowed are 10 to 100000")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a str, not {type(name).__name__}")
        if at_exit not in ("drain", "cancel"):
            raise ValueError(f"at_exit={at_exit!r}: allowed are 'drain' and 'cancel'")
        if preempt not in ("full", "voluntary"):
            raise ValueError(f"preempt={preempt!r}: allowed are 'full' and 'voluntary'")
        if schedule is not None and not simulated:
            raise ValueError("schedule= needs simulated=True: real threads are scheduled by the system")
        self._schedule_maker = None if schedule is None else schedules._check(schedule)._make()
        if preempt == "voluntary" and not simulated:
            raise ValueError("preempt='voluntary' needs simulated=True: real threads are scheduled by the system")
        if not isinstance(detection, str):
            raise TypeError(f"detection must be a str, not {type(detection).__name__}")
        if simulated and detection not in ("auto", "hooks"):
            raise ValueError(
                f"detection={detection!r} is for host machines: on a simulated one every sleep says so, and what "
                "blocks for real is reported"
            )
        if not isinstance(low_latency, bool):
            raise TypeError(f"low_latency must be a bool, not {type(low_latency).__name__}")
        if low_latency and simulated:
            raise ValueError("low_latency=True is for host machines: on a simulated one nothing else runs meanwhile")
        if topology is not None and not isinstance(topology, Topology):
            raise TypeError(f"topology must be a bottomhalf.Topology, not {type(topology).__name__}")
        if topology is not None and not simulated:
            raise ValueError("topology= needs simulated=True: that of a host machine is read from the system")
        #: What was given as ``topology``.
        self.topology = topology
        self._at_exit = at_exit
        #: Every exception that left a handler: (source, exception).
        self.errors: list[tuple[Any, BaseException]] = []
        self._seed = seed
        self._keeps: dict[Any, Any] = {}
        default = f"simulated{next(_sim_names)}" if simulated else f"host{next(_names)}"
        parts = [] if topology is None else topology._parts()
        arguments = (cpus or 0, hz, simulated, name or default, trace, preempt == "voluntary")
        more = (detection, parts, bool(power_efficient))
        super().__init__(*arguments, self._schedule_maker, *more)
        self._booted = True
        self._bind()
        self._booted_with = (arguments, more, seed, at_exit, topology)
        if low_latency:
            self._set_low_latency()
        self._trace = Trace(self, keep_on=True) if trace else None
        _live.add(self)

    @classmethod
    def _boot_explored(cls, booted: _Booted, schedule: schedules.Schedule) -> Machine:
        """A simulated machine like the one whose ``_booted_with`` is given: what that holds was looked at then.

        It is not traced, and halted by whoever boots it: interpreter exit does not.
        """
        machine = cls.__new__(cls)
        machine._booted_with = booted
        arguments, more, machine._seed, machine._at_exit, machine.topology = booted
        machine._schedule_maker = maker = schedule._make()
        machine.errors = []
        machine._keeps = {}
        machine._trace = None
        _core.MachineBase.__init__(machine, *arguments, maker, *more)
        machine._booted = True
        machine._bind()
        return machine

    # --- life ---

    def __enter__(self) -> Machine:
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.halt("drain" if kind is None else "cancel")
        finally:
            self._leave()

    def __del__(self) -> None:
        if not self._booted or self._state in ("halted", "forked"):
            return
        warnings.warn(
            f"machine '{self.name}' was not halted: use `with bottomhalf.Machine(...)` or m.halt()",
            ResourceWarning,
            stacklevel=2,
            source=self,
        )
        with contextlib.suppress(_core.WrongThread):  # collected elsewhere: what waits in its tasks stays as it is
            self.halt("cancel")

    def halt(self, pending: str = "drain", timeout: float | None = None) -> None:
        """End the machine. Idempotent.

        pending: ``"drain"`` runs what is queued, ``"cancel"`` drops it. Armed timers and delayed items are cancelled
        and named in ``m.log`` either way. An item that can never end is named there, not waited for.
        timeout: seconds, None: for ever. Raises TimeoutError (the machine is still there), DeadlockError from a task of
        its own, ValueError.
        """
        if pending not in ("drain", "cancel"):
            raise ValueError(f"pending={pending!r}: allowed are 'drain' and 'cancel'")
        if pending == "drain" and self.modules and self._state == "running":
            from . import _modules

            _modules.unload_all(self)
        self._halt(pending, timeout)
        self._deactivate()
        self._keeps.clear()
        self._modules.clear()
        _live.discard(self)

    @property
    def halted(self) -> bool:
        """Halted, or left behind by a fork."""
        return self._state in ("halted", "forked")

    #: True: whoever runs the machine looks at ``errors`` himself, and sys.unraisablehook is not called.
    _takes_errors = False

    def _handler_error(self, source: Any, exception: BaseException) -> bool:
        self.errors.append((source, exception))
        return self._takes_errors

    def __repr__(self) -> str:
        if not self._booted:
            return "<bottomhalf.Machine: not booted>"
        state = self._state
        kind = "simulated" if self.simulated else "host"
        if state == "running":
            hint = f"{len(self.workqueues)} workqueues; m.alloc_workqueue(name) makes one, m.halt() ends it"
        elif state == "forked":
            hint = "belongs to the parent process; boot a new one"
        else:
            hint = "boot a new one with bottomhalf.Machine()"
        cpus = "1 CPU" if self.cpus == 1 else f"{self.cpus} CPUs"
        return f"<bottomhalf.Machine {self.name}: {kind}, {cpus}, {state}; {hint}>"

    @functools.cached_property
    def random(self) -> random.Random:
        """For device models: a random.Random seeded by ``seed``, used by nothing in the engine."""
        return random.Random(self._seed)

    # --- time ---

    def run(self, until: float | Callable[[], Any] | None = None, *, max_steps: int | None = None) -> None:
        """Wait until an instant of ``m.now``, until a predicate holds, or until the machine is idle.

        until: seconds of m.now, a function, or None: until nothing is queued, running, armed or due (simulated; on the
        host: queued, running or armed). max_steps: decisions the simulated machine may take meanwhile; more raise
        BudgetExceeded. Simulated: DeadlockError when nothing happens any more and the predicate does not hold.
        Called by the booter of a simulated machine, from any thread on the host. Task context.
        """
        self._require_alive()
        if self.simulated:
            self._run_simulated(until, max_steps)
        elif until is None or callable(until):
            predicate = self._idle if until is None else until
            pause = 50e-6
            while not predicate():
                # Nothing on the host tells when a predicate of the caller's changes: asked again, ever less often.
                self.sleep(pause)
                pause = min(pause * 1.5, 2e-3)
        else:
            left = float(until) - self.now
            if left > 0:
                self.sleep(left)

    def _run_simulated(self, until: float | Callable[[], Any] | None, max_steps: int | None) -> None:
        if max_steps is not None:
            if _count(max_steps, "max_steps") < 1:
                raise ValueError(f"max_steps={max_steps} is out of range: from 1, or None for no limit")
            _core._sim_max_steps(self, max_steps)
        try:
            if until is None:
                _core._sim_run_idle(self, _FOREVER)
            elif not callable(until):
                _core._sim_run_until(self, _instant(until, "until"))
            else:
                if until():
                    return
                _core._sim_run_until(self, self.now_ns)
                while not until():
                    if not _core._sim_run_instant(self) and not until():
                        raise _core.DeadlockError(
                            f"run: the predicate does not hold, and nothing happens any more on machine '{self.name}' "
                            f"(at {self.now} s): nothing is queued, running, armed or due"
                        )
        finally:
            if max_steps is not None:
                _core._sim_max_steps(self, 0)

    def settle(self, horizon: float = 1.0) -> None:
        """Wait until nothing is queued or running that could still change by itself within ``horizon`` seconds."""
        self._require_alive()
        if not horizon > 0:
            raise ValueError(f"horizon={horizon} is out of range: seconds above 0")
        if self.simulated:
            _core._sim_run_quiet(self, round(horizon * 1e9))
            return
        quiet = 0
        before = -1
        while quiet < 3:
            self.sleep(min(0.002, horizon))
            now = self._completed()
            blocked = all(" waits in " in item for item in self._running_items())
            due = self._next_timer()
            soon = due is not None and due <= self.now + horizon
            quiet = quiet + 1 if now == before and blocked and not soon else 0
            before = now

    def at(self, seconds: float, fn: Callable[[], object], *, cpu: int = 0) -> None:
        """Simulated: fn() in hard-interrupt context on that CPU at that instant of m.now: a device.

        What it queues or raises is served on the way out. Several of one instant come in the order of the calls. Any
        context. Raises Unsupported on the host, where an interrupt line is fired instead; ValueError for an instant
        that has passed.
        """
        self._require_alive()
        if not self.simulated:
            raise _core.Unsupported("m.at() needs virtual time: on a host machine fire an interrupt line instead")
        when = _instant(seconds, "seconds")
        if not when >= self.now_ns:
            raise ValueError(f"seconds={seconds} has passed: it is {self.now} s on machine '{self.name}'")
        if not 0 <= _count(cpu, "cpu") < self.cpus:
            raise ValueError(f"cpu={cpu} is out of range: allowed are 0 to {self.cpus - 1}")
        if not callable(fn):
            raise TypeError(f"fn must be callable, not {type(fn).__name__}")
        from . import _callables

        _callables.check(fn, 0, "fn")
        key = object()

        def device() -> None:
            # The engine holds no reference.
            keep = self._keeps.pop(key)
            fn()
            del keep

        self._keeps[key] = device
        _core._sim_at(self, when, cpu, device)

    # --- workqueues ---

    def alloc_workqueue(
        self,
        name: str,
        flags: WQ | int = WQ(0),
        max_active: int = 0,
        *,
        queue_depth: int | None = None,
        when_full: str = "block",
    ) -> _core.Workqueue:
        """Allocate a workqueue (Linux: alloc_workqueue).

        name: shown in traces, at most 31 characters. flags: of :class:`WQ`. max_active: items active at a time, per CPU
        or (unbound) in all; 1 to 512, 0: the default of 256.
        queue_depth: back-pressure (ours): how many items of ``submit`` may wait, not started yet, None: any number.
        when_full: what ``submit`` does then: ``"block"`` sleeps until one starts, ``"raise"`` raises QueueFull, as
        an event loop wants it. ``queue`` is not bounded: it takes items in contexts that cannot wait.
        Task context. Raises ValueError, TypeError, MachineHalted.
        """
        depth = _depth(queue_depth, when_full)
        wq = self._alloc(_name(name), _flags(flags), _count(max_active, "max_active"), False)
        if depth is not None:
            wq._bound_backlog(depth, when_full == "raise")
        return wq

    def alloc_ordered_workqueue(
        self, name: str, flags: WQ | int = WQ(0), *, queue_depth: int | None = None, when_full: str = "block"
    ) -> _core.Workqueue:
        """Allocate a workqueue that runs one item at a time, in queueing order (Linux: alloc_ordered_workqueue).

        queue_depth, when_full: as for :meth:`alloc_workqueue`.
        """
        depth = _depth(queue_depth, when_full)
        wq = self._alloc(_name(name), _flags(flags), 1, True)
        if depth is not None:
            wq._bound_backlog(depth, when_full == "raise")
        return wq

    def stats(self) -> list[tuple[_core.Workqueue, _core.WorkqueueStats]]:
        """The counters of every workqueue: a list of ``(workqueue, stats)``."""
        return [(wq, wq.stats()) for wq in self.workqueues]

    def schedule_on_each_cpu(self, fn: Callable[[_core.Work], object]) -> None:
        """Run fn(work) once on every CPU that is online, and wait for all (Linux: schedule_on_each_cpu).

        Task context, may sleep.
        """
        works = {cpu: _core.Work(fn) for cpu in self.online_cpus}
        for cpu, work in works.items():
            self.system_wq.queue(work, cpu=cpu)
        for work in works.values():
            work.flush()

    def work_on_cpu(self, cpu: int, fn: Callable[..., T], *args: Any) -> T:
        """Run fn(*args) in a kworker of that CPU and return its value (Linux: work_on_cpu). Task context, may sleep."""
        outcome: list[Any] = []

        def call(_work: Any) -> None:
            try:
                outcome.append((True, fn(*args)))
            except BaseException as error:
                outcome.append((False, error))

        if not callable(fn):
            raise TypeError(f"fn must be callable, not {type(fn).__name__}")
        work = _core.Work(call)
        self.system_wq.queue(work, cpu=cpu)
        work.flush()
        ok, value = outcome[0]
        if not ok:
            raise value
        return value  # type: ignore[no-any-return]

    def spawn(self, fn: Callable[..., Any], *args: Any, cpu: int | None = None, name: str | None = None) -> _core.Task:
        """Start fn(*args) in a task of the machine; ``task.join(timeout=None)`` returns its result. Task context."""
        if not callable(fn):
            raise TypeError(f"fn must be callable, not {type(fn).__name__}")
        return self._spawn(fn, *args, cpu=cpu, name=name)

    # --- the system workqueues ---

    @_once
    def system_wq(self) -> _core.Workqueue:
        """``events``: per CPU, the target of ``Work.schedule`` (Linux: system_wq)."""
        return self._system(0)

    @_once
    def system_percpu_wq(self) -> _core.Workqueue:
        """The newer name of ``system_wq``."""
        return self.system_wq

    @_once
    def system_highpri_wq(self) -> _core.Workqueue:
        """``events_highpri``: per CPU, workers of nice level -20."""
        return self._system(1)

    @_once
    def system_long_wq(self) -> _core.Workqueue:
        """``events_long``: per CPU, for items that run long."""
        return self._system(2)

    @_once
    def system_unbound_wq(self) -> _core.Workqueue:
        """``events_unbound``: not tied to a CPU, no concurrency management."""
        return self._system(3)

    @_once
    def system_dfl_wq(self) -> _core.Workqueue:
        """The newer name of ``system_unbound_wq``."""
        return self.system_unbound_wq

    @_once
    def system_freezable_wq(self) -> _core.Workqueue:
        """``events_freezable``: held back while the machine is frozen."""
        return self._system(4)

    @_once
    def system_power_efficient_wq(self) -> _core.Workqueue:
        """``events_power_efficient``: per CPU, or unbound on a Machine(power_efficient=True)."""
        return self._system(5)

    @_once
    def system_freezable_power_efficient_wq(self) -> _core.Workqueue:
        """``events_freezable_pwr_efficient``: both."""
        return self._system(6)

    @_once
    def system_bh_wq(self) -> _core.Workqueue:
        """``events_bh``: items run in softirq context."""
        return self._system(7)

    @_once
    def system_bh_highpri_wq(self) -> _core.Workqueue:
        """``events_bh_highpri``: the same, before the others."""
        return self._system(8)

    @_once
    def system_managed_wq(self) -> _core.Workqueue:
        """Ours: all CPUs, concurrency-managed: the workqueue that replaces a thread pool.

        As many items run as the machine has CPUs; another starts for each that blocks. A Python item starts only when
        its worker has the GIL: while a running one keeps the GIL the next stays queued (it can be cancelled), and it
        starts as soon as that one blocks, lets the GIL go (hashing, compressing, a C library) or has had it for the
        interpreter's switch interval of 5 ms.
        """
        return self._system(9)

    # --- the interrupt side ---

    def open_softirq(self, nr: Softirq, handler: Callable[[], object]) -> None:
        """Set the handler of a softirq vector: handler() in softirq context (Linux: open_softirq)."""
        self._require_alive()
        vector = _softirq(nr)
        if vector in (Softirq.HI, Softirq.TIMER, Softirq.TASKLET):
            raise ValueError(f"nr={vector!r}: this vector serves tasklets or timers; allowed are the other seven")
        from . import _callables

        if not callable(handler):
            raise TypeError(f"handler must be callable, not {type(handler).__name__}")
        _callables.check(handler, 0, "handler")
        self._open_softirq(int(vector), handler)

    def raise_softirq(self, nr: Softirq, *, cpu: int | None = None) -> None:
        """Mark a softirq pending on a CPU, None: the caller's (Linux: raise_softirq). Any context; never sleeps.

        In an interrupt or with bottom halves off it runs on the way out; from a plain task ksoftirqd runs it.
        """
        self._raise_softirq(int(_softirq(nr)), cpu)

    def softirq_counts(self) -> dict[Softirq, tuple[int, ...]]:
        """How often each vector's handler ran, per CPU, as /proc/softirqs."""
        return {nr: tuple(self._softirq_count(cpu, int(nr)) for cpu in range(self.cpus)) for nr in Softirq}

    # --- looking ---

    def trace(self) -> Trace:
        """Record events: ``with m.trace() as t`` (or the recorder of ``Machine(trace=True)``)."""
        if self._trace is not None:
            return self._trace
        return Trace(self)


def _instant(value: Any, what: str) -> int:
    """Nanoseconds of an instant given in seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} must be a number of seconds, not {type(value).__name__}")
    if not -(2**63) < value * 1e9 < 2**63:
        raise ValueError(f"{what}={value} is out of range: seconds since boot, below {2**63 // 10**9}")
    return round(value * 1e9)


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {type(name).__name__}")
    if not name or "\0" in name:
        raise ValueError(f"name={name!r} is empty or holds a NUL character")
    return name


def _depth(queue_depth: Any, when_full: Any) -> int | None:
    if when_full not in ("block", "raise"):
        raise ValueError(f"when_full={when_full!r}: allowed are 'block' and 'raise'")
    if queue_depth is None:
        return None
    if not 1 <= _count(queue_depth, "queue_depth") <= 2**31 - 1:
        raise ValueError(f"queue_depth={queue_depth} is out of range: from 1, or None for no bound")
    return int(queue_depth)


def _softirq(nr: Any) -> Softirq:
    try:
        return Softirq(nr)
    except ValueError:
        raise ValueError(f"nr={nr!r} is no softirq vector: allowed are the members of bottomhalf.Softirq") from None


# --- what belongs to Workqueue but is Python's: flags as an enumeration, repr, `with` ---


def _wq_flags(wq: _core.Workqueue) -> WQ:
    """The flags, as :class:`WQ`."""
    return WQ(wq._flags & ~0x40000)


def _wq_repr(wq: _core.Workqueue) -> str:
    if wq._destroyed:
        return f"<bottomhalf.Workqueue {wq.name}: destroyed; m.alloc_workqueue(name) makes a new one>"
    kind = "ordered" if wq.flags & WQ.ORDERED else f"max_active {wq.max_active}"
    if wq.flags & WQ.BH:
        kind = "bottom half"
    return f"<bottomhalf.Workqueue {wq.name}: {kind}, {wq._in_flight} in flight; queue(work), submit(fn) or flush()>"


for _attribute, _value in {
    "flags": property(_wq_flags, doc=_wq_flags.__doc__),
    **PROPERTIES,
    "__repr__": _wq_repr,
    "__enter__": lambda self: self,
    "__exit__": lambda self, *exc: self.destroy(),
}.items():
    setattr(_core.Workqueue, _attribute, _value)

# --- the default machine, interpreter exit and fork ---

_default: Machine | None = None
_default_lock = threading.Lock()
_exiting = False


def default_machine() -> Machine:
    """The default host machine, booted on first use."""
    global _default
    machine = _default
    if machine is not None and not machine.halted:
        return machine
    with _default_lock:
        if _default is None or _default.halted:
            if _exiting:
                raise _core.MachineHalted("the interpreter is exiting: no machine is booted any more")
            _default = Machine(name="default")
        return _default


_core._set_default_machine(default_machine)


def submit(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Run fn(*args, **kwargs) on the current machine's ``system_managed_wq``; returns a Future."""
    return _core.current_machine().system_managed_wq.submit(fn, *args, **kwargs)


def _halt_all() -> None:
    # Before finalisation: afterwards a worker could not take the GIL any more.
    global _exiting
    _exiting = True
    for machine in list(_live):
        try:
            machine.halt(machine._at_exit)
        except _core.WrongThread:
            pass  # a simulated machine of a thread that still runs, or has left it: nobody can halt it from here
        except BaseException as error:  # one machine's trouble must not keep the others' threads alive
            sys.excepthook(type(error), error, error.__traceback__)
            with contextlib.suppress(BaseException):
                machine.halt("cancel")


atexit.register(_halt_all)


def _after_fork() -> None:
    # Threads do not survive a fork: the parent's machines are dead here.
    global _default, _default_lock
    _default = None
    _default_lock = threading.Lock()
    _live.clear()
    _core._main_thread_changed()


os.register_at_fork(after_in_child=_after_fork)
