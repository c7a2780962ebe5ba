"""submit and its futures: concurrent.futures with an engine that knows who waits for whom."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import threading
import weakref

import pytest
from helpers import LONG, Call, Item, blocked, eventually, held_item, noop, run_in_work, works_on

import bottomhalf as bh


def test_result(m):
    """submit(fn, *args, **kwargs) runs it on the workqueue; result() is its value."""
    future = m.system_managed_wq.submit(lambda a, *, b: (a, b, bh.current_task().name), 1, b=2)
    assert isinstance(future, bh.Future) and isinstance(future, concurrent.futures.Future)
    a, b, name = future.result(LONG)
    assert (a, b) == (1, 2) and name.startswith("kworker/u")
    assert future.done() and not future.cancelled() and future.exception() is None


def test_module_level_submit(m):
    """bh.submit uses the managed workqueue of the current machine."""
    before = m.system_managed_wq.stats().started
    assert bh.submit(pow, 2, 10).result(LONG) == 1024
    assert m.system_managed_wq.stats().started == before + 1


@pytest.mark.parametrize("name", ["system_wq", "system_unbound_wq", "system_highpri_wq", "system_managed_wq"])
def test_on_any_workqueue(m, name):
    """Every workqueue takes submissions."""
    futures = [getattr(m, name).submit(pow, n, 2) for n in range(100)]
    assert [future.result(LONG) for future in futures] == [n * n for n in range(100)]


def test_exception(m):
    """An exception travels in the future, not to m.errors."""

    def fail():
        raise LookupError("lost")

    future = m.system_wq.submit(fail)
    with pytest.raises(LookupError, match="lost"):
        future.result(LONG)
    assert isinstance(future.exception(), LookupError)
    assert list(m.errors) == []
    works_on(m)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit], ids=lambda e: e.__name__)
def test_base_exceptions_travel_too(m, error):
    """As in ThreadPoolExecutor every exception of the function is the future's."""

    def fail():
        raise error

    with pytest.raises(error):
        m.system_wq.submit(fail).result(LONG)
    works_on(m)


def test_timeout(m):
    """result and exception with a timeout raise TimeoutError; the function goes on."""
    go = bh.Completion()
    future = m.system_wq.submit(go.wait)
    for call in (future.result, future.exception):
        with pytest.raises(TimeoutError):
            call(0.01)
    assert future.running()
    go.complete()
    future.result(LONG)


def test_cancel_takes_it_out_of_the_queue(m):
    """cancel() of a queued submission removes it: it never runs, and no slot of max_active stays taken."""
    wq = m.alloc_workqueue("one", bh.WQ(0), 1)
    holder = held_item(wq, cpu=0)
    ran = []
    with m.on_cpu(0):
        future, later = wq.submit(ran.append, 1), wq.submit(ran.append, 2)
    assert future.cancel() is True
    assert future.cancelled() and future.done()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result()
    holder.open()
    later.result(LONG)
    assert ran == [2]
    wq.destroy(LONG)


def test_cancel_of_what_runs_is_false(m):
    """A running or finished function cannot be cancelled."""
    go = bh.Completion()
    started = bh.Completion()
    future = m.system_wq.submit(lambda: (started.complete(), go.wait()))
    started.wait(LONG)
    assert future.cancel() is False
    go.complete()
    future.result(LONG)
    assert future.cancel() is False and not future.cancelled()


def test_callbacks(m):
    """add_done_callback: called once with the future, also for cancelled ones and at once for finished ones."""
    seen = []
    future = m.system_wq.submit(noop, 1)
    future.add_done_callback(seen.append)
    future.result(LONG)
    eventually(lambda: seen == [future])
    future.add_done_callback(lambda f: seen.append("late"))
    assert seen == [future, "late"]


def test_bad_submissions(m):
    """What is not callable, or cannot take its arguments, is refused at submit."""
    for bad in (None, 3):
        with pytest.raises(TypeError):
            m.system_wq.submit(bad)
    with pytest.raises(TypeError):
        m.system_wq.submit(lambda: None, 1)
    with pytest.raises(TypeError):
        m.system_wq.submit()


