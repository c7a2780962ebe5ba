"""Machines: boot, halt, several at once, the current one, tasks and their names, the log, traces."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import re
import threading
import warnings
import weakref

import pytest
from helpers import (
    LONG,
    NEVER,
    Call,
    Item,
    eventually,
    held_item,
    noop,
    python,
    run_in_work,
    task_names,
    threads,
    works_on,
)

import bottomhalf as bh
from bottomhalf import linux


def test_boot(boot, substrate):
    """A machine has the CPUs and the HZ it was given, a name, and a one-line repr that says what to do next."""
    machine = boot(cpus=3, hz=250, name="three")
    assert (machine.cpus, machine.hz, machine.simulated) == (3, 250, substrate == "simulated")
    assert "three" in repr(machine) and "\n" not in repr(machine)
    assert machine.now >= 0 and machine.now_ns >= 0 and machine.jiffies is not None
    machine.halt(timeout=LONG)
    assert "halted" in repr(machine)


def test_default_number_of_cpus(boot):
    """cpus=None: the CPUs this process may use; simulated: 4."""
    machine = boot()
    assert machine.cpus == (4 if machine.simulated else len(os.sched_getaffinity(0)))


def test_more_cpus_than_the_host_has(boot):
    """A CPU is a logical one: there may be more than the host has, and items run on each."""
    machine = boot(cpus=2 * (os.cpu_count() or 1) + 1)
    machine.activate()
    works_on(machine)


@pytest.mark.parametrize(
    "options",
    [{"cpus": 0}, {"cpus": -1}, {"cpus": 10**6}, {"cpus": 1, "hz": 0}, {"cpus": 1, "hz": -100}],
    ids=str,
)
def test_bad_sizes(options):
    """CPUs and HZ out of range are refused and nothing is left behind."""
    with pytest.raises(ValueError):
        bh.Machine(**options)


@pytest.mark.parametrize("options", [{"cpus": "two"}, {"cpus": 1.5}, {"cpus": 1, "nonsense": 1}], ids=str)
def test_bad_types(options):
    """Wrong types and unknown options are refused."""
    with pytest.raises(TypeError):
        bh.Machine(**options)


def test_with_is_the_current_machine(boot):
    """`with` pushes onto the thread's stack of current machines and halts on exit."""
    with bh.Machine(cpus=1) as outer:
        assert bh.current_machine() is outer
        with bh.Machine(cpus=1) as inner:
            assert bh.current_machine() is inner
        assert bh.current_machine() is outer
        with pytest.raises(bh.MachineHalted):
            inner.system_wq.queue(bh.Work(noop))
        works_on(outer)


def test_with_drains_on_success():
    """Leaving the block normally runs what is pending."""
    items = [Item(gated=False) for _ in range(100)]
    with bh.Machine(cpus=2) as machine:
        machine.system_wq.queue_many([item.work for item in items])
    assert all(item.runs == 1 for item in items)


def test_with_cancels_when_an_exception_passes():
    """An exception that leaves the block drops what is pending and is not replaced."""
    item = Item()
    with pytest.raises(ZeroDivisionError), bh.Machine(cpus=1) as machine:
        wq = machine.alloc_workqueue("one", bh.WQ(0), 1)
        held_item(wq)
        wq.queue(item.work)
        raise ZeroDivisionError
    assert item.runs == 0
    assert not item.work.pending


def test_activate(boot):
    """activate makes a machine current for its thread until halt or another activate; `with` is stronger."""
    first, second = boot(cpus=1), boot(cpus=1)
    first.activate()
    assert bh.current_machine() is first
    second.activate()
    assert bh.current_machine() is second
    with bh.Machine(cpus=1) as third:
        assert bh.current_machine() is third
    assert bh.current_machine() is second


def test_a_handler_runs_on_its_machine(boot):
    """In a handler the current machine is the handler's."""
    first, second = boot(cpus=1), boot(cpus=1)
    first.activate()
    assert run_in_work(first.system_wq, bh.current_machine) is first
    box = []
    work = bh.Work(lambda _: box.append(bh.current_machine()))
    second.system_wq.queue(work)
    work.flush(LONG)
    assert box == [second]


def test_the_default_machine():
    """Without any machine the first use boots the default one, which is always the same."""
    code = """
import bottomhalf as bh
assert bh.submit(lambda a, b: a + b, 1, 2).result() == 3
assert bh.current_machine() is bh.default_machine() is bh.default_machine()
w = bh.Work(lambda w: print("ran"))
assert w.schedule() is True
w.flush()
"""
    assert python(code).stdout == "ran\n"


