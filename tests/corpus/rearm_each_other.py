"""A timer queues an item, and the item arms the timer: in which order do they go?

``timer_delete_sync`` and then ``cancel_work_sync``: between the two the item arms the timer again. The other order is
no better: between the two the timer queues the item.

Kernel cure: ``timer_shutdown_sync`` first, after which arming is refused; then ``cancel_work_sync``.
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = AssertionError


class Watchdog:
    """Looks after a device from a timer, and asks it in an item, because asking sleeps."""

    def __init__(self):
        self.present = True
        self.timer = bh.Timer(self.bark)
        self.work = bh.Work(self.ask, name="ask")

    def bark(self, timer):
        assert self.present, "the timer fired after the device had gone"
        self.work.schedule()

    def ask(self, work):
        assert self.present, "the item ran after the device had gone"
        self.timer.mod(0.002)


def _remove_while_it_barks(machine, stop):
    watchdog = Watchdog()
    watchdog.timer.mod(0.001)
    bh.sleep(0.002)  # the jiffy in which it barks
    stop(watchdog)
    watchdog.present = False
    bh.sleep(0.01)


def buggy(machine):
    def stop(watchdog):
        watchdog.timer.delete_sync()
        watchdog.work.cancel_sync()

    _remove_while_it_barks(machine, stop)


def fixed(machine):
    def stop(watchdog):
        watchdog.timer.shutdown_sync()
        watchdog.work.cancel_sync()

    _remove_while_it_barks(machine, stop)
