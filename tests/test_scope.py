"""WorkScope: nothing outlives the block it was started in; and cancel_requested, by which a handler learns of it."""

from __future__ import annotations

import builtins
import sys

import pytest
from helpers import LONG, Item, blocked, eventually, held_item, noop, works_on

import bottomhalf as bh

GROUPS = sys.version_info >= (3, 11)
Group = getattr(builtins, "ExceptionGroup", None)


def failures(error):
    """The exceptions that a scope raised, with and without groups."""
    return list(error.exceptions) if GROUPS else [error]


class Polite:
    """A function that runs until it is asked to end."""

    def __init__(self):
        self.started = bh.Completion()
        self.asked = False

    def __call__(self, _work=None):
        self.started.complete()
        work = bh.current_work()
        while not work.cancel_requested:
            bh.sleep(0.0005)
        self.asked = True


def test_waits_for_everything(m):
    """Leaving the block waits for what was submitted and queued in it."""
    done = []
    work = bh.Work(lambda w: (bh.sleep(0.002), done.append("item")))
    with bh.WorkScope() as scope:
        futures = [scope.submit(lambda i=i: (bh.sleep(0.001), done.append(i))[0]) for i in range(5)]
        assert scope.queue(work)
    assert sorted(map(str, done)) == ["0", "1", "2", "3", "4", "item"]
    assert all(f.done() for f in futures) and not work.busy
    assert not scope.cancel_requested and scope.exceptions == []


def test_on_a_given_workqueue(m):
    """WorkScope(wq) starts there; without one on the machine's managed workqueue."""
    wq = m.alloc_workqueue("mine")
    with bh.WorkScope(wq) as scope:
        scope.submit(noop, None)
        scope.queue(bh.Work(noop), cpu=1)
    wq.flush()  # a future is done a little before its item is
    assert wq.stats().completed == 2
    before = m.system_managed_wq.stats().started
    with bh.WorkScope() as scope:
        scope.submit(noop, None)
    assert m.system_managed_wq.stats().started == before + 1


def test_children_start_children(m):
    """Items of a scope may start more in it while it lasts."""
    seen = []
    with bh.WorkScope() as scope:

        def tree(depth):
            seen.append(depth)
            if depth:
                scope.submit(tree, depth - 1)
                scope.submit(tree, depth - 1)

        scope.submit(tree, 4)
    assert len(seen) == 31


def test_self_requeueing_item_is_waited_for(m):
    """An item that requeues itself is idle when the block has been left."""
    runs = []

    def again(work):
        runs.append(1)
        if len(runs) < 5:
            m.system_managed_wq.queue(work)

    work = bh.Work(again)
    with bh.WorkScope() as scope:
        scope.queue(work)
    assert len(runs) == 5 and not work.busy


def test_error_of_the_block_cancels(m):
    """An exception in the block: what waits never starts, what runs is asked to end, and it passes as it is."""
    wq = m.alloc_workqueue("one", bh.WQ.UNBOUND, 1)
    polite, item = Polite(), Item(gated=False)
    with pytest.raises(LookupError, match="mine"), bh.WorkScope(wq) as scope:
        running = scope.submit(polite)
        polite.started.wait(LONG)
        waiting = scope.submit(noop, None)
        assert scope.queue(item.work)
        raise LookupError("mine")
    assert polite.asked and running.done() and not running.cancelled()
    assert waiting.cancelled() and item.runs == 0 and not item.work.pending
    assert scope.cancel_requested


def test_error_of_a_child_cancels_its_siblings(m):
    """The first exception of a function cancels the rest; all that came are raised together."""
    wq = m.alloc_workqueue("two", bh.WQ.UNBOUND, 2)
    polite = Polite()

    def fail():
        raise ValueError("child")

    with pytest.raises(Group if GROUPS else ValueError) as caught, bh.WorkScope(wq) as scope:
        scope.submit(polite)
        polite.started.wait(LONG)
        gate = held_item(wq)
        scope.submit(fail)
        waiting = scope.submit(noop, None)
        gate.open()
    assert [str(e) for e in failures(caught.value)] == ["child"]
    assert [str(e) for e in scope.exceptions] == ["child"]
    assert polite.asked and (waiting.cancelled() or waiting.done())


