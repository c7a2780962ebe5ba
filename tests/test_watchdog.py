"""The stall watchdog and the dump of what is queued and runs (SEMANTICS 1.13, 2.10, 12 number 28)."""

from __future__ import annotations

import logging
import re

import pytest
from helpers import LONG, Item, blocked, eventually, held_item, log_text, noop

import bottomhalf as bh


class Stuck:
    """Keeps its worker busy without a sleep, in real or in virtual time."""

    def __init__(self, m, wq):
        self.over = False
        m.cpu_intensive_thresh = 0  # else the next item would start beside it
        self.work = bh.Work(self.stuck_here if not m.simulated else self.burns)
        wq.queue(self.work, cpu=1)
        eventually(lambda: self.work.busy == bh.Busy.RUNNING)

    def stuck_here(self, _):
        while not self.over:
            pass

    def burns(self, _):
        self.stuck_for(100)

    def stuck_for(self, seconds):
        bh.burn(seconds)


@pytest.mark.simulated("100 virtual seconds")
def test_12_28_one_report_per_stalled_pool_and_period(m, caplog):
    """Nothing starts for 30 s while something is queued: a report in each such period, and none before."""
    wq = m.alloc_workqueue("stalls")
    m.watchdog_thresh = 30
    Stuck(m, wq)
    wq.queue(bh.Work(noop), cpu=1)
    m.sleep(29)
    assert "lockup" not in log_text(m)
    m.sleep(70)
    text = log_text(m)
    stuck = re.findall(r"BUG: workqueue lockup - pool cpus=1 flags=0x0 nice=0 stuck for (\d+)s!", text)
    assert [int(s) // 10 for s in stuck] == [3, 6] or len(stuck) == 3
    assert "Showing busy workqueues and worker pools:" in text
    assert re.search(r"pool 6: cpus=1 flags=0x0 nice=0 hung=3\ds workers=\d", text)
    assert "in stuck_for" in text
    m.watchdog_thresh = 0
    wq.flush(LONG)


@pytest.mark.host("real time")
def test_12_28_a_stall_on_real_threads(m, caplog):
    """The report names pool, item and age, and shows the Python stack of the stuck thread; also to `logging`."""
    wq = m.alloc_workqueue("stalls")
    assert m.watchdog_thresh == 30
    stuck = Stuck(m, wq)
    wq.queue(bh.Work(noop), cpu=1)
    try:
        with caplog.at_level(logging.ERROR, "bottomhalf"):
            m.watchdog_thresh = 0.02
            eventually(lambda: any("lockup" in r.getMessage() for r in caplog.records))
    finally:
        m.watchdog_thresh = 0
        stuck.over = True
    wq.flush(LONG)
    text = next(r.getMessage() for r in caplog.records)
    assert "BUG: workqueue lockup - pool cpus=1 flags=0x0 nice=0 stuck for 0s!" in text
    assert "workqueue stalls: flags=0x0" in text and "pending: noop" in text
    assert re.search(r"task kworker/1:\d \(pid \d+\) in stuck_here of workqueue 'stalls'", text)
    assert re.search(r'  File ".*test_watchdog.py", line \d+, in stuck_here', text)
    assert "lockup" in log_text(m)


@pytest.mark.simulated("a loaded host may well start nothing for some milliseconds")
def test_no_report_while_items_start(m):
    """A pool that gets on with its work is not stalled, however much is queued."""
    wq = m.alloc_workqueue("busy")
    m.watchdog_thresh = 1
    for _ in range(100):
        wq.submit(bh.burn, 0.1)
    wq.flush(LONG)
    m.watchdog_thresh = 0
    assert "lockup" not in log_text(m)


def test_show_all_workqueues(m):
    """What is in flight, with its flush barriers, and what is inactive; equal functions in a row are counted."""
    wq = m.alloc_workqueue("shown", bh.WQ.UNBOUND, 1)
    busy = held_item(wq, name="busy")
    flusher = blocked(busy.work.flush)
    others = [bh.Work(noop) for _ in range(3)]
    for work in others:
        wq.queue(work)
    lines = m.show_all_workqueues().splitlines()
    assert lines[0] == "Showing busy workqueues and worker pools:"
    assert "workqueue shown: flags=0x2" in lines
    at = lines.index("workqueue shown: flags=0x2")
    assert re.fullmatch(r"  pwq \d+: cpus=0-1 flags=0x4 nice=0 active=1 refcnt=\d", lines[at + 1])
    assert re.fullmatch(r"    in-flight: \d+:busy BAR\(\d+\)", lines[at + 2])
    assert any(re.fullmatch(r"    inactive: .*noop.*", line) for line in lines[at + 3 :])
    assert any(re.fullmatch(r"pool \d+: cpus=0-1 flags=0x4 nice=0 hung=0s workers=\d.*", line) for line in lines)
    assert "Showing busy workqueues" in log_text(m)
    busy.open()
    flusher.result()
    wq.destroy(LONG)


def test_show_all_workqueues_of_an_idle_machine(m):
    """Nothing but the heading, also from inside an item (then: that item)."""
    assert m.show_all_workqueues() == "Showing busy workqueues and worker pools:"
    seen = []
    item = Item(gated=False, name="self-portrait", then=lambda _: seen.append(m.show_all_workqueues()))
    m.system_wq.queue(item.work)
    item.work.flush(LONG)
    assert ":self-portrait" in seen[0]


def test_the_threshold(m):
    """Seconds; 0 turns it off; off at first on simulated machines."""
    assert m.watchdog_thresh == (0 if m.simulated else 30)
    m.watchdog_thresh = 5.0
    assert m.watchdog_thresh == 5
    m.run()  # an armed watchdog does not keep a machine busy
    with pytest.raises(ValueError, match="watchdog_thresh"):
        m.watchdog_thresh = -2
