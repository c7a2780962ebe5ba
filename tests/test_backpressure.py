"""Bounded workqueues: submit waits, or is refused, when queue_depth items wait."""

from __future__ import annotations

import pytest
from helpers import LONG, Call, Item, blocked, eventually, held_item, noop, works_on

import bottomhalf as bh


def fill(wq, n=1):
    """A held item that takes the workqueue's only place among the active, and n submissions behind it."""
    held = held_item(wq)
    return held, [wq.submit(pow, i, 2) for i in range(n)]


def test_attributes(m):
    """queue_depth and when_full can be read; without a bound they say so."""
    wq = m.alloc_workqueue("bounded", max_active=1, queue_depth=3, when_full="raise")
    assert (wq.queue_depth, wq.when_full) == (3, "raise")
    assert m.system_wq.queue_depth is None and m.system_wq.when_full == "block"
    assert m.alloc_ordered_workqueue("one", queue_depth=1).queue_depth == 1
    assert bh.alloc_workqueue("two", queue_depth=2).queue_depth == 2


@pytest.mark.parametrize("depth", [0, -1, 2**31])
def test_depth_out_of_range(m, depth):
    """A bound that holds nothing is refused, and nothing is allocated."""
    before = len(m.workqueues)
    with pytest.raises(ValueError, match="queue_depth"):
        m.alloc_workqueue("bad", queue_depth=depth)
    assert len(m.workqueues) == before


def test_bad_arguments(m):
    """Wrong types and words are named."""
    with pytest.raises(TypeError, match="queue_depth"):
        m.alloc_workqueue("bad", queue_depth=1.5)
    with pytest.raises(ValueError, match="when_full"):
        m.alloc_workqueue("bad", queue_depth=1, when_full="drop")


def test_raise(m):
    """when_full="raise": one too many is refused with QueueFull; a start makes room."""
    wq = m.alloc_workqueue("bounded", max_active=1, queue_depth=2, when_full="raise")
    held, futures = fill(wq, 2)
    with pytest.raises(bh.QueueFull, match="bounded.*2"):
        wq.submit(pow, 2, 2)
    held.open()
    assert [f.result(LONG) for f in futures] == [0, 1]
    assert wq.submit(pow, 2, 3).result(LONG) == 8


def test_raise_in_atomic_context(m):
    """With "raise" submit may be called where nothing may sleep."""
    wq = m.alloc_workqueue("bounded", max_active=1, queue_depth=1, when_full="raise")
    held, _ = fill(wq)
    with m.bh_off(), pytest.raises(bh.QueueFull):
        wq.submit(pow, 2, 2)
    held.open()


def test_block_in_atomic_context(m):
    """With "block" it may not sleep there, and says so."""
    wq = m.alloc_workqueue("bounded", max_active=1, queue_depth=1)
    held, _ = fill(wq)
    with m.bh_off(), pytest.raises(bh.SchedulingWhileAtomic):
        wq.submit(pow, 2, 2)
    held.open()
    works_on(m)


def test_block(m):
    """when_full="block": submit sleeps until a waiting item starts."""
    wq = m.alloc_workqueue("bounded", max_active=1, queue_depth=1)
    held, futures = fill(wq)
    call = blocked(lambda: wq.submit(pow, 2, 5).result(LONG))
    held.open()
    assert call.result() == 32
    assert futures[0].result(LONG) == 0


def test_many_producers(m):
    """However many submit, no more than queue_depth wait, and all get through."""
    wq = m.alloc_workqueue("bounded", bh.WQ.UNBOUND, max_active=2, queue_depth=3)
    calls = [Call(lambda: [f.result(LONG) for f in [wq.submit(pow, i, 1) for i in range(20)]]) for _ in range(4)]
    for call in calls:
        assert call.result() == list(range(20))
    wq.flush(LONG)  # a future is done a little before its item is
    assert wq.stats().completed == 80


def test_cancel_makes_room(m):
    """A future that is cancelled gives its place back at once."""
    wq = m.alloc_workqueue("bounded", max_active=1, queue_depth=1, when_full="raise")
    held, (waiting,) = fill(wq)
    assert waiting.cancel()
    again = wq.submit(pow, 3, 3)
    held.open()
    assert again.result(LONG) == 27


def test_refused_submit_keeps_no_place(m):
    """A submit that fails for another reason gives its place back."""
    wq = m.alloc_workqueue("bounded", queue_depth=1, when_full="raise")
    held = held_item(wq)
    drain = blocked(wq.drain)
    for _ in range(3):
        with pytest.raises(bh.WorkqueueDraining):
            wq.submit(pow, 2, 2)
    held.open()
    drain.result()
    assert wq.submit(pow, 2, 2).result(LONG) == 4


def test_queue_is_not_bounded(m):
    """queue() comes from contexts that cannot wait, and takes no place."""
    wq = m.alloc_workqueue("bounded", max_active=1, queue_depth=1, when_full="raise")
    held, _ = fill(wq)
    assert wq.queue(bh.Work(noop)) and wq.queue(bh.Work(noop))
    held.open()


