"""Interrupt lines, softirqs, ksoftirqd, and the predicates that tell the contexts apart."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from helpers import LONG, Call, Hold, blocked, cpu_held, eventually, run_in_work, task_names, works_on

import bottomhalf as bh

NONE, HANDLED, WAKE_THREAD = bh.IrqReturn.NONE, bh.IrqReturn.HANDLED, bh.IrqReturn.WAKE_THREAD
SHARED, ONESHOT = 0x80, 0x2000


def context():
    """(hardirq, softirq, serving, interrupt, task, atomic, irqs off) of the caller."""
    return tuple(
        int(predicate())
        for predicate in (
            bh.in_hardirq,
            bh.in_softirq,
            bh.in_serving_softirq,
            bh.in_interrupt,
            bh.in_task,
            bh.in_atomic,
            bh.irqs_disabled,
        )
    )


TASK = (0, 0, 0, 0, 1, 0, 0)
SPIN = (0, 0, 0, 0, 1, 1, 0)
BH_OFF = (0, 1, 0, 1, 1, 1, 0)
IRQS_OFF = (0, 0, 0, 0, 1, 0, 1)
SOFTIRQ = (0, 1, 1, 1, 0, 1, 0)
HARDIRQ = (1, 0, 0, 1, 0, 1, 1)
HARDIRQ_OVER_SOFTIRQ = (1, 1, 1, 1, 0, 1, 1)


def softirq_count(m, vector):
    """How often that vector's handler ran, over all CPUs."""
    counts = m.softirq_counts()
    if isinstance(counts, Mapping):
        row = counts[vector] if vector in counts else counts[vector.name]
        return sum(row.values() if isinstance(row, Mapping) else row) if not isinstance(row, int) else row
    for line in str(counts).splitlines():
        name, _, row = line.partition(":")
        if name.strip() == vector.name:
            return sum(map(int, row.split()))
    raise AssertionError(f"no row {vector.name} in {counts}")


# contexts ------------------------------------------------------------------------------------------------------------


def test_12_25_task_contexts(m):
    """Task context, and what disables parts of it: BH off counts as interrupt and as task, irqs off is not atomic."""
    assert context() == TASK
    with m.bh_off():
        assert context() == BH_OFF
        with m.bh_off():
            assert context() == BH_OFF
        assert context() == BH_OFF
    with m.irqs_off():
        assert context() == IRQS_OFF
        with m.irqs_off():
            assert context() == IRQS_OFF
        assert context() == IRQS_OFF
    lock = bh.SpinLock()
    with lock:
        assert context() == SPIN
    with lock.bh():
        assert context() == BH_OFF
    with lock.irqsave():
        assert context() == (0, 0, 0, 0, 1, 1, 1)
    assert context() == TASK


@pytest.mark.parametrize("wq", ["system_wq", "system_highpri_wq", "system_unbound_wq", "system_managed_wq"])
def test_work_runs_in_task_context(m, wq):
    """A work item may sleep: in_task and nothing else."""
    assert run_in_work(getattr(m, wq), context) == TASK


def test_12_25_softirq_side_contexts(m):
    """Softirq handler, tasklet, timer callback and BH work: serving a softirq, atomic, not a task."""
    seen = {}

    def note(name):
        def handler(*_):
            seen[name] = context()
            done.complete()

        return handler

    done = bh.Completion()
    m.open_softirq(bh.Softirq.NET_RX, note("softirq"))
    m.raise_softirq(bh.Softirq.NET_RX)
    tasklet, high, timer = bh.Tasklet(note("tasklet")), bh.Tasklet(note("hi")), bh.Timer(note("timer"))
    tasklet.schedule()
    high.hi_schedule()
    timer.mod(0)
    m.system_bh_wq.queue(bh.Work(note("bh work")))
    for _ in range(5):
        done.wait(LONG)
    assert seen == dict.fromkeys(["softirq", "tasklet", "hi", "timer", "bh work"], SOFTIRQ)
    assert context() == TASK


