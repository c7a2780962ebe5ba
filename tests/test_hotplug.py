"""CPUs that go away and come back (Linux: CPU hotplug, 2.12), freezing (2.11) and idle workers (2.2)."""

from __future__ import annotations

import pytest
from helpers import LONG, NEVER, Item, eventually, held_item, log_text, noop, run_in_work, works_on

import bottomhalf as bh


def test_12_20_cpu_offline_runs_what_is_queued_in_order(boot):
    """12/20: items queued to a CPU that goes offline still run, in the order of their pool; so do later ones."""
    m = boot(cpus=3)
    with m:
        held = held_item(m.system_wq, cpu=2)
        order = []
        before = [bh.Work(lambda w, i=i: order.append(i)) for i in range(5)]
        for work in before:
            m.system_wq.queue(work, cpu=2)
        m.cpu_down(2)
        after = [bh.Work(lambda w, i=i: order.append(i)) for i in range(5, 10)]
        for work in after:
            assert m.system_wq.queue(work, cpu=2)
        # The held item no longer keeps the others back: nobody's CPU is theirs now.
        for work in before + after:
            work.flush(LONG)
        assert sorted(order) == list(range(10))
        if m.simulated:
            assert order == list(range(10))
        held.open()
        held.work.flush(LONG)


def test_items_of_an_offline_cpu_run_elsewhere(boot):
    """What runs for an offline CPU runs on one that is online."""
    m = boot(cpus=2)
    with m:
        m.cpu_down(1)
        assert m.online_cpus == (0,)
        assert run_in_work(m.system_wq, bh.smp_processor_id, cpu=1) == 0
        m.cpu_up(1)
        assert m.online_cpus == (0, 1)
        assert run_in_work(m.system_wq, bh.smp_processor_id, cpu=1) == 1
        works_on(m)


def test_running_item_moves_or_finishes(boot):
    """An item that runs when its CPU goes away comes to its end."""
    m = boot(cpus=2)
    with m:
        held = held_item(m.system_wq, cpu=1)
        m.cpu_down(1)
        held.open()
        held.work.flush(LONG)
        assert held.ends == 1
        m.cpu_up(1)
        works_on(m)


@pytest.mark.simulated("virtual time says where the CPU went")
def test_burning_item_moves_to_another_cpu(boot):
    """The running item of a CPU that goes away is taken to another CPU, and burns on there."""
    m = boot(cpus=3)
    with m:
        cpus = []

        def burn(work):
            cpus.append(bh.smp_processor_id())
            for _ in range(4):
                bh.burn(0.001)
            cpus.append(bh.smp_processor_id())

        work = bh.Work(burn)
        m.system_wq.queue(work, cpu=2)
        m.sleep(0.002)
        m.cpu_down(2)
        work.flush()
        assert cpus[0] == 2 and cpus[1] in (0, 1)
        assert m.now < 0.006


def test_timers_migrate(boot):
    """Timers that a CPU holds go to CPU 0, and fire neither early nor never."""
    m = boot(cpus=2)
    with m:
        fired = []
        done = bh.Completion()

        def fire(timer):
            fired.append((m.now, bh.smp_processor_id()))
            done.complete()

        timer, far = bh.Timer(fire), bh.Timer(fire)
        with m.on_cpu(1):
            start = m.now
            timer.mod(0.02)
            far.mod(NEVER)
        m.cpu_down(1)
        assert timer.pending or fired
        assert far.pending
        done.wait(LONG)
        when, cpu = fired[0]
        assert when - start >= 0.02 and cpu == 0
        assert far.delete()
        # Armed for a CPU that is gone.
        again = bh.DelayedWork(lambda w: done.complete())
        m.system_wq.queue_delayed(again, 0.002, cpu=1)
        done.wait(LONG)
        again.flush(LONG)
        m.cpu_up(1)
        with m.on_cpu(1):
            timer.mod(0.002)
        done.wait(LONG)
        eventually(lambda: len(fired) == 2)
        timer.delete_sync(LONG)


