"""Flush from oneself: the error path of an item calls ``stop()``, and ``stop()`` flushes that very item.

It waits for its own end. The path is rare: the error must come while the item runs.

Kernel cure: the item only takes note; somebody else stops the device. (Cancelling oneself waits just the same.)
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = bh.DeadlockError


class Link:
    """A link whose cable may be pulled while it is being trained."""

    def __init__(self):
        self.up = True
        self.train = bh.Work(self.train_handler, name="train")

    def pull(self, line):
        self.up = False
        return bh.IrqReturn.HANDLED

    def stop(self):
        self.train.flush()

    def train_handler(self, work):
        if not self.up:
            return
        bh.cond_resched()  # training takes a while
        if not self.up:
            self.give_up()

    def give_up(self):
        raise NotImplementedError


class BuggyLink(Link):
    """Stops itself from within."""

    def give_up(self):
        self.stop()


class FixedLink(Link):
    """Takes note."""

    def give_up(self):
        self.failed = True


def _train(machine, link):
    cable = machine.irq(3)
    action = cable.request(link.pull, name="link")
    link.train.schedule(cpu=1)
    cable.fire(cpu=0)
    link.stop()
    action.free()


def buggy(machine):
    _train(machine, BuggyLink())


def fixed(machine):
    _train(machine, FixedLink())
