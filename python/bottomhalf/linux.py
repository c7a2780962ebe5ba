"""Linux's own names: ``from bottomhalf.linux import *`` and type what the books print.

The functions, macros and constants of ``<linux/workqueue.h>``, ``<linux/interrupt.h>``, ``<linux/timer.h>``,
``<linux/jiffies.h>``, ``<linux/delay.h>``, ``<linux/wait.h>``, ``<linux/completion.h>``, ``<linux/spinlock.h>``,
``<linux/mutex.h>`` and ``printk``, on the current machine::

    from bottomhalf.linux import *

    def on_timeout(work):
        pr_info("in %s", current.comm)

    reset = DECLARE_DELAYED_WORK(on_timeout)
    schedule_delayed_work(reset, msecs_to_jiffies(5000))

What differs from C, and nothing else does:

* A macro that declares a variable returns the object: ``x = DECLARE_WORK(fn)``.
* ``container_of`` is subclassing: ``class my_device(work_struct): ...``; the handler gets the ``my_device``.
* ``jiffies`` is a function, because a Python name cannot change by itself. ``HZ`` and ``system_wq`` with its kin are
  stand-ins that mean the current machine's at each use.
* A macro that evaluates a condition again and again takes a callable: ``wait_event(wq, lambda: ready)``.
* A macro that stores into ``flags`` returns it: ``flags = spin_lock_irqsave(lock)``.
* What would be a warning, a negative error number or a hang in the kernel is an exception here: ``ValueError`` and
  ``TypeError`` for bad arguments, subclasses of ``bottomhalf.BottomHalfError`` for misuse.

Times are jiffies unless the name says otherwise; the rest of bottomhalf speaks seconds. "Any context" in the text
below includes hard interrupts; "task" means task context that may sleep, anything else raises
``SchedulingWhileAtomic``.
"""

from __future__ import annotations

import inspect
import operator
import re
import threading
import warnings
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, SupportsIndex, TypeVar

import bottomhalf as bh
from bottomhalf import _core

__all__ = [
    # workqueue.h: types, constants, system workqueues
    "work_struct",
    "delayed_work",
    "workqueue_struct",
    "WQ_BH",
    "WQ_UNBOUND",
    "WQ_FREEZABLE",
    "WQ_MEM_RECLAIM",
    "WQ_HIGHPRI",
    "WQ_CPU_INTENSIVE",
    "WQ_SYSFS",
    "WQ_POWER_EFFICIENT",
    "WQ_PERCPU",
    "WQ_MAX_ACTIVE",
    "WQ_UNBOUND_MAX_ACTIVE",
    "WQ_DFL_ACTIVE",
    "WORK_BUSY_PENDING",
    "WORK_BUSY_RUNNING",
    "WORK_CPU_UNBOUND",
    "system_wq",
    "system_percpu_wq",
    "system_highpri_wq",
    "system_long_wq",
    "system_unbound_wq",
    "system_dfl_wq",
    "system_freezable_wq",
    "system_power_efficient_wq",
    "system_bh_wq",
    "system_bh_highpri_wq",
    # workqueue.h: items
    "INIT_WORK",
    "INIT_DELAYED_WORK",
    "INIT_DEFERRABLE_WORK",
    "DECLARE_WORK",
    "DECLARE_DELAYED_WORK",
    "DECLARE_DEFERRABLE_WORK",
    "to_delayed_work",
    "work_pending",
    "delayed_work_pending",
    "work_busy",
    "current_work",
    "current_is_workqueue_rescuer",
    # workqueue.h: queueing
    "queue_work",
    "queue_work_on",
    "queue_delayed_work",
    "queue_delayed_work_on",
    "mod_delayed_work",
    "mod_delayed_work_on",
    "schedule_work",
    "schedule_work_on",
    "schedule_delayed_work",
    "schedule_delayed_work_on",
    "enable_and_queue_work",
    "schedule_on_each_cpu",
    "work_on_cpu",
    # workqueue.h: cancelling, disabling, flushing
    "cancel_work",
    "cancel_work_sync",
    "cancel_delayed_work",
    "cancel_delayed_work_sync",
    "disable_work",
    "disable_work_sync",
    "disable_delayed_work",
    "disable_delayed_work_sync",
    "enable_work",
    "enable_delayed_work",
    "flush_work",
    "flush_delayed_work",
    "flush_workqueue",
    "flush_scheduled_work",
    "drain_workqueue",
    # workqueue.h: workqueues
    "alloc_workqueue",
    "alloc_ordered_workqueue",
    "create_workqueue",
    "create_freezable_workqueue",
    "create_singlethread_workqueue",
    "destroy_workqueue",
    "workqueue_set_max_active",
    # interrupt.h: softirqs and tasklets
    "HI_SOFTIRQ",
    "TIMER_SOFTIRQ",
    "NET_TX_SOFTIRQ",
    "NET_RX_SOFTIRQ",
    "BLOCK_SOFTIRQ",
    "IRQ_POLL_SOFTIRQ",
    "TASKLET_SOFTIRQ",
    "SCHED_SOFTIRQ",
    "HRTIMER_SOFTIRQ",
    "RCU_SOFTIRQ",
    "NR_SOFTIRQS",
    "open_softirq",
    "raise_softirq",
    "raise_softirq_irqoff",
    "local_bh_disable",
    "local_bh_enable",
    "local_irq_disable",
    "local_irq_enable",
    "local_irq_save",
    "local_irq_restore",
    "tasklet_struct",
    "tasklet_setup",
    "tasklet_init",
    "tasklet_schedule",
    "tasklet_hi_schedule",
    "tasklet_disable",
    "tasklet_disable_nosync",
    "tasklet_enable",
    "tasklet_kill",
    "DECLARE_TASKLET",
    "DECLARE_TASKLET_DISABLED",
    # interrupt.h: interrupt lines
    "IRQ_NONE",
    "IRQ_HANDLED",
    "IRQ_WAKE_THREAD",
    "IRQF_TRIGGER_NONE",
    "IRQF_TRIGGER_RISING",
    "IRQF_TRIGGER_FALLING",
    "IRQF_TRIGGER_HIGH",
    "IRQF_TRIGGER_LOW",
    "IRQF_SHARED",
    "IRQF_PROBE_SHARED",
    "IRQF_PERCPU",
    "IRQF_NOBALANCING",
    "IRQF_ONESHOT",
    "IRQF_NO_SUSPEND",
    "IRQF_NO_THREAD",
    "IRQF_NO_AUTOEN",
    "IRQF_NO_DEBUG",
    "IRQF_COND_ONESHOT",
    "IRQF_TIMER",
    "request_irq",
    "request_threaded_irq",
    "free_irq",
    "disable_irq",
    "disable_irq_nosync",
    "enable_irq",
    "synchronize_irq",
    "irq_inject_interrupt",
    # preempt.h, smp.h, sched.h
    "in_task",
    "in_softirq",
    "in_serving_softirq",
    "in_hardirq",
    "in_irq",
    "in_interrupt",
    "in_atomic",
    "irqs_disabled",
    "smp_processor_id",
    "current",
    "cpu_relax",
    "cond_resched",
    # timer.h
    "timer_list",
    "TIMER_DEFERRABLE",
    "TIMER_PINNED",
    "TIMER_IRQSAFE",
    "timer_setup",
    "DEFINE_TIMER",
    "mod_timer",
    "mod_timer_pending",
    "timer_reduce",
    "add_timer",
    "add_timer_on",
    "timer_pending",
    "timer_delete",
    "timer_delete_sync",
    "del_timer",
    "del_timer_sync",
    "timer_shutdown_sync",
    # jiffies.h, delay.h, sched.h
    "HZ",
    "MAX_JIFFY_OFFSET",
    "MAX_SCHEDULE_TIMEOUT",
    "jiffies",
    "get_jiffies_64",
    "msecs_to_jiffies",
    "usecs_to_jiffies",
    "secs_to_jiffies",
    "jiffies_to_msecs",
    "jiffies_to_usecs",
    "round_jiffies",
    "round_jiffies_relative",
    "time_after",
    "time_before",
    "time_after_eq",
    "time_before_eq",
    "time_in_range",
    "time_in_range_open",
    "time_is_after_jiffies",
    "time_is_before_jiffies",
    "schedule_timeout",
    "schedule_timeout_interruptible",
    "schedule_timeout_uninterruptible",
    "msleep",
    "msleep_interruptible",
    "ssleep",
    "usleep_range",
    "fsleep",
    "ndelay",
    "udelay",
    "mdelay",
    # completion.h
    "completion",
    "DECLARE_COMPLETION",
    "init_completion",
    "reinit_completion",
    "complete",
    "complete_all",
    "wait_for_completion",
    "wait_for_completion_timeout",
    "wait_for_completion_interruptible",
    "wait_for_completion_interruptible_timeout",
    "try_wait_for_completion",
    "completion_done",
    # wait.h
    "wait_queue_head_t",
    "DECLARE_WAIT_QUEUE_HEAD",
    "init_waitqueue_head",
    "wait_event",
    "wait_event_interruptible",
    "wait_event_timeout",
    "wait_event_interruptible_timeout",
    "wake_up",
    "wake_up_all",
    "wake_up_interruptible",
    "wake_up_interruptible_all",
    # spinlock.h, mutex.h
    "spinlock_t",
    "DEFINE_SPINLOCK",
    "spin_lock_init",
    "spin_lock",
    "spin_unlock",
    "spin_lock_bh",
    "spin_unlock_bh",
    "spin_lock_irq",
    "spin_unlock_irq",
    "spin_lock_irqsave",
    "spin_unlock_irqrestore",
    "mutex",
    "DEFINE_MUTEX",
    "mutex_init",
    "mutex_lock",
    "mutex_lock_interruptible",
    "mutex_unlock",
    # printk.h
    "KERN_EMERG",
    "KERN_ALERT",
    "KERN_CRIT",
    "KERN_ERR",
    "KERN_WARNING",
    "KERN_NOTICE",
    "KERN_INFO",
    "KERN_DEBUG",
    "printk",
    "pr_emerg",
    "pr_alert",
    "pr_crit",
    "pr_err",
    "pr_warn",
    "pr_notice",
    "pr_info",
    "pr_debug",
]


