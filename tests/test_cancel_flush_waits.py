"""Waits that do not end as hoped: timeouts, deadlocks, Ctrl-C; each leaves a defined state."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from helpers import (
    LONG,
    NEVER,
    Call,
    Item,
    blocked,
    eventually,
    held_item,
    noop,
    python,
    run_in_work,
    wait_asleep,
    works_on,
)

import bottomhalf as bh

SOON = 0.01  # a timeout that is meant to pass


def test_flush_times_out(m):
    """flush_work with a timeout raises TimeoutError, unlinks its barrier, and the item goes on."""
    item = held_item(m.system_wq)
    for timeout in (0, SOON):
        with pytest.raises(TimeoutError):
            item.work.flush(timeout)
    assert item.work.busy == bh.Busy.RUNNING
    item.open()
    item.work.flush(LONG)
    assert item.ends == 1


def test_flush_of_a_queued_item_times_out(m):
    """The barrier behind an inactive item is taken out again; the item can still be cancelled."""
    wq = m.alloc_workqueue("held", bh.WQ(0), 1)
    holder, item = held_item(wq, cpu=1), Item(gated=False)
    wq.queue(item.work, cpu=1)
    with pytest.raises(TimeoutError):
        item.work.flush(SOON)
    assert item.work.pending
    assert item.work.cancel() is True
    holder.open()
    wq.destroy(LONG)
    assert item.runs == 0


def test_flush_delayed_times_out(m):
    """flush_delayed_work has queued the armed item; the timeout does not take that back."""
    item = Item(bh.DelayedWork)
    m.system_wq.queue_delayed(item.work, NEVER)
    with pytest.raises(TimeoutError):
        item.work.flush(SOON)
    item.wait_started()
    item.open()
    item.work.flush(LONG)
    assert item.runs == 1


def test_cancel_sync_times_out(m):
    """cancel_work_sync: the pending instance is gone, the depth restored, the run goes on."""
    item = held_item(m.system_wq)
    m.system_wq.queue(item.work)
    with pytest.raises(TimeoutError):
        item.work.cancel_sync(SOON)
    assert item.work.busy == bh.Busy.RUNNING
    assert m.system_wq.queue(item.work) is True, "not disabled any more"
    item.open()
    item.work.flush(LONG)
    assert item.runs == 2


def test_disable_sync_times_out(m):
    """disable_work_sync: the item is disabled although the wait was given up."""
    item = held_item(m.system_wq)
    with pytest.raises(TimeoutError):
        item.work.disable_sync(SOON)
    assert m.system_wq.queue(item.work) is False
    item.open()
    item.work.flush(LONG)
    assert item.work.enable() is True
    assert m.system_wq.queue(item.work) is True
    item.work.flush(LONG)


def test_flush_workqueue_times_out(m):
    """flush_workqueue: the flusher leaves its colour; later flushes and flushers are none the worse."""
    wq = m.alloc_workqueue("slow")
    item = held_item(wq)
    for _ in range(40):
        with pytest.raises(TimeoutError):
            wq.flush(0)
    patient = blocked(wq.flush)
    with pytest.raises(TimeoutError):
        wq.flush(SOON)
    item.open()
    patient.result()
    wq.flush(LONG)
    wq.destroy(LONG)


def test_the_first_flusher_gives_up(m):
    """When the flusher that cascades for the others times out, the others still return."""
    wq = m.alloc_workqueue("cascade")
    item = held_item(wq)

    def first():
        with pytest.raises(TimeoutError):
            wq.flush(0.2)

    giving_up = Call(first)
    patient = [Call(wq.flush) for _ in range(20)]
    giving_up.result()
    assert not any(call.settle().done for call in patient)
    item.open()
    for call in patient:
        call.result()
    wq.destroy(LONG)


def test_drain_times_out(m):
    """drain_workqueue: draining is lifted."""
    wq = m.alloc_workqueue("drain")
    item = held_item(wq)
    with pytest.raises(TimeoutError):
        wq.drain(SOON)
    other = Item(gated=False)
    assert wq.queue(other.work) is True
    other.work.flush(LONG)
    item.open()
    wq.destroy(LONG)


def test_destroy_times_out(m):
    """destroy_workqueue: the workqueue is open again."""
    wq = m.alloc_workqueue("destroy")
    item = held_item(wq)
    with pytest.raises(TimeoutError):
        wq.destroy(SOON)
    assert wq in m.workqueues
    other = Item(gated=False)
    assert wq.queue(other.work) is True
    item.open()
    wq.destroy(LONG)
    assert other.runs == 1


def test_halt_times_out_and_can_be_repeated(boot):
    """halt with a timeout raises TimeoutError; the machine can be halted afterwards."""
    machine = boot(cpus=1)
    machine.activate()
    item = held_item(machine.system_wq)
    with pytest.raises(TimeoutError):
        machine.halt(timeout=SOON)
    item.open()
    machine.halt(timeout=LONG)


def test_other_waits_time_out(m):
    """Completion, wait queue, tasks: TimeoutError, and the object is usable."""
    completion, queue, stop = bh.Completion(), bh.WaitQueue(), bh.Completion()
    task = m.spawn(stop.wait)
    for wait in (completion.wait, lambda t: queue.wait_event(lambda: False, t), lambda t: task.join(t)):
        with pytest.raises(TimeoutError):
            wait(SOON)
    completion.complete()
    completion.wait(LONG)
    stop.complete()
    task.join(LONG)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "soon"])
def test_bad_timeouts(m, timeout):
    """A timeout is None or a number that is not negative."""
    work = bh.Work(noop)
    for call in (work.flush, work.cancel_sync, m.system_wq.flush, bh.Completion().wait):
        with pytest.raises((ValueError, TypeError)):
            call(timeout)


@pytest.mark.parametrize("call", ["flush", "cancel_sync", "disable_sync"])
@pytest.mark.parametrize("kind", [bh.Work, bh.DelayedWork])
def test_waiting_for_oneself(m, kind, call):
    """flush, cancel_sync and disable_sync of the item that one is running in can never end: DeadlockError names it."""
    caught = []

    def handler(work):
        try:
            getattr(work, call)()
        except bh.DeadlockError as error:
            caught.append(error)

    work = kind(handler, name="narcissus")
    m.system_wq.queue(work)
    work.flush(LONG)
    assert "narcissus" in str(caught[0])
    assert m.system_wq.queue(work) is True, "neither cancelled for good nor disabled"
    work.flush(LONG)
    assert len(caught) == 2
    works_on(m)


def test_cancel_of_oneself_is_allowed(m):
    """The plain cancel does not wait: from its own handler it takes away the requeue."""
    answers = []

    def handler(work):
        answers.append(m.system_wq.queue(work))
        answers.append(work.cancel())

    work = bh.Work(handler)
    m.system_wq.queue(work)
    work.flush(LONG)
    assert answers == [True, True]


@pytest.mark.parametrize("call", ["flush", "drain", "destroy"])
def test_waiting_for_the_own_workqueue(m, call):
    """flush_workqueue, drain and destroy of the workqueue that one is running on can never end."""
    wq = m.alloc_workqueue("ouroboros")
    with pytest.raises(bh.DeadlockError, match="ouroboros"):
        run_in_work(wq, getattr(wq, call))
    assert run_in_work(wq, lambda: "open") == "open"
    wq.destroy(LONG)
    works_on(m)


def test_a_cycle_of_two_flushes(m):
    """A flushes B while B flushes A: the second one to wait is told, with the chain."""
    first, second = Item(name="alpha"), Item(name="beta")
    caught = []

    def flush(other):
        def then(_):
            try:
                other.work.flush()
            except bh.DeadlockError as error:
                caught.append(error)

        return then

    first.then, second.then = flush(second), flush(first)
    for item in (first, second):
        m.system_wq.queue(item.work)
        item.wait_started()
    first.open()
    second.open()
    m.system_wq.flush(LONG)
    assert len(caught) == 1
    assert "alpha" in str(caught[0]) and "beta" in str(caught[0])
    works_on(m)


def test_a_later_item_of_the_same_ordered_workqueue(m):
    """Flushing a later item of the ordered workqueue that one is running on can never end."""
    wq = m.alloc_ordered_workqueue("single-file")
    later = Item(gated=False, name="later")

    def handler():
        assert wq.queue(later.work) is True
        later.work.flush()

    with pytest.raises(bh.DeadlockError):
        run_in_work(wq, handler)
    wq.flush(LONG)
    assert later.runs == 1
    wq.destroy(LONG)


def test_flush_of_another_item_is_no_deadlock(m):
    """An item may wait for another one, also of its own CPU and workqueue."""
    other = held_item(m.system_wq, cpu=1)
    waiter = Call(run_in_work, m.system_wq, lambda: other.work.flush(LONG), cpu=1).settle()
    assert not waiter.done
    other.open()
    assert waiter.result() is True


def test_a_wait_ends_by_exit_when_the_machine_halts(boot):
    """What still waits when its machine halts with cancel gets MachineExit, which is no Exception."""
    machine = boot(cpus=1)
    caught = []

    def handler(_):
        started.complete()
        try:
            forever.wait()
        except BaseException as error:
            caught.append(error)
            raise

    started, forever = bh.Completion(), bh.Completion()
    machine.activate()
    machine.system_wq.queue(bh.Work(handler))
    started.wait(LONG)
    machine.halt(pending="cancel", timeout=LONG)
    assert [type(error) for error in caught] == [bh.MachineExit]
    assert not issubclass(bh.MachineExit, Exception)


CTRL_C = """
import os, signal, threading
import bottomhalf as bh
from helpers import *

