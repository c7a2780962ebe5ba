"""The operations: what their words mean, and how their results are written.

An operation on a missing object, one of the wrong kind or with bad arguments answers ``EINVAL`` and does nothing; one
that is not known answers ``ENOSYS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import bottomhalf as bh

from .items import DelayedWork, GatedWork, Kick, Log, Queue, SignedTasklet, SignedTimer
from .programs import Program

QUEUES, WORKS, TASKLETS, TIMERS, CALLS = 6, 10, 4, 4, 4  # how many of each a program may have
STUCK_AFTER = 20.0  # seconds until a call in a task of its own counts as hung
LONGEST_SLEEP = 100_000  # milliseconds
SCOPE = "system"  # the CPUs of the recorded kernel shared one cache: all unbound workqueues of a nice level one pool

T = TypeVar("T")

_FLAGS = {name: bh.WQ[name] for name in ("UNBOUND", "HIGHPRI", "CPU_INTENSIVE", "MEM_RECLAIM", "FREEZABLE", "BH")}


class Invalid(Exception):
    """The operation does not make sense here: ``EINVAL``."""


class Stuck(Exception):
    """A call did not return: the machine cannot be used any more. Carries the result lines until then."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(lines[-1])
        self.lines = lines


class Call:
    """A slot: an operation that may block, in a task of its own on CPU 0."""

    def __init__(self, machine: bh.Machine, slot: int, operation: Callable[[], str]) -> None:
        self.result: str | None = None
        self._operation = operation
        self._task = machine.spawn(self._main, cpu=0, name=f"async{slot}")

    def _main(self) -> None:
        self.result = self._operation()

    def join(self) -> str:
        """Waits for its end. Raises TimeoutError."""
        self._task.join(STUCK_AFTER)
        assert self.result is not None
        return self.result


