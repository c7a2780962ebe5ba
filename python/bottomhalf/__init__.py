"""Linux's deferred work: interrupts, softirqs, tasklets, timers and concurrency-managed workqueues.

``import bottomhalf as bh``; ``bh.submit(fn)`` runs a function, ``bh.Machine(cpus=2)`` boots a machine,
``bh.Work(func)`` is a work item. ``bottomhalf.linux`` has the same under the kernel's own names.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import _interpreter  # isort: skip  # noqa: F401  (first: it refuses sub-interpreters)
from . import _core, schedules
from ._constants import IRQF, WQ, Busy, IrqReturn, Softirq
from ._core import (
    BottomHalfError,
    BudgetExceeded,
    Completion,
    DeadlockError,
    DelayedWork,
    GpioPin,
    IrqAction,
    IrqLine,
    LogLine,
    MachineExit,
    MachineHalted,
    MisuseError,
    ModuleDied,
    Mutex,
    QueueFull,
    RcuWork,
    ReplayMismatch,
    SchedulingWhileAtomic,
    Shared,
    SpinLock,
    Task,
    Tasklet,
    Timer,
    TraceEvent,
    UnbalancedEnable,
    Unsupported,
    WaitQueue,
    Work,
    Workqueue,
    WorkqueueDestroyed,
    WorkqueueDraining,
    WorkqueueStats,
    WrongThread,
    blocking,
    burn,
    cond_resched,
    cpu_relax,
    current_machine,
    current_task,
    current_work,
    in_atomic,
    in_hardirq,
    in_interrupt,
    in_serving_softirq,
    in_softirq,
    in_task,
    irqs_disabled,
    sleep,
    smp_processor_id,
)
from ._explore import Report, explore, replay
from ._future import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, Future, as_completed, wait
from ._machine import Machine, Trace, default_machine, submit
from ._modules import CompileError, Module
from ._scope import WorkScope
from ._topology import Topology, WorkqueueAttrs

__version__: str = _core.__version__

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "IRQF",
    "WQ",
    "BottomHalfError",
    "BudgetExceeded",
    "Busy",
    "CompileError",
    "Completion",
    "DeadlockError",
    "DelayedWork",
    "Future",
    "GpioPin",
    "IrqAction",
    "IrqLine",
    "IrqReturn",
    "LogLine",
    "Machine",
    "MachineExit",
    "MachineHalted",
    "MisuseError",
    "Module",
    "ModuleDied",
    "Mutex",
    "QueueFull",
    "RcuWork",
    "ReplayMismatch",
    "Report",
    "SchedulingWhileAtomic",
    "Shared",
    "Softirq",
    "SpinLock",
    "Task",
    "Tasklet",
    "Timer",
    "Topology",
    "Trace",
    "TraceEvent",
    "UnbalancedEnable",
    "Unsupported",
    "WaitQueue",
    "Work",
    "WorkScope",
    "Workqueue",
    "WorkqueueAttrs",
    "WorkqueueDestroyed",
    "WorkqueueDraining",
    "WorkqueueStats",
    "WrongThread",
    "alloc_ordered_workqueue",
    "alloc_workqueue",
    "as_completed",
    "blocking",
    "burn",
    "cond_resched",
    "cpu_relax",
    "current_machine",
    "current_task",
    "current_work",
    "default_machine",
    "delayed_work",
    "explore",
    "get_include",
    "in_atomic",
    "in_hardirq",
    "in_interrupt",
    "in_serving_softirq",
    "in_softirq",
    "in_task",
    "irqs_disabled",
    "replay",
    "schedules",
    "sleep",
    "smp_processor_id",
    "submit",
    "wait",
    "work",
]


def load_ipython_extension(ipython: Any) -> None:
    """``%load_ext bottomhalf`` in a notebook: the cell magic ``%%kmodule``."""
    from . import jupyter

    jupyter.load_ipython_extension(ipython)


def __getattr__(name: str) -> Any:
    # The plug-in for tests is imported by whoever uses it.
    if name == "testing":
        return importlib.import_module(".testing", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def work(func: Callable[[Work], object]) -> Work:
    """Declare a work item from a function, as a decorator (Linux: DECLARE_WORK)."""
    return Work(func)


def delayed_work(func: Callable[[DelayedWork], object]) -> DelayedWork:
    """Declare a delayed work item from a function, as a decorator (Linux: DECLARE_DELAYED_WORK)."""
    return DelayedWork(func)


def alloc_workqueue(
    name: str,
    flags: WQ | int = WQ(0),
    max_active: int = 0,
    *,
    queue_depth: int | None = None,
    when_full: str = "block",
) -> Workqueue:
    """``current_machine().alloc_workqueue(...)``."""
    return current_machine().alloc_workqueue(name, flags, max_active, queue_depth=queue_depth, when_full=when_full)


def alloc_ordered_workqueue(
    name: str, flags: WQ | int = WQ(0), *, queue_depth: int | None = None, when_full: str = "block"
) -> Workqueue:
    """``current_machine().alloc_ordered_workqueue(...)``."""
    return current_machine().alloc_ordered_workqueue(name, flags, queue_depth=queue_depth, when_full=when_full)


def get_include() -> str:
    """The directory of the C++ headers, for a compiler's ``-I``."""
    return str(Path(_core.__file__).parent / "include")