def test_context_variables_follow(m):
    """The function sees the submitter's context variables; what it sets stays in its own copy."""
    var = contextvars.ContextVar("var", default="unset")
    var.set("submitter")

    def body():
        seen = var.get()
        var.set("worker")
        return seen

    assert m.system_managed_wq.submit(body).result(LONG) == "submitter"
    assert var.get() == "submitter"
    assert m.system_managed_wq.submit(var.get).result(LONG) == "submitter"


def test_a_task_that_waits_for_a_task_of_its_own_pool(m):
    """The commonest complaint about every pool: a result() inside a worker is a sleep that the pool sees."""

    def recurse(n):
        return 1 if n == 0 else 1 + bh.submit(recurse, n - 1).result(LONG)

    assert bh.submit(recurse, 60).result(LONG) == 61


def test_fork_join(m):
    """Divide and conquer on the pool itself: every node waits for its two children."""

    def tree(depth):
        if depth == 0:
            return 1
        left, right = bh.submit(tree, depth - 1), bh.submit(tree, depth - 1)
        return left.result(LONG) + right.result(LONG)

    assert tree(6) == 64


def test_a_future_that_waits_for_itself(m):
    """A function that waits for its own future can never end."""
    box, ready = [], bh.Completion()

    def body():
        ready.wait()
        return box[0].result()

    box.append(bh.submit(body))
    ready.complete()
    with pytest.raises(bh.DeadlockError):
        box[0].result(LONG)
    works_on(m)


def test_bh_wait(m):
    """bh.wait: FIRST_COMPLETED, ALL_COMPLETED, FIRST_EXCEPTION, timeout; as concurrent.futures.wait."""
    go = bh.Completion()
    fast, slow = bh.submit(noop, 1), bh.submit(go.wait)
    done, pending = bh.wait([fast, slow], timeout=LONG, return_when=concurrent.futures.FIRST_COMPLETED)
    assert (done, pending) == ({fast}, {slow})
    done, pending = bh.wait([fast, slow], timeout=0.01)
    assert (done, pending) == ({fast}, {slow})
    failing = bh.submit(lambda: [][0])
    done, pending = bh.wait([slow, failing], timeout=LONG, return_when=concurrent.futures.FIRST_EXCEPTION)
    assert (done, pending) == ({failing}, {slow})
    go.complete()
    assert bh.wait([fast, slow], timeout=LONG).done == {fast, slow}


def test_bh_wait_in_a_worker_is_a_sleep(m):
    """bh.wait and as_completed inside an item let others of its CPU run."""

    def inside():
        futures = [m.system_wq.submit(pow, n, 2) for n in range(10)]
        bh.wait(futures)
        again = [m.system_wq.submit(pow, n, 2) for n in range(10)]
        return sorted(f.result() for f in futures), sorted(f.result() for f in bh.as_completed(again))

    squares = [n * n for n in range(10)]
    assert run_in_work(m.system_wq, inside, cpu=1) == (squares, squares)


def test_as_completed(m):
    """bh.as_completed yields futures as they end and raises TimeoutError when some do not."""
    gates = [bh.Completion() for _ in range(3)]
    futures = [bh.submit(gate.wait) for gate in gates]
    order = bh.as_completed(futures, timeout=LONG)
    for n in (2, 0, 1):
        gates[n].complete()
        assert next(order) is futures[n]
    assert list(order) == []
    stuck = bh.Completion()
    future = bh.submit(stuck.wait)
    with pytest.raises(TimeoutError):
        list(bh.as_completed([future], timeout=0.01))
    stuck.complete()
    future.result(LONG)


@pytest.mark.host("the standard library waits for real threads")
def test_the_standard_library_waits_alike(m):
    """concurrent.futures.wait and as_completed work on futures of a host machine."""
    futures = [bh.submit(pow, n, 2) for n in range(20)]
    done, pending = concurrent.futures.wait(futures, timeout=LONG)
    assert done == set(futures) and not pending
    futures = [bh.submit(pow, n, 2) for n in range(20)]
    squares = sorted(f.result() for f in concurrent.futures.as_completed(futures, timeout=LONG))
    assert squares == [n * n for n in range(20)]


@pytest.mark.host("the standard library waits for real threads")
def test_asyncio_run_in_executor(m):
    """loop.run_in_executor(wq, fn, *args) takes a workqueue."""

    async def main():
        loop = asyncio.get_running_loop()
        results = await asyncio.gather(*(loop.run_in_executor(m.system_managed_wq, pow, n, 2) for n in range(50)))
        with pytest.raises(LookupError):
            await loop.run_in_executor(m.system_wq, lambda: {}["key"])
        return results

    assert asyncio.run(main()) == [n * n for n in range(50)]


