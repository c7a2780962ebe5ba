"""Simulated machines: virtual time to the nanosecond, and Python's own state across switches between tasks."""

from __future__ import annotations

import contextvars
import gc
import signal
import sys
import threading
import weakref

import pytest
from helpers import FIBERS_ARE_THREADS, python

import bottomhalf as bh
from bottomhalf.linux import jiffies, mod_timer, timer_list, timer_setup

WEEK = 7 * 86400.0


@pytest.fixture
def one():
    """A simulated machine with one CPU, current in the test."""
    with bh.Machine(cpus=1, simulated=True, name="one") as machine:
        yield machine


@pytest.fixture
def two():
    """A simulated machine with two CPUs, current in the test."""
    with bh.Machine(cpus=2, simulated=True, name="two") as machine:
        yield machine


def ms(machine):
    """The machine's time in whole milliseconds: what the scenarios are told in."""
    milliseconds, rest = divmod(machine.now_ns, 1_000_000)
    assert rest == 0, f"between two milliseconds: {machine.now_ns} ns"
    return milliseconds


# --- the documented scenarios ----------------------------------------------------------------------------------------


class Scenario:
    """w0 = burn 5, sleep 10, burn 5; w1 = w2 = burn 5, sleep 10. Each tells its events as "t item code".

    Each offers the CPU as soon as it has told its start: an item counts as started when it has a worker, also where it
    has to share the CPU with another one.
    """

    def __init__(self, machine):
        self.machine = machine
        self.events = []
        self.works = [bh.Work(self._w0, name="w0"), bh.Work(self._w1, name="w1"), bh.Work(self._w1, name="w2")]

    def _tell(self, work, code):
        self.events.append(f"{ms(self.machine)} {work.name} {code}")

    def _w0(self, work):
        self._tell(work, "S")
        bh.cond_resched()
        bh.burn(0.005)
        self._tell(work, "Z")
        bh.sleep(0.010)
        self._tell(work, "W")
        bh.burn(0.005)
        self._tell(work, "F")

    def _w1(self, work):
        self._tell(work, "S")
        bh.cond_resched()
        bh.burn(0.005)
        self._tell(work, "Z")
        bh.sleep(0.010)
        self._tell(work, "WF")

    def run(self, *queues):
        """Queues w0, w1 and w2 to these workqueues at 0; returns the events and what the trace says of each item."""
        with self.machine.trace() as trace:
            for queue, work in zip(queues, self.works, strict=True):
                queue.queue(work)
            self.machine.run()
        names = {"workqueue_execute_start": "start", "workqueue_execute_end": "end"}
        numbers = {}
        traced = []
        for event in trace:
            if event.name in names:
                number = numbers.setdefault(event.fields["work"], f"w{len(numbers)}")
                traced.append(f"{event.time_ns // 1_000_000} {number} {names[event.name]}")
        return "; ".join(self.events), "; ".join(traced)


ORIGINAL = "0 w0 S; 5 w0 Z; 15 w0 W; 20 w0 F; 20 w1 S; 25 w1 Z; 35 w1 WF; 35 w2 S; 40 w2 Z; 50 w2 WF"
MANAGED = "0 w0 S; 5 w0 Z; 5 w1 S; 10 w1 Z; 10 w2 S; 15 w2 Z; 15 w0 W; 20 w0 F; 20 w1 WF; 25 w2 WF"
TWO_ACTIVE = "0 w0 S; 5 w0 Z; 5 w1 S; 10 w1 Z; 15 w0 W; 20 w0 F; 20 w1 WF; 20 w2 S; 25 w2 Z; 35 w2 WF"
INTENSIVE = "0 w0 S; 5 w0 Z; 5 w1 S; 5 w2 S; 10 w1 Z; 15 w2 Z; 15 w0 W; 20 w0 F; 20 w1 WF; 25 w2 WF"
ENDS_20_35_50 = "0 w0 start; 20 w0 end; 20 w1 start; 35 w1 end; 35 w2 start; 50 w2 end"


def test_12_14_scenario_a_the_original_workqueue(one):
    """One item at a time, in order: asleep, it holds up all others."""
    wq = one.alloc_ordered_workqueue("original")
    assert Scenario(one).run(wq, wq, wq) == (ORIGINAL, ENDS_20_35_50)


def test_12_14_scenario_a_by_max_active(one):
    """max_active 1 is the same."""
    wq = one.alloc_workqueue("q0", max_active=1)
    assert Scenario(one).run(wq, wq, wq) == (ORIGINAL, ENDS_20_35_50)


