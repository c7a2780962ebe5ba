"""The tables of what the Linux headers have, against the headers."""

from __future__ import annotations

import re

import header_names
import pytest

LINUX = header_names.HEADERS.parent
README = (LINUX / "README.md").read_text()

# What the founding documents use and what Linux 6.12's documentation of deferred work describes, by header.
REQUIRED = {
    "workqueue.h": """DECLARE_WORK INIT_WORK DECLARE_DELAYED_WORK INIT_DELAYED_WORK DECLARE_DEFERRABLE_WORK
        INIT_DEFERRABLE_WORK INIT_RCU_WORK INIT_WORK_ONSTACK INIT_WORK_ONSTACK_KEY INIT_DELAYED_WORK_ONSTACK
        INIT_DEFERRABLE_WORK_ONSTACK destroy_work_on_stack destroy_delayed_work_on_stack to_delayed_work to_rcu_work
        from_work delayed_work_timer_fn work_pending delayed_work_pending alloc_workqueue alloc_ordered_workqueue
        create_workqueue create_freezable_workqueue create_singlethread_workqueue destroy_workqueue drain_workqueue
        alloc_workqueue_attrs free_workqueue_attrs apply_workqueue_attrs workqueue_set_max_active
        workqueue_set_min_active workqueue_sysfs_register queue_work_on queue_work queue_work_node
        queue_delayed_work_on queue_delayed_work mod_delayed_work_on mod_delayed_work queue_rcu_work schedule_work
        schedule_work_on schedule_delayed_work schedule_delayed_work_on enable_and_queue_work schedule_on_each_cpu
        execute_in_process_context work_on_cpu work_on_cpu_safe cancel_work cancel_work_sync cancel_delayed_work
        cancel_delayed_work_sync disable_work disable_work_sync enable_work disable_delayed_work
        disable_delayed_work_sync enable_delayed_work flush_work flush_delayed_work flush_rcu_work flush_workqueue
        flush_scheduled_work workqueue_congested work_busy set_worker_desc current_work current_is_workqueue_rescuer
        show_all_workqueues show_one_workqueue system_wq system_percpu_wq system_highpri_wq system_long_wq
        system_dfl_wq system_unbound_wq system_dfl_long_wq system_freezable_wq system_power_efficient_wq
        system_freezable_power_efficient_wq system_bh_wq system_bh_highpri_wq INIT_DELAYED_WORK_DEFERRABLE""",
    "interrupt.h": """open_softirq __raise_softirq_irqoff raise_softirq_irqoff raise_softirq do_softirq
        local_softirq_pending DECLARE_TASKLET DECLARE_TASKLET_DISABLED DECLARE_TASKLET_OLD
        DECLARE_TASKLET_DISABLED_OLD tasklet_setup tasklet_init from_tasklet tasklet_schedule tasklet_hi_schedule
        tasklet_disable_nosync tasklet_disable tasklet_disable_in_atomic tasklet_enable tasklet_kill
        tasklet_unlock_wait tasklet_unlock_spin_wait request_irq request_threaded_irq request_any_context_irq
        free_irq devm_request_irq disable_irq disable_irq_nosync disable_hardirq enable_irq synchronize_irq
        synchronize_hardirq irq_wake_thread irq_has_action irq_inject_interrupt""",
    "preempt.h": """preempt_count in_hardirq in_softirq in_serving_softirq in_interrupt in_task in_atomic in_irq in_nmi
        interrupt_context_level preempt_disable preempt_enable local_bh_disable local_bh_enable _local_bh_enable""",
    "irqflags.h": "irqs_disabled local_irq_disable local_irq_enable local_irq_save local_irq_restore",
    "timer.h": """DEFINE_TIMER timer_setup timer_setup_on_stack destroy_timer_on_stack from_timer timer_container_of
        timer_pending add_timer add_timer_on add_timer_local add_timer_global mod_timer mod_timer_pending timer_reduce
        timer_delete del_timer timer_delete_sync del_timer_sync try_to_del_timer_sync timer_shutdown
        timer_shutdown_sync""",
    "jiffies.h": """jiffies msecs_to_jiffies usecs_to_jiffies secs_to_jiffies jiffies_to_msecs round_jiffies
        round_jiffies_up round_jiffies_relative round_jiffies_up_relative time_after time_before time_in_range
        time_in_range_open""",
    "sched.h": """current schedule schedule_timeout schedule_timeout_interruptible schedule_timeout_uninterruptible
        wake_up_process cond_resched might_sleep msleep smp_processor_id""",
    "spinlock.h": """spin_lock_init spin_lock spin_unlock spin_lock_bh spin_unlock_bh spin_lock_irq spin_unlock_irq
        spin_lock_irqsave spin_unlock_irqrestore spin_trylock spin_trylock_bh spin_trylock_irq spin_trylock_irqsave""",
    "mutex.h": "mutex_init mutex_lock mutex_lock_interruptible mutex_lock_killable mutex_trylock mutex_unlock",
    "completion.h": """DECLARE_COMPLETION DECLARE_COMPLETION_ONSTACK init_completion reinit_completion complete
        complete_all wait_for_completion wait_for_completion_timeout wait_for_completion_interruptible
        wait_for_completion_killable wait_for_completion_interruptible_timeout try_wait_for_completion
        completion_done""",
    "wait.h": """DECLARE_WAIT_QUEUE_HEAD init_waitqueue_head wait_event wait_event_interruptible wait_event_timeout
        wait_event_interruptible_timeout wait_event_killable wait_event_idle wait_event_lock_irq wait_event_cmd
        wait_event_freezable wake_up wake_up_all wake_up_nr wake_up_interruptible wake_up_interruptible_all""",
    "module.h": """MODULE_LICENSE MODULE_AUTHOR module_init module_exit module_param EXPORT_SYMBOL printk pr_info
        pr_err kmalloc kfree container_of strcpy strncpy memcpy""",
}


