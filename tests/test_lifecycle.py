"""The process around the engine: import, exit, fork, sub-interpreters. Each test is a program of its own."""

from __future__ import annotations

import pytest
from helpers import python


def lines(code, **options):
    return python(code, **options).stdout.splitlines()


def test_import_is_quiet():
    """Importing starts no thread and imports neither asyncio, pytest nor hypothesis."""
    code = """
import os, sys
before = set(sys.modules)
import bottomhalf
assert len(os.listdir("/proc/self/task")) == 1, os.listdir("/proc/self/task")
print(sorted({"asyncio", "pytest", "_pytest", "hypothesis"} & (set(sys.modules) - before)))
print(bool(bottomhalf.__version__))
"""
    assert lines(code) == ["[]", "True"]


def test_items_without_a_machine_start_nothing():
    """Making items, completions, tasklets and timers boots no machine."""
    code = """
import os
import bottomhalf as bh
from helpers import noop
keep = [bh.Work(noop), bh.DelayedWork(noop), bh.Tasklet(noop), bh.Timer(noop), bh.Completion(), bh.Mutex()]
print(len(os.listdir("/proc/self/task")))
"""
    assert lines(code) == ["1"]


def test_exit_drains():
    """At interpreter exit what is pending still runs."""
    code = """
import os
import bottomhalf as bh
m = bh.Machine(cpus=2)
def handler(work):
    bh.sleep(0.001)
    os.write(1, b"ran\\n")  # one call a line: two items may end at once
works = [bh.Work(handler) for _ in range(50)]
assert m.system_wq.queue_many(works) == 50
"""
    assert lines(code) == ["ran"] * 50


def test_exit_drains_the_default_machine():
    """The machine that nobody booted drains alike."""
    code = """
import bottomhalf as bh
works = [bh.Work(lambda work: print("ran", flush=True)) for _ in range(20)]
for work in works:
    work.schedule()
"""
    assert lines(code) == ["ran"] * 20


def test_exit_can_cancel():
    """Machine(at_exit="cancel") drops what is pending."""
    code = """
import bottomhalf as bh
from helpers import *
m = bh.Machine(cpus=1, at_exit="cancel")
m.activate()
wq = m.alloc_workqueue("one", bh.WQ(0), 1)
holder = held_item(wq)
works = [bh.Work(lambda work: print("ran", flush=True)) for _ in range(20)]
assert wq.queue_many(works) == 20
print("exit")
"""
    assert lines(code) == ["exit"]


def test_exit_with_armed_timers():
    """Armed timers and delayed items do not keep the interpreter from ending."""
    code = """
import bottomhalf as bh
m = bh.Machine(cpus=1)
m.activate()
from helpers import noop
work, timer = bh.DelayedWork(noop), bh.Timer(noop)
m.system_wq.queue_delayed(work, 1000)
timer.mod(1000)
print("exit")
"""
    assert lines(code) == ["exit"]


def test_exit_with_a_self_requeueing_item():
    """An item that queues itself for ever cannot be drained; the interpreter ends anyway."""
    code = """
import bottomhalf as bh
m = bh.Machine(cpus=1, at_exit="cancel")
m.activate()
started = bh.Completion()
def again(work):
    started.complete()
    bh.sleep(0.0001)
    m.system_wq.queue(work)
work = bh.Work(again)
m.system_wq.queue(work)
started.wait()
print("exit")
"""
    assert lines(code)[-1:] == ["exit"]


def test_exit_by_exception_and_by_sys_exit():
    """An uncaught exception or sys.exit keeps its exit status."""
    done = python("import bottomhalf as bh, sys\nm = bh.Machine(cpus=1)\nsys.exit(7)\n", check=False)
    assert done.returncode == 7
    done = python("import bottomhalf as bh\nm = bh.Machine(cpus=1)\nraise LookupError('x')\n", check=False)
    assert done.returncode == 1 and "LookupError" in done.stderr


def test_exit_with_items_in_other_threads():
    """A thread that still waits at exit is let go."""
    code = """
import threading
import bottomhalf as bh
from helpers import *
m = bh.Machine(cpus=1)
m.activate()
item = Item()
m.system_wq.queue(item.work)
item.wait_started()
threading.Thread(target=item.work.flush, daemon=True).start()
item.open()
print("exit")
"""
    assert lines(code) == ["exit"]


def test_globals_at_exit():
    """Objects in module globals that outlive their machine are freed without a crash."""
    code = """
import bottomhalf as bh
from helpers import noop
m = bh.Machine(cpus=2)
m.activate()
wq = m.alloc_workqueue("kept")
work, delayed, tasklet, timer = bh.Work(noop), bh.DelayedWork(noop), bh.Tasklet(noop), bh.Timer(noop)
line = m.irq(5)
action = line.request(lambda line: bh.IrqReturn.HANDLED)
line.fire()
wq.queue(work)
tasklet.schedule()
timer.mod(0)
future = wq.submit(noop, 1)
trace = m.trace()
print("exit")
"""
    assert lines(code) == ["exit"]