def test_12_25_hard_interrupt_contexts(m):
    """A handler of an interrupt line runs with interrupts off, over a task or over a softirq."""
    seen = []

    def handler(line):
        seen.append(context())
        return HANDLED

    action = m.irq(5).request(handler)
    m.irq(5).fire()
    done = bh.Completion()

    def over_softirq(_):
        m.irq(5).fire()
        done.complete()

    tasklet = bh.Tasklet(over_softirq)
    tasklet.schedule()
    done.wait(LONG)
    assert seen == [HARDIRQ, HARDIRQ_OVER_SOFTIRQ]
    action.free()


def test_a_threaded_handler_is_a_task(m):
    """The thread of a threaded interrupt line runs in task context and may sleep."""
    seen = []
    done = bh.Completion()

    def thread_fn(line):
        bh.sleep(0.0001)
        seen.append((context(), bh.current_task().name))
        done.complete()
        return HANDLED

    action = m.irq(7).request(lambda line: WAKE_THREAD, thread_fn, name="disk")
    m.irq(7).fire()
    done.wait(LONG)
    assert seen[0][0] == TASK
    assert seen[0][1].startswith("irq/7-disk")
    action.free()


def test_current_task_and_cpu(m):
    """smp_processor_id and current_task tell where one runs: softirqs of a CPU on that CPU."""
    seen = []
    done = bh.Completion()

    def handler(_):
        seen.append((bh.smp_processor_id(), bh.current_task().cpu))
        done.complete()

    tasklet = bh.Tasklet(handler)
    for cpu in (0, 1):
        with m.on_cpu(cpu):
            assert bh.smp_processor_id() == cpu
            tasklet.schedule()
        done.wait(LONG)
    assert seen == [(0, 0), (1, 1)]


# softirqs ------------------------------------------------------------------------------------------------------------


def test_vectors():
    """The ten vectors have Linux's numbers."""
    names = ["HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"]
    assert [(v.name, int(v)) for v in bh.Softirq] == list(zip(names, range(10), strict=True))


def test_12_21_raise_from_a_task_wakes_ksoftirqd(m):
    """raise_softirq in task context does not run inline: ksoftirqd of that CPU does it."""
    seen = []
    done = bh.Completion()

    def handler():
        seen.append((bh.current_task().name, bh.smp_processor_id()))
        done.complete()

    m.open_softirq(bh.Softirq.NET_RX, handler)
    for cpu in (0, 1):
        m.raise_softirq(bh.Softirq.NET_RX, cpu=cpu)
        done.wait(LONG)
    assert seen == [("ksoftirqd/0", 0), ("ksoftirqd/1", 1)]


def test_12_21_bh_off_holds_softirqs_back_until_the_outermost_enable(m):
    """local_bh_disable nests; pending softirqs run when the outermost section ends, lower vectors first, each once."""
    order = []
    for vector in (bh.Softirq.NET_TX, bh.Softirq.NET_RX, bh.Softirq.BLOCK):
        m.open_softirq(vector, lambda vector=vector: order.append(vector))
    with m.on_cpu(0):
        with m.bh_off():
            with m.bh_off():
                m.raise_softirq(bh.Softirq.BLOCK)
                m.raise_softirq(bh.Softirq.NET_RX)
                m.raise_softirq(bh.Softirq.NET_RX)
            m.raise_softirq(bh.Softirq.NET_TX)
            assert order == []
        assert order == [bh.Softirq.NET_TX, bh.Softirq.NET_RX, bh.Softirq.BLOCK]


def test_12_21_order_of_everything_that_is_ready(m):
    """Vector order: highpri BH work, hi tasklet, timer, BH work, tasklet."""
    order = []

    def note(name):
        return lambda *_: order.append(name)

    low, high, timer = bh.Tasklet(note("tasklet")), bh.Tasklet(note("hi")), bh.Timer(note("timer"))
    with m.trace() as trace, m.on_cpu(0):
        with m.bh_off():
            timer.mod(0)
            # Raised by the timer's interrupt, which on the host is another thread's: it comes when it comes.
            while not any(e.name == "softirq_raise" and int(e.fields["vec"]) == bh.Softirq.TIMER for e in trace):
                bh.burn(0.001)
            low.schedule()
            high.hi_schedule()
            m.system_bh_wq.queue(bh.Work(note("bh work")))
            m.system_bh_highpri_wq.queue(bh.Work(note("bh highpri")))
            assert order == []
        eventually(lambda: len(order) == 5)
    assert order == ["bh highpri", "hi", "timer", "bh work", "tasklet"]