def test_several_machines_side_by_side(boot):
    """Machines know nothing of each other: names, CPUs, jiffies, workqueues, errors."""
    machines = [boot(cpus=n, hz=hz, name=f"m{n}") for n, hz in ((1, 100), (2, 250), (3, 1000))]
    items = []
    for machine in machines:
        machine.activate()
        items.append(held_item(machine.alloc_workqueue("same"), cpu=machine.cpus - 1))
    machines[1].activate()
    machines[0].halt(pending="cancel", timeout=LONG)
    for machine, item in list(zip(machines, items, strict=True))[1:]:
        machine.activate()
        assert item.work.busy == bh.Busy.RUNNING
        item.open()
        works_on(machine)


def test_an_item_on_two_machines(m, boot):
    """An item that one machine still has cannot be queued on another: ValueError names both; once idle it can."""
    other = boot(cpus=1, name="other")
    item = held_item(m.system_wq)
    with pytest.raises(ValueError, match=r"(?s)test.*other|other.*test"):
        other.system_wq.queue(item.work)
    armed = bh.DelayedWork(noop)
    m.system_wq.queue_delayed(armed, NEVER)
    with pytest.raises(ValueError):
        other.system_wq.queue_delayed(armed, NEVER)
    assert m.system_wq.queue(armed) is False
    assert armed.cancel() is True
    item.open()
    item.work.flush(LONG)
    moved = bh.Work(noop)
    m.system_wq.queue(moved)
    moved.flush(LONG)
    assert other.system_wq.queue(moved) is True
    moved.flush(LONG)


@pytest.mark.parametrize("pending", ["drain", "cancel"])
def test_halt_is_idempotent(boot, pending):
    """halt may be called again, from anywhere, with either mode."""
    machine = boot(cpus=2)
    for _ in range(3):
        machine.halt(pending=pending, timeout=LONG)
    machine.halt()


@pytest.mark.host("a simulated machine is halted by its booter, who cannot open a gate meanwhile")
def test_halt_drains_or_cancels(boot):
    """halt("drain") runs what is queued, halt("cancel") drops it; running items end either way."""
    for pending, runs in (("drain", 1), ("cancel", 0)):
        machine = boot(cpus=1)
        machine.activate()
        wq = machine.alloc_workqueue("one", bh.WQ(0), 1)
        holder, item = held_item(wq), Item(gated=False)
        future_item = wq.submit(lambda: "ran")
        wq.queue(item.work)
        halt = Call(machine.halt, pending=pending, machine=machine).settle()
        if pending == "drain":
            holder.open()  # a cancelled one is thrown out of its wait
        halt.result()
        assert item.runs == runs and not item.work.pending and item.work.busy == 0
        assert future_item.done()
        assert future_item.cancelled() is (pending == "cancel")


@pytest.mark.simulated("the host has its own, with a second thread")
@pytest.mark.parametrize(("pending", "runs"), [("drain", 1), ("cancel", 0)])
def test_halt_of_a_simulated_machine_drains_or_cancels(boot, pending, runs):
    """The same with an item that is halfway through its run: drain waits in virtual time, cancel throws it out."""
    machine = boot(cpus=1)
    machine.activate()
    wq = machine.alloc_workqueue("one", bh.WQ(0), 1)
    holder, item = Item(gated=False, then=lambda _: bh.sleep(3600)), Item(gated=False)
    wq.queue(holder.work)
    future_item = wq.submit(lambda: "ran")
    wq.queue(item.work)
    holder.wait_started()
    machine.halt(pending=pending)
    assert holder.runs == 1 and holder.ends == runs
    assert item.runs == runs and not item.work.pending and item.work.busy == 0
    assert future_item.cancelled() is (pending == "cancel")
    assert future_item.done()


def test_bad_halt_mode(m):
    """pending is "drain" or "cancel"."""
    with pytest.raises(ValueError, match="drain"):
        m.halt(pending="explode")
    works_on(m)


