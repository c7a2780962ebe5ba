"""Linux's flags and enumerations, with Linux's values."""

from __future__ import annotations

import enum

__all__ = ["IRQF", "WQ", "Busy", "IrqReturn", "Softirq"]


class WQ(enum.IntFlag):
    """Workqueue flags (Linux: enum wq_flags). MANAGED is ours: unbound and concurrency-managed."""

    BH = 0x1
    UNBOUND = 0x2
    FREEZABLE = 0x4
    MEM_RECLAIM = 0x8
    HIGHPRI = 0x10
    CPU_INTENSIVE = 0x20
    SYSFS = 0x40
    POWER_EFFICIENT = 0x80
    PERCPU = 0x100
    MANAGED = 0x1000
    DESTROYING = 0x8000
    DRAINING = 0x10000
    ORDERED = 0x20000


class Busy(enum.IntFlag):
    """What ``Work.busy`` answers (Linux: WORK_BUSY_PENDING, WORK_BUSY_RUNNING)."""

    PENDING = 1
    RUNNING = 2


class Softirq(enum.IntEnum):
    """The softirq vectors, lowest first (Linux: HI_SOFTIRQ ... RCU_SOFTIRQ)."""

    HI = 0
    TIMER = 1
    NET_TX = 2
    NET_RX = 3
    BLOCK = 4
    IRQ_POLL = 5
    TASKLET = 6
    SCHED = 7
    HRTIMER = 8
    RCU = 9


class IrqReturn(enum.IntEnum):
    """What a primary interrupt handler returns (Linux: irqreturn_t)."""

    NONE = 0
    HANDLED = 1
    WAKE_THREAD = 2


class IRQF(enum.IntFlag):
    """Flags of an interrupt request (Linux: IRQF_*)."""

    TRIGGER_RISING = 0x1
    TRIGGER_FALLING = 0x2
    TRIGGER_HIGH = 0x4
    TRIGGER_LOW = 0x8
    SHARED = 0x80
    PROBE_SHARED = 0x100
    PERCPU = 0x400
    NOBALANCING = 0x800
    ONESHOT = 0x2000
    NO_SUSPEND = 0x4000
    NO_THREAD = 0x10000
    NO_AUTOEN = 0x80000
    NO_DEBUG = 0x100000
    COND_ONESHOT = 0x200000