def test_12_21_a_softirq_raised_by_an_interrupt_runs_at_its_end(m):
    """What a hard interrupt raised is served on the way out, not inside the handler."""
    order = []
    m.open_softirq(bh.Softirq.NET_RX, lambda: (order.append("softirq"), done.complete()))
    done = bh.Completion()

    def handler(line):
        m.raise_softirq(bh.Softirq.NET_RX)
        order.append("top half")
        return HANDLED

    action = m.irq(5).request(handler)
    m.irq(5).fire()
    done.wait(LONG)
    assert order == ["top half", "softirq"]
    action.free()


def test_a_softirq_that_raises_itself_gets_another_pass(m):
    """A vector raised while its handler runs is served again; after ten passes ksoftirqd goes on; nothing is lost."""
    runs = 0
    done = bh.Completion()

    def handler():
        nonlocal runs
        runs += 1
        if runs < 50:
            m.raise_softirq(bh.Softirq.NET_RX)
        else:
            done.complete()

    m.open_softirq(bh.Softirq.NET_RX, handler)
    m.raise_softirq(bh.Softirq.NET_RX)
    done.wait(LONG)
    assert runs == 50


def test_a_softirq_of_one_vector_may_run_on_both_cpus_at_once(m):
    """Pending bits are per CPU: raised on two CPUs a vector runs on each, on its CPU."""
    seen = []
    done = bh.Completion()

    def handler():
        seen.append(bh.smp_processor_id())
        done.complete()

    m.open_softirq(bh.Softirq.NET_TX, handler)
    with cpu_held(m, 1):
        m.raise_softirq(bh.Softirq.NET_TX, cpu=1)
        m.raise_softirq(bh.Softirq.NET_TX, cpu=0)
        done.wait(LONG)
        assert seen == [0]
    done.wait(LONG)
    assert seen == [0, 1]


def test_softirq_counts(m):
    """The counters of /proc/softirqs count handler invocations, not raises."""
    m.open_softirq(bh.Softirq.BLOCK, lambda: None)
    before = softirq_count(m, bh.Softirq.BLOCK)
    with m.on_cpu(0), m.bh_off():
        for _ in range(5):
            m.raise_softirq(bh.Softirq.BLOCK)
    eventually(lambda: softirq_count(m, bh.Softirq.BLOCK) == before + 1)


def test_an_exception_in_a_softirq_is_reported(m, unraisable):
    """The exception goes to m.errors; the vector works on."""
    runs = []

    def handler():
        runs.append(1)
        raise LookupError

    m.open_softirq(bh.Softirq.NET_RX, handler)
    for n in (1, 2):
        m.raise_softirq(bh.Softirq.NET_RX)
        eventually(lambda n=n: len(m.errors) == n)
    assert len(runs) == 2
    works_on(m)


def test_ksoftirqd_threads_bear_their_names(m):
    """One ksoftirqd/N per CPU, visible to ps -L once it exists."""
    m.open_softirq(bh.Softirq.NET_RX, lambda: done.complete())
    done = bh.Completion()
    for cpu in (0, 1):
        m.raise_softirq(bh.Softirq.NET_RX, cpu=cpu)
        done.wait(LONG)
    assert {"ksoftirqd/0", "ksoftirqd/1"} <= set(task_names(m))


# interrupt lines -----------------------------------------------------------------------------------------------------


def test_fire_runs_the_handler_at_once_on_the_named_cpu(m):
    """The top half runs before fire returns, in the firing thread, on the target CPU."""
    seen = []

    def handler(line):
        seen.append((line, bh.smp_processor_id()))
        return HANDLED

    line = m.irq(5)
    action = line.request(handler, name="eth0")
    for cpu in (0, 1):
        line.fire(cpu=cpu)
    assert [cpu for _, cpu in seen] == [0, 1]
    assert all(got is line or got == line for got, _ in seen)
    action.free()


