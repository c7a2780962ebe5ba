"""What runs a program: one of bottomhalf's faces, on a machine of its own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from .programs import Program


class Face(Protocol):
    """A program goes in, its result lines come out. Programs share the machine and nothing else."""

    def run(self, program: Program) -> list[str]:
        """Runs the operations of a program in order, in one task on CPU 0, and cleans up behind it."""


def open_face(*, simulated: bool, cpus: int = 4) -> AbstractContextManager[Face]:
    """Boots a machine that ticks 250 times a second and opens a face to it; leaving the context halts the machine.

    simulated: virtual time, else real threads. cpus: from 2 on, for the programs name CPU 1.
    """
    if cpus < 2:
        raise ValueError(f"cpus={cpus} is out of range: programs queue on CPU 1, so from 2 on")
    from .python_face import PythonFace

    return PythonFace(simulated=simulated, cpus=cpus)
