"""virtual_stdlib(): time, locks and queues of the standard library on a simulated machine."""

from __future__ import annotations

import queue
import threading
import time

import pytest
from helpers import LONG

import bottomhalf as bh
from bottomhalf import _machine
from bottomhalf.testing import EPOCH, virtual_stdlib

PATCHED = [(time, name) for name in ("sleep", "monotonic", "perf_counter", "time", "monotonic_ns", "time_ns")] + [
    (time, "perf_counter_ns"),
    (threading, "Lock"),
    (threading, "RLock"),
    (threading, "_allocate_lock"),
    (threading, "_time"),
    (threading.Thread, "start"),
    (queue, "SimpleQueue"),
    (queue, "time"),
]


@pytest.fixture
def sim():
    """A simulated machine of two CPUs, current, with the standard library on it."""
    with bh.Machine(cpus=2, simulated=True) as machine, virtual_stdlib():
        yield machine


def both(machine, *functions):
    """Runs functions as work items, one on each CPU; their results."""
    futures = [machine.system_managed_wq.submit(function) for function in functions]
    return [future.result() for future in futures]


def test_sleep_takes_no_real_time(sim):
    """time.sleep(3600) is an hour of the machine and next to nothing of ours."""
    before = sim.now

    def hour():
        time.sleep(3600)
        return sim.now

    assert both(sim, hour, hour) == [before + 3600] * 2
    time.sleep(86400)
    assert sim.now == before + 3600 + 86400


def test_the_clocks_are_the_machines(sim):
    """monotonic and perf_counter count from boot, time from EPOCH, in both units."""
    time.sleep(5)
    now, now_ns = sim.now, sim.now_ns
    assert (time.monotonic(), time.perf_counter(), time.time()) == (now, now, EPOCH + now)
    assert (time.monotonic_ns(), time.perf_counter_ns()) == (now_ns, now_ns)
    assert time.time_ns() == EPOCH * 10**9 + now_ns


def test_who_polls_the_clock_gets_on(sim):
    """A loop until a deadline ends: looks at the clock cost time in the end."""
    deadline = time.monotonic() + 0.001
    while time.monotonic() < deadline:
        pass
    assert sim.now >= 0.001


def test_other_items_run_while_one_sleeps(sim):
    """A sleep is one that the pool sees."""
    order = []

    def first(_):
        time.sleep(1)
        order.append("first")

    wq = sim.alloc_workqueue("q")
    works = [bh.Work(first), bh.Work(lambda _: order.append("second"))]
    wq.queue_many(works, cpu=0)
    wq.flush()
    assert order == ["second", "first"]


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"])
def test_producer_and_consumer_with_a_queue(sim, kind):
    """Written for threads, run as work items, in virtual time."""
    channel = getattr(queue, kind)()
    last = 99

    def producer():
        for n in range(last + 1):
            channel.put(n)
            time.sleep(0.5)

    def consumer():
        got = []
        while len(got) <= last:
            got.append(channel.get())
        return got

    assert both(sim, consumer, producer)[0] == list(range(last + 1))
    assert 49.5 <= sim.now < 51


def test_a_bounded_queue_holds_its_producer_back(sim):
    """put() on a full queue sleeps until somebody took something; join() until all of it is done."""
    channel = queue.Queue(maxsize=2)
    put = []

    def producer():
        for n in range(5):
            channel.put(n)
            put.append(time.monotonic())
        channel.join()
        return time.monotonic()

    def consumer():
        for _ in range(5):
            time.sleep(1)
            channel.get()
            channel.task_done()

    ended, _ = both(sim, producer, consumer)
    assert [round(t) for t in put] == [0, 0, 1, 2, 3]
    assert round(ended) == 5


def test_producer_and_consumer_with_a_condition(sim):
    """The textbook's bounded buffer."""
    condition, buffer, got = threading.Condition(), [], []

    def producer():
        for n in range(50):
            with condition:
                condition.wait_for(lambda: len(buffer) < 3)
                buffer.append(n)
                condition.notify_all()

    def consumer():
        for _ in range(50):
            with condition:
                while not buffer:
                    condition.wait()
                got.append(buffer.pop(0))
                condition.notify_all()

    both(sim, consumer, producer)
    assert got == list(range(50))