# --- what the rest of the file stands on -----------------------------------------------------------------------------

_Number = TypeVar("_Number", int, float)

_LONG_MAX = 2**63 - 1

# A float cannot hold every jiffy count and the engine counts nanoseconds in 64 bits; 31 years is beyond the wheel's
# own cut-off (12 days at HZ 1000), so nothing that can be observed is lost.
_LONGEST_SECONDS = 1e9

_C_CONVERSION = re.compile(r"%([-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?)(?:hh|h|ll|l|z|j|t|L)?([diouxXcs%])")


def _machine() -> bh.Machine:
    return bh.current_machine()


def _c_format(fmt: str, args: tuple[Any, ...]) -> str:
    """printf-style text; length modifiers (``%lu``, ``%lld``, ``%zu``) are accepted and mean nothing here."""
    if not args:
        return fmt.replace("%%", "%")
    python = _C_CONVERSION.sub(lambda m: f"%{m[1]}{'d' if m[2] in 'iu' else m[2]}", fmt.replace("%p", "%s"))
    return python % args


def _misuse(rule: str, text: str) -> bh.MisuseError:
    error = bh.MisuseError(text)
    error.rule = rule
    return error


def _jiffies_argument(what: str, value: SupportsIndex) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{what} is {value!r}; it is a whole number of jiffies: use msecs_to_jiffies(), or // instead of /"
        ) from None
    return count


def _seconds(what: str, count: SupportsIndex) -> float:
    n = _jiffies_argument(what, count)
    if n < 0:
        raise ValueError(f"{what} is {n}; a delay is a number of jiffies >= 0")
    return min(n / _machine().hz, _LONGEST_SECONDS)


def _cpu(cpu: SupportsIndex) -> int | None:
    n = operator.index(cpu)
    return None if n == WORK_CPU_UNBOUND else n


def _check_callable(what: str, function: Callable[..., Any], *arguments: object) -> None:
    if not callable(function):
        raise TypeError(f"{what} is {function!r}; it must be callable")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins do not tell
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise TypeError(
            f"{what} {function!r} cannot be called with {len(arguments)} argument(s) as it will be: {error}"
        ) from None


# --- workqueue.h: types, constants, system workqueues ----------------------------------------------------------------

WQ_BH = bh.WQ.BH
WQ_UNBOUND = bh.WQ.UNBOUND
WQ_FREEZABLE = bh.WQ.FREEZABLE
WQ_MEM_RECLAIM = bh.WQ.MEM_RECLAIM
WQ_HIGHPRI = bh.WQ.HIGHPRI
WQ_CPU_INTENSIVE = bh.WQ.CPU_INTENSIVE
WQ_SYSFS = bh.WQ.SYSFS
WQ_POWER_EFFICIENT = bh.WQ.POWER_EFFICIENT
WQ_PERCPU = bh.WQ.PERCPU

WQ_MAX_ACTIVE = 512
WQ_UNBOUND_MAX_ACTIVE = WQ_MAX_ACTIVE
WQ_DFL_ACTIVE = WQ_MAX_ACTIVE // 2

WORK_BUSY_PENDING = 1
WORK_BUSY_RUNNING = 2

# NR_CPUS of common distribution kernels: a number that is no CPU of any machine.
WORK_CPU_UNBOUND = 8192

workqueue_struct = bh.Workqueue


