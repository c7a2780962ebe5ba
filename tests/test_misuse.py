"""Misuse and bad input: a clear exception, the refused operation has not happened, and the engine works on.

Where Linux prints a warning and goes on, or hangs, Python gets an exception. The rows here are those of Linux's own
warnings that a caller can provoke and that no other file shows.
"""

from __future__ import annotations

import contextlib
import inspect

import pytest
from helpers import LONG, NEVER, Call, Item, held_item, noop, run_in_work, works_on

import bottomhalf as bh


def refused(kind, call, *, match=None):
    """call() raises exactly such an error, with a text that helps."""
    with pytest.raises(kind, match=match) as caught:
        call()
    assert len(str(caught.value)) > 10
    if isinstance(caught.value, bh.MisuseError):
        assert caught.value.rule and caught.value.rule == caught.value.rule.lower()
        assert " " not in caught.value.rule
    return caught.value


def test_hierarchy():
    """All errors of the engine are BottomHalfError, a RuntimeError; MachineExit is outside of Exception."""
    for name in (
        "SchedulingWhileAtomic",
        "DeadlockError",
        "BudgetExceeded",
        "WorkqueueDestroyed",
        "WorkqueueDraining",
        "MachineHalted",
        "WrongThread",
        "ReplayMismatch",
        "Unsupported",
        "MisuseError",
    ):
        assert issubclass(getattr(bh, name), bh.BottomHalfError), name
    assert issubclass(bh.BottomHalfError, RuntimeError)
    assert issubclass(bh.UnbalancedEnable, bh.MisuseError)
    assert issubclass(bh.MachineExit, BaseException) and not issubclass(bh.MachineExit, Exception)


@pytest.mark.parametrize("cpu", [-1, 2, 10**6])
def test_cpu_out_of_range(m, cpu):
    """A CPU number is one of the machine's; nothing was queued."""
    work, delayed = bh.Work(noop), bh.DelayedWork(noop)
    for call in (
        lambda: m.system_wq.queue(work, cpu=cpu),
        lambda: m.system_wq.queue_many([work], cpu=cpu),
        lambda: m.system_wq.queue_delayed(delayed, 1, cpu=cpu),
        lambda: m.system_wq.mod_delayed(delayed, 1, cpu=cpu),
        lambda: work.schedule(cpu=cpu),
        lambda: m.raise_softirq(bh.Softirq.NET_RX, cpu=cpu),
        lambda: m.irq(5).fire(cpu=cpu),
        lambda: m.spawn(noop, 1, cpu=cpu),
    ):
        refused(ValueError, call, match="cpu")
    assert not work.pending and not delayed.pending
    works_on(m)


@pytest.mark.parametrize("cpu", ["0", 1.0, object()], ids=repr)
def test_cpu_of_a_wrong_type(m, cpu):
    """A CPU number is an int or None."""
    refused(TypeError, lambda: m.system_wq.queue(bh.Work(noop), cpu=cpu))


def test_cpu_is_keyword_only(m):
    """queue(work, 1) is not queue_work_on."""
    refused(TypeError, lambda: m.system_wq.queue(bh.Work(noop), 1))
    refused(TypeError, lambda: bh.Work(noop).schedule(1))


@pytest.mark.parametrize("what", [None, 3, noop, "work", object()], ids=repr)
def test_only_works_are_queued(m, what):
    """queue takes a Work."""
    refused(TypeError, lambda: m.system_wq.queue(what))
    refused(TypeError, lambda: m.system_wq.queue_many([what]))
    refused(TypeError, lambda: m.system_wq.queue_delayed(what, 1))
    works_on(m)


def test_queue_many_with_one_bad_element(m):
    """A bad element is found before anything is queued, or what was queued runs: never half a state."""
    items = [Item(gated=False) for _ in range(3)]
    refused(TypeError, lambda: m.system_wq.queue_many([items[0].work, None, items[1].work]))
    m.system_wq.flush(LONG)
    assert [item.runs for item in items] == [0, 0, 0]
    refused(TypeError, lambda: m.system_wq.queue_many(None))


@pytest.mark.parametrize("delay", ["soon", None, object(), 1j], ids=repr)
def test_a_delay_is_a_number(m, delay):
    """Delays are real numbers."""
    work = bh.DelayedWork(noop)
    refused(TypeError, lambda: m.system_wq.queue_delayed(work, delay))
    assert not work.pending


