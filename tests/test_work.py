"""Work items: struct work_struct as a Python object."""

from __future__ import annotations

import copy
import functools
import gc
import pickle
import weakref

import pytest
from helpers import LONG, Call, Item, blocked, cpu_held, eventually, held_item, noop, works_on

import bottomhalf as bh


def test_queue_runs_the_handler_once_with_the_work(m):
    """queue_work on an idle item returns True, and the function is called once with the item."""
    seen = []
    work = bh.Work(seen.append)
    assert m.system_wq.queue(work) is True
    work.flush(LONG)
    assert seen == [work]


def test_12_01_queue_of_a_pending_item_returns_false(m):
    """queue_work on a pending item returns False, and the item runs once."""
    item = Item(gated=False)
    with cpu_held(m, 1):
        assert m.system_wq.queue(item.work, cpu=1) is True
        assert m.system_wq.queue(item.work, cpu=1) is False
        assert m.system_wq.queue(item.work, cpu=0) is False
    item.work.flush(LONG)
    assert item.runs == 1


def test_12_02_queue_from_its_own_handler_runs_again(m):
    """PENDING is cleared before the function is called, so an item may queue itself."""
    answers = []

    def handler(work):
        if len(answers) < 3:
            answers.append(m.system_wq.queue(work))
        else:
            done.complete()

    done = bh.Completion()
    work = bh.Work(handler)
    m.system_wq.queue(work)
    done.wait(LONG)
    assert answers == [True] * 3


def test_queue_while_running_runs_once_more(m):
    """queue_work on a running item returns True; one more run follows, after the first."""
    item = held_item(m.system_wq)
    assert m.system_wq.queue(item.work) is True
    assert m.system_wq.queue(item.work) is False
    assert item.runs == 1
    item.open()
    item.work.flush(LONG)
    assert (item.runs, item.ends) == (2, 2)


@pytest.mark.parametrize("where", ["system_wq", "system_unbound_wq", "system_managed_wq"])
def test_12_02_an_item_never_runs_beside_itself(m, where):
    """An item that stays on one workqueue never runs on two workers at once, whatever CPU it is requeued on."""
    wq = getattr(m, where)
    inside, most, runs = 0, 0, 0

    def handler(_):
        nonlocal inside, most, runs
        inside += 1
        most = max(most, inside)
        bh.sleep(0.0001)
        runs += 1
        inside -= 1

    work = bh.Work(handler)
    queued = 0

    def hammer(cpu):
        nonlocal queued
        for _ in range(200):
            if wq.queue(work, cpu=cpu):
                with count:
                    queued += 1
            bh.cond_resched()

    count = bh.SpinLock()
    hammers = [Call(hammer, cpu) for cpu in (0, 1, 0, 1)]
    for call in hammers:
        call.result()
    work.flush(LONG)
    assert most == 1
    assert runs == queued


def test_12_29_requeue_on_the_other_cpu_runs_after_the_first_on_its_cpu(m):
    """A running item queued for another CPU of its workqueue waits for the run, and runs where that one ran."""
    item = held_item(m.system_wq, cpu=0)
    assert m.system_wq.queue(item.work, cpu=1) is True
    assert item.work.busy == bh.Busy.PENDING | bh.Busy.RUNNING
    item.open()
    item.work.flush(LONG)
    assert item.cpus == [0, 0]


def test_12_29_requeue_on_another_pool_runs_at_the_same_time(m):
    """Non-reentrancy holds per workqueue and pool: queued on system_highpri_wq a running item runs beside itself."""
    item = held_item(m.system_wq, cpu=0)
    assert m.system_highpri_wq.queue(item.work, cpu=0) is True
    item.wait_started()
    assert (item.runs, item.ends) == (2, 0)
    assert item.work.busy == bh.Busy.RUNNING
    item.open()
    m.system_wq.flush(LONG)
    m.system_highpri_wq.flush(LONG)
    assert item.ends == 2


def test_every_store_before_the_queue_is_seen(m):
    """After a True return every earlier store of the submitter is visible to the handler."""
    box = []
    seen = []
    work = bh.Work(lambda _: seen.append(list(box)))
    for i in range(100):
        box.append(i)
        assert m.system_wq.queue(work)
        work.flush(LONG)
    assert [len(s) for s in seen] == list(range(1, 101))


def test_schedule_queues_on_system_wq(m):
    """schedule_work is queue_work on system_wq."""
    current = []
    work = bh.Work(lambda _: current.append(bh.current_work()))
    before = m.system_wq.stats().started
    assert work.schedule() is True
    work.flush(LONG)
    assert current == [work]
    assert m.system_wq.stats().started == before + 1
    assert bh.current_work() is None