@pytest.mark.parametrize("max_active", [3, 4, 0])
def test_12_14_scenario_b_concurrency_managed(one, max_active):
    """An item that sleeps lets the next one start."""
    wq = one.alloc_workqueue("q0", max_active=max_active)
    events, traced = Scenario(one).run(wq, wq, wq)
    assert events == MANAGED
    assert traced == "0 w0 start; 5 w1 start; 10 w2 start; 20 w0 end; 20 w1 end; 25 w2 end"


def test_12_14_scenario_c_two_active(one):
    """With max_active 2 the third waits until one has ended; what wakes at that instant comes before it."""
    wq = one.alloc_workqueue("q0", max_active=2)
    events, traced = Scenario(one).run(wq, wq, wq)
    assert events == TWO_ACTIVE
    assert traced == "0 w0 start; 5 w1 start; 20 w0 end; 20 w1 end; 20 w2 start; 35 w2 end"


def test_12_14_scenario_d_cpu_intensive(one):
    """CPU-intensive items do not hold up the start of others."""
    q0, q1 = one.alloc_workqueue("q0"), one.alloc_workqueue("q1", bh.WQ.CPU_INTENSIVE)
    events, traced = Scenario(one).run(q0, q1, q1)
    assert events == INTENSIVE
    assert traced == "0 w0 start; 5 w1 start; 5 w2 start; 20 w0 end; 20 w1 end; 25 w2 end"


def test_scenario_unbound_on_three_cpus():
    """Unbound items run side by side where there are CPUs."""
    with bh.Machine(cpus=3, simulated=True) as machine:
        wq = machine.alloc_workqueue("u", bh.WQ.UNBOUND)
        events, _ = Scenario(machine).run(wq, wq, wq)
    expected = "0 w0 S; 0 w1 S; 0 w2 S; 5 w0 Z; 5 w1 Z; 5 w2 Z; 15 w0 W; 15 w1 WF; 15 w2 WF; 20 w0 F"
    assert sorted(events.split("; ")) == sorted(expected.split("; "))


# --- timers at virtual jiffies ---------------------------------------------------------------------------------------

VECTORS = [
    (0, 1), (1, 2), (10, 11), (62, 63), (63, 64), (64, 72), (100, 104), (503, 504), (504, 512), (512, 576),
    (1000, 1024), (4031, 4032), (4032, 4096), (5000, 5120), (32256, 32768), (60000, 61440),
    (300000, 327680), (2000000000, 1056964608),
]  # fmt: skip


def fires_at(machine, expires):
    """At which jiffy a timer fires that is armed now for that one."""
    fired = []
    timer = timer_list()
    timer_setup(timer, lambda _: fired.append(jiffies()))
    mod_timer(timer, expires)
    machine.run(until=lambda: fired)
    return fired[0]


@pytest.mark.parametrize(("expires", "fires"), VECTORS)
def test_12_23_timer_vectors(one, expires, fires):
    """Which jiffy the wheel rounds to, from jiffy 0 at HZ 1000."""
    assert one.jiffies == 0
    assert fires_at(one, expires) == fires == one.jiffies


@pytest.mark.parametrize(("expires", "fires"), [(250, 256), (1250, 1280)])
def test_12_23_timer_vectors_at_hz_250(expires, fires):
    """One second and five at HZ 250."""
    with bh.Machine(cpus=1, hz=250, simulated=True) as machine:
        assert fires_at(machine, expires) == fires
        assert machine.now == fires / 250


@pytest.mark.parametrize(("delta", "fires"), [(1, 12347), (100, 12448), (1000, 13376), (5000, 17408)])
def test_12_23_timer_vectors_from_a_later_clock(one, delta, fires):
    """The wheel counts its granules from jiffy 0, not from now."""
    one.run(until=12.345)
    assert one.jiffies == 12345
    assert fires_at(one, 12345 + delta) == fires


def test_12_23_timers_of_one_bucket_fire_last_armed_first(one):
    """Order within a jiffy."""
    order = []
    timers = [bh.Timer(lambda _, n=n: order.append(n)) for n in range(3)]
    for timer in timers:
        timer.mod(0.010)
    one.run()
    assert order == [2, 1, 0]


# --- virtual time ----------------------------------------------------------------------------------------------------


def test_nothing_runs_until_the_caller_waits(two):
    """First in, first out: queued is queued, and time stands still."""
    ran = []
    work = bh.Work(lambda _: ran.append(two.now))
    assert work.schedule(cpu=1)
    assert (ran, work.pending, two.now_ns) == ([], True, 0)
    work.flush()
    assert (ran, work.pending, two.now_ns) == ([0.0], False, 0)


