"""Lost wake-up: the condition is set after ``wake_up``.

The waiter is woken, looks, finds nothing, and goes to sleep again; then the condition becomes true and nobody tells.

Kernel cure: change the condition, then wake.
"""

import bottomhalf as bh

EXPLORE = {"preempt_python": "line"}
FAILURE = bh.DeadlockError


class Inbox:
    """One reader waits for one letter."""

    def __init__(self):
        self.letters = []
        self.waiters = bh.WaitQueue()

    def read(self):
        self.waiters.wait_event(lambda: self.letters)
        return self.letters.pop()


def _read_a_letter(machine, post):
    inbox = Inbox()
    postman = bh.Work(lambda work: post(inbox), name="postman")
    postman.schedule(cpu=1)
    assert inbox.read() == "hello"
    postman.flush()


def buggy(machine):
    def post(inbox):
        inbox.waiters.wake_up()
        inbox.letters.append("hello")

    _read_a_letter(machine, post)


def fixed(machine):
    def post(inbox):
        inbox.letters.append("hello")
        inbox.waiters.wake_up()

    _read_a_letter(machine, post)