def test_a_delay_beyond_all_clocks(m):
    """A delay that no jiffies counter holds is refused or armed; it never fires early and nothing breaks."""
    item = Item(bh.DelayedWork, gated=False)
    for delay in (1e18, 1e300, float("inf")):
        try:
            assert m.system_wq.queue_delayed(item.work, delay) is True
        except (ValueError, OverflowError):
            assert not item.work.pending
        else:
            assert item.work.cancel() is True
    assert item.runs == 0
    works_on(m)


def test_enable_too_often(m):
    """enable_work below zero: UnbalancedEnable; the depth is unharmed."""
    for kind in (bh.Work, bh.DelayedWork):
        work = kind(noop)
        error = refused(bh.UnbalancedEnable, work.enable)
        assert error.rule == "unbalanced-enable"
        assert work.disable() is False
        assert work.enable() is True
        refused(bh.UnbalancedEnable, work.enable)
        assert m.system_wq.queue(work) is True
        work.flush(LONG)


def test_disable_too_often(m):
    """The disable depth has 16 bits: the 65536th disable is refused and the depth is what it was."""
    work = bh.Work(noop)
    for _ in range(65535):
        work.disable()
    refused(bh.MisuseError, work.disable)
    for _ in range(65534):
        assert work.enable() is False
    assert work.enable() is True


def test_flush_of_a_system_workqueue(m):
    """Linux discourages the flush of a system-wide workqueue, and does it all the same."""
    item = Item(gated=False)
    m.system_wq.queue(item.work)
    m.system_wq.flush(LONG)
    assert item.runs == 1


def test_a_reclaim_item_that_flushes_an_ordinary_workqueue(m):
    """An item of a MEM_RECLAIM workqueue that waits for one without a rescuer is misuse, and named."""
    reclaim, plain = m.alloc_workqueue("reclaim", bh.WQ.MEM_RECLAIM), m.alloc_workqueue("plain")
    holder = held_item(plain)
    error = refused(bh.MisuseError, lambda: run_in_work(reclaim, lambda: plain.flush(LONG)))
    assert "reclaim" in str(error) and "plain" in str(error)
    holder.open()
    reclaim.destroy(LONG)
    plain.destroy(LONG)


def test_sysfs_on_ordered(m):
    """An ordered workqueue cannot be exposed: refused, none is made."""
    before = len(m.workqueues)
    refused((bh.MisuseError, ValueError), lambda: m.alloc_ordered_workqueue("o", bh.WQ.SYSFS))
    assert len(m.workqueues) == before


@pytest.mark.parametrize("flags", [bh.WQ.HIGHPRI, bh.WQ.CPU_INTENSIVE, bh.WQ.BH], ids=str)
def test_flags_that_mean_nothing_to_an_ordered_workqueue(m, flags):
    """alloc_ordered_workqueue takes what it takes or refuses: an accepted one works."""
    try:
        wq = m.alloc_ordered_workqueue("o", flags)
    except (ValueError, bh.MisuseError):
        return
    assert run_in_work(wq, lambda: "ran") == "ran"
    wq.destroy(LONG)


def test_a_long_name(m):
    """Names have 31 characters in Linux, which cuts longer ones with a warning: cut and logged, or refused."""
    try:
        wq = m.alloc_workqueue("n" * 100)
    except ValueError:
        return
    assert wq.name == "n" * 31
    assert any("WQ_NAME_LEN" in line.text or "n" * 31 in line.text for line in m.log)
    wq.destroy(LONG)


def test_destroy_twice(m):
    """destroy is idempotent; the workqueue stays closed."""
    wq = m.alloc_workqueue("once")
    wq.destroy(LONG)
    wq.destroy(LONG)
    refused(bh.WorkqueueDestroyed, wq.flush, match="once")


def test_destroy_of_a_system_workqueue(m):
    """The machine's own workqueues cannot be destroyed."""
    refused(bh.MisuseError, m.system_wq.destroy)
    refused(bh.MisuseError, m.system_managed_wq.destroy)
    works_on(m)


def test_queueing_on_a_destroyed_workqueue(m):
    """WorkqueueDestroyed; the item is not pending and may be queued elsewhere."""
    wq, work = m.alloc_workqueue("gone"), bh.Work(noop)
    wq.destroy(LONG)
    refused(bh.WorkqueueDestroyed, lambda: wq.queue(work), match="gone")
    assert not work.pending and work.busy == 0
    works_on(m)


