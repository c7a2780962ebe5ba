"""``max_active`` deadlock: all places of a workqueue are taken by items that wait for an item still in its queue.

Two readers wait for the writer. Queued before it, they take both places; the writer never becomes active.

Kernel cure: what is waited for goes to a workqueue of its own (or ``max_active`` counts it in).
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = bh.DeadlockError


def _two_readers(machine, readers, writers):
    written = bh.Completion()
    data = []

    def read(work):
        written.wait()
        assert data == ["block"]

    def write(work):
        data.append("block")
        written.complete_all()

    items = [bh.Work(read, name=f"read{number}") for number in range(2)]
    writer = bh.Work(write, name="write")
    tasks = [machine.spawn(writers.queue, writer, cpu=0, name="writer")]
    tasks += [machine.spawn(readers.queue, item, cpu=0, name="reader") for item in items]
    for task in tasks:
        task.join()
    for item in items:
        item.flush()


def buggy(machine):
    disk = machine.alloc_workqueue("disk", bh.WQ.UNBOUND, max_active=2)
    _two_readers(machine, disk, disk)


def fixed(machine):
    readers = machine.alloc_workqueue("readers", bh.WQ.UNBOUND, max_active=2)
    writers = machine.alloc_workqueue("writers", bh.WQ.UNBOUND, max_active=2)
    _two_readers(machine, readers, writers)
