"""Futures whose waits and cancel go through the engine."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from . import _core

__all__ = ["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION", "DoneAndNotDone", "Future", "as_completed", "wait"]

T = TypeVar("T")
F = TypeVar("F", bound="concurrent.futures.Future[Any]")


class Future(_core.FutureBase, concurrent.futures.Future[T], Generic[T]):
    """The outcome of ``wq.submit(fn, ...)``: a ``concurrent.futures.Future`` that is itself the queued item.

    ``result()`` and ``exception()`` are sleeps that the pool sees when called in a work item; ``cancel()`` takes the
    item out of its queue. The standard library's ``wait``, ``as_completed`` and ``asyncio.wrap_future`` work with it
    on host machines.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def result(self, timeout: float | None = None) -> T: ...

    def __repr__(self) -> str:
        state = self._state.lower().replace("_and_notified", "")
        if state == "finished":
            error = self._exception
            outcome = f"returned {type(self._result).__name__}" if error is None else f"raised {type(error).__name__}"
            return f"<bottomhalf.Future {self.name}: {outcome}>"
        hint = "; result() waits for it" if state in ("pending", "running") else ""
        return f"<bottomhalf.Future {self.name}: {state}{hint}>"


def _shared() -> tuple[threading.Condition, list[Any], list[Any]]:
    return threading.Condition(), [], []


def _finish(future: Any, state: str) -> None:
    # As concurrent.futures does it, for whoever looked from outside: waiters first, then callbacks.
    with future._condition:
        future._state = state
        cancelled = state != "FINISHED"
        for waiter in future._waiters:
            if cancelled:
                waiter.add_cancelled(future)
            elif future._exception is not None:
                waiter.add_exception(future)
            else:
                waiter.add_result(future)
        future._condition.notify_all()
    future._invoke_callbacks()


_core._set_future_type(Future, _finish, _shared, concurrent.futures.CancelledError, concurrent.futures.TimeoutError)


if TYPE_CHECKING:

    class DoneAndNotDone(NamedTuple, Generic[F]):
        done: set[F]
        not_done: set[F]

else:  # Python 3.10 has no generic named tuples

    class DoneAndNotDone(NamedTuple):
        """What :func:`wait` returns."""

        done: set
        not_done: set


_KNOWN = 256  # so many waits are looked at each time; arbitrary, more would be felt


class _Arrivals:
    """Counts futures that end, with an engine completion: a wait in a work item is a sleep that the pool sees."""

    def __init__(self) -> None:
        self.arrived: list[Any] = []
        self.completion = _core.Completion()

    def __call__(self, future: Any) -> None:
        self.arrived.append(future)
        self.completion.complete()

    def wait(self, pending: set[Any], timeout: float | None) -> None:
        """Wait for one of these; DeadlockError when none can ever end (with many left, only once few are)."""
        if len(pending) <= _KNOWN and _core.current_work() is not None:
            self.completion._wait_for_any(list(pending), timeout)
        else:
            self.completion.wait(timeout=timeout)


def _now() -> float:
    machine = _core.current_machine()
    return machine.now if machine.simulated else time.monotonic()


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else _now() + timeout


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - _now())


def _forget(futures: Iterable[Any], arrivals: _Arrivals) -> None:
    # Nobody waits any more: what is still pending is not to keep it.
    for future in futures:
        with future._condition:
            if arrivals in future._done_callbacks:
                future._done_callbacks.remove(arrivals)


def wait(futures: Iterable[F], timeout: float | None = None, return_when: str = ALL_COMPLETED) -> DoneAndNotDone[F]:
    """Wait for futures, as ``concurrent.futures.wait``; in a work item the pool sees the sleep.

    timeout: seconds, None: for ever. return_when: FIRST_COMPLETED, FIRST_EXCEPTION or ALL_COMPLETED.
    Returns the sets ``(done, not_done)``; a timeout raises nothing. Task context that may sleep.
    """
    if return_when not in (FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED):
        raise ValueError(f"return_when={return_when!r}: allowed are FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED")
    pending = set(futures)
    anything: set[Any] = set(pending)
    ours = [f for f in anything if isinstance(f, _core.FutureBase)]
    if return_when == ALL_COMPLETED and len(ours) == len(pending):
        # Ours tell the waiter directly; no callback is hung on any of them.
        deadline = _deadline(timeout)
        for mine in ours:
            if not mine._wait(_left(deadline)):
                break
        finished = {f for f in pending if f.done()}
        return DoneAndNotDone(finished, pending - finished)
    everything = set(pending)
    done: set[Any] = set()
    deadline = _deadline(timeout)
    arrivals = _Arrivals()
    for future in everything:
        future.add_done_callback(arrivals)
    try:
        while True:
            while arrivals.arrived:
                future = arrivals.arrived.pop()
                done.add(future)
                pending.discard(future)
            if not pending:
                break
            if done and return_when == FIRST_COMPLETED:
                break
            if return_when == FIRST_EXCEPTION and any(not f.cancelled() and f.exception() is not None for f in done):
                break
            try:
                arrivals.wait(pending, _left(deadline))
            except TimeoutError:
                if not arrivals.arrived:
                    break
    finally:
        _forget(pending, arrivals)
    return DoneAndNotDone(done, pending)


def as_completed(futures: Iterable[F], timeout: float | None = None) -> Iterator[F]:
    """Yield futures as they end, as ``concurrent.futures.as_completed``.

    timeout: seconds for all of them, None: for ever. Raises TimeoutError when some are not over by then.
    """
    everything = set(futures)
    deadline = _deadline(timeout)
    arrivals = _Arrivals()
    for future in everything:
        future.add_done_callback(arrivals)
    total = len(everything)
    try:
        while everything:
            while not arrivals.arrived:
                try:
                    arrivals.wait(everything, _left(deadline))
                except TimeoutError:
                    if not arrivals.arrived:
                        raise concurrent.futures.TimeoutError(
                            f"{len(everything)} (of {total}) futures unfinished"
                        ) from None
            over = arrivals.arrived.pop(0)
            everything.discard(over)
            yield over
    finally:
        _forget(everything, arrivals)