def test_a_machine_with_a_pending_item_elsewhere(m, boot):
    """Using a tasklet or timer of one machine on another while it is armed names both."""
    other = boot(cpus=1, name="other")
    timer = bh.Timer(noop)
    timer.mod(NEVER)
    with pytest.raises(ValueError):
        Call(timer.mod, 1, machine=other).result()
    assert timer.delete() is True


def test_unknown_softirq(m):
    """A vector is one of the ten."""
    for vector in (-1, 10, 99):
        refused((ValueError, TypeError), lambda vector=vector: m.raise_softirq(vector))
    refused(TypeError, lambda: m.open_softirq(bh.Softirq.NET_RX, None))
    refused(TypeError, lambda: m.open_softirq(bh.Softirq.NET_RX, lambda a, b: None))


@pytest.mark.parametrize("number", [-1, "5", None, 10**9], ids=repr)
def test_bad_interrupt_numbers(m, number):
    """An interrupt number is a small int."""
    refused((ValueError, TypeError), lambda: m.irq(number))


def test_bad_interrupt_requests(m):
    """A handler is callable with the line; flags are known ones."""
    line = m.irq(5)
    refused(TypeError, lambda: line.request(3))
    refused(TypeError, lambda: line.request(lambda: None))
    refused(ValueError, lambda: line.request(lambda line: bh.IrqReturn.HANDLED, flags=1 << 30))
    refused((bh.BottomHalfError, ValueError), line.free)
    works_on(m)


def test_a_handler_that_returns_nonsense(m, unraisable):
    """An interrupt handler returns an IrqReturn; anything else is reported and counts as NONE."""
    line = m.irq(5)
    action = line.request(lambda line: "handled", name="odd")
    line.fire()
    assert len(m.errors) == 1
    action.free()
    works_on(m)


def test_firing_a_line_that_nobody_requested(m):
    """An interrupt without a handler is counted or logged, never a crash."""
    with contextlib.suppress(bh.BottomHalfError):
        m.irq(99).fire()
    works_on(m)


def test_types_without_a_constructor():
    """What a machine makes has no constructor; the error names the factory."""
    for name in (
        *("Workqueue", "WorkqueueAttrs", "WorkqueueStats", "Future"),
        *("IrqLine", "IrqAction", "GpioPin", "Task", "Trace"),
    ):
        refused(TypeError, getattr(bh, name))


@pytest.mark.parametrize(
    "name", ["queue", "queue_many", "queue_delayed", "mod_delayed", "submit", "flush", "drain", "destroy"]
)
def test_methods_have_signatures(name):
    """The compiled methods carry their signatures."""
    assert "self" in inspect.signature(getattr(bh.Workqueue, name)).parameters


@pytest.mark.parametrize("name", ["schedule", "cancel", "cancel_sync", "flush", "disable", "disable_sync", "enable"])
def test_methods_of_items_have_signatures(name):
    """So do those of items, and each has a doc string."""
    for kind in (bh.Work, bh.DelayedWork):
        method = getattr(kind, name)
        assert "self" in inspect.signature(method).parameters
        assert method.__doc__


def test_wrong_argument_counts(m):
    """Too few, too many and unknown arguments are TypeErrors of the usual kind."""
    work = bh.Work(noop)
    for call in (
        lambda: m.system_wq.queue(),
        lambda: m.system_wq.queue(work, cpu=0, gpu=1),
        lambda: m.system_wq.flush(1, 2),
        lambda: work.cancel(1),
        lambda: work.cancel_sync(1, 2),
        lambda: work.flush(after=1),
        lambda: bh.Work(),
        lambda: bh.Work(noop, 1, 2),
        lambda: bh.DelayedWork(),
    ):
        refused(TypeError, call)
    assert not work.pending
    works_on(m)


def test_reinit_of_a_pending_item(m):
    """INIT_WORK on a pending item corrupts lists in Linux; calling __init__ again is refused here."""
    wq = m.alloc_workqueue("reinit", bh.WQ(0), 1)
    holder, ran = held_item(wq), []
    work = bh.Work(lambda _: ran.append("first"))
    wq.queue(work)
    with contextlib.suppress(bh.BottomHalfError, TypeError):
        work.__init__(lambda _: ran.append("second"))
    holder.open()
    wq.destroy(LONG)
    assert len(ran) == 1
