"""Lost update: ``counter++`` from two kworkers without a lock.

The two items are bound to different CPUs, so nothing keeps one from reading the counter between the other's read and
its write. The engine has no operation there to switch at: the search must look between lines.

Kernel cure: a spin lock, or ``atomic_inc``.
"""

import bottomhalf as bh

EXPLORE = {"preempt_python": "line"}
FAILURE = AssertionError


class Statistics:
    """Of a device: how many packets came."""

    def __init__(self):
        self.lock = bh.SpinLock()
        self.packets = 0


def _count(machine, handler):
    items = [bh.Work(handler, name=f"rx{cpu}") for cpu in range(machine.cpus)]
    for cpu, item in enumerate(items):
        machine.system_wq.queue(item, cpu=cpu)
    for item in items:
        item.flush()


def buggy(machine):
    statistics = Statistics()

    def receive(work):
        packets = statistics.packets
        statistics.packets = packets + 1

    _count(machine, receive)
    assert statistics.packets == machine.cpus, "a packet was not counted"


def fixed(machine):
    statistics = Statistics()

    def receive(work):
        with statistics.lock:
            packets = statistics.packets
            statistics.packets = packets + 1

    _count(machine, receive)
    assert statistics.packets == machine.cpus