def test_fork():
    """In a forked child the machines are dead and say so; a fresh one can be booted; the parent goes on."""
    code = """
import os, sys, warnings
import bottomhalf as bh
from helpers import *
warnings.simplefilter("ignore", DeprecationWarning)
m = bh.Machine(cpus=2, name="parent")
m.activate()
works_on(m)
work, idle = bh.Work(noop), bh.Work(noop)
pid = os.fork()
if pid == 0:
    try:
        for call in (lambda: m.system_wq.queue(work), lambda: m.system_wq.flush(), lambda: m.alloc_workqueue("x")):
            try:
                call()
            except bh.MachineHalted as error:
                assert "fork" in str(error), error
            else:
                os._exit(3)
        with bh.Machine(cpus=1) as fresh:
            works_on(fresh)
            assert fresh.system_wq.queue(idle) is True
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(4)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
works_on(m)
print("parent")
"""
    assert lines(code) == ["parent"]


def test_fork_with_pending_items():
    """What was pending in the parent runs there, once, and not in the child."""
    code = """
import os, warnings
import bottomhalf as bh
from helpers import *
warnings.simplefilter("ignore", DeprecationWarning)
m = bh.Machine(cpus=1)
m.activate()
wq = m.alloc_workqueue("one", bh.WQ(0), 1)
holder = held_item(wq)
item = bh.Work(lambda work: print("ran", os.getpid() == parent, flush=True))
parent = os.getpid()
wq.queue(item)
pid = os.fork()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
holder.open()
wq.flush()
"""
    assert lines(code) == ["ran True"]


def test_a_forked_child_exits_normally():
    """A child that leaves through the interpreter's own exit neither hangs nor crashes."""
    code = """
import os, sys, warnings
import bottomhalf as bh
from helpers import *
warnings.simplefilter("ignore", DeprecationWarning)
m = bh.Machine(cpus=2)
m.activate()
works_on(m)
pid = os.fork()
if pid == 0:
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
print("parent")
"""
    assert lines(code) == ["parent"]


def test_multiprocessing_fork():
    """multiprocessing's fork method works beside a running machine."""
    code = """
import multiprocessing, warnings
import bottomhalf as bh
from helpers import *
warnings.simplefilter("ignore", DeprecationWarning)

def child(n):
    with bh.Machine(cpus=1):
        return bh.submit(pow, n, 2).result()

with bh.Machine(cpus=2) as m:
    works_on(m)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(child, range(4)))
"""
    assert lines(code) == ["[0, 1, 4, 9]"]


def test_a_sub_interpreter_is_refused():
    """Import in a sub-interpreter is refused clearly."""
    code = """
import os
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import bottomhalf
reader, writer = os.pipe()
i = interpreters.create()
try:
    interpreters.run_string(i, f'''
import os, sys
sys.path[:] = {__import__("sys").path!r}
try:
    import bottomhalf
    answer = b"imported"
except ImportError as error:
    answer = b"refused " + str(error).encode()
os.write({writer}, answer)
''')
except Exception as error:
    os.write(writer, b"failed " + str(error).encode())
print(os.read(reader, 1000).decode())
"""
    if (
        python("import _interpreters", check=False).returncode
        and python("import _xxsubinterpreters", check=False).returncode
    ):
        pytest.skip("this interpreter has no sub-interpreters")
    answer = "\n".join(lines(code))
    assert answer.startswith("refused ") and len(answer) > 20, answer


def test_python_dash_x_dev():
    """The development mode finds nothing: no ResourceWarning, no debug allocator complaint."""
    code = """
import bottomhalf as bh
from helpers import *
with bh.Machine(cpus=2) as m:
    works_on(m)
print("exit")
"""
    done = python(code, options=("-X", "dev", "-W", "error"))
    assert done.stdout == "exit\n" and done.stderr == ""


def test_a_module_level_item_with_a_lost_function():
    """Items whose functions use module globals at exit drain before those globals are cleared."""
    code = """
import bottomhalf as bh
m = bh.Machine(cpus=1)
m.activate()
word = "alive"
def handler(work):
    bh.sleep(0.01)
    print(word, flush=True)
bh.Work(handler).schedule()
"""
    assert lines(code) == ["alive"]


def test_fork_drops_the_default_machine():
    """The child gives up the default machine, which nobody else holds and the forking thread has called into."""
    code = """
import os, warnings
import bottomhalf as bh
warnings.simplefilter("ignore", DeprecationWarning)
bh.Work(lambda work: None).schedule()
bh.default_machine().run()
pid = os.fork()
if pid == 0:
    bh.Work(lambda work: print("child", flush=True)).schedule()
    bh.default_machine().run()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert lines(code) == ["child", "0"]
