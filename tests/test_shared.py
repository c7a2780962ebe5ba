"""bh.Shared: accesses that nothing orders are reported, whatever the schedule; each ordering that the engine gives is
known."""

from __future__ import annotations

import copy
import gc
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bottomhalf as bh

RACE = "data race on shared cell 'cell'"


def race_of(program, **options):
    """The race that one run first in, first out reports, or None."""
    report = bh.explore(program, strategy=bh.schedules.Fifo(), schedules=1, **options)
    if report.failure is not None:
        assert isinstance(report.failure, bh.MisuseError), str(report)
        assert report.failure.rule == "data-race"
        return str(report.failure)
    return None


def add(cell):
    cell.value = cell.value + 1


# --- one edge each: program(machine, ordered) ---


def queue_before_run(machine, ordered):
    cell = bh.Shared(0, name="cell")
    item = bh.Work(lambda work: add(cell))
    if ordered:
        add(cell)
    item.schedule()
    if not ordered:
        add(cell)
    item.flush()


def run_before_flush(machine, ordered):
    cell = bh.Shared(0, name="cell")
    item = bh.Work(lambda work: add(cell))
    item.schedule()
    if ordered:
        item.flush()
    else:
        machine.sleep(1)
    add(cell)


def run_before_cancel_sync(machine, ordered):
    cell = bh.Shared(0, name="cell")
    item = bh.Work(lambda work: add(cell))
    item.schedule()
    machine.sleep(1)
    if ordered:
        item.cancel_sync()
    else:
        item.cancel()
    add(cell)


def run_before_flush_of_the_workqueue(machine, ordered):
    cell = bh.Shared(0, name="cell")
    mine, other = machine.alloc_workqueue("mine"), machine.alloc_workqueue("other")
    mine.queue(bh.Work(lambda work: add(cell)))
    (mine if ordered else other).flush()
    if not ordered:
        machine.sleep(1)
    add(cell)


def run_before_its_next_run(machine, ordered):
    cell = bh.Shared(0, name="cell")
    items = [bh.Work(lambda work: add(cell), name=f"item{i}") for i in range(2)]
    for turn in range(2):
        items[0 if ordered else turn].schedule()
        machine.sleep(1)


def items_of_an_ordered_workqueue(machine, ordered):
    cell = bh.Shared(0, name="cell")
    wq = machine.alloc_ordered_workqueue("line") if ordered else machine.alloc_workqueue("crowd", bh.WQ.UNBOUND)
    for _ in range(2):
        wq.queue(bh.Work(lambda work: add(cell)))
    wq.flush()


def items_of_max_active_one(machine, ordered):
    cell = bh.Shared(0, name="cell")
    wq = machine.alloc_workqueue("one", max_active=1 if ordered else 2)
    for _ in range(2):
        wq.queue(bh.Work(lambda work: add(cell)), cpu=0)
    wq.flush()


def delayed_work_before_flush(machine, ordered):
    cell = bh.Shared(0, name="cell")
    item = bh.DelayedWork(lambda work: add(cell))
    add(cell)
    item.schedule(0.01)
    machine.sleep(1)
    if ordered:
        item.flush()
    add(cell)


def mutex(machine, ordered):
    cell, lock, other = bh.Shared(0, name="cell"), bh.Mutex(), bh.Mutex()

    def locked(lock):
        with lock:
            add(cell)

    item = bh.Work(lambda work: locked(lock))
    item.schedule()
    machine.sleep(1)
    locked(lock if ordered else other)


def spin_lock(machine, ordered):
    cell, lock, other = bh.Shared(0, name="cell"), bh.SpinLock(), bh.SpinLock()

    def locked(lock):
        with lock:
            add(cell)

    item = bh.Work(lambda work: locked(lock))
    item.schedule(cpu=1)
    machine.sleep(1)
    locked(lock if ordered else other)


def completion(machine, ordered):
    cell, done = bh.Shared(0, name="cell"), bh.Completion()

    def handler(work):
        if ordered:
            add(cell)
        done.complete()
        if not ordered:
            add(cell)

    bh.Work(handler).schedule()
    done.wait()
    add(cell)
    machine.sleep(1)


def wake_up(machine, ordered):
    cell, queue, ready = bh.Shared(0, name="cell"), bh.WaitQueue(), []

    def handler(work):
        add(cell)
        ready.append(True)
        if ordered:
            queue.wake_up()

    bh.Work(handler).schedule()
    if ordered:
        queue.wait_event(lambda: ready)
    else:
        machine.sleep(1)
    add(cell)


