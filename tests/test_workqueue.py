"""Workqueues: allocation, limits, order, flush by colours, drain, destroy, statistics."""

from __future__ import annotations

import pytest
from helpers import LONG, Call, Item, blocked, cpu_held, eventually, held_item, noop, run_in_work, works_on

import bottomhalf as bh

WQ = bh.WQ


def test_flag_values():
    """WQ has Linux's values; MANAGED is ours and collides with none."""
    values = {
        "BH": 0x1,
        "UNBOUND": 0x2,
        "FREEZABLE": 0x4,
        "MEM_RECLAIM": 0x8,
        "HIGHPRI": 0x10,
        "CPU_INTENSIVE": 0x20,
        "SYSFS": 0x40,
        "POWER_EFFICIENT": 0x80,
        "PERCPU": 0x100,
    }
    assert {name: int(WQ[name]) for name in values} == values
    assert int(WQ.MANAGED) & (0xFFF | 0xF8000) == 0


def test_alloc_defaults(m):
    """alloc_workqueue: max_active 0 means the default of 256; the name is kept."""
    wq = m.alloc_workqueue("defaults")
    assert (wq.name, wq.max_active) == ("defaults", 256)
    assert not wq.flags & (WQ.UNBOUND | WQ.BH)
    assert wq in m.workqueues
    assert "defaults" in repr(wq) and "\n" not in repr(wq)
    wq.destroy(LONG)
    assert wq not in m.workqueues


def test_alloc_on_the_current_machine(m):
    """bh.alloc_workqueue allocates on the current machine; names may repeat."""
    first, second = bh.alloc_workqueue("twin"), bh.alloc_workqueue("twin", WQ.UNBOUND, 4)
    assert [wq.name for wq in m.workqueues].count("twin") == 2
    assert second.flags & WQ.UNBOUND and second.max_active == 4
    first.destroy(LONG)
    second.destroy(LONG)


@pytest.mark.parametrize("max_active", [-1, 513, 100_000])
def test_max_active_out_of_range(m, max_active):
    """max_active is 0..512."""
    before = len(m.workqueues)
    with pytest.raises(ValueError, match="512"):
        m.alloc_workqueue("range", WQ(0), max_active)
    assert len(m.workqueues) == before


@pytest.mark.parametrize("max_active", [1, 512])
def test_max_active_bounds(m, max_active):
    """The bounds themselves are allowed."""
    wq = m.alloc_workqueue("bounds", WQ(0), max_active)
    assert wq.max_active == max_active
    wq.destroy(LONG)


@pytest.mark.parametrize(
    ("flags", "max_active"),
    [(WQ.BH | WQ.UNBOUND, 0), (WQ.BH | WQ.MEM_RECLAIM, 0), (WQ.BH | WQ.FREEZABLE, 0), (WQ.BH, 1)],
    ids=str,
)
def test_bh_takes_highpri_only(m, flags, max_active):
    """alloc_workqueue(WQ_BH) accepts only HIGHPRI beside it, and max_active 0."""
    with pytest.raises(ValueError):
        m.alloc_workqueue("bh", flags, max_active)


def test_unknown_flags_are_refused(m):
    """Flags that no Linux knows, and Linux's internal ones, are refused."""
    for bits in (0x8000, 0x10000, 0x40000000):
        with pytest.raises(ValueError):
            m.alloc_workqueue("unknown", bits)


@pytest.mark.parametrize("name", [None, 3, b"bytes"], ids=repr)
def test_a_name_is_text(m, name):
    """The name is a str."""
    with pytest.raises(TypeError):
        m.alloc_workqueue(name)


def test_no_constructor():
    """A workqueue is made by alloc_workqueue, and its type says so."""
    with pytest.raises(TypeError, match="alloc_workqueue"):
        bh.Workqueue()


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_max_active_is_per_cpu(m, limit):
    """Per-CPU workqueue, sleeping handlers: max_active of them run on each CPU, the others wait in order."""
    wq = m.alloc_workqueue("limit", WQ(0), limit)
    check_limit(wq, limit, cpus=(0, 1), each=limit)