signal.signal(signal.SIGINT, signal.default_int_handler)
main = threading.get_native_id()

def press():
    wait_asleep(main, patience=1)  # a wait that polls is never seen asleep
    os.kill(os.getpid(), signal.SIGINT)

with bh.Machine(cpus=2) as m:
    wq = m.alloc_workqueue("waited", bh.WQ(0), 4)
    item = held_item(wq)
    tasklet = bh.Tasklet(noop, disabled=True)
    completion, queue, mutex, spin = bh.Completion(), bh.WaitQueue(), bh.Mutex(), bh.SpinLock()
    future = wq.submit(item.gate.wait)
    task = m.spawn(item.gate.wait)
    try:
        threading.Thread(target=press).start()
        {wait}
    except KeyboardInterrupt:
        print("interrupted")
    item.open()
    item.work.flush(LONG)
    if item.work.busy == 0:
        while True:
            try:
                item.work.enable()
            except bh.UnbalancedEnable:
                break
    tasklet.enable()
    works_on(m)
    assert run_in_work(wq, lambda: "open") == "open"
    print("works on")
"""


@pytest.mark.parametrize(
    "wait",
    [
        "item.work.flush()",
        "item.work.cancel_sync()",
        "item.work.disable_sync()",
        "wq.flush()",
        "wq.drain()",
        "wq.destroy()",
        "completion.wait()",
        "completion.wait(60)",
        "queue.wait_event(lambda: False)",
        "future.result()",
        "bh.wait([future])",
        "task.join()",
        "bh.sleep(60)",
        "m.sleep(60)",
        "m.run(until=lambda: False)",
        "tasklet.schedule(); tasklet.kill()",
    ],
)
def test_ctrl_c(wait):
    """Ctrl-C ends every wait of the main thread with KeyboardInterrupt, and the engine works on."""
    done = python(CTRL_C.replace("{wait}", wait))
    assert done.stdout.splitlines() == ["interrupted", "works on"], done.stderr


def test_ctrl_c_in_a_contended_lock():
    """A wait for a mutex that another task holds is ended alike."""
    code = """