def test_timeouts_are_virtual(sim):
    """Every wait with a time limit ends at the limit."""

    def waits():
        before = sim.now
        with pytest.raises(queue.Empty):
            queue.Queue().get(timeout=100)
        assert sim.now - before == pytest.approx(100)
        assert threading.Event().wait(200) is False
        assert sim.now - before == pytest.approx(300)
        assert threading.Semaphore(0).acquire(timeout=300) is False
        assert sim.now - before == pytest.approx(600)
        lock = threading.Lock()
        with lock:
            assert lock.acquire(timeout=400) is False
        assert sim.now - before == pytest.approx(1000)
        condition = threading.Condition()
        with condition:
            assert condition.wait(500) is False
            assert condition.wait_for(lambda: False, 500) is False
        assert sim.now - before == pytest.approx(2000)
        return "waited"

    assert both(sim, waits) == ["waited"]
    assert waits() == "waited"


def test_events_semaphores_and_barriers(sim):
    """What threading makes of locks works between items."""
    event, semaphore, barrier, log = threading.Event(), threading.BoundedSemaphore(1), threading.Barrier(2), []

    def one():
        event.wait()
        log.append("woken")
        with semaphore:
            time.sleep(1)
            log.append("one")
        return barrier.wait()

    def two():
        with semaphore:
            event.set()
            time.sleep(1)
            log.append("two")
        return barrier.wait()

    assert sorted(both(sim, one, two)) == [0, 1]
    assert log == ["woken", "two", "one"]
    with pytest.raises(ValueError):
        semaphore.release()


def test_a_recursive_lock_belongs_to_its_task(sim):
    """RLock: its owner may take it again, another task of the same thread may neither take nor release it."""
    lock = threading.RLock()
    held, go = bh.Completion(), bh.Completion()

    def owner():
        with lock, lock:
            held.complete()
            go.wait()

    def other():
        held.wait()
        assert lock.acquire(blocking=False) is False
        with pytest.raises(RuntimeError):
            lock.release()
        go.complete()
        with lock:
            return "had it"

    assert both(sim, owner, other) == [None, "had it"]


def test_a_deadlock_of_two_locks(sim):
    """Two items take two locks in opposite orders: a DeadlockError, not a hang."""
    a, b = threading.Lock(), threading.Lock()

    def cross(first, second):
        def handler(_):
            with first:
                time.sleep(1)
                with second:
                    pass

        return handler

    works = [bh.Work(cross(a, b)), bh.Work(cross(b, a))]
    for cpu, work in enumerate(works):
        work.schedule(cpu=cpu)
    with pytest.raises(bh.DeadlockError, match=r"kworker/0:\d .*wait_event.*kworker/1:\d .*wait_event"):
        works[0].flush()
    assert a.locked() and b.locked()
    sim.halt("cancel")
    assert not a.locked() and not b.locked()


def test_exploring_finds_a_race_of_locks():
    """The same code under explored schedules: the lock order that only some of them get wrong."""

    def program(machine):
        with virtual_stdlib():
            a, b = threading.Lock(), threading.Lock()

            def cross(first, second):
                with first, second:
                    pass

            pairs = ((a, b), (b, a))
            for future in [machine.system_managed_wq.submit(cross, first, second) for first, second in pairs]:
                future.result()

    report = bh.explore(program, schedules=500)
    assert isinstance(report.failure, bh.DeadlockError)
    with pytest.raises(bh.DeadlockError):
        bh.replay(program, report.replay)


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_bad_arguments_of_locks(sim, kind):
    """As the real ones: refused, and nothing is taken."""
    lock = getattr(threading, kind)()
    with pytest.raises(ValueError):
        lock.acquire(False, 1)
    with pytest.raises(ValueError):
        lock.acquire(True, -2)
    with pytest.raises(OverflowError):
        lock.acquire(True, 2 * threading.TIMEOUT_MAX)
    with pytest.raises(RuntimeError):
        lock.release()
    with pytest.raises(ValueError):
        time.sleep(-1)
    assert lock.acquire(False) is True
    lock.release()
    assert "unlocked" in repr(lock)


