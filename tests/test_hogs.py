"""CPU hogs: an item that uses its CPU for longer than the threshold lets the next one start, is counted, and is named
(SEMANTICS 2.4, 12 number 15)."""

from __future__ import annotations

import pytest
from helpers import LONG, eventually, log_text, noop

import bottomhalf as bh

virtual = pytest.mark.simulated("burnt time is exact there")


def behind(m, wq, burn, thresh=0.01):
    """When an item started that was queued behind one that burns so long, in seconds from the latter's start."""
    m.cpu_intensive_thresh = thresh
    began, started = [], []

    def hog(_):
        began.append(m.now)
        bh.burn(burn)

    first, second = bh.Work(hog), bh.Work(lambda _: started.append(m.now))
    wq.queue(first, cpu=1)
    wq.queue(second, cpu=1)
    wq.flush(LONG)
    return started[0] - began[0]


@virtual
def test_12_15_burning_past_the_threshold_lets_the_next_start(m):
    """Longer than 10 ms: the next one starts at the tick; shorter, or with detection off: when the item has ended."""
    wq = m.alloc_workqueue("hogs")
    assert behind(m, wq, 0.009) >= 0.009
    assert wq.stats().cpu_intensive == 0
    assert 0.01 <= behind(m, wq, 0.05) < 0.05
    assert wq.stats().cpu_intensive == 1
    assert 0.02 <= behind(m, wq, 0.05, thresh=0.02) < 0.05
    assert behind(m, wq, 0.05, thresh=0) >= 0.05
    assert wq.stats().cpu_intensive == 2
    assert wq.stats().cpu_time == 9_000 + 3 * 50_000


@pytest.mark.host("a thread's own CPU clock")
def test_12_15_a_hog_on_real_threads(m):
    """Python code that computes and computes: the monitor takes it for a hog, and the next item runs beside it."""
    wq = m.alloc_workqueue("hogs")
    over = []

    def hog(_):
        while not over:
            pass

    first, second = bh.Work(hog), bh.Work(noop)
    wq.queue(first, cpu=1)
    eventually(lambda: first.busy == bh.Busy.RUNNING)
    wq.queue(second, cpu=1)
    try:
        second.flush(LONG)
        assert first.busy == bh.Busy.RUNNING
        assert wq.stats().cpu_intensive == 1
        assert wq.stats().cpu_time >= 10_000
    finally:
        over.append(True)
    wq.flush(LONG)


@virtual
def test_12_15_reports_at_4_5_7_11_19(m):
    """The function is named in the log at counts 4, 5, 7, 11 and 19."""
    wq = m.alloc_workqueue("hogs")

    def mill(_):
        bh.burn(0.012)

    work = bh.Work(mill)
    for _ in range(20):
        wq.queue(work)
        work.flush(LONG)
    lines = [line.text for line in m.log if "hogged CPU" in line.text]
    assert lines == [
        f"workqueue: mill hogged CPU for >10000us {n} times, consider switching to WQ_UNBOUND"
        for n in (4, 5, 7, 11, 19)
    ]
    assert wq.stats().cpu_intensive == 20


@virtual
def test_no_report_when_the_warning_threshold_is_zero(m):
    """cpu_intensive_warning_thresh: from how many times on; 0 is silent."""
    wq = m.alloc_workqueue("hogs")
    m.cpu_intensive_warning_thresh = 0
    for _ in range(8):
        behind(m, wq, 0.02)
    assert "hogged" not in log_text(m)
    m.cpu_intensive_warning_thresh = 9
    behind(m, wq, 0.02)
    assert log_text(m).count("hogged CPU for >10000us 9 times") == 1


@virtual
def test_a_sleep_begins_a_new_account(m):
    """What counts is the time since the item was last awake again."""
    wq = m.alloc_workqueue("naps")

    def handler(_):
        for _ in range(5):
            bh.burn(0.008)
            bh.sleep(0.001)

    wq.queue(bh.Work(handler))
    wq.flush(LONG)
    assert wq.stats().cpu_intensive == 0


@virtual
def test_who_does_not_hold_back_others_is_no_hog(m):
    """Items of UNBOUND and CPU_INTENSIVE workqueues are not looked at."""
    for flags in (bh.WQ.UNBOUND, bh.WQ.CPU_INTENSIVE):
        wq = m.alloc_workqueue("fine", flags)
        wq.queue(bh.Work(lambda _: bh.burn(0.1)))
        wq.flush(LONG)
        assert wq.stats().cpu_intensive == 0
        wq.destroy(LONG)


def test_the_knobs(m):
    """Seconds and counts, as Linux's module parameters; bad values are refused."""
    assert m.cpu_intensive_thresh == 0.01 and m.cpu_intensive_warning_thresh == 4
    with pytest.raises(ValueError, match="cpu_intensive_thresh"):
        m.cpu_intensive_thresh = -1
    with pytest.raises(TypeError):
        m.cpu_intensive_warning_thresh = "often"
    assert m.cpu_intensive_thresh == 0.01
    m.system_wq.queue(bh.Work(noop))
