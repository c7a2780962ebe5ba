"""Symbols that C modules export to each other."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from helpers import Call, eventually, needs_compiler
from helpers import log_lines as text

import bottomhalf as bh

MODULES = Path(__file__).resolve().parent / "modules"

pytestmark = needs_compiler

USER = """
#include <linux/module.h>
%s
static int __init start(void) { %s return 0; }
static void __exit stop(void) { }
module_init(start);
module_exit(stop);
MODULE_LICENSE("%s");
"""


def test_a_module_uses_what_another_exports(m):
    provider = m.insmod(MODULES / "provider.c", start_at=5)
    user = m.insmod(MODULES / "user.c")
    assert text(m) == ["user: 5 then 6, 201 of the CPUs, by provided_add [provider]"]
    assert (provider.users, provider.refcount, user.users) == (["user"], 1, [])
    user.rmmod()
    assert (provider.users, provider.refcount) == ([], 0)
    provider.rmmod()
    assert text(m)[-1] == "provider: count is 116 at the end"


def test_machines_bind_to_their_own_copy(boot):
    machines = [boot(cpus=1), boot(cpus=1)]
    providers = [machine.insmod(MODULES / "provider.c", start_at=n) for n, machine in enumerate(machines)]
    users = [machine.insmod(MODULES / "user.c") for machine in machines]
    assert [text(machine)[-1].split(",")[0] for machine in machines] == ["user: 0 then 1", "user: 1 then 2"]
    users[0].rmmod()
    assert [provider.users for provider in providers] == [[], ["user"]]
    providers[0].rmmod()
    users[1].rmmod()
    providers[1].rmmod()
    assert [text(machine)[-1] for machine in machines] == [
        "provider: count is 111 at the end",
        "provider: count is 112 at the end",
    ]


def test_who_exports_stays_while_others_use_it(m):
    provider = m.insmod(MODULES / "provider.c")
    m.insmod(MODULES / "user.c", name="first")
    m.insmod(MODULES / "user.c", name="second")
    with pytest.raises(BlockingIOError, match="Module provider is in use by: first, second") as caught:
        provider.rmmod()
    assert caught.value.errno == errno.EWOULDBLOCK
    assert (provider.state, provider.refcount) == ("live", 2)
    m.rmmod("second")
    with pytest.raises(BlockingIOError, match="Module provider is in use by: first$"):
        provider.rmmod()
    m.rmmod("first")
    provider.rmmod()
    assert m.modules == []


def test_a_user_whose_init_failed_lets_go(m):
    provider = m.insmod(MODULES / "provider.c")
    source = USER % ("int provided_add(int);", "return -provided_add(5);", "GPL")
    with pytest.raises(OSError, match="returned -5"):
        m.insmod(source)
    assert (provider.users, provider.refcount) == ([], 0)
    provider.rmmod()


def test_nobody_exports_it(m):
    source = USER % ("int nobody_has_this(void); extern int nor_this;", "nor_this = nobody_has_this();", "GPL")
    with pytest.raises(FileNotFoundError, match=r"Unknown symbol \w+ \(err -2\).*must be loaded first"):
        m.insmod(source, name="wanting")
    assert sorted(text(m)) == [
        "wanting: Unknown symbol nobody_has_this (err -2)",
        "wanting: Unknown symbol nor_this (err -2)",
    ]
    assert m.modules == []


def test_a_module_defines_it_and_does_not_export_it(m):
    m.insmod(MODULES / "provider.c")
    source = USER % ("int kept_back(void);", "kept_back();", "GPL")
    with pytest.raises(FileNotFoundError, match="Unknown symbol kept_back .*module 'provider' defines it and does not"):
        m.insmod(source, name="wanting")
    assert text(m) == ["wanting: Unknown symbol kept_back (err -2)"]


def test_an_export_on_another_machine_does_not_count(boot):
    one, other = boot(cpus=1), boot(cpus=1)
    one.insmod(MODULES / "provider.c")
    with pytest.raises(FileNotFoundError, match="Unknown symbol provided_"):
        other.insmod(MODULES / "user.c")


def test_what_is_for_gpl_modules_alone(m):
    provider = m.insmod(MODULES / "provider.c")
    use = ("int provided_strictly(void);", "provided_strictly();")
    with pytest.raises(FileNotFoundError, match="EXPORT_SYMBOL_GPL, and the module's licence is 'Proprietary'"):
        m.insmod(USER % (*use, "Proprietary"), name="closed")
    assert text(m) == ["closed: Unknown symbol provided_strictly (err -2)"]
    assert provider.refcount == 0
    m.insmod(USER % (*use, "Dual MIT/GPL"), name="open")


def test_one_symbol_one_exporter(m):
    m.insmod(MODULES / "provider.c")
    source = USER % ("int provided_count; EXPORT_SYMBOL(provided_count);", "", "GPL")
    with pytest.raises(OSError, match=r"exports duplicate symbol provided_count \(owned by provider\)") as caught:
        m.insmod(source)
    assert caught.value.errno == errno.ENOEXEC


def test_an_export_goes_before_what_the_process_has(m):
    define = "int getpid(void); int getpid(void) { return -7; } EXPORT_SYMBOL(getpid);"
    m.insmod(USER % (define, "", "GPL"), name="odd")
    m.insmod(USER % ("int getpid(void);", 'pr_info("%d\\n", getpid());', "GPL"), name="curious")
    assert text(m) == ["-7"]


def test_a_weak_symbol_may_be_nobodys(m):
    source = USER % (
        "extern int provided_add(int) __weak;",
        'pr_info("%d\\n", provided_add ? provided_add(1) : -1);',
        "GPL",
    )
    m.insmod(source).rmmod()
    m.insmod(MODULES / "provider.c")
    m.insmod(source).rmmod()
    assert text(m) == ["-1", "1"]


def test_loading_waits_for_the_init_of_who_exports(m):
    declare = """
    #include <linux/completion.h>
    #include <linux/interrupt.h>
    static DECLARE_COMPLETION(go);
    static irqreturn_t on_irq(int irq, void *dev) { complete(&go); return IRQ_HANDLED; }
    int later; EXPORT_SYMBOL(later);
    """
    wait = "if (request_irq(3, on_irq, 0, KBUILD_MODNAME, NULL)) return -EBUSY; wait_for_completion(&go); later = 3;"
    slow = (USER % (declare, wait, "GPL")).replace("stop(void) { }", "stop(void) { free_irq(3, NULL); }")
    loading = Call(m.insmod, slow, name="slow")
    eventually(lambda: [module.state for module in m.modules] == ["coming"])
    eager = Call(m.insmod, USER % ("extern int later;", 'pr_info("%d\\n", later);', "GPL"), name="eager")
    m.sleep(0.05)
    assert not eager.done
    m.irq(3).fire(cpu=0)
    loading.result()
    eager.result()
    assert text(m) == ["3"]


def test_a_dead_user_can_be_unloaded_and_then_the_exporter(m):
    provider = m.insmod(MODULES / "provider.c")
    # By an interrupt, not by init: insmod is through with that before anything faults.
    source = USER % (
        "#include <linux/interrupt.h>\nextern int provided_count;\n"
        "static irqreturn_t fault(int irq, void *dev) { provided_count = *(volatile int *)8; return IRQ_HANDLED; }",
        'provided_count = 1; return request_irq(11, fault, 0, "faulty", NULL);',
        "GPL",
    )
    user = m.insmod(source, name="faulty")
    m.irq(11).fire(cpu=0)
    eventually(lambda: user.state == "dead")
    with pytest.raises(BlockingIOError, match="in use by: faulty"):
        provider.rmmod()
    user.rmmod()
    provider.rmmod()


def test_explored_machines_bind_each_to_its_own():
    def program(machine):
        with machine.insmod(MODULES / "provider.c") as provider, machine.insmod(MODULES / "user.c"):
            assert provider.users == ["user"]

    bh.explore(program, schedules=5).check()
