"""Completion, wait queue, mutex, spin lock: sleeping tells the pool, and atomic code must not sleep."""

from __future__ import annotations

import pytest
from helpers import LONG, Call, blocked, eventually, run_in_work, works_on

import bottomhalf as bh


def test_completion_counts(m):
    """complete() adds one, each wait consumes one; done tells whether any is left."""
    c = bh.Completion()
    assert c.done is False and c.try_wait() is False
    c.complete()
    c.complete()
    assert c.done is True
    c.wait(LONG)
    assert c.try_wait() is True
    assert c.done is False and c.try_wait() is False


def test_complete_all_is_permanent_until_reinit(m):
    """complete_all lets everybody pass until reinit_completion."""
    c = bh.Completion()
    calls = [blocked(c.wait) for _ in range(3)]
    c.complete_all()
    for call in calls:
        call.result()
    for _ in range(3):
        c.wait(LONG)
        assert c.done and c.try_wait()
    c.reinit()
    assert not c.done


def test_complete_wakes_one_waiter_in_order(m):
    """Waiters are served first in, first out."""
    c, order = bh.Completion(), []
    calls = []
    for n in range(4):
        calls.append(blocked(lambda n=n: (c.wait(), order.append(n))))
    for n in range(4):
        c.complete()
        eventually(lambda n=n: len(order) == n + 1)
    for call in calls:
        call.result()
    assert order == [0, 1, 2, 3]


def test_wait_queue(m):
    """wait_event sleeps until its condition holds, looked at before sleeping and after every wake-up."""
    q, box = bh.WaitQueue(), []
    q.wait_event(lambda: True, LONG)
    call = blocked(q.wait_event, lambda: box)
    q.wake_up()
    assert not call.settle().done
    box.append(1)
    q.wake_up()
    call.result()


def test_wake_up_all(m):
    """wake_up_all wakes everybody."""
    q, box = bh.WaitQueue(), []
    calls = [blocked(q.wait_event, lambda: box) for _ in range(4)]
    box.append(1)
    q.wake_up_all()
    for call in calls:
        call.result()


def test_wait_event_true_at_the_deadline(m):
    """A condition that holds when the time is over counts as holding."""
    with pytest.raises(TimeoutError):
        bh.WaitQueue().wait_event(lambda: False, 0)
    bh.WaitQueue().wait_event(lambda: True, 0)


def test_an_exception_in_a_condition(m):
    """The condition's exception leaves wait_event; the queue is usable."""
    q = bh.WaitQueue()
    with pytest.raises(ZeroDivisionError):
        q.wait_event(lambda: 1 / 0)
    q.wait_event(lambda: True)


@pytest.mark.parametrize("make", [bh.Mutex, bh.SpinLock], ids=lambda k: k.__name__)
def test_locks_exclude(m, make):
    """One holder at a time, over items on both CPUs and the caller."""
    lock, inside, most, total = make(), 0, 0, 0

    def handler(_):
        nonlocal inside, most, total
        for _ in range(20):
            with lock:
                inside += 1
                most = max(most, inside)
                total += 1
                inside -= 1

    works = [bh.Work(handler) for _ in range(20)]
    m.system_unbound_wq.queue_many(works)
    handler(None)
    m.system_unbound_wq.flush(LONG)
    assert (most, total) == (1, 21 * 20)


def test_a_contended_mutex_waits(m):
    """mutex_lock sleeps until the owner unlocks."""
    lock = bh.Mutex()

    def enter():
        with lock:
            return "entered"

    with lock:
        call = blocked(enter)
    assert call.result() == "entered"


@pytest.mark.parametrize("how", ["plain", "bh", "irqsave"])
@pytest.mark.host("a simulated machine has one thread, whose GIL nobody else wants")
def test_a_contended_spin_lock_lets_the_gil_go(m, how):
    """A holder that needs the interpreter to go on is not starved by the one that spins."""
    lock = bh.SpinLock()

    def section():
        return {"plain": lambda: lock, "bh": lock.bh, "irqsave": lock.irqsave}[how]()

    def enter():
        with section():
            return "entered"

    with m.on_cpu(0):
        with section():
            call = Call(enter)
            sum(range(100_000))
            assert not call.done
        assert call.result() == "entered"


def test_recursion_is_refused(m):
    """A mutex or spin lock that its owner takes again can never be had: an error instead of a hang."""
    for lock in (bh.Mutex(), bh.SpinLock()):
        with lock, pytest.raises(bh.BottomHalfError):
            lock.__enter__()
        with lock:
            pass


