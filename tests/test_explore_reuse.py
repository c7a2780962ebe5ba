"""What runs of an exploration share (stacks, thread states, memory) shows in none of them."""

from __future__ import annotations

import contextvars
import hashlib
import os
import threading

import pytest
from helpers import python

import bottomhalf as bh
from bottomhalf import schedules


def busy(machine):
    """Something of everything that a machine has: items of all kinds of pools, timers, tasklets, tasks, interrupts."""

    def item(_work):
        bh.cond_resched()
        machine.sleep(0.001)
        bh.cond_resched()

    works = [bh.Work(item) for _ in range(6)]
    for number, work in enumerate(works):
        wq = machine.system_unbound_wq if number % 2 else machine.system_wq
        wq.queue(work, cpu=number % machine.cpus)
    delayed = bh.DelayedWork(item)
    delayed.schedule(0.01)
    timer = bh.Timer(lambda _timer: None)
    timer.mod(0.005)
    tasklet = bh.Tasklet(lambda _tasklet: None)
    tasklet.schedule()
    machine.open_softirq(bh.Softirq.NET_RX, lambda: None)
    machine.raise_softirq(bh.Softirq.NET_RX, cpu=machine.cpus - 1)
    tasks = [machine.spawn(machine.sleep, 0.002, cpu=cpu) for cpu in (None, 0)]
    future = machine.system_managed_wq.submit(lambda: 3)
    for task in tasks:
        task.join()
    assert future.result() == 3
    ordered = machine.alloc_ordered_workqueue("ordered")
    ordered.queue(works[0])
    ordered.destroy()
    for work in works:
        work.flush()
    machine.at(machine.now + 0.001, lambda: works[0].schedule())
    machine.run()


def pictures():
    """Everything there is to see of some runs: traces, tasks, names, times."""
    seen = []
    for schedule in (schedules.Fifo(), schedules.Random(7), schedules.PCT(3, 5)):
        for cpus in (1, 2, 4):
            with bh.Machine(simulated=True, cpus=cpus, schedule=schedule, trace=True, name="t", seed=3) as m:
                seen.append([str(task) for task in m.tasks()])
                busy(m)
                seen.append([str(task) for task in m.tasks()])
                seen.append([str(event) for event in m.trace()])
                seen.append([m.now_ns, m.jiffies, m.random.random(), [str(line) for line in m.log]])
                seen.append([(wq.name, stats.started, stats.completed) for wq, stats in m.stats()])
    return seen


def digest(seen):
    return hashlib.sha256(repr(seen).encode()).hexdigest()


def test_the_thousandth_run_is_like_the_first_of_a_fresh_process():
    """Whatever ran before on this thread, a machine begins as the first one did, in another process too."""
    first = python("from test_explore_reuse import *; print(digest(pictures()))").stdout.strip()
    bh.explore(busy, schedules=500).check()
    bh.explore(busy, schedules=500, cpus=4).check()
    again = pictures()
    assert digest(again) == first
    assert pictures() == again


def lost_update(machine):
    """Two read before one has written."""
    total = 0

    def add(_work):
        nonlocal total
        seen = total
        bh.cond_resched()
        total = seen + 1

    works = [bh.Work(add) for _ in range(3)]
    for number, work in enumerate(works):
        machine.system_wq.queue(work, cpu=number % machine.cpus)
    for work in works:
        work.flush()
    if total != 3:  # no assert: pytest rewrites it here, and nobody does in the fresh process
        raise AssertionError(total)


def test_traces_and_replay_strings_are_the_same_on_every_python():
    """Byte for byte, wherever this runs. Renew the constants when the engine's own order changes on purpose."""
    assert digest(pictures()) == "cef241d83b760911f714e24799d10e8c2e893e65a368e0e7575f7515327efc46"
    report = bh.explore(lost_update, schedules=300)
    assert report.replay == "bh1:2:1000:1n:full:engine:0:22e.b36aa321:1d5f3111"
    trace = digest([str(event) for event in report.trace])
    assert trace == "586c24f9de8f4691e84db7e6c8c562685c5ace27536e7c797fc873d0977e9107"


