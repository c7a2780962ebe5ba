"""Delayed work: struct delayed_work, a work item behind a timer of the wheel."""

from __future__ import annotations

import pytest
from helpers import LONG, NEVER, Item, blocked, cpu_held, eventually, held_item, log_text, noop, run_in_work

import bottomhalf as bh


def test_runs_later_and_never_early(m):
    """queue_delayed_work runs the item on the workqueue once the delay is over, in task context, never early."""
    seen = []
    ran = bh.Completion()

    def handler(_):
        seen.append((m.jiffies, bh.in_task()))
        ran.complete()

    work = bh.DelayedWork(handler)
    before = m.jiffies
    assert m.system_wq.queue_delayed(work, 0.02) is True
    ran.wait(LONG)
    work.flush(LONG)
    assert seen[0][0] >= before + 20 and seen[0][1] is True


def test_delay_zero_is_queued_at_once(m):
    """Delay 0 arms no timer: under a held CPU the item is queued, and flush_work waits for it."""
    item = Item(bh.DelayedWork, gated=False)
    with cpu_held(m, 1):
        assert m.system_wq.queue_delayed(item.work, 0, cpu=1) is True
        call = blocked(item.work.flush_work)  # of an armed timer it would return False at once
    assert call.result() is True
    assert item.runs == 1


def test_12_08_queue_of_an_armed_item_leaves_the_timer(m):
    """queue_delayed_work on an armed item returns False and the first expiry stands."""
    work = bh.DelayedWork(noop)
    with m.trace() as trace:
        assert m.system_wq.queue_delayed(work, NEVER) is True
        assert m.system_wq.queue_delayed(work, 0) is False
        assert m.system_wq.queue(work) is False
        assert work.schedule(0) is False
    assert [e.name for e in trace].count("timer_start") == 1
    assert work.pending
    assert work.cancel() is True


def test_mod_delayed_work_debounces(m):
    """mod_delayed_work re-arms from any state and tells whether something was pending."""
    item = Item(bh.DelayedWork, gated=False)
    assert m.system_wq.mod_delayed(item.work, NEVER) is False
    for _ in range(10):
        assert m.system_wq.mod_delayed(item.work, NEVER) is True
    assert m.system_wq.mod_delayed(item.work, 0.001) is True
    item.wait_started()
    item.work.flush(LONG)
    assert item.runs == 1


def test_12_07_mod_delayed_work_pulls_a_queued_item_out(m):
    """mod_delayed_work with a long delay takes a queued item out of the queue again."""
    wq = m.alloc_workqueue("pull", bh.WQ(0), 1)
    holder = held_item(wq, cpu=1)
    item = Item(bh.DelayedWork, gated=False)
    wq.queue(item.work, cpu=1)
    assert wq.mod_delayed(item.work, NEVER, cpu=1) is True
    holder.open()
    wq.flush(LONG)
    assert item.runs == 0 and item.work.pending
    assert item.work.cancel_sync(LONG) is True


def test_schedule_and_mod_go_to_system_wq(m):
    """schedule_delayed_work and mod on system_wq."""
    item = Item(bh.DelayedWork, gated=False)
    assert item.work.schedule(NEVER, cpu=1) is True
    assert item.work.schedule() is False
    assert item.work.mod(0.001, cpu=1) is True
    item.wait_started()
    item.work.flush(LONG)
    assert item.cpus == [1]
    assert item.work.schedule() is True
    item.work.flush(LONG)


def test_12_06_flush_queues_an_armed_item_at_once(m):
    """flush_delayed_work of an armed item queues it now and waits."""
    item = held_item(m.system_wq, bh.DelayedWork)
    item.work.schedule(NEVER)
    call = blocked(item.work.flush)
    item.open()
    assert call.result() is True
    assert item.runs == 2 and not item.work.pending


def test_12_06_flush_work_does_not_wait_for_a_timer(m):
    """flush_work of an armed item returns False at once and leaves the timer."""
    work = bh.DelayedWork(noop)
    m.system_wq.queue_delayed(work, NEVER)
    assert work.flush_work(LONG) is False
    assert work.pending
    assert work.cancel() is True


def test_timer_pending(m):
    """timer_pending is the timer's share of pending: gone once the item is queued."""
    item = Item(bh.DelayedWork)
    assert not item.work.timer_pending
    m.system_wq.queue_delayed(item.work, NEVER, cpu=1)
    assert item.work.timer_pending and item.work.pending
    with cpu_held(m, 1):
        m.system_wq.mod_delayed(item.work, 0, cpu=1)
        assert item.work.pending and not item.work.timer_pending
    item.wait_started()
    m.system_wq.queue_delayed(item.work, NEVER, cpu=1)
    assert item.work.timer_pending
    assert item.work.cancel() is True
    assert not item.work.timer_pending
    item.open()
    item.work.flush(LONG)