def test_shared_line(m):
    """All sharers of a line are called in registration order; both must say SHARED."""
    order = []
    line = m.irq(9)
    first = line.request(lambda _: (order.append("first"), NONE)[1], flags=bh.IRQF(SHARED), name="first")
    second = line.request(lambda _: (order.append("second"), HANDLED)[1], flags=bh.IRQF(SHARED), name="second")
    line.fire()
    assert order == ["first", "second"]
    first.free()
    line.fire()
    assert order == ["first", "second", "second"]
    second.free()


def test_a_line_that_is_not_shared_is_taken(m):
    """A second request without SHARED on both sides is refused and changes nothing."""
    runs = []
    line = m.irq(9)
    action = line.request(lambda _: (runs.append(1), HANDLED)[1], name="owner")
    for flags in (0, SHARED):
        with pytest.raises((bh.BottomHalfError, ValueError)):
            line.request(lambda _: HANDLED, flags=bh.IRQF(flags), name="other")
    line.fire()
    assert runs == [1]
    action.free()


def test_line_free(m):
    """line.free() frees the only action; freed twice is refused."""
    line = m.irq(9)
    action = line.request(lambda _: HANDLED)
    line.free()
    with pytest.raises(bh.BottomHalfError):
        action.free()
    with pytest.raises(bh.BottomHalfError):
        line.free()
    line.request(lambda _: HANDLED)
    line.free()


def test_free_stops_the_thread(m):
    """free_irq waits for handlers and ends the thread of a threaded action."""
    done = bh.Completion()
    action = m.irq(11).request(None, lambda _: (done.complete(), HANDLED)[1], flags=bh.IRQF(ONESHOT), name="thr")
    m.irq(11).fire()
    done.wait(LONG)
    assert any(name.startswith("irq/11-thr") for name in task_names(m))
    action.free()
    eventually(lambda: not any(name.startswith("irq/11-thr") for name in task_names(m)))


def test_a_thread_without_oneshot_needs_a_handler(m):
    """No handler and not ONESHOT is refused, as is neither handler nor thread."""
    with pytest.raises((bh.BottomHalfError, ValueError, TypeError)):
        m.irq(12).request(None, lambda _: HANDLED)
    with pytest.raises((bh.BottomHalfError, ValueError, TypeError)):
        m.irq(12).request(None)


def test_wakeups_while_the_thread_runs_coalesce(m):
    """A wake-up while already woken is coalesced; one that arrives while running causes one more run."""
    runs, started, gate = [], bh.Completion(), bh.Completion()

    def thread_fn(line):
        runs.append(1)
        started.complete()
        gate.wait()
        return HANDLED

    line = m.irq(13)
    action = line.request(lambda _: WAKE_THREAD, thread_fn)
    line.fire()
    started.wait(LONG)
    for _ in range(5):
        line.fire()
    gate.complete_all()
    line.synchronize(LONG)
    eventually(lambda: len(runs) == 2)
    action.free()
    assert len(runs) == 2


def test_oneshot_masks_until_the_thread_is_over(m):
    """ONESHOT: the line stays masked while its thread runs; what arrived meanwhile comes once afterwards."""
    tops, started, gate = [], bh.Completion(), bh.Completion()

    def thread_fn(line):
        started.complete()
        gate.wait()
        return HANDLED

    def top(line):
        tops.append(1)
        return WAKE_THREAD

    line = m.irq(14)
    action = line.request(top, thread_fn, flags=bh.IRQF(ONESHOT))
    line.fire()
    started.wait(LONG)
    for _ in range(3):
        line.fire()
    assert len(tops) == 1
    gate.complete_all()
    eventually(lambda: len(tops) == 2)
    line.synchronize(LONG)
    action.free()
    assert len(tops) == 2


def test_synchronize_waits_for_the_thread(m):
    """synchronize_irq waits for hard handlers and threads."""
    started, gate = bh.Completion(), bh.Completion()
    line = m.irq(15)
    action = line.request(lambda _: WAKE_THREAD, lambda _: (started.complete(), gate.wait(), HANDLED)[2])
    line.fire()
    started.wait(LONG)
    call = blocked(line.synchronize)
    with pytest.raises(TimeoutError):
        line.synchronize(0.01)
    gate.complete_all()
    call.result()
    action.free()