def flag(machine, ordered):
    cell, ready = bh.Shared(0, name="cell"), bh.Shared(False, name="ready")

    def handler(work):
        if ordered:
            add(cell)
        ready.store_release(True)
        if not ordered:
            add(cell)

    bh.Work(handler).schedule(cpu=1)
    while not ready.load_acquire():
        bh.cpu_relax()
    add(cell)
    machine.sleep(1)


def spawn_and_join(machine, ordered):
    cell = bh.Shared(0, name="cell")
    if ordered:
        add(cell)
    task = machine.spawn(add, cell)
    if ordered:
        task.join()
    add(cell)
    task.join()


def result_of_a_future(machine, ordered):
    cell = bh.Shared(0, name="cell")
    add(cell)
    future = machine.system_managed_wq.submit(add, cell)
    if ordered:
        future.result()
    else:
        machine.sleep(1)
    add(cell)


def tasklet_schedule(machine, ordered):
    cell = bh.Shared(0, name="cell")
    tasklet = bh.Tasklet(lambda t: add(cell))
    if ordered:
        add(cell)
    tasklet.schedule()
    if not ordered:
        add(cell)
    machine.sleep(1)
    tasklet.kill()


def tasklet_kill(machine, ordered):
    cell = bh.Shared(0, name="cell")
    tasklet = bh.Tasklet(lambda t: add(cell))
    tasklet.schedule()
    machine.sleep(1)
    if ordered:
        tasklet.kill()
    add(cell)


def tasklet_disabled(machine, ordered):
    cell = bh.Shared(0, name="cell")
    tasklet = bh.Tasklet(lambda t: add(cell))
    tasklet.schedule()
    machine.sleep(1)
    tasklet.disable() if ordered else tasklet.disable_nosync()
    add(cell)
    tasklet.enable()
    tasklet.schedule()
    tasklet.kill()


def timer_armed(machine, ordered):
    cell = bh.Shared(0, name="cell")
    timer = bh.Timer(lambda t: add(cell))
    if ordered:
        add(cell)
    timer.mod(0.01)
    if not ordered:
        add(cell)
    machine.sleep(1)


def timer_delete_sync(machine, ordered):
    cell = bh.Shared(0, name="cell")
    timer = bh.Timer(lambda t: add(cell))
    timer.mod(0.01)
    machine.sleep(1)
    timer.delete_sync() if ordered else timer.delete()
    add(cell)


def bottom_halves_off(machine, ordered):
    cell = bh.Shared(0, name="cell")
    timer = bh.Timer(lambda t: add(cell))
    timer.mod(0.01)
    machine.sleep(1)
    with machine.bh_off() if ordered else machine.on_cpu(0):
        add(cell)


def interrupts_off(machine, ordered):
    cell, line = bh.Shared(0, name="cell"), machine.irq(5)

    def handler(line):
        add(cell)
        return bh.IrqReturn.HANDLED

    line.request(handler, name="card")
    line.fire(cpu=0)
    with machine.irqs_off() if ordered else machine.bh_off():
        add(cell)


def softirq_raised(machine, ordered):
    cell = bh.Shared(0, name="cell")
    machine.open_softirq(bh.Softirq.NET_RX, lambda: add(cell))
    if ordered:
        add(cell)
    machine.raise_softirq(bh.Softirq.NET_RX)
    if not ordered:
        add(cell)
    machine.sleep(1)


def interrupt_fired(machine, ordered):
    cell, line = bh.Shared(0, name="cell"), machine.irq(5)

    def handler(line):
        add(cell)
        return bh.IrqReturn.HANDLED

    line.request(handler, name="card")
    if ordered:
        add(cell)
    line.fire()
    if ordered:
        line.synchronize()
    add(cell)


def interrupt_thread(machine, ordered):
    cell, line = bh.Shared(0, name="cell"), machine.irq(5)

    def thread(line):
        add(cell)
        return bh.IrqReturn.HANDLED

    def handler(line):
        add(cell)
        return bh.IrqReturn.WAKE_THREAD

    action = line.request(handler, thread, bh.IRQF.ONESHOT, name="card")
    line.fire()
    machine.sleep(1)
    if ordered:
        action.free()
    add(cell)


def device(machine, ordered):
    cell = bh.Shared(0, name="cell")
    if ordered:
        add(cell)
    machine.at(machine.now + 0.01, lambda: add(cell))
    if not ordered:
        add(cell)
    machine.sleep(1)