@pytest.mark.parametrize("flags", [WQ.HIGHPRI, WQ.CPU_INTENSIVE], ids=str)
def test_flags_obey_the_limit(m, flags):
    """HIGHPRI and CPU_INTENSIVE workqueues obey max_active alike."""
    check_limit(m.alloc_workqueue("limit", flags, 2), 2, cpus=(0, 1), each=2)


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_max_active_of_an_unbound_workqueue(m, limit):
    """Unbound: the limit is for the workqueue as a whole."""
    check_limit(m.alloc_workqueue("limit", WQ.UNBOUND, limit), limit, cpus=(0, 1), each=None)


def check_limit(wq, limit, cpus, each):
    """8 gated items for each CPU: exactly the limit runs; then they pass one by one."""
    items = [(cpu, Item()) for _ in range(8) for cpu in cpus]
    for cpu, item in items:
        assert wq.queue(item.work, cpu=cpu)
    total = limit * len(cpus) if each else limit

    def running():
        return sum(item.runs - item.ends for _, item in items)

    eventually(lambda: running() == total, f"{total} running")
    if each:
        for cpu in cpus:
            assert sum(item.runs for at, item in items if at == cpu) == each
            assert all(item.runs for at, item in [i for i in items if i[0] == cpu][:each]), "the first ones run"
    over = 0
    while any(item.ends == 0 for _, item in items):
        running_now = [item for _, item in items if item.runs > item.ends]
        over = max(over, len(running_now) - total)
        for item in running_now[:1]:
            item.open()
            eventually(lambda item=item: item.ends)
    assert over <= 0
    wq.destroy(LONG)


def test_default_max_active_starts_all(m):
    """max_active 0: 16 of 16 sleeping handlers run at the same time, per-CPU and unbound."""
    for flags in (WQ(0), WQ.UNBOUND, WQ.MANAGED | WQ.UNBOUND):
        wq = m.alloc_workqueue("all", flags)
        items = [held_item(wq) for _ in range(16)]
        assert sum(item.runs - item.ends for item in items) == 16
        for item in items:
            item.open()
        wq.destroy(LONG)


def test_ordered_runs_one_at_a_time_in_order(m):
    """alloc_ordered_workqueue: strict FIFO, one at a time, also across the CPUs of the submitters."""
    wq = m.alloc_ordered_workqueue("ordered")
    order, inside = [], []

    def handler(work):
        inside.append(1)
        assert len(inside) == 1
        bh.sleep(0.0001)
        order.append(work.number)
        inside.pop()

    class Numbered(bh.Work):
        def run(self):
            handler(self)

    works = []
    for number in range(100):
        work = Numbered()
        work.number = number
        works.append(work)
        assert wq.queue(work, cpu=number % 2)
    wq.flush(LONG)
    assert order == list(range(100))
    assert not m.errors
    assert wq.max_active == 1
    wq.destroy(LONG)


def test_two_ordered_workqueues_are_independent(m):
    """Two ordered workqueues do not wait for each other."""
    first, second = m.alloc_ordered_workqueue("first"), m.alloc_ordered_workqueue("second")
    item = held_item(first)
    other = held_item(second)
    item.open()
    other.open()
    first.destroy(LONG)
    second.destroy(LONG)


