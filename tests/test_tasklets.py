"""Tasklets, row by row of what Linux does with them."""

from __future__ import annotations

import gc
import weakref

import pytest
from helpers import LONG, Call, blocked, eventually, noop, run_in_work, works_on

import bottomhalf as bh


class Counted:
    """A tasklet that counts its runs; with a hold it spins in its callback until let go."""

    def __init__(self, *, hold=False, then=None, **options):
        self.runs = 0
        self.inside = 0
        self.most = 0
        self.cpus = []
        self.go = not hold
        self.then = then
        self.started = bh.Completion()
        self.tasklet = bh.Tasklet(self._callback, **options)

    def _callback(self, tasklet):
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.runs += 1
        self.cpus.append(bh.smp_processor_id())
        self.started.complete()
        while not self.go:
            bh.cpu_relax()
        if self.then is not None:
            self.then(tasklet)
        self.inside -= 1


def test_runs_once_with_the_tasklet(m):
    """tasklet_schedule: the callback runs once, gets the tasklet, on the CPU of the scheduler."""
    seen = []
    done = bh.Completion()

    def callback(t):
        seen.append((t, bh.smp_processor_id()))
        done.complete()

    tasklet = bh.Tasklet(callback)
    with m.on_cpu(1):
        tasklet.schedule()
    done.wait(LONG)
    assert seen == [(tasklet, 1)]
    eventually(lambda: not tasklet.scheduled)


def test_12_22_scheduled_twice_before_running_runs_once(m):
    """SCHED is set already: the second call does nothing."""
    t = Counted()
    with m.on_cpu(0), m.bh_off():
        t.tasklet.schedule()
        t.tasklet.schedule()
        assert t.tasklet.scheduled is True
    t.tasklet.kill(LONG)
    assert t.runs == 1 and t.tasklet.scheduled is False


def test_12_22_order_hi_first_then_fifo(m):
    """a, b, hi h, c, a again: h a b c."""
    order = []
    a, b, c, h = (bh.Tasklet(lambda _, name=name: order.append(name)) for name in "abch")
    with m.on_cpu(0), m.bh_off():
        a.schedule()
        b.schedule()
        h.hi_schedule()
        c.schedule()
        a.schedule()
        assert order == []
    for tasklet in (a, b, c, h):
        tasklet.kill(LONG)
    assert order == list("habc")


def test_12_22_hi_then_normal_is_one_run(m):
    """A tasklet is on one list: after hi_schedule a schedule is a no-op."""
    order = []
    both, other = bh.Tasklet(lambda _: order.append("both")), bh.Tasklet(lambda _: order.append("other"))
    with m.on_cpu(0), m.bh_off():
        other.schedule()
        both.hi_schedule()
        both.schedule()
    both.kill(LONG)
    other.kill(LONG)
    assert order == ["both", "other"]


def test_12_22_a_self_rescheduling_tasklet_goes_behind_the_others(m):
    """The list is detached first: a tasklet that schedules itself runs in a later pass, then again and again."""
    order = []

    def again(tasklet):
        order.append("self")
        if order.count("self") < 4:
            tasklet.schedule()

    first, second = bh.Tasklet(again), bh.Tasklet(lambda _: order.append("a"))
    with m.on_cpu(0), m.bh_off():
        first.schedule()
        second.schedule()
    eventually(lambda: len(order) == 5)
    assert order == ["self", "a", "self", "self", "self"]


def test_many_self_reschedules_go_on_in_ksoftirqd(m):
    """After ten passes the rest moves to ksoftirqd; nothing is lost and tasks go on."""
    t = Counted()
    t.then = lambda tasklet: tasklet.schedule() if t.runs < 200 else None
    t.tasklet.schedule()
    eventually(lambda: t.runs == 200)
    t.tasklet.kill(LONG)
    works_on(m)


def test_12_22_scheduled_while_running_on_another_cpu(m):
    """Running on CPU 1 and scheduled (twice) on CPU 0: one more run, on CPU 0, never two at once."""
    t = Counted(hold=True)
    with m.on_cpu(1):
        t.tasklet.schedule()
    t.started.wait(LONG)
    with m.on_cpu(0):
        t.tasklet.schedule()
        t.tasklet.schedule()
    assert t.runs == 1
    t.go = True
    t.tasklet.kill(LONG)
    assert (t.runs, t.most, t.cpus) == (2, 1, [1, 0])