def grace_period(machine, ordered):
    cell = bh.Shared(0, name="cell")

    def reader():
        with machine.rcu_read():
            cell.get()
        if not ordered:
            cell.get()

    task = machine.spawn(reader, cpu=1)
    machine.sleep(1)
    item = bh.RcuWork(lambda work: cell.set(1))
    machine.system_wq.queue_rcu(item)
    item.flush()
    task.join()


def run_of_the_machine(machine, ordered):
    cell = bh.Shared(0, name="cell")
    item = bh.Work(lambda work: add(cell))
    item.schedule()
    machine.run() if ordered else machine.sleep(1)
    add(cell)


EDGES = [
    queue_before_run,
    run_before_flush,
    run_before_cancel_sync,
    run_before_flush_of_the_workqueue,
    run_before_its_next_run,
    items_of_an_ordered_workqueue,
    items_of_max_active_one,
    delayed_work_before_flush,
    mutex,
    spin_lock,
    completion,
    wake_up,
    flag,
    spawn_and_join,
    result_of_a_future,
    tasklet_schedule,
    tasklet_kill,
    tasklet_disabled,
    timer_armed,
    timer_delete_sync,
    bottom_halves_off,
    interrupts_off,
    softirq_raised,
    interrupt_fired,
    interrupt_thread,
    device,
    grace_period,
    run_of_the_machine,
]


@pytest.mark.parametrize("program", EDGES, ids=lambda f: f.__name__)
def test_an_order_that_the_engine_gives_is_known(program):
    """Under no schedule anything is reported."""
    report = bh.explore(lambda machine: program(machine, True), schedules=60)
    assert not report.failed, str(report)


@pytest.mark.parametrize("program", EDGES, ids=lambda f: f.__name__)
def test_without_it_a_race_is_reported(program):
    """Also when the schedule is the one that everybody expects, and the accesses are an hour apart."""
    assert RACE in (race_of(lambda machine: program(machine, False)) or "")


# --- what is reported ---


def test_both_sides_are_named_with_their_lines(unraisable):
    """Who, what, and where."""
    with bh.Machine(cpus=2, simulated=True) as m:
        cell = bh.Shared(0, name="packets")

        def receive(work):
            cell.value = 1

        first, second = bh.Work(receive, name="rx0"), bh.Work(receive, name="rx1")
        first.schedule(cpu=0)
        second.schedule(cpu=1)
        m.run()
        errors = [error for _, error in m.errors]
    line = receive.__code__.co_firstlineno + 1
    assert len(errors) == 1
    assert errors[0].rule == "data-race"
    text = str(errors[0])
    assert f"'packets': item rx1 on kworker/1:0 writes it at {__file__}:{line}" in text
    assert f"item rx0 on kworker/0:0 wrote it at {__file__}:{line}" in text


def test_a_refused_store_has_not_happened():
    """As with every misuse."""
    with bh.Machine(cpus=1, simulated=True) as m:
        cell = bh.Shared("before")
        task = m.spawn(lambda: cell.set("after"))
        with pytest.raises(bh.MisuseError, match="data race"):
            m.sleep(1)
            cell.value = "mine"
        task.join()
        assert cell.value == "after"


def test_reads_do_not_race():
    """Only a store makes a race."""
    with bh.Machine(cpus=2, simulated=True) as m:
        cell = bh.Shared(7)
        tasks = [m.spawn(cell.get, cpu=cpu) for cpu in range(2)]
        assert cell.value == 7
        assert [task.join() for task in tasks] == [7, 7]


def test_all_readers_are_remembered():
    """A store that is ordered after one reader may not be after the other."""
    with bh.Machine(cpus=2, simulated=True) as m:
        cell = bh.Shared(7)
        tasks = [m.spawn(cell.get, cpu=cpu) for cpu in range(2)]
        m.sleep(1)
        tasks[1].join()
        with pytest.raises(bh.MisuseError, match="task .* read it"):
            cell.value = 8
        tasks[0].join()
        cell.value = 9


def test_an_access_is_a_preemption_point():
    """Reading is one, and storing is one."""
    with bh.Machine(cpus=1, simulated=True) as m:
        cell = bh.Shared(0)
        before = bh._core._sim_counters(m)[5]
        cell.value = cell.value + 1
        assert bh._core._sim_counters(m)[5] == before + 2