class Interpreter:
    """Runs one program on a machine. settle: waits until nothing changes by itself, given what tells that it does."""

    def __init__(self, machine: bh.Machine, settle: Callable[[Callable[[], bool]], None]) -> None:
        self._machine = machine
        self._settle = settle
        self.log = Log()
        self.queues: dict[int, Queue] = {}
        self.works: dict[int, GatedWork] = {}
        self.tasklets: dict[int, SignedTasklet] = {}
        self.timers: dict[int, SignedTimer] = {}
        self.calls: dict[int, Call] = {}
        self._bh_off: Any = None

    def run(self, program: Program) -> list[str]:
        """The result lines of a program. Raises Stuck."""
        prefix = f"PROG {program.number}"
        lines: list[str] = []
        for index, operation in enumerate(program.operations):
            lines.append(f"{prefix} OP {index} {operation} -> {self.execute(operation.split())}")
        try:
            timeouts = self._finish()
        except Stuck as stuck:
            raise Stuck([*lines, f"{prefix} {stuck}"]) from None
        lines.append(f"{prefix} END log -> {self.log.take()}")
        lines.append(f"{prefix} END counters -> {self.counters([])}")
        if timeouts:
            raise Stuck([*lines, f"{prefix} END SETTLE-TIMEOUT"])
        self._tear_down()
        return lines

    def execute(self, words: list[str]) -> str:
        """Does one operation and returns its result."""
        operation = _OPERATIONS.get(words[0])
        if operation is None:
            return "ENOSYS"
        try:
            return operation(self, words[1:])
        except Invalid:
            return "EINVAL"
        except bh.BottomHalfError as error:
            return type(error).__name__  # no recorded result reads like that

    # --- the objects named by arguments ---

    def _queue(self, words: list[str], at: int) -> Queue:
        return _found(self.queues, words, at)

    def _work(self, words: list[str], at: int) -> GatedWork:
        return _found(self.works, words, at)

    def _plain(self, words: list[str], at: int) -> GatedWork:
        work = _found(self.works, words, at)
        if isinstance(work, DelayedWork):
            raise Invalid
        return work

    def _delayed(self, words: list[str], at: int) -> DelayedWork:
        work = _found(self.works, words, at)
        if not isinstance(work, DelayedWork):
            raise Invalid
        return work

    def _cpu(self, words: list[str]) -> int:
        return _number(words, 0, self._machine.cpus)

    # --- workqueues ---

    def alloc_workqueue(self, words: list[str]) -> str:
        ident, flags, max_active = _new(self.queues, words, QUEUES), _flags(words), _integer(words, 2)
        try:
            wq = self._machine.alloc_workqueue(f"ops{ident}", flags, max_active)
        except ValueError:
            return "null"
        if bh.WQ.UNBOUND in flags and not self._machine.simulated:  # where there is one cache anyway
            wq.affinity_scope = SCOPE
        self.queues[ident] = Queue(ident, wq, flags, ordered=False)
        return "ok"

    def alloc_ordered_workqueue(self, words: list[str]) -> str:
        ident, flags = _new(self.queues, words, QUEUES), _flags(words)
        try:
            wq = self._machine.alloc_ordered_workqueue(f"ops{ident}", flags)
        except ValueError:
            return "null"
        self.queues[ident] = Queue(ident, wq, flags, ordered=True)
        return "ok"

    def destroy_workqueue(self, words: list[str]) -> str:
        queue = self._queue(words, 0)
        queue.wq.destroy()
        del self.queues[queue.ident]
        return "ok"

    def flush_workqueue(self, words: list[str]) -> str:
        self._queue(words, 0).wq.flush()
        return "ok"

    def drain_workqueue(self, words: list[str]) -> str:
        self._queue(words, 0).wq.drain()
        return "ok"

    # --- work items ---

    def init_work(self, words: list[str]) -> str:
        return self._init_work(GatedWork, words)

    def init_delayed_work(self, words: list[str]) -> str:
        return self._init_work(DelayedWork, words)

    def _init_work(self, kind: type[GatedWork], words: list[str]) -> str:
        ident, options = _new(self.works, words, WORKS), _options(words)
        self.works[ident] = kind(
            ident,
            self.log,
            gate=options.get("gate", 0),
            sleep=options.get("sleep", 0) / 1000,
            requeue=options.get("requeue", 0),
        )
        return "ok"

    def queue_work(self, words: list[str]) -> str:
        return _bool(self._work(words, 1).queue_on(self._queue(words, 0)))

    def queue_work_on(self, words: list[str]) -> str:
        return _bool(self._work(words, 2).queue_on(self._queue(words, 1), self._cpu(words)))

    def queue_delayed_work(self, words: list[str]) -> str:
        return _bool(self._delayed(words, 1).queue_delayed_on(self._queue(words, 0), _delay(words, 2)))

    def queue_delayed_work_on(self, words: list[str]) -> str:
        work, queue = self._delayed(words, 2), self._queue(words, 1)
        return _bool(work.queue_delayed_on(queue, _delay(words, 3), self._cpu(words)))

    def mod_delayed_work(self, words: list[str]) -> str:
        return _bool(self._delayed(words, 1).mod_delayed_on(self._queue(words, 0), _delay(words, 2)))

    def mod_delayed_work_on(self, words: list[str]) -> str:
        work, queue = self._delayed(words, 2), self._queue(words, 1)
        return _bool(work.mod_delayed_on(queue, _delay(words, 3), self._cpu(words)))

    def flush_work(self, words: list[str]) -> str:
        work = self._work(words, 0)
        return _bool(work.flush_work() if isinstance(work, DelayedWork) else work.flush())

    def flush_delayed_work(self, words: list[str]) -> str:
        return _bool(self._delayed(words, 0).flush())

    def cancel_work(self, words: list[str]) -> str:
        return _bool(self._plain(words, 0).cancel())

    def cancel_delayed_work(self, words: list[str]) -> str:
        return _bool(self._delayed(words, 0).cancel())

    def cancel_work_sync(self, words: list[str]) -> str:
        return _bool(self._plain(words, 0).cancel_sync())

    def cancel_delayed_work_sync(self, words: list[str]) -> str:
        return _bool(self._delayed(words, 0).cancel_sync())

    def disable_work(self, words: list[str]) -> str:
        return _bool(_disabled(self._plain(words, 0)).disable())

    def disable_delayed_work(self, words: list[str]) -> str:
        return _bool(_disabled(self._delayed(words, 0)).disable())

    def disable_work_sync(self, words: list[str]) -> str:
        return _bool(_disabled(self._plain(words, 0)).disable_sync())

    def disable_delayed_work_sync(self, words: list[str]) -> str:
        return _bool(_disabled(self._delayed(words, 0)).disable_sync())

    def enable_work(self, words: list[str]) -> str:
        return _bool(_enabled(self._plain(words, 0)).enable())

    def enable_delayed_work(self, words: list[str]) -> str:
        return _bool(_enabled(self._delayed(words, 0)).enable())

    def work_pending(self, words: list[str]) -> str:
        return _bool(self._work(words, 0).pending)

    def delayed_work_pending(self, words: list[str]) -> str:
        return _bool(self._delayed(words, 0).pending)

    def dwork_timer_pending(self, words: list[str]) -> str:
        return _bool(self._delayed(words, 0).armed)

    def work_busy(self, words: list[str]) -> str:
        return str(int(self._work(words, 0).busy))

    # --- gates ---

    def open(self, words: list[str]) -> str:
        self._work(words, 0).open()
        return "ok"

    def close(self, words: list[str]) -> str:
        self._work(words, 0).close()
        return "ok"

    def open_all(self, words: list[str]) -> str:
        return _settled(self._open_all())

    def _open_all(self) -> bool:
        settled = True
        for _, work in sorted(self.works.items()):
            if not work.is_open:
                held = work.waiting > 0
                work.open()
                # One after the other, so that the order of what each lets start is known.
                settled = (not held or self._settles()) and settled
        return settled

    # --- tasklets ---

    def tasklet_init(self, words: list[str]) -> str:
        ident, options = _new(self.tasklets, words, TASKLETS), _options(words)
        kick = self._kick(options)
        self.tasklets[ident] = SignedTasklet(ident, self.log, kick, requeue=options.get("requeue", 0))
        return "ok"

    def _tasklet(self, words: list[str]) -> SignedTasklet:
        return _found(self.tasklets, words, 0)

    def tasklet_schedule(self, words: list[str]) -> str:
        self._tasklet(words).tasklet.schedule()
        return "ok"

    def tasklet_hi_schedule(self, words: list[str]) -> str:
        self._tasklet(words).tasklet.hi_schedule()
        return "ok"

    def tasklet_disable(self, words: list[str]) -> str:
        self._tasklet(words).tasklet.disable()
        return "ok"

    def tasklet_disable_nosync(self, words: list[str]) -> str:
        self._tasklet(words).tasklet.disable_nosync()
        return "ok"

    def tasklet_enable(self, words: list[str]) -> str:
        tasklet = self._tasklet(words).tasklet
        if not tasklet.count:
            raise Invalid
        tasklet.enable()
        return "ok"

    def tasklet_kill(self, words: list[str]) -> str:
        self._tasklet(words).tasklet.kill()
        return "ok"

    def tasklet_state(self, words: list[str]) -> str:
        tasklet = self._tasklet(words).tasklet
        return f"sched={tasklet.scheduled:d} count={tasklet.count}"

    # --- timers ---

    def timer_setup(self, words: list[str]) -> str:
        ident, options = _new(self.timers, words, TIMERS), _options(words)
        self.timers[ident] = SignedTimer(ident, self.log, self._kick(options), rearm=options.get("rearm", 0))
        return "ok"

    def _timer(self, words: list[str]) -> SignedTimer:
        return _found(self.timers, words, 0)

    def mod_timer(self, words: list[str]) -> str:
        return _bool(self._timer(words).mod(_delay(words, 1)))

    def mod_timer_pending(self, words: list[str]) -> str:
        return _bool(self._timer(words).mod_pending(_delay(words, 1)))

    def timer_reduce(self, words: list[str]) -> str:
        return _bool(self._timer(words).reduce(_delay(words, 1)))

    def del_timer(self, words: list[str]) -> str:
        return _bool(self._timer(words).timer.delete())

    def del_timer_sync(self, words: list[str]) -> str:
        return _bool(self._timer(words).timer.delete_sync())

    def timer_shutdown_sync(self, words: list[str]) -> str:
        return _bool(self._timer(words).timer.shutdown_sync())

    def timer_pending(self, words: list[str]) -> str:
        return _bool(self._timer(words).timer.pending)

    # --- sections and time ---

    def bh_off(self, words: list[str]) -> str:
        if self._bh_off is not None:
            raise Invalid
        self._bh_off = self._machine.bh_off()
        self._bh_off.__enter__()
        return "ok"

    def bh_on(self, words: list[str]) -> str:
        if self._bh_off is None:
            raise Invalid
        section, self._bh_off = self._bh_off, None
        section.__exit__(None, None, None)
        return "ok"

    def msleep(self, words: list[str]) -> str:
        self._machine.sleep(_number(words, 0, LONGEST_SLEEP) / 1000)
        return "ok"

    def settle(self, words: list[str]) -> str:
        return _settled(self._settles())

    def _settles(self) -> bool:
        try:
            self._settle(self._anything_goes_on)
        except TimeoutError:
            return False
        self.log.epoch += 1
        return True

    def _anything_goes_on(self) -> bool:
        """Something happens, or will soon, without anybody's doing."""
        return any(item.goes_on() for item in self._items())

    def _items(self) -> Iterator[GatedWork | SignedTasklet | SignedTimer]:
        yield from self.works.values()
        yield from self.tasklets.values()
        yield from self.timers.values()

    # --- calls in tasks of their own ---

    def start_call(self, words: list[str]) -> str:
        """async: another operation, which the task is free to answer ``EINVAL``."""
        slot = _new(self.calls, words, CALLS)
        operation = words[1:]
        if not operation:
            raise Invalid
        self.calls[slot] = Call(self._machine, slot, lambda: self._blocking(operation))
        return "started"

    def _blocking(self, words: list[str]) -> str:
        return self.execute(words) if words[0] in _MAY_BLOCK else "EINVAL"

    def poll(self, words: list[str]) -> str:
        call = _found(self.calls, words, 0)
        return "blocked" if call.result is None else f"done:{call.result}"

    def join(self, words: list[str]) -> str:
        call = _found(self.calls, words, 0)
        try:
            result = call.join()
        except (TimeoutError, bh.DeadlockError):
            return "STUCK"
        del self.calls[int(words[0])]
        return result

    # --- what was seen ---

    def take_log(self, words: list[str]) -> str:
        """log: the starts since the last one."""
        return self.log.take()

    def counters(self, words: list[str]) -> str:
        parts = [f"w{i}={w.starts}/{w.dones}/{w.requeued}" for i, w in sorted(self.works.items())]
        parts += [f"t{i}={t.runs}/{t.kick.count}" for i, t in sorted(self.tasklets.items())]
        parts += [f"m{i}={t.runs}/{t.kick.count}" for i, t in sorted(self.timers.items())]
        return " ".join(parts) or "-"

    def ctx(self, words: list[str]) -> str:
        kinds: dict[str, dict[int, Any]] = {"w": self.works, "t": self.tasklets, "m": self.timers}
        if not words or words[0][0] not in kinds:
            raise Invalid
        return str(_found(kinds[words[0][0]], words, 1).context)

    def _kick(self, options: dict[str, int]) -> Kick:
        queue, work = options.get("kickq", -1), options.get("kickw", -1)
        return Kick(lambda: (self.queues.get(queue), self.works.get(work)))

    # --- the end of a program ---

    def _finish(self) -> bool:
        """Lets everything come to its end; True when something did not settle. Raises Stuck for a call that hangs."""
        if self._bh_off is not None:
            self.bh_on([])
        settled = self._settles()
        settled = self._open_all() and settled
        for tasklet in self.tasklets.values():
            while tasklet.tasklet.count:
                tasklet.tasklet.enable()
        settled = self._settles() and settled
        for slot, call in sorted(self.calls.items()):
            try:
                call.join()
            except (TimeoutError, bh.DeadlockError):
                raise Stuck([f"ASYNC {slot} STUCK"]) from None
        return not (self._settles() and settled)

    def _tear_down(self) -> None:
        for timer in self.timers.values():
            timer.timer.delete_sync()
        for tasklet in self.tasklets.values():
            tasklet.tasklet.kill()
        for work in self.works.values():
            work.requeue = 0
            work.cancel_sync()
        for queue in self.queues.values():
            queue.wq.destroy()