def test_armed_timer_can_be_handled_after_its_cpu_went(boot):
    """A timer that migrated is deleted, moved and shut down like any other."""
    m = boot(cpus=2)
    with m:
        timers = [bh.Timer(noop) for _ in range(50)]
        with m.on_cpu(1):
            for i, timer in enumerate(timers):
                timer.mod(NEVER + i)
        m.cpu_down(1)
        assert all(t.pending for t in timers)
        assert timers[0].mod(NEVER / 2) and timers[1].delete() and timers[2].shutdown_sync(LONG)
        m.cpu_up(1)
        with m.on_cpu(1):
            assert timers[3].mod(NEVER / 3)
        assert all(t.delete_sync(LONG) for t in [timers[0], *timers[3:]])


def test_softirqs_of_an_offline_cpu(boot):
    """Tasklets and BH items that are raised for an offline CPU run all the same."""
    m = boot(cpus=2)
    with m:
        m.cpu_down(1)
        ran = bh.Completion()
        work = bh.Work(lambda w: ran.complete())
        m.system_bh_wq.queue(work, cpu=1)
        ran.wait(LONG)
        m.cpu_up(1)
        tasklet = bh.Tasklet(lambda t: ran.complete())
        with m.on_cpu(1):
            tasklet.schedule()
        ran.wait(LONG)
        tasklet.kill(LONG)
        work.flush(LONG)


def test_interrupts_of_an_offline_cpu_come_to_another(boot):
    """A line that fires on an offline CPU is served by CPU 0."""
    m = boot(cpus=2)
    with m:
        m.cpu_down(1)
        cpus = []
        line = m.irq(5)
        line.request(lambda line: cpus.append(bh.smp_processor_id()) or bh.IrqReturn.HANDLED)
        line.fire(cpu=1)
        assert cpus == [0]
        if m.simulated:
            m.at(m.now + 0.001, lambda: cpus.append(bh.smp_processor_id()), cpu=1)
            m.sleep(0.002)
            assert cpus == [0, 0]
        line.free()


def test_what_hotplug_refuses(boot):
    """CPU 0 stays, and so do arguments that are none; a CPU that is gone cannot be gone to."""
    m = boot(cpus=2)
    with m:
        with pytest.raises(ValueError, match="cpu=0"):
            m.cpu_down(0)
        with pytest.raises(ValueError, match="cpu=2"):
            m.cpu_down(2)
        with pytest.raises(TypeError):
            m.cpu_up(None)
        m.cpu_down(1)
        m.cpu_down(1)
        with pytest.raises(ValueError, match="offline"):
            m.spawn(noop, None, cpu=1)
        with pytest.raises(ValueError, match="offline"):
            m.on_cpu(1)
        m.cpu_up(1)
        m.cpu_up(1)
        with m.bh_off(), pytest.raises(bh.SchedulingWhileAtomic):
            m.cpu_down(1)
        assert "CPU 1 is offline" in log_text(m) and "CPU 1 is online" in log_text(m)


def test_on_each_online_cpu(boot):
    """schedule_on_each_cpu visits those that are online."""
    m = boot(cpus=3)
    with m:
        m.cpu_down(1)
        cpus = []
        m.schedule_on_each_cpu(lambda w: cpus.append(bh.smp_processor_id()))
        assert sorted(cpus) == [0, 2]


def test_up_and_down_under_load(boot):
    """A CPU that comes and goes loses no item and runs none twice."""
    m = boot(cpus=3)
    with m:
        items = [Item(gated=False) for _ in range(60)]
        for round_ in range(6):
            for i, item in enumerate(items):
                m.system_wq.queue(item.work, cpu=i % 3)
            (m.cpu_down if round_ % 2 == 0 else m.cpu_up)(2)
            for item in items:
                item.work.flush(LONG)
        assert [item.runs for item in items] == [6] * 60
        works_on(m)


def test_halt_with_a_cpu_offline(boot):
    """A machine halts with CPUs offline."""
    m = boot(cpus=2)
    with m:
        m.cpu_down(1)
        m.system_wq.queue(bh.Work(noop), cpu=1)
    assert m.halted


