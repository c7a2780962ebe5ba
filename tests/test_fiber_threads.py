"""Simulated machines whose tasks are threads that hand a baton over (BOTTOMHALF_FIBERS=threads): the same machine."""

from __future__ import annotations

import os
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
"""


def run(fibers, code):
    """What the program prints with fibers of that kind."""
    environment = f"import os; os.environ['BOTTOMHALF_FIBERS'] = {fibers!r}\n"
    return python(environment + code).stdout.splitlines()


def test_the_same_runs_in_the_same_schedules():
    """To the letter of the replay string."""
    assert run("threads", PROGRAM) == run("fibers", PROGRAM)


def test_each_task_is_a_thread():
    """That is what they are asked for."""
    code = PROGRAM.split("report =")[0] + "print(idents)"
    assert run("fibers", code)[-1] == "1"
    assert run("threads", code)[-1] == "4"


def test_a_fork_leaves_them_behind():
    """The child can drop the parent's machine, and boot one of its own."""
    code = """
import os
os.environ["BOTTOMHALF_FIBERS"] = "threads"
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
    python(code)


def test_a_part_of_the_tests_of_simulated_machines():
    """Tracebacks, context variables, generators, recursion, halting, explorations."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_simulated.py", "-k", SUBSET],
        cwd=TESTS,
        env={**os.environ, "BOTTOMHALF_FIBERS": "threads"},
        capture_output=True,
        text=True,
        timeout=8 * LONG,
    )
    assert done.returncode == 0, done.stdout + done.stderr


SUBSET = "scenario or recursion or generator or context or halt or exception"
