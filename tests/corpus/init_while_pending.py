"""``INIT_WORK`` on an item that may still be pending: the list it is linked into is overwritten.

An open path initialises its item every time. Opened again before the item of the first time has run, Linux corrupts
the worklist; here initialising is refused.

Kernel cure: initialise once, when the structure is made.
"""

import bottomhalf as bh
from bottomhalf.linux import INIT_WORK, flush_work, schedule_work_on, work_struct

EXPLORE = {}
FAILURE = bh.MisuseError


class Device(work_struct):
    """A character device whose interrupt wakes an item."""

    def __init__(self, machine):
        super().__init__()
        self.line = machine.irq(7)
        self.woken = 0

    def interrupt(self, line):
        schedule_work_on(1, self)
        return bh.IrqReturn.HANDLED

    def wake(self, work):
        self.woken += 1

    def open(self):
        self.line.request(self.interrupt, name="chardev")

    def close(self):
        self.line.free()


class BuggyDevice(Device):
    """Initialises its item in open()."""

    def open(self):
        INIT_WORK(self, self.wake)
        super().open()


class FixedDevice(Device):
    """Initialises its item once."""

    def __init__(self, machine):
        super().__init__(machine)
        INIT_WORK(self, self.wake)


def _open_twice(machine, device):
    for _ in range(2):
        device.open()
        hardware = machine.spawn(device.line.fire, cpu=1, name="hardware")
        hardware.join()
        device.close()
    flush_work(device)
    assert device.woken


def buggy(machine):
    _open_twice(machine, BuggyDevice(machine))


def fixed(machine):
    _open_twice(machine, FixedDevice(machine))