import os, signal, threading
import bottomhalf as bh
from helpers import *

signal.signal(signal.SIGINT, signal.default_int_handler)
main = threading.get_native_id()
with bh.Machine(cpus=2) as m:
    mutex, held, let = bh.Mutex(), bh.Completion(), bh.Completion()

    def hold():
        with mutex:
            held.complete()
            let.wait()

    task = m.spawn(hold)
    held.wait(LONG)
    def press():
        wait_asleep(main)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=press).start()
    try:
        with mutex:
            print("entered")
    except KeyboardInterrupt:
        print("interrupted")
    let.complete()
    task.join(LONG)
    with mutex:
        pass
    works_on(m)
    print("works on")
"""
    assert python(code).stdout.splitlines() == ["interrupted", "works on"]


@pytest.mark.host("a simulated machine never waits for real, so no signal finds it asleep")
def test_other_signals_do_not_end_a_wait(m):
    """A signal whose handler returns leaves the wait as it is."""
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    try:
        item = held_item(m.system_wq)
        main = threading.get_native_id()

        def poke():
            for n in range(3):
                wait_asleep(main)
                os.kill(os.getpid(), signal.SIGUSR1)
                eventually(lambda n=n: len(seen) > n)
            item.open()

        poker = Call(poke)
        assert item.work.flush() is True
        poker.result()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [1, 1, 1] and item.ends == 1
