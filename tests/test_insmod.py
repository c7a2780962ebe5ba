"""C modules: loading, parameters, logs, what unloading finds, and exploring them."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import eventually, needs_compiler
from helpers import log_lines as text

import bottomhalf as bh

MODULES = Path(__file__).resolve().parent / "modules"

pytestmark = needs_compiler

EMPTY = """
#include <linux/module.h>
static int __init start(void) { return 0; }
static void __exit stop(void) { }
module_init(start);
module_exit(stop);
MODULE_LICENSE("Dual BSD/GPL");
"""


def run(machine, file, seconds=None, **params):
    """What a module logs from insmod to rmmod; with seconds None until nothing is pending."""
    with machine.insmod(MODULES / file, params=params):
        if seconds is None:
            machine.run()
        else:
            machine.sleep(seconds)
    return text(machine)


# --- the mechanisms of the books ---


def test_item(m):
    assert run(m, "item.c", rounds=2) == [
        "item: queued 1, again 0",
        "item: run 1 of 2, in_task=1",
        "item: queued itself: 1",
        "item: run 2 of 2, in_task=1",
        "item: pending at the end: 0",
    ]


def test_delayed_item(m):
    assert run(m, "delayed.c") == [
        "delayed: armed 1",
        "delayed: armed again 0",
        "delayed: beat 1, not early",
        "delayed: beat 2, not early",
        "delayed: beat 3, not early",
        "delayed: was armed at the end: 0",
    ]


def test_a_field_called_jiffies(m):
    with m.insmod(MODULES / "field.c"):
        m.run()
        assert text(m) == ["field: 300 jiffies later"]
    behind = text(m)[-1]
    assert behind.startswith("field: at most ")
    if m.simulated:
        assert behind == "field: at most 0 behind"
    # Nobody ticks for a module that is gone.
    eventually(lambda: "jiffies" not in [task.name for task in m.tasks() if task.state != "dead"])


def test_an_object_is_as_large_as_its_slab(m):
    assert run(m, "beyond.c") == ["beyond: done"]


def test_delayed_item_that_is_cancelled_by_exit(m):
    assert run(m, "delayed.c", 0.001, delay_ms=60_000)[-1] == "delayed: was armed at the end: 1"


def test_dedicated_workqueue(m):
    assert run(m, "dedicated.c", jobs=3) == [
        "dedicated: job 0",
        "dedicated: job 1",
        "dedicated: job 2",
        "dedicated: all done",
    ]


def test_tasklets(m):
    assert run(m, "soft.c") == [
        "soft: all scheduled",
        "soft: urgent, in_softirq=1 in_task=0",
        "soft: first, in_softirq=1 in_task=0",
        "soft: second, in_softirq=1 in_task=0",
        "soft: sleeper, in_softirq=1 in_task=0",
        "soft: gone",
    ]


def test_timer(m):
    assert run(m, "ticker.c") == [
        "ticker: was armed 0",
        "ticker: tick 1, pending 0",
        "ticker: tick 2, pending 0",
        "ticker: tick 3, pending 0",
        "ticker: was armed at the end: 0",
    ]


def test_interrupt_with_two_bottom_halves(m):
    with m.insmod(MODULES / "device.c", irq=5):
        m.irq(5).fire(cpu=0)
        m.run()
    assert text(m) == [
        "device: interrupt 1 on line 5, in_hardirq=1",
        "device: tasklet sees 1",
        "device: item sees 1",
        "device: released",
    ]


def test_kernel_thread(m):
    with m.insmod(MODULES / "thread.c"):
        pass
    assert text(m) == ["thread: servant answers ring 1", "thread: returned 42"]


def test_a_file_in_proc(m):
    with m.insmod(MODULES / "counter.c"):
        assert "/proc/counter" in m.files
        with m.open("/proc/counter", "r+") as file:
            assert file.read(100) == b"counter is 0\n"
            assert file.write(b"41\n") == 3
            m.run()
        with m.open("/proc/counter") as file:
            assert file.readall() == b"counter is 42\n"
            assert not file.writable()
        with m.open("/proc/counter", "w") as file, pytest.raises(OSError) as caught:
            file.write(b"many")
        assert caught.value.errno == errno.EINVAL
    with pytest.raises(FileNotFoundError):
        m.open("/proc/counter")


# --- loading ---


def test_a_file_that_goes_by_its_length(m):
    with m.insmod(MODULES / "length.c"):
        with m.open("/proc/length") as file:
            assert file.read() == b"0\n2\n4\n6\n8\n10\n13\n16\n19\n"


def test_a_loaded_module(m):
    module = m.insmod(EMPTY, name="empty")
    assert (module.name, module.state, module.refcount) == ("empty", "live", 0)
    assert module.info["license"] == "Dual BSD/GPL"
    assert m.modules == [module]
    m.rmmod("empty")
    assert (module.state, m.modules, module.leftovers) == ("unloaded", [], [])
    module.rmmod()  # once more: nothing
    with pytest.raises(FileNotFoundError, match="no module 'empty'"):
        m.rmmod("empty")


def test_machines_share_nothing_of_a_module(boot):
    one, other = boot(cpus=1), boot(cpus=1)
    first = one.insmod(MODULES / "settings.c", number=1)
    second = other.insmod(MODULES / "settings.c", number=2)
    assert (first.params["number"], second.params["number"]) == ("1", "2")
    with pytest.raises(ValueError, match="is not on machine"):
        one.rmmod(second)


def test_one_name_one_module(m):
    m.insmod(EMPTY)
    with pytest.raises(FileExistsError, match="is loaded into machine"):
        m.insmod(EMPTY)
    m.insmod(EMPTY, name="another")


def test_init_runs_in_a_task_of_the_machine(m):
    m.insmod(
        EMPTY.replace("return 0;", 'pr_info("%s %d\\n", current->comm, in_task()); return 0;').replace(
            "#include <linux/module.h>",
            "#include <linux/module.h>\n#include <linux/sched.h>\n#include <linux/preempt.h>",
        )
    )
    assert text(m) == ["insmod 1"]


def test_what_init_returns_is_the_error(m):
    with pytest.raises(OSError, match="returned -12") as caught:
        m.insmod(MODULES / "settings.c", result=-errno.ENOMEM)
    assert caught.value.errno == errno.ENOMEM
    with pytest.raises(FileNotFoundError):
        m.insmod(MODULES / "settings.c", result=-errno.ENOENT)
    assert m.modules == []


def test_a_positive_result_of_init_is_suspicious(m):
    m.insmod(MODULES / "settings.c", result=3)
    assert "do_init_module: 'settings'->init suspiciously returned 3, it should follow 0/-E convention" in text(m)


def test_a_module_without_exit_stays(m):
    module = m.insmod(EMPTY.replace("module_exit(stop);", ""))
    with pytest.raises(OSError, match="no exit") as caught:
        module.rmmod()
    assert caught.value.errno == errno.EBUSY
    assert module.state == "live"


def test_a_module_in_use_stays(m):
    module = m.insmod(EMPTY.replace("return 0;", "__module_get(THIS_MODULE); return 0;"))
    assert module.refcount == 1
    with pytest.raises(BlockingIOError, match="in use"):
        module.rmmod()


def test_halt_unloads(boot):
    machine = boot(cpus=1)
    module = machine.insmod(MODULES / "delayed.c", delay_ms=60_000)
    machine.halt()
    assert module.state == "unloaded"
    assert "delayed: was armed at the end: 1" in text(machine)


def test_a_cancelled_machine_takes_its_modules_along(boot):
    machine = boot(cpus=1)
    machine.insmod(MODULES / "delayed.c", delay_ms=60_000)
    machine.halt("cancel")
    assert machine.modules == []
    with pytest.raises(bh.MachineHalted):
        machine.insmod(EMPTY)


# --- parameters ---


def test_parameters_of_every_type(m):
    module = m.insmod(
        MODULES / "settings.c",
        flag=True,
        unflag=True,
        small=200,
        little=-32768,
        ulittle=65535,
        number="0x10",
        unumber=2**32 - 1,
        big=-(2**63),
        ubig=2**64 - 1,
        word="hello world",
        line="seven77",
        list=[1, 2, 3],
    )
    assert module.params == {
        "flag": "Y",
        "unflag": "Y",
        "small": "200",
        "little": "-32768",
        "ulittle": "65535",
        "number": "16",
        "unumber": str(2**32 - 1),
        "big": str(-(2**63)),
        "ubig": str(2**64 - 1),
        "word": "hello world",
        "line": "seven77",
        "list": "1,2,3",
        "result": "0",
    }
    assert text(m) == ["settings: 16 hello world 1 of 3"]


@pytest.mark.parametrize(
    "values",
    [
        {"number": "many"},
        {"number": ""},
        {"flag": "maybe"},
        {"list": [1, 2, 3, 4, 5]},
        {"unumber": -1},
    ],
    ids=str,
)
def test_bad_parameters(m, values):
    with pytest.raises(OSError) as caught:
        m.insmod(MODULES / "settings.c", params=values)
    assert caught.value.errno == errno.EINVAL
    (name,) = values
    assert name in str(caught.value)
    assert m.modules == []


@pytest.mark.parametrize("values", [{"number": 2**31}, {"small": 256}, {"ubig": 2**64}], ids=str)
def test_parameters_out_of_range(m, values):
    with pytest.raises(OSError) as caught:
        m.insmod(MODULES / "settings.c", params=values)
    assert caught.value.errno == errno.ERANGE


def test_a_string_that_does_not_fit(m):
    with pytest.raises(OSError, match="at most 7 characters") as caught:
        m.insmod(MODULES / "settings.c", line="eight888")
    assert caught.value.errno == errno.ENOSPC


def test_an_unknown_parameter_is_ignored(m):
    m.insmod(MODULES / "settings.c", nonsense=1)
    assert "settings: unknown parameter 'nonsense' ignored" in text(m)


def test_a_parameter_that_has_no_text(m):
    with pytest.raises(TypeError, match="number must be an int"):
        m.insmod(MODULES / "settings.c", number=1.5)


# --- compiling ---


def test_compile_errors_name_the_line_as_the_user_wrote_it(m):
    with pytest.raises(bh.CompileError) as caught:
        m.insmod("#include <linux/module.h>\nint x = y;\n", name="broken")
    assert "broken.c:2:9: error" in caught.value.output
    assert "broken.c:2:9: error" in str(caught.value)


def test_compile_errors_of_a_file(m, tmp_path, monkeypatch):
    (tmp_path / "mine.c").write_text("#include <linux/module.h>\n\nint f(void) { return g(); }\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(bh.CompileError, match=r"mine\.c:3:22: error: implicit declaration"):
        m.insmod("mine.c")


def test_a_header_beside_the_file_is_part_of_it(m, tmp_path):
    (tmp_path / "mine.h").write_text("#define ANSWER 42\n")
    source = EMPTY.replace("return 0;", 'pr_info("%d\\n", ANSWER); return 0;')
    (tmp_path / "mine.c").write_text('#include "mine.h"\n' + source)
    with m.insmod(tmp_path / "mine.c"):
        pass
    (tmp_path / "mine.h").write_text("#define ANSWER 43 /* changed */\n")
    with m.insmod(tmp_path / "mine.c"):
        pass
    assert text(m) == ["42", "43"]


def test_a_module_of_several_files(m, tmp_path):
    (tmp_path / "part.c").write_text("int answer(void);\nint answer(void) { return 42; }\n")
    (tmp_path / "main.c").write_text(
        "int answer(void);\n" + EMPTY.replace("return 0;", 'pr_info("%d\\n", answer()); return 0;')
    )
    with m.insmod([tmp_path / "main.c", tmp_path / "part.c"]) as module:
        assert module.name == "main"
    assert text(m) == ["42"]


def test_no_compiler(m, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(bh.CompileError, match="no C compiler was found"):
        m.insmod(EMPTY)
    monkeypatch.setenv("CC", "nowhere-cc")
    with pytest.raises(bh.CompileError, match="CC='nowhere-cc'"):
        m.insmod(EMPTY)


def test_no_such_file(m):
    with pytest.raises(FileNotFoundError):
        m.insmod("nowhere.c")


def test_a_symbol_that_nobody_provides(m):
    source = EMPTY.replace("static int __init", "int nobody_has_this(void);\nstatic int __init")
    with pytest.raises(FileNotFoundError, match="Unknown symbol nobody_has_this"):
        m.insmod(source.replace("return 0;", "return nobody_has_this();"))


def test_functions_are_printed_by_name(m):
    source = EMPTY.replace("return 0;", 'pr_info("%ps %pS\\n", start, start); return 0;')
    m.insmod(source, name="names").rmmod()
    assert re.fullmatch(r"start \[names\] start\+0x0/0x[0-9a-f]+ \[names\]", text(m)[0])


def test_flags_for_the_compiler(m):
    source = EMPTY.replace("return 0;", 'pr_info("%d\\n", ANSWER); return 0;')
    with m.insmod(source, cflags=["-DANSWER=1"]), m.insmod(source, cflags="-DANSWER=2 -O0", name="other"):
        pass
    assert text(m) == ["1", "2"]


def test_undefined_behaviour_is_reported(tmp_path):
    start = "volatile int big = 0x7fffffff; big = big + 1; return 0;"
    (tmp_path / "ub.c").write_text(EMPTY.replace("return 0;", start))
    program = (
        "import bottomhalf as bh, sys\n"
        "with bh.Machine(simulated=True) as m:\n"
        "    m.insmod(sys.argv[1], sanitize='undefined')\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "ub.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    if "comes without the run-time library" in done.stderr:
        pytest.skip("no run-time library of the sanitizer")
    assert done.returncode == 0, done.stderr
    assert "ub.c:3:" in done.stderr and "signed integer overflow" in done.stderr


def test_a_compiler_without_sanitizers(m, monkeypatch, tmp_path):
    bare = tmp_path / "bare-cc"
    bare.write_text('#!/bin/sh\n[ "${1#-print-file-name=}" != "$1" ] && echo "${1#*=}" && exit\nexec cc "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv("CC", str(bare))
    with pytest.raises(bh.Unsupported, match="without the run-time library for 'undefined'"):
        m.insmod(EMPTY, sanitize="undefined")


def test_the_address_sanitizer_must_come_first(m):
    with pytest.raises(bh.Unsupported, match="LD_PRELOAD="):
        m.insmod(EMPTY, sanitize="address")
    with pytest.raises(ValueError, match="allowed are"):
        m.insmod(EMPTY, sanitize="memory")


# --- what is left behind ---


@pytest.mark.parametrize(
    "what, item, missing",
    [
        ("delayed", "delayed work 'do_work' still armed for workqueue 'events'", "cancel_delayed_work_sync()"),
        ("heap", "delayed work 'do_work' still armed for workqueue 'events'", "cancel_delayed_work_sync()"),
        ("timer", "timer 'on_timer' still armed", "timer_delete_sync()"),
        ("tasklet", "tasklet 'on_tasklet' still scheduled", "tasklet_kill()"),
        ("worker", "kthread worker 'servant/1' still there", "kthread_destroy_worker()"),
        ("locked tasklet", "tasklet 'on_tasklet' still scheduled", "tasklet_kill()"),
        ("irq", "interrupt handler 'on_irq' ('careless') still registered on line 9", "free_irq()"),
        ("running", "work item 'do_sleep' still runs on workqueue 'events'", "cancel_work_sync()"),
        ("item", "work item 'do_work' still queued on workqueue 'careless'", "cancel_work_sync()"),
    ],
)
def test_what_exit_forgot_is_named_and_taken_back(m, what, item, missing):
    module = m.insmod(MODULES / "careless.c", what=what)
    if what in ("running", "item"):
        eventually(lambda: module.params["asleep"] == "1")
    m.sleep(0.02)
    module.rmmod()
    assert f"{item}; its exit misses {missing}" in module.leftovers
    log = text(m)
    assert log[0] == "BUG: module careless unloaded while the machine still holds of it:"
    assert f"  {item}; its exit misses {missing}" in log
    if what == "irq":
        m.irq(9).fire(cpu=0)
    # The machine lives on, and nothing of the module's runs any more.
    m.system_wq.submit(int).result()
    m.halt("cancel")  # a sleeper sleeps on
    assert not any(line.startswith("careless:") for line in text(m))


def test_what_a_failed_init_forgot(m):
    with pytest.raises(OSError, match="returned -19"):
        m.insmod(MODULES / "careless.c", what="failure")
    assert any("delayed work 'do_work' still armed" in line for line in text(m))
    assert m._idle() or not m.simulated


def test_nothing_is_reported_of_a_tidy_module(m):
    with m.insmod(MODULES / "delayed.c", delay_ms=60_000) as module:
        m.sleep(0.002)
    assert module.leftovers == []


# --- faults ---


@pytest.mark.parametrize("how", ["read", "write", "call", "divide", "library"])
def test_a_fault_in_init(m, how):
    with pytest.raises(bh.ModuleDied, match="init of module 'faulty'"):
        m.insmod(MODULES / "faulty.c", where="init", how=how)
    log = text(m)
    if how != "divide":
        address = {"read": 8, "write": 8, "call": 0, "library": 8}[how]
        assert log[0] == f"BUG: kernel NULL pointer dereference, address: {address:016x}"
    trace = "\n".join(log)
    assert "Comm: insmod" in trace
    assert "faulty_start+0x" in trace and "[faulty]" in trace
    assert m.modules == []
    m.insmod(MODULES / "faulty.c").rmmod()


@pytest.mark.parametrize("where", ["work", "timer", "tasklet", "irq", "thread"])
def test_a_fault_in_a_handler_ends_the_module(m, where):
    module = m.insmod(MODULES / "faulty.c", where=where)
    m.irq(11).fire(cpu=0)
    eventually(lambda: module.state == "dead")
    # The report may still be on its way.
    eventually(lambda: any("fault+0x" in line and "[faulty]" in line for line in text(m)))
    m.sleep(0.2)
    log = text(m)
    assert "BUG: kernel NULL pointer dereference, address: 0000000000000008" in log
    assert sum(line.startswith("BUG:") for line in log) == 1
    if where == "work":
        assert "Workqueue: events do_work [faulty]" in log
    # Its further handlers do not run.
    assert "faulty: the second item ran" not in log
    assert module.state == "dead"
    module.rmmod()
    assert module.state == "unloaded"
    assert "faulty: exit was there" not in text(m)
    m.system_wq.submit(int).result()


def test_a_fault_in_exit(m):
    module = m.insmod(MODULES / "faulty.c", where="exit")
    with pytest.raises(bh.ModuleDied, match="exit of module 'faulty'"):
        module.rmmod()
    assert module.state == "unloaded"


def test_a_fault_elsewhere_still_ends_the_process():
    program = (
        "import ctypes, faulthandler\n"
        "import bottomhalf as bh\n"
        "faulthandler.enable()\n"
        "with bh.Machine(simulated=True) as m:\n"
        f"    m.insmod({str(MODULES / 'item.c')!r})\n"
        "    ctypes.string_at(8)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == -11, done.stderr
    assert "Segmentation fault" in done.stderr


# --- virtual time and schedules ---


@pytest.mark.simulated("needs virtual time")
def test_virtual_time(m):
    with m.insmod(MODULES / "ticker.c", period_ms=1000, limit=5):
        m.run(until=20.0)
    assert [round(line.time_ns / 1e9) for line in m.log if "tick" in line.text.split(": ", 1)[1]][:5] == [1, 2, 3, 4, 5]


def _count(machine, locked):
    with machine.insmod(MODULES / "lost_update.c", locked=locked) as module:
        machine.run()
        assert module.params["counter"] == "2"


def test_explore_finds_a_race_in_a_module():
    with bh.Machine(cpus=2, simulated=True) as machine:
        _count(machine, False)  # first in, first out: nothing is lost
    report = bh.explore(lambda machine: _count(machine, False), schedules=200)
    assert report.failed
    assert isinstance(report.failure, AssertionError)
    with pytest.raises(AssertionError):
        bh.replay(lambda machine: _count(machine, False), report.replay)


def test_explore_finds_none_where_a_lock_is_held():
    bh.explore(lambda machine: _count(machine, True), schedules=50).check()


# --- the command line ---


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "bottomhalf", "insmod", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_the_command_prints_the_log():
    done = command(MODULES / "ticker.c", "--simulated", "--cpus", 4, "--seconds", 6, "period_ms=1000")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"\[    0\.00000\d\] ticker: was armed 0", lines[0])
    assert [line.split("] ")[1] for line in lines[1:]] == [
        "ticker: tick 1, pending 0",
        "ticker: tick 2, pending 0",
        "ticker: tick 3, pending 0",
        "ticker: was armed at the end: 0",
    ]


def test_the_command_says_what_was_left_behind():
    done = command(MODULES / "careless.c", "--simulated", "--seconds", 1, "what=timer")
    assert done.returncode == 1
    assert (
        "left behind by careless:\n  timer 'on_timer' still armed; its exit misses timer_delete_sync()" in done.stderr
    )


@pytest.mark.parametrize(
    "words, status, said",
    [
        (["nowhere.c"], 1, "insmod: nowhere.c: No such C file"),
        ([str(MODULES)], 1, "It is a directory: name the C files in it"),
        (["number=3"], 2, "name a C file"),
        ([MODULES / "item.c", "nowhere.c"], 1, "insmod: nowhere.c: No such C file"),
        ([MODULES / "item.c", "--cpus", "many"], 2, "'many' is no whole number from 1 on"),
        ([MODULES / "item.c", "--cpus", "100000"], 2, "cpus=100000 is out of range"),
        ([MODULES / "item.c", "--hz", "1"], 2, "hz=1 is out of range"),
        ([MODULES / "item.c", "--seconds", "soon"], 2, "'soon' is no number of seconds above 0"),
        ([MODULES / "item.c", "--seconds", "inf"], 2, "'inf' is no number of seconds above 0"),
        ([MODULES / "item.c", "--sanitize", "memory"], 1, "allowed are 'address'"),
        ([MODULES / "settings.c", "number=many"], 1, "'many' is no value for its parameter 'number' (int)"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_command_names_the_mistake(words, status, said):
    done = command(*words, "--simulated")
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (status, True, False), done.stderr


def test_the_command_fails_with_the_module():
    done = command(MODULES / "settings.c", "result=-12")
    assert done.returncode == 1
    assert "returned -12" in done.stderr
    assert "settings: -1 unset 0 of 0" in done.stdout
    assert command(MODULES / "faulty.c", "--simulated", "early=1", "where=work").returncode == 1