# --- freezing ---


def test_12_19_freeze(m):
    """12/19: new items of a freezable workqueue are held, running ones finish, thaw lets them go in order."""
    wq = m.alloc_workqueue("cold", bh.WQ.FREEZABLE | bh.WQ.UNBOUND, 1)
    other = m.alloc_workqueue("warm")
    held = held_item(wq)
    m.freeze()
    order = []
    works = [bh.Work(lambda w, i=i: order.append(i)) for i in range(4)]
    for work in works:
        assert wq.queue(work)
    held.open()
    held.work.flush(LONG)
    assert held.ends == 1
    assert run_in_work(other, lambda: 1) == 1
    assert order == [] and all(w.pending for w in works)
    born_frozen = m.alloc_workqueue("born", bh.WQ.FREEZABLE)
    late = bh.Work(noop)
    born_frozen.queue(late)
    assert late.pending
    m.thaw()
    for work in [*works, late]:
        work.flush(LONG)
    assert order == [0, 1, 2, 3]


def test_set_max_active_while_frozen(m):
    """A limit that is set while frozen holds after the thaw, and lets nothing through before."""
    wq = m.alloc_workqueue("cold", bh.WQ.FREEZABLE | bh.WQ.UNBOUND, 1)
    m.freeze()
    items = [Item() for _ in range(3)]
    for item in items:
        wq.queue(item.work)
    wq.max_active = 3
    works_on(m)
    assert all(item.runs == 0 for item in items)
    m.thaw()
    for item in items:
        item.wait_started()
        item.open()


# --- idle workers ---


def burst(m, k):
    """k items at once, all of which sleep for a while: each needs a worker of its own."""
    items = [Item() for _ in range(k)]
    for item in items:
        m.system_wq.queue(item.work)
    for item in items:
        item.wait_started()
    for item in items:
        item.open()
    m.system_wq.flush()


def workers(m):
    """How many workers the normal pool of CPU 0 has."""
    return sum(task.name.startswith("kworker/0:") and not task.name.endswith("H") for task in m.tasks())


@pytest.mark.simulated("five minutes pass")
def test_12_17_idle_workers_go_home(boot):
    """12/17: after a burst of k workers and five idle minutes exactly two idle ones remain."""
    m = boot(cpus=1)
    with m:
        burst(m, 12)
        assert workers(m) == 13
        m.sleep(299)
        assert workers(m) == 13
        m.sleep(150)
        assert workers(m) == 2
        works_on(m)


def test_ten_thousand_items_that_block(boot):
    """As many workers as max_active allows, and the spare; when they have been idle for long enough, the spares."""
    m = boot(cpus=1)
    with m:
        m.idle_timeout = 1.0
        wq = m.alloc_workqueue("blocking", bh.WQ(0), 100)
        begin = workers(m)
        ended, counts = [], []

        def handler(_):
            bh.sleep(0.1 if m.simulated else 0.001)
            ended.append(1)
            if len(ended) % 100 == 50:
                counts.append(workers(m))

        assert wq.queue_many([bh.Work(handler) for _ in range(10_000)]) == 10_000
        wq.flush(LONG if not m.simulated else NEVER)
        assert len(ended) == 10_000
        assert max(counts) <= 100 + begin
        if m.simulated:
            assert max(counts) == 101
            assert m.now >= 10_000 / 100 * 0.1
        eventually(lambda: workers(m) <= 2)
        works_on(m)


@pytest.mark.simulated("the idle time passes")
def test_idle_timeout_is_adjustable(boot):
    """m.idle_timeout: seconds after which a surplus worker goes."""
    m = boot(cpus=1)
    with m:
        assert m.idle_timeout == 300
        m.idle_timeout = 0.5
        burst(m, 6)
        m.sleep(3)
        assert workers(m) == 2
    with pytest.raises(ValueError, match="idle_timeout"):
        m.idle_timeout = -1