@pytest.mark.skipif(not GROUPS, reason="exception groups came with Python 3.11")
def test_group_of_several(m):
    """Several exceptions come as one group, the block's own first."""
    ready = bh.Completion()

    def fail(error):
        ready.complete()
        while not bh.current_work().cancel_requested:
            bh.sleep(0.0005)
        raise error

    with pytest.raises(Group) as caught, bh.WorkScope() as scope:
        scope.submit(fail, KeyError("a"))
        scope.submit(fail, IndexError("b"))
        ready.wait(LONG)
        ready.wait(LONG)
        raise LookupError("block")
    kinds = [type(e) for e in caught.value.exceptions]
    assert kinds[0] is LookupError and sorted(k.__name__ for k in kinds[1:]) == ["IndexError", "KeyError"]
    matched, rest = caught.value.split(KeyError)
    assert len(matched.exceptions) == 1 and len(rest.exceptions) == 2


def test_keyboard_interrupt_of_the_block_passes(m):
    """KeyboardInterrupt is not hidden in a group, whatever else failed."""

    def fail():
        raise ValueError("child")

    with pytest.raises(KeyboardInterrupt), bh.WorkScope() as scope:
        scope.submit(fail)
        eventually(lambda: scope.exceptions)
        raise KeyboardInterrupt


def test_exception_of_an_item(m, unraisable):
    """A plain item's exception is the scope's too, besides m.errors."""

    def fail(work):
        raise ValueError("item")

    with pytest.raises(Group if GROUPS else ValueError) as caught, bh.WorkScope() as scope:
        scope.queue(bh.Work(fail))
    assert [str(e) for e in failures(caught.value)] == ["item"]
    assert [str(e) for _, e in m.errors] == ["item"]
    m.errors.clear()


def test_cancel(m):
    """cancel() ends a scope early without an error; later submissions are cancelled at once."""
    polite = Polite()
    with bh.WorkScope() as scope:
        scope.submit(polite)
        polite.started.wait(LONG)
        scope.cancel()
        late = scope.submit(noop, None)
        assert scope.queue(bh.Work(noop)) is False
    assert polite.asked and late.done()


def test_cancelled_function_is_no_error(m):
    """A function that ends by CancelledError because it was asked to is not a failure."""
    import concurrent.futures

    def leave():
        raise concurrent.futures.CancelledError

    with bh.WorkScope() as scope:
        scope.submit(leave)
    assert scope.exceptions == []


def test_outside_the_block(m):
    """A scope starts nothing before and after its block, and has one block."""
    scope = bh.WorkScope()
    with pytest.raises(bh.MisuseError, match="before"):
        scope.submit(noop, None)
    with scope:
        pass
    with pytest.raises(bh.MisuseError, match="after") as caught:
        scope.queue(bh.Work(noop))
    assert caught.value.rule == "scope-closed"
    with pytest.raises(bh.MisuseError, match="entered before"), scope:
        pass


def test_what_it_does_not_take(m):
    """Delayed items and things that are no workqueue are refused."""
    with pytest.raises(TypeError, match="wq"):
        bh.WorkScope(42)
    for wrong in (bh.DelayedWork(noop), bh.RcuWork(noop), 42):
        with bh.WorkScope() as scope, pytest.raises(TypeError, match=f"plain items, not {type(wrong).__name__}"):
            scope.queue(wrong)


