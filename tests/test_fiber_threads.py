"""Simulated machines whose tasks are threads that hand a baton over (BOTTOMHALF_FIBERS=threads): the same machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import LONG, python

TESTS = Path(__file__).parent

pytestmark = pytest.mark.watchdog(600)

PROGRAM = """
import sys, threading
import bottomhalf as bh

def program(machine):
    idents = set()
    total = bh.Shared(0, name="total")
    lock = bh.Mutex()
    def count(work):
        idents.add(threading.get_native_id())
        for _ in range(3):
            with lock:
                total.value += 1
            bh.sleep(0.001)
        try:
            raise ValueError
        except ValueError:
            bh.cond_resched()
            assert sys.exc_info()[0] is ValueError
    items = [bh.Work(count) for _ in range(4)]
    for number, item in enumerate(items):
        item.schedule(cpu=number % 2)
    timer = bh.Timer(lambda timer: None)
    timer.mod(1.0)
    for item in items:
        item.flush()
    machine.sleep(2)
    assert total.value == 12
    return len(idents)

with bh.Machine(cpus=2, simulated=True) as machine:
    idents = program(machine)
    print(machine.now, machine.errors)
report = bh.explore(program, schedules=50)
print(report.failed)
def broken(machine):
    seen = []
    item = bh.Work(lambda work: seen.append(1))
    item.schedule(cpu=1)
    bh.cond_resched()
    assert not seen
found = bh.explore(broken, schedules=1000)
print(found.failed, found.replay)
def two_locks(machine):
    a, b = bh.Mutex(), bh.Mutex()
    def take(first, second):
        with first:
            bh.sleep(0.1)
            with second:
                pass
    for task in [machine.spawn(take, a, b), machine.spawn(take, b, a)]:
        task.join()
print(bh.explore(two_locks, schedules=3))
"""

TRACES = """
import importlib, pathlib, sys
import bottomhalf as bh
for path in sorted(pathlib.Path({tests!r}, "corpus").glob("*.py")):
    program = importlib.import_module("corpus." + path.stem)
    for schedule in [bh.schedules.Fifo(), bh.schedules.Random(seed=7), bh.schedules.PCT(3, 5)]:
        def traced(machine):
            with machine.trace() as trace:
                try:
                    return program.buggy(machine)
                finally:
                    last[:] = [str(trace)]
        last = []
        report = bh.explore(traced, strategy=schedule, schedules=20, **program.EXPLORE)
        print(path.stem, schedule, report.failed, report.schedules, report.replay)
        print(report, *last)
"""


KINDS = ("fibers", "threads")


def kind(fibers):
    """The beginning of a program that has fibers of that kind."""
    return f"import os; os.environ['BOTTOMHALF_FIBERS'] = {fibers!r}\n"


def run(fibers, code):
    """What the program prints with fibers of that kind."""
    return python(kind(fibers) + code).stdout.splitlines()


def test_the_same_runs_in_the_same_schedules():
    """To the letter of the replay string."""
    assert run("threads", PROGRAM) == run("fibers", PROGRAM)


@pytest.fixture(scope="module")
def traces():
    """What the corpus leaves behind, with each kind of fibers."""
    code = TRACES.format(tests=str(TESTS))
    return {fibers: run(fibers, code) for fibers in KINDS}


def test_traces_are_the_same_byte_for_byte(traces):
    """Of every program of the corpus under several schedules: events, reports and replay strings."""
    assert len(traces["fibers"]) > 1000
    assert traces["threads"] == traces["fibers"]


@pytest.mark.parametrize(("found_with", "replayed_with"), [KINDS, KINDS[::-1]])
def test_a_failure_is_replayed_by_the_other_kind(found_with, replayed_with):
    """The replay string says nothing of fibers."""
    name = "corpus.lost_update"
    find = f"import bottomhalf as bh\nfrom {name} import *\nprint(bh.explore(buggy, schedules=1000, **EXPLORE).replay)"
    (replay,) = run(found_with, find)
    again = f"""
import bottomhalf as bh
from {name} import *
try:
    bh.replay(buggy, {replay!r})
except FAILURE:
    print("again")
"""
    assert run(replayed_with, again) == ["again"]


def test_each_task_is_a_thread():
    """That is what they are asked for."""
    code = PROGRAM.split("report =")[0] + "print(idents)"
    assert run("fibers", code)[-1] == "1"
    assert run("threads", code)[-1] == "4"


def test_a_fork_leaves_them_behind():
    """The child can drop the parent's machine, and boot one of its own."""
    code = """
import os
import bottomhalf as bh
machine = bh.Machine(cpus=1, simulated=True)
machine.spawn(bh.sleep, 1)
machine.sleep(0.5)
child = os.fork()
if child == 0:
    del machine
    with bh.Machine(cpus=1, simulated=True) as mine:
        mine.spawn(bh.sleep, 1).join()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
machine.halt()
"""
    run("threads", code)


def test_a_handler_that_forks():
    """Its child is that thread alone: it may boot a machine of its own, but not go on in its parent's."""
    code = """
import os, sys
import bottomhalf as bh
def fork(ends):
    child = os.fork()
    if child == 0:
        with bh.Machine(cpus=1, simulated=True) as mine:
            mine.spawn(bh.sleep, 1).join()
        if ends:
            os._exit(7)
        return
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
with bh.Machine(cpus=1, simulated=True) as machine:
    machine.spawn(fork, True).join()
    sys.stdout.flush()
    machine.spawn(fork, False).join()
"""
    done = python(kind("threads") + code, options=("-X", "faulthandler=0"))
    assert done.stdout.split() == ["7", str(-signal.SIGABRT)]
    assert "os._exit()" in done.stderr


