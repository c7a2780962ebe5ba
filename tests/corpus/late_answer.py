"""A wait that times out, and the answer that comes after it: it is taken for the answer to the next question.

Kernel cure: after a timeout, take the request back before going on (``cancel_work_sync`` here), and
``reinit_completion``.
"""

import bottomhalf as bh

EXPLORE = {}
FAILURE = AssertionError


class Sensor:
    """Answers within a millisecond, when its CPU has nothing else to do."""

    def __init__(self, cancel):
        self.cancel = cancel
        self.question = self.value = None
        self.lock = bh.SpinLock()
        self.ready = bh.Completion()
        self.work = bh.Work(self.measure, name="measure")

    def measure(self, work):
        question = self.question
        bh.burn(0.0005)
        with self.lock:
            self.value = question
        bh.burn(0.0003)
        self.ready.complete()

    def read(self, question):
        self.question = question
        self.work.schedule(cpu=1)
        try:
            self.ready.wait(timeout=0.001)
        except TimeoutError:
            if self.cancel:
                self.work.cancel_sync()
                self.ready.reinit()
            return None
        return self.value


def _read_twice(machine, cancel):
    def something_else():
        bh.sleep(0.0003)
        bh.burn(0.0004)

    sensor = Sensor(cancel)
    other = machine.spawn(something_else, cpu=1, name="other")
    for question in ("temperature", "pressure"):
        assert sensor.read(question) in (None, question), f"asked for {question}, got {sensor.value}"
    other.join()


def buggy(machine):
    _read_twice(machine, cancel=False)


def fixed(machine):
    _read_twice(machine, cancel=True)
