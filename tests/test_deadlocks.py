"""Waits that can never end raise DeadlockError, with the chain; waits that can end never do.

SEMANTICS 12 number 30, and the deadlocks that every pool has: a wait for something queued behind the waiter.
"""

from __future__ import annotations

import pytest
from helpers import LONG, Call, Item, eventually, held_item, noop, run_in_work, wait_asleep, works_on

import bottomhalf as bh


def settle_in(m, item, reached):
    """Returns when the item's handler has come to `reached` and sleeps in the call after it."""
    reached.wait(LONG)
    if m.simulated:
        m.sleep(0.001)
    else:
        wait_asleep(item.tasks[-1])


def ask(call, *args):
    """What the call raised, or what it returned."""
    try:
        return call(*args)
    except bh.DeadlockError as error:
        return error


def test_12_30_every_place_waits_for_what_is_held_back(m):
    """max_active used up by items that wait for items held back behind them: the last to wait is told, and names."""
    wq = m.alloc_workqueue("small", bh.WQ.UNBOUND, 2)
    both = bh.Completion()
    answers = []

    def child():
        return "child"

    def parent():
        both.wait()
        answers.append(ask(wq.submit(child).result))

    parents = [wq.submit(parent) for _ in range(2)]
    eventually(lambda: all(p.running() for p in parents))
    both.complete_all()
    for p in parents:
        p.result(LONG)
    errors = [a for a in answers if a != "child"]
    assert len(errors) == 1 and answers.count("child") == 1, "one gives up, so the other can go on"
    text = str(errors[0])
    assert "Future.result would wait for ever" in text
    assert "child, held back by max_active=2 of workqueue 'small'" in text
    assert text.count("parent (kworker/u") >= 2 and "raise max_active" in text
    wq.destroy(LONG)


def test_12_30_a_tree_of_submits_in_a_small_pool(m):
    """The commonest complaint about every pool: recursion through a pool of two. It ends, with an error."""
    wq = m.alloc_workqueue("pool", bh.WQ.MANAGED, 2)

    def tree(depth):
        if depth == 0:
            return 1
        return sum(f.result() for f in [wq.submit(tree, depth - 1) for _ in range(2)])

    assert wq.submit(tree, 1).result(LONG) == 2
    with pytest.raises(bh.DeadlockError, match="held back by max_active=2 of workqueue 'pool'"):
        wq.submit(tree, 6).result(LONG)
    wq.flush(LONG)
    wq.max_active = 128
    assert wq.submit(tree, 6).result(LONG) == 64
    wq.destroy(LONG)


def test_12_30_an_ordered_workqueue_waits_for_its_next(m):
    """The result of a later item of the ordered workqueue that one runs on."""
    wq = m.alloc_ordered_workqueue("single-file")
    error = run_in_work(wq, lambda: ask(wq.submit(noop, 1).result))
    assert "held back by max_active=1 of workqueue 'single-file'" in str(error)
    error = run_in_work(wq, lambda: ask(lambda: next(bh.as_completed([wq.submit(noop, n) for n in range(3)]))))
    assert "the first of 3 items" in str(error) and "single-file" in str(error)
    works_on(m)
    wq.destroy(LONG)


@pytest.mark.host("on a simulated machine the order of the flushes alone is an error")
def test_12_30_a_cycle_over_three_items_and_two_workqueues(m):
    """A flushes B, B waits for the result of C, C flushes A's workqueue: the one that closes the cycle is told."""
    one, two = m.alloc_workqueue("one"), m.alloc_workqueue("two", bh.WQ.UNBOUND)
    a, b = Item(name="a"), Item(name="b")
    go, answers, future = bh.Completion(), {}, []

    def c():
        go.wait()
        answers["c"] = ask(one.flush)

    a.then = lambda _: answers.update(a=ask(b.work.flush))
    b.then = lambda _: answers.update(b=ask(future[0].result))
    one.queue(a.work)
    two.queue(b.work)
    future.append(two.submit(c))
    for item in (a, b):
        item.wait_started()
        item.open()
    eventually(lambda: {t.name for t in m.tasks() if t.work in (a.work, b.work)} and future[0].running())
    go.complete()
    future[0].result(LONG)
    two.flush(LONG)
    one.flush(LONG)
    errors = {name: str(e) for name, e in answers.items() if isinstance(e, bh.DeadlockError)}
    assert len(errors) == 1
    (text,) = errors.values()
    for part in ("a (kworker/", "b (kworker/", "c (kworker/", "workqueue 'one'", "workqueue 'two'"):
        assert part in text
    works_on(m)


