"""Workers that block in code which does not say so: the pool notices, by each of the means there are."""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import subprocess
import sys
import threading

import pytest
from helpers import LONG, Item, eventually, works_on

import bottomhalf as bh

pytestmark = pytest.mark.host("on a simulated machine every sleep says so")

MEANS = ["switch-records", "sampling", "budget"]


@pytest.fixture(params=MEANS)
def watching(request, boot):
    """A machine with one CPU that watches by one of the means."""
    try:
        machine = boot(cpus=1, detection=request.param)
    except bh.Unsupported as error:
        pytest.skip(str(error))
    machine.cpu_intensive_thresh = 0  # a hog is another's find: who computes first and blocks then may be one
    machine.activate()
    return machine


class Blocker:
    """A handler that blocks where the engine has no part in it, until `release`."""

    def __init__(self, how):
        self.started = bh.Completion()
        self.ended = bh.Completion()
        self._block, self.release = getattr(self, "_" + how)()

    def __call__(self, _work):
        self.started.complete()
        self._block()
        self.ended.complete()

    def _lock(self):
        lock = threading.Lock()
        lock.acquire()
        return lock.acquire, lock.release

    def _recv(self):
        ours, theirs = socket.socketpair()

        def release():
            ours.send(b"x")
            ours.close()

        return lambda: (theirs.recv(1), theirs.close()), release

    def _subprocess(self):
        read, write = os.pipe()

        def block():
            subprocess.run([sys.executable, "-S", "-c", "input()"], stdin=read, check=True)
            os.close(read)

        return block, lambda: (os.write(write, b"\n"), os.close(write))

    def _read_in_c(self):
        libc = ctypes.CDLL(None, use_errno=True)
        read, write = os.pipe()
        byte = ctypes.create_string_buffer(1)
        return lambda: (libc.read(read, byte, 1), os.close(read)), lambda: (os.write(write, b"x"), os.close(write))


@pytest.mark.parametrize("how", ["lock", "recv", "subprocess", "read_in_c"])
@pytest.mark.parametrize("which", ["system_wq", "system_managed_wq"])
def test_the_next_item_starts(watching, which, how):
    """An item that was queued behind a worker which then blocks runs while that one still blocks."""
    wq = getattr(watching, which)
    blocker, behind = Blocker(how), Item(gated=False)
    wq.queue(bh.Work(blocker))
    blocker.started.wait(LONG)
    wq.queue(behind.work)
    try:
        behind.wait_started()
        assert not blocker.ended.done
        # Counted by whoever handed over, who may be a moment behind the item. No cm_wakeup where a worker was awake:
        # the spare made for the first item may have taken that, and whoever made it takes the next.
        eventually(lambda: watching._monitor_counters()[2] >= 1)
    finally:
        blocker.release()
        blocker.ended.wait(LONG)
    works_on(watching)


def test_many_at_once(watching):
    """Each of a row of items that all block is replaced by the next."""
    blockers = [Blocker("lock") for _ in range(8)]
    for blocker in blockers:
        watching.system_wq.queue(bh.Work(blocker))
    for blocker in blockers:
        blocker.started.wait(LONG)
    for blocker in blockers:
        blocker.release()
    watching.system_wq.flush(LONG)
    works_on(watching)


def test_who_came_back_counts_again(watching):
    """A worker that was found asleep counts as running from its next wait in the engine on."""
    gate = threading.Lock()
    gate.acquire()
    told = bh.Completion()
    first = Item()

    def handler(_):
        gate.acquire()
        bh.sleep(0)
        first.started.complete()
        told.wait(LONG)

    behind, last = Item(gated=False), Item(gated=False)
    wq = watching.system_wq
    wq.queue(bh.Work(handler))
    wq.queue(behind.work)
    behind.wait_started()
    gate.release()
    first.wait_started()
    wq.queue(last.work)
    last.wait_started()  # for the handler waits again, and said so
    told.complete()
    wq.flush(LONG)
    works_on(watching)