def test_halted_machines_say_so(boot):
    """Every call on a halted machine raises MachineHalted and names the machine."""
    machine = boot(cpus=1, name="ghost")
    wq, line, work, delayed = machine.alloc_workqueue("q"), machine.irq(3), bh.Work(noop), bh.DelayedWork(noop)
    timer = bh.Timer(noop)
    machine.halt(timeout=LONG)
    for call in (
        lambda: wq.queue(work),
        lambda: wq.queue_delayed(delayed, 1),
        lambda: wq.mod_delayed(delayed, 1),
        lambda: wq.submit(noop, 1),
        lambda: machine.alloc_workqueue("late"),
        lambda: machine.spawn(noop, 1),
        lambda: machine.raise_softirq(bh.Softirq.NET_RX),
        lambda: machine.open_softirq(bh.Softirq.NET_RX, noop),
        lambda: machine.schedule_on_each_cpu(noop),
        line.fire,
        machine.activate,
        lambda: machine.on_cpu(0).__enter__(),
        lambda: machine.bh_off().__enter__(),
        lambda: machine.sleep(0),
    ):
        with pytest.raises(bh.MachineHalted, match="ghost"):
            call()
    assert not work.pending and not delayed.pending and not timer.pending
    assert list(machine.errors) == []


@pytest.mark.host("a simulated machine is its booter's alone")
def test_halt_from_another_thread(m):
    """A machine may be halted from another thread while its booter waits; that wait ends.

    By MachineExit, unless the evicted item that it waited for was the quicker one.
    """
    item = held_item(m.system_wq)

    def halt():
        eventually(lambda: m.system_wq._in_flight == 2, "the item and the flush barrier behind it")
        m.halt(pending="cancel", timeout=LONG)

    killer = Call(halt)
    with contextlib.suppress(bh.MachineExit, bh.MachineHalted):
        assert item.work.flush(LONG) is True
    killer.result()
    with pytest.raises(bh.MachineHalted):
        m.system_wq.queue(item.work)


def test_halt_from_a_handler_is_refused(m):
    """A machine cannot halt inside one of its own items: it would wait for itself."""
    with pytest.raises(bh.BottomHalfError):
        run_in_work(m.system_wq, m.halt)
    works_on(m)


def test_a_hundred_boots_and_halts():
    """Machines come and go without leaving threads, descriptors or objects behind."""
    before, files = threads(), len(os.listdir("/proc/self/fd"))
    refs = []
    for n in range(100):
        with bh.Machine(cpus=2) as machine:
            refs.append(weakref.ref(machine))
            done = bh.Completion()
            work = bh.Work(lambda _, done=done: done.complete())
            machine.system_wq.queue(work, cpu=n % 2)
            done.wait(LONG)
        del machine, done, work
    eventually(lambda: threads() <= before)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= files
    assert sum(r() is not None for r in refs) <= 1


def test_an_unreferenced_machine_is_halted():
    """A machine that nobody refers to is halted with "cancel" and a ResourceWarning."""
    before = threads()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        machine = bh.Machine(cpus=1, name="lost")
        del machine
        gc.collect()
        eventually(lambda: caught)
    assert [w.category for w in caught] == [ResourceWarning]
    assert "lost" in str(caught[0].message)
    eventually(lambda: threads() <= before)


def test_on_cpu(m):
    """on_cpu makes the caller count as running on that CPU; it nests and is undone."""
    home = bh.smp_processor_id()
    for cpu in (1, 0):
        with m.on_cpu(cpu):
            assert bh.smp_processor_id() == cpu
            with m.on_cpu(1 - cpu):
                assert bh.smp_processor_id() == 1 - cpu
            assert bh.smp_processor_id() == cpu
    assert bh.smp_processor_id() == home
    for bad in (-1, 2):
        with pytest.raises(ValueError), m.on_cpu(bad):
            pass


@pytest.mark.host("a task of a simulated machine begins on its parent's CPU")
def test_home_cpus(boot):
    """An ordinary thread has a home CPU: the first caller 0, then round robin."""
    machine = boot(cpus=2)
    machine.activate()
    homes = [bh.smp_processor_id()]
    assert homes == [0]
    for _ in range(3):
        homes.append(Call(bh.smp_processor_id, machine=machine).result())
    assert set(homes) == {0, 1}


def test_spawn_and_join(m):
    """spawn starts a task of the machine; join returns its result or raises its exception, again and again."""
    task = m.spawn(lambda a, b: (a + b, bh.current_task().name, bh.smp_processor_id()), 1, 2, cpu=1, name="adder")
    assert isinstance(task, bh.Task)
    for _ in range(2):
        assert task.join(LONG) == (3, "adder", 1)

    def fail():
        raise LookupError("gone")

    failing = m.spawn(fail)
    for _ in range(2):
        with pytest.raises(LookupError):
            failing.join(LONG)
    works_on(m)