@pytest.mark.parametrize("preempt_python", [None, "line"])
def test_what_a_fresh_process_recorded_is_replayed_after_a_thousand_runs(preempt_python):
    """And its trace is the same, event for event."""
    told = python(
        "from test_explore_reuse import *\n"
        f"r = bh.explore(lost_update, schedules=300, preempt_python={preempt_python!r})\n"
        "print(r.replay); print(digest([str(e) for e in r.trace]))"
    ).stdout.split()
    bh.explore(busy, schedules=300).check()
    report = bh.explore(lost_update, schedules=300, keep_going=True, preempt_python=preempt_python)
    assert [report.replay, digest([str(event) for event in report.trace])] == told
    with pytest.raises(AssertionError):
        bh.replay(lost_update, told[0])


def test_what_is_left_of_one_run_is_of_no_use_in_the_next():
    """A workqueue of a run that is over says so; an item joins the machine of the next run."""
    kept = []
    ran = []

    def program(machine):
        if kept:
            wq, system, task, line, machine_before = kept[0]
            assert machine_before.halted
            for call in (
                lambda: wq.queue(bh.Work(lambda _w: None)),
                lambda: system.queue(bh.Work(lambda _w: None)),
                wq.flush,
                line.fire,
                machine_before.run,
                lambda: machine_before.system_wq.queue(bh.Work(lambda _w: None)),
            ):
                with pytest.raises(bh.MachineHalted):
                    call()
            assert "halted" in repr(machine_before)
            task.join()
            work = kept[1]
        else:
            wq = machine.alloc_workqueue("mine")
            work = bh.Work(lambda _w: ran.append(machine))
            kept.append((wq, machine.system_wq, machine.spawn(lambda: None), machine.irq(3), machine))
            kept.append(work)
            kept[0][2].join()
        assert machine.system_wq is machine.system_wq
        machine.system_wq.queue(work)
        work.flush()

    bh.explore(program, schedules=5).check()
    assert len(ran) == 5


local = threading.local()
variable = contextvars.ContextVar("variable", default=None)


def test_no_handler_sees_what_another_left_in_its_thread():
    """A task's thread-local values, context and exceptions end with it, though its thread state may be used again."""

    def program(machine):
        def item(_work):
            assert not hasattr(local, "value")
            assert variable.get() is None
            if machine.random.random() < 0.5:
                local.value = machine
                variable.set(machine)
            try:
                raise KeyError
            except KeyError:
                bh.cond_resched()

        for cpu in range(2):
            machine.system_wq.queue(bh.Work(item), cpu=cpu)

    for seed in range(6):
        bh.explore(program, schedules=20, seed=seed).check()


def test_explored_in_a_forked_child():
    """What the parent's thread kept is not there any more, and nobody misses it."""
    bh.explore(busy, schedules=3).check()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            bh.explore(busy, schedules=3).check()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_explored_in_threads_that_end():
    """What a thread kept goes when it ends."""
    reports = []
    for _ in range(5):
        thread = threading.Thread(target=lambda: reports.append(bh.explore(busy, schedules=3)))
        thread.start()
        thread.join()
    assert [str(report) for report in reports] == ["3 schedules: no failure"] * 5


def test_a_halted_machine_may_live_until_the_interpreter_ends():
    """Its CPUs' idle tasks, which ran timers, have ended with it: none is left to be ended without an interpreter."""
    done = python(
        "import bottomhalf as bh\n"
        "m = bh.Machine(simulated=True, cpus=2)\n"
        "with m:\n"
        "    bh.Timer(lambda t: print('fired')).mod(0.005)\n"
        "    m.sleep(1)\n"
    )
    assert done.stdout == "fired\n"


def test_idle_tasks_of_a_machine_are_there_from_its_boot_on():
    """Their threads of execution are made when they are needed; their names, numbers and states are there."""
    with bh.Machine(simulated=True, cpus=1) as m:
        assert [(task.name, task.pid, task.state) for task in m.tasks()] == [
            ("init", 1, "running"),
            ("ksoftirqd/0", 2, "idle"),
            ("kworker/0:0", 3, "idle"),
            ("kworker/0:0H", 4, "idle"),
            ("kworker/u4:0", 5, "idle"),
            ("kworker/u5:0", 6, "idle"),
        ]