def test_sleeping_in_atomic_context_is_refused(sim):
    """time.sleep in a tasklet is what bh.sleep is there."""
    caught = []

    def callback(_):
        try:
            time.sleep(1)
        except bh.SchedulingWhileAtomic as error:
            caught.append(error)

    tasklet = bh.Tasklet(callback)
    tasklet.schedule()
    tasklet.kill()
    assert len(caught) == 1


def test_threads_are_refused(sim):
    """A simulated machine has one real thread; the error says what to use."""
    thread = threading.Thread(target=print)
    with pytest.raises(bh.Unsupported, match="spawn"):
        thread.start()
    assert not thread.is_alive()


def test_outside_of_a_simulated_machine_nothing_changes():
    """No machine, or one of real threads: real clocks, real locks that work between threads."""
    real = time.monotonic
    with virtual_stdlib():
        before, mine = real(), time.monotonic()
        assert before <= mine <= real()
        assert abs(time.time() - EPOCH) > 10**8
        time.sleep(0)
        assert_real_threads_work()
        with bh.Machine(cpus=1):
            assert before <= bh.submit(time.monotonic).result(LONG) <= real()
            assert_real_threads_work()


def assert_real_threads_work():
    """A queue, an event and a lock between two real threads."""
    requests, answers, over, lock = queue.Queue(), queue.SimpleQueue(), threading.Event(), threading.RLock()

    def serve():
        for request in iter(requests.get, None):
            with lock:
                answers.put(request * 2)
        over.set()

    thread = threading.Thread(target=serve)
    thread.start()
    with lock:
        for n in range(3):
            requests.put(n)
        assert lock.acquire(False)
        lock.release()
    assert [answers.get(timeout=LONG) for _ in range(3)] == [0, 2, 4]
    requests.put(None)
    assert over.wait(LONG)
    thread.join(LONG)


def test_it_boots_no_machine():
    """Asking which machine is current makes none."""
    before = _machine._default
    with virtual_stdlib():
        time.monotonic()
        threading.Lock().acquire()
        assert _machine._default is before


def test_another_thread_is_not_on_the_machine():
    """What a real thread does goes by real time while a simulated machine is current here."""
    real, go, seen = time.monotonic, threading.Event(), []
    thread = threading.Thread(target=lambda: (go.wait(LONG), seen.append(time.monotonic())))
    thread.start()
    before = real()
    with bh.Machine(cpus=1, simulated=True), virtual_stdlib():
        assert time.monotonic() == 0
        go.set()
        thread.join(LONG)
    assert before <= seen[0] <= real()


def now_patched():
    return [getattr(owner, name) for owner, name in PATCHED]


def test_everything_is_put_back():
    """At the end, after an exception, and when contexts nest or overlap only at the last end."""
    before = now_patched()
    with virtual_stdlib():
        inside = now_patched()
        assert all(a is not b for a, b in zip(before, inside, strict=True))
        with pytest.raises(LookupError), virtual_stdlib():
            assert now_patched() == inside
            raise LookupError
        assert now_patched() == inside
    assert now_patched() == before
    with pytest.raises(LookupError), virtual_stdlib():
        raise LookupError
    assert now_patched() == before
    one, two = virtual_stdlib(), virtual_stdlib()
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert now_patched() == inside
    two.__exit__(None, None, None)
    assert now_patched() == before


def test_what_was_made_inside_goes_on_outside():
    """A lock or queue that outlives the context is an ordinary one, also between real threads, and boots no machine."""
    before = _machine._default
    with bh.Machine(cpus=1, simulated=True), virtual_stdlib():
        channel, lock = queue.Queue(), threading.Lock()
        channel.put("inside")
        lock.acquire()
    assert channel.get(timeout=LONG) == "inside"
    releaser = threading.Timer(0, lock.release)
    releaser.start()
    assert lock.acquire(timeout=LONG)
    releaser.join(LONG)
    assert _machine._default is before