def test_queue_many_counts_what_it_queued(m):
    """queue_many queues each item that is not pending and returns how many those were."""
    items = [Item(gated=False) for _ in range(5)]
    with cpu_held(m, 1):
        assert m.system_wq.queue(items[2].work, cpu=1)
        assert m.system_wq.queue_many([i.work for i in items], cpu=1) == 4
    m.system_wq.flush(LONG)
    assert [i.runs for i in items] == [1] * 5


def test_declared_items(m):
    """DECLARE_WORK and DECLARE_DELAYED_WORK as decorators make items of functions."""
    ran = []

    @bh.work
    def plain(work):
        ran.append(work)

    @bh.delayed_work
    def later(work):
        ran.append(work)

    assert type(plain) is bh.Work and type(later) is bh.DelayedWork
    assert isinstance(later, bh.Work)
    plain.schedule()
    plain.flush(LONG)
    later.schedule(0)
    later.flush(LONG)
    assert ran == [plain, later]
    assert (plain.name, later.name) == (plain.func.__name__, later.func.__name__) == ("plain", "later")


def test_names_and_reprs():
    """An item is called by its name, else by its function's; its repr is one line that says which and in what state."""
    named = bh.Work(noop, name="flush-cache")
    assert named.name == "flush-cache"
    assert bh.Work(noop).name == "noop"
    assert named.func is noop
    text = repr(named)
    assert "flush-cache" in text and "\n" not in text
    assert "Work" in text


def test_repr_of_pending_and_running_items(m):
    """The repr follows the state and never fails."""
    item = held_item(m.system_wq, name="gated")
    running = repr(item.work)
    m.system_wq.queue(item.work)
    both = repr(item.work)
    item.open()
    item.work.flush(LONG)
    assert "gated" in running and running != repr(item.work)
    assert both != running


def test_subclass_overrides_run_and_needs_no_init(m):
    """container_of is subclassing: an own run(), own attributes, and Work.__init__ need not be called."""

    class Request(bh.Work):
        def __init__(self, number):
            self.number = number

        def run(self):
            answers.append((self.number, bh.current_work() is self))

    answers = []
    requests = [Request(n) for n in range(3)]
    assert requests[1].__dict__ == {"number": 1}
    for request in requests:
        assert m.system_wq.queue(request)
    m.system_wq.flush(LONG)
    assert sorted(answers) == [(0, True), (1, True), (2, True)]


def test_delayed_subclass(m):
    """A subclass of DelayedWork overrides run() alike."""

    class Poll(bh.DelayedWork):
        def run(self):
            ran.append(self)

    ran = []
    poll = Poll()
    assert m.system_wq.queue_delayed(poll, 0.001)
    poll.flush(LONG)
    assert ran == [poll]


def test_callables_of_all_kinds(m):
    """Functions, bound methods, partials and callable objects serve as functions."""
    ran = []

    class Callable:
        def __call__(self, work):
            ran.append("object")

        def method(self, work):
            ran.append("method")

    functions = [
        lambda work: ran.append("lambda"),
        Callable(),
        Callable().method,
        functools.partial(lambda tag, work: ran.append(tag), "partial"),
        lambda *args: ran.append("star"),
        lambda work, extra=None: ran.append("default"),
    ]
    works = [bh.Work(function) for function in functions]
    m.system_wq.queue_many(works)
    m.system_wq.flush(LONG)
    assert sorted(ran) == sorted(["lambda", "object", "method", "partial", "star", "default"])


@pytest.mark.parametrize("kind", [bh.Work, bh.DelayedWork])
@pytest.mark.parametrize("func", [lambda: None, lambda a, b: None, lambda *, key: None], ids=["none", "two", "key"])
def test_a_function_that_cannot_take_the_work_is_refused(kind, func):
    """A callable that cannot be called with the item is refused when the item is made."""
    with pytest.raises(TypeError):
        kind(func)


@pytest.mark.parametrize("kind", [bh.Work, bh.DelayedWork])
@pytest.mark.parametrize("func", [None, 3, "name", object()], ids=repr)
def test_what_is_not_callable_is_refused(kind, func):
    """The function must be callable."""
    with pytest.raises(TypeError):
        kind(func)


