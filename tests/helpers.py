"""What the tests share: gated items, helper calls whose blocking can be seen, and a patient look at a predicate.

State is made explicit by gates. A gated handler says that it started and stands still until its gate opens, so a test
knows where every item is without guessing at durations.

All of it works on both substrates. On a simulated machine nothing happens until somebody waits: a look at a predicate
sleeps in virtual time, and a helper call is a task of the machine instead of a thread.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import bottomhalf as bh

LONG = 30.0  # "for ever" of a wait that is expected to end; arbitrary, only a hang reaches it
FIBERS_ARE_THREADS = os.environ.get("BOTTOMHALF_FIBERS") == "threads"
NEVER = 1000.0  # a delay that never runs down within a test
TESTS = Path(__file__).resolve().parent
needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, [*os.environ.get("CC", "").split()[:1], "cc", "gcc", "clang"])), reason="no C compiler"
)


def log_lines(machine):
    """The machine's log without its stamps."""
    return [line.text for line in machine.log]


MACHINES = []  # those that the fixtures booted for the running test


def simulated():
    """The simulated machine of the running test that is current or was booted last, or None."""
    alive = [machine for machine in MACHINES if machine.simulated and not machine.halted]
    if not alive:
        return None
    current = bh.current_machine()
    return current if current in alive else alive[-1]


def eventually(predicate, what="", timeout=LONG):
    """Returns the predicate's first true value; fails when it stays false for a very long time of the machine.

    what: says what was waited for, or a function that tells what there is instead.
    """
    value = predicate()
    machine = None if value else simulated()
    if machine is not None:
        deadline, pause = machine.now + timeout, 1e-6
        while not value and machine.now <= deadline:
            machine.sleep(pause)
            pause = min(2 * pause, 0.01)
            value = predicate()
    else:
        deadline = time.monotonic() + timeout
        while not value and time.monotonic() <= deadline:
            time.sleep(0.001)
            value = predicate()
    assert value, f"never came true: {what() if callable(what) else what or predicate}"
    return value


def noop(_):
    """A handler without effect."""


class Item:
    """A work item with counters and a gate (closed at first when `gated`).

    `started` is completed once for each start; the run then waits for `gate`, which `open` opens for good, `step` for
    one run, and `close` closes again.
    """

    def __init__(self, kind=bh.Work, *, gated=True, name=None, then=None):
        self.runs = 0
        self.ends = 0
        self.cpus = []
        self.tasks = []
        self.gated = gated
        self.then = then
        self.started = bh.Completion()
        self.gate = bh.Completion()
        self.work = kind(self._handler, name=name)

    def _handler(self, work):
        self.runs += 1
        self.cpus.append(bh.smp_processor_id())
        self.tasks.append(bh.current_task().pid)
        self.started.complete()
        if self.gated:
            self.gate.wait()
        if self.then is not None:
            self.then(work)
        self.ends += 1

    def wait_started(self):
        """Waits for one start."""
        self.started.wait(LONG)

    def open(self):
        """Lets this run and all later ones pass."""
        self.gate.complete_all()

    def step(self):
        """Lets one run pass."""
        self.gate.complete()

    def close(self):
        """Later runs wait again."""
        self.gate.reinit()


def held_item(wq, kind=bh.Work, *, cpu=None, name=None):
    """A gated item that has started on `wq` and stands at its gate."""
    item = Item(kind, name=name)
    assert wq.queue(item.work, cpu=cpu)
    item.wait_started()
    return item


def run_in_work(wq, fn, *, cpu=None, kind=bh.Work):
    """Runs fn() as a work item on `wq`; returns its value or raises its exception here."""
    box = []

    def handler(_):
        try:
            box.append((fn(), None))
        except BaseException as error:  # handed to the caller, who judges it
            box.append((None, error))

    work = kind(handler)
    assert wq.queue(work, cpu=cpu)
    work.flush(LONG)
    value, error = box[0]
    if error is not None:
        raise error
    return value


def works_on(m):
    """The engine still runs items: on every CPU, unbound, managed and later."""
    for cpu in range(m.cpus):
        assert run_in_work(m.system_wq, bh.smp_processor_id, cpu=cpu) == cpu
    assert run_in_work(m.system_unbound_wq, lambda: "ran") == "ran"
    assert m.system_managed_wq.submit(lambda: "ran").result(LONG) == "ran"
    ran = bh.Completion()
    later = bh.DelayedWork(lambda _: ran.complete())
    assert m.system_wq.queue_delayed(later, 0.001)
    ran.wait(LONG)
    later.flush(LONG)


def _mark(tid):
    """What changes while a thread does anything: (state, context switches)."""
    state, switches = "X", []
    try:
        with open(f"/proc/self/task/{tid}/status") as status:
            for line in status:
                if line.startswith("State:"):
                    state = line.split()[1]
                elif "ctxt_switches" in line:
                    switches.append(line.split()[1])
    except OSError:
        pass
    return state, tuple(switches)


