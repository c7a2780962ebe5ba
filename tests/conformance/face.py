"""What runs a program: one of bottomhalf's faces, on a machine of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType

import bottomhalf as bh

from .programs import Program
from .settling import HostRest

HZ = 250  # of the kernel whose answers were recorded


class Stuck(Exception):
    """The machine cannot be used any more, for something on it hangs; ``lines`` are the results until then."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(lines[-1])
        self.lines = lines


class Face(ABC):
    """A program goes in, its result lines come out. Programs share the machine and nothing else.

    simulated: virtual time, else real threads. cpus: of the machine. Leaving its context halts the machine.
    """

    def __init__(self, *, simulated: bool, cpus: int) -> None:
        self.simulated = simulated
        self._cpus = cpus
        self._machine: bh.Machine | None = None
        self.rest = HostRest()
        self.remarks: list[str] = []  # what the kernel's log said while programs ran: warnings, reports

    def __enter__(self) -> Face:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.halt()
        self.rest.close()

    def run(self, program: Program) -> list[str]:
        """Runs the operations of a program in order, in one task on CPU 0, and cleans up behind it.

        After a program that hung the next has a new machine. Raises RuntimeError when a handler raised: handlers of
        programs do not.
        """
        machine = self.boot()
        try:
            lines = self.run_on(machine, program)
        except Stuck as stuck:
            self.halt()
            return stuck.lines
        if machine.errors:
            source, error = machine.errors[0]
            raise RuntimeError(f"program {program.number}: {source} raised {error!r}") from error
        return lines

    def boot(self) -> bh.Machine:
        """The machine, a new one if there is none. The first program does it where nobody has."""
        if self._machine is None:
            self._machine = bh.Machine(cpus=self._cpus, hz=HZ, simulated=self.simulated)
            self._machine.activate()
        return self._machine

    def halt(self) -> None:
        """Halts the machine, if there is one."""
        if self._machine is not None:
            self._machine.halt("cancel")
            self._machine = None

    @abstractmethod
    def run_on(self, machine: bh.Machine, program: Program) -> list[str]:
        """The result lines of a program. Raises Stuck."""


def open_face(*, simulated: bool, python: bool = False, cpus: int = 4) -> Face:
    """A face to a machine that ticks 250 times a second: the C API, or with ``python`` the Python package.

    cpus: from 2 on, for the programs name CPU 1. The C API raises bh.CompileError where there is no C compiler, with
    the first program.
    """
    if cpus < 2:
        raise ValueError(f"cpus={cpus} is out of range: programs queue on CPU 1, so from 2 on")
    from .c_face import CFace
    from .python_face import PythonFace

    return (PythonFace if python else CFace)(simulated=simulated, cpus=cpus)