def test_a_work_is_not_callable():
    """An item is queued, not called."""
    assert not callable(bh.Work(noop))


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, pickle.dumps], ids=lambda f: f.__name__)
@pytest.mark.parametrize("kind", [bh.Work, bh.DelayedWork])
def test_copies_are_refused_with_a_reason(kind, clone):
    """An item is an identity that queues point to: copy and pickle are refused and say why."""
    with pytest.raises(TypeError, match=r".{20}"):
        clone(kind(noop))


def test_an_idle_item_holds_nothing(m):
    """The engine holds no reference to an idle item: it goes with its last reference, also after it ran."""
    work = bh.Work(noop)
    ref = weakref.ref(work)
    m.system_wq.queue(work)
    work.flush(LONG)
    del work
    gc.collect()
    eventually(lambda: ref() is None)


def test_a_pending_item_is_kept_alive(m):
    """A pending item is kept alive by its queue, runs, and goes afterwards."""
    ran = bh.Completion()
    with cpu_held(m, 1):
        work = bh.Work(lambda _: ran.complete())
        ref = weakref.ref(work)
        m.system_wq.queue(work, cpu=1)
        del work
        gc.collect()
        assert ref() is not None
    ran.wait(LONG)
    eventually(lambda: gc.collect() is not None and ref() is None)


def test_an_armed_item_is_kept_alive(m):
    """The timer of a delayed item keeps it alive; cancelling lets it go."""
    work = bh.DelayedWork(noop)
    ref = weakref.ref(work)
    m.system_wq.queue_delayed(work, 1000)
    del work
    gc.collect()
    assert ref() is not None
    assert ref().cancel() is True
    gc.collect()
    assert ref() is None


def test_cancel_drops_the_reference(m):
    """An item taken out of its queue is no longer held by it."""
    with cpu_held(m, 1):
        work = bh.Work(noop)
        ref = weakref.ref(work)
        m.system_wq.queue(work, cpu=1)
        assert work.cancel() is True
        del work
        gc.collect()
        assert ref() is None


def test_an_item_may_drop_itself(m):
    """A handler may drop the last reference to its own item (kfree in the handler)."""

    class Owner:
        def __init__(self):
            self.work = bh.Work(self.handler)

        def handler(self, work):
            box.clear()
            done.complete()

    box, done = [Owner()], bh.Completion()
    ref = weakref.ref(box[0])
    m.system_wq.queue(box[0].work)
    done.wait(LONG)
    eventually(lambda: gc.collect() is not None and ref() is None)


def test_cycles_are_collected():
    """An item whose function refers to the item is garbage like any other cycle."""

    class Owner:
        def __init__(self):
            self.work = bh.Work(self.handler)
            self.later = bh.DelayedWork(self.handler)

        def handler(self, work):
            pass

    ref = weakref.ref(Owner())
    gc.collect()
    assert ref() is None


def test_cycles_of_pending_items_are_not_collected(m):
    """A cycle through a pending item is reachable from the queue."""
    ran = bh.Completion()

    class Owner:
        def __init__(self):
            self.work = bh.Work(self.handler)

        def handler(self, work):
            ran.complete()

    with cpu_held(m, 1):
        owner = Owner()
        m.system_wq.queue(owner.work, cpu=1)
        ref = weakref.ref(owner)
        del owner
        gc.collect()
        assert ref() is not None
    ran.wait(LONG)
    eventually(lambda: gc.collect() is not None and ref() is None)


@pytest.mark.parametrize("kind", [bh.Work, bh.DelayedWork])
def test_items_are_freed_in_bulk_without_leaks(m, kind):
    """Thousands of items made, run and dropped leave nothing behind."""
    refs = []
    for _ in range(20):
        works = [kind(noop) for _ in range(50)]
        refs += [weakref.ref(w) for w in works]
        assert m.system_wq.queue_many(works) == 50
        m.system_wq.flush(LONG)
    del works
    eventually(lambda: gc.collect() is not None and not any(r() for r in refs))


def test_an_exception_is_kept_and_reported(m, unraisable):
    """An exception that leaves a handler goes to sys.unraisablehook, m.errors and work.exception; the worker lives."""

    def handler(_):
        raise LookupError("lost")

    work = bh.Work(handler, name="loser")
    assert work.exception is None
    m.system_wq.queue(work)
    work.flush(LONG)
    assert isinstance(work.exception, LookupError)
    eventually(lambda: unraisable)
    assert [error for error, _, _ in unraisable] == [work.exception]
    assert "loser" in unraisable[0][1] + unraisable[0][2]
    assert [error for _, error in m.errors] == [work.exception]
    works_on(m)


