"""Machine(low_latency=True): who queues lets the worker have the GIL; nothing else changes."""

from __future__ import annotations

import sys
import threading

import pytest
from helpers import LONG, Item, held_item, works_on

import bottomhalf as bh


@pytest.mark.host("another thread runs meanwhile")
@pytest.mark.parametrize("which", ["system_wq", "system_managed_wq", "system_unbound_wq"])
def test_everything_runs(boot, which):
    """Items from the main thread, other threads and handlers, queued and submitted."""
    m = boot(cpus=2, low_latency=True)
    m.activate()
    interval = sys.getswitchinterval()
    wq = getattr(m, which)
    item = Item(gated=False)
    for runs in range(1, 51):
        assert wq.queue(item.work)
        item.work.flush(LONG)
        assert item.runs == runs
    assert [wq.submit(pow, n, 2).result(LONG) for n in range(50)] == [n * n for n in range(50)]

    def producer():
        with m.on_cpu(0):
            assert wq.submit(lambda: wq.submit(int, "7").result(LONG)).result(LONG) == 7

    threads = [threading.Thread(target=producer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.getswitchinterval() == interval
    works_on(m)


@pytest.mark.host("another thread runs meanwhile")
def test_behind_a_held_item(boot):
    """An item that cannot start yet is not waited for: the call returns, and the item is pending."""
    m = boot(cpus=1, low_latency=True)
    m.activate()
    wq = m.alloc_ordered_workqueue("one")
    first, second = held_item(wq), Item(gated=False)
    assert wq.queue(second.work)
    assert second.work.pending
    first.open()
    wq.flush(LONG)
    assert second.runs == 1
    with m.bh_off():
        assert m.system_wq.queue(second.work)
    m.system_wq.flush(LONG)
    assert second.runs == 2


@pytest.mark.host("another thread runs meanwhile")
def test_every_call_that_queues(boot):
    """The item begins inside the call, on whichever way it is queued: nobody else lets the worker have the GIL here."""
    m = boot(cpus=2, low_latency=True)
    m.activate()
    item = Item(gated=False)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        for queue in (m.system_unbound_wq.queue, lambda work: m.system_unbound_wq.queue_node(work, 0)):
            # It waits half a millisecond at most; on a busy computer the worker may take longer.
            for _ in range(10_000):
                runs = item.runs
                assert queue(item.work)
                begun = item.runs > runs
                item.work.flush(LONG)
                if begun:
                    break
            else:
                pytest.fail("the worker never had the GIL before the call returned")
    finally:
        sys.setswitchinterval(interval)


def test_what_it_takes():
    """A bool, and a host machine."""
    with pytest.raises(TypeError, match="low_latency must be a bool, not str"):
        bh.Machine(low_latency="yes")
    with pytest.raises(ValueError, match="low_latency=True is for host machines"):
        bh.Machine(simulated=True, low_latency=True)
