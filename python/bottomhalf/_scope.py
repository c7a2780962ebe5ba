"""Scopes: what is started in one has ended when the ``with`` block is left."""

from __future__ import annotations

import builtins
import concurrent.futures
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from . import _core
from ._future import Future

__all__ = ["WorkScope"]

P = ParamSpec("P")
T = TypeVar("T")


def _misuse(text: str) -> _core.MisuseError:
    error = _core.MisuseError(text)
    error.rule = "scope-closed"
    return error


class _Entry:
    """An item in a scope. Under the scope's lock."""

    __slots__ = ("before", "generation", "queued", "settled", "starting", "work")

    def __init__(self, work: _core.Work) -> None:
        self.work = work
        self.before: WorkScope | None = work._scope  # whose it was, and is again if it is not queued here after all
        self.starting: list[int] = []  # the tasks whose calls of queue() are on their way
        self.generation = 0  # calls of queue() at all
        self.queued = False  # by one of them
        self.settled: _core.Completion | None = None  # of who waits until none is on its way


class WorkScope:
    """A block that waits for the work started in it; an error cancels what is left of it.

    ::

        with bh.WorkScope() as scope:
            a = scope.submit(fetch, "a")
            b = scope.submit(fetch, "b")
        print(a.result(), b.result())

    wq: the workqueue, None: ``system_managed_wq`` of the machine that is current when the block is entered.

    Leaving the block waits until nothing started through the scope is queued or runs. The first exception, of the
    block or of what was started, cancels the scope: what has not started never does, and what runs finds
    ``bh.current_work().cancel_requested`` true. These exceptions are raised when the block is left, as one
    ExceptionGroup that holds them in the order in which they came, the block's own first; on Python 3.10, which has no
    groups, the first of them. An exception of the block alone passes as it is, and so does KeyboardInterrupt.
    Work items may start more in the scope while it lasts. Task context that may sleep.
    """

    def __init__(self, wq: _core.Workqueue | None = None) -> None:
        if wq is not None and not isinstance(wq, _core.Workqueue):
            raise TypeError(f"wq must be a bottomhalf.Workqueue or None, not {type(wq).__name__}")
        self._wq = wq
        self._state = "new"  # new, open, closed
        self._cancelled: bool = False
        # What is started is entered before it is queued: it may leave the scope before queue() has returned. The lock
        # joins "still open" with the entry, and "nothing is left" with the closing; nothing of the engine is called
        # under it. Taken again by a signal's handler that starts something. The containers are read without it.
        self._lock = threading.RLock()
        self._futures: dict[Any, None] = {}  # those that are not over, in order
        self._works: dict[int, _Entry] = {}  # by id(): a subclass may say that two items are equal
        self._exceptions: list[BaseException] = []

    # --- starting ---

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run fn(*args, **kwargs) on the scope's workqueue; returns a Future. As ``Workqueue.submit``.

        In a scope that is cancelled the Future is cancelled at once. Raises MisuseError outside the block.
        """
        future = self._workqueue("submit")._submit_in(self, fn, *args, **kwargs)
        if self._cancelled:
            future.cancel()
        return future

    def _enter(self, future: Any) -> None:
        # Called when a future is made and about to be queued.
        with self._lock:
            self._workqueue("submit")
            self._futures[future] = None

    def queue(self, work: _core.Work, *, cpu: int | None = None) -> bool:
        """Queue an item on the scope's workqueue; as ``Workqueue.queue``, but in a cancelled scope always False.

        Leaving the block waits until the item is idle, so one that requeues itself must come to an end or look at
        ``cancel_requested``. Its exception is one of the scope's, besides ``work.exception`` and ``m.errors``.
        Raises TypeError for a DelayedWork or RcuWork, whose timer or grace period no scope waits for; MisuseError
        outside the block.
        """
        wq = self._workqueue("queue")
        anything: object = work
        if not isinstance(anything, _core.Work) or isinstance(anything, (_core.DelayedWork, _core.RcuWork)):
            kind = type(work).__name__
            raise TypeError(
                f"a WorkScope takes plain items, not {kind}: queue a bottomhalf.Work, or submit a function that sleeps"
            )
        if self.cancel_requested:
            return False
        task = _core.current_task().pid
        with self._lock:
            self._workqueue("queue")
            entry = self._works.get(id(work))
            if entry is None:
                entry = self._works[id(work)] = _Entry(work)
            entry.starting.append(task)
            entry.generation += 1
            work._scope = self
        queued = False
        try:
            queued = wq.queue(work, cpu=cpu)
        except BaseException as error:
            # A signal's exception may come when the item is queued already.
            queued = not isinstance(error, Exception) and bool(work.busy)
            raise
        finally:
            with self._lock:
                entry.starting.remove(task)
                entry.queued |= queued
                settled = None
                if not entry.starting:
                    settled, entry.settled = entry.settled, None
                    if not entry.queued:
                        self._forget(entry)
            if settled is not None:
                settled.complete_all()
        return queued and not (self._cancelled and work.cancel())

    def _forget(self, entry: _Entry) -> None:
        # Under the lock.
        self._works.pop(id(entry.work), None)
        if entry.work._scope is self:  # another scope may have queued it since
            entry.work._scope = None if entry.queued else entry.before

    def _workqueue(self, call: str) -> _core.Workqueue:
        if self._state != "open" or self._wq is None:
            when = "before its block is entered" if self._state == "new" else "after its block was left"
            raise _misuse(f"WorkScope.{call}: {when}; start work inside `with bottomhalf.WorkScope() as scope:`")
        return self._wq

    # --- ending ---

    @property
    def cancel_requested(self) -> bool:
        """True once the scope is cancelled: by cancel(), or by an exception of the block or of what it started."""
        return self._cancelled

    @property
    def exceptions(self) -> list[BaseException]:
        """The exceptions of what was started in the scope, in the order in which they came."""
        return list(self._exceptions)

    def cancel(self) -> None:
        """Take back what has not started, and ask what runs to end (``cancel_requested``). Any context; no waiting."""
        self._cancelled = True
        for future in list(self._futures):
            future.cancel()
        for entry in list(self._works.values()):
            if entry.queued:  # else it may be somebody else's; queue() looks once it knows
                entry.work.cancel()

    def _failed(self, error: BaseException) -> None:
        # Called when an item's handler has raised, while it still counts as running.
        if not isinstance(error, concurrent.futures.CancelledError):
            self._exceptions.append(error)
            self.cancel()

    def _ended(self, future: Any, error: BaseException | None) -> None:
        # Called when a future is over, before anybody else hears of it.
        self._futures.pop(future, None)
        if error is not None:
            self._failed(error)

    def _wait(self) -> None:
        task = _core.current_task().pid
        while self._futures or self._works:
            for future in list(self._futures):
                future._wait(None)
                self._futures.pop(future, None)  # also if a signal's exception has ended _ended()
            for entry in list(self._works.values()):
                work = entry.work
                with self._lock:
                    while task in entry.starting:
                        # A call of its own, which a signal's exception has ended: nobody knows where.
                        entry.starting.remove(task)
                        entry.queued = True
                    generation = entry.generation
                    settled = None
                    if entry.starting:
                        settled = entry.settled = entry.settled or _core.Completion()
                if settled is not None:
                    settled.wait()
                    continue
                # Until it is idle: it may have requeued itself.
                while work.cancel_sync() or work.busy if self._cancelled else work.flush():
                    pass
                with self._lock:
                    if not entry.starting and entry.generation == generation:
                        self._forget(entry)

    def _close(self) -> bool:
        with self._lock:
            if self._futures or self._works:
                return False
            self._state = "closed"
            return True

    def __enter__(self) -> WorkScope:
        if self._state != "new":
            raise _misuse("WorkScope: its block was entered before; make a new one for each block")
        if self._wq is None:
            self._wq = _core.current_machine().system_managed_wq
        self._state = "open"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if value is not None:
            self.cancel()
        try:
            self._wait()
            while not self._close():
                self._wait()
        except BaseException:
            # Interrupted, or a wait that cannot end: what was started is asked to end, and waited for once more.
            self.cancel()
            self._wait()
            raise
        finally:
            self._state = "closed"
        errors = self._exceptions
        if not errors or (value is not None and not isinstance(value, Exception)):
            return
        if sys.version_info >= (3, 11):
            # It may have come through a result() in the block as well.
            everything = errors if value is None else [value, *(e for e in errors if e is not value)]
            raise builtins.BaseExceptionGroup(f"{len(errors)} failed in a WorkScope", everything) from None
        if value is None:
            raise errors[0]

    def __repr__(self) -> str:
        count = len(self._futures) + len(self._works)
        cancelled = ", cancelled" if self._cancelled else ""
        return f"<bottomhalf.WorkScope: {self._state}{cancelled}, {count} items; submit(fn), queue(work), cancel()>"