def test_12_30_a_cycle_through_a_task(m):
    """An item joins a task that waits for the item."""
    answers = []
    item = Item(name="joiner")
    started = bh.Completion()

    def body():
        started.wait()
        answers.append(ask(item.work.flush))

    task = m.spawn(body, name="flusher")
    item.then = lambda _: answers.append(ask(task.join))
    m.system_wq.queue(item.work)
    item.wait_started()
    item.open()
    started.complete()
    task.join(LONG)
    m.system_wq.flush(LONG)
    errors = [str(a) for a in answers if isinstance(a, bh.DeadlockError)]
    assert len(errors) == 1 and "task flusher" in errors[0] and "joiner" in errors[0]


def refused(*answers):
    """The only DeadlockError among these; on a simulated machine it may be the order of the locks that was judged."""
    errors = [answer for answer in answers if isinstance(answer, bh.DeadlockError)]
    assert len(errors) == 1, answers
    return str(errors[0])


def test_the_mutex_of_who_waits_for_the_result(m):
    """An item that holds a mutex waits for another's result, which waits for the mutex: the second of them is told."""
    wq = m.alloc_workqueue("both", bh.WQ.UNBOUND, 4)
    mutex, locked = bh.Mutex(), bh.Completion()

    def once():
        with mutex:
            return "had it"

    def wants():
        locked.wait(LONG)
        answers.append(ask(once))

    def holds():
        with mutex:
            locked.complete()
            answers.append(ask(wanting.result))

    answers = []
    wanting = wq.submit(wants)
    holding = wq.submit(holds)
    wanting.result(LONG)
    holding.result(LONG)
    text = refused(*answers)
    assert "a mutex of" in text and "wants" in text and "holds" in text
    assert not mutex.locked


def test_who_cancels_an_item_that_waits_for_its_mutex(m):
    """The classic of a driver's remove(): it is no item, but it holds what the item needs."""
    mutex, begun = bh.Mutex(), bh.Completion()
    answers = []

    def once():
        with mutex:
            return "had it"

    def locks(work):
        begun.complete()
        answers.append(ask(once))

    work = bh.Work(locks)
    mutex.lock()
    m.system_wq.queue(work)
    begun.wait(LONG)
    answers.append(ask(work.cancel_sync))
    mutex.unlock()
    work.flush(LONG)
    text = refused(*answers)
    assert "a mutex of" in text or "possible circular locking dependency" in text


def test_a_mutex_of_who_waits_for_something_else(m):
    """A mutex whose owner waits for an item that can end is waited for."""
    held = held_item(m.system_unbound_wq)
    mutex, locked = bh.Mutex(), bh.Completion()

    def holds():
        with mutex:
            locked.complete()
            return held.work.flush()

    def wants():
        locked.wait(LONG)
        with mutex:
            return "had it"

    futures = [m.system_unbound_wq.submit(f) for f in (holds, wants)]
    works_on(m)
    held.open()
    assert [f.result(LONG) for f in futures] == [True, "had it"]


def test_a_refused_disable_sync_has_not_disabled(m):
    """Refused because it closes a circle, it leaves the item enabled."""
    wq = m.alloc_workqueue("both", bh.WQ.UNBOUND, 4)
    reached, go = bh.Completion(), bh.Completion()

    def flushes(work):
        if not reached.done:
            reached.complete()
            disables.flush()

    def disable(work):
        go.wait(LONG)
        answers.append(ask(item.work.disable_sync))

    answers = []
    item, disables = Item(gated=False, then=flushes), bh.Work(disable)
    wq.queue(disables)
    wq.queue(item.work)
    settle_in(m, item, reached)
    go.complete()
    disables.flush(LONG)
    item.work.flush(LONG)
    refused(*answers)
    assert wq.queue(item.work)
    item.work.flush(LONG)
    assert item.runs == 2


def test_the_name_of_a_builtin(m):
    """A method of the library as an item is called by its name."""
    wq = m.alloc_workqueue("own")
    assert "called from drain," in str(wq.submit(wq.drain).exception(LONG))


