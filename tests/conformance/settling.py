"""Waiting until nothing changes by itself any more."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import bottomhalf as bh

HORIZON = 1.0  # seconds: what comes later does not count
PATIENCE = 20.0  # seconds until a host machine that does not come to rest is given up
PATIENT_LOOKS = 500  # and not before that many
PAUSE = 0.0005  # seconds between two looks at the threads
MONITOR = b"bh-monitor"  # the thread that looks for workers which block unannounced
LOOKS = 2  # equal to the one before


def settle_simulated(machine: bh.Machine) -> None:
    """Lets a simulated machine run until nothing is due within the horizon."""
    machine.settle(HORIZON)


class HostRest:
    """Waits for the rest of a host machine: every other thread of the process sleeps, and none will wake by itself.

    Threads are looked at from outside, by the system's account of them: one that was woken and has not run yet is
    ready, not asleep, however long the system lets it wait.
    """

    def __init__(self) -> None:
        self._status: dict[str, int] = {}  # by thread: its open status file, read again and again
        self._awake = ""  # the name of the thread that was found awake last

    def close(self) -> None:
        """Closes what it reads from."""
        while self._status:
            os.close(self._status.popitem()[1])

    def settle(self, goes_on: Callable[[], bool]) -> None:
        """Returns at rest. goes_on() tells what no thread shows: delays that run down. Raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE
        looks = 0
        last: list[bytes] | None = None
        equal = 0
        while equal < LOOKS:
            # The sleep hands the GIL over, too: a thread that waited for it is seen to have run at the next look.
            time.sleep(PAUSE)
            now = None if goes_on() else self._sleepers()
            equal = equal + 1 if now is not None and now == last else 0
            looks += 1
            # Not by the clock alone: the whole process, or its computer, may have stood still.
            if looks > PATIENT_LOOKS and time.monotonic() > deadline:
                raise TimeoutError(f"the machine does not come to rest: {self._reason(goes_on(), last, now)}")
            last = now

    def _reason(self, goes_on: bool, last: list[bytes] | None, now: list[bytes] | None) -> str:
        if goes_on:
            return "a handler, tasklet or timer goes on"
        if now is None:
            return f"thread '{self._awake}' is awake"
        moved = [mark.decode().split()[0] for mark in now if mark not in (last or ())]
        return f"threads {', '.join(moved)} wake again and again"

    def _sleepers(self) -> list[bytes] | None:
        """What changes when one of the other threads does anything, or None if one is awake."""
        me = str(threading.get_native_id())
        marks = []
        for thread in os.listdir("/proc/self/task"):
            if thread != me:
                mark = self._mark(thread)
                if mark is None:
                    return None
                marks.append(mark)
        return marks

    def _mark(self, thread: str) -> bytes | None:
        """A thread's name, number and counts of switches, None: it does not sleep, or is gone."""
        try:
            if thread not in self._status:
                self._status[thread] = os.open(f"/proc/self/task/{thread}/status", os.O_RDONLY)
            status = os.pread(self._status[thread], 8192, 0)
        except OSError:
            if thread in self._status:  # the number may be given to another thread
                os.close(self._status.pop(thread))
            return None
        name = status[len(b"Name:\t") : status.index(b"\n")]
        if status[status.index(b"\nState:\t") + 8 :][:1] not in b"SD":
            self._awake = name.decode()
            return None
        # The monitor looks at workers by the clock; what it does about them shows in theirs.
        counts = b"" if name == MONITOR else status[status.rindex(b"\nvoluntary_ctxt_switches:") :]
        return name + b"/" + thread.encode() + counts