def test_a_delay_of_five_seconds(one):
    """It fires when the wheel says, and nobody waited in earnest."""
    times = []
    later = bh.DelayedWork(lambda _: times.append(one.now))
    later.schedule(5.0)
    one.run()
    assert times == [5.12]


def test_a_delay_of_five_seconds_flushed(one):
    """flush does not wait for the timer."""
    times = []
    later = bh.DelayedWork(lambda _: times.append(one.now))
    later.schedule(5.0)
    assert later.flush()
    assert times == [0.0] and one.now == 0.0


def test_a_virtual_day_at_one_hertz(one):
    """An item that re-arms itself for a second later, for a day: a second is 1.024 s by the wheel."""
    times = []

    def tick(work):
        times.append(one.now_ns)
        work.schedule(1.0)

    clock = bh.DelayedWork(tick)
    clock.schedule(1.0)
    one.run(until=86400.0)
    assert one.now == 86400.0
    assert times == [1_024_000_000 * n for n in range(1, len(times) + 1)]
    assert len(times) in (84374, 84375)  # the last is due at the very instant at which the run ends
    clock.cancel_sync()


def test_sleeps_are_exact(two):
    """bh.sleep is no timer of the wheel; sleeps of several tasks overlap."""
    ends = []

    def sleeper(seconds):
        bh.sleep(seconds)
        ends.append(two.now_ns)

    tasks = [two.spawn(sleeper, seconds) for seconds in (0.3, 1e-9, 2.000000001)]
    for task in tasks:
        task.join()
    assert ends == [1, 300_000_000, 2_000_000_001]


def test_timeouts_are_virtual_and_exact(two):
    """A wait of a week that times out, at once."""
    with pytest.raises(TimeoutError):
        bh.Completion().wait(timeout=WEEK)
    assert two.now == WEEK


