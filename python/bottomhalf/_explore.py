"""explore() and replay(): one program under many schedules of a simulated machine."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from . import _core, schedules
from ._machine import _FOREVER, Machine, _Booted
from ._replay import Deviation, Recorded, parse
from ._topology import Topology

__all__ = ["Report", "explore", "replay", "timeline"]

Program = Callable[[Machine], object]

_GRANULARITY = {None: 0, "line": 1, "opcode": 2}
# Not the user's code: nothing is preempted between its lines.
_NOT_USERS = [
    os.path.dirname(__file__) + os.sep,
    *(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")),
]
_ROWS = 120  # of a printed report; arbitrary
_SHRINKS = 300  # runs spent on making a failing one simpler; arbitrary
# Of no interest in a picture of who ran when.
_DULL = {"timer_init", "workqueue_activate_work"}
_WIDTH = 44  # of a column


class Report:
    """What an exploration found. ``print(report)`` shows the failing run, a column for each CPU.

    failed: bool. failures: how many schedules failed. schedules: how many ran. failure: the first failure's exception,
    or None. replay: the failing run as a string for :func:`bottomhalf.replay`, or None. exhausted: every schedule there
    is was run (``schedules.Exhaustive``). trace: the events of the failing run.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self.failures = 0
        self.schedules = 0
        self.failure: BaseException | None = None
        self.replay: str | None = None
        self.schedule: schedules.Schedule | None = None
        self.exhausted = False
        self.cpus = 0
        self.trace: list[_core.TraceEvent] = []
        self.log: list[_core.LogLine] = []

    @property
    def failed(self) -> bool:
        """At least one schedule failed."""
        return self.failures > 0

    def check(self) -> None:
        """Raise the failure, if there was one, with the columns and the call of replay() in its text."""
        if self.failure is None:
            return
        failure = self.failure
        text = f"\n{self}"
        if hasattr(failure, "add_note"):
            failure.add_note(text)
            raise failure
        # Before 3.11 exceptions have no notes.
        if failure.args and isinstance(failure.args[0], str):
            failure.args = (failure.args[0] + text, *failure.args[1:])
        raise failure

    def columns(self) -> str:
        """The failing run: what ran on which CPU, and where and why it was switched."""
        return timeline(self.trace, self.cpus, "report.trace") if self.trace else ""

    def __str__(self) -> str:
        if self.failure is None:
            every = ", every one there is" if self.exhausted else ""
            return f"{self.schedules} schedules{every}: no failure"
        name = getattr(self._program, "__qualname__", "program")
        parts = [
            f"{self.failures} of {self.schedules} schedules failed; the first with {self.schedule!r}",
            self.columns(),
            "".join(traceback.format_exception(type(self.failure), self.failure, self.failure.__traceback__)).rstrip(),
            f"The same run again:\n    bottomhalf.replay({name}, {self.replay!r})",
        ]
        if self.log:
            parts.insert(2, "\n".join(map(str, self.log)))
        return "\n\n".join(part for part in parts if part)

    def __repr__(self) -> str:
        outcome = f"{self.failures} of {self.schedules} failed" if self.failed else f"{self.schedules} schedules passed"
        return f"<bottomhalf.Report: {outcome}; print(report) shows it, report.check() raises>"


def timeline(trace: Sequence[_core.TraceEvent], cpus: int, whole: str = "the trace") -> str:
    """The events as a table with a column for each CPU; the last ones when they are many, and where the whole is."""
    head = "  ".join([f"{'time':>12}", *(f"{f'CPU {cpu}':<{_WIDTH}}" for cpu in range(cpus))])
    lines = [head.rstrip(), "-" * len(head)]
    events = [event for event in trace if event.name not in _DULL]
    if len(events) > _ROWS:
        lines.append(f"{'...':>12}  ({len(events) - _ROWS} earlier events; {whole} has all)")
        events = events[-_ROWS:]
    for event in events:
        text = _describe(event)
        cell = text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
        row = [f"{event.time_ns / 1e9:12.6f}"]
        row += [f"{cell if cpu == event.cpu else '':<{_WIDTH}}" for cpu in range(cpus)]
        lines.append("  ".join(row).rstrip())
    return "\n".join(lines)


