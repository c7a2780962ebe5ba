"""RCU: read-side sections, grace periods, and items that wait for one."""

from __future__ import annotations

import pytest
from helpers import LONG, Call, Hold, blocked, eventually, held_item, noop, run_in_work

import bottomhalf as bh


def reading(m, cpu=1):
    """A task that stands in a read-side section until its hold opens; returns (hold, call)."""
    hold, inside = Hold(), bh.Completion()

    def read():
        with m.rcu_read():
            inside.complete()
            if m.simulated:
                while not hold.is_open:
                    bh.burn(0.0001)
            else:
                hold.spin()

    with m.on_cpu(cpu):
        call = Call(read, machine=m, cpu=cpu)
    inside.wait(LONG)
    return hold, call


def test_without_readers(m):
    """Nobody reads: the grace period is over at once."""
    ran = []
    work = bh.RcuWork(lambda w: ran.append(w))
    assert m.system_wq.queue_rcu(work)
    work.flush(LONG)
    assert ran == [work]
    m.synchronize_rcu(LONG)


def test_waits_for_those_who_read(m):
    """The item is queued when every section that was open at the call has been left."""
    hold, call = reading(m)
    ran = []
    work = bh.RcuWork(lambda w: ran.append(1))
    assert m.system_wq.queue_rcu(work)
    assert work.pending and work.busy == bh.Busy.PENDING
    assert m.system_wq.queue_rcu(work) is False
    assert run_in_work(m.system_unbound_wq, lambda: ran[:]) == []
    hold.open()
    call.result()
    assert work.flush(LONG) in (True, False)
    assert ran == [1]


def test_not_for_those_who_read_later(m):
    """A section that was entered after the call is not waited for."""
    hold, call = reading(m)
    synced = Call(m.synchronize_rcu, machine=m)
    eventually(lambda: synced.settle(0.2) or True)
    with m.rcu_read():
        hold.open()
        if not m.simulated:
            call.result()
            synced.result()
    call.result()
    synced.result()


def test_synchronize_times_out(m):
    """A grace period that lasts: TimeoutError, and later ones work."""
    hold, call = reading(m)
    with pytest.raises(TimeoutError):
        m.synchronize_rcu(0.01)
    hold.open()
    call.result()
    m.synchronize_rcu(LONG)


def test_flush_waits_for_the_grace_period(m):
    """flush() of an item that waits for its grace period waits for both."""
    hold, call = reading(m)
    ran = []
    work = bh.RcuWork(lambda w: ran.append(1))
    m.system_wq.queue_rcu(work)
    flush = blocked(work.flush)
    assert ran == []
    hold.open()
    call.result()
    assert flush.result() is True and ran == [1]
    assert work.flush() is False


def test_sections_nest_and_may_not_sleep(m):
    """A section is atomic context."""
    with m.rcu_read(), m.rcu_read():
        assert bh.in_atomic()
        with pytest.raises(bh.SchedulingWhileAtomic):
            bh.sleep(0.001)
        with pytest.raises(bh.SchedulingWhileAtomic):
            m.synchronize_rcu()
    assert not bh.in_atomic()


@pytest.mark.parametrize("call", ["cancel", "cancel_sync", "disable", "disable_sync"])
def test_can_not_be_cancelled(m, call):
    """Linux has no call for it, and a spin would be no answer."""
    with pytest.raises(bh.MisuseError, match="grace period"):
        getattr(bh.RcuWork(noop), call)()


def test_as_a_plain_item(m):
    """queue() takes it like any item; queue_rcu() takes nothing else."""
    held = held_item(m.system_wq, kind=bh.RcuWork)
    held.open()
    held.work.flush(LONG)
    with pytest.raises(TypeError, match="RcuWork"):
        m.system_wq.queue_rcu(bh.Work(noop))


def test_destroyed_workqueue(m):
    """Refused on a destroyed workqueue, and the item is idle."""
    wq = m.alloc_workqueue("gone")
    wq.destroy()
    work = bh.RcuWork(noop)
    with pytest.raises(bh.WorkqueueDestroyed):
        wq.queue_rcu(work)
    assert not work.pending
    assert m.system_wq.queue_rcu(work)
    work.flush(LONG)


def test_halt_before_the_grace_period(boot):
    """What waits for a grace period when the machine halts is named, and idle."""
    m = boot(cpus=2)
    work = bh.RcuWork(noop)
    with m:
        hold, call = reading(m)
        m.system_wq.queue_rcu(work)
        if m.simulated:
            hold.open()
            call.result()
            work.flush()
            return
        halt = Call(m.halt, "cancel", machine=m)
        eventually(lambda: not work.pending)
        hold.open()
        call.result()
        halt.result()
    assert "grace period" in "\n".join(map(str, m.log))
