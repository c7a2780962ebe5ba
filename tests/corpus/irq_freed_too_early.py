"""``disable_irq_nosync`` and then free: the handler, or its thread, may be in progress on another CPU.

``disable_irq_nosync`` only keeps new interrupts away; it is meant for handlers, which cannot wait for themselves.

Kernel cure: ``disable_irq``, which waits, or ``synchronize_irq`` before anything is freed.
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = TypeError


class Nic:
    """A network card whose ring of descriptors is emptied by an interrupt thread."""

    def __init__(self):
        self.ring = [1, 2]
        self.lock = bh.SpinLock()

    def interrupt(self, line):
        return bh.IrqReturn.WAKE_THREAD

    def empty(self, line):
        for slot in range(2):
            with self.lock:
                self.ring[slot] += 1
        return bh.IrqReturn.HANDLED


def _remove(machine, disable):
    nic = Nic()
    line = machine.irq(4)
    line.request(nic.interrupt, nic.empty, name="nic")
    hardware = machine.spawn(lambda: line.fire(cpu=1), cpu=1, name="hardware")
    hardware.join()
    disable(line)
    nic.ring = None
    line.free()


def buggy(machine):
    _remove(machine, lambda line: line.disable_nosync())


def fixed(machine):
    _remove(machine, lambda line: line.disable())