def test_a_task_may_sleep_and_be_joined_by_an_item(m):
    """A worker that joins a task sleeps: another item of its CPU runs meanwhile."""
    go = bh.Completion()
    task = m.spawn(lambda: (go.wait(), "over")[1])
    joiner = Call(run_in_work, m.system_wq, lambda: task.join(LONG), cpu=1).settle()
    assert not joiner.done
    assert run_in_work(m.system_wq, lambda: "ran", cpu=1) == "ran"
    go.complete()
    assert joiner.result() == "over"


def test_thread_names(m):
    """ps -L shows kworker/CPU:ID, kworker/CPU:IDH, kworker/uPOOL:ID; IDs are the lowest free, from 0."""
    for cpu in (0, 1):
        run_in_work(m.system_wq, noop_value, cpu=cpu)
        run_in_work(m.system_highpri_wq, noop_value, cpu=cpu)
    run_in_work(m.system_unbound_wq, noop_value)
    names = task_names(m)
    for expected in ("kworker/0:0", "kworker/1:0", "kworker/0:0H", "kworker/1:0H"):
        assert any(re.fullmatch(re.escape(expected) + r"([+-].*)?", name) for name in names), (expected, names)
    assert any(re.match(r"kworker/u\d+:0", name) for name in names), names


def noop_value():
    return None


def test_tasks(m):
    """m.tasks() lists every thread of the machine with its name and native id."""
    item = held_item(m.system_wq, cpu=1)
    tasks = {task.name.split("+")[0].split("-")[0]: task for task in m.tasks()}
    assert any(name.startswith("kworker/1:") for name in tasks)
    assert len({task.pid for task in m.tasks()}) == len(m.tasks())
    assert item.tasks[0] in {task.pid for task in m.tasks()}
    item.open()
    assert m.workqueues and all(isinstance(wq, bh.Workqueue) for wq in m.workqueues)


def test_log(m):
    """The kernel log: lines with a time, a level and a text, printed as dmesg does."""
    linux.pr_info("hello 5\n")
    line = next(line for line in m.log if "hello 5" in line.text)
    assert isinstance(line, bh.LogLine)
    assert re.fullmatch(r"\[ *\d+\.\d{6}\] hello 5", str(line))
    assert line.time_ns >= 0 and line.level is not None


def test_errors_name_their_source(m, unraisable):
    """m.errors: (source, exception) of every exception that left a handler."""
    for n in range(3):

        def fail(_, n=n):
            raise LookupError(n)

        work = bh.Work(fail, name=f"w{n}")
        m.system_wq.queue(work)
        work.flush(LONG)
    assert [error.args for _, error in m.errors] == [(0,), (1,), (2,)]
    assert all(len(entry) == 2 for entry in m.errors)


def test_12_27_stats_of_all(m):
    """m.stats(): one (workqueue, stats) for every workqueue."""
    assert len(m.stats()) == len(m.workqueues)


def names(trace, of):
    return [event.name for event in trace if event.name in of]


WORKQUEUE_EVENTS = (
    "workqueue_queue_work",
    "workqueue_activate_work",
    "workqueue_execute_start",
    "workqueue_execute_end",
)


def test_12_27_trace_of_an_immediate_item(m):
    """queue_work, activate_work, execute_start, execute_end, with Linux's fields."""
    wq = m.alloc_workqueue("traced")
    work = bh.Work(noop, name="seen")
    with m.trace() as trace:
        wq.queue(work, cpu=1)
        wq.flush(LONG)
    assert names(trace, WORKQUEUE_EVENTS) == list(WORKQUEUE_EVENTS)
    event = next(e for e in trace if e.name == "workqueue_queue_work")
    assert isinstance(event, bh.TraceEvent)
    assert event.fields["workqueue"] == "traced"
    assert int(event.fields["cpu"]) == 1 and int(event.fields["req_cpu"]) == 1
    assert {"work", "function"} <= set(event.fields)
    start = next(e for e in trace if e.name == "workqueue_execute_start")
    assert start.cpu == 1 and start.task.startswith("kworker/1:")
    times = [e.time_ns for e in trace]
    assert times == sorted(times)
    lines = str(trace).splitlines()
    assert [line for line in lines if "workqueue_queue_work" in line]
    assert "0x" not in str(trace), "objects are named by number, never by address"


def test_12_27_trace_of_a_held_back_item(m):
    """A held-back item is activated later; a refused call leaves no event."""
    wq = m.alloc_workqueue("traced", bh.WQ(0), 1)
    holder = held_item(wq, cpu=1)
    item = Item(gated=False)
    with m.trace() as trace:
        assert wq.queue(item.work, cpu=1)
        assert not wq.queue(item.work, cpu=1)
        holder.open()
        wq.flush(LONG)
    queue, activate, start, end = WORKQUEUE_EVENTS
    assert names(trace, WORKQUEUE_EVENTS) == [queue, end, activate, start, end]