def test_nested_in_an_item(m):
    """A scope inside an item waits like every wait there: the pool goes on."""

    def outer():
        with bh.WorkScope(m.system_wq) as scope:
            futures = [scope.submit(pow, i, 2) for i in range(4)]
        return [f.result() for f in futures]

    with m.on_cpu(0):
        assert m.system_wq.submit(outer).result(LONG) == [0, 1, 4, 9]


def test_waiting_for_itself(m, unraisable):
    """A scope that would wait for the item it is left in says so."""
    scope_of = []

    def inner(work):
        scope_of[0].__exit__(None, None, None)

    with pytest.raises(BaseException) as caught, bh.WorkScope() as scope:
        scope_of.append(scope)
        scope.queue(bh.Work(inner))
        eventually(lambda: m.errors)
    found = [caught.value, *failures(caught.value)]
    assert any(isinstance(e, bh.DeadlockError) for e in found + [e for _, e in m.errors])
    m.errors.clear()


class SlowToReturn:
    """A workqueue whose calls return to who queues only once an event has come: the item may have run by then."""

    def __init__(self, wq, event):
        self._wq, self._event = wq, event

    def __getattr__(self, name):
        call = getattr(self._wq, name)

        def held(*args, **kwargs):
            result = call(*args, **kwargs)
            self._event()
            return result

        return held


@pytest.mark.parametrize("call", ["queue", "submit"])
def test_waiting_for_itself_before_it_is_known_to_be_queued(m, unraisable, call):
    """An item may leave the scope before the call that queued it has returned, and is one of the scope's by then."""
    errors = []

    def inner(_work=None):
        try:
            scope.__exit__(None, None, None)
        except bh.DeadlockError as error:
            errors.append(error)
        left.append(True)

    def has_looked():
        return left or any(getattr(entry, "settled", None) for entry in scope._works.values())

    left = []
    with bh.WorkScope() as scope:
        scope._wq = SlowToReturn(m.system_managed_wq, lambda: eventually(has_looked))
        if call == "queue":
            scope.queue(bh.Work(inner))
        else:
            scope.submit(inner)
    assert len(errors) == 1


def leaves_while_queued(machine, call):
    """One task leaves a scope while another starts something in it, which is over by then, or refused."""
    ended, left = [], []
    scope = bh.WorkScope()
    scope.__enter__()

    def body(_work=None):
        bh.sleep(1e-5)
        ended.append(True)

    def leave():
        scope.__exit__(None, None, None)
        left.append(len(ended))

    leaver = machine.system_unbound_wq.submit(leave)
    try:
        scope.queue(bh.Work(body)) if call == "queue" else scope.submit(body)
        started = 1
    except bh.MisuseError:
        started = 0
    leaver.result()
    assert left == [started]


@pytest.mark.parametrize("call", ["queue", "submit"])
def test_who_leaves_meanwhile_waits_for_it(m, call):
    """Left is left, with the item over or refused: the moment at which another thread leaves is left to chance."""
    for _ in range(50):
        leaves_while_queued(m, call)


@pytest.mark.parametrize("call", ["queue", "submit"])
def test_who_leaves_meanwhile_waits_for_it_in_every_order(call):
    """The same at every point where the two can meet."""
    report = bh.explore(lambda machine: leaves_while_queued(machine, call), schedules=400)
    assert not report.failed, report


def test_refused_item_is_no_longer_the_scopes(m):
    """queue() that returns False or raises leaves the item where it was."""
    held = held_item(m.system_wq)
    pending = bh.Work(noop)
    m.system_wq.queue(held.work)  # runs and is pending again
    with bh.WorkScope() as scope:
        assert scope.queue(held.work) is False
        with pytest.raises(ValueError, match="cpu"):
            scope.queue(pending, cpu=99)
        assert "0 items" in repr(scope)
    assert held.work.busy and held.work.pending
    held.open()
    held.work.flush(LONG)


