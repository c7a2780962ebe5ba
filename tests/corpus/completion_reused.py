"""A completion used again without ``reinit_completion``: the second wait returns at once.

``complete_all`` opens a completion for good. The first command works; the second finds the door open and reads the
answer before there is one.

Kernel cure: ``reinit_completion`` before the second command is sent.
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = AssertionError


class Mailbox:
    """Commands to a controller, which answers from an item."""

    def __init__(self):
        self.answered = bh.Completion()
        self.answer = None
        self.work = bh.Work(self.controller, name="controller")

    def controller(self, work):
        self.answer = f"done {self.command}"
        self.answered.complete_all()

    def send(self, command):
        self.command, self.answer = command, None
        self.work.schedule(cpu=0)
        bh.cond_resched()  # time enough for the controller, or so it seems
        self.answered.wait()
        return self.answer


def buggy(machine):
    mailbox = Mailbox()
    for command in ("reset", "start"):
        assert mailbox.send(command) == f"done {command}", f"no answer to {command} yet"


def fixed(machine):
    mailbox = Mailbox()
    for command in ("reset", "start"):
        mailbox.answered.reinit()
        assert mailbox.send(command) == f"done {command}"
