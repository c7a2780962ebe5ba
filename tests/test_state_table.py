"""The table of state x operation as a real kernel answered it, cell by cell.

A cell reads as recorded: the return value, `B` when the call waits for the held handler, `b` and the value of
work_busy() with handlers still held, `r` and how many times the handler had run in the end. The workqueue is a per-CPU
one, items are queued on CPU 1, the caller is on CPU 0.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from helpers import LONG, NEVER, Call, Item, cpu_held, eventually, held_item

import bottomhalf as bh

WORK_STATES = ["idle", "has_run", "inactive", "active", "running", "requeued", "disabled", "disabled2", "canceling"]
WORK = """
queue_same   | 1 b2 r1 | 1 b2 r2 | 0 b1 r1   | 0 b1 r1   | 1 b3 r2   | 0 b3 r2   | 0 b0 r0 | 0 b0 r0 | 0 b2 r1
queue_other  | 1 b2 r1 | 1 b2 r2 | 0 b1 r1   | 0 b1 r1   | 1 b3 r2   | 0 b3 r2   | 0 b0 r0 | 0 b0 r0 | 0 b2 r1
cancel       | 0 b0 r0 | 0 b0 r1 | 1 b0 r0   | 1 b0 r0   | 0 b2 r1   | 1 b2 r1   | 0 b0 r0 | 0 b0 r0 | 0 b2 r1
cancel_sync  | 0 b0 r0 | 0 b0 r1 | 1 b0 r0   | 1 b0 r0   | 0 B b2 r1 | 1 B b2 r1 | 0 b0 r0 | 0 b0 r0 | 0 B b2 r1
flush        | 0 b0 r0 | 0 b0 r1 | 1 B b1 r1 | 1 B b1 r1 | 1 B b2 r1 | 1 B b3 r2 | 0 b0 r0 | 0 b0 r0 | 1 B b2 r1
pending      | 0 b0 r0 | 0 b0 r1 | 1 b1 r1   | 1 b1 r1   | 0 b2 r1   | 1 b3 r2   | 0 b0 r0 | 0 b0 r0 | 0 b2 r1
busy         | 0 b0 r0 | 0 b0 r1 | 1 b1 r1   | 1 b1 r1   | 2 b2 r1   | 3 b3 r2   | 0 b0 r0 | 0 b0 r0 | 2 b2 r1
disable      | 0 b0 r0 | 0 b0 r1 | 1 b0 r0   | 1 b0 r0   | 0 b2 r1   | 1 b2 r1   | 0 b0 r0 | 0 b0 r0 | 0 b2 r1
disable_sync | 0 b0 r0 | 0 b0 r1 | 1 b0 r0   | 1 b0 r0   | 0 B b2 r1 | 1 B b2 r1 | 0 b0 r0 | 0 b0 r0 | 0 B b2 r1
enable       | -       | -       | -         | -         | -         | -         | 1 b0 r0 | 0 b0 r0 | -
"""

DELAYED_STATES = [
    *("idle", "has_run", "timer", "inactive", "active", "running", "requeued", "running_timer"),
    *("disabled", "disabled2", "canceling"),
]
DELAYED = """
queue_same|1 b2 r1|1 b2 r2|0 b1 r0|0 b1 r1|0 b1 r1|1 b3 r2|0 b3 r2|0 b3 r1|0 b0 r0|0 b0 r0|0 b2 r1
queue_other|1 b2 r1|1 b2 r2|0 b1 r0|0 b1 r1|0 b1 r1|1 b3 r2|0 b3 r2|0 b3 r1|0 b0 r0|0 b0 r0|0 b2 r1
queue_delayed_0|1 b2 r1|1 b2 r2|0 b1 r0|0 b1 r1|0 b1 r1|1 b3 r2|0 b3 r2|0 b3 r1|0 b0 r0|0 b0 r0|0 b2 r1
queue_delayed_long|1 b1 r0|1 b1 r1|0 b1 r0|0 b1 r1|0 b1 r1|1 b3 r1|0 b3 r2|0 b3 r1|0 b0 r0|0 b0 r0|0 b2 r1
mod_delayed_0|0 b2 r1|0 b2 r2|1 b2 r1|1 b1 r1|1 b1 r1|0 b3 r2|1 b3 r2|1 b3 r2|0 b0 r0|0 b0 r0|0 b2 r1
mod_delayed_long|0 b1 r0|0 b1 r1|1 b1 r0|1 b1 r0|1 b1 r0|0 b3 r1|1 b3 r1|1 b3 r1|0 b0 r0|0 b0 r0|0 b2 r1
cancel|0 b0 r0|0 b0 r1|1 b0 r0|1 b0 r0|1 b0 r0|0 b2 r1|1 b2 r1|1 b2 r1|0 b0 r0|0 b0 r0|0 b2 r1
cancel_sync|0 b0 r0|0 b0 r1|1 b0 r0|1 b0 r0|1 b0 r0|0 B b2 r1|1 B b2 r1|1 B b2 r1|0 b0 r0|0 b0 r0|0 B b2 r1
flush_work|0 b0 r0|0 b0 r1|0 b1 r0|1 B b1 r1|1 B b1 r1|1 B b2 r1|1 B b3 r2|1 B b3 r1|0 b0 r0|0 b0 r0|1 B b2 r1
flush_delayed|0 b0 r0|0 b0 r1|1 B b2 r1|1 B b1 r1|1 B b1 r1|1 B b2 r1|1 B b3 r2|1 B b3 r2|0 b0 r0|0 b0 r0|1 B b2 r1
pending|0 b0 r0|0 b0 r1|1 b1 r0|1 b1 r1|1 b1 r1|0 b2 r1|1 b3 r2|1 b3 r1|0 b0 r0|0 b0 r0|0 b2 r1
busy|0 b0 r0|0 b0 r1|1 b1 r0|1 b1 r1|1 b1 r1|2 b2 r1|3 b3 r2|3 b3 r1|0 b0 r0|0 b0 r0|2 b2 r1
disable|0 b0 r0|0 b0 r1|1 b0 r0|1 b0 r0|1 b0 r0|0 b2 r1|1 b2 r1|1 b2 r1|0 b0 r0|0 b0 r0|0 b2 r1
disable_sync|0 b0 r0|0 b0 r1|1 b0 r0|1 b0 r0|1 b0 r0|0 B b2 r1|1 B b2 r1|1 B b2 r1|0 b0 r0|0 b0 r0|0 B b2 r1
enable|-|-|-|-|-|-|-|-|1 b0 r0|0 b0 r0|-
"""


def cells(table, states):
    for line in table.strip().splitlines():
        op, *row = (part.strip() for part in line.split("|"))
        assert len(row) == len(states), op
        for state, cell in zip(states, row, strict=True):
            if cell != "-":
                words = cell.split()
                value, waits = int(words[0]), "B" in words
                yield pytest.param(op, state, value, waits, int(words[-2][1:]), int(words[-1][1:]), id=f"{op}-{state}")


def operation(op, wq, work):
    """The call of a row, without arguments."""
    return {
        "queue_same": lambda: wq.queue(work, cpu=1),
        "queue_other": lambda: wq.queue(work, cpu=0),
        "queue_delayed_0": lambda: wq.queue_delayed(work, 0, cpu=1),
        "queue_delayed_long": lambda: wq.queue_delayed(work, NEVER, cpu=1),
        "mod_delayed_0": lambda: wq.mod_delayed(work, 0, cpu=1),
        "mod_delayed_long": lambda: wq.mod_delayed(work, NEVER, cpu=1),
        "cancel": lambda: work.cancel(),
        "cancel_sync": lambda: work.cancel_sync(),
        "flush": lambda: work.flush(),
        "flush_work": lambda: work.flush_work(),
        "flush_delayed": lambda: work.flush(),
        "pending": lambda: work.pending,
        "busy": lambda: work.busy,
        "disable": lambda: work.disable(),
        "disable_sync": lambda: work.disable_sync(),
        "enable": lambda: work.enable(),
    }[op]


class Stage:
    """An item brought into a state, and what must be let go in the end."""

    def __init__(self, m, kind, state):
        self.m = m
        self.ending = ExitStack()
        self.canceller = None
        self.holder = None
        self.wq = m.alloc_workqueue("stage", bh.WQ(0), 1 if state == "inactive" else 0)
        self.item = Item(kind)
        getattr(self, state)()

    def idle(self):
        pass

    def has_run(self):
        self.item.open()
        assert self.wq.queue(self.item.work, cpu=1)
        self.wq.flush(LONG)
        self.item.started.wait(LONG)
        self.item.close()

    def timer(self):
        assert self.wq.queue_delayed(self.item.work, NEVER, cpu=1)

    def inactive(self):
        self.holder = held_item(self.wq, cpu=1)
        assert self.wq.queue(self.item.work, cpu=1)

    def active(self):
        self.ending.enter_context(cpu_held(self.m, 1))
        assert self.wq.queue(self.item.work, cpu=1)

    def running(self):
        assert self.wq.queue(self.item.work, cpu=1)
        self.item.wait_started()

    def requeued(self):
        self.running()
        assert self.wq.queue(self.item.work, cpu=1)

    def running_timer(self):
        self.running()
        assert self.wq.queue_delayed(self.item.work, NEVER, cpu=1)

    def disabled(self):
        assert self.item.work.disable() is False

    def disabled2(self):
        self.disabled()
        self.disabled()

    def canceling(self):
        self.requeued()  # so that taking the pending instance away shows that the cancel is in progress
        self.canceller = Call(self.item.work.cancel_sync)
        eventually(lambda: not self.item.work.pending, "the cancel took the pending instance away")

    def release(self):
        """Opens every gate and waits for what can end by itself."""
        self.item.open()
        if self.holder is not None:
            self.holder.open()
        self.ending.close()
        if self.canceller is not None:
            assert self.canceller.result() is True

    def end(self):
        self.wq.flush(LONG)
        runs = self.item.runs
        self.item.work.cancel_sync(LONG)
        self.wq.destroy(LONG)
        return runs


def check(m, kind, op, state, value, waits, busy, runs):
    with m.on_cpu(0):
        stage = Stage(m, kind, state)
        work = stage.item.work
        call = operation(op, stage.wq, work)
        if waits:
            thread = Call(call).settle()
            assert not thread.done, f"returned {thread.result()!r} instead of waiting"
            eventually(lambda: work.busy == busy, f"busy {busy}")
            stage.release()
            answer = thread.result()
        else:
            answer = call()
            eventually(lambda: work.busy == busy, f"busy {busy}, not {work.busy!r}")
            stage.release()
        if op == "busy":
            assert isinstance(answer, bh.Busy)
        else:
            assert isinstance(answer, bool)
        assert int(answer) == value
        assert stage.end() == runs


@pytest.mark.parametrize(("op", "state", "value", "waits", "busy", "runs"), list(cells(WORK, WORK_STATES)))
def test_work(m, op, state, value, waits, busy, runs):
    """Each cell of the table for work_struct."""
    check(m, bh.Work, op, state, value, waits, busy, runs)


@pytest.mark.parametrize(("op", "state", "value", "waits", "busy", "runs"), list(cells(DELAYED, DELAYED_STATES)))
def test_delayed_work(m, op, state, value, waits, busy, runs):
    """Each cell of the table for delayed_work."""
    check(m, bh.DelayedWork, op, state, value, waits, busy, runs)


@pytest.mark.parametrize("kind", [bh.Work, bh.DelayedWork])
@pytest.mark.parametrize("state", ["idle", "has_run", "inactive", "active", "running", "requeued"])
def test_enable_of_what_is_not_disabled(m, kind, state):
    """enable_work below depth 0 is refused by UnbalancedEnable in every state, and nothing else has changed."""
    with m.on_cpu(0):
        stage = Stage(m, kind, state)
        before = stage.item.work.busy
        with pytest.raises(bh.UnbalancedEnable) as caught:
            stage.item.work.enable()
        assert isinstance(caught.value, bh.MisuseError) and caught.value.rule
        assert stage.item.work.busy == before
        stage.release()
        expected = {"idle": 0, "requeued": 2}.get(state, 1)
        assert stage.end() == expected


@pytest.mark.parametrize("kind", [bh.Work, bh.DelayedWork])
def test_disabled_while_running(m, kind):
    """DR: disable_sync waits and adds to the depth, flush waits and returns True, queueing is refused."""
    with m.on_cpu(0):
        stage = Stage(m, kind, "running")
        work = stage.item.work
        assert work.disable() is False
        assert stage.wq.queue(work, cpu=1) is False
        assert work.busy == bh.Busy.RUNNING
        flusher, disabler = Call(work.flush).settle(), Call(work.disable_sync).settle()
        assert not flusher.done and not disabler.done
        stage.release()
        assert flusher.result() is True
        assert disabler.result() is False
        assert work.enable() is False
        assert work.enable() is True
        assert stage.end() == 1


def test_mod_delayed_zero_goes_to_the_tail(m):
    """mod_delayed_work(0) on a queued item takes it out and queues it behind the others."""
    order = []
    wq = m.alloc_workqueue("tail", bh.WQ(0), 1)
    holder = held_item(wq, cpu=1)
    works = [bh.DelayedWork(lambda work: order.append(work.name), name=name) for name in "abc"]
    for work in works:
        assert wq.queue(work, cpu=1)
    assert wq.mod_delayed(works[0], 0, cpu=1) is True
    holder.open()
    wq.flush(LONG)
    assert order == ["b", "c", "a"]