def wait_asleep(tid, done=lambda: False, patience=LONG / 3):
    """Returns when that thread stands still in a sleep (or done() holds): five equal looks in a row.

    A thread that spins is looked at for `patience` seconds and left at that.
    """
    last, same = None, 0
    deadline = time.monotonic() + patience
    while not done() and time.monotonic() < deadline:
        now = _mark(tid)
        same = same + 1 if now == last and now[0] in "SD" else 0
        if same >= 5:
            return
        last = now
        time.sleep(0.002)


class Call:
    """fn(*args) beside the caller, on the machine that is current for the maker.

    On a host machine in a thread of its own, on a simulated one in a task of the machine (on `cpu`).
    """

    def __init__(self, fn, *args, machine=None, cpu=None, **kwargs):
        self._fn, self._args, self._kwargs = fn, args, kwargs
        self._machine = machine if machine is not None else bh.current_machine()
        self._value = self._error = self._thread = self._task = None
        self._over = False
        if self._machine.simulated:
            self._task = self._machine.spawn(self._body, cpu=cpu, name="call")
            return
        self._entered = threading.Event()
        self._thread = threading.Thread(target=self._body, daemon=True)
        self._thread.start()
        assert self._entered.wait(LONG)

    def _body(self):
        try:
            if self._thread is not None:
                self.tid = threading.get_native_id()
                self._machine.activate()
                self._entered.set()
            self._value = self._fn(*self._args, **self._kwargs)
        except BaseException as error:  # kept for result()
            self._error = error
        finally:
            self._over = True
            if self._thread is not None:
                self._entered.set()

    @property
    def done(self):
        return self._over if self._task is not None else not self._thread.is_alive()

    def settle(self, patience=LONG / 3):
        """Returns when the call has ended or stands still."""
        if self._task is not None:
            self._machine.sleep(0.001)
        else:
            wait_asleep(self.tid, lambda: self.done, patience)
        return self

    def result(self):
        """Joins; the value or the exception of the call."""
        if self._task is not None:
            with suppress(TimeoutError):
                self._task.join(LONG)
        else:
            self._thread.join(LONG)
        assert self.done, f"did not return: {self._fn}"
        if self._error is not None:
            raise self._error
        return self._value


class Hold:
    """Keeps whoever passes it busy until opened, without a sleep: in any context, unseen by concurrency management."""

    def __init__(self, is_open=False):
        self.is_open = is_open

    def spin(self):
        """Returns once it is open; until then the CPU is used up."""
        while not self.is_open:
            bh.cpu_relax()

    def open(self):
        """Lets everybody pass."""
        self.is_open = True


def blocked(fn, *args, **kwargs):
    """A Call that is seen to stand still."""
    call = Call(fn, *args, **kwargs).settle()
    assert not call.done, f"returned {call.result()!r} instead of waiting"
    return call


@contextmanager
def cpu_held(m, cpu, section="bh_off"):
    """Another task keeps bottom halves off on that CPU: its bound workers start nothing, its softirqs wait.

    With section="irqs_off" it keeps interrupts off instead.

    On a simulated machine the holder has the CPU for itself, so it cannot be the caller's.
    """
    assert not m.simulated or cpu != bh.smp_processor_id()
    held, release = bh.Completion(), threading.Event()

    def hold():
        with m.on_cpu(cpu), getattr(m, section)():
            held.complete()
            if m.simulated:
                while not release.is_set():
                    bh.burn(0.0001)
            else:
                release.wait(2 * LONG)

    call = Call(hold, machine=m, cpu=cpu)
    held.wait(LONG)
    try:
        yield
    finally:
        release.set()
        call.result()


def threads():
    """The native ids of this process's threads; without those that simulated machines leave for the next one: who looks
    after them, and the fibers where they are threads."""
    # The system cuts its list short where it comes to a thread that is just ending: until two of them agree. A virtual
    # CPU may stand still in the middle of that and have both cut; reading the status waits until it has gone on.
    listed, before = os.listdir("/proc/self/task"), None
    while listed != before:
        Path("/proc/self/status").read_text()
        listed, before = os.listdir("/proc/self/task"), listed
    return {tid for tid in listed if comm(tid) not in ("bh-watch", "bh-fiber")}


def comm(tid):
    """The name of a thread of this process, as ps -L shows it, or None when it is gone."""
    try:
        return Path(f"/proc/self/task/{tid}/comm").read_text().rstrip("\n")
    except OSError:
        return None


def comms():
    """The names of this process's threads, as ps -L shows them."""
    return [name for name in map(comm, threads()) if name is not None]


def task_names(m):
    """The names of the machine's tasks: on a host machine as ps -L shows them."""
    return [task.name for task in m.tasks()] if m.simulated else comms()


def log_text(m):
    """The kernel log as dmesg prints it."""
    return "\n".join(str(line) for line in m.log)


def python(code, *, timeout=4 * LONG, check=True, options=()):
    """Runs code in a fresh interpreter that can import this module; returns the finished process."""
    prelude = f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", *options, "-c", prelude + code],
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if check:
        assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
