"""Concurrency management: one runnable item per CPU, and another worker when, and only when, one blocks."""

from __future__ import annotations

import sys
import threading
import time

import pytest
from helpers import LONG, Call, Hold, Item, cpu_held, eventually, held_item, run_in_work, works_on

import bottomhalf as bh


class Meter:
    """Counts how many handlers are between enter and leave, per lane, and the most there ever were."""

    def __init__(self):
        self._lock = threading.Lock()
        self.now = {}
        self.most = {}

    def enter(self, lane=0):
        with self._lock:
            self.now[lane] = self.now.get(lane, 0) + 1
            self.most[lane] = max(self.most.get(lane, 0), self.now[lane])

    def leave(self, lane=0):
        with self._lock:
            self.now[lane] -= 1


def test_12_14_items_that_keep_the_cpu_run_one_by_one(m):
    """Per-CPU pool: handlers that do not sleep, shorter than the hog threshold, never overlap on their CPU."""
    meter = Meter()

    def handler(_):
        cpu = bh.smp_processor_id()
        meter.enter(cpu)
        sum(range(1000))
        meter.leave(cpu)

    works = [bh.Work(handler) for _ in range(400)]
    for cpu in (0, 1):
        with m.on_cpu(1 - cpu), cpu_held(m, cpu):
            assert m.system_wq.queue_many(works[cpu::2], cpu=cpu) == 200
    m.system_wq.flush(LONG)
    # An item that the operating system kept from the CPU for 10 ms counts as a hog: allow for that one.
    hogs = m.system_wq.stats().cpu_intensive
    assert all(most <= 1 + hogs for most in meter.most.values())
    assert set(meter.most) == {0, 1}


def test_12_14_a_sleeper_lets_the_next_start(m):
    """A worker that sleeps is replaced at once; the next item starts while the first still stands."""
    item, other = Item(), Item()
    with cpu_held(m, 1):
        m.system_wq.queue(item.work, cpu=1)
        m.system_wq.queue(other.work, cpu=1)
    item.wait_started()
    other.wait_started()
    assert (item.ends, other.ends) == (0, 0)
    item.open()
    other.open()
    m.system_wq.flush(LONG)


def test_an_item_in_bh_sleep_lets_the_next_start(m):
    """bh.sleep is a sleep that the pool sees: items that sleep for as long as it takes all get inside."""
    inside, stop = bh.Completion(), []

    def handler(_):
        inside.complete()
        while not stop:
            bh.sleep(0.001)

    works = [bh.Work(handler) for _ in range(4)]
    m.system_wq.queue_many(works, cpu=1)
    for _ in works:
        inside.wait(LONG)
    stop.append(1)
    m.system_wq.flush(LONG)


def sleepers():
    """Ways to stand still that the pool must see, each as (wait, let go)."""

    def completion():
        c = bh.Completion()
        return c.wait, c.complete_all

    def wait_queue():
        q, go = bh.WaitQueue(), []

        def let():
            go.append(1)
            q.wake_up_all()

        return lambda: q.wait_event(lambda: go), let

    def blocking():
        # What blocks for real blocks a simulated machine as a whole: there it spins, and the pool believes its word.
        simulated = bh.current_machine().simulated
        event = Hold() if simulated else threading.Event()

        def wait():
            with bh.blocking():
                event.spin() if simulated else event.wait(LONG)

        return wait, event.open if simulated else event.set

    def mutex():
        lock, let, held = bh.Mutex(), bh.Completion(), bh.Completion()

        def hold():
            with lock:
                held.complete()
                let.wait(LONG)

        thread = Call(hold)
        held.wait(LONG)

        def wait():
            with lock:
                pass

        def go():
            let.complete()
            thread.result()

        return wait, go

    return {"completion": completion, "wait_queue": wait_queue, "blocking": blocking, "mutex": mutex}