def test_an_abandoned_machine_is_unwound():
    """With the cleanup of its tasks, as on fibers."""
    code = """
import gc, warnings
import bottomhalf as bh
warnings.simplefilter("ignore")
def waits(name):
    try:
        bh.sleep(10)
    finally:
        print(name)
machine = bh.Machine(cpus=2, simulated=True)
for name in "abc":
    machine.spawn(waits, name)
machine.sleep(1)
del machine
gc.collect()
print("end")
"""
    assert run("threads", code) == run("fibers", code)


def test_machines_in_each_other():
    """A handler boots a machine of its own, and calls one of its thread's."""
    code = """
import bottomhalf as bh
def inner():
    with bh.Machine(cpus=1, simulated=True, name="inner") as machine:
        for task in [machine.spawn(bh.sleep, 1) for _ in range(3)]:
            task.join()
        print(machine.now)
    bh.sleep(1)
with bh.Machine(cpus=1, simulated=True, name="outer") as machine:
    for task in [machine.spawn(inner) for _ in range(3)]:
        task.join()
    print(machine.now)
"""
    assert run("threads", code) == run("fibers", code) == ["1.0"] * 4


def test_calls_across_machines():
    """A handler is the booter's hand on another machine of its thread."""
    code = """
import bottomhalf as bh
a = bh.Machine(cpus=1, simulated=True, name="a")
b = bh.Machine(cpus=1, simulated=True, name="b")
def calls(number):
    for _ in range(3):
        b.spawn(bh.sleep, 2).join()
        print(number, a.now, b.now)
        bh.sleep(1)
for task in [a.spawn(calls, number) for number in range(3)]:
    task.join()
b.spawn(bh.sleep, 2).join()
print(b.now)
b.halt()
a.halt()
"""
    lines = run("threads", code)
    assert lines == run("fibers", code) and len(lines) == 10


@pytest.mark.parametrize("fibers", KINDS)
def test_exit_with_machines_that_run(fibers):
    """One is halted, one is another thread's, one is booted when the first is gone, and the interpreter collects it."""
    code = """
import atexit
atexit.register(lambda: late())
import bottomhalf as bh
import sys, threading, warnings
warnings.simplefilter("ignore")
def boot(name):
    machine = bh.Machine(cpus=2, simulated=True, name=name)
    machine.at(0.1, lambda: None, cpu=1)
    machine.spawn(bh.sleep, 10)
    machine.sleep(1)
    sys.__dict__[name] = machine  # collected late
def late():
    boot("late")
    print("late")
class Last:
    def __del__(self, machine=bh.Machine, refused=bh.MachineHalted, out=sys.stdout):
        try:
            machine(cpus=1, simulated=True)
        except refused:
            out.write("refused\\n")
            out.flush()
sys.last_one = Last()
boot("first")
other = threading.Thread(target=boot, args=("other",))
other.start()
other.join()
"""
    assert run(fibers, code) == ["late", "refused"]


def test_threads_are_used_again_and_end_with_the_thread_of_the_machines():
    """A few are kept for the next machine; they are their thread's."""
    code = """
import os, threading
import bottomhalf as bh
from helpers import comm, eventually
def fibers():
    return [tid for tid in os.listdir("/proc/self/task") if comm(tid) == "bh-fiber"]
def body():
    for turn in range(100):
        with bh.Machine(cpus=4, simulated=True) as machine:
            tasks = [machine.spawn(bh.sleep, 1) for _ in range(50)]
            machine.sleep(turn % 2 + 0.5)
            if turn % 2:
                for task in tasks:
                    task.join()
            machine.halt("cancel")
    print(0 < len(fibers()) <= 32)
owner = threading.Thread(target=body)
owner.start()
owner.join()
eventually(lambda: not fibers())
"""
    assert run("threads", code) == ["True"]


def test_a_handler_that_blocks_is_reported():
    """The watcher looks at the thread that has the baton."""
    code = """
import time
import bottomhalf as bh
from bottomhalf import _core
with bh.Machine(cpus=1, simulated=True) as machine:
    def blocks():
        bh.sleep(1)
        _core._stall_patience(0.02)  # from here on: on a busy computer its thread may take longer to begin
        while not any("blocks for real" in str(line) for line in machine.log):
            time.sleep(0.2)
    machine.spawn(blocks).join()
"""
    assert "in blocks" in python(kind("threads") + code).stderr


def test_a_part_of_the_tests_of_simulated_machines():
    """Tracebacks, context variables, generators, recursion, halting, explorations."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES, "-k", SUBSET],
        cwd=TESTS,
        env={**os.environ, "BOTTOMHALF_FIBERS": "threads"},
        capture_output=True,
        text=True,
        timeout=8 * LONG,
    )
    assert done.returncode == 0, done.stdout + done.stderr


FILES = ["test_simulated.py", "test_stalls.py", "test_virtual_stdlib.py"]
# Without those that make the watcher impatient and want to hear nothing: a baton may be on its way for that long.
SUBSET = (
    "(stall or virtual or scenario or recursion or generator or context or halt or exception)"
    " and not stalls_nothing and not may_wait and not way_out"
)