# --- words -----------------------------------------------------------------------------------------------------------


def _bool(value: bool) -> str:
    return "1" if value else "0"


def _settled(value: bool) -> str:
    return "ok" if value else "TIMEOUT"


def _number(words: list[str], at: int, limit: int = 2**31 - 1) -> int:
    """The word there as a number from 0 to below the limit."""
    if at >= len(words) or not words[at].isdecimal() or int(words[at]) >= limit:
        raise Invalid
    return int(words[at])


def _integer(words: list[str], at: int) -> int:
    try:
        return int(words[at])
    except (IndexError, ValueError):
        raise Invalid from None


def _delay(words: list[str], at: int) -> float:
    """Seconds, of milliseconds."""
    return _number(words, at) / 1000


def _found(objects: dict[int, T], words: list[str], at: int) -> T:
    if at >= len(words) or not words[at].isdecimal():
        raise Invalid
    found = objects.get(int(words[at]))
    if found is None:
        raise Invalid
    return found


def _new(objects: dict[int, T], words: list[str], limit: int) -> int:
    ident = _number(words, 0, limit)
    if ident in objects:
        raise Invalid
    return ident


def _flags(words: list[str]) -> bh.WQ:
    if len(words) < 2:
        raise Invalid
    flags = bh.WQ(0)
    for name in words[1].split("|"):
        if name != "0":
            if name not in _FLAGS:
                raise Invalid
            flags |= _FLAGS[name]
    return flags


