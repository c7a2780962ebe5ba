"""An item that queues itself again, against plain ``cancel_work``.

Cancelled between its start and the moment when it queues itself, it comes back. Even ``cancel_work`` followed by
``flush_work`` is not enough: flush waits for the run that is in progress, and that run queues the next.

Kernel cure: ``cancel_work_sync``, which keeps a self-requeuing item from coming back while it waits.
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = AssertionError


class Poller(bh.Work):
    """Polls a device again and again while it is there."""

    def __init__(self):
        self.present = True
        self.polls = 0

    def run(self):
        assert self.present, "polled a device that was removed"
        self.polls += 1
        if self.polls < 4:
            self.schedule()


def buggy(machine):
    poller = Poller()
    poller.schedule(cpu=1)
    poller.cancel()
    poller.flush()
    poller.present = False


def fixed(machine):
    poller = Poller()
    poller.schedule(cpu=1)
    poller.cancel_sync()
    poller.present = False
