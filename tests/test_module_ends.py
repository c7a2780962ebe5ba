"""How C modules end: mistakes that no module survives, and what unloading finds of timers and files."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from helpers import eventually, needs_compiler
from helpers import log_lines as text

import bottomhalf as bh

FATAL = Path(__file__).resolve().parent / "modules" / "fatal.c"

pytestmark = needs_compiler


@pytest.mark.parametrize(
    "how, message",
    [
        ("bug", "kernel BUG at "),
        ("null", "BUG: kernel NULL pointer dereference, address: 0000000000000000"),
        ("deadlock", "BUG: spinlock recursion on CPU#"),
    ],
)
def test_a_mistake_in_init_ends_the_module(m, how, message):
    with pytest.raises(bh.ModuleDied, match="init of module 'fatal'"):
        m.insmod(FATAL, where="init", how=how)
    assert any(line.startswith(message) for line in text(m))
    assert "fatal: it went on" not in text(m)
    assert m.modules == []
    m.insmod(FATAL).rmmod()


@pytest.mark.parametrize("how", ["bug", "null"])
@pytest.mark.parametrize("where", ["work", "thread", "hrtimer"])
def test_a_mistake_in_a_handler_ends_the_module(m, where, how):
    module = m.insmod(FATAL, where=where, how=how)
    m.irq(12).fire(cpu=0)
    eventually(lambda: module.state == "dead", lambda: text(m))
    eventually(lambda: "---[ end trace 0000000000000000 ]---" in text(m))
    log = text(m)
    assert "Module fatal is dead: none of its code runs any more, what it locked stays locked" in log
    assert any("end_it+0x" in line and "[fatal]" in line for line in log)
    module.rmmod()
    assert module.state == "unloaded"
    # Another module's thread, timer and item run.
    again = m.insmod(FATAL, name="again", where=where, how="none")
    m.irq(12).fire(cpu=0)
    eventually(lambda: "fatal: it went on" in text(m))
    again.rmmod()


@pytest.mark.parametrize(
    "where, item, missing",
    [
        ("forgotten hrtimer", "hrtimer 'on_time' still armed", "hrtimer_cancel()"),
        ("forgotten file", "file '/proc/fatal' still there", "proc_remove()"),
    ],
)
def test_timers_and_files_that_exit_forgot(m, where, item, missing):
    module = m.insmod(FATAL, where=where)
    module.rmmod()
    assert module.leftovers == [f"{item}; its exit misses {missing}"]
    assert m.files == []
    m.sleep(0.01)


def test_a_file_that_is_open_when_its_module_dies(m):
    module = m.insmod(FATAL, where="work and file")
    file = m.open("/proc/fatal")
    m.irq(12).fire(cpu=0)
    eventually(lambda: module.state == "dead")

    def refused():
        try:
            file.seek(0)
            file.readall()
        except bh.ModuleDied:
            return True
        return False

    # Its code is closed a little after it is called dead. At its end a file asks nobody.
    eventually(refused)
    module.rmmod()
    assert not any("stays mapped" in line for line in text(m))
    with pytest.raises(OSError, match="taken it away") as caught:
        file.readall()
    assert caught.value.errno == errno.EIO
    file.close()
    m.system_wq.submit(int).result()