def test_12_27_trace_of_a_delayed_item(m):
    """timer_start first; queue_work only at expiry, inside the timer's softirq."""
    done = bh.Completion()
    work = bh.DelayedWork(lambda _: done.complete())
    with m.trace() as trace:
        m.system_wq.queue_delayed(work, 0.002)
        done.wait(LONG)
        work.flush(LONG)
    order = names(trace, ("timer_start", "timer_expire_entry", *WORKQUEUE_EVENTS))
    assert order[:3] == ["timer_start", "timer_expire_entry", "workqueue_queue_work"]
    assert order[-3:] == list(WORKQUEUE_EVENTS[1:])


def test_12_27_trace_of_interrupts_and_tasklets(m):
    """irq_handler_entry and exit, softirq_raise, entry, exit, tasklet_entry and exit."""
    tasklet = bh.Tasklet(noop)

    def handler(line):
        tasklet.schedule()
        return bh.IrqReturn.HANDLED

    action = m.irq(5).request(handler, name="eth0")
    with m.trace() as trace:
        m.irq(5).fire(cpu=0)
        tasklet.kill(LONG)
    action.free()
    wanted = (
        "irq_handler_entry",
        "softirq_raise",
        "irq_handler_exit",
        "softirq_entry",
        "tasklet_entry",
        "tasklet_exit",
        "softirq_exit",
    )
    assert names(trace, wanted)[: len(wanted)] == list(wanted)
    entry = next(e for e in trace if e.name == "irq_handler_entry")
    assert int(entry.fields["irq"]) == 5 and entry.fields["name"] == "eth0"


def test_a_trace_ends_with_its_block(m):
    """Nothing is recorded before or after; tracing may be switched on again."""
    for _ in range(2):
        with m.trace() as trace:
            run_in_work(m.system_wq, noop_value)
        before = len(list(trace))
        run_in_work(m.system_wq, noop_value)
        assert len(list(trace)) == before > 0


def test_run_until(m):
    """run(until=predicate) waits on the host for the predicate, run(until=instant) for that instant of m.now."""
    item = held_item(m.system_wq)
    item.open()
    m.run(until=lambda: item.ends)
    target = m.now + 0.01
    m.run(until=target)
    assert m.now >= target
    m.run()
    assert not item.work.pending and item.work.busy == 0


def test_run_until_idle(m):
    """run() without an argument returns when the machine is idle."""
    items = [Item(gated=False) for _ in range(100)]
    m.system_wq.queue_many([item.work for item in items])
    m.run()
    assert all(item.ends for item in items)


def test_settle(m):
    """settle returns when nothing changes by itself: held items stand, short delays are over, long ones stay."""
    wq = m.alloc_workqueue("settled", bh.WQ(0), 1)
    item, short, far = Item(), Item(bh.DelayedWork), Item(bh.DelayedWork)
    wq.queue(item.work)
    m.system_wq.queue_delayed(short.work, 0.01)
    m.system_wq.queue_delayed(far.work, NEVER)
    m.settle()
    assert (item.runs, short.runs, far.runs) == (1, 1, 0)
    assert (item.ends, short.ends) == (0, 0)
    item.open()
    short.open()
    m.settle()
    assert (item.ends, short.ends) == (1, 1)
    far.work.cancel_sync(LONG)


def test_random(boot):
    """Machine(seed=...) feeds m.random, a random.Random, and nothing else."""
    first, second, third = boot(cpus=1, seed=7), boot(cpus=1, seed=7), boot(cpus=1, seed=8)
    assert isinstance(first.random, random.Random)
    draws = [[machine.random.random() for _ in range(5)] for machine in (first, second, third)]
    assert draws[0] == draws[1] != draws[2]
    assert draws[0][0] == random.Random(7).random()


@pytest.mark.host("a simulated one has devices")
def test_devices_are_simulated(m):
    """m.at belongs to simulated machines."""
    with pytest.raises(bh.Unsupported):
        m.at(1.0, noop)


def test_threads_of_python_use_one_machine(m):
    """Ordinary threads queue and flush on the same machine at once."""
    total, lock = 0, threading.Lock()

    def add(_):
        nonlocal total
        with lock:
            total += 1

    def client():
        for _ in range(50):
            work = bh.Work(add)
            assert m.system_wq.queue(work)
            work.flush(LONG)

    calls = [Call(client) for _ in range(8)]
    for call in calls:
        call.result()
    assert total == 400
