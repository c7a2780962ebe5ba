"""Data race: init waits for a reply by sleeping, and then reads what the handler wrote.

Whatever the schedule, the read comes after the write, so no assertion about the value ever fails. Nothing orders the
two all the same: on another day the device takes two seconds. ``bh.Shared`` reports it in the first run.

Kernel cure: wait for the work itself (``flush_work``), or for a completion that it signals.
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = bh.MisuseError
HIDDEN = False


def _ask(machine, wait):
    reply = bh.Shared(None, name="reply")
    reader = bh.DelayedWork(lambda work: reply.set("ready"), name="reader")
    reader.schedule(0.1)
    wait(reader)
    assert reply.value == "ready"


def buggy(machine):
    _ask(machine, lambda reader: machine.sleep(1.0))


def fixed(machine):
    _ask(machine, lambda reader: reader.flush())
