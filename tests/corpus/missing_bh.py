"""``spin_lock`` where ``spin_lock_bh`` is needed: a task and a tasklet of one CPU share a lock.

An interrupt comes while the task holds the lock; on the way out its tasklet runs on top of the task and spins for a
lock whose owner cannot go on before the tasklet ends.

Kernel cure: the task takes the lock with ``spin_lock_bh``, so that no softirq runs on its CPU meanwhile.
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = bh.MisuseError
HIDDEN = False  # the lock checker needs one run, whether or not it ends badly


class Ring:
    """Descriptors that the tasklet fills and a task empties."""

    def __init__(self):
        self.lock = bh.SpinLock()
        self.filled = 0
        self.emptied = 0
        self.tasklet = bh.Tasklet(self.fill)

    def interrupt(self, line):
        self.tasklet.schedule()
        return bh.IrqReturn.HANDLED

    def fill(self, tasklet):
        with self.lock:
            self.filled += 1

    def empty(self, lock):
        with lock:
            self.emptied += self.filled
            self.filled = 0


def _empty_while_the_device_interrupts(machine, lock_of):
    ring = Ring()
    line = machine.irq(9)
    action = line.request(ring.interrupt, name="ring")
    device = machine.spawn(lambda: line.fire(cpu=0), cpu=1, name="device")
    ring.empty(lock_of(ring))
    device.join()
    ring.tasklet.kill()
    ring.empty(lock_of(ring))
    action.free()
    assert ring.emptied == 1


def buggy(machine):
    _empty_while_the_device_interrupts(machine, lambda ring: ring.lock)


def fixed(machine):
    _empty_while_the_device_interrupts(machine, lambda ring: ring.lock.bh())
