"""Programs through Linux's own functions: a kernel module reads them, and calls what they name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import bottomhalf as bh

from .face import Face, Stuck
from .programs import Program

SOURCES = sorted(Path(__file__).with_name("module").glob("*.c"))
DEVICE = "/dev/conformance"

# What module/device.c calls them.
WAIT, GOES_ON, RESTED = (ord("c") << 8 | number for number in (1, 2, 3))
FINISHED, ASKING, DEAD = range(3)


class CFace(Face):
    """The module in module/, and its device."""

    _device: Any = None  # the open device
    _logged = 0  # lines of the machine's log that have been looked at

    def boot(self) -> bh.Machine:
        machine = super().boot()
        if self._device is None:
            machine.insmod(SOURCES, name="conformance", params={"virtual_time": self.simulated})
            self._device = machine.open(DEVICE, "r+")
            self._logged = len(machine.log)
        return machine

    def halt(self) -> None:
        if self._device is not None:
            self._device.close()
            self._device = None
        super().halt()

    def run_on(self, machine: bh.Machine, program: Program) -> list[str]:
        self._device.write("\n".join((f"PROG {program.number}", *program.operations, "END")).encode())
        while (state := self._device.ioctl(WAIT)) == ASKING:
            self._device.ioctl(RESTED, self._rests())
        lines = self._device.readall().decode().splitlines()
        self._remark(machine, program)
        if state == DEAD:
            raise Stuck(lines)
        return lines

    def _remark(self, machine: bh.Machine, program: Program) -> None:
        log = machine.log
        self.remarks += [f"program {program.number}: {line.text}" for line in log[self._logged :]]
        self._logged = len(log)

    def _rests(self) -> bool:
        try:
            self.rest.settle(lambda: bool(self._device.ioctl(GOES_ON)))
        except TimeoutError as error:
            print(f"conformance: {error}", file=sys.stderr)
            return False
        return True
