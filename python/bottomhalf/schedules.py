"""Schedules of simulated machines: who goes on wherever the machine could go on in more than one way.

``Machine(simulated=True, schedule=...)`` takes one, and :func:`bottomhalf.explore` as its ``strategy``. Equal schedules
make equal runs, byte for byte, in every process and on every version of Python.
"""

from __future__ import annotations

from typing import Any

from . import _core

__all__ = ["PCT", "Exhaustive", "Fifo", "Hypothesis", "Random", "Replay", "Schedule"]

_MASK = (1 << 64) - 1


def _natural(value: Any, what: str, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} must be an int, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{what}={value} is out of range: from {least}")
    return value


class Schedule:
    """What all schedules have in common; use one of the classes below."""

    def _make(self) -> _core._RecordedSchedule:
        raise TypeError("bottomhalf.schedules.Schedule is abstract: use Fifo, Random, PCT, Exhaustive or Replay")

    def _for_run(self, run: int, decisions: int) -> Schedule:
        """The schedule of the run-th run of an exploration whose first run took so many decisions."""
        return self


class Fifo(Schedule):
    """First in, first out for each nice level; a higher level preempts. The default."""

    def _make(self) -> _core._RecordedSchedule:
        return _core._FifoSchedule()

    def __repr__(self) -> str:
        return "Fifo()"


class Random(Schedule):
    """Every decision is drawn. seed: an int from 0. An exploration gives each of its runs a seed of its own."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = _natural(seed, "seed")

    def _make(self) -> _core._RecordedSchedule:
        return _core._RandomSchedule(self.seed & _MASK)

    def _for_run(self, run: int, decisions: int) -> Schedule:
        return Random(_mix(self.seed, run))

    def __repr__(self) -> str:
        return f"Random({self.seed})"


class PCT(Schedule):
    """Probabilistic concurrency testing: priorities are drawn, and change at ``depth - 1`` drawn places.

    A bug that takes ``depth`` steps in the right order shows in a run with a probability of at least
    1 / (tasks * steps ** (depth - 1)). depth: from 1. seed: from 0. steps: how many decisions a run is expected to
    take; an exploration measures that in its first run.
    """

    def __init__(self, depth: int = 3, seed: int = 0, *, steps: int = 200) -> None:
        self.depth = _natural(depth, "depth", 1)
        self.seed = _natural(seed, "seed")
        self.steps = _natural(steps, "steps", 1)

    def _make(self) -> _core._RecordedSchedule:
        return _core._PctSchedule(self.depth, self.seed & _MASK, self.steps)

    def _for_run(self, run: int, decisions: int) -> Schedule:
        return PCT(self.depth, _mix(self.seed, run), steps=max(decisions, 1))

    def __repr__(self) -> str:
        return f"PCT(depth={self.depth}, seed={self.seed})"


class Exhaustive(Schedule):
    """For :func:`bottomhalf.explore`: all runs with at most so many preemptions, one after the other."""

    def __init__(self, preemptions: int = 2) -> None:
        self.preemptions = _natural(preemptions, "preemptions")
        self._search = _core._SearchSchedule(self.preemptions)

    def _make(self) -> _core._RecordedSchedule:
        return self._search

    def __repr__(self) -> str:
        return f"Exhaustive(preemptions={self.preemptions})"


class Hypothesis(Schedule):
    """A few preemptions drawn by Hypothesis, so that a failure shrinks to the fewest that matter.

    data: what ``hypothesis.strategies.data()`` gave the test. points: how many at most. horizon: among how many
    decisions they may lie. All of them are drawn when the machine boots, never one at a step.
    """

    def __init__(self, data: Any, *, points: int = 3, horizon: int = 200) -> None:
        from hypothesis import strategies as st  # type: ignore[import-not-found, unused-ignore]  # only who uses this has it

        drawn = data.draw(
            st.lists(
                st.tuples(st.integers(0, _natural(horizon, "horizon", 1) - 1), st.integers(1, 3)),
                max_size=_natural(points, "points", 1),
                unique_by=lambda point: point[0],
            ),
            label="preemption points (step, choice)",
        )
        self.points = sorted(drawn)

    def _make(self) -> _core._RecordedSchedule:
        # Whatever kind of decision the step turns out to be, a choice modulo its candidates makes sense there.
        return _core._ReplaySchedule([(step, 2, choice, 2, 0) for step, choice in self.points], True, 0)

    def __repr__(self) -> str:
        return f"Hypothesis(points={self.points})"


class Replay(Schedule):
    """Repeats a recorded run. text: ``report.replay``, also after it was quoted, wrapped or indented by a mailer.

    Raises ValueError when the text is damaged or of another format. :func:`bottomhalf.replay` boots the right machine
    and looks for mismatches; a machine that is booted by hand must be like the recorded one.
    """

    def __init__(self, text: str) -> None:
        from ._replay import parse

        self.recorded = parse(text)
        self._maker: Any = None

    def _make(self) -> _core._RecordedSchedule:
        end = self.recorded.end
        self._maker = _core._ReplaySchedule(self.recorded.deviations, False, end[0] if end else 0)
        return self._maker  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"Replay({len(self.recorded.deviations)} deviations from Fifo)"


def _mix(seed: int, run: int) -> int:
    """A seed for the run-th run that has nothing to do with its neighbours'."""
    return _core._schedule_seed(seed & _MASK, run)


def _check(schedule: Any, what: str = "schedule") -> Schedule:
    if not isinstance(schedule, Schedule):
        raise TypeError(f"{what} must be one of bottomhalf.schedules, not {type(schedule).__name__}")
    return schedule
