"""Programs through bottomhalf's Python face."""

from __future__ import annotations

import bottomhalf as bh

from .face import Face
from .interpreter import Interpreter
from .programs import Program
from .settling import settle_simulated


class PythonFace(Face):
    """A new interpreter for each program."""

    def run_on(self, machine: bh.Machine, program: Program) -> list[str]:
        if self.simulated:
            # The booter is a task on CPU 0, and the only one that may run the machine.
            return Interpreter(machine, lambda _goes_on: settle_simulated(machine)).run(program)
        interpreter = Interpreter(machine, self.rest.settle)
        lines: list[str] = machine.spawn(interpreter.run, program, cpu=0, name="programs").join()
        return lines
