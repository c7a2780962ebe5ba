"""What a program has made so far: its objects, its log and the machine they are on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import bottomhalf as bh

from .items import DelayedWork, GatedWork, Kick, Log, Queue, SignedTasklet, SignedTimer
from .words import Invalid, Words, found, number

QUEUES, WORKS, TASKLETS, TIMERS = 6, 10, 4, 4  # how many of each there may be

# What an operation is: it gets the words behind its name and returns its result, or raises Invalid.
Operation = Callable[["Scene", Words], str]


class Scene:
    """The objects of one program by their ids, and the waiting for rest.

    settle(goes_on): waits until nothing changes by itself, where goes_on() tells that something still does.
    """

    def __init__(self, machine: bh.Machine, settle: Callable[[Callable[[], bool]], None]) -> None:
        self.machine = machine
        self.log = Log()
        self.queues: dict[int, Queue] = {}
        self.works: dict[int, GatedWork] = {}
        self.tasklets: dict[int, SignedTasklet] = {}
        self.timers: dict[int, SignedTimer] = {}
        self.bh_off: Any = None  # the section that is open
        self._settle = settle

    # --- objects named by words ---

    def queue(self, words: Words, at: int) -> Queue:
        """The workqueue whose id is there."""
        return found(self.queues, words, at)

    def work(self, words: Words, at: int) -> GatedWork:
        """The item whose id is there, of either kind."""
        return found(self.works, words, at)

    def plain(self, words: Words, at: int) -> GatedWork:
        """The item whose id is there, if it has no timer."""
        work = found(self.works, words, at)
        if isinstance(work, DelayedWork):
            raise Invalid
        return work

    def delayed(self, words: Words, at: int) -> DelayedWork:
        """The item whose id is there, if it has a timer."""
        work = found(self.works, words, at)
        if not isinstance(work, DelayedWork):
            raise Invalid
        return work

    def cpu(self, words: Words) -> int:
        """The CPU that the first word is."""
        return number(words, 0, self.machine.cpus)

    def kick(self, options: dict[str, int]) -> Kick:
        """What a handler with these options queues; the objects are looked for when it runs."""
        queue, work = options.get("kickq", -1), options.get("kickw", -1)
        return Kick(lambda: (self.queues.get(queue), self.works.get(work)))

    # --- rest ---

    def settle(self) -> bool:
        """Waits for rest, which begins another epoch; False when it does not come."""
        try:
            self._settle(self._anything_goes_on)
        except TimeoutError as error:
            # Not by logging, which asks for the Python thread: tasks of the machine are none.
            print(f"conformance: {error}", file=sys.stderr)
            return False
        self.log.epoch += 1
        return True

    def _anything_goes_on(self) -> bool:
        return any(item.goes_on() for item in self._items())

    def _items(self) -> Iterator[GatedWork | SignedTasklet | SignedTimer]:
        yield from self.works.values()
        yield from self.tasklets.values()
        yield from self.timers.values()

    def open_all(self) -> bool:
        """Opens every gate; False when the machine did not come to rest."""
        settled = True
        for _, work in sorted(self.works.items()):
            if not work.is_open:
                held = work.waiting > 0
                work.open()
                # One after the other, so that the order of what each lets start is known.
                settled = (not held or self.settle()) and settled
        return settled

    def close_section(self) -> None:
        """Ends the section without bottom halves, if there is one."""
        if self.bh_off is not None:
            section, self.bh_off = self.bh_off, None
            section.__exit__(None, None, None)

    # --- the end ---

    def counters(self) -> str:
        """How often every handler began, and ended or queued something."""
        parts = [f"w{i}={w.starts}/{w.dones}/{w.requeued}" for i, w in sorted(self.works.items())]
        parts += [f"t{i}={t.runs}/{t.kick.count}" for i, t in sorted(self.tasklets.items())]
        parts += [f"m{i}={t.runs}/{t.kick.count}" for i, t in sorted(self.timers.items())]
        return " ".join(parts) or "-"

    def tear_down(self) -> None:
        """Takes everything off the machine."""
        for timer in self.timers.values():
            timer.timer.delete_sync()
        for tasklet in self.tasklets.values():
            tasklet.tasklet.kill()
        for work in self.works.values():
            work.requeue = 0
            work.cancel_sync()
        for queue in self.queues.values():
            queue.wq.destroy()