def test_only_the_owner_unlocks(m):
    """Unlocking what one does not hold is refused."""
    for lock in (bh.Mutex(), bh.SpinLock()):
        with pytest.raises(bh.BottomHalfError):
            lock.__exit__(None, None, None)
    lock = bh.Mutex()
    with lock:
        call = Call(lambda: lock.__exit__(None, None, None))
        with pytest.raises(bh.BottomHalfError):
            call.result()


ATOMIC = {
    "spin lock": lambda m: bh.SpinLock(),
    "spin lock bh": lambda m: bh.SpinLock().bh(),
    "spin lock irqsave": lambda m: bh.SpinLock().irqsave(),
    "bh off": lambda m: m.bh_off(),
    "irqs off": lambda m: m.irqs_off(),
}
SLEEPS = {
    "sleep": lambda m: bh.sleep(0.001),
    "Completion.wait": lambda m: bh.Completion().wait(LONG),
    "wait_event": lambda m: bh.WaitQueue().wait_event(lambda: False, LONG),
    "Mutex": lambda m: bh.Mutex().__enter__(),
    "flush_workqueue": lambda m: m.system_wq.flush(LONG),
    "cancel_work_sync": lambda m: bh.Work(print).cancel_sync(LONG),
}


@pytest.mark.parametrize("sleep", SLEEPS)
@pytest.mark.parametrize("atomic", ATOMIC)
@pytest.mark.parametrize("where", ["caller", "item"])
def test_sleeping_while_atomic(m, where, atomic, sleep):
    """might_sleep: with a spin lock held, bottom halves or interrupts off, what may sleep is refused."""

    def body():
        with ATOMIC[atomic](m), pytest.raises(bh.SchedulingWhileAtomic):
            SLEEPS[sleep](m)

    if where == "caller":
        body()
    else:
        run_in_work(m.system_wq, body)
    assert bh.in_task() and not bh.in_atomic() and not bh.irqs_disabled()
    works_on(m)


def test_the_offender_is_named(m):
    """SchedulingWhileAtomic names the task and what made it atomic."""
    caught = []

    def handler(_):
        with bh.SpinLock():
            try:
                bh.sleep(0.001)
            except bh.SchedulingWhileAtomic as error:
                caught.append(error)

    work = bh.Work(handler, name="sleeper")
    m.system_wq.queue(work)
    work.flush(LONG)
    assert "kworker/" in str(caught[0])


def test_what_does_not_sleep_is_allowed_in_atomic_context(m):
    """try_wait, complete, wake_up, queue, cancel and the timers work with interrupts off."""
    c, q, work, dwork = bh.Completion(), bh.WaitQueue(), bh.Work(print), bh.DelayedWork(print)
    timer = bh.Timer(print)
    with m.irqs_off(), bh.SpinLock():
        c.complete()
        assert c.try_wait() is True
        q.wake_up()
        assert m.system_wq.queue_delayed(dwork, 1000) is True
        assert dwork.cancel() is True
        assert work.cancel() is False
        assert work.disable() is False
        assert work.enable() is True
        timer.mod(1000)
        assert timer.delete() is True


def test_a_handler_that_leaks_atomic_context(m, unraisable):
    """A handler that returns with a lock held is reported by name, the context is restored, the worker goes on."""
    lock = bh.SpinLock()
    work = bh.Work(lambda _: lock.__enter__() and None, name="leaker")
    m.system_wq.queue(work, cpu=1)
    work.flush(LONG)
    eventually(lambda: any("leaker" in str(line) or "leaked" in str(line) for line in m.log) or m.errors)
    works_on(m)


def test_blocking(m):
    """bh.blocking() nests, may be used outside of the pool, and passes exceptions on."""
    with bh.blocking(), bh.blocking():
        pass
    with pytest.raises(ZeroDivisionError), bh.blocking():
        raise ZeroDivisionError
    works_on(m)


def test_one_object_on_two_machines(m, boot):
    """A completion that a task of one machine waits for belongs to it: use on another names both machines."""
    c = bh.Completion()
    call = blocked(c.wait)
    other = boot(cpus=1, name="other")
    with pytest.raises(ValueError, match=r"test.*other|other.*test"):
        Call(c.wait, LONG, machine=other).result()
    c.complete()
    call.result()