def _describe(event: _core.TraceEvent) -> str:
    fields = event.fields
    if event.name == "sched_switch":
        return f"==> {fields.get('next', '?')} ({fields.get('reason', '?')})"
    short = {"workqueue_execute_start": "run", "workqueue_execute_end": "done", "workqueue_queue_work": "queue"}
    what = fields.get("function", fields.get("action", fields.get("vec", fields.get("timer", ""))))
    context = "" if event.context == "task" else f"[{event.context}] "
    return f"{event.task}: {context}{short.get(event.name, event.name)} {what}".rstrip()


class _Lenient(schedules.Schedule):
    """Fifo but for some deviations, whose steps may turn out to be others than they were."""

    def __init__(self, deviations: list[Deviation]) -> None:
        self._deviations = deviations

    def _make(self) -> _core._RecordedSchedule:
        return _core._ReplaySchedule(self._deviations, True, 0)


class _Boot:
    """Boots machines that differ in their schedules only: what else they are is looked at once."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._booted: _Booted | None = None

    def __call__(self, schedule: schedules.Schedule, traced: bool) -> Machine:
        if self._booted is not None and not traced:
            machine = Machine._boot_explored(self._booted, schedule)
        else:
            machine = Machine(simulated=True, schedule=schedule, trace=traced, **self._options)
            if not traced:
                self._booted = machine._booted_with
        machine._takes_errors = True
        return machine


class _Run:
    """One run of the program on a machine of its own."""

    def __init__(
        self,
        program: Program,
        schedule: schedules.Schedule,
        boot: _Boot,
        preempt_python: str | None,
        max_steps: int,
        traced: bool = False,
        audited: bool = False,
    ) -> None:
        self.failure: BaseException | None = None
        self.trace: list[_core.TraceEvent] = []
        self.log: list[_core.LogLine] = []
        machine = boot(schedule, traced)
        maker: Any = machine._schedule_maker
        self.maker = maker
        machine._begin_run(max_steps, traced)
        try:
            self._call(program, machine, preempt_python)
        finally:
            try:
                # Before the halt, whose order is nobody's concern.
                self.decisions, digest = maker.recorded()
                self.end = self.decisions, digest & 0xFFFFFFFF
                if audited:
                    self.counters = _core._sim_counters(machine)
                if audited or traced or self.failure is not None:
                    self.deviations = maker.recording()[2]
                if traced:
                    self.trace = machine._trace_take()
                    self.log = machine.log
            finally:
                machine._end_run()
                machine._keeps.clear()

    def _call(self, program: Program, machine: Machine, preempt_python: str | None) -> None:
        granularity = _GRANULARITY[preempt_python]
        try:
            if granularity:
                users = sys.gettrace()
                try:
                    _core._sim_preempt_python(machine, granularity, _NOT_USERS)
                    program(machine)
                    _core._sim_run_idle(machine, _FOREVER)
                finally:
                    _core._sim_preempt_python(machine, 0, [])
                    # A debugger's, or what measures coverage: it could not look on meanwhile.
                    sys.settrace(users)
            else:
                program(machine)
                _core._sim_run_idle(machine, _FOREVER)
            self._check_ended(machine)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:
            self.failure = error
        # An exception that left a handler came before whatever the program made of it.
        if machine.errors:
            self.failure = machine.errors[0][1]

    def _check_ended(self, machine: Machine) -> None:
        stuck = machine._running_items()
        if stuck:
            raise _core.DeadlockError(
                f"nothing happens any more on machine '{machine.name}' (at {machine.now} s), and these still wait: "
                + "; ".join(stuck)
            )


def _shrink(run_with: Callable[[schedules.Schedule], _Run], best: _Run) -> _Run:
    """A run with fewer deviations that fails in the same way."""
    runs = 0
    chunk = max(1, len(best.deviations) // 2)
    while best.deviations and runs < _SHRINKS:
        position, before = 0, len(best.deviations)
        while position < len(best.deviations) and runs < _SHRINKS:
            runs += 1
            run = run_with(_Lenient(best.deviations[:position] + best.deviations[position + chunk :]))
            if type(run.failure) is type(best.failure) and len(run.deviations) < len(best.deviations):
                best = run
            else:
                position += chunk
        if chunk == 1 and len(best.deviations) == before:
            break
        chunk = max(1, chunk // 2)
    return best


def _check_caller(call: str) -> None:
    if _core.current_work() is not None or not _core.in_task():
        raise _core.Unsupported(f"{call}: called from a handler, whose machine would stand still; call it from outside")


def _options(cpus: int, seed: int, machine_options: dict[str, Any]) -> dict[str, Any]:
    for name in ("simulated", "schedule", "trace", "name"):
        if name in machine_options:
            raise TypeError(f"{name}= is not yours to give here: explore() boots its own simulated machines")
    topology = machine_options.get("topology")
    if isinstance(topology, Topology):
        cpus = topology.cpus
    return {"cpus": cpus, "seed": seed, "name": "explored", **machine_options}


def _python(preempt_python: Any) -> str | None:
    if preempt_python not in _GRANULARITY:
        raise ValueError(f"preempt_python={preempt_python!r}: allowed are None, 'line' and 'opcode'")
    return preempt_python  # type: ignore[no-any-return]


def _default_schedule(run: int, seed: int, decisions: int) -> schedules.Schedule:
    # Every kind of bug has its best searcher, and nobody knows it beforehand.
    if run == 0:
        return schedules.Fifo()
    if run % 2 == 1:
        return schedules.Random(schedules._mix(seed, run))
    return schedules.PCT(2 + run // 2 % 3, schedules._mix(seed, run), steps=max(decisions, 1))


def explore(
    program: Program,
    *,
    schedules: int = 1000,
    cpus: int = 2,
    seed: int = 0,
    strategy: Any = None,
    keep_going: bool = False,
    preempt_python: str | None = None,
    max_steps: int = 100_000,
    audit: bool = False,
    **machine_options: Any,
) -> Report:
    """Run a program under many schedules of a simulated machine; stop at the first failure.

    program: called as program(machine) for each schedule, with the machine current; what it queued is drained
    afterwards. It fails when it raises, when a handler raises, or when something waits that nobody will wake.
    schedules: how many at most. cpus, machine_options: of the machines. seed: of the schedules and of ``m.random``.
    strategy: one of :mod:`bottomhalf.schedules`; None: Fifo, then random schedules and PCT of several depths in turns.
    keep_going: count all failures instead of stopping at the first. preempt_python: ``"line"`` or ``"opcode"``: the
    program and its handlers may lose their CPU there too. max_steps: of each run, which then fails with BudgetExceeded.
    audit: run each schedule twice, and fail with ReplayMismatch where the program itself is not deterministic.

    Returns a :class:`bottomhalf.Report`. Raises TypeError and ValueError for bad arguments. Not from a handler.
    """
    from . import schedules as kinds

    _check_caller("explore()")
    count = kinds._natural(schedules, "schedules", 1)
    kinds._natural(max_steps, "max_steps", 1)
    kinds._natural(seed, "seed")
    if not callable(program):
        raise TypeError(f"program must be callable, not {type(program).__name__}")
    options = _options(cpus, seed, machine_options)
    python = _python(preempt_python)
    if strategy is not None:
        kinds._check(strategy, "strategy")

    boot = _Boot(options)

    def recorded(run: _Run) -> str:
        hz, preempt = options.get("hz", 1000), options.get("preempt", "full")
        topology = options.get("topology")
        return str(Recorded(options["cpus"], hz, preempt, python, seed, run.deviations, run.end, topology))

    report = Report(program)
    report.cpus = options["cpus"]
    decisions = 0
    search = strategy._search if isinstance(strategy, kinds.Exhaustive) else None
    while report.schedules < count:
        if strategy is None:
            schedule = _default_schedule(report.schedules, seed, decisions)
        else:
            schedule = strategy._for_run(report.schedules, decisions)
        run = _Run(program, schedule, boot, python, max_steps, audited=audit)
        if report.schedules == 0:
            decisions = run.decisions
        if search is not None:
            search.run_over()
        report.schedules += 1
        if audit and run.failure is None:
            again = _Run(program, kinds.Replay(recorded(run)), boot, python, max_steps, audited=True)
            if (again.counters, again.end) != (run.counters, run.end):
                run.failure = _core.ReplayMismatch(
                    "audit: the program does not do the same under the same schedule: "
                    f"{run.counters[-1]} preemption points passed and {run.decisions} decisions taken in one run, "
                    f"{again.counters[-1]} and {again.decisions} in the next; look for time, "
                    "randomness (use m.random), addresses, and what is left from one call to the next"
                )
        if run.failure is not None:
            report.failures += 1
            if report.failure is None:
                if not isinstance(run.failure, _core.ReplayMismatch):
                    run = _shrink(lambda s: _Run(program, s, boot, python, max_steps), run)
                report.failure, report.schedule, report.replay = run.failure, schedule, recorded(run)
            if not keep_going:
                break
        if search is not None and search.exhausted:
            report.exhausted = True
            break
    if report.replay is not None:
        shown = _Run(program, kinds.Replay(report.replay), boot, python, max_steps, traced=True)
        report.trace, report.log = shown.trace, shown.log
    return report


def replay(program: Program, replay: str, *, max_steps: int = 100_000, **machine_options: Any) -> Report:
    """Run a recorded schedule again, raising the error it led to; returns a report when it passes.

    program: as for :func:`explore`. replay: ``report.replay``. machine_options: those that were given to explore()
    and that the string does not carry. Raises ValueError for a damaged string, ReplayMismatch, naming the first step
    that differs, when the program took another way.
    """
    from . import schedules as kinds

    _check_caller("replay()")
    recorded = parse(replay)
    options = _options(recorded.cpus, recorded.seed, machine_options)
    options.update(hz=recorded.hz, preempt=recorded.preempt, topology=recorded.topology)
    schedule = kinds.Replay(replay)
    run = _Run(program, schedule, _Boot(options), recorded.preempt_python, max_steps, traced=True)
    _check_replayed(run, recorded)
    report = Report(program)
    report.cpus = recorded.cpus
    report.schedules = 1
    report.trace, report.log = run.trace, run.log
    if run.failure is not None:
        report.failures, report.failure, report.schedule = 1, run.failure, schedule
        report.replay = str(recorded)
        raise run.failure
    return report


_DECISIONS = ("which task next", "which CPU next", "a preemption point", "a wake-up", "a tick")


def _check_replayed(run: _Run, recorded: Recorded) -> None:
    mismatch = run.maker.mismatch()
    end = recorded.end
    expected = None
    if mismatch is not None:
        (step, kind, _choice, candidates, _before), found, found_candidates = mismatch
        found_text = f"{_DECISIONS[found]} among {found_candidates}"
        if (kind, candidates) == (found, found_candidates):
            found_text += ", but the decisions before it were others"
        expected = f"step {step} was {_DECISIONS[kind]} among {candidates}, and is now {found_text}"
    elif run.maker.used() < run.maker.given():
        expected = (
            f"the run ended after {run.decisions} decisions, before step {run.maker.next_step()} of the recorded one"
        )
    elif run.failure is None and end is not None and run.maker.watched() != end[1]:
        expected = (
            f"step {min(run.decisions, end[0])} at the latest; the recorded run failed after {end[0]} decisions, "
        )
        expected += f"and this one passed after {run.decisions}"
    if expected is not None:
        raise _core.ReplayMismatch(
            f"the program took another way than the recorded run: {expected}; the program, or a version below it, has "
            "changed, or it is not deterministic (explore(..., audit=True) tells)"
        ) from run.failure