@pytest.mark.host("the standard library waits for real threads")
def test_asyncio_wrap_future(m):
    """asyncio.wrap_future awaits a submission; cancelling the wrapper takes it out of the queue."""

    async def main():
        assert await asyncio.wrap_future(bh.submit(pow, 2, 5)) == 32
        wq = m.alloc_workqueue("one", bh.WQ(0), 1)
        holder = Item()
        wq.queue(holder.work, cpu=0)
        with m.on_cpu(0):
            queued = wq.submit(ran.append, 1)
        wrapper = asyncio.wrap_future(queued)
        wrapper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wrapper
        await asyncio.sleep(0)  # the loop tells the submission
        eventually(queued.cancelled)
        holder.open()
        wq.destroy(LONG)

    ran = []
    asyncio.run(main())
    assert ran == []


def test_halt_cancels_what_is_queued(boot):
    """Futures of items that a halting machine drops are cancelled, so whoever waits for them returns."""
    machine = boot(cpus=1)
    machine.activate()
    wq = machine.alloc_workqueue("one", bh.WQ(0), 1)
    held_item(wq)
    future = wq.submit(noop, 1)
    waiter = None if machine.simulated else threading.Thread(target=lambda: concurrent.futures.wait([future]))
    if waiter is not None:
        waiter.start()
    machine.halt(pending="cancel", timeout=LONG)
    if waiter is not None:
        waiter.join(LONG)
    assert future.cancelled()


def test_no_reference_is_kept(m):
    """Function, arguments and result are let go with the future."""

    class Thing:
        pass

    thing = Thing()
    ref = weakref.ref(thing)
    future = bh.submit(lambda t: t, thing)
    assert future.result(LONG) is thing
    del thing, future
    eventually(lambda: gc.collect() is not None and ref() is None)


def test_dropped_futures_run_anyway(m):
    """A submission whose future nobody keeps still runs."""
    done = bh.Completion()
    for _ in range(100):
        bh.submit(done.complete)
    for _ in range(100):
        done.wait(LONG)


def test_many_threads_submit(m):
    """Submissions from many threads all arrive."""
    calls = [Call(lambda: sum(bh.submit(pow, n, 1).result(LONG) for n in range(50))) for _ in range(8)]
    assert [call.result() for call in calls] == [sum(range(50))] * 8


def test_result_in_another_thread_waits(m):
    """result() blocks its caller until the function is over."""
    go = bh.Completion()
    future = bh.submit(lambda: (go.wait(), "value")[1])
    call = blocked(future.result)
    go.complete()
    assert call.result() == "value"


def test_limits_of_waits_are_the_machines_time(boot):
    """On a simulated machine the timeouts of wait and as_completed are virtual seconds."""
    with boot(simulated=True) as m:
        futures = [m.system_unbound_wq.submit(bh.sleep, 0.9 * i) for i in range(1, 5)]
        begun = m.now
        done, pending = bh.wait(futures, timeout=1.0)
        assert (len(done), len(pending), round(m.now - begun, 3)) == (1, 3, 1.0)
        done, pending = bh.wait(futures, timeout=1.0, return_when=bh.FIRST_EXCEPTION)
        assert (len(done), len(pending), round(m.now - begun, 3)) == (2, 2, 2.0)
        with pytest.raises(concurrent.futures.TimeoutError, match=r"1 \(of 4\) futures unfinished"):
            list(bh.as_completed(futures, timeout=1.0))
        assert round(m.now - begun, 3) == 3.0


def test_waits_that_are_over_leave_nothing_behind(m):
    """A future that is still pending keeps nothing of who waited for the first of several."""
    held = held_item(m.system_unbound_wq)
    slow = m.system_unbound_wq.submit(held.work.flush)
    fast = m.system_unbound_wq.submit(int)
    assert fast.result(LONG) == 0
    for _ in range(3):
        assert bh.wait([fast, slow], return_when=bh.FIRST_COMPLETED).done == {fast}
        assert next(bh.as_completed([fast, slow])) is fast
        bh.wait([slow], timeout=0.001, return_when=bh.FIRST_EXCEPTION)
    assert slow._done_callbacks == []
    held.open()
    slow.result(LONG)