def test_run_until_an_instant(two):
    """Everything due before it has happened; the clock stands at it, also when nothing is due."""
    times = []
    for delay in (0.010, 0.020):
        bh.DelayedWork(lambda _: times.append(two.now_ns // 1_000_000)).schedule(delay)
    two.run(until=0.015)
    assert (times, two.now) == ([11], 0.015)
    two.run(until=0.010)  # has passed
    assert two.now == 0.015
    two.run()
    assert times == [11, 21]
    two.run(until=3.0)
    assert two.now == 3.0


def test_run_until_a_predicate(two):
    """It is left at the instant at which the predicate came true."""
    seen = []
    for delay in (0.010, 0.020, 0.030):
        bh.DelayedWork(lambda _: seen.append(two.now)).schedule(delay)
    two.run(until=lambda: len(seen) == 2)
    assert seen == [0.011, 0.021] and two.now == 0.021


def test_run_until_what_never_comes(two):
    """Nothing is left to happen: not a hang but an error."""
    bh.DelayedWork(lambda _: None).schedule(1.0)
    with pytest.raises(bh.DeadlockError, match="the predicate does not hold"):
        two.run(until=lambda: False)
    assert two.now >= 1.0


def test_run_has_a_budget(two):
    """Too many steps: the error names the busiest item."""

    def again(work):
        work.schedule()

    busy = bh.Work(again, name="busy_bee")
    busy.schedule()
    with pytest.raises(bh.BudgetExceeded, match="busy_bee"):
        two.run(max_steps=500)
    busy.cancel_sync()
    two.run(max_steps=500)


def test_settle_looks_ahead_as_far_as_told(two):
    """What is due within the horizon happens, what is due later does not."""
    times = []
    for delay in (0.5, 10.0):
        bh.DelayedWork(lambda _: times.append(two.now)).schedule(delay)
    two.settle()
    assert times == [0.504]
    two.settle(horizon=20.0)
    assert times == [0.504, 10.24]


def test_settle_leaves_what_waits(two):
    """An item that waits for the caller is settled."""
    gate, passed = bh.Completion(), []
    work = bh.Work(lambda _: (gate.wait(), passed.append(True)))
    work.schedule()
    two.settle()
    assert work.busy == bh.Busy.RUNNING and not passed
    gate.complete()
    two.settle()
    assert passed


def test_a_device_comes_at_its_instant(two):
    """m.at: hard-interrupt context, on the named CPU, in the order of the calls within an instant."""
    seen = []

    def device(name):
        seen.append((name, two.now_ns, bh.in_hardirq(), bh.smp_processor_id()))

    two.at(0.002, lambda: device("late"), cpu=1)
    two.at(0.001, lambda: device("first"))
    two.at(0.001, lambda: device("second"))
    two.run()
    assert seen == [
        ("first", 1_000_000, True, 0),
        ("second", 1_000_000, True, 0),
        ("late", 2_000_000, True, 1),
    ]


def test_a_device_waits_for_an_interrupt_that_another_cpu_runs(two):
    """fire(cpu=0) by a task of CPU 1 takes CPU 0's interrupt context: a device's interrupt there comes after."""
    seen = []

    def slow(line):
        bh.burn(0.002)
        seen.append(("fired", two.now))
        return bh.IrqReturn.HANDLED

    action = two.irq(5).request(slow)
    two.at(0.001, lambda: seen.append(("device", two.now)))
    with two.on_cpu(1):
        two.irq(5).fire(cpu=0)
    two.run()
    action.free()
    assert [name for name, _ in seen] == ["fired", "device"]
    assert seen[0][1] == 0.002 <= seen[1][1] < 0.0021


def test_a_device_of_the_past_is_refused(two):
    """Nothing has happened after the refusal."""
    bh.sleep(1.0)
    with pytest.raises(ValueError, match=r"seconds=0\.5 has passed"):
        two.at(0.5, lambda: pytest.fail("ran"))
    with pytest.raises(ValueError, match="cpu=2 is out of range"):
        two.at(2.0, lambda: pytest.fail("ran"), cpu=2)
    with pytest.raises(TypeError, match="fn"):
        two.at(2.0, lambda argument: pytest.fail("ran"))
    two.run()


def test_what_a_device_raises_is_served_on_the_way_out(two):
    """hard interrupt, softirq, then the task that was interrupted; the kworker later."""
    order = []
    work = bh.Work(lambda _: order.append(("work", two.now_ns)))
    tasklet = bh.Tasklet(lambda _: (order.append(("tasklet", two.now_ns)), work.schedule()))
    two.at(0.001, lambda: (order.append(("irq", two.now_ns)), tasklet.schedule()))
    bh.burn(0.005)
    order.append(("burnt", two.now_ns))
    two.run()
    assert [name for name, _ in order] == ["irq", "tasklet", "burnt", "work"]
    assert [time for _, time in order] == [1_000_000, 1_000_000, 5_000_000, 5_000_000]


def test_12_21_softirqs_are_served_ten_times_on_the_way_out(one):
    """A softirq that raises itself: ten passes after the interrupt, the rest in ksoftirqd when the task lets go."""
    tasks = []

    def receive():
        tasks.append(bh.current_task().name)
        if len(tasks) < 25:
            one.raise_softirq(bh.Softirq.NET_RX)

    one.open_softirq(bh.Softirq.NET_RX, receive)
    one.at(0.001, lambda: one.raise_softirq(bh.Softirq.NET_RX))
    bh.burn(0.002)
    assert tasks == ["init"] * 10
    one.run()
    assert tasks == ["init"] * 10 + ["ksoftirqd/0"] * 15


def test_burn_is_interrupted_at_the_exact_instant(two):
    """What the interrupt takes, the burn has left afterwards; another CPU's burn is not touched."""
    seen = []

    def device():
        seen.append(two.now_ns)
        bh.burn(0.002)
        seen.append(two.now_ns)

    def other():
        bh.burn(0.010)
        seen.append(two.now_ns)

    two.at(0.003123456, device)
    task = two.spawn(other, cpu=1)
    bh.burn(0.010)
    seen.append(two.now_ns)
    task.join()
    assert seen == [3_123_456, 5_123_456, 10_000_000, 12_000_000]


def test_burns_of_two_cpus_overlap_and_of_one_do_not(two):
    """A CPU is one CPU."""
    ends = []

    def burner(name):
        bh.burn(0.004)
        ends.append((name, ms(two)))

    tasks = [two.spawn(burner, name, cpu=cpu) for name, cpu in (("a", 0), ("b", 0), ("c", 1))]
    for task in tasks:
        task.join()
    assert sorted(ends) == [("a", 4), ("b", 8), ("c", 4)]


def test_high_priority_preempts_a_burn(one):
    """A worker of a higher level gets the CPU when it comes, and the burn goes on afterwards."""
    order = []
    urgent = bh.Work(lambda _: order.append(("urgent", ms(one))))
    long = bh.Work(lambda _: (bh.burn(0.005), order.append(("long", ms(one)))))
    long.schedule()
    one.at(0.002, lambda: one.system_highpri_wq.queue(urgent))
    one.run()
    assert order == [("urgent", 2), ("long", 5)]


def test_a_polling_loop_lets_time_pass(two):
    """cpu_relax costs a microsecond of virtual time, so that what is polled for can come."""
    later = bh.DelayedWork(lambda _: flag.append(True))
    flag = []
    later.schedule(0.001)
    polls = 0
    while not flag:
        bh.cpu_relax()
        polls += 1
    assert polls in (2000, 2001)  # at 2 ms the item is due, and runs when the loop looks away once more
    assert two.now_ns == 1000 * polls


def test_on_cpu(two):
    """The caller counts as running there: per-CPU work goes to that CPU."""
    cpus = []
    work = bh.Work(lambda _: cpus.append(bh.smp_processor_id()))
    assert bh.smp_processor_id() == 0
    with two.on_cpu(1):
        assert bh.smp_processor_id() == 1
        work.schedule()
    assert bh.smp_processor_id() == 0
    work.flush()
    assert cpus == [1]


def test_the_default_is_four_cpus():
    """Whatever this host has."""
    with bh.Machine(simulated=True) as machine:
        assert (machine.cpus, machine.simulated, machine.now) == (4, True, 0.0)


def test_results_of_futures_run_the_machine(two):
    """result(), exception(), wait and as_completed; a worker that waits lets another start."""

    def tree(depth):
        return 1 if depth == 0 else sum(f.result() for f in [bh.submit(tree, depth - 1) for _ in range(2)])

    assert bh.submit(tree, 5).result() == 32
    assert isinstance(bh.submit(lambda: 1 // 0).exception(), ZeroDivisionError)
    futures = [bh.submit(bh.sleep, seconds) for seconds in (0.2, 0.1)]
    assert list(bh.as_completed(futures)) == futures[::-1]
    assert two.now == 0.2
    slow = bh.submit(bh.sleep, 60.0)
    with pytest.raises(TimeoutError):
        slow.result(timeout=1.0)
    assert two.now == 1.2
    done, pending = bh.wait([slow])
    assert (done, pending) == ({slow}, set()) and two.now == 60.2


# --- whose machine it is ---------------------------------------------------------------------------------------------

CALLS = {
    "queue": lambda machine: machine.system_wq.queue(bh.Work(lambda _: None)),
    "run": lambda machine: machine.run(),
    "sleep": lambda machine: machine.sleep(0.1),
    "spawn": lambda machine: machine.spawn(lambda: None),
    "halt": lambda machine: machine.halt(),
    "enter": lambda machine: machine.__enter__(),
    "alloc_workqueue": lambda machine: machine.alloc_workqueue("other"),
    "fire": lambda machine: machine.irq(3).fire(),
    "at": lambda machine: machine.at(1.0, lambda: None),
}


@pytest.mark.parametrize("call", CALLS)
def test_another_thread_is_refused(two, call):
    """A simulated machine belongs to the thread that booted it; afterwards it works as before."""
    raised = []

    def intruder():
        try:
            CALLS[call](two)
        except bh.BottomHalfError as error:
            raised.append(error)

    thread = threading.Thread(target=intruder)
    thread.start()
    thread.join()
    assert [type(error) for error in raised] == [bh.WrongThread]
    assert two.name in str(raised[0])
    assert bh.submit(lambda: "fine").result() == "fine"


def test_only_the_booter_runs_the_machine(two):
    """A handler that ran it would wait for itself; nothing has happened after the refusal."""
    for call in (two.run, lambda: two.run(until=3.0)):
        with pytest.raises(bh.Unsupported, match="only the thread that booted the machine can run it"):
            two.system_wq.submit(call).result()
    with pytest.raises(bh.DeadlockError, match="halt it from outside"):
        two.system_wq.submit(two.halt).result()
    assert two.now == 0.0


def test_a_forked_child_boots_its_own():
    """The parent's machine is halted there; in the parent it goes on."""
    done = python(
        "import os, bottomhalf as bh\n"
        "m = bh.Machine(cpus=2, simulated=True)\n"
        "with m:\n"
        "    task = m.spawn(bh.sleep, 1.0)\n"
        "    bh.sleep(0.5)\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        try:\n"
        "            m.run()\n"
        "        except bh.MachineHalted:\n"
        "            with bh.Machine(cpus=2, simulated=True) as own:\n"
        "                os._exit(own.system_wq.submit(lambda: 7).result())\n"
        "        os._exit(1)\n"
        "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7\n"
        "    task.join()\n"
        "    print(m.now)\n"
    )
    assert done.stdout == "1.0\n"


def test_machines_in_turns():
    """Several simulated machines in one thread, each with its own time and tasks, interleaved as one likes."""
    machines = [bh.Machine(cpus=1, simulated=True, name=f"turn{n}") for n in range(3)]
    ran = []
    works = []
    for machine in machines:
        with machine.trace():
            pass
        work = bh.Work(lambda _: (bh.sleep(1.0), ran.append(bh.current_machine().name)))
        machine.system_wq.queue(work)
        works.append(work)
    machines[1].run(until=0.5)
    machines[2].run()
    machines[0].run(until=0.25)
    assert [machine.now for machine in machines] == [0.25, 0.5, 1.0]
    assert ran == ["turn2"]
    machines[2].halt()
    machines[0].run()
    machines[1].run()
    assert ran == ["turn2", "turn0", "turn1"]
    for machine in machines:
        machine.halt()


def test_machines_within_machines():
    """The innermost `with` is the current one; a handler's machine is its own."""
    with bh.Machine(cpus=1, simulated=True, name="outer") as outer:
        with bh.Machine(cpus=1, simulated=True, name="inner") as inner:
            assert bh.current_machine() is inner
            assert outer.system_wq.submit(lambda: bh.current_machine().name).result() == "outer"
            bh.sleep(1.0)
            assert (outer.now, inner.now) == (0.0, 1.0)
        assert bh.current_machine() is outer
        bh.sleep(2.0)
        assert outer.now == 2.0


def test_beside_a_host_machine(two):
    """A host machine in the same thread goes on with its real threads."""
    with bh.Machine(cpus=1) as host:
        assert host.system_wq.submit(lambda: bh.current_machine().simulated).result() is False
    assert two.system_wq.submit(lambda: bh.current_machine().simulated).result() is True


def test_halting_unwinds_what_waits():
    """MachineExit is raised in every parked task, so that `finally` runs."""
    unwound = []

    def waits(name):
        try:
            bh.Completion().wait()
        except bh.MachineExit:
            unwound.append(name)
            raise
        finally:
            unwound.append("finally")

    machine = bh.Machine(cpus=2, simulated=True)
    with machine:
        for name in ("a", "b"):
            machine.spawn(waits, name)
        bh.sleep(1.0)
        assert unwound == []
        machine.halt("cancel")
    assert sorted(unwound) == ["a", "b", "finally", "finally"]


@pytest.mark.skipif(FIBERS_ARE_THREADS, reason="Python's signals reach its main thread only")
def test_a_signal_in_a_handler_reaches_the_booter(two):
    """Ctrl-C while a handler computes: KeyboardInterrupt, with the handler in its traceback, where it is run."""

    def handler(work):
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on after Ctrl-C")

    work = bh.Work(handler)
    work.schedule()
    with pytest.raises(KeyboardInterrupt) as caught:
        work.flush()
    assert "handler" in [entry.name for entry in caught.traceback]
    assert two.system_wq.submit(lambda: "fine").result() == "fine"


def test_a_machine_that_nobody_refers_to_is_halted():
    """With a warning; what waits in its tasks is unwound."""
    unwound = []

    def waits():
        try:
            bh.Completion().wait()
        except bh.MachineExit:
            unwound.append(True)
            raise

    machine = bh.Machine(cpus=1, simulated=True)
    machine.spawn(waits)
    machine.run(until=1.0)
    with pytest.warns(ResourceWarning, match="was not halted"):
        del machine
        gc.collect()
    assert unwound == [True]


# --- Python's own state across switches ------------------------------------------------------------------------------


def run_all(machine, *functions):
    """Each function in a task of its own on CPU 0; returns their results."""
    tasks = [machine.spawn(function, cpu=0) for function in functions]
    return [task.join() for task in tasks]


def test_exceptions_in_flight(two):
    """What a task is just handling is its own, in `except` and in `finally`."""

    def handling(error, seconds):
        def body():
            try:
                raise error
            except Exception:
                before = sys.exc_info()[1]
                bh.sleep(seconds)
                after = sys.exc_info()[1]
                try:
                    raise KeyError("inner")
                except KeyError as inner:
                    bh.sleep(seconds)
                    context = inner.__context__
            assert sys.exc_info() == (None, None, None)
            return before is error and after is error and context is error

        return body

    assert run_all(two, *(handling(ValueError(n), 0.001 * (n + 1)) for n in range(4))) == [True] * 4
    assert sys.exc_info() == (None, None, None)


def test_reraising_after_a_switch(two):
    """A bare `raise` after others have raised in between."""

    def body(n):
        try:
            raise ValueError(n)
        except ValueError:
            bh.sleep(0.001)
            raise

    tasks = [two.spawn(body, n, cpu=0) for n in range(3)]
    for n, task in enumerate(tasks):
        with pytest.raises(ValueError, match=f"^{n}$") as caught:
            task.join()
        assert "body" in [entry.name for entry in caught.traceback]


def test_generators_across_switches(two):
    """A generator may be left in one task and taken up in another; entered twice it says so."""

    def numbers():
        for n in range(4):
            bh.sleep(0.001)
            yield n, bh.current_task().pid

    shared = numbers()
    taken = []

    def take():
        taken.append(next(shared))

    for _ in range(4):
        two.spawn(take).join()
    assert [n for n, _ in taken] == [0, 1, 2, 3]
    assert len({pid for _, pid in taken}) == 4

    shared = numbers()
    first = two.spawn(next, shared)
    bh.sleep(0.0005)
    with pytest.raises(ValueError, match="generator already executing"):
        next(shared)
    assert first.join()[0] == 0


def test_context_variables_are_per_task(two):
    """As in threads: a task begins with an empty context, and what it sets is its own."""
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("caller's")

    def body(value):
        def task():
            before = variable.get()
            variable.set(value)
            bh.sleep(0.001)
            return before, variable.get()

        return task

    assert run_all(two, body("a"), body("b")) == [("unset", "a"), ("unset", "b")]
    assert variable.get() == "caller's"

    def in_a_copy():
        context = contextvars.copy_context()
        context.run(lambda: (variable.set("inner"), bh.sleep(0.001)))
        return variable.get(), context[variable]

    assert run_all(two, in_a_copy, in_a_copy) == [("unset", "inner")] * 2


def test_thread_locals_are_per_task(two):
    """threading.local: each task has its own, and the caller keeps his."""
    local = threading.local()
    local.value = "caller's"

    def body(value):
        def task():
            had = hasattr(local, "value")
            local.value = value
            bh.sleep(0.001)
            return had, local.value

        return task

    assert run_all(two, body(1), body(2)) == [(False, 1), (False, 2)]
    assert local.value == "caller's"


def test_thread_locals_of_ended_tasks_are_freed():
    """What a task kept there goes with it."""

    class Kept:
        pass

    references = []
    local = threading.local()

    def body():
        local.value = Kept()
        references.append(weakref.ref(local.value))

    with bh.Machine(cpus=1, simulated=True) as machine:
        machine.spawn(body).join()
    gc.collect()
    assert [reference() for reference in references] == [None]


def _python_forever(n):
    return _python_forever(n + 1)


def _c_forever(n):
    return max([n], key=lambda _: _c_forever(n + 1))


@pytest.mark.parametrize("forever", [_python_forever, _c_forever])
def test_deep_recursion(two, forever):
    """RecursionError in the task that recurses, whether or not it takes C stack; the others have their own depth."""

    def deep(n):
        if n == 0:
            bh.sleep(0.001)
            return 0
        return 1 + deep(n - 1)

    def task():
        with pytest.raises(RecursionError):
            forever(0)
        return deep(300)

    # Together deeper than the limit of one.
    assert sys.getrecursionlimit() < 8 * 300
    assert run_all(two, *[task] * 8) == [300] * 8


def test_recursion_error_of_a_handler_is_an_error_like_any_other(two, unraisable):
    """The worker lives on."""

    def forever(work):
        forever(work)

    work = bh.Work(forever)
    work.schedule()
    work.flush()
    assert isinstance(work.exception, RecursionError)
    assert [type(error) for error, _, _ in unraisable] == [RecursionError]
    assert two.system_wq.submit(lambda: "fine").result() == "fine"


def test_garbage_collection_across_switches(two):
    """What only parked tasks refer to survives; cycles of ended ones go."""

    class Node:
        pass

    references = {}

    def keeps(name, seconds):
        def task():
            node = Node()
            node.cycle = node
            references[name] = weakref.ref(node)
            bh.sleep(seconds)
            return node.cycle is node

        return task

    tasks = [two.spawn(keeps(name, seconds)) for name, seconds in (("short", 0.001), ("long", 0.003))]
    bh.sleep(0.002)
    gc.collect()
    assert references["short"]() is None
    assert references["long"]() is not None
    assert [task.join() for task in tasks] == [True, True]
    gc.collect()
    assert references["long"]() is None


def test_a_finaliser_may_use_the_machine(two):
    """__del__ in the middle of a collection queues an item."""
    ran = []
    work = bh.Work(lambda _: ran.append(True))

    class Finalised:
        def __del__(self):
            work.schedule()

    node = Finalised()
    node.cycle = node
    del node
    gc.collect()
    work.flush()
    assert ran == [True]


def test_a_trace_function_sees_its_task_only(two):
    """sys.settrace is a matter of one thread state."""
    seen = []

    def traced():
        def tracer(frame, event, argument):
            seen.append(frame.f_code.co_name)
            return tracer

        before = sys.gettrace()
        sys.settrace(tracer)
        try:
            bh.sleep(0.001)
            marked()
        finally:
            sys.settrace(before)

    def marked():
        return None

    def untraced():
        bh.sleep(0.0005)
        not_marked()

    def not_marked():
        return None

    run_all(two, traced, untraced)
    assert "marked" in seen and "not_marked" not in seen


def test_the_traceback_of_a_task_ends_in_the_task(two):
    """It shows the handler's frames, not those of whoever happened to run before."""

    def inner():
        bh.sleep(0.001)
        raise ValueError("inner")

    with pytest.raises(ValueError, match="inner") as caught:
        two.spawn(inner).join()
    names = [entry.name for entry in caught.traceback]
    assert names[-1] == "inner" and names.count("inner") == 1


def test_many_tasks_at_once(two):
    """A thousand stacks, each with a frame that waits."""
    gate = bh.Completion()
    tasks = [two.spawn(lambda n=n: (gate.wait(), n)[1]) for n in range(1000)]
    bh.sleep(0.001)
    gate.complete_all()
    assert sum(task.join() for task in tasks) == sum(range(1000))


def test_other_threads_of_python_go_on():
    """Threads that want the interpreter's lock get it in the middle of a task, and what they do is not disturbed."""
    done = python(
        "import threading, bottomhalf as bh\n"
        "sys.setswitchinterval(1e-5)\n"
        "stop, counts = threading.Event(), []\n"
        "def count():\n"
        "    n = 0\n"
        "    while not stop.is_set():\n"
        "        n += 1\n"
        "    counts.append(n)\n"
        "threads = [threading.Thread(target=count) for _ in range(2)]\n"
        "for thread in threads:\n"
        "    thread.start()\n"
        "def program(machine):\n"
        "    def handler(work):\n"
        "        for _ in range(3):\n"
        "            sum(range(50))\n"
        "            bh.cond_resched()\n"
        "    works = [bh.Work(handler) for _ in range(4)]\n"
        "    for index, work in enumerate(works):\n"
        "        work.schedule(cpu=index % 2)\n"
        "    bh.sleep(0.001)\n"
        "for preempt_python in (None, 'line', 'opcode'):\n"
        "    print(bh.explore(program, schedules=100, preempt_python=preempt_python))\n"
        "stop.set()\n"
        "for thread in threads:\n"
        "    thread.join()\n"
        "print(all(counts), len(counts))\n"
    )
    assert done.stdout == "100 schedules: no failure\n" * 3 + "True 2\n"


def test_interpreter_exit_with_a_machine_left_open():
    """It drains like any other machine."""
    done = python(
        "import bottomhalf as bh\n"
        "m = bh.Machine(cpus=2, simulated=True)\n"
        "w = bh.Work(lambda w: print('drained'))\n"
        "m.system_wq.queue(w)\n"
    )
    assert done.stdout == "drained\n" and done.stderr == ""


@pytest.mark.parametrize(
    "body",
    ["while True: sum(range(100))", "while True: bh.sleep(1e-3)", "while True: bh.cond_resched()", "gate.acquire()"],
    ids=["computing", "sleeping", "polling", "blocking"],
)
def test_interpreter_exit_under_a_daemon_thread(body):
    """A daemon thread that runs a machine goes with the interpreter, wherever it is, and quietly."""
    done = python(
        "import threading\n"
        "import bottomhalf as bh\n"
        "gate, started = threading.Lock(), threading.Event()\n"
        "gate.acquire()\n"
        "def run():\n"
        "    m = bh.Machine(cpus=2, simulated=True)\n"
        "    def handler(w):\n"
        "        started.set()\n"
        f"        {body}\n"
        "    works = [bh.Work(handler) for _ in range(2)]\n"
        "    for cpu, w in enumerate(works): m.system_wq.queue(w, cpu=cpu)\n"
        "    works[0].flush()\n"
        "threading.Thread(target=run, daemon=True).start()\n"
        "started.wait()\n"
        "print('over')\n",
        check=False,
    )
    assert (done.stdout, done.returncode) == ("over\n", 0)
