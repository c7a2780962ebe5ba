"""Check, then queue: ``if (!work_pending(&req->work))`` guards the item's fields, but nothing guards the guard.

Two tasks send through one item. Each looks whether the item is idle, fills in its argument and queues it. Between look
and queue the other does the same: one argument is overwritten, one call of ``queue_work`` returns false and nobody
looks.

Kernel cure: arguments go to a list under a lock; ``queue_work`` is called every time, and false means "it will see
it".
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = AssertionError


class Request(bh.Work):
    """One request in flight at a time, or so it was thought."""

    def __init__(self):
        self.argument = None
        self.sent = []

    def run(self):
        self.sent.append(self.argument)


class Outbox(bh.Work):
    """Any number of requests."""

    def __init__(self):
        self.lock = bh.SpinLock()
        self.arguments = []
        self.sent = []

    def run(self):
        with self.lock:
            taken, self.arguments = self.arguments, []
        self.sent.extend(taken)


def _two_senders(machine, send):
    senders = [machine.spawn(send, text, cpu=cpu) for cpu, text in enumerate(("ping", "pong"))]
    for sender in senders:
        sender.join()


def buggy(machine):
    request = Request()

    def send(text):
        while request.busy:
            bh.cpu_relax()
        request.argument = text
        request.schedule()

    _two_senders(machine, send)
    request.flush()
    assert sorted(request.sent) == ["ping", "pong"], f"sent: {request.sent}"


def fixed(machine):
    outbox = Outbox()

    def send(text):
        with outbox.lock:
            outbox.arguments.append(text)
        outbox.schedule()

    _two_senders(machine, send)
    outbox.flush()
    assert sorted(outbox.sent) == ["ping", "pong"]