def test_computing_is_not_blocking(watching):
    """A handler that computes is no blocked one, however often it has to wait for the GIL."""
    if watching.detection == "budget":
        pytest.skip("goes by time: a thread that gets no CPU looks like a blocked one")
    stop = threading.Event()

    def hog():
        while not stop.is_set():
            sum(range(100))

    def handler(_):
        looks = watching._monitor_counters()[0]
        while watching._monitor_counters()[0] < looks + 20:
            sum(range(100))

    thread = threading.Thread(target=hog)
    thread.start()
    try:
        behind = Item(gated=False)
        watching.system_wq.queue(bh.Work(handler))
        watching.system_wq.queue(behind.work)
        behind.wait_started()
    finally:
        stop.set()
        thread.join()
    assert watching._monitor_counters()[2] == 0


def test_nothing_pending_nothing_woken(watching):
    """While nothing waits behind a running worker the monitor sleeps for good."""
    item = Item(gated=False)
    for _ in range(200):
        watching.system_wq.queue(item.work)
        item.work.flush(LONG)
        # Else the next one would be pending behind a worker that is just leaving this one.
        eventually(lambda: all(t.state == "idle" for t in watching.tasks() if t.name.startswith("kworker/")))
    blocker = Blocker("lock")
    watching.system_wq.queue(bh.Work(blocker))
    blocker.started.wait(LONG)
    assert item.runs == 200
    assert watching._monitor_counters() == (0, 0, 0)
    blocker.release()


def test_hooks_only(boot):
    """detection="hooks": who does not say so keeps the pool to himself."""
    m = boot(cpus=1, detection="hooks")
    m.activate()
    assert m.detection == "hooks"
    blocker, behind = Blocker("lock"), Item(gated=False)
    order = []
    behind.then = lambda _: order.append(blocker.ended.done)
    m.system_wq.queue(bh.Work(blocker))
    blocker.started.wait(LONG)
    m.system_wq.queue(behind.work)
    blocker.release()
    m.system_wq.flush(LONG)
    assert order == [True]
    assert m._monitor_counters() == (0, 0, 0)


def test_names(boot):
    """m.detection tells which means is in use; unknown ones are refused."""
    m = boot()
    assert m.detection in [*MEANS, "hooks"]
    assert boot(detection="sampling").detection == "sampling"
    with pytest.raises(ValueError, match="detection='guess': allowed are 'auto', 'switch-records'"):
        boot(detection="guess")
    with pytest.raises(TypeError, match="detection must be a str, not int"):
        boot(detection=1)
    with pytest.raises(ValueError, match="detection='sampling' is for host machines"):
        bh.Machine(simulated=True, detection="sampling")
    with bh.Machine(simulated=True) as simulated:
        assert simulated.detection == "hooks"


def _run(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LONG)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="the filter names system calls by number")
def test_what_the_system_forbids():
    """A system that refuses perf_event_open: the next best means is taken, and the refused one says why."""
    number = 298 if platform.machine() == "x86_64" else 241
    out = _run(
        f"""
import ctypes, struct
import bottomhalf as bh
libc = ctypes.CDLL(None, use_errno=True)
code = [(0x20, 0, 0, 0), (0x15, 0, 1, {number}), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
filter = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(filter)))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0
try:
    bh.Machine(detection="switch-records")
except bh.Unsupported as error:
    print("perf_event_open" in str(error))
with bh.Machine() as m:
    print(m.detection)
"""
    )
    assert out == ["True", "sampling"]


def test_fork():
    """A child of a process with a watching machine boots its own, and both end."""
    out = _run(
        """
import os, threading
import bottomhalf as bh
def busy(m):
    lock = threading.Lock(); lock.acquire()
    done = bh.Completion()
    m.system_wq.queue(bh.Work(lambda _: lock.acquire()), cpu=0)
    m.system_wq.queue(bh.Work(lambda _: done.complete()), cpu=0)
    done.wait(30)
    return lock
m = bh.Machine(cpus=1)
lock = busy(m)
pid = os.fork()
if pid == 0:
    with bh.Machine(cpus=1) as child:
        busy(child).release()
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
lock.release()
m.halt()
"""
    )
    assert out == ["7"]


def test_halt_ends_the_monitor(boot):
    """The monitor's thread is the machine's, and goes with it."""
    m = boot()
    m.activate()
    assert any(task.name == "bh-monitor" for task in m.tasks())
    blocker, behind = Blocker("lock"), Item(gated=False)
    m.system_wq.queue(bh.Work(blocker), cpu=0)
    m.system_wq.queue(behind.work, cpu=0)
    behind.wait_started()
    blocker.release()
    m.halt()
