"""For the table of ratios: schedules of a small program, explored here and by threads that hand a baton on."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import bottomhalf as bh

__all__ = ["Baton", "explored", "handed_on", "one_cpu"]

_HANDLERS = 4
_YIELDS = 10


@contextmanager
def one_cpu() -> Iterator[None]:
    """The calling thread, and those it starts, keep to one CPU meanwhile: a baton is handed on fastest there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _program(m: bh.Machine) -> None:
    resched = bh.cond_resched

    def handler(_work: bh.Work) -> None:
        for _ in range(_YIELDS):
            resched()

    put = m.system_wq.queue
    for cpu in range(_HANDLERS):
        put(bh.Work(handler), cpu=cpu)


def explored(count: int) -> float:
    """Microseconds a schedule: four handlers on four virtual CPUs, each offering its CPU ten times."""
    with one_cpu():
        start = time.perf_counter_ns()
        bh.explore(_program, schedules=count, cpus=_HANDLERS, strategy=bh.schedules.Random(1)).check()
        return (time.perf_counter_ns() - start) / count / 1e3


class Baton:
    """What one would write with threads: each handler has one, and whoever has the baton goes on.

    The threads are kept from one schedule to the next. The caller draws who is next, and waits meanwhile.
    """

    def __init__(self) -> None:
        self._go = [threading.Lock() for _ in range(_HANDLERS)]
        self._back = threading.Lock()
        self._back.acquire()
        self._ended = [False] * _HANDLERS
        self._closing = False
        for lock in self._go:
            lock.acquire()
        self._threads = [threading.Thread(target=self._main, args=(i,), daemon=True) for i in range(_HANDLERS)]
        for thread in self._threads:
            thread.start()

    def _main(self, number: int) -> None:
        mine, back = self._go[number], self._back
        while mine.acquire() and not self._closing:
            for _ in range(_YIELDS):
                back.release()
                mine.acquire()
            self._ended[number] = True
            back.release()

    def schedule(self, draw: random.Random) -> None:
        """Run all handlers to their ends, in a drawn order."""
        ended, back = self._ended, self._back
        ended[:] = [False] * _HANDLERS
        alive = list(enumerate(self._go))
        while alive:
            place = int(draw.random() * len(alive))
            number, lock = alive[place]
            lock.release()
            back.acquire()
            if ended[number]:
                alive.pop(place)

    def close(self) -> None:
        """End the threads."""
        self._closing = True
        for lock, thread in zip(self._go, self._threads, strict=True):
            lock.release()
            thread.join()


def handed_on(count: int) -> float:
    """Microseconds a schedule of the baton, the threads' start and end not counted."""
    draw = random.Random(1)
    with one_cpu():
        baton = Baton()
        try:
            baton.schedule(draw)
            start = time.perf_counter_ns()
            for _ in range(count):
                baton.schedule(draw)
            return (time.perf_counter_ns() - start) / count / 1e3
        finally:
            baton.close()