@pytest.fixture(scope="module")
def names():
    return header_names.all_names()


def test_the_list_of_names_is_the_headers():
    written = (LINUX / "NAMES.md").read_text()
    assert written == header_names.page(), "python tests/header_names.py > cpp/linux/NAMES.md"


@pytest.mark.parametrize("header", REQUIRED)
def test_what_deferred_work_needs_is_there(names, header):
    there = set().union(*(n.works | n.nothing for n in names.values()))
    assert set(REQUIRED[header].split()) - there == set()


def _rows():
    """The rows of the README's table: the headers it names, and the cells."""
    table = README.split("## What there is")[1]
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            yield re.findall(r"`([\w/-]+\.h)`", cells[0]), cells[1:]


def test_every_header_has_a_row_and_every_row_a_header(names):
    listed = [h if "/" in h else f"linux/{h}" for headers, _ in _rows() for h in headers]
    listed = [h if h in names else f"linux/{h}" for h in listed]
    assert sorted(set(listed)) == sorted(listed), "a header stands twice"
    # The others only include what they are named after.
    own = {h for h, n in names.items() if (n.works or n.nothing) and "/bh_" not in h}
    assert own - set(listed) == set()
    assert set(listed) - set(names) == set()


def test_what_is_said_to_be_accepted_or_missing_is(names):
    there = set().union(*(n.works | n.nothing for n in names.values()))
    text = "\n".join(path.read_text() for path in header_names.HEADERS.rglob("*.h"))
    for headers, (_, accepted, missing) in _rows():
        for name in re.findall(r"`(\w+)`", accepted):
            assert re.search(rf"\b{name}\b", text), f"{headers}: {name} is said to be accepted"
        for name in re.findall(r"`(\w+)(?:\(\))?`", missing):
            assert name not in there, f"{headers}: {name} is said to be missing"
        for header in re.findall(r"`([\w/]+\.h)`", missing):
            assert f"linux/{header}" not in names, f"{headers}: {header} is said to be missing"


def test_the_wrong_names_of_the_founding_documents_stay_wrong(names):
    there = set().union(*(n.works | n.nothing for n in names.values()))
    assert there.isdisjoint({"scheduled_delayed_work_on", "DECLARE_WORKQUEUE", "keventd_wq", "WQ_HIHGPRI"})


def test_no_file_is_longer_than_a_house_file():
    for path in [*LINUX.rglob("*.h"), *LINUX.rglob("*.cpp"), *LINUX.rglob("*.hpp")]:
        assert len(path.read_text().splitlines()) <= 400, path.name
