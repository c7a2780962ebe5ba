"""What unloading a C module finds that no address of the module's own gives away; parameters with code of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import cpu_held, eventually, needs_compiler
from helpers import log_lines as text

import bottomhalf as bh

MODULES = Path(__file__).resolve().parent / "modules"
FORGETFUL, CARELESS = MODULES / "forgetful.c", MODULES / "careless.c"

pytestmark = needs_compiler


@pytest.mark.parametrize(
    "what, item, missing",
    [
        ("old item", "delayed work 'old_work' still armed for workqueue 'events'", "cancel_delayed_work_sync()"),
        ("old timer", "timer 'old_timer' still armed", "timer_delete_sync()"),
        (
            "softirq",
            "softirq vector BLOCK still calls 'on_softirq', and no call of Linux's takes a handler back",
            "open_softirq() with another one",
        ),
    ],
)
def test_what_is_not_seen_by_its_address(m, what, item, missing):
    module = m.insmod(FORGETFUL, what=what)
    if what == "softirq":
        eventually(lambda: "forgetful: softirq" in text(m))
    m.sleep(0.01)
    module.rmmod()
    assert module.leftovers == [f"{item}; its exit misses {missing}"]
    before = text(m)
    m.raise_softirq(bh.Softirq.BLOCK)  # calls nobody
    m.sleep(0.01)
    assert text(m) == before
    assert ("forgetful: softirq" in before) == (what == "softirq")


def test_a_callback_that_waits_for_its_grace_period(m):
    module = m.insmod(FORGETFUL, what="callback")
    module.rmmod()
    assert module.leftovers == ["RCU callback 'on_grace' still waits for a grace period; its exit misses rcu_barrier()"]


def test_a_fault_in_a_parameters_function(m):
    with pytest.raises(bh.ModuleDied, match="a parameter's set function of module 'forgetful' died"):
        m.insmod(FORGETFUL, checked="null")
    assert any("set_checked+0x" in line and "[forgetful]" in line for line in text(m))
    assert m.modules == []
    with pytest.raises(OSError):
        m.insmod(FORGETFUL, checked="many")
    module = m.insmod(FORGETFUL, checked=7, plain=3, by_call=-4)
    assert module.params == {"what": "", "checked": "7", "plain": "3", "by_call": "-4"}
    module.rmmod()
    module = m.insmod(FORGETFUL, checked=13)
    with pytest.raises(bh.ModuleDied, match="a parameter's get function of module 'forgetful' died"):
        _ = module.params
    assert module.state == "dead"
    module.rmmod()


def test_irq_work_that_waits_for_a_cpu_with_interrupts_off(m):
    with cpu_held(m, 1, "irqs_off"):
        module = m.insmod(CARELESS, what="irq_work")
        module.rmmod()
        item = "irq_work 'on_irq_work' still waits for a CPU that has interrupts off; its exit misses irq_work_sync()"
        assert module.leftovers == [item]
    m.run()
    assert text(m) == ["BUG: module careless unloaded while the machine still holds of it:", f"  {item}"]