def test_item_of_two_scopes(m, unraisable):
    """An item that a second scope queues while it runs fails there; the first has waited for it all the same."""
    fail = []

    def body(work):
        started.complete()
        gate.wait(LONG)
        if fail:
            raise ValueError("second")
        fail.append(True)

    started, gate = bh.Completion(), bh.Completion()
    work = bh.Work(body)
    with pytest.raises(Group if GROUPS else ValueError), bh.WorkScope() as second:
        with bh.WorkScope() as first:
            assert first.queue(work)
            started.wait(LONG)
            assert second.queue(work)
            gate.complete_all()
        assert not work.busy
    assert first.exceptions == [] and [str(e) for e in second.exceptions] == ["second"]
    m.errors.clear()


def test_failing_item_cancels_its_siblings_at_once(m, unraisable):
    """An item's exception cancels the scope when it comes, not when the block is left."""

    def fail(work):
        raise ValueError("item")

    with pytest.raises(Group if GROUPS else ValueError), bh.WorkScope() as scope:
        scope.queue(bh.Work(fail))
        eventually(lambda: scope.cancel_requested)
        assert scope.queue(bh.Work(noop)) is False
    m.errors.clear()


def test_exception_of_an_earlier_run(m, unraisable):
    """What a run before the scope raised is none of its business; what a first run in it raised is not forgotten."""

    def body(work):
        runs.append(1)
        if len(runs) == 2:
            m.system_managed_wq.queue(work)
        if len(runs) <= 2:
            raise ValueError(f"run {len(runs)}")

    runs = []
    work = bh.Work(body)
    m.system_managed_wq.queue(work)
    work.flush(LONG)
    assert str(work.exception) == "run 1"
    gate = bh.Completion()
    wq = m.alloc_workqueue("one", bh.WQ.UNBOUND, 1)
    wq.queue(bh.Work(lambda w: gate.wait(LONG)))
    with bh.WorkScope(wq) as scope:
        scope.queue(work)  # and is taken back before it runs
        scope.cancel()
        gate.complete()
    assert len(runs) == 1 and scope.exceptions == []
    with pytest.raises(Group if GROUPS else ValueError), bh.WorkScope() as scope:
        scope.queue(work)
    assert [str(e) for e in scope.exceptions] == ["run 2"]
    m.errors.clear()


class Equal(bh.Work):
    """Says that it is like any other."""

    def __eq__(self, other):
        return True

    __hash__ = None


def test_items_that_are_equal(m):
    """Items are told apart by identity, whatever their class says."""
    items = [Item(kind=Equal), Item(kind=Equal)]

    def body():
        with bh.WorkScope() as scope:
            assert all(scope.queue(item.work) for item in items)

    call = blocked(body)
    items[0].open()
    eventually(lambda: items[0].ends == 1)
    assert not call.settle().done
    items[1].open()
    call.result()


def test_an_exception_that_came_through_a_result(m):
    """A function's exception that result() raises in the block is in the group once."""

    def fail():
        raise ValueError("child")

    with pytest.raises(Group if GROUPS else ValueError) as caught, bh.WorkScope() as scope:
        scope.submit(fail).result()
    assert [str(e) for e in failures(caught.value)] == ["child"]
    assert len(scope.exceptions) == 1


def interrupt():
    raise KeyboardInterrupt


class InterruptedEntry(bh.WorkScope):
    """Ctrl-C comes when a future has been entered, and before it is queued."""

    def _enter(self, future):
        super()._enter(future)
        interrupt()


def test_interrupted_while_it_queues(m):
    """Ctrl-C in queue(), with the item queued: the item is the scope's, and is waited for."""
    held = held_item(m.system_unbound_wq)
    with pytest.raises(KeyboardInterrupt), bh.WorkScope() as scope:
        scope._wq = SlowToReturn(m.system_unbound_wq, interrupt)
        held.open()
        scope.queue(held.work)
    assert not held.work.busy
    with pytest.raises(KeyboardInterrupt), InterruptedEntry() as scope:
        scope.submit(noop, None)
    assert "0 items" in repr(scope)