class _SystemWorkqueue:
    """A system workqueue of whichever machine is current when it is used."""

    __slots__ = ("_attribute", "_flush_warns")

    def __init__(self, attribute: str, flush_warns: bool = True) -> None:
        self._attribute = attribute
        self._flush_warns = flush_warns

    def _resolve(self) -> bh.Workqueue:
        wq: bh.Workqueue = getattr(_machine(), self._attribute)
        return wq

    def __getattr__(self, name: str) -> Any:
        return getattr(self._resolve(), name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in _SystemWorkqueue.__slots__:
            object.__setattr__(self, name, value)
        else:
            setattr(self._resolve(), name, value)

    def __repr__(self) -> str:
        return f"<{self._attribute} of the current machine>"


_AnyWorkqueue = bh.Workqueue | _SystemWorkqueue

# Linux's flush warning compares with the system workqueues of 1.11; the old alias system_wq is not among them.
system_wq = _SystemWorkqueue("system_wq", flush_warns=False)
system_percpu_wq = _SystemWorkqueue("system_percpu_wq")
system_highpri_wq = _SystemWorkqueue("system_highpri_wq")
system_long_wq = _SystemWorkqueue("system_long_wq")
system_unbound_wq = _SystemWorkqueue("system_unbound_wq")
system_dfl_wq = _SystemWorkqueue("system_dfl_wq")
system_freezable_wq = _SystemWorkqueue("system_freezable_wq")
system_power_efficient_wq = _SystemWorkqueue("system_power_efficient_wq")
system_bh_wq = _SystemWorkqueue("system_bh_wq", flush_warns=False)
system_bh_highpri_wq = _SystemWorkqueue("system_bh_highpri_wq", flush_warns=False)


def _workqueue(wq: _AnyWorkqueue) -> bh.Workqueue:
    if isinstance(wq, _SystemWorkqueue):
        return wq._resolve()
    if not isinstance(wq, bh.Workqueue):
        raise TypeError(f"wq is {wq!r}; it must be a workqueue, of alloc_workqueue() or one of system_wq and its kin")
    return wq


def _work(work: bh.Work) -> bh.Work:
    if not isinstance(work, bh.Work):
        raise TypeError(f"work is {work!r}; it must be a work_struct: x = work_struct(); INIT_WORK(x, fn)")
    return work


def _delayed(dwork: bh.DelayedWork) -> bh.DelayedWork:
    if not isinstance(dwork, bh.DelayedWork):
        raise TypeError(f"dwork is {dwork!r}; it must be a delayed_work: x = delayed_work(); INIT_DELAYED_WORK(x, fn)")
    return dwork


class work_struct(bh.Work):
    """``struct work_struct``: a work item; ``INIT_WORK(x, fn)`` gives it its function. Embed it by subclassing."""

    def __init__(self) -> None:
        # The function comes with INIT_WORK, which is what calls Work.__init__.
        pass


class delayed_work(bh.DelayedWork):
    """``struct delayed_work``: a work item with a timer; ``INIT_DELAYED_WORK(x, fn)`` gives it its function."""

    def __init__(self) -> None:
        # As in work_struct.
        pass

    @property
    def work(self) -> delayed_work:
        """The embedded work item (``&dwork->work``): the same object."""
        return self


# --- workqueue.h: items ----------------------------------------------------------------------------------------------


def INIT_WORK(work: bh.Work, func: Callable[[Any], object]) -> None:
    """Give an idle item its function, called as ``func(work)``. Any context.

    Raises `TypeError` when `func` cannot take one argument, and an error when the item is pending or running (Linux
    would overwrite it). Mirrors ``INIT_WORK``.
    """
    bh.Work.__init__(_work(work), func)


def INIT_DELAYED_WORK(dwork: bh.DelayedWork, func: Callable[[Any], object]) -> None:
    """Give an idle delayed item its function, called as ``func(dwork)``; otherwise as `INIT_WORK`."""
    bh.DelayedWork.__init__(_delayed(dwork), func)


def INIT_DEFERRABLE_WORK(dwork: bh.DelayedWork, func: Callable[[Any], object]) -> None:
    """As `INIT_DELAYED_WORK`; a deferrable timer *may* wait for an idle CPU to wake up, and here it does not."""
    INIT_DELAYED_WORK(dwork, func)


def DECLARE_WORK(func: Callable[[Any], object]) -> work_struct:
    """Return a new item with function `func`, called as ``func(work)``. Mirrors ``DECLARE_WORK(name, func)``."""
    work = work_struct()
    INIT_WORK(work, func)
    return work


def DECLARE_DELAYED_WORK(func: Callable[[Any], object]) -> delayed_work:
    """Return a new delayed item with function `func`. Mirrors ``DECLARE_DELAYED_WORK(name, func)``."""
    dwork = delayed_work()
    INIT_DELAYED_WORK(dwork, func)
    return dwork


def DECLARE_DEFERRABLE_WORK(func: Callable[[Any], object]) -> delayed_work:
    """Return a new deferrable delayed item; see `INIT_DEFERRABLE_WORK`."""
    dwork = delayed_work()
    INIT_DEFERRABLE_WORK(dwork, func)
    return dwork


def to_delayed_work(work: bh.Work) -> bh.DelayedWork:
    """Return the delayed item of which `work` is the work item: the same object. Raises `TypeError` if it is none."""
    if not isinstance(work, bh.DelayedWork):
        raise TypeError(f"work is {work!r}, which is not part of a delayed_work")
    return work


def work_pending(work: bh.Work) -> bool:
    """Whether the item is queued or its timer armed; False while it only runs. Any context."""
    return _work(work).pending


def delayed_work_pending(dwork: bh.DelayedWork) -> bool:
    """Whether the delayed item's timer is armed or the item queued. Any context. Mirrors ``delayed_work_pending``."""
    return _delayed(dwork).pending


def work_busy(work: bh.Work) -> int:
    """A hint: ``WORK_BUSY_PENDING`` and ``WORK_BUSY_RUNNING`` or-ed, 0 when idle. Any context."""
    return int(_work(work).busy)


current_work = bh.current_work


def current_is_workqueue_rescuer() -> bool:
    """True in an item that the rescuer of its ``WQ_MEM_RECLAIM`` workqueue runs. Any context."""
    return _core.current_is_rescuer()


# --- workqueue.h: queueing -------------------------------------------------------------------------------------------


def queue_work(wq: _AnyWorkqueue, work: bh.Work) -> bool:
    """Queue an item. Any context. True: queued (idle or running before); False: already pending, or disabled.

    Raises `WorkqueueDestroyed`, `WorkqueueDraining` (unless queued from an item of the same workqueue).
    """
    return _workqueue(wq).queue(_work(work))


def queue_work_on(cpu: SupportsIndex, wq: _AnyWorkqueue, work: bh.Work) -> bool:
    """`queue_work` on CPU number `cpu` (``WORK_CPU_UNBOUND``: as `queue_work`). `ValueError`: no such CPU."""
    return _workqueue(wq).queue(_work(work), cpu=_cpu(cpu))


def queue_delayed_work(wq: _AnyWorkqueue, dwork: bh.DelayedWork, delay: SupportsIndex) -> bool:
    """Queue a delayed item `delay` jiffies from now; 0 queues at once. Any context.

    True: armed or queued; False: already pending (its expiry is unchanged), or disabled.
    """
    return _workqueue(wq).queue_delayed(_delayed(dwork), _seconds("delay", delay))


def queue_delayed_work_on(cpu: SupportsIndex, wq: _AnyWorkqueue, dwork: bh.DelayedWork, delay: SupportsIndex) -> bool:
    """`queue_delayed_work` with the timer and the item on CPU number `cpu`."""
    return _workqueue(wq).queue_delayed(_delayed(dwork), _seconds("delay", delay), cpu=_cpu(cpu))


def mod_delayed_work(wq: _AnyWorkqueue, dwork: bh.DelayedWork, delay: SupportsIndex) -> bool:
    """Set the expiry to `delay` jiffies from now whatever the state; a queued item is pulled back. Any context.

    True: it was pending; False: it was idle or running (now armed), or disabled (nothing happens).
    """
    return _workqueue(wq).mod_delayed(_delayed(dwork), _seconds("delay", delay))


def mod_delayed_work_on(cpu: SupportsIndex, wq: _AnyWorkqueue, dwork: bh.DelayedWork, delay: SupportsIndex) -> bool:
    """`mod_delayed_work` on CPU number `cpu`."""
    return _workqueue(wq).mod_delayed(_delayed(dwork), _seconds("delay", delay), cpu=_cpu(cpu))


def schedule_work(work: bh.Work) -> bool:
    """`queue_work` on the system workqueue (``events``)."""
    return _work(work).schedule()


def schedule_work_on(cpu: SupportsIndex, work: bh.Work) -> bool:
    """`queue_work_on` on the system workqueue."""
    return _work(work).schedule(cpu=_cpu(cpu))


def schedule_delayed_work(dwork: bh.DelayedWork, delay: SupportsIndex) -> bool:
    """`queue_delayed_work` on the system workqueue; `delay` in jiffies."""
    return _delayed(dwork).schedule(_seconds("delay", delay))


def schedule_delayed_work_on(cpu: SupportsIndex, dwork: bh.DelayedWork, delay: SupportsIndex) -> bool:
    """`queue_delayed_work_on` on the system workqueue; `delay` in jiffies."""
    return _delayed(dwork).schedule(_seconds("delay", delay), cpu=_cpu(cpu))


def enable_and_queue_work(wq: _AnyWorkqueue, work: bh.Work) -> bool:
    """Enable an item and, when nothing else keeps it disabled, queue it and return True; else False. Any context."""
    if not enable_work(work):
        return False
    queue_work(wq, work)
    return True


def schedule_on_each_cpu(func: Callable[[Any], object]) -> int:
    """Run ``func(work)`` once on every online CPU and wait for all. Task. Returns 0."""
    _check_callable("func", func, None)

    def each(*_work_item: object) -> None:
        func(bh.current_work())

    _machine().schedule_on_each_cpu(each)
    return 0


def work_on_cpu(cpu: SupportsIndex, fn: Callable[[Any], Any], arg: Any) -> Any:
    """Run ``fn(arg)`` in a kworker of CPU number `cpu`, wait, and return its result. Task."""
    return _machine().work_on_cpu(operator.index(cpu), fn, arg)


# --- workqueue.h: cancelling, disabling, flushing --------------------------------------------------------------------


def cancel_work(work: bh.Work) -> bool:
    """Take a pending item off its queue; True if it was pending. A running one goes on. Any context."""
    return _work(work).cancel()


def cancel_work_sync(work: bh.Work) -> bool:
    """Cancel and wait until it does not run; it cannot requeue itself meanwhile. Task. True if it was pending.

    Raises `DeadlockError` from the item's own handler.
    """
    return _work(work).cancel_sync()


def cancel_delayed_work(dwork: bh.DelayedWork) -> bool:
    """Disarm or dequeue; True if it was pending. False may mean that it runs and will re-arm itself. Any context."""
    return _delayed(dwork).cancel()


def cancel_delayed_work_sync(dwork: bh.DelayedWork) -> bool:
    """`cancel_work_sync` for a delayed item: timer, queue and running instance. Task."""
    return _delayed(dwork).cancel_sync()


def disable_work(work: bh.Work) -> bool:
    """Cancel and refuse further queueing until `enable_work`; nests. True if it was pending. Any context."""
    return _work(work).disable()


def disable_work_sync(work: bh.Work) -> bool:
    """`disable_work`, then wait until it does not run. Task. True if it was pending."""
    return _work(work).disable_sync()


def disable_delayed_work(dwork: bh.DelayedWork) -> bool:
    """`disable_work` for a delayed item. Any context."""
    return _delayed(dwork).disable()


def disable_delayed_work_sync(dwork: bh.DelayedWork) -> bool:
    """`disable_work_sync` for a delayed item. Task."""
    return _delayed(dwork).disable_sync()


def enable_work(work: bh.Work) -> bool:
    """Undo one `disable_work`; True when the item can be queued again. Any context.

    Raises `MisuseError` when it is not disabled (Linux warns once).
    """
    return _work(work).enable()


def enable_delayed_work(dwork: bh.DelayedWork) -> bool:
    """`enable_work` for a delayed item. Any context."""
    return _delayed(dwork).enable()


def flush_work(work: bh.Work) -> bool:
    """Wait until the last queueing of the item has run. Task. True: waited; False: idle, or only its timer armed.

    Raises `DeadlockError` from the item's own handler.
    """
    if isinstance(work, bh.DelayedWork):
        return work.flush_work()
    return _work(work).flush()


def flush_delayed_work(dwork: bh.DelayedWork) -> bool:
    """Queue an armed item at once, then wait as `flush_work` does. Task. True: waited; False: it was idle."""
    return _delayed(dwork).flush()


def flush_workqueue(wq: _AnyWorkqueue) -> None:
    """Wait until everything queued on `wq` before this call has run; not for later items, not for timers. Task.

    On a system workqueue it warns (`DeprecationWarning`), as Linux does: others' items can block you.
    """
    if isinstance(wq, _SystemWorkqueue) and wq._flush_warns:
        warnings.warn(
            f"flushing {wq._attribute}: flushing system-wide workqueues will be prohibited; flush the item, or use a "
            "workqueue of your own",
            DeprecationWarning,
            stacklevel=2,
        )
    _workqueue(wq).flush()


def flush_scheduled_work() -> None:
    """Flush the system workqueue. Task. Always warns (`DeprecationWarning`): flush the item instead."""
    warnings.warn(
        "flush_scheduled_work() flushes a system-wide workqueue, which will be prohibited; use flush_work(), "
        "cancel_work_sync() or a workqueue of your own",
        DeprecationWarning,
        stacklevel=2,
    )
    system_percpu_wq._resolve().flush()


def drain_workqueue(wq: _AnyWorkqueue) -> None:
    """Wait until `wq` is empty; meanwhile only its own items may queue on it. Task."""
    _workqueue(wq).drain()


# --- workqueue.h: workqueues -----------------------------------------------------------------------------------------


def alloc_workqueue(fmt: str, flags: int = 0, max_active: int = 0, *args: Any) -> bh.Workqueue:
    """Return a new workqueue named ``fmt % args`` on the current machine. Task.

    `flags`: ``WQ_*`` or-ed; `max_active`: 1 to 512, 0 for the default of 256. Bad ones raise `ValueError`.
    """
    return _machine().alloc_workqueue(_c_format(fmt, args), bh.WQ(flags), max_active)


def alloc_ordered_workqueue(fmt: str, flags: int = 0, *args: Any) -> bh.Workqueue:
    """Return a new workqueue that runs one item at a time in queueing order. Task. `flags` as in `alloc_workqueue`."""
    return _machine().alloc_ordered_workqueue(_c_format(fmt, args), bh.WQ(flags))


def create_workqueue(name: str) -> bh.Workqueue:
    """The old form: per-CPU, ``WQ_MEM_RECLAIM``, one item at a time on each CPU. Task."""
    return _machine().alloc_workqueue(name, WQ_MEM_RECLAIM, 1)


def create_freezable_workqueue(name: str) -> bh.Workqueue:
    """The old form: ``WQ_FREEZABLE | WQ_UNBOUND | WQ_MEM_RECLAIM`` with max_active 1 (which is not "ordered"). Task."""
    return _machine().alloc_workqueue(name, WQ_FREEZABLE | WQ_UNBOUND | WQ_MEM_RECLAIM, 1)


def create_singlethread_workqueue(name: str) -> bh.Workqueue:
    """The old form: an ordered workqueue with ``WQ_MEM_RECLAIM``, and no thread of its own but the rescuer. Task."""
    return _machine().alloc_ordered_workqueue(name, WQ_MEM_RECLAIM)


def destroy_workqueue(wq: bh.Workqueue) -> None:
    """Run what is pending, then end the workqueue. Task. Armed delayed items are not covered: cancel them first."""
    _workqueue(wq).destroy()


def workqueue_set_max_active(wq: bh.Workqueue, max_active: int) -> None:
    """Change how many items may run at once (1 to 512); a raise takes effect at once. Task."""
    _workqueue(wq).max_active = max_active


# --- interrupt.h: softirqs -------------------------------------------------------------------------------------------

HI_SOFTIRQ = bh.Softirq.HI
TIMER_SOFTIRQ = bh.Softirq.TIMER
NET_TX_SOFTIRQ = bh.Softirq.NET_TX
NET_RX_SOFTIRQ = bh.Softirq.NET_RX
BLOCK_SOFTIRQ = bh.Softirq.BLOCK
IRQ_POLL_SOFTIRQ = bh.Softirq.IRQ_POLL
TASKLET_SOFTIRQ = bh.Softirq.TASKLET
SCHED_SOFTIRQ = bh.Softirq.SCHED
HRTIMER_SOFTIRQ = bh.Softirq.HRTIMER
RCU_SOFTIRQ = bh.Softirq.RCU
NR_SOFTIRQS = 10


class _Sections(threading.local):
    """The open bottom-half and interrupt sections of this thread, innermost last."""

    def __init__(self) -> None:
        self.bh: list[AbstractContextManager[Any]] = []
        self.irq: list[AbstractContextManager[Any]] = []


_sections = _Sections()


def _enter(stack: list[AbstractContextManager[Any]], section: AbstractContextManager[Any]) -> None:
    section.__enter__()
    stack.append(section)


def open_softirq(nr: SupportsIndex, action: Callable[[], object]) -> None:
    """Set the handler of a softirq vector, called as ``action()``. Task."""
    _machine().open_softirq(bh.Softirq(operator.index(nr)), action)


def raise_softirq(nr: SupportsIndex) -> None:
    """Mark a vector pending on this CPU. Any context. From a task it runs in ksoftirqd, else on the way out."""
    _machine().raise_softirq(bh.Softirq(operator.index(nr)))


def raise_softirq_irqoff(nr: SupportsIndex) -> None:
    """`raise_softirq` for a caller with interrupts off. Raises `MisuseError` when they are on."""
    if not bh.irqs_disabled():
        raise _misuse("softirq-irqs-on", "raise_softirq_irqoff() with interrupts on; use raise_softirq()")
    raise_softirq(nr)


def local_bh_disable() -> None:
    """Hold back softirqs on this CPU until `local_bh_enable`; nests. Task or softirq. ``m.bh_off()`` as a pair."""
    _enter(_sections.bh, _machine().bh_off())


def local_bh_enable() -> None:
    """End one `local_bh_disable`; the outermost runs what is pending. Raises `MisuseError` without one."""
    if not _sections.bh:
        raise _misuse("bh-underflow", "local_bh_enable() without local_bh_disable() in this task")
    _sections.bh.pop().__exit__(None, None, None)


def local_irq_disable() -> None:
    """Turn interrupts off on this CPU; does not nest. Any context."""
    if not bh.irqs_disabled():
        _enter(_sections.irq, _machine().irqs_off())


def local_irq_enable() -> None:
    """Turn interrupts on again, however often they were turned off. Any context but a hard interrupt handler."""
    if not _sections.irq:
        if bh.irqs_disabled():
            raise _misuse("irq-enabled-in-handler", "local_irq_enable() where local_irq_disable() was not called")
        return
    while _sections.irq:
        _sections.irq.pop().__exit__(None, None, None)


def local_irq_save() -> int:
    """Turn interrupts off and return what they were: ``flags = local_irq_save()``. Any context."""
    flags = int(bh.irqs_disabled())
    local_irq_disable()
    return flags


def local_irq_restore(flags: int) -> None:
    """Put interrupts back to `flags`, as `local_irq_save` returned them. Any context."""
    if flags:
        local_irq_disable()
    else:
        local_irq_enable()


# --- interrupt.h: tasklets -------------------------------------------------------------------------------------------


class tasklet_struct:
    """``struct tasklet_struct``: runs a function in softirq context; `tasklet_setup` gives it. Embed by subclassing."""

    # The engine's tasklet is made by tasklet_setup(), so that setting up again is making a new one.
    _tasklet: bh.Tasklet | None = None

    @property
    def count(self) -> int:
        """How often it is disabled; 0 means enabled."""
        return _tasklet(self).count


def _tasklet(t: tasklet_struct | bh.Tasklet) -> bh.Tasklet:
    if isinstance(t, bh.Tasklet):
        return t
    if not isinstance(t, tasklet_struct):
        raise TypeError(f"t is {t!r}; it must be a tasklet_struct")
    if t._tasklet is None:
        raise _misuse("tasklet-no-function", "this tasklet has no function yet: tasklet_setup(t, fn)")
    return t._tasklet


def _set_up_tasklet(t: tasklet_struct, call: Callable[[], object], disabled: bool) -> None:
    if not isinstance(t, tasklet_struct):
        raise TypeError(f"t is {t!r}; it must be a tasklet_struct")
    if t._tasklet is not None and t._tasklet.scheduled:
        raise _misuse("tasklet-init-active", "this tasklet is scheduled; tasklet_kill() it before setting it up again")

    def run(_inner: object) -> None:
        call()

    t._tasklet = bh.Tasklet(run, disabled=disabled)


def tasklet_setup(t: tasklet_struct, callback: Callable[[Any], object]) -> None:
    """Give a tasklet its function, called as ``callback(t)``; enabled. Any context. `MisuseError` while scheduled."""
    _check_callable("callback", callback, None)
    _set_up_tasklet(t, lambda: callback(t), False)


def tasklet_init(t: tasklet_struct, func: Callable[[Any], object], data: Any = 0) -> None:
    """The old form: the function is called as ``func(data)``; enabled. Otherwise as `tasklet_setup`."""
    _check_callable("func", func, None)
    _set_up_tasklet(t, lambda: func(data), False)


def DECLARE_TASKLET(callback: Callable[[Any], object]) -> tasklet_struct:
    """Return a new enabled tasklet with function ``callback(t)``. Mirrors ``DECLARE_TASKLET(name, callback)``."""
    t = tasklet_struct()
    tasklet_setup(t, callback)
    return t


def DECLARE_TASKLET_DISABLED(callback: Callable[[Any], object]) -> tasklet_struct:
    """Return a new tasklet that is disabled once: it runs after `tasklet_enable`."""
    _check_callable("callback", callback, None)
    t = tasklet_struct()
    _set_up_tasklet(t, lambda: callback(t), True)
    return t


def tasklet_schedule(t: tasklet_struct) -> None:
    """Run it soon in softirq context on this CPU; nothing if it is already scheduled. Any context."""
    _tasklet(t).schedule()


def tasklet_hi_schedule(t: tasklet_struct) -> None:
    """`tasklet_schedule` on the high-priority vector, before timers and network. Any context."""
    _tasklet(t).hi_schedule()


def tasklet_disable(t: tasklet_struct) -> None:
    """Keep it from running and wait until it does not run; nests. Task."""
    _tasklet(t).disable()


def tasklet_disable_nosync(t: tasklet_struct) -> None:
    """Keep it from running, without waiting; nests. Any context."""
    _tasklet(t).disable_nosync()


def tasklet_enable(t: tasklet_struct) -> None:
    """Undo one disable. Any context. Raises `MisuseError` when it is not disabled (Linux does not look)."""
    _tasklet(t).enable()


def tasklet_kill(t: tasklet_struct) -> None:
    """Wait until it is neither scheduled nor running; it can be scheduled again. Task."""
    _tasklet(t).kill()


# --- interrupt.h: interrupt lines ------------------------------------------------------------------------------------

IRQ_NONE = bh.IrqReturn.NONE
IRQ_HANDLED = bh.IrqReturn.HANDLED
IRQ_WAKE_THREAD = bh.IrqReturn.WAKE_THREAD

IRQF_TRIGGER_NONE = 0x0
IRQF_TRIGGER_RISING = 0x1
IRQF_TRIGGER_FALLING = 0x2
IRQF_TRIGGER_HIGH = 0x4
IRQF_TRIGGER_LOW = 0x8
IRQF_SHARED = 0x80
IRQF_PROBE_SHARED = 0x100
IRQF_PERCPU = 0x400
IRQF_NOBALANCING = 0x800
IRQF_ONESHOT = 0x2000
IRQF_NO_SUSPEND = 0x4000
IRQF_NO_THREAD = 0x10000
IRQF_NO_AUTOEN = 0x80000
IRQF_NO_DEBUG = 0x100000
IRQF_COND_ONESHOT = 0x200000
IRQF_TIMER = 0x200 | IRQF_NO_SUSPEND | IRQF_NO_THREAD


class _IrqHandler:
    """What the engine calls for one ``request_irq``; it keeps the action that ``free_irq`` needs."""

    __slots__ = ("__weakref__", "action", "dev", "handler", "irq", "machine_id", "name")

    def __init__(
        self, machine: bh.Machine, irq: int, handler: Callable[[int, Any], bh.IrqReturn] | None, name: str, dev: Any
    ) -> None:
        # The identity only: a reference would keep alive a machine that nobody else refers to.
        self.machine_id = id(machine)
        self.irq = irq
        self.handler = handler
        self.name = name
        self.dev = dev
        self.action: bh.IrqAction | None = None

    def __call__(self, *_line: object) -> bh.IrqReturn:
        if self.handler is None:
            return IRQ_WAKE_THREAD
        return self.handler(self.irq, self.dev)


# The engine holds the handlers while they are registered; here they are only found again.
_irq_handlers: weakref.WeakSet[_IrqHandler] = weakref.WeakSet()
_irq_handlers_lock = threading.Lock()


def request_irq(
    irq: SupportsIndex, handler: Callable[[int, Any], bh.IrqReturn], flags: int = 0, name: str = "", dev: Any = None
) -> int:
    """Register ``handler(irq, dev) -> IRQ_NONE | IRQ_HANDLED`` on interrupt line `irq`. Task. Returns 0.

    `flags`: ``IRQF_*`` or-ed. Sharing needs ``IRQF_SHARED`` from everybody and a `dev`, by which `free_irq` finds it;
    otherwise `ValueError` or the error of ``line.request``.
    """
    return request_threaded_irq(irq, handler, None, flags, name, dev)


def request_threaded_irq(
    irq: SupportsIndex,
    handler: Callable[[int, Any], bh.IrqReturn] | None,
    thread_fn: Callable[[int, Any], bh.IrqReturn] | None,
    flags: int = 0,
    name: str = "",
    dev: Any = None,
) -> int:
    """`request_irq` with a second half: ``thread_fn(irq, dev)`` runs in a thread when the handler returns
    ``IRQ_WAKE_THREAD``. Task. Returns 0. `handler` None wakes the thread always and needs ``IRQF_ONESHOT``.
    """
    number = operator.index(irq)
    if handler is None and thread_fn is None:
        raise ValueError("handler and thread_fn are both None; one of them must be callable")
    if handler is None and not flags & IRQF_ONESHOT:
        raise ValueError(f"flags is {flags:#x}; a threaded interrupt without a handler needs IRQF_ONESHOT")
    if flags & IRQF_SHARED and dev is None:
        raise ValueError("dev is None; a shared interrupt needs a dev that tells its handlers apart")
    if handler is not None:
        _check_callable("handler", handler, number, dev)
    inner: Callable[..., Any] | None = None
    if thread_fn is not None:
        body = thread_fn
        _check_callable("thread_fn", body, number, dev)

        def run_thread(*_line: object) -> bh.IrqReturn:
            return body(number, dev)

        inner = run_thread
    machine = _machine()
    top = _IrqHandler(machine, number, handler, name, dev)
    top.action = machine.irq(number).request(top, thread_fn=inner, flags=bh.IRQF(flags), name=name)
    with _irq_handlers_lock:
        _irq_handlers.add(top)
    return 0


def free_irq(irq: SupportsIndex, dev: Any = None) -> str:
    """Unregister the handler requested with this very `dev`, wait until it does not run, and return its name. Task.

    Raises `MisuseError` when there is none ("already free").
    """
    number = operator.index(irq)
    machine_id = id(_machine())
    with _irq_handlers_lock:
        for top in _irq_handlers:
            if top.machine_id == machine_id and top.irq == number and top.dev is dev and top.action is not None:
                break
        else:
            raise _misuse("irq-already-free", f"free_irq({number}, {dev!r}): no handler with that dev is registered")
        action = top.action
    action.free()
    # Only now: a refused free has not happened.
    top.action = None
    with _irq_handlers_lock:
        _irq_handlers.discard(top)
    return top.name


def disable_irq(irq: SupportsIndex) -> None:
    """Mask a line and wait for its running handlers; nests. Task; from its own handler it raises."""
    _machine().irq(operator.index(irq)).disable()


def disable_irq_nosync(irq: SupportsIndex) -> None:
    """Mask a line without waiting; nests. Any context."""
    _machine().irq(operator.index(irq)).disable_nosync()


def enable_irq(irq: SupportsIndex) -> None:
    """Undo one disable; the last replays an interrupt that came meanwhile, once. `MisuseError` when unbalanced."""
    _machine().irq(operator.index(irq)).enable()


def synchronize_irq(irq: SupportsIndex) -> None:
    """Wait for the running handlers and threads of a line. Task."""
    _machine().irq(operator.index(irq)).synchronize()


def irq_inject_interrupt(irq: SupportsIndex) -> int:
    """Raise the interrupt, as a device would. Returns 0. Mirrors the kernel's fault-injection function."""
    _machine().irq(operator.index(irq)).fire()
    return 0


# --- preempt.h, smp.h, sched.h ---------------------------------------------------------------------------------------

in_task = bh.in_task
in_softirq = bh.in_softirq
in_serving_softirq = bh.in_serving_softirq
in_hardirq = bh.in_hardirq
in_irq = bh.in_hardirq
in_interrupt = bh.in_interrupt
in_atomic = bh.in_atomic
irqs_disabled = bh.irqs_disabled
smp_processor_id = bh.smp_processor_id
cpu_relax = bh.cpu_relax
cond_resched = bh.cond_resched


class _Current:
    """``current``: the running task, looked up at each use."""

    __slots__ = ()

    @property
    def comm(self) -> str:
        """Its name, e.g. ``kworker/0:1``."""
        return str(bh.current_task().name)

    @property
    def pid(self) -> int:
        """Its number on the machine."""
        return int(bh.current_task().pid)

    @property
    def cpu(self) -> int:
        """The number of the CPU that it is on."""
        return bh.smp_processor_id()

    def __repr__(self) -> str:
        return f"<current: {self.comm}, pid {self.pid}>"


current = _Current()


# --- jiffies.h -------------------------------------------------------------------------------------------------------

MAX_JIFFY_OFFSET = (_LONG_MAX >> 1) - 1
MAX_SCHEDULE_TIMEOUT = _LONG_MAX


class _Hz:
    """``HZ``: the ticks per second of the current machine, looked up at each use.

    It computes like the int that it stands for; divided by, or dividing, an int it does so as in C (``HZ / 3`` is 333),
    because that is what ``HZ / 10`` in a book means.
    """

    __slots__ = ()

    def __int__(self) -> int:
        return int(_machine().hz)

    __index__ = __int__

    def __float__(self) -> float:
        return float(int(self))

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return str(int(self))

    def __format__(self, spec: str) -> str:
        return format(int(self), spec)

    def __hash__(self) -> int:
        return hash(int(self))

    def __eq__(self, other: object) -> bool:
        return int(self) == (int(other) if isinstance(other, _Hz) else other)

    def __lt__(self, other: float) -> bool:
        return int(self) < other

    def __le__(self, other: float) -> bool:
        return int(self) <= other

    def __gt__(self, other: float) -> bool:
        return int(self) > other

    def __ge__(self, other: float) -> bool:
        return int(self) >= other

    def __neg__(self) -> int:
        return -int(self)

    def __pos__(self) -> int:
        return int(self)

    def __add__(self, other: _Number) -> _Number:
        return int(self) + other

    def __radd__(self, other: _Number) -> _Number:
        return other + int(self)

    def __sub__(self, other: _Number) -> _Number:
        return int(self) - other

    def __rsub__(self, other: _Number) -> _Number:
        return other - int(self)

    def __mul__(self, other: _Number) -> _Number:
        return int(self) * other

    def __rmul__(self, other: _Number) -> _Number:
        return other * int(self)

    def __floordiv__(self, other: _Number) -> _Number:
        return int(self) // other

    def __rfloordiv__(self, other: _Number) -> _Number:
        return other // int(self)

    def __truediv__(self, other: _Number) -> _Number:
        quotient: _Number = _c_divide(int(self), other)
        return quotient

    def __rtruediv__(self, other: _Number) -> _Number:
        quotient: _Number = _c_divide(other, int(self))
        return quotient

    def __mod__(self, other: _Number) -> _Number:
        return int(self) % other

    def __rmod__(self, other: _Number) -> _Number:
        return other % int(self)

    def __lshift__(self, other: int) -> int:
        return int(self) << other

    def __rshift__(self, other: int) -> int:
        return int(self) >> other


def _c_divide(a: Any, b: Any) -> Any:
    """C's division: of whole numbers it cuts off towards zero."""
    if not (isinstance(a, int) and isinstance(b, int)):
        return a / b
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


HZ = _Hz()


def jiffies() -> int:
    """The current machine's tick count (the variable ``jiffies``). Any context."""
    return int(_machine().jiffies)


get_jiffies_64 = jiffies


def msecs_to_jiffies(m: SupportsIndex) -> int:
    """Milliseconds in jiffies, rounded up; a negative number means ``MAX_JIFFY_OFFSET``, "for ever"."""
    value = operator.index(m) & 0xFFFFFFFF
    if value > 0x7FFFFFFF:
        return MAX_JIFFY_OFFSET
    return int(_core.msecs_to_jiffies(value, int(HZ)))


def usecs_to_jiffies(u: SupportsIndex) -> int:
    """Microseconds (an unsigned 32-bit number) in jiffies, rounded up."""
    return int(_core.usecs_to_jiffies(operator.index(u) & 0xFFFFFFFF, int(HZ)))


def secs_to_jiffies(seconds: SupportsIndex) -> int:
    """Seconds in jiffies."""
    return operator.index(seconds) * int(HZ)


def jiffies_to_msecs(j: SupportsIndex) -> int:
    """Jiffies in milliseconds; rounded up where HZ does not divide 1000."""
    return int(_core.jiffies_to_msecs(operator.index(j), int(HZ)))


def jiffies_to_usecs(j: SupportsIndex) -> int:
    """Jiffies in microseconds."""
    return int(_core.jiffies_to_usecs(operator.index(j), int(HZ)))


def round_jiffies(j: SupportsIndex) -> int:
    """Round an absolute time to a whole second, so that timers wake the CPU together; skewed by CPU number."""
    machine = _machine()
    return int(_core.round_jiffies(operator.index(j), bh.smp_processor_id(), machine.jiffies, machine.hz))


def round_jiffies_relative(j: SupportsIndex) -> int:
    """`round_jiffies` for a delay: jiffies from now in, jiffies from now out."""
    machine = _machine()
    now = int(machine.jiffies)
    return int(_core.round_jiffies(operator.index(j) + now, bh.smp_processor_id(), now, machine.hz)) - now


def _signed(difference: int) -> int:
    """The value as a C ``long``: jiffies wrap, and the sign of the difference is what tells the order."""
    return (difference + 2**63) % 2**64 - 2**63


def time_after(a: SupportsIndex, b: SupportsIndex) -> bool:
    """Whether time `a` (jiffies) is after `b`."""
    return _signed(operator.index(b) - operator.index(a)) < 0


def time_before(a: SupportsIndex, b: SupportsIndex) -> bool:
    """Whether time `a` (jiffies) is before `b`."""
    return time_after(b, a)


def time_after_eq(a: SupportsIndex, b: SupportsIndex) -> bool:
    """Whether time `a` (jiffies) is `b` or after it."""
    return not time_after(b, a)


def time_before_eq(a: SupportsIndex, b: SupportsIndex) -> bool:
    """Whether time `a` (jiffies) is `b` or before it."""
    return not time_after(a, b)


def time_in_range(a: SupportsIndex, b: SupportsIndex, c: SupportsIndex) -> bool:
    """Whether `a` lies in [b, c], in jiffies."""
    return time_after_eq(a, b) and time_before_eq(a, c)


def time_in_range_open(a: SupportsIndex, b: SupportsIndex, c: SupportsIndex) -> bool:
    """Whether `a` lies in [b, c), in jiffies."""
    return time_after_eq(a, b) and time_before(a, c)


def time_is_after_jiffies(a: SupportsIndex) -> bool:
    """Whether `a` is still to come."""
    return time_after(a, jiffies())


def time_is_before_jiffies(a: SupportsIndex) -> bool:
    """Whether `a` has passed."""
    return time_before(a, jiffies())


# --- timer.h ---------------------------------------------------------------------------------------------------------

TIMER_DEFERRABLE = 0x00080000
TIMER_PINNED = 0x00100000
TIMER_IRQSAFE = 0x00200000


class timer_list:
    """``struct timer_list``: `timer_setup` gives it its function, `mod_timer` arms it. Embed it by subclassing."""

    # The engine's timer is made by timer_setup(), so that setting up again (after a shutdown) is making a new one.
    _timer: bh.Timer | None = None

    expires: int = 0
    """When it fires or fired, in absolute jiffies; set it before `add_timer`."""


def _timer(t: timer_list | bh.Timer) -> bh.Timer:
    if isinstance(t, bh.Timer):
        return t
    if not isinstance(t, timer_list):
        raise TypeError(f"timer is {t!r}; it must be a timer_list")
    if t._timer is None:
        raise _misuse("timer-no-function", "this timer has no function yet: timer_setup(t, fn, 0)")
    return t._timer


def _from_now(t: timer_list | bh.Timer, expires: SupportsIndex) -> float:
    """Seconds until an absolute jiffy; one that has passed means the next tick."""
    at = _jiffies_argument("expires", expires)
    if isinstance(t, timer_list):
        t.expires = at
    machine = _machine()
    return min(max(_signed(at - int(machine.jiffies)), 0) / machine.hz, _LONGEST_SECONDS)


def timer_setup(timer: timer_list, callback: Callable[[Any], object], flags: int = 0) -> None:
    """Give a timer its function, called as ``callback(timer)`` in softirq context. Any context.

    `flags`: ``TIMER_DEFERRABLE``, ``TIMER_PINNED`` (a timer stays on its CPU here anyway), ``TIMER_IRQSAFE`` (the
    callback runs with interrupts off); others raise `ValueError`. Raises `MisuseError` while the timer is pending.
    """
    if not isinstance(timer, timer_list):
        raise TypeError(f"timer is {timer!r}; it must be a timer_list")
    unknown = flags & ~(TIMER_DEFERRABLE | TIMER_PINNED | TIMER_IRQSAFE)
    if unknown:
        raise ValueError(f"flags is {flags:#x}; only TIMER_DEFERRABLE, TIMER_PINNED and TIMER_IRQSAFE are allowed")
    _check_callable("callback", callback, None)
    if timer._timer is not None and timer._timer.pending:
        raise _misuse("timer-init-active", "this timer is pending; timer_delete_sync() it before setting it up again")

    def run(_inner: object) -> None:
        callback(timer)

    def run_irqsafe(_inner: object) -> None:
        with _machine().irqs_off():
            callback(timer)

    timer._timer = bh.Timer(run_irqsafe if flags & TIMER_IRQSAFE else run, deferrable=bool(flags & TIMER_DEFERRABLE))


def DEFINE_TIMER(callback: Callable[[Any], object]) -> timer_list:
    """Return a new timer with function ``callback(timer)``. Mirrors ``DEFINE_TIMER(name, callback)``."""
    timer = timer_list()
    timer_setup(timer, callback, 0)
    return timer


def mod_timer(timer: timer_list, expires: SupportsIndex) -> int:
    """Arm or re-arm for the absolute time `expires`, in jiffies; never early, late by the wheel's granularity.

    Any context. 1: it was pending; 0: it was not (and is now, unless it was shut down).
    """
    return int(_timer(timer).mod(_from_now(timer, expires)))


def mod_timer_pending(timer: timer_list, expires: SupportsIndex) -> int:
    """`mod_timer`, but only of a pending timer; 0 and nothing done for another. Any context."""
    return int(_timer(timer).mod_pending(_from_now(timer, expires)))


def timer_reduce(timer: timer_list, expires: SupportsIndex) -> int:
    """Arm, or move to an earlier time but never to a later one. Any context. Returns as `mod_timer`."""
    return int(_timer(timer).reduce(_from_now(timer, expires)))


def add_timer(timer: timer_list) -> None:
    """Arm for ``timer.expires`` (absolute jiffies). Any context. Raises `MisuseError` if pending (Linux warns)."""
    if timer_pending(timer):
        raise _misuse("timer-add-pending", "add_timer() of a pending timer; use mod_timer()")
    mod_timer(timer, timer.expires)


def add_timer_on(timer: timer_list, cpu: SupportsIndex) -> None:
    """`add_timer` on CPU number `cpu`."""
    with _machine().on_cpu(operator.index(cpu)):
        add_timer(timer)


def timer_pending(timer: timer_list) -> int:
    """1 if armed; 0 also inside its own callback. Any context."""
    return int(_timer(timer).pending)


def timer_delete(timer: timer_list) -> int:
    """Disarm without waiting for a running callback. Any context. 1: it was pending; 0: it was not."""
    return int(_timer(timer).delete())


def timer_delete_sync(timer: timer_list) -> int:
    """Disarm and wait for a running callback. Not from that callback, nor from a hard interrupt. 1: was pending."""
    return int(_timer(timer).delete_sync())


del_timer = timer_delete
del_timer_sync = timer_delete_sync


def timer_shutdown_sync(timer: timer_list) -> int:
    """`timer_delete_sync`, after which arming does nothing until `timer_setup`. 1: it was pending; 0: it was not."""
    return int(_timer(timer).shutdown_sync())


# --- delay.h, sched.h ------------------------------------------------------------------------------------------------


def schedule_timeout(timeout: SupportsIndex) -> int:
    """Sleep `timeout` jiffies by the timer wheel (late by its granularity). Task. Returns the jiffies left, 0 here.

    ``MAX_SCHEDULE_TIMEOUT`` sleeps until the machine halts. The task always sleeps: there is no task state to set
    first. A negative number raises `ValueError`.
    """
    n = _jiffies_argument("timeout", timeout)
    done = bh.Completion()
    if n >= MAX_SCHEDULE_TIMEOUT:
        done.wait()
        return 0
    seconds = _seconds("timeout", n)
    end = jiffies() + n
    timer = bh.Timer(lambda _timer: done.complete())
    timer.mod(seconds)
    try:
        done.wait()
    finally:
        timer.delete()
    return max(0, end - jiffies())


schedule_timeout_uninterruptible = schedule_timeout
schedule_timeout_interruptible = schedule_timeout


def msleep(msecs: SupportsIndex) -> None:
    """Sleep for milliseconds by the timer wheel: 5000 takes 5.12 s at HZ 1000. Task. See `usleep_range`."""
    n = operator.index(msecs)
    if n < 0:
        raise ValueError(f"msecs is {n}; it is a number of milliseconds >= 0")
    schedule_timeout(msecs_to_jiffies(n))


def msleep_interruptible(msecs: SupportsIndex) -> int:
    """`msleep`; returns the milliseconds left, 0 here: what interrupts it is an exception (Ctrl-C). Task."""
    msleep(msecs)
    return 0


def ssleep(seconds: SupportsIndex) -> None:
    """`msleep` for seconds. Task."""
    msleep(operator.index(seconds) * 1000)


def usleep_range(min: SupportsIndex, max: SupportsIndex) -> None:
    """Sleep at least `min` microseconds, exactly (a high-resolution timer, not the wheel). Task."""
    low, high = operator.index(min), operator.index(max)
    if not 0 <= low <= high:
        raise ValueError(f"min and max are {low} and {high}; microseconds with 0 <= min <= max are allowed")
    bh.sleep(low / 1e6)


def fsleep(usecs: SupportsIndex) -> None:
    """Sleep for microseconds by what fits best: `udelay` to 10 us, `usleep_range` to 20 ms, else `msleep`. Task."""
    n = operator.index(usecs)
    if n <= 10:
        udelay(n)
    elif n <= 20_000:
        usleep_range(n, 2 * n)
    else:
        msleep(-(-n // 1000))


def ndelay(nsecs: SupportsIndex) -> None:
    """Burn CPU time for nanoseconds. Any context."""
    bh.burn(operator.index(nsecs) / 1e9)


def udelay(usecs: SupportsIndex) -> None:
    """Burn CPU time for microseconds. Any context."""
    bh.burn(operator.index(usecs) / 1e6)


def mdelay(msecs: SupportsIndex) -> None:
    """Burn CPU time for milliseconds. Any context, and a bad idea in each."""
    bh.burn(operator.index(msecs) / 1e3)


# --- completion.h ----------------------------------------------------------------------------------------------------

completion = bh.Completion


def DECLARE_COMPLETION() -> bh.Completion:
    """Return a new completion that is not done. Mirrors ``DECLARE_COMPLETION(name)``."""
    return bh.Completion()


def init_completion(x: bh.Completion) -> None:
    """Make it "not done". Any context. Nobody may be waiting."""
    x.reinit()


def reinit_completion(x: bh.Completion) -> None:
    """Make it "not done" again, as is needed after `complete_all`. Any context."""
    x.reinit()


def complete(x: bh.Completion) -> None:
    """Let one waiter go, or the next who comes. Any context."""
    x.complete()


def complete_all(x: bh.Completion) -> None:
    """Let every waiter go, and all who come until `reinit_completion`. Any context."""
    x.complete_all()


def wait_for_completion(x: bh.Completion) -> None:
    """Wait until it is done, and consume one `complete`. Task."""
    x.wait()


def wait_for_completion_timeout(x: bh.Completion, timeout: SupportsIndex) -> int:
    """`wait_for_completion` for at most `timeout` jiffies. Task. 0: timed out; else the jiffies left, at least 1."""
    seconds = _seconds("timeout", timeout)
    end = jiffies() + operator.index(timeout)
    try:
        x.wait(seconds)
    except TimeoutError:
        return 0
    return max(1, end - jiffies())


def wait_for_completion_interruptible(x: bh.Completion) -> int:
    """`wait_for_completion`; returns 0. What interrupts it is an exception (Ctrl-C), not -ERESTARTSYS. Task."""
    x.wait()
    return 0


wait_for_completion_interruptible_timeout = wait_for_completion_timeout


def try_wait_for_completion(x: bh.Completion) -> bool:
    """Consume one `complete` if there is one; never waits. Any context."""
    return bool(x.try_wait())


def completion_done(x: bh.Completion) -> bool:
    """Whether a waiter would not have to wait. Any context."""
    return bool(x.done)


# --- wait.h ----------------------------------------------------------------------------------------------------------

wait_queue_head_t = bh.WaitQueue


def DECLARE_WAIT_QUEUE_HEAD() -> bh.WaitQueue:
    """Return a new wait queue. Mirrors ``DECLARE_WAIT_QUEUE_HEAD(name)``."""
    return bh.WaitQueue()


def init_waitqueue_head(wq_head: bh.WaitQueue) -> None:
    """Nothing is left to do: a ``wait_queue_head_t()`` is ready for use."""
    if not isinstance(wq_head, bh.WaitQueue):
        raise TypeError(f"wq_head is {wq_head!r}; it must be a wait_queue_head_t")


def wait_event(wq_head: bh.WaitQueue, condition: Callable[[], object]) -> None:
    """Sleep until ``condition()`` is true; it is looked at first and after every wake-up. Task."""
    wq_head.wait_event(condition)


def wait_event_interruptible(wq_head: bh.WaitQueue, condition: Callable[[], object]) -> int:
    """`wait_event`; returns 0. What interrupts it is an exception (Ctrl-C), not -ERESTARTSYS. Task."""
    wq_head.wait_event(condition)
    return 0


def wait_event_timeout(wq_head: bh.WaitQueue, condition: Callable[[], object], timeout: SupportsIndex) -> int:
    """`wait_event` for at most `timeout` jiffies. Task. 0: timed out and still false; else the jiffies left, or 1."""
    seconds = _seconds("timeout", timeout)
    end = jiffies() + operator.index(timeout)
    try:
        wq_head.wait_event(condition, seconds)
    except TimeoutError:
        return 0
    return max(1, end - jiffies())


wait_event_interruptible_timeout = wait_event_timeout


def wake_up(wq_head: bh.WaitQueue) -> None:
    """Wake the waiters, to look at their conditions. Any context.

    Linux's ``wake_up`` wakes every waiter that is not exclusive, and a ``wait_event`` never is.
    """
    wq_head.wake_up_all()


wake_up_all = wake_up
wake_up_interruptible = wake_up
wake_up_interruptible_all = wake_up


# --- spinlock.h, mutex.h ---------------------------------------------------------------------------------------------

spinlock_t = bh.SpinLock

# The open section of each lock held with bottom halves or interrupts off. Written only by the lock's holder.
_spin_sections: dict[int, AbstractContextManager[Any]] = {}


def _spin_enter(lock: bh.SpinLock, section: AbstractContextManager[Any]) -> None:
    section.__enter__()
    _spin_sections[id(lock)] = section


def _spin_exit(lock: bh.SpinLock, what: str) -> None:
    section = _spin_sections.pop(id(lock), None)
    if section is None:
        raise _misuse("spinlock-already-unlocked", f"{what}() of a lock that was not taken by its counterpart")
    section.__exit__(None, None, None)


def DEFINE_SPINLOCK() -> bh.SpinLock:
    """Return a new spin lock. Mirrors ``DEFINE_SPINLOCK(name)``."""
    return bh.SpinLock()


def spin_lock_init(lock: bh.SpinLock) -> None:
    """Nothing is left to do: a ``spinlock_t()`` is ready for use."""
    if not isinstance(lock, bh.SpinLock):
        raise TypeError(f"lock is {lock!r}; it must be a spinlock_t")


def spin_lock(lock: bh.SpinLock) -> None:
    """Take the lock; no sleeping until `spin_unlock`. Any context where every user is in the same one."""
    lock.__enter__()


def spin_unlock(lock: bh.SpinLock) -> None:
    """Give the lock back. Raises when the caller does not hold it."""
    lock.__exit__(None, None, None)


def spin_lock_bh(lock: bh.SpinLock) -> None:
    """Hold back softirqs and take the lock: for locks that tasklets, timers or softirqs take too."""
    _spin_enter(lock, lock.bh())


def spin_unlock_bh(lock: bh.SpinLock) -> None:
    """Give the lock back and run what softirqs are pending."""
    _spin_exit(lock, "spin_unlock_bh")


def spin_lock_irq(lock: bh.SpinLock) -> None:
    """Turn interrupts off and take the lock: for locks that interrupt handlers take too."""
    _spin_enter(lock, lock.irqsave())


def spin_unlock_irq(lock: bh.SpinLock) -> None:
    """Give the lock back and put interrupts as they were before `spin_lock_irq`."""
    _spin_exit(lock, "spin_unlock_irq")


def spin_lock_irqsave(lock: bh.SpinLock) -> int:
    """`spin_lock_irq`; returns how interrupts were: ``flags = spin_lock_irqsave(lock)``. Any context."""
    flags = int(bh.irqs_disabled())
    _spin_enter(lock, lock.irqsave())
    return flags


def spin_unlock_irqrestore(lock: bh.SpinLock, flags: int) -> None:
    """Give the lock back and put interrupts as they were; `flags` is what `spin_lock_irqsave` returned."""
    _spin_exit(lock, "spin_unlock_irqrestore")


mutex = bh.Mutex


def DEFINE_MUTEX() -> bh.Mutex:
    """Return a new mutex. Mirrors ``DEFINE_MUTEX(name)``."""
    return bh.Mutex()


def mutex_init(lock: bh.Mutex) -> None:
    """Nothing is left to do: a ``mutex()`` is ready for use."""
    if not isinstance(lock, bh.Mutex):
        raise TypeError(f"lock is {lock!r}; it must be a mutex")


def mutex_lock(lock: bh.Mutex) -> None:
    """Take the mutex, sleeping until it is free. Task. Not recursive: taking it twice raises."""
    lock.__enter__()


def mutex_lock_interruptible(lock: bh.Mutex) -> int:
    """`mutex_lock`; returns 0. What interrupts it is an exception (Ctrl-C), not -EINTR. Task."""
    lock.__enter__()
    return 0


def mutex_unlock(lock: bh.Mutex) -> None:
    """Give the mutex back. Task; only its owner may."""
    lock.__exit__(None, None, None)


# --- printk.h --------------------------------------------------------------------------------------------------------

_KERN_SOH = "\001"
KERN_EMERG = _KERN_SOH + "0"
KERN_ALERT = _KERN_SOH + "1"
KERN_CRIT = _KERN_SOH + "2"
KERN_ERR = _KERN_SOH + "3"
KERN_WARNING = _KERN_SOH + "4"
KERN_NOTICE = _KERN_SOH + "5"
KERN_INFO = _KERN_SOH + "6"
KERN_DEBUG = _KERN_SOH + "7"

_DEFAULT_LEVEL = 4


def _log(level: int, fmt: str, args: tuple[Any, ...]) -> int:
    text = _c_format(fmt, args)
    _core.printk(_machine(), level, text.rstrip("\n"))
    return len(text)


def printk(fmt: str, *args: Any) -> int:
    """Write ``fmt % args`` to the current machine's log (``m.log``); returns its length. Any context.

    A level stands before the text: ``printk(KERN_INFO + "%d items", n)``; without one it is a warning.
    """
    if len(fmt) > 1 and fmt[0] == _KERN_SOH and fmt[1] in "01234567":
        return _log(int(fmt[1]), fmt[2:], args)
    return _log(_DEFAULT_LEVEL, fmt, args)


def pr_emerg(fmt: str, *args: Any) -> int:
    """`printk` at level 0, "the system is unusable"."""
    return _log(0, fmt, args)


def pr_alert(fmt: str, *args: Any) -> int:
    """`printk` at level 1, "act at once"."""
    return _log(1, fmt, args)


def pr_crit(fmt: str, *args: Any) -> int:
    """`printk` at level 2, critical."""
    return _log(2, fmt, args)


def pr_err(fmt: str, *args: Any) -> int:
    """`printk` at level 3, an error."""
    return _log(3, fmt, args)


def pr_warn(fmt: str, *args: Any) -> int:
    """`printk` at level 4, a warning."""
    return _log(4, fmt, args)


def pr_notice(fmt: str, *args: Any) -> int:
    """`printk` at level 5, normal but significant."""
    return _log(5, fmt, args)


def pr_info(fmt: str, *args: Any) -> int:
    """`printk` at level 6, information."""
    return _log(6, fmt, args)


def pr_debug(fmt: str, *args: Any) -> int:
    """`printk` at level 7, for debugging; always written."""
    return _log(7, fmt, args)