def test_exception_is_cleared_when_the_function_next_starts(m, unraisable):
    """work.exception speaks of the last run that started."""
    fail = True

    def handler(_):
        if fail:
            raise LookupError

    work = bh.Work(handler)
    m.system_wq.queue(work)
    work.flush(LONG)
    assert isinstance(work.exception, LookupError)
    fail = False
    m.system_wq.queue(work)
    work.flush(LONG)
    assert work.exception is None
    assert len(m.errors) == 1


@pytest.mark.host("on a simulated machine the first two end the run")
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit], ids=lambda e: e.__name__)
def test_no_exception_kills_a_worker(m, unraisable, error):
    """Not even the exceptions that end a program end a worker of a host machine."""

    def handler(_):
        raise error

    work = bh.Work(handler)
    for _ in range(3):
        m.system_wq.queue(work)
        work.flush(LONG)
        assert isinstance(work.exception, error)
    works_on(m)


@pytest.mark.simulated("on a host machine they end nothing")
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit], ids=lambda e: e.__name__)
def test_what_ends_a_program_is_raised_in_the_booter(boot, error):
    """KeyboardInterrupt and SystemExit in a handler stop a simulated machine: whoever runs it gets them."""
    machine = boot(cpus=1)

    def handler(_):
        raise error("enough")

    work = bh.Work(handler)
    machine.system_wq.queue(work)
    with pytest.raises(error, match="enough"):
        machine.run()


def test_pending_and_busy(m):
    """work_pending and work_busy: queued 1, running 2, running and queued again 3."""
    item = Item()
    assert item.work.pending is False and item.work.busy == 0
    with cpu_held(m, 1):
        m.system_wq.queue(item.work, cpu=1)
        assert item.work.pending is True and item.work.busy == bh.Busy.PENDING == 1
    item.wait_started()
    assert item.work.pending is False and item.work.busy == bh.Busy.RUNNING == 2
    m.system_wq.queue(item.work, cpu=1)
    assert item.work.pending is True and item.work.busy == 3
    item.open()
    item.work.flush(LONG)
    eventually(lambda: item.work.busy == 0)


def test_12_05_disable_nests_and_enable_tells_when_it_reaches_zero(m):
    """disable_work twice, enable False, enable True; queueing between is refused."""
    work = bh.Work(noop)
    assert work.disable() is False
    assert work.disable() is False
    assert m.system_wq.queue(work) is False
    assert work.enable() is False
    assert m.system_wq.queue(work) is False
    assert work.enable() is True
    assert m.system_wq.queue(work) is True
    work.flush(LONG)


def test_12_03_a_sync_cancel_of_a_running_item(m):
    """cancel_work_sync of an item that runs and is not queued: False, after the end; nobody queues it meanwhile."""
    item = held_item(m.system_wq)
    call = blocked(item.work.cancel_sync)
    assert m.system_wq.queue(item.work) is False
    assert item.ends == 0
    item.open()
    assert call.result() is False
    assert (item.runs, item.ends) == (1, 1)


def test_12_04_a_sync_cancel_of_an_item_that_runs_and_is_queued(m):
    """It takes the queued instance away and waits for the other: True, and one run."""
    item = held_item(m.system_wq)
    assert m.system_wq.queue(item.work) is True
    call = blocked(item.work.cancel_sync)
    item.open()
    assert call.result() is True
    m.system_wq.flush(LONG)
    assert (item.runs, item.ends) == (1, 1)


def test_12_03_a_sync_cancel_refuses_requeues_meanwhile(m):
    """While cancel_work_sync waits the item counts as disabled: its own handler's requeue is refused."""
    answers = []
    item = Item(then=lambda work: answers.append(m.system_wq.queue(work)))
    m.system_wq.queue(item.work)
    item.wait_started()
    m.system_wq.queue(item.work)
    call = Call(item.work.cancel_sync)
    eventually(lambda: not item.work.pending)
    assert m.system_wq.queue(item.work) is False
    item.open()
    assert call.result() is True
    assert answers == [False] and item.runs == 1
    item.then = None
    assert m.system_wq.queue(item.work) is True
    item.work.flush(LONG)


def test_two_sync_cancels_both_work(m):
    """Two concurrent sync cancels wait both; exactly one took the pending instance."""
    item = held_item(m.system_wq)
    m.system_wq.queue(item.work)
    first = blocked(item.work.cancel_sync)
    second = blocked(item.work.cancel_sync)
    item.open()
    assert (first.result(), second.result()) == (True, False)
    assert m.system_wq.queue(item.work) is True
    item.work.flush(LONG)
