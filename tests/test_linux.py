"""bottomhalf.linux: programs typed as the books print them."""

# ruff: noqa: F403, F405

from __future__ import annotations

import pytest
from helpers import LONG, eventually, log_text

import bottomhalf as bh
from bottomhalf import linux
from bottomhalf.linux import *

TEXT = """
work_struct delayed_work DECLARE_WORK DECLARE_DELAYED_WORK INIT_WORK INIT_DELAYED_WORK queue_work queue_work_on
queue_delayed_work queue_delayed_work_on mod_delayed_work mod_delayed_work_on schedule_work schedule_work_on
schedule_delayed_work schedule_delayed_work_on cancel_work cancel_work_sync cancel_delayed_work
cancel_delayed_work_sync disable_work disable_work_sync enable_work disable_delayed_work disable_delayed_work_sync
enable_delayed_work flush_work flush_delayed_work flush_workqueue drain_workqueue flush_scheduled_work work_pending
delayed_work_pending work_busy current_work alloc_workqueue alloc_ordered_workqueue create_workqueue
create_singlethread_workqueue destroy_workqueue system_wq system_highpri_wq system_long_wq system_unbound_wq
system_freezable_wq system_power_efficient_wq WQ_UNBOUND WQ_MEM_RECLAIM WQ_HIGHPRI WQ_CPU_INTENSIVE WQ_FREEZABLE WQ_BH
WQ_SYSFS WQ_POWER_EFFICIENT tasklet_struct tasklet_init tasklet_setup tasklet_schedule tasklet_hi_schedule
tasklet_disable tasklet_disable_nosync tasklet_enable tasklet_kill DECLARE_TASKLET DECLARE_TASKLET_DISABLED
open_softirq raise_softirq local_bh_disable local_bh_enable HI_SOFTIRQ TIMER_SOFTIRQ NET_RX_SOFTIRQ TASKLET_SOFTIRQ
timer_list timer_setup mod_timer mod_timer_pending timer_reduce timer_delete timer_delete_sync timer_shutdown_sync
del_timer del_timer_sync add_timer timer_pending jiffies HZ msecs_to_jiffies jiffies_to_msecs usecs_to_jiffies
time_after time_before msleep request_irq request_threaded_irq free_irq disable_irq disable_irq_nosync enable_irq
synchronize_irq IRQ_NONE IRQ_HANDLED IRQ_WAKE_THREAD IRQF_SHARED IRQF_ONESHOT in_interrupt in_softirq
in_serving_softirq in_task in_atomic irqs_disabled smp_processor_id init_completion complete complete_all
wait_for_completion wait_for_completion_timeout try_wait_for_completion init_waitqueue_head wait_event wake_up
wake_up_all wait_event_interruptible wake_up_interruptible spin_lock spin_unlock spin_lock_bh spin_unlock_bh
spin_lock_irqsave spin_unlock_irqrestore spin_lock_init mutex_init mutex_lock mutex_unlock printk pr_info pr_err
pr_warn
"""
NAMES = TEXT.split()


@pytest.mark.parametrize("name", NAMES)
def test_name(name):
    """The kernel's name exists and is exported."""
    assert hasattr(linux, name)
    assert name in linux.__all__


def test_flag_values():
    """The constants have Linux's values."""
    assert (int(WQ_BH), int(WQ_UNBOUND), int(WQ_FREEZABLE), int(WQ_MEM_RECLAIM)) == (1, 2, 4, 8)
    assert (int(WQ_HIGHPRI), int(WQ_CPU_INTENSIVE)) == (0x10, 0x20)
    assert (int(IRQ_NONE), int(IRQ_HANDLED), int(IRQ_WAKE_THREAD)) == (0, 1, 2)
    assert (int(HI_SOFTIRQ), int(NET_RX_SOFTIRQ), int(TASKLET_SOFTIRQ)) == (0, 3, 6)


def test_the_shared_queue_of_the_books(m):
    """INIT_WORK, schedule_work, flush_work, printk."""

    def handler(work):
        pr_info(f"work handler, in_task={int(in_task())}")

    x = work_struct()
    INIT_WORK(x, handler)
    assert schedule_work(x) is True
    flush_work(x)
    assert "work handler, in_task=1" in log_text(m)
    assert work_pending(x) is False and work_busy(x) == 0
    assert cancel_work_sync(x) is False