def test_interrupted_before_it_is_noted(m):
    """Ctrl-C so late that queue() could not say that it is over: the scope is left all the same."""
    item = Item(gated=False)
    with bh.WorkScope() as scope:
        scope.queue(item.work)
        next(iter(scope._works.values())).starting.append(bh.current_task().pid)
    assert item.runs == 1 and not item.work.busy


def test_scope_left_while_a_place_is_waited_for(m):
    """Who waits for a place in a full workqueue while the scope is left starts nothing in it any more."""
    wq = m.alloc_workqueue("full", bh.WQ.UNBOUND, 1, queue_depth=1)
    gate = held_item(wq)
    wq.submit(noop, None)
    scope = bh.WorkScope(wq)
    scope.__enter__()
    ran = []
    submitter = blocked(lambda: scope.submit(ran.append, 1))
    scope.__exit__(None, None, None)
    gate.open()
    with pytest.raises(bh.MisuseError, match="after its block was left"):
        submitter.result()
    wq.flush(LONG)
    assert ran == []


# --- cancel_requested without a scope ---


@pytest.mark.parametrize("call", ["cancel_sync", "disable_sync"])
def test_while_somebody_waits_to_cancel(m, call):
    """True while a cancel or disable waits for the running handler."""
    polite = Polite()
    work = bh.Work(polite)
    m.system_managed_wq.queue(work)
    polite.started.wait(LONG)
    assert not work.cancel_requested
    getattr(work, call)(LONG)
    assert polite.asked
    assert work.cancel_requested == (call == "disable_sync")
    if call == "disable_sync":
        work.enable()
    assert not work.cancel_requested


def test_plain_cancel_does_not_ask(m):
    """cancel() takes a pending item back and leaves a running one alone, as on Linux."""
    held = held_item(m.system_wq)
    assert held.work.cancel() is False and not held.work.cancel_requested
    held.open()


def test_delayed_item(m):
    """A delayed item's handler is asked in the same way."""
    polite = Polite()
    work = bh.DelayedWork(polite)
    m.system_managed_wq.queue_delayed(work, 0.001)
    polite.started.wait(LONG)
    work.cancel_sync(LONG)
    assert polite.asked


def test_future_cancel_asks_a_running_function(m):
    """Future.cancel() on a running function returns False, and the function may end early."""
    polite = Polite()
    future = m.system_managed_wq.submit(polite)
    polite.started.wait(LONG)
    assert future.cancel() is False
    future.result(LONG)
    assert polite.asked and future.cancel_requested and not future.cancelled()


def test_halt_without_draining_asks(boot):
    """m.halt("cancel") asks whatever runs: it need not wait for ever."""
    m = boot(cpus=1)
    polite = Polite()
    with m:
        work = bh.Work(polite)
        m.system_managed_wq.queue(work)
        polite.started.wait(LONG)
        halted = m.halt("cancel", timeout=LONG)
    assert halted is None
    # Its sleep may have ended by MachineExit instead of the look.
    assert polite.asked or m.halted


def test_halt_asks_a_handler_that_never_sleeps(boot):
    """A handler that only burns CPU time and looks now and then ends when the machine is cancelled."""
    m = boot(cpus=1)
    seen = []

    def burner(work):
        started.complete()
        while not work.cancel_requested:
            bh.burn(0.0007)
        seen.append(True)

    with m:
        started = bh.Completion()
        m.system_unbound_wq.queue(bh.Work(burner))
        started.wait(LONG)
        m.halt("cancel", timeout=LONG)
    assert seen == [True]


def test_blocked_scope_can_be_told_apart(m):
    """While a scope waits, its caller is asleep; the machine works on."""
    held = Item()

    def body():
        with bh.WorkScope() as scope:
            scope.queue(held.work)

    call = blocked(body)
    held.wait_started()
    works_on(m)
    held.open()
    call.result()