def test_12_22_different_tasklets_run_at_the_same_time(boot):
    """Two tasklets on two CPUs may overlap."""
    machine = boot(cpus=3)
    machine.activate()
    one, two = Counted(hold=True), Counted(hold=True)
    for cpu, t in enumerate((one, two), start=1):
        with machine.on_cpu(cpu):
            t.tasklet.schedule()
    one.started.wait(LONG)
    two.started.wait(LONG)
    one.go = two.go = True
    one.tasklet.kill(LONG)
    two.tasklet.kill(LONG)


def test_12_22_disabled_and_scheduled_waits_for_enable(m):
    """A disabled tasklet stays queued, others pass it, and it runs once enabled, no kick needed."""
    t, other = Counted(), Counted()
    t.tasklet.disable_nosync()
    assert t.tasklet.count == 1
    t.tasklet.schedule()
    other.tasklet.schedule()
    other.started.wait(LONG)
    assert t.runs == 0 and t.tasklet.scheduled
    t.tasklet.enable()
    t.started.wait(LONG)
    t.tasklet.kill(LONG)
    assert t.runs == 1 and t.tasklet.count == 0


def test_12_22_created_disabled(m):
    """DECLARE_TASKLET_DISABLED starts with count 1; plain tasklets start enabled."""
    assert bh.Tasklet(noop).count == 0
    t = Counted(disabled=True)
    assert t.tasklet.count == 1
    t.tasklet.schedule()
    t.tasklet.enable()
    t.started.wait(LONG)
    t.tasklet.kill(LONG)


def test_disable_nests(m):
    """count is a counter."""
    t = Counted()
    t.tasklet.disable(LONG)
    t.tasklet.disable(LONG)
    t.tasklet.schedule()
    t.tasklet.enable()
    assert t.tasklet.count == 1 and t.runs == 0
    t.tasklet.enable()
    t.started.wait(LONG)
    t.tasklet.kill(LONG)


def test_12_22_disable_waits_for_a_running_callback(m):
    """tasklet_disable waits until the callback is over; the nosync form does not; later runs are held."""
    t = Counted(hold=True)
    with m.on_cpu(1):
        t.tasklet.schedule()
    t.started.wait(LONG)
    t.tasklet.disable_nosync()
    call = blocked(t.tasklet.disable)
    t.go = True
    call.result()
    assert t.inside == 0 and t.tasklet.count == 2
    with m.on_cpu(1):
        t.tasklet.schedule()
    works_on(m)
    assert t.runs == 1
    t.tasklet.enable()
    t.tasklet.enable()
    t.tasklet.kill(LONG)
    assert t.runs == 2


def test_12_22_kill_waits_until_it_ran(m):
    """tasklet_kill of a scheduled tasklet waits for the run; afterwards it can be scheduled again."""
    t = Counted(hold=True)
    with m.on_cpu(1):
        t.tasklet.schedule()
    t.started.wait(LONG)
    t.tasklet.schedule()
    kill = Call(t.tasklet.kill).settle()
    assert not kill.done
    t.go = True
    kill.result()
    assert t.runs == 2
    t.tasklet.schedule()
    t.tasklet.kill(LONG)
    assert t.runs == 3


def test_12_22_kill_of_a_disabled_scheduled_tasklet_waits_until_enabled(m):
    """It can only end by an enable: with a timeout it says so."""
    t = Counted(disabled=True)
    t.tasklet.schedule()
    with pytest.raises(TimeoutError):
        t.tasklet.kill(0.01)
    call = blocked(t.tasklet.kill)
    t.tasklet.enable()
    call.result()
    assert t.runs == 1


def test_12_22_kill_against_self_reschedule_terminates(m):
    """kill takes SCHED itself, so the self-schedule becomes a no-op."""
    t = Counted(then=lambda tasklet: (bh.burn(1e-5), tasklet.schedule()))
    with m.on_cpu(1):
        t.tasklet.schedule()
    t.started.wait(LONG)
    t.tasklet.kill(LONG)
    runs = t.runs
    works_on(m)
    assert t.runs == runs and not t.tasklet.scheduled


def test_kill_of_an_idle_tasklet(m):
    """Nothing to wait for."""
    bh.Tasklet(noop).kill(LONG)


