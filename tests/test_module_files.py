"""Files of C modules against unloading, and loading that is given up or done twice."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest
from helpers import Call, blocked, eventually, needs_compiler, python
from helpers import log_lines as text

import bottomhalf as bh

SHELF = Path(__file__).resolve().parent / "modules" / "shelf.c"

pytestmark = needs_compiler


def test_an_entry_of_proc_is_taken_away_under_its_reader(m):
    module = m.insmod(SHELF)
    file = m.open("/proc/shelf")
    assert module.refcount == 0
    module.rmmod()
    assert text(m) == ["shelf: shelf opened", "shelf: exit", "shelf: closed", "shelf: empty"]
    with pytest.raises(OSError, match="taken it away") as caught:
        file.read(10)
    assert caught.value.errno == errno.EIO
    file.close()
    assert text(m)[-1] == "shelf: empty"  # it was closed already
    assert module.leftovers == []


def test_taking_an_entry_away_waits_for_its_reader(m):
    module = m.insmod(SHELF, owned=False)
    file, device = m.open("/proc/shelf"), m.open("/dev/shelf", "r+")
    read = blocked(file.read, 10)
    gone = blocked(module.rmmod)
    assert text(m)[-2:] == ["shelf: reading", "shelf: exit"]
    for path in ("/proc/shelf", "/dev/shelf"):
        with pytest.raises(FileNotFoundError):
            m.open(path)
    with pytest.raises(OSError, match="its exit has not returned") as caught:
        module.rmmod()
    assert caught.value.errno == errno.EBUSY
    m.irq(7).fire(cpu=0)
    assert read.result() == b"book\n"
    gone.result()
    assert module.leftovers == ["file '/dev/shelf' still open, and its file_operations have no .owner"]
    for late in (file, device):
        with pytest.raises(OSError, match="taken it away") as caught:
            late.read(1)
        assert caught.value.errno == errno.EIO
        late.close()
    assert sum(line == "shelf: closed" for line in text(m)) == 1  # the device's code was gone


def test_an_open_device_file_keeps_its_module(m):
    module = m.insmod(SHELF)
    with m.open("/dev/shelf") as device:
        assert module.refcount == 1
        with pytest.raises(OSError, match="in use: its reference count is 1; close its files") as caught:
            module.rmmod()
        assert caught.value.errno == errno.EAGAIN
        assert module.state == "live"
        assert device.name == "/dev/shelf"
    module.rmmod()
    assert module.leftovers == []


TO_BE_HAD = """
#include <linux/module.h>
static void ask(const char *where)
{
	bool got = try_module_get(THIS_MODULE);

	pr_info("%s: %d, %d\\n", where, got, module_refcount(THIS_MODULE));
	if (got)
		module_put(THIS_MODULE);
}
static int __init start(void) { ask("init"); return 0; }
static void __exit stop(void) { ask("exit"); }
module_init(start);
module_exit(stop);
"""


def test_a_module_on_its_way_out_is_not_to_be_had(m):
    m.insmod(TO_BE_HAD).rmmod()
    assert text(m) == ["init: 1, 1", "exit: 0, -1"]


@pytest.mark.host("opens and unloads at once")
def test_opening_against_unloading(m):
    """Whoever opens gets the file, or is told that it is not there; nothing is left, nobody dies."""
    told = []
    over = threading.Event()

    def opener(path):
        while not over.is_set():
            try:
                m.open(path).close()
            except OSError as error:
                told.append(error.errno)

    threads = [threading.Thread(target=opener, args=(path,)) for path in ("/proc/shelf", "/dev/shelf")]
    for thread in threads:
        thread.start()
    modules = []
    while len(modules) < 25:
        module = m.insmod(SHELF)
        try:
            module.rmmod()
        except BlockingIOError:
            eventually(lambda module=module: not _busy(module))
        modules.append(module)
    over.set()
    for thread in threads:
        thread.join()
    assert set(told) <= {errno.ENOENT, errno.ENXIO}
    assert all(module.leftovers == [] and module.state == "unloaded" for module in modules)


def _busy(module):
    try:
        module.rmmod()
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize("kind", ["simulated", "host"])
def test_the_process_ends_with_what_of_a_module_is_still_mapped(kind):
    """A thread that came back to code that was gone, and a file that nobody closed."""
    program = f"""