@pytest.mark.parametrize("kind", sorted(sleepers()))
@pytest.mark.parametrize("where", ["system_wq", "system_managed_wq"])
def test_every_sleep_lets_another_start(m, kind, where):
    """Completion, wait queue, contended mutex, bh.blocking(): each tells the pool, which starts as many as wait."""
    wq = getattr(m, where)
    gates = [sleepers()[kind]() for _ in range(6)]
    inside = []

    def handler(wait):
        def run(_):
            inside.append(1)
            wait()

        return run

    works = [bh.Work(handler(wait)) for wait, _ in gates]
    for work in works:
        assert wq.queue(work, cpu=1)
    eventually(lambda: len(inside) == 6, "all six started")
    for _, let in gates:
        let()
    wq.flush(LONG)
    works_on(m)


def test_sleeping_in_an_item_waits_for_another_item(m):
    """An item that waits for a later item of its own CPU does not hang the pool."""
    done = bh.Completion()
    later = bh.Work(lambda _: done.complete())

    def first():
        m.system_wq.queue(later, cpu=1)
        later.flush(LONG)
        return done.done

    assert run_in_work(m.system_wq, first, cpu=1) is True


def test_nested_flushes_reach_deep(m):
    """A chain of 50 items, each flushing the next on one CPU: as many workers as there are sleepers."""
    depth = 50

    def nest(n):
        if n == 0:
            return 0
        return 1 + run_in_work(m.system_wq, lambda: nest(n - 1), cpu=1)

    assert nest(depth) == depth


def test_a_thousand_sleepers_end_and_their_workers_go_idle(m):
    """1000 items that each sleep, at default max_active on 2 CPUs: all end; no worker is left busy."""
    ended = []

    def handler(_):
        bh.sleep(0.05)
        ended.append(1)

    works = [bh.Work(handler) for _ in range(1000)]
    for cpu in (0, 1):
        assert m.system_wq.queue_many(works[cpu::2], cpu=cpu) == 500
    m.system_wq.flush(LONG)
    assert len(ended) == 1000
    stats = m.system_wq.stats()
    assert stats.started == stats.completed
    workers = [task for task in m.tasks() if task.name.startswith("kworker")]
    assert len(workers) <= 2 * 256 + 40, "never more workers than max_active allows, with the spares"
    works_on(m)


@pytest.mark.parametrize("where", ["system_wq", "system_managed_wq"])
def test_cpu_bound_items_need_no_crowd(m, where):
    """1000 items that only compute: one running worker per CPU and the spares."""
    wq = getattr(m, where)
    pids = set()
    lock = threading.Lock()

    def handler(_):
        sum(range(500))
        with lock:
            pids.add(bh.current_task().pid)

    works = [bh.Work(handler) for _ in range(1000)]
    for cpu in (0, 1):
        wq.queue_many(works[cpu::2], cpu=cpu)
    wq.flush(LONG)
    # 2 CPUs, 2 workers each, and one more for each time an item was taken for a hog or lost its CPU to this test
    assert len(pids) <= 2 * m.cpus + wq.stats().cpu_intensive + wq.stats().cm_wakeup


def test_the_managed_pool_is_as_wide_as_the_machine(boot, substrate):
    """system_managed_wq runs items on as many workers as there are CPUs, never more while none blocks."""
    # Nobody looks at threads here, so none is taken for blocked, or for one that computes for long.
    m = boot(cpus=2, detection="hooks") if substrate == "host" else boot(cpus=2)
    meter = Meter()

    def handler(_):
        meter.enter()
        bh.burn(0.0005)
        meter.leave()

    works = [bh.Work(handler) for _ in range(200)]
    assert m.system_managed_wq.queue_many(works) == 200
    m.system_managed_wq.flush(LONG)
    assert 1 <= meter.most[0] <= m.cpus + m.system_managed_wq.stats().cpu_intensive


def test_the_managed_pool_uses_all_cpus(m):
    """Two items that each wait for the other to have started, without telling: width 2 runs both."""
    here = [Hold(), Hold()]

    def handler(n):
        def run(_):
            here[n].open()
            deadline = m.now + LONG
            while not here[1 - n].is_open and m.now < deadline:
                bh.cpu_relax()

        return run

    works = [bh.Work(handler(n)) for n in (0, 1)]
    assert m.system_managed_wq.queue_many(works) == 2
    m.system_managed_wq.flush(LONG)
    assert here[0].is_open and here[1].is_open