def test_lowering_max_active_below_what_waits(m):
    """A limit that would leave waits stuck is refused, and stays as it was."""
    wq = m.alloc_workqueue("shrinks", bh.WQ.UNBOUND, 2)
    filler, inner = held_item(wq, name="filler"), Item(gated=False, name="inner")
    flushing = bh.Completion()
    waiter = Item(name="waiter", then=lambda _: (flushing.complete(), inner.work.flush()))
    # Both places are taken; inner is held back, and would never start with one place, which waiter has.
    wq.queue(waiter.work)
    waiter.wait_started()
    wq.queue(inner.work)
    waiter.open()
    settle_in(m, waiter, flushing)
    with pytest.raises(bh.DeadlockError, match=r"set_max_active\('shrinks'\): with max_active=1"):
        wq.max_active = 1
    assert wq.max_active == 2
    filler.open()
    wq.flush(LONG)
    assert inner.runs == 1
    wq.destroy(LONG)


def test_a_wait_with_a_time_limit_is_no_deadlock(m):
    """It ends, and what it waited for goes on."""
    wq = m.alloc_ordered_workqueue("patient")
    later = Item(gated=False)

    def handler():
        wq.queue(later.work)
        with pytest.raises(TimeoutError):
            later.work.flush(0.001)

    run_in_work(wq, handler)
    wq.flush(LONG)
    assert later.runs == 1
    wq.destroy(LONG)


@pytest.mark.parametrize("flags", [bh.WQ(0), bh.WQ.UNBOUND, bh.WQ.MANAGED], ids=["bound", "unbound", "managed"])
def test_places_used_up_by_its_own_next_run(m, flags):
    """The second place is that of the item's own next run, which cannot begin before this one has ended."""
    wq = m.alloc_workqueue("small", flags, 2)
    inner = bh.Work(noop)
    answers = []

    def outer(work):
        if answers:
            return
        answers.append(None)
        wq.queue(work, cpu=0)
        wq.queue(inner, cpu=0)
        answers.append(ask(inner.flush))

    work = bh.Work(outer)
    wq.queue(work, cpu=0)
    work.flush(LONG)
    assert "behind outer" in refused(*answers)
    inner.flush(LONG)


def test_a_place_that_becomes_free_is_no_deadlock(m):
    """One of two places waits for a held-back item; the other's item ends by itself, and all is well."""
    wq = m.alloc_workqueue("two-places", bh.WQ.UNBOUND, 2)
    other = held_item(wq)
    waiter = Call(run_in_work, wq, lambda: wq.submit(pow, 2, 5).result()).settle()
    assert not waiter.done
    other.open()
    assert waiter.result() == 32
    wq.destroy(LONG)


def test_a_flush_does_not_wait_for_what_came_later(m):
    """A flushes a workqueue; an item that came there after that may wait for A."""
    wq = m.alloc_workqueue("generations", bh.WQ.UNBOUND)
    first = held_item(wq, name="first")
    flushing, answers = bh.Completion(), []
    a = Item(gated=False, name="a", then=lambda _: (flushing.complete(), wq.flush()))
    m.system_managed_wq.queue(a.work)
    settle_in(m, a, flushing)
    late = bh.Work(lambda _: answers.append(ask(a.work.flush)))
    wq.queue(late)
    eventually(lambda: late.busy == bh.Busy.RUNNING or answers)
    first.open()
    m.system_managed_wq.flush(LONG)
    wq.flush(LONG)
    assert answers == [True] or "circular locking" in str(answers[0])
    wq.destroy(LONG)


def test_a_requeued_item_and_an_old_wait(m):
    """A wait that is over stands in nobody's way, though its task has not gone on yet: many rounds, no false alarm."""
    wq = m.alloc_workqueue("rounds", bh.WQ.UNBOUND, 2)

    def inner(n):
        return n

    def outer(n):
        return wq.submit(inner, n).result()

    for n in range(200):
        assert wq.submit(outer, n).result(LONG) == n
    wq.destroy(LONG)


def test_12_30_a_reclaim_item_that_waits_without_guarantee(m):
    """A MEM_RECLAIM workqueue's item that flushes a workqueue without: Linux's warning, as an error."""
    reclaim = m.alloc_workqueue("writeback", bh.WQ.MEM_RECLAIM)
    other = held_item(m.system_wq)

    def handler():
        with pytest.raises(bh.MisuseError, match="'writeback' is WQ_MEM_RECLAIM .* flushing !WQ_MEM_RECLAIM 'events'"):
            other.work.flush()
        with pytest.raises(bh.MisuseError, match="WQ_MEM_RECLAIM"):
            m.system_wq.flush()

    run_in_work(reclaim, handler)
    other.open()
    reclaim.destroy(LONG)