def test_global_queueing_order_of_a_shared_pool(m):
    """Workqueues that share a CPU's pool start their items in global queueing order."""
    order = []
    first, second = m.alloc_workqueue("first"), m.alloc_workqueue("second")
    works = [bh.Work(lambda work: order.append(work.name), name=str(n)) for n in range(6)]
    with cpu_held(m, 1):
        for n, work in enumerate(works):
            (first, second)[n // 3].queue(work, cpu=1)
    first.flush(LONG)
    second.flush(LONG)
    assert order == list("012345")
    first.destroy(LONG)
    second.destroy(LONG)


@pytest.mark.parametrize("name", ["system_wq", "system_highpri_wq", "system_bh_wq"])
def test_fifo_on_one_cpu(m, name):
    """The worklist is FIFO per pool: start order is queueing order."""
    order = []
    works = [bh.Work(lambda work: order.append(int(work.name)), name=str(n)) for n in range(50)]
    with cpu_held(m, 1):
        assert getattr(m, name).queue_many(works, cpu=1) == 50
    getattr(m, name).flush(LONG)
    assert order == list(range(50))


def test_highpri_items_run_in_the_h_pool(m):
    """A HIGHPRI item runs on kworker/CPU:IDH, a normal one on kworker/CPU:ID, an unbound one on kworker/uPOOL:ID."""

    def name():
        return bh.current_task().name.split("+")[0].split("-")[0]

    normal = run_in_work(m.system_wq, name, cpu=1)
    high = run_in_work(m.system_highpri_wq, name, cpu=1)
    unbound = run_in_work(m.system_unbound_wq, name)
    assert normal.startswith("kworker/1:") and not normal.endswith("H")
    assert high.startswith("kworker/1:") and high.endswith("H")
    assert unbound.startswith("kworker/u")


def test_12_09_flush_waits_for_earlier_items_only(m):
    """flush_workqueue waits for what was queued before the call, not for later items."""
    wq = m.alloc_workqueue("colours")
    before = held_item(wq)
    flush = blocked(wq.flush)
    after = held_item(wq)
    before.open()
    flush.result()
    assert (before.ends, after.ends) == (1, 0)
    after.open()
    wq.destroy(LONG)


def test_12_09_flush_includes_inactive_items(m):
    """Items held back by max_active count."""
    wq = m.alloc_workqueue("inactive", WQ(0), 1)
    first = held_item(wq, cpu=1)
    second = Item()
    wq.queue(second.work, cpu=1)
    flush = blocked(wq.flush)
    first.open()
    second.wait_started()
    assert not flush.settle().done
    second.open()
    flush.result()
    wq.destroy(LONG)


def test_12_09_flush_does_not_wait_for_later_requeues(m):
    """A requeue done after the flush began belongs to the next colour."""
    wq = m.alloc_workqueue("requeue")
    again = Item()
    item = Item(then=lambda work: again.runs or wq.queue(again.work))
    wq.queue(item.work)
    item.wait_started()
    flush = blocked(wq.flush)
    item.open()
    flush.result()
    again.wait_started()
    assert again.ends == 0
    again.open()
    wq.destroy(LONG)


def test_flush_of_an_empty_workqueue(m):
    """Nothing to wait for."""
    m.alloc_workqueue("empty").flush(LONG)


@pytest.mark.parametrize("flushers", [1, 15, 16, 40])
def test_many_flushers_of_one_item(m, flushers):
    """More flushers than the 16 colours: all wait for the item, all return."""
    wq = m.alloc_workqueue("crowd")
    item = held_item(wq)
    calls = [Call(wq.flush) for _ in range(flushers)]
    assert not any(call.settle().done for call in calls)
    item.open()
    for call in calls:
        call.result()
    wq.destroy(LONG)


def test_flushers_of_different_colours_cascade(m):
    """20 items, each followed by a flush: each flush returns once its own and all earlier items are over."""
    wq = m.alloc_workqueue("cascade")
    items, calls = [], []
    for _ in range(20):
        items.append(held_item(wq))
        calls.append(blocked(wq.flush))
    for item in items[1:]:
        item.open()
    eventually(lambda: all(item.ends for item in items[1:]))
    assert not any(call.settle().done for call in calls), "the oldest item holds all of them"
    items[0].open()
    for call in calls:
        call.result()
    wq.destroy(LONG)


def test_12_10_drain_waits_for_chained_requeues(m):
    """drain_workqueue flushes until empty; an item of the workqueue may queue further items meanwhile."""
    wq = m.alloc_workqueue("drain")
    left = 5

    def then(work):
        nonlocal left
        left -= 1
        if left > 0:
            assert wq.queue(work) is True

    item = Item(then=then)
    wq.queue(item.work)
    item.wait_started()
    drain = blocked(wq.drain)
    item.open()
    drain.result()
    assert (item.runs, item.ends) == (5, 5)
    assert not m.errors
    assert wq.queue(item.work) is True, "draining is over"
    wq.flush(LONG)
    wq.destroy(LONG)


def test_12_10_outsiders_are_refused_while_draining(m):
    """Queueing on a draining workqueue from elsewhere raises WorkqueueDraining; the item is not pending."""
    wq = m.alloc_workqueue("drain")
    item = held_item(wq)
    drain = blocked(wq.drain)
    outsider = bh.Work(noop)
    delayed = bh.DelayedWork(noop)
    with pytest.raises(bh.WorkqueueDraining, match="drain"):
        wq.queue(outsider)
    with pytest.raises(bh.WorkqueueDraining):
        wq.queue_delayed(delayed, 0)
    with pytest.raises(bh.WorkqueueDraining):
        run_in_work(m.system_wq, lambda: wq.queue(outsider))
    assert not outsider.pending and not delayed.pending
    item.open()
    drain.result()
    assert wq.queue(outsider) is True
    wq.destroy(LONG)


def test_12_11_destroy_runs_what_is_pending(m):
    """destroy_workqueue executes items that are pending at the call, inactive ones included."""
    wq = m.alloc_workqueue("destroy", WQ(0), 1)
    holder = held_item(wq, cpu=1)
    items = [Item(gated=False) for _ in range(10)]
    for item in items:
        wq.queue(item.work, cpu=1)
    destroy = blocked(wq.destroy)
    holder.open()
    destroy.result()
    assert [item.runs for item in items] == [1] * 10


def test_a_destroyed_workqueue_is_closed(m):
    """After destroy every use raises WorkqueueDestroyed and names the workqueue; its items are free."""
    wq = m.alloc_workqueue("closed")
    work, delayed = bh.Work(noop), bh.DelayedWork(noop)
    wq.queue(work)
    wq.destroy(LONG)
    for call in (
        lambda: wq.queue(work),
        lambda: wq.queue_many([work]),
        lambda: wq.queue_delayed(delayed, 1),
        lambda: wq.mod_delayed(delayed, 1),
        lambda: wq.submit(noop, 1),
        wq.flush,
        wq.drain,
    ):
        with pytest.raises(bh.WorkqueueDestroyed, match="closed"):
            call()
    assert not work.pending and not delayed.pending
    assert "closed" in repr(wq)
    assert m.system_wq.queue(work) is True
    work.flush(LONG)


def test_with_destroys(m):
    """`with wq:` destroys on exit, after everything ran."""
    item = Item(gated=False)
    with m.alloc_workqueue("scoped") as wq:
        wq.queue(item.work)
    assert item.runs == 1
    with pytest.raises(bh.WorkqueueDestroyed):
        wq.queue(item.work)


def test_stats(m):
    """The statistics of the pool workqueues, in lower case: started and completed count runs."""
    wq = m.alloc_workqueue("counted")
    item = held_item(wq)
    stats = wq.stats()
    assert isinstance(stats, bh.WorkqueueStats)
    assert (stats.started, stats.completed) == (1, 0)
    item.open()
    wq.flush(LONG)
    for _ in range(3):
        wq.queue(item.work)
        wq.flush(LONG)
    stats = wq.stats()
    assert (stats.started, stats.completed) == (4, 4)
    for field in ("cpu_time", "cpu_intensive", "cm_wakeup", "repatriated", "mayday", "rescued"):
        assert getattr(stats, field) >= 0
    assert [s.started for w, s in m.stats() if w is wq or w == wq] == [4]
    wq.destroy(LONG)


def test_cm_wakeup_counts_wakeups_by_sleepers(m):
    """A sleeping item that lets the next start counts as CM_WAKEUP of its workqueue."""
    wq = m.alloc_workqueue("wakeups")
    # A worker that was just created may come for an item by itself, before anybody wakes it; not every time.
    for _ in range(50):
        first, second = Item(), Item()
        with cpu_held(m, 1):
            wq.queue(first.work, cpu=1)
            wq.queue(second.work, cpu=1)
        first.wait_started()
        second.wait_started()
        first.open()
        second.open()
        wq.flush(LONG)
        if wq.stats().cm_wakeup:
            break
    assert wq.stats().cm_wakeup >= 1
    wq.destroy(LONG)


@pytest.mark.parametrize("flags", [WQ(0), WQ.UNBOUND], ids=str)
def test_raising_max_active_releases_inactive_items(m, flags):
    """workqueue_set_max_active: raising starts inactive items at once, lowering affects later activation only."""
    wq = m.alloc_workqueue("raise", flags, 1)
    items = [Item() for _ in range(4)]
    for item in items:
        wq.queue(item.work, cpu=1)
    items[0].wait_started()
    assert [item.runs for item in items] == [1, 0, 0, 0]
    wq.max_active = 3
    assert wq.max_active == 3
    items[1].wait_started()
    items[2].wait_started()
    assert items[3].runs == 0
    wq.max_active = 1
    for item in items:
        item.open()
    wq.flush(LONG)
    assert [item.ends for item in items] == [1] * 4
    wq.destroy(LONG)


def test_set_max_active_is_refused(m):
    """Out of range, on ordered and on BH workqueues."""
    wq = m.alloc_workqueue("set", WQ(0), 4)
    for value in (-1, 513):
        with pytest.raises(ValueError):
            wq.max_active = value
    assert wq.max_active == 4
    for other in (m.alloc_ordered_workqueue("one"), m.system_bh_wq):
        before = other.max_active
        with pytest.raises(bh.MisuseError) as caught:
            other.max_active = 2
        assert caught.value.rule
        assert other.max_active == before


def test_min_active(m):
    """workqueue_set_min_active: plain unbound only; 8 by default, never above max_active."""
    wq = m.alloc_workqueue("least", WQ.UNBOUND, 16)
    assert wq.min_active == 8
    wq.min_active = 4
    assert wq.min_active == 4
    with pytest.raises(bh.MisuseError):
        m.alloc_workqueue("bound").min_active = 2


def test_system_workqueues(m):
    """The system workqueues bear Linux's names and flags; two names mean the first and the unbound one."""
    expected = {
        "system_wq": ("events", WQ(0)),
        "system_highpri_wq": ("events_highpri", WQ.HIGHPRI),
        "system_long_wq": ("events_long", WQ(0)),
        "system_unbound_wq": ("events_unbound", WQ.UNBOUND),
        "system_freezable_wq": ("events_freezable", WQ.FREEZABLE),
        "system_power_efficient_wq": ("events_power_efficient", WQ.POWER_EFFICIENT),
        "system_bh_wq": ("events_bh", WQ.BH),
        "system_bh_highpri_wq": ("events_bh_highpri", WQ.BH | WQ.HIGHPRI),
    }
    for attribute, (name, flags) in expected.items():
        wq = getattr(m, attribute)
        assert wq.name == name
        assert wq.flags & ~WQ.PERCPU == flags, attribute
        assert wq in m.workqueues
    assert m.system_percpu_wq is m.system_wq or m.system_percpu_wq == m.system_wq
    assert m.system_dfl_wq is m.system_unbound_wq or m.system_dfl_wq == m.system_unbound_wq
    assert m.system_wq.max_active == 256
    assert m.system_unbound_wq.max_active == 512
    assert m.system_managed_wq.flags & WQ.MANAGED


def test_every_system_workqueue_runs_items(m):
    """An item runs on each of them."""
    for wq in list(m.workqueues):
        item = Item(gated=False)
        assert wq.queue(item.work) is True
        item.work.flush(LONG)
        assert item.runs == 1, wq.name
    works_on(m)


def test_cpu_intensive_items_do_not_hold_back_others(m):
    """A busy CPU_INTENSIVE item leaves concurrency management: a normal item of its CPU starts beside it."""
    wq = m.alloc_workqueue("crunch", WQ.CPU_INTENSIVE)
    stop, started = [], bh.Completion()

    def crunch(_):
        started.complete()
        while not stop:
            bh.cpu_relax()

    work, item = bh.Work(crunch), Item(gated=False)
    wq.queue(work, cpu=1)
    started.wait(LONG)
    m.system_wq.queue(item.work, cpu=1)
    item.wait_started()
    stop.append(1)
    wq.destroy(LONG)
    assert item.runs == 1


def test_schedule_on_each_cpu(m):
    """schedule_on_each_cpu runs the function once on every CPU and waits for all."""
    cpus = []
    m.schedule_on_each_cpu(lambda *_: cpus.append(bh.smp_processor_id()))
    assert sorted(cpus) == [0, 1]


def test_work_on_cpu(m):
    """work_on_cpu runs fn(*args) in a kworker of that CPU and returns its value, or raises its exception."""
    for cpu in (0, 1):
        assert m.work_on_cpu(cpu, lambda a, b: (a + b, bh.smp_processor_id()), 1, 2) == (3, cpu)
    with pytest.raises(ZeroDivisionError):
        m.work_on_cpu(0, lambda: 1 / 0)
    with pytest.raises(ValueError):
        m.work_on_cpu(2, noop, 1)


def test_per_cpu_items_run_where_they_are_queued(m):
    """A per-CPU workqueue runs an item on the named CPU, else on the submitter's."""
    for cpu in (0, 1):
        assert run_in_work(m.system_wq, bh.smp_processor_id, cpu=cpu) == cpu
        with m.on_cpu(cpu):
            assert run_in_work(m.system_wq, bh.smp_processor_id) == cpu


def test_attrs_of_unbound_workqueues(m):
    """attrs: nice 0, all CPUs, default scope, not strict; a per-CPU workqueue has none to set."""
    attrs = m.alloc_workqueue("attrs", WQ.UNBOUND).attrs
    assert attrs.nice == 0
    assert attrs.affinity_strict is False
    assert m.alloc_workqueue("high", WQ.UNBOUND | WQ.HIGHPRI).attrs.nice == -20


def test_bh_workqueue_runs_in_softirq(m):
    """A BH workqueue runs its items in softirq context on the queueing CPU: not a worker, no sleeping."""
    seen = []

    def handler(_):
        seen.append((bh.in_serving_softirq(), bh.in_task(), bh.current_work(), bh.smp_processor_id()))

    for wq in (m.system_bh_wq, m.system_bh_highpri_wq):
        work = bh.Work(handler)
        assert wq.queue(work, cpu=1) is True
        work.flush(LONG)
    assert seen == [(True, False, None, 1)] * 2


def test_freeze_and_thaw(m):
    """FREEZABLE: frozen, new items are held, running ones finish; thaw releases them in order."""
    order = []
    holder = held_item(m.system_freezable_wq, cpu=1)
    freezing = Call(m.freeze)
    works = [bh.Work(lambda work: order.append(work.name), name=str(n)) for n in range(3)]
    holder.open()
    freezing.result()
    assert m.system_freezable_wq.queue_many(works, cpu=1) == 3
    works_on(m)
    assert order == []
    m.thaw()
    m.system_freezable_wq.flush(LONG)
    assert order == ["0", "1", "2"]