import bottomhalf as bh
m = bh.Machine(cpus=2, simulated={kind == "simulated"})
module = m.insmod({str(SHELF)!r}, owned=False, sleeper=True)
m.sleep(0.01)
kept = m.open("/dev/shelf")
module.rmmod()
# A thread of a host may have been through before anybody looked.
print(module.state, not m.simulated or any("sleeper" in line for line in module.leftovers))
print([line.text for line in m.log if m.simulated and "goes on" in line.text or "stays mapped" in line.text])
"""
    done = python(program)
    assert done.stdout.splitlines() == ["unloaded True", "[]"]


# --- attributes below /sys ---

ATTRIBUTES = SHELF.with_name("attributes.c")


def test_attributes(m):
    with m.insmod(ATTRIBUTES) as module:
        assert m.files == [
            "/dev/marked",
            "/sys/class/misc/marked/mark",
            "/sys/kernel/debug/attributes/blob",
            "/sys/kernel/knobs/level",
            "/sys/kernel/knobs/more/level",
        ]
        with m.open("/sys/kernel/knobs/level", "r+") as level:
            assert level.readall() == b"3\n"
            assert level.write(b"7\n") == 2
            assert level.readall() == b""
            with pytest.raises(OSError, match="Invalid argument"):
                level.write(b"many")
        with m.open("/sys/kernel/knobs/more/level") as level:
            assert level.readall() == b"7\n"
            with pytest.raises(OSError, match="Bad file descriptor"):
                level.write(b"1")
        with m.open("/sys/class/misc/marked/mark", "r+") as mark:
            assert mark.readall() == b"marked!\n"
            with pytest.raises(OSError) as caught:
                mark.write(b"1")
            assert caught.value.errno == errno.EIO
        with m.open("/sys/kernel/debug/attributes/blob") as blob:
            assert blob.readall() == b"a blob\n"
        with m.open("/dev/marked"):
            pass
    assert (module.leftovers, m.files) == ([], [])
    assert text(m) == [
        "attributes: 20 entries, 1 found, 2 printed, 1, Linux, root 1",
        "attributes: level of knobs is asked for",
        "attributes: level of knobs is asked for",
        "attributes: opened /dev/marked, process 1",
    ]
    m.insmod(ATTRIBUTES).rmmod()  # nothing of the first is in its way


def test_attributes_that_exit_forgot(m):
    module = m.insmod(ATTRIBUTES, forget=True)
    module.rmmod()
    for forgotten in (
        "directory '/proc/attributes' still there; its exit misses proc_remove()",
        "directory '/sys/kernel/debug/attributes' still there; its exit misses debugfs_remove()",
        "directory '/sys/kernel/knobs' still there; its exit misses kobject_put()",
        "file '/sys/kernel/knobs/level' still there; its exit misses sysfs_remove_file()",
        "file '/dev/marked' still there; its exit misses misc_deregister()",
    ):
        assert forgotten in module.leftovers
    assert m.files == []
    m.insmod(ATTRIBUTES).rmmod()


# --- loading that is given up, and loading twice ---


def test_one_name_is_loaded_once_however_many_try(m):
    calls = [Call(m.insmod, SHELF) for _ in range(4)]
    ends = []
    for call in calls:
        try:
            ends.append(call.result())
        except FileExistsError as error:
            assert "is loaded into machine" in str(error)
            ends.append(None)
    assert m.modules == [end for end in ends if end is not None]
    assert len(m.modules) == 1


GIVEN_UP = """
import os, signal, threading
import bottomhalf as bh
from helpers import *

signal.signal(signal.SIGINT, signal.default_int_handler)
main = threading.get_native_id()

def press():
    eventually(lambda: any(line.text == "shelf: init waits" for line in m.log))
    wait_asleep(main)
    os.kill(os.getpid(), signal.SIGINT)

with bh.Machine(cpus=2) as m:
    threading.Thread(target=press).start()
    try:
        m.insmod({shelf!r}, stuck=True, result={result})
    except KeyboardInterrupt:
        print("interrupted")
    (module,) = m.modules
    print(module.state)
    try:
        module.rmmod()
    except OSError as error:
        print(error)
    with m.open("/proc/shelf", "w") as file:
        file.write(b"go on")
    eventually(lambda: module.state != "coming")
    print(module.state, len(m.modules), m.files)
    module.rmmod()
    print(module.state, module.leftovers, m.files)
"""


@pytest.mark.parametrize(
    "result, then", [(0, "live 1 ['/dev/shelf', '/proc/shelf']"), (-errno.ENODEV, "unloaded 0 []")], ids=str
)
def test_init_goes_on_when_whoever_loads_gives_up(result, then):
    done = python(GIVEN_UP.format(shelf=str(SHELF), result=result))
    assert done.stdout.splitlines() == [
        "interrupted",
        "coming",
        "[Errno 16] module 'shelf' is coming: its init has not returned",
        then,
        "unloaded [] []",
    ]


@pytest.mark.simulated("a host waits")
def test_init_that_waits_for_what_nobody_does(m):
    with pytest.raises(bh.DeadlockError, match="insmod"):
        m.insmod(SHELF, stuck=True)
    (module,) = m.modules
    assert module.state == "coming"
    with m.open("/proc/shelf", "w") as file:
        file.write(b"go on")
    m.run()
    assert module.state == "live"
    module.rmmod()


def test_a_machine_is_halted_while_init_waits(boot):
    machine = boot(cpus=1)
    with machine:
        loading = blocked(machine.insmod, SHELF, stuck=True)
        machine.halt("cancel")
        with pytest.raises((bh.MachineExit, bh.MachineHalted)):
            loading.result()
    assert machine.modules == []


def test_devices_without_nodes(m):
    """What a driver's script makes by mknod is there by the driver's name and the number."""
    with m.insmod(SHELF.with_name("numbers.c")):
        for name, reads in (("numbers", b"0"), ("numbers0", b"0"), ("numbers1", b"1"), ("numbers02", b"2")):
            with m.open("/dev/" + name) as file:
                assert file.read(10) == reads
        for name in ("numbers3", "numbers99999999999999999999", "numbers1a", "1", "number1"):
            with pytest.raises(FileNotFoundError):
                m.open("/dev/" + name)