def test_a_driver_with_its_own_queue(m):
    """alloc_workqueue, queue_work_on, flush_workqueue, destroy_workqueue; container_of is subclassing."""

    class Device(work_struct):
        def __init__(self, number):
            self.number = number
            INIT_WORK(self, Device.handler)

        def handler(work):
            log.append((work.number, smp_processor_id()))

    log = []
    wq = alloc_workqueue("my_wq", WQ_UNBOUND | WQ_MEM_RECLAIM, 1)
    devices = [Device(n) for n in range(3)]
    for device in devices:
        assert queue_work(wq, device)
    flush_workqueue(wq)
    destroy_workqueue(wq)
    assert [number for number, _ in log] == [0, 1, 2]
    percpu = create_workqueue("percpu")
    assert queue_work_on(1, percpu, devices[0]) is True
    flush_work(devices[0])
    assert log[-1] == (0, 1)
    destroy_workqueue(percpu)


def test_delayed_work_in_jiffies(m):
    """schedule_delayed_work takes jiffies: msecs_to_jiffies rounds up."""
    done = bh.Completion()

    def handler(work):
        complete(done)

    d = DECLARE_DELAYED_WORK(handler)
    assert schedule_delayed_work(d, msecs_to_jiffies(5000)) is True
    assert delayed_work_pending(d) is True
    assert mod_delayed_work(system_wq, d, msecs_to_jiffies(1)) is True
    wait_for_completion(done)
    assert cancel_delayed_work_sync(d) is False
    assert queue_delayed_work(system_wq, d, 5 * HZ) is True
    assert flush_delayed_work(d) in (True, False)
    assert cancel_delayed_work(d) is False


def test_singlethread_workqueue_keeps_order(m):
    """create_singlethread_workqueue is ordered."""
    order = []
    wq = create_singlethread_workqueue("single")
    works = [DECLARE_WORK(lambda work, n=n: order.append(n)) for n in range(20)]
    for n, work in enumerate(works):
        assert queue_work_on(n % 2, wq, work)
    flush_workqueue(wq)
    destroy_workqueue(wq)
    assert order == list(range(20))


@pytest.mark.parametrize(
    ("ms", "at"),
    [
        (0, (0, 0, 0, 0)),
        (1, (1, 1, 1, 1)),
        (4, (1, 1, 2, 4)),
        (5, (1, 2, 2, 5)),
        (10, (1, 3, 3, 10)),
        (11, (2, 3, 4, 11)),
        (25, (3, 7, 8, 25)),
        (100, (10, 25, 30, 100)),
        (999, (100, 250, 300, 999)),
        (5000, (500, 1250, 1500, 5000)),
    ],
)
def test_12_24_msecs_to_jiffies(boot, ms, at):
    """msecs_to_jiffies rounds up, on the HZ of the current machine."""
    for hz, expected in zip((100, 250, 300, 1000), at, strict=True):
        boot(cpus=1, hz=hz).activate()
        assert int(HZ) == hz
        assert msecs_to_jiffies(ms) == expected


def test_time_after():
    """time_after and time_before compare by signed difference, so they survive the wrap."""
    assert time_after(5, 3) and not time_after(3, 5) and not time_after(3, 3)
    assert time_before(3, 5) and not time_before(5, 3)
    wrap = 1 << 64
    assert time_after(2, wrap - 3)


def test_timer(m):
    """timer_setup, mod_timer(t, jiffies() + HZ), del_timer."""
    done = bh.Completion()
    t = timer_list()
    timer_setup(t, lambda timer: complete(done), 0)
    assert mod_timer(t, jiffies() + 500 * HZ) == 0
    assert timer_pending(t)
    assert mod_timer(t, jiffies() + 1) == 1
    wait_for_completion(done)
    assert timer_delete_sync(t) == 0
    assert mod_timer(t, jiffies() + 500 * HZ) == 0
    assert timer_delete(t) == 1
    assert timer_shutdown_sync(t) == 0
    assert mod_timer(t, jiffies() + 1) == 0 and not timer_pending(t)


def test_tasklets(m):
    """tasklet_setup passes the tasklet, tasklet_init the data; both start enabled."""
    seen = []
    done = bh.Completion()
    new, old = tasklet_struct(), tasklet_struct()
    tasklet_setup(new, lambda t: (seen.append(t is new), complete(done)))
    tasklet_init(old, lambda data: (seen.append(data), complete(done)), 42)
    tasklet_schedule(new)
    wait_for_completion(done)
    tasklet_hi_schedule(old)
    wait_for_completion(done)
    tasklet_disable(new)
    tasklet_enable(new)
    tasklet_kill(new)
    tasklet_kill(old)
    assert seen == [True, 42]


