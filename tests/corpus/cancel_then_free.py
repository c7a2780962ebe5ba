"""``cancel_work`` and then ``kfree``: the item may be running, and plain cancel does not wait for it.

``cancel_work`` takes a pending item back. Of one that has started it returns false and goes on, and the buffer is gone
under the handler's hands.

Kernel cure: ``cancel_work_sync``.
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = AttributeError


class Buffer:
    """What the handler writes into."""

    def __init__(self):
        self.bytes = []


class Device:
    """A device with one item; remove() is its driver's last call."""

    def __init__(self):
        self.buffer = Buffer()
        self.fill = bh.Work(self.fill_handler, name="fill")

    def fill_handler(self, work):
        for byte in range(3):
            self.buffer.bytes.append(byte)
            bh.cond_resched()

    def free(self):
        self.buffer = None


def buggy(machine):
    device = Device()
    device.fill.schedule(cpu=1)
    device.fill.cancel()
    device.free()


def fixed(machine):
    device = Device()
    device.fill.schedule(cpu=1)
    device.fill.cancel_sync()
    device.free()