def test_an_unbound_workqueue_starts_everything(m):
    """Unbound: no concurrency management; items that keep spinning all start."""
    stop, started = [], bh.Completion()

    def handler(_):
        started.complete()
        while not stop:
            bh.cpu_relax()

    works = [bh.Work(handler) for _ in range(6)]
    assert m.system_unbound_wq.queue_many(works) == 6
    for _ in works:
        started.wait(LONG)
    stop.append(1)
    m.system_unbound_wq.flush(LONG)


def test_workers_are_reused(m):
    """One item after another runs on the worker that went idle last."""
    pids = {run_in_work(m.system_wq, lambda: bh.current_task().pid, cpu=1) for _ in range(50)}
    assert len(pids) <= 2


def test_a_held_cpu_starts_nothing(m):
    """While a task keeps bottom halves off on a CPU no bound worker starts an item there; other CPUs go on."""
    item = Item(gated=False)
    with cpu_held(m, 1):
        m.system_wq.queue(item.work, cpu=1)
        assert run_in_work(m.system_wq, bh.smp_processor_id, cpu=0) == 0
        assert item.runs == 0
    item.work.flush(LONG)
    assert item.runs == 1


def test_held_items_do_not_occupy_the_pool(m):
    """Items that stand at gates on both CPUs leave the pools usable."""
    items = [held_item(m.system_wq, cpu=cpu) for cpu in (0, 1) for _ in range(10)]
    works_on(m)
    for item in items:
        item.open()


@pytest.fixture
def no_forced_switches():
    """Nobody but whoever has the GIL decides when another gets it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


@pytest.mark.host("virtual CPUs share a thread")
def test_between_two_long_items_the_gil_is_handed_over(m, no_forced_switches):
    """Who waits for the GIL with a short item waits for one long item, not for a pool's worth of them."""
    order = []

    def long(_):
        end = time.perf_counter() + 1e-3
        while time.perf_counter() < end:
            pass
        order.append("long")

    short = bh.Work(lambda _: order.append("short"))
    works = [bh.Work(long) for _ in range(100)]
    m.system_wq.queue_many(works, cpu=0)
    m.system_wq.queue(short, cpu=1)
    m.system_wq.flush(LONG)
    assert len(order) == 101
    assert order[-1] == "long"


@pytest.mark.parametrize("call", [bh.cond_resched, bh.cpu_relax], ids=lambda f: f.__name__)
def test_giving_way_is_not_sleeping(m, call):
    """cond_resched and cpu_relax are allowed anywhere in task context and return."""
    assert call() is None
    assert run_in_work(m.system_wq, call) is None


def test_burn_and_sleep(m):
    """bh.burn uses time, bh.sleep passes it, never less than asked; m.sleep alike."""
    for call in (bh.burn, bh.sleep, m.sleep):
        before = m.now_ns
        call(0.002)
        assert m.now_ns - before >= 2_000_000


@pytest.mark.parametrize("call", [bh.burn, bh.sleep], ids=lambda f: f.__name__)
def test_negative_times_are_refused(m, call):
    """A time is not negative."""
    with pytest.raises(ValueError):
        call(-1)


def test_an_item_queued_just_before_a_cpu_intensive_one_starts(m):
    """A worker that stops counting, for its item is CPU_INTENSIVE, looks for what was queued while it counted."""
    wq = m.alloc_workqueue("intensive", bh.WQ.CPU_INTENSIVE)
    intensive, late = Item(), Item()
    between = bh.Work(lambda _: wq.queue(late.work))

    def begin(_):
        # Both are in the pool when `between` runs, so that its worker has no need to look for more before the second.
        m.system_wq.queue(between)
        wq.queue(intensive.work)

    m.system_wq.queue(bh.Work(begin), cpu=1)
    intensive.wait_started()
    late.wait_started()
    intensive.open()
    late.open()
    wq.flush(LONG)