def test_12_26_disable_nests_and_replays_once(m):
    """disable_irq counts; interrupts that arrive meanwhile collapse into one, sent again by the last enable_irq."""
    runs = []
    line = m.irq(16)
    action = line.request(lambda _: (runs.append(1), HANDLED)[1])
    line.disable(LONG)
    line.disable_nosync()
    for _ in range(4):
        line.fire()
    assert runs == []
    line.enable()
    assert runs == []
    line.enable()
    eventually(lambda: runs)
    line.fire()
    assert runs == [1, 1]
    action.free()


def test_12_26_unbalanced_enable(m):
    """One enable_irq too many raises UnbalancedEnable; the line works on."""
    runs = []
    line = m.irq(17)
    action = line.request(lambda _: (runs.append(1), HANDLED)[1])
    with pytest.raises(bh.UnbalancedEnable) as caught:
        line.enable()
    assert caught.value.rule
    line.fire()
    assert runs == [1]
    action.free()


def test_disable_waits_for_a_running_thread(m):
    """disable_irq waits for the thread, disable_irq_nosync does not."""
    started, gate = bh.Completion(), bh.Completion()
    line = m.irq(18)
    action = line.request(lambda _: WAKE_THREAD, lambda _: (started.complete(), gate.wait(), HANDLED)[2])
    line.fire()
    started.wait(LONG)
    line.disable_nosync()
    line.enable()
    call = blocked(line.disable)
    gate.complete_all()
    call.result()
    line.enable()
    action.free()


def test_disable_in_the_own_handler_is_refused(m):
    """disable_irq waits, so an interrupt handler must not call it; the nosync form is for that."""
    caught = []

    def handler(line):
        try:
            line.disable()
        except bh.BottomHalfError as error:
            caught.append(error)
        return HANDLED

    line = m.irq(19)
    action = line.request(handler)
    line.fire()
    assert len(caught) == 1
    line.fire()
    assert len(caught) == 2, "not disabled"
    action.free()


def test_an_interrupt_arriving_during_its_handler_is_latched(m):
    """Handlers of one line never nest: fired from its own handler it runs once more afterwards."""
    depth, most, runs = 0, 0, 0

    def handler(line):
        nonlocal depth, most, runs
        depth += 1
        runs += 1
        most = max(most, depth)
        if runs == 1:
            line.fire()
            line.fire()
        depth -= 1
        return HANDLED

    line = m.irq(20)
    action = line.request(handler)
    line.fire()
    eventually(lambda: runs == 2)
    assert most == 1
    action.free()
    assert runs == 2


def test_wake_thread_without_a_thread_is_logged(m):
    """WAKE_THREAD from a handler without thread_fn: one warning in the log, nothing else."""
    line = m.irq(21)
    action = line.request(lambda _: WAKE_THREAD, name="no-thread")
    line.fire()
    line.fire()
    assert sum("no-thread" in str(entry) or "21" in entry.text for entry in m.log) == 1
    action.free()


def test_irqs_off_holds_interrupts_back(m):
    """local_irq_save: an interrupt for that CPU from another thread waits until the outermost restore."""
    runs = []
    line = m.irq(22)
    action = line.request(lambda _: (runs.append(1), HANDLED)[1])
    off = Hold()

    def fire():
        off.spin()
        line.fire(cpu=1)

    call = Call(fire)
    with m.on_cpu(1):
        with m.irqs_off():
            off.open()
            if m.simulated:
                bh.burn(0.001)
            else:
                call.settle()
            assert runs == []
        call.result()
        eventually(lambda: runs == [1])
    action.free()


def test_an_exception_in_a_top_half(m, unraisable):
    """The exception is kept with the line's name; the line works on."""
    line = m.irq(23)

    def handler(line):
        raise LookupError

    action = line.request(handler, name="bad")
    line.fire()
    line.fire()
    assert [type(error) for _, error in m.errors] == [LookupError] * 2
    action.free()
    works_on(m)


def test_types():
    """IrqReturn and IRQF have Linux's values."""
    assert [int(value) for value in (NONE, HANDLED, WAKE_THREAD)] == [0, 1, 2]
    assert int(bh.IRQF.SHARED) == SHARED and int(bh.IRQF.ONESHOT) == ONESHOT
    for kind in (bh.IrqLine, bh.IrqAction):
        with pytest.raises(TypeError):
            kind()