def test_worker_that_blocks_is_seen(m):
    """A submit that sleeps in a work item is a sleep that the pool sees: the next item of the CPU starts."""
    wq = m.alloc_workqueue("bounded", max_active=1, queue_depth=1)
    with m.on_cpu(0):
        held, _ = fill(wq)
        other = m.system_wq.submit(lambda: wq.submit(pow, 2, 2).result())
        eventually(lambda: other.running())
        assert m.system_wq.submit(pow, 7, 2).result(LONG) == 49
    assert not other.done()
    held.open()
    assert other.result(LONG) == 4


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "max_active 1"])
def test_own_workqueue_cannot_make_room(m, ordered):
    """The only active item submits to its own full workqueue: nothing could ever start, and it is told."""
    if ordered:
        wq = m.alloc_ordered_workqueue("mine", queue_depth=2)
    else:
        wq = m.alloc_workqueue("mine", bh.WQ.UNBOUND, 1, queue_depth=2)

    def greedy():
        return [wq.submit(pow, i, 2) for i in range(5)]

    with pytest.raises(bh.DeadlockError, match="queue_depth of 2"):
        wq.submit(greedy).result(LONG)
    assert wq.submit(pow, 3, 2).result(LONG) == 9


def crossing(machine, max_active):
    """An item submits to its own bounded workqueue while a task does: returns how often it was refused."""
    wq = machine.alloc_workqueue("mine", bh.WQ.UNBOUND, max_active, queue_depth=1)
    refused = []

    def inner():
        for _ in range(2):
            try:
                wq.submit(noop, None)
            except bh.DeadlockError as error:
                refused.append(error)

    running = wq.submit(inner)
    for _ in range(2):
        wq.submit(noop, None)
    running.result()
    wq.drain()
    return len(refused)


def test_full_for_a_moment_is_no_deadlock():
    """A place whose item is still on its way, or about to begin, becomes free: nobody is refused, in no order."""

    def program(machine):
        assert crossing(machine, 2) == 0

    report = bh.explore(program, schedules=300)
    assert not report.failed, report


def test_what_arrives_behind_who_waits_is_a_deadlock():
    """The item that has the place may arrive after the look, and be held back: whoever waits is told all the same."""
    found = set()
    report = bh.explore(lambda machine: found.add(crossing(machine, 1)), schedules=300)
    assert not report.failed, report
    assert max(found) > 0


def test_another_cpus_items_do_not_help(m):
    """Held back on one CPU behind who waits for the place: what runs on another CPU changes nothing."""
    wq = m.alloc_workqueue("mine", 0, 1, queue_depth=1)
    elsewhere = Item()
    with m.on_cpu(1):
        wq.queue(elsewhere.work)
        elsewhere.wait_started()

    def greedy():
        return [wq.submit(pow, i, 2) for i in range(2)]

    with m.on_cpu(0):
        future = wq.submit(greedy)
    with pytest.raises(bh.DeadlockError, match="queue_depth of 1 is reached, and so waits for pow, held back by"):
        future.result(LONG)
    elsewhere.open()


def test_a_place_held_back_behind_who_waits_for_the_waiter(m):
    """A wait for a place is one that the graph of waits knows, whoever waits."""
    full = m.alloc_workqueue("full", bh.WQ.UNBOUND, 1, queue_depth=1)
    go = bh.Completion()
    answers = []

    def other():
        go.wait(LONG)
        try:
            return full.submit(noop, None)
        except bh.DeadlockError as error:
            answers.append(error)

    def active():
        try:
            return waiter.result()
        except bh.DeadlockError as error:
            answers.append(error)

    waiter = m.system_unbound_wq.submit(other)
    holds = full.submit(active)
    eventually(holds.running)
    full.submit(noop, None)
    go.complete_all()
    holds.result(LONG)
    waiter.result(LONG)
    assert len(answers) == 1 and "queue_depth of 1" in str(answers[0])


def test_own_workqueue_last_active_is_refused(m):
    """Two active items of three places: the first may sleep, the second that would make all sleep is refused."""
    wq = m.alloc_workqueue("mine", bh.WQ.UNBOUND, 2, queue_depth=1)
    outcomes = []
    go = bh.Completion()

    def greedy():
        go.wait()
        try:
            outcomes.append(wq.submit(pow, 2, 2))
        except bh.DeadlockError:
            outcomes.append(None)

    futures = [wq.submit(greedy)]
    eventually(futures[0].running)
    futures.append(wq.submit(greedy))
    eventually(futures[1].running)
    filler = wq.submit(pow, 2, 3)
    go.complete_all()
    for future in futures:
        future.result(LONG)
    assert filler.result(LONG) == 8
    assert [o for o in outcomes if o is None] == [None] and len(outcomes) == 2
    assert next(o for o in outcomes if o is not None).result(LONG) == 4


def test_destroy_while_somebody_waits(m):
    """destroy() empties the workqueue; who waited for room is told that it is gone."""
    wq = m.alloc_workqueue("bounded", max_active=1, queue_depth=1)
    held, futures = fill(wq)
    call = blocked(wq.submit, pow, 2, 5)
    destroy = Call(wq.destroy)
    held.open()
    destroy.result()
    assert futures[0].result(LONG) == 0
    try:
        assert call.result().result(LONG) == 32  # it got its place before the end began
    except (bh.WorkqueueDestroyed, bh.WorkqueueDraining):
        pass


def test_halt_while_somebody_waits(boot):
    """A machine that halts lets everybody go who waits for room."""
    m = boot(cpus=1)
    wq = m.alloc_workqueue("bounded", max_active=1, queue_depth=1)
    with m:
        held, futures = fill(wq)
        caught = []

        def submit():
            try:
                wq.submit(pow, 2, 5)
            except BaseException as error:
                caught.append(type(error).__name__)

        task = m.spawn(submit)
        m.sleep(0.001)
        m.halt("cancel")
    assert caught and caught[0] in ("MachineHalted", "MachineExit")
    assert futures[0].cancelled()
    assert held.ends <= 1 and task is not None
