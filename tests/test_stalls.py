"""A handler of a simulated machine that blocks for real is noticed and reported, never a silent hang."""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time

import pytest
from helpers import FIBERS_ARE_THREADS, LONG, log_lines, python

import bottomhalf as bh
from bottomhalf import _core

pytestmark = pytest.mark.foreign_threads


class Reports(logging.Handler):
    """What reached the logger, and an answer to it: the blocked handler is let go on."""

    def __init__(self):
        super().__init__()
        self.texts = []
        self.answer = lambda: None
        self.came = threading.Event()

    def emit(self, record):
        self.texts.append(record.getMessage())
        self.answer()
        self.came.set()


@pytest.fixture
def reports():
    """Stalls are noticed after a moment, and reach nobody else's log."""
    handler, logger = Reports(), logging.getLogger("bottomhalf")
    logger.addHandler(handler)
    before, logger.propagate = logger.propagate, False
    _core._stall_patience(0.01)
    yield handler
    _core._stall_patience(1.0)
    logger.propagate = before
    logger.removeHandler(handler)


def blocked_for_ever():
    """Ways to block, each with the way out: (name, block, release)."""
    lock = threading.Lock()
    lock.acquire()
    yield "lock", lock.acquire, lock.release
    items = queue.Queue()
    yield "queue", items.get, lambda: items.put(None)
    simple = queue.SimpleQueue()
    yield "simple_queue", simple.get, lambda: simple.put(None)
    near, far = socket.socketpair()
    yield "socket", lambda: near.recv(1), lambda: far.send(b"x")
    event = threading.Event()
    yield "event", event.wait, event.set


@pytest.mark.parametrize("way", list(blocked_for_ever()), ids=lambda way: way[0])
def test_a_handler_that_blocks_is_reported_with_its_stack(reports, way):
    """Once: who, where, and the way out; in the machine's log too."""
    _, block, reports.answer = way

    def reads_the_disk(work):
        block()

    with bh.Machine(cpus=2, simulated=True, name="disk") as m:
        item = bh.Work(reads_the_disk, name="reader")
        item.schedule(cpu=1)
        item.flush()
        assert not m.errors
        log = log_lines(m)
    assert reports.came.wait(LONG)
    assert len(reports.texts) == 1
    text = reports.texts[0]
    assert "item reader on kworker/1:0 of the simulated machine 'disk'" in text
    assert "in reads_the_disk" in text
    assert "block()" in text
    assert "bottomhalf.testing.virtual_stdlib()" in text
    assert [line for line in log if line.startswith("a handler blocks for real")] == [text.splitlines()[0]]


def test_a_sleep_of_the_standard_library(reports):
    """However often it wakes by itself: the machine does not go on."""

    def naps(work):
        while not reports.came.is_set():
            time.sleep(0.001)

    with bh.Machine(cpus=1, simulated=True):
        item = bh.Work(naps)
        item.schedule()
        item.flush()
    assert len(reports.texts) == 1
    assert "in naps" in reports.texts[0]


def test_another_task_of_the_machine_has_the_lock(reports):
    """The certain deadlock: who could give the lock back cannot run."""
    lock = threading.Lock()
    reports.answer = lock.release

    def holder(work):
        lock.acquire()
        bh.sleep(1)

    def waiter(work):
        lock.acquire()

    with bh.Machine(cpus=2, simulated=True):
        items = [bh.Work(holder), bh.Work(waiter)]
        for cpu, item in enumerate(items):
            item.schedule(cpu=cpu)
        for item in items:
            item.flush()
    assert "item waiter" in reports.texts[0]


def test_a_spawned_task_is_named(reports):
    """It has no item."""
    lock = threading.Lock()
    lock.acquire()
    reports.answer = lock.release
    with bh.Machine(cpus=1, simulated=True) as m:
        m.spawn(lock.acquire, name="driver").join()
    assert "task driver of the simulated machine" in reports.texts[0]


def test_each_stall_is_reported(reports):
    """Once each."""
    lock = threading.Lock()
    reports.answer = lock.release
    with bh.Machine(cpus=1, simulated=True):
        item = bh.Work(lambda work: lock.acquire())
        lock.acquire()
        for _ in range(3):
            item.schedule()
            item.flush()
    assert len(reports.texts) == 3


def test_init_may_wait_for_what_it_likes(reports):
    """A machine that nobody runs is no business of the watcher's; and the next stall is seen all the same."""
    lock = threading.Lock()
    lock.acquire()
    with bh.Machine(cpus=1, simulated=True) as m:
        m.run()
        assert not reports.came.wait(0.05)  # init blocks for several times the patience
        reports.answer = lock.release
        m.spawn(lock.acquire).join()
    assert len(reports.texts) == 1


def test_virtual_stdlib_is_the_way_out(reports):
    """As the report says."""
    with bh.Machine(cpus=1, simulated=True) as m, bh.testing.virtual_stdlib():
        item = bh.Work(lambda work: time.sleep(3600))
        item.schedule()
        item.flush()
        assert m.now >= 3600
    assert not reports.texts


def test_without_a_handler_it_goes_to_stderr():
    """As warnings do."""
    code = """
import threading
import bottomhalf as bh
from bottomhalf import _core
_core._stall_patience(0.01)
read, write = __import__("os").pipe()
lock = threading.Lock()
lock.acquire()
import sys
class Err:
    def write(self, text):
        sys.__stderr__.write(text)
        if lock.locked():
            lock.release()
    def flush(self):
        pass
sys.stderr = Err()
with bh.Machine(cpus=1, simulated=True) as m:
    m.spawn(lock.acquire).join()
"""
    assert "a handler blocks for real" in python(code).stderr


@pytest.mark.skipif(FIBERS_ARE_THREADS, reason="counts threads")
def test_the_watcher_is_out_of_the_way_of_fork_and_exit():
    """It is no thread of Python's, a fork finds one thread, and nothing waits for it at exit."""
    code = """
import os, threading
import bottomhalf as bh
m = bh.Machine(cpus=1, simulated=True)
assert "bh-watch" in {open(f"/proc/self/task/{t}/comm").read().strip() for t in os.listdir("/proc/self/task")}
assert threading.active_count() == 1
child = os.fork()
if child == 0:
    with bh.Machine(cpus=1, simulated=True) as mine:
        mine.spawn(int).join()
    os._exit(0 if len(os.listdir("/proc/self/task")) == 2 else 1)
assert os.waitpid(child, 0)[1] == 0
m.halt()
"""
    python(code)


def test_a_halted_machine_stalls_nothing():
    """Its idle tasks ended with the halt: whatever its thread waits for afterwards is not the machine's concern."""
    done = python(
        "import subprocess, sys\n"
        "import bottomhalf as bh\n"
        "from bottomhalf import _core\n"
        "_core._stall_patience(0.001)\n"
        "kept = bh.Machine(cpus=2, simulated=True)\n"
        "with kept:\n"
        "    kept.at(0.001, lambda: None)\n"
        "    bh.sleep(0.1)\n"
        "for _ in range(3):\n"
        "    subprocess.run([sys.executable, '-c', 'pass'], check=True)\n"
        "print(*kept.log)\n"
    )
    assert done.stdout == "\n"
