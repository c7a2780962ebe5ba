"""Runs a program: its operations one after the other, those that look and wait, and what comes at the end.

An operation on a missing object, one of the wrong kind or with bad arguments answers ``EINVAL`` and does nothing; one
that is not known answers ``ENOSYS``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bottomhalf as bh

from . import softirq_operations, work_operations
from .face import Stuck
from .programs import Program
from .scene import Operation, Scene
from .words import Invalid, Words, found, new, number

SLOTS = 4  # how many calls in tasks of their own there may be
STUCK_AFTER = 20.0  # seconds until such a call counts as hung
LONGEST_SLEEP = 100_000  # milliseconds

_OPERATIONS: dict[str, Operation] = {**work_operations.OPERATIONS, **softirq_operations.OPERATIONS}
_BLOCKING: dict[str, Operation] = {**work_operations.BLOCKING, **softirq_operations.BLOCKING}


class Call:
    """An operation that may block, in a task of its own on CPU 0."""

    def __init__(self, machine: bh.Machine, slot: int, operation: Callable[[], str]) -> None:
        self.result: str | None = None
        self._operation = operation
        self._task = machine.spawn(self._main, cpu=0, name=f"async{slot}")

    def _main(self) -> None:
        self.result = self._operation()

    def join(self) -> str | None:
        """Waits for its end and returns the result; None: it hangs."""
        try:
            self._task.join(STUCK_AFTER)
        except (TimeoutError, bh.DeadlockError):
            return None
        return self.result


class Interpreter:
    """Runs one program. Made, and used, in the task on CPU 0 that is to do the operations; settle: as for Scene."""

    def __init__(self, machine: bh.Machine, settle: Callable[[Callable[[], bool]], None]) -> None:
        self._machine = machine
        self._scene = Scene(machine, settle)
        self._calls: dict[int, Call] = {}
        self._own = {
            "settle": self._settle,
            "open_all": self._open_all,
            "msleep": self._msleep,
            "async": self._async,
            "poll": self._poll,
            "join": self._join,
            "log": self._log,
            "counters": self._counters,
            "ctx": self._ctx,
        }

    def run(self, program: Program) -> list[str]:
        """The result lines of a program. Raises Stuck."""
        prefix = f"PROG {program.number}"
        lines = []
        for index, operation in enumerate(program.operations):
            lines.append(f"{prefix} OP {index} {operation} -> {self._execute(operation.split())}")
        settled, hanging = self._finish()
        if hanging is not None:
            raise Stuck([*lines, f"{prefix} ASYNC {hanging} STUCK"])
        lines.append(f"{prefix} END log -> {self._scene.log.take()}")
        lines.append(f"{prefix} END counters -> {self._scene.counters()}")
        if not settled:
            raise Stuck([*lines, f"{prefix} END SETTLE-TIMEOUT"])
        self._scene.tear_down()
        return lines

    def _execute(self, words: Words) -> str:
        """Does one operation and returns its result."""
        name, *arguments = words
        try:
            if name in self._own:
                return self._own[name](arguments)
            if name in _OPERATIONS:
                return _OPERATIONS[name](self._scene, arguments)
        except Invalid:
            return "EINVAL"
        except bh.BottomHalfError as error:
            return type(error).__name__  # no recorded result reads like that
        return "ENOSYS"

    # --- waiting ---

    def _settle(self, words: Words) -> str:
        return _settled(self._scene.settle())

    def _open_all(self, words: Words) -> str:
        return _settled(self._scene.open_all())

    def _msleep(self, words: Words) -> str:
        self._machine.sleep(number(words, 0, LONGEST_SLEEP) / 1000)
        return "ok"

    # --- calls in tasks of their own ---

    def _async(self, words: Words) -> str:
        slot = new(self._calls, words, SLOTS)
        operation = words[1:]
        if not operation:
            raise Invalid
        self._calls[slot] = Call(self._machine, slot, lambda: self._blocking(operation))
        return "started"

    def _blocking(self, words: Words) -> str:
        return self._execute(words) if words[0] in _BLOCKING else "EINVAL"

    def _poll(self, words: Words) -> str:
        call = found(self._calls, words, 0)
        return "blocked" if call.result is None else f"done:{call.result}"

    def _join(self, words: Words) -> str:
        result = found(self._calls, words, 0).join()
        if result is None:
            return "STUCK"
        del self._calls[int(words[0])]
        return result

    # --- looking ---

    def _log(self, words: Words) -> str:
        return self._scene.log.take()

    def _counters(self, words: Words) -> str:
        return self._scene.counters()

    def _ctx(self, words: Words) -> str:
        kinds: dict[str, dict[int, Any]] = {
            "w": self._scene.works,
            "t": self._scene.tasklets,
            "m": self._scene.timers,
        }
        if not words or words[0][0] not in kinds:
            raise Invalid
        return str(found(kinds[words[0][0]], words, 1).context)

    # --- the end of a program ---

    def _finish(self) -> tuple[bool, int | None]:
        """Lets everything come to its end. Whether the machine came to rest, and the slot of a call that hangs."""
        scene = self._scene
        scene.close_section()
        settled = scene.settle()
        settled = scene.open_all() and settled
        for tasklet in scene.tasklets.values():
            while tasklet.tasklet.count:
                tasklet.tasklet.enable()
        settled = scene.settle() and settled
        for slot, call in sorted(self._calls.items()):
            if call.join() is None:
                return settled, slot
        return scene.settle() and settled, None


def _settled(value: bool) -> str:
    return "ok" if value else "TIMEOUT"