@pytest.mark.parametrize("call", ["kill", "disable"])
def test_waiting_in_a_tasklet_is_refused(m, call):
    """tasklet_kill and tasklet_disable sleep: from a callback, its own or another's, they are refused."""
    caught = []
    other = bh.Tasklet(noop)

    def callback(tasklet):
        for target in (tasklet, other):
            try:
                getattr(target, call)()
            except bh.BottomHalfError as error:
                caught.append(error)
        done.complete()

    done = bh.Completion()
    tasklet = bh.Tasklet(callback)
    tasklet.schedule()
    done.wait(LONG)
    assert len(caught) == 2
    assert (tasklet.count, other.count) == (0, 0)
    tasklet.kill(LONG)
    works_on(m)


def test_enable_without_disable(m):
    """Where Linux would lose the tasklet for good, UnbalancedEnable; the tasklet works on."""
    t = Counted()
    with pytest.raises(bh.UnbalancedEnable):
        t.tasklet.enable()
    t.tasklet.schedule()
    t.tasklet.kill(LONG)
    assert t.runs == 1


@pytest.mark.parametrize(
    "sleep",
    [
        pytest.param(lambda m: bh.sleep(0.001), id="sleep"),
        pytest.param(lambda m: m.sleep(0.001), id="m.sleep"),
        pytest.param(lambda m: bh.Completion().wait(), id="Completion.wait"),
        pytest.param(lambda m: bh.WaitQueue().wait_event(lambda: False), id="wait_event"),
        pytest.param(lambda m: bh.Mutex().__enter__(), id="Mutex"),
        pytest.param(lambda m: m.system_wq.flush(), id="flush_workqueue"),
        pytest.param(lambda m: bh.Work(noop).flush(), id="flush_work"),
        pytest.param(lambda m: bh.Work(noop).cancel_sync(), id="cancel_work_sync"),
        pytest.param(lambda m: m.alloc_workqueue("atomic"), id="alloc_workqueue"),
        pytest.param(lambda m: m.schedule_on_each_cpu(noop), id="schedule_on_each_cpu"),
    ],
)
def test_sleeping_in_a_tasklet(m, sleep):
    """What may sleep is refused in atomic context by SchedulingWhileAtomic; the engine works on."""
    caught = []
    done = bh.Completion()

    def callback(_):
        try:
            sleep(m)
        except BaseException as error:
            caught.append(error)
        done.complete()

    tasklet = bh.Tasklet(callback)
    tasklet.schedule()
    done.wait(LONG)
    tasklet.kill(LONG)
    assert [type(error) for error in caught] == [bh.SchedulingWhileAtomic]
    works_on(m)


def test_queueing_from_a_tasklet(m):
    """The bottom half hands over: queue, schedule, cancel, mod, complete and wake_up work in any context."""
    ran = bh.Completion()
    work, delayed = bh.Work(lambda _: ran.complete()), bh.DelayedWork(noop)
    answers = []

    def callback(_):
        answers.append(m.system_wq.queue(work))
        answers.append(m.system_wq.queue_delayed(delayed, 1000))
        answers.append(m.system_wq.mod_delayed(delayed, 1000))
        answers.append(delayed.cancel())

    tasklet = bh.Tasklet(callback)
    tasklet.schedule()
    ran.wait(LONG)
    tasklet.kill(LONG)
    assert answers == [True, True, True, True]


def test_an_exception_in_a_callback(m, unraisable):
    """The exception is reported; the tasklet can be scheduled again."""

    def callback(_):
        raise LookupError

    tasklet = bh.Tasklet(callback)
    for n in (1, 2):
        tasklet.schedule()
        tasklet.kill(LONG)
        assert len(m.errors) == n
    works_on(m)


def test_lifetime(m):
    """A scheduled tasklet is kept alive; an idle one goes with its last reference."""
    ran = bh.Completion()
    tasklet = bh.Tasklet(lambda _: ran.complete())
    ref = weakref.ref(tasklet)
    with m.on_cpu(0), m.bh_off():
        tasklet.schedule()
        del tasklet
        gc.collect()
        assert ref() is not None
    ran.wait(LONG)
    eventually(lambda: gc.collect() is not None and ref() is None)


@pytest.mark.parametrize("func", [None, 3, lambda: None, lambda a, b: None], ids=["None", "int", "none", "two"])
def test_a_callback_takes_the_tasklet(func):
    """What cannot be called with the tasklet is refused when it is made."""
    with pytest.raises(TypeError):
        bh.Tasklet(func)


def test_from_a_work_item(m):
    """A work item may schedule a tasklet and wait for it."""
    t = Counted()

    def handler():
        t.tasklet.schedule()
        t.tasklet.kill(LONG)
        return t.runs

    assert run_in_work(m.system_wq, handler) == 1