def test_interrupts(m):
    """request_irq with handler(irq, dev), free_irq(irq, dev)."""
    seen = []

    def handler(irq, dev):
        seen.append((irq, dev))
        return IRQ_HANDLED

    device = object()
    assert request_irq(5, handler, IRQF_SHARED, "eth0", device) in (0, None)
    m.irq(5).fire()
    disable_irq(5)
    m.irq(5).fire()
    assert len(seen) == 1
    enable_irq(5)
    eventually(lambda: len(seen) == 2)
    synchronize_irq(5)
    free_irq(5, device)
    assert seen == [(5, device)] * 2


def test_softirq(m):
    """open_softirq, raise_softirq; local_bh_disable and local_bh_enable around it."""
    seen = []
    open_softirq(NET_RX_SOFTIRQ, lambda: seen.append(in_serving_softirq()))
    local_bh_disable()
    raise_softirq(NET_RX_SOFTIRQ)
    assert seen == [] and in_interrupt() and in_task()
    local_bh_enable()
    eventually(lambda: seen == [True])


def test_top_half_and_bottom_half(m):
    """The classic split: the top half schedules a tasklet, which queues a work item, which may sleep."""
    path = []
    done = bh.Completion()

    def work_handler(work):
        msleep(1)
        path.append("work")
        complete(done)

    def tasklet_handler(t):
        path.append("tasklet")
        schedule_work(work)

    def top_half(irq, dev):
        path.append("top")
        tasklet_schedule(tasklet)
        return IRQ_HANDLED

    work = DECLARE_WORK(work_handler)
    tasklet = DECLARE_TASKLET(tasklet_handler)
    request_irq(9, top_half, 0, "dev", None)
    m.irq(9).fire()
    wait_for_completion(done)
    free_irq(9, None)
    tasklet_kill(tasklet)
    flush_work(work)
    assert path == ["top", "tasklet", "work"]


def test_stand_ins_follow_the_current_machine(boot):
    """system_wq and HZ are resolved at each use."""
    for hz in (100, 1000):
        machine = boot(cpus=1, hz=hz)
        machine.activate()
        before = machine.system_wq.stats().started
        x = DECLARE_WORK(lambda work: None)
        assert queue_work(system_wq, x)
        flush_work(x)
        assert machine.system_wq.stats().started == before + 1
        assert 5 * hz == 5 * HZ and 5 * hz == HZ * 5 and jiffies() + HZ > jiffies()


def test_errors_raise(m):
    """Errors raise as elsewhere."""
    wq = alloc_workqueue("gone", 0, 0)
    destroy_workqueue(wq)
    with pytest.raises(bh.WorkqueueDestroyed):
        queue_work(wq, DECLARE_WORK(lambda work: None))
    with pytest.raises(ValueError):
        alloc_workqueue("range", 0, 513)
    with pytest.raises(bh.UnbalancedEnable):
        enable_work(DECLARE_WORK(lambda work: None))
    bh.current_machine().system_wq.flush(LONG)


def test_locks_and_waits(m):
    """spin_lock, mutex_lock, wait_event and wake_up on the kernel's own objects."""
    lock, big_lock, queue, flag = spinlock_t(), mutex(), wait_queue_head_t(), []
    spin_lock_init(lock)
    mutex_init(big_lock)
    init_waitqueue_head(queue)

    def handler(work):
        spin_lock(lock)
        assert in_atomic()
        flag.append(1)
        spin_unlock(lock)
        mutex_lock(big_lock)
        mutex_unlock(big_lock)
        wake_up(queue)

    x = DECLARE_WORK(handler)
    schedule_work(x)
    wait_event(queue, lambda: flag)
    flush_work(x)
    flags = spin_lock_irqsave(lock)
    assert irqs_disabled()
    spin_unlock_irqrestore(lock, flags)
    assert not irqs_disabled()


def test_flush_scheduled_work_warns(m):
    """flush_scheduled_work flushes system_wq and always says that it is going away."""
    ran = []
    x = DECLARE_WORK(ran.append)
    schedule_work(x)
    with pytest.warns(DeprecationWarning):
        flush_scheduled_work()
    assert ran == [x]