def test_two_machines_know_nothing_of_each_other():
    """A cell that moves to another machine begins anew there."""
    cell = bh.Shared(0)
    for _ in range(2):
        with bh.Machine(cpus=1, simulated=True) as m:
            task = m.spawn(add, cell)
            task.join()
    assert cell.value == 2


def test_an_item_freed_by_its_own_handler():
    """Its place in the books goes with it."""
    with bh.Machine(cpus=2, simulated=True) as m:
        cell, lock = bh.Shared(0), bh.Mutex()

        def handler(work):
            with lock:
                add(cell)

        for _ in range(3):
            for cpu in range(2):
                bh.Work(handler).schedule(cpu=cpu)
            m.run()
        with lock:
            assert cell.value == 6
        assert not m.errors


def test_bh_items_are_softirqs():
    """On one CPU one after the other; on two they overlap."""

    def program(machine, other):
        cell = bh.Shared(0, name="cell")
        items = [bh.Work(lambda work: add(cell)) for _ in range(2)]
        for cpu, item in zip((0, other), items, strict=True):
            machine.system_bh_wq.queue(item, cpu=cpu)
        for item in items:
            item.flush()

    assert race_of(lambda machine: program(machine, 0)) is None
    assert RACE in race_of(lambda machine: program(machine, 1))


# --- on the host, and as an object ---


def test_on_the_host_it_is_a_variable():
    """No order is asked for."""
    with bh.Machine(cpus=1) as m:
        cell = bh.Shared(0)
        item = bh.Work(lambda work: add(cell))
        item.schedule()
        item.flush()
        add(cell)
        assert cell.get() == 2
        assert not m.errors


def test_the_object():
    """A value, a name, a repr; no copies."""
    cell = bh.Shared([1], name="list")
    assert repr(cell) == "bottomhalf.Shared([1], name='list')"
    assert cell.name == "list"
    assert bh.Shared(0).name is None
    cell.store_release([2])
    assert cell.load_acquire() == [2]
    cell.set([3])
    assert cell.value == [3]
    with pytest.raises(TypeError, match="cannot be copied"):
        copy.copy(cell)
    with pytest.raises(TypeError, match="name must be a str"):
        bh.Shared(0, name=3)
    with pytest.raises(TypeError):
        bh.Shared()
    with pytest.raises(TypeError, match="cannot be deleted"):
        del cell.value
    assert bh.Shared[int] is not None


def test_a_cycle_through_the_value_is_collected():
    """It holds any object."""
    cell = bh.Shared(None)
    cell.value = cell
    gone = weakref.ref(cell)
    del cell
    gc.collect()
    assert gone() is None


# --- programs drawn by Hypothesis ---

ACCESSES = st.lists(st.tuples(st.integers(0, 1), st.booleans()), min_size=1, max_size=4)
PROGRAMS = st.lists(st.tuples(st.integers(0, 1), ACCESSES), min_size=2, max_size=4)


def run_drawn(machine, program, careless=None):
    """Items on CPUs 0 and 1 that read or store cells 0 and 1, each access under its cell's lock; but the careless one
    takes no lock."""
    cells = [bh.Shared(0, name="cell") for _ in range(2)]
    locks = [bh.Mutex() for _ in range(2)]

    def handler(number, accesses):
        def run(work):
            for cell, store in accesses:
                if number == careless:
                    cells[cell].set(number) if store else cells[cell].get()
                    continue
                with locks[cell]:
                    cells[cell].set(number) if store else cells[cell].get()

        return run

    items = [bh.Work(handler(n, accesses)) for n, (_, accesses) in enumerate(program)]
    for item, (cpu, _) in zip(items, program, strict=True):
        item.schedule(cpu=cpu)
    for item in items:
        item.flush()


@settings(max_examples=60, deadline=None)
@given(PROGRAMS, st.integers(0, 2**32))
def test_locked_programs_never_race(program, seed):
    """Whatever they do, and in whichever order."""
    report = bh.explore(lambda machine: run_drawn(machine, program), schedules=10, seed=seed)
    assert not report.failed, str(report)


@settings(max_examples=100, deadline=None)
@given(PROGRAMS, st.data())
def test_one_careless_item_is_found(program, data):
    """First in, first out: exactly when it shares a cell with another item, and one of them stores."""
    careless = data.draw(st.integers(0, len(program) - 1))
    mine = set(program[careless][1])
    others = {access for n, (_, accesses) in enumerate(program) if n != careless for access in accesses}
    races = any(a == b and (x or y) for a, x in mine for b, y in others)
    assert (race_of(lambda machine: run_drawn(machine, program, careless)) is not None) is races
