"""Programs through bottomhalf's Python face."""

from __future__ import annotations

from types import TracebackType

import bottomhalf as bh

from .interpreter import Interpreter, Stuck
from .programs import Program
from .settling import HostRest, settle_simulated

HZ = 250  # of the kernel whose answers were recorded


class PythonFace:
    """A machine, and a new interpreter on it for each program."""

    def __init__(self, *, simulated: bool, cpus: int) -> None:
        self._simulated = simulated
        self._cpus = cpus
        self._machine: bh.Machine | None = None
        self._rest = HostRest()

    def __enter__(self) -> PythonFace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._halt()
        self._rest.close()

    def run(self, program: Program) -> list[str]:
        """The result lines of a program. After one that hung the next has a new machine.

        Raises RuntimeError when a handler raised: handlers of programs do not.
        """
        machine = self._machine = self._machine or self._boot()
        try:
            lines = self._run_simulated(machine, program) if self._simulated else self._run_on_host(machine, program)
        except Stuck as stuck:
            self._halt()
            return stuck.lines
        if machine.errors:
            source, error = machine.errors[0]
            raise RuntimeError(f"program {program.number}: {source} raised {error!r}") from error
        return lines

    def _boot(self) -> bh.Machine:
        machine = bh.Machine(cpus=self._cpus, hz=HZ, simulated=self._simulated)
        machine.activate()
        return machine

    def _halt(self) -> None:
        if self._machine is not None:
            self._machine.halt("cancel")
            self._machine = None

    def _run_simulated(self, machine: bh.Machine, program: Program) -> list[str]:
        # The booter is a task on CPU 0, and the only one that may run the machine.
        return Interpreter(machine, lambda _goes_on: settle_simulated(machine)).run(program)

    def _run_on_host(self, machine: bh.Machine, program: Program) -> list[str]:
        interpreter = Interpreter(machine, self._rest.settle)
        lines: list[str] = machine.spawn(interpreter.run, program, cpu=0, name="programs").join()
        return lines