def test_flush_workqueue_does_not_wait_for_timers(m):
    """An armed item is not in the workqueue yet: flush_workqueue does not wait for it."""
    wq = m.alloc_workqueue("timers", bh.WQ(0), 0)
    work = bh.DelayedWork(noop)
    wq.queue_delayed(work, NEVER)
    wq.flush(LONG)
    assert work.pending
    work.cancel_sync(LONG)


def test_cancel_of_an_armed_item(m):
    """cancel_delayed_work takes the timer away, once."""
    work = bh.DelayedWork(noop)
    m.system_wq.queue_delayed(work, NEVER)
    assert work.cancel() is True
    assert work.cancel() is False
    assert m.system_wq.queue_delayed(work, NEVER) is True
    assert work.cancel_sync(LONG) is True


def test_rearms_itself(m):
    """The poller of the books: a delayed item that queues itself again from its handler, stopped by cancel_sync."""
    enough = bh.Completion()
    runs = 0

    def poll(work):
        nonlocal runs
        runs += 1
        if runs == 5:
            enough.complete()
        m.system_wq.queue_delayed(work, 0.001)

    work = bh.DelayedWork(poll)
    m.system_wq.queue_delayed(work, 0.001)
    enough.wait(LONG)
    work.cancel_sync(LONG)
    after = runs
    assert not work.pending and work.busy == 0
    m.system_wq.flush(LONG)
    assert runs == after


def test_on_the_named_cpu(m):
    """queue_delayed_work_on runs on that CPU's pool."""
    for cpu in (0, 1):
        item = Item(bh.DelayedWork, gated=False)
        m.system_wq.queue_delayed(item.work, 0.001, cpu=cpu)
        item.wait_started()
        item.work.flush(LONG)
        assert item.cpus == [cpu]


@pytest.mark.parametrize("delay", [-1, -0.001, float("-inf"), float("nan")])
def test_negative_delays_are_refused(m, delay):
    """A delay is not negative and is a number; the item stays as it was."""
    work = bh.DelayedWork(noop)
    for call in (m.system_wq.queue_delayed, m.system_wq.mod_delayed):
        with pytest.raises(ValueError):
            call(work, delay)
    with pytest.raises(ValueError):
        work.schedule(delay)
    with pytest.raises(ValueError):
        work.mod(delay)
    assert not work.pending


def test_a_plain_work_has_no_delay(m):
    """The delayed calls take delayed items only."""
    with pytest.raises(TypeError):
        m.system_wq.queue_delayed(bh.Work(noop), 1)
    with pytest.raises(TypeError):
        m.system_wq.mod_delayed(bh.Work(noop), 1)


@pytest.mark.parametrize("pending", ["drain", "cancel"])
def test_halt_cancels_armed_items_and_names_them(boot, pending):
    """An armed item is neither run nor awaited by halt: it is cancelled, idle, and named in the log."""
    machine = boot(cpus=1)
    item = Item(bh.DelayedWork, gated=False, name="far-away")
    machine.system_wq.queue_delayed(item.work, NEVER)
    machine.halt(pending=pending, timeout=LONG)
    assert item.runs == 0
    assert not item.work.pending
    assert "far-away" in log_text(machine)


def test_a_timer_that_fires_into_a_destroyed_workqueue(m):
    """destroy_workqueue does not know timers: what fires into it later is logged, not run, and left idle."""
    wq = m.alloc_workqueue("gone", bh.WQ(0), 0)
    item = Item(bh.DelayedWork, gated=False, name="orphan")
    wq.queue_delayed(item.work, 0.02)
    wq.destroy(LONG)
    eventually(lambda: not item.work.pending)
    eventually(lambda: "orphan" in log_text(m))
    assert item.runs == 0
    assert m.system_wq.queue(item.work) is True
    item.work.flush(LONG)
    assert item.runs == 1


def test_from_a_handler(m):
    """Delayed items can be queued, modified and cancelled inside a handler."""
    work = bh.DelayedWork(noop)
    assert run_in_work(m.system_wq, lambda: m.system_wq.queue_delayed(work, NEVER)) is True
    assert run_in_work(m.system_wq, lambda: m.system_wq.mod_delayed(work, NEVER)) is True
    assert run_in_work(m.system_wq, work.cancel_sync) is True
