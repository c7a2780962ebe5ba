"""Tasklet disabled twice, enabled once: it stays scheduled for ever, and ``tasklet_kill`` never returns.

Two paths may find the device busy and disable its tasklet; the flag that says so remembers one of them. With two on
their way at once ``tasklet_enable`` is called once for two ``tasklet_disable``.

Kernel cure: test and set the flag under a lock, or simply disable and enable in pairs.
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = bh.DeadlockError


class Port:
    """A port whose tasklet is off while it is throttled."""

    def __init__(self):
        self.lock = bh.SpinLock()
        self.throttled = False
        self.delivered = 0
        self.tasklet = bh.Tasklet(self.deliver)

    def deliver(self, tasklet):
        self.delivered += 1

    def unthrottle(self):
        if self.throttled:
            self.throttled = False
            self.tasklet.enable()


def _throttle_from_two_cpus(machine, throttle):
    port = Port()
    tasks = [machine.spawn(throttle, port, cpu=cpu) for cpu in range(2)]
    for task in tasks:
        task.join()
    port.unthrottle()
    port.tasklet.schedule()
    port.tasklet.kill()
    assert port.delivered == 1


def buggy(machine):
    def throttle(port):
        if not port.throttled:
            port.tasklet.disable()
            port.throttled = True

    _throttle_from_two_cpus(machine, throttle)


def fixed(machine):
    def throttle(port):
        with port.lock:
            if not port.throttled:
                port.tasklet.disable_nosync()
                port.throttled = True

    _throttle_from_two_cpus(machine, throttle)