def _options(words: list[str]) -> dict[str, int]:
    """``key=value`` behind the id."""
    options = {}
    for word in words[1:]:
        key, _, value = word.partition("=")
        options[key] = _integer([value], 0)
    return options


def _disabled(work: GatedWork) -> GatedWork:
    work.disabled += 1
    return work


def _enabled(work: GatedWork) -> GatedWork:
    if not work.disabled:
        raise Invalid
    work.disabled -= 1
    return work


_Operation = Callable[[Interpreter, list[str]], str]

_MAY_BLOCK = frozenset(
    ("flush_work", "flush_delayed_work", "flush_workqueue", "drain_workqueue", "destroy_workqueue")
    + ("cancel_work_sync", "cancel_delayed_work_sync", "disable_work_sync", "disable_delayed_work_sync")
    + ("tasklet_kill",)
)

# Where the operation is a word of Python, or reads better, the method has another name.
_RENAMED = {"async": "start_call", "log": "take_log"}

_NAMES = (
    ("alloc_workqueue", "alloc_ordered_workqueue", "init_work", "init_delayed_work", "tasklet_init", "timer_setup")
    + ("queue_work", "queue_work_on", "queue_delayed_work", "queue_delayed_work_on")
    + ("mod_delayed_work", "mod_delayed_work_on", "cancel_work", "cancel_delayed_work", "disable_work", "enable_work")
    + ("disable_delayed_work", "enable_delayed_work", "work_pending", "delayed_work_pending", "dwork_timer_pending")
    + ("work_busy", "open", "close", "open_all", "tasklet_schedule", "tasklet_hi_schedule", "tasklet_disable")
    + ("tasklet_disable_nosync", "tasklet_enable", "tasklet_state", "mod_timer", "mod_timer_pending", "timer_reduce")
    + ("del_timer", "del_timer_sync", "timer_pending", "timer_shutdown_sync", "bh_off", "bh_on", "msleep", "settle")
    + ("async", "poll", "join", "log", "counters", "ctx")
)

_OPERATIONS: dict[str, _Operation] = {
    name: getattr(Interpreter, _RENAMED.get(name, name)) for name in (*_NAMES, *_MAY_BLOCK)
}
