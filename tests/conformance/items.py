"""The objects of a program: work items at gates, tasklets, timers, and the log in which their handlers sign.

Handlers run in tasks, workers and softirqs of the machine, operations in one task. What both write is written either by
one side only or, on a host machine, under the lock of the log.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import bottomhalf as bh

SHORT = 1.0  # seconds: a delay below that runs down within a settle
TICKS_AGAIN = 0.008  # seconds until a timer that arms itself again

_LANES = "BHUObTM"  # in the order of the log


class Log:
    """Who started where, since it was last read. An epoch goes from one settle to the next."""

    def __init__(self) -> None:
        self.epoch = 0
        self.lock = threading.Lock()  # held for moments only, never across a call into the machine
        self._starts: list[tuple[str, int, int, str, int]] = []

    def start(self, lane: str, number: int, kind: str, ident: int) -> None:
        """A handler begins; in any context."""
        self._starts.append((lane, number, self.epoch, kind, ident))

    def take(self) -> str:
        """The lanes since the last call, each with its objects in the order of their starts; ``-`` for none."""
        starts, self._starts = self._starts, []
        lanes: dict[tuple[int, int], list[tuple[str, int, int, str, int]]] = {}
        for start in starts:
            lanes.setdefault((_LANES.index(start[0]), start[1]), []).append(start)
        return " ".join(_lane(lanes[key]) for key in sorted(lanes)) or "-"


def _lane(starts: list[tuple[str, int, int, str, int]]) -> str:
    name, number = starts[0][:2]
    if name in "UM":  # within an epoch no order is promised there
        starts = sorted(starts, key=lambda start: (start[2], start[4]))
    heading = name if name == "U" else f"{name}{number}"
    return f"{heading}:" + ",".join(f"{kind}{ident}" for _, _, _, kind, ident in starts)


def context(cpu: int | None) -> str:
    """Where the caller, a handler, runs; cpu: its CPU, or None where any would do."""
    serving = bh.in_serving_softirq()
    worker = not serving and bh.current_work() is not None
    return (
        f"task={bh.in_task():d} softirq={bh.in_softirq():d} serving={serving:d} hardirq={bh.in_hardirq():d} "
        f"wqworker={worker:d} cpu={'*' if cpu is None else cpu}"
    )


class Queue:
    """A workqueue of a program, and the lane in which its items sign."""

    def __init__(self, ident: int, wq: bh.Workqueue, flags: bh.WQ, *, ordered: bool) -> None:
        self.ident = ident
        self.wq = wq
        self.anywhere = ordered or bh.WQ.UNBOUND in flags
        if bh.WQ.BH in flags:
            self.lane = "b"
        elif self.anywhere:
            self.lane = "O" if ordered else "U"
        else:
            self.lane = "H" if bh.WQ.HIGHPRI in flags else "B"

    def number(self, cpu: int) -> int:
        """What stands behind the letter of the lane."""
        return self.ident if self.lane == "O" else 0 if self.lane == "U" else cpu


class GatedWork(bh.Work):
    """``init_work``: an item that signs in the log and may wait at a gate."""

    def __init__(self, ident: int, log: Log, *, gate: int, sleep: float, requeue: int) -> None:
        # The engine's own __init__ has nothing to add: run() is the handler.
        self.ident = ident
        self.log = log
        self.gated = bool(gate)
        self.sleep = sleep
        self.requeue = requeue
        self.gate = bh.Completion()
        self.is_open = False
        self.queue: Queue | None = None  # where the pending instance was queued
        self.starts = self.dones = self.requeued = self.waiting = 0
        self.disabled = 0
        self.short = False  # the timer was armed with a delay that runs down by itself
        self.context = "never"

    def run(self) -> None:
        """The handler."""
        queue = self.queue
        assert queue is not None
        cpu = bh.smp_processor_id()
        with self.log.lock:
            self.starts += 1
            self.log.start(queue.lane, queue.number(cpu), "w", self.ident)
        self.context = context(None if queue.anywhere else cpu)
        if self.gated:
            self._wait_at_gate()
        if self.sleep:
            bh.sleep(self.sleep)
        if self.requeue > 0:
            self.requeue -= 1
            if self.queue_on(queue):
                with self.log.lock:
                    self.requeued += 1
        with self.log.lock:
            self.dones += 1

    def _wait_at_gate(self) -> None:
        with self.log.lock:
            self.waiting += 1
        self.gate.wait()
        with self.log.lock:
            self.waiting -= 1

    def open(self) -> None:
        """Lets every instance pass, now and later."""
        self.is_open = True
        self.gate.complete_all()

    def close(self) -> None:
        """Later instances wait."""
        self.is_open = False
        self.gate.reinit()

    def goes_on(self) -> bool:
        """Something of it goes on that will end by itself: a handler that is not held, a short delay."""
        held = 0 if self.is_open else self.waiting
        return self.starts - self.dones != held

    def queue_on(self, queue: Queue, cpu: int | None = None) -> bool:
        """queue_work or, with a delay of 0, queue_delayed_work."""
        return self._noted(queue, lambda: queue.wq.queue(self, cpu=cpu))

    def _noted(self, queue: Queue, call: Callable[[], bool]) -> bool:
        # Noted before the call, for the handler may begin before it returns.
        before, self.queue = self.queue, queue
        if call():
            return True
        self.queue = before
        return False


class DelayedWork(GatedWork, bh.DelayedWork):
    """``init_delayed_work``: such an item with a timer."""

    def queue_delayed_on(self, queue: Queue, delay: float, cpu: int | None = None) -> bool:
        """queue_delayed_work and queue_delayed_work_on."""
        queued = self._noted(queue, lambda: queue.wq.queue_delayed(self, delay, cpu=cpu))
        if queued:
            self.short = 0 < delay < SHORT
        return queued

    def mod_delayed_on(self, queue: Queue, delay: float, cpu: int | None = None) -> bool:
        """mod_delayed_work and mod_delayed_work_on."""
        self.queue = queue
        self.short = 0 < delay < SHORT
        return queue.wq.mod_delayed(self, delay, cpu=cpu)

    def goes_on(self) -> bool:
        return super().goes_on() or (self.short and self.timer_pending)


class Kick:
    """What a tasklet or timer queues when it runs; the ids are looked up then."""

    def __init__(self, find: Callable[[], tuple[Queue | None, GatedWork | None]]) -> None:
        self._find = find
        self.count = 0

    def __call__(self) -> None:
        queue, work = self._find()
        if queue is not None and work is not None and work.queue_on(queue):
            self.count += 1


class Signed:
    """What a tasklet and a timer do alike: they sign in the log, and queue what they are to."""

    def __init__(self, kind: str, ident: int, log: Log, kick: Kick) -> None:
        self._kind = kind
        self.ident = ident
        self.log = log
        self.kick = kick
        self.runs = 0
        self.context = "never"

    def run(self) -> None:
        """The first part of the handler."""
        cpu = bh.smp_processor_id()
        with self.log.lock:
            self.runs += 1
            self.log.start(self._kind.upper(), cpu, self._kind, self.ident)
        self.context = context(cpu)
        self.kick()


class SignedTasklet(Signed):
    """``tasklet_init``: a tasklet that signs in the log."""

    def __init__(self, ident: int, log: Log, kick: Kick, *, requeue: int) -> None:
        super().__init__("t", ident, log, kick)
        self.requeue = requeue
        self.tasklet = bh.Tasklet(self._handler)

    def _handler(self, tasklet: bh.Tasklet) -> None:
        self.run()
        if self.requeue > 0:
            self.requeue -= 1
            tasklet.schedule()

    def goes_on(self) -> bool:
        """It is scheduled, and nobody keeps it from running."""
        return self.tasklet.scheduled and self.tasklet.count == 0


class SignedTimer(Signed):
    """``timer_setup``: a timer that signs in the log."""

    def __init__(self, ident: int, log: Log, kick: Kick, *, rearm: int) -> None:
        super().__init__("m", ident, log, kick)
        self.rearm = rearm
        self.short = False
        self.timer = bh.Timer(self._handler)

    def _handler(self, timer: bh.Timer) -> None:
        self.run()
        if self.rearm > 0:
            self.rearm -= 1
            self.short = True
            timer.mod(TICKS_AGAIN)

    def mod(self, delay: float) -> bool:
        """mod_timer."""
        self.short = delay < SHORT
        return self.timer.mod(delay)

    def mod_pending(self, delay: float) -> bool:
        """mod_timer_pending."""
        if self.timer.pending:
            self.short = delay < SHORT
        return self.timer.mod_pending(delay)

    def reduce(self, delay: float) -> bool:
        """timer_reduce: the shorter delay stays."""
        self.short = delay < SHORT or (self.timer.pending and self.short)
        return self.timer.reduce(delay)

    def goes_on(self) -> bool:
        """It runs down by itself."""
        return self.short and self.timer.pending
