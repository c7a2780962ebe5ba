"""One machine for each test on each substrate, a watchdog against hangs, and a count of threads before and after.

A test that asks for `m` or `boot` runs twice: on a host machine and on a simulated one. `@pytest.mark.host(why)` keeps
one to real threads, `@pytest.mark.simulated(why)` to virtual time.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `import helpers` under --import-mode=importlib

import helpers
from helpers import LONG, comm, eventually, threads

import bottomhalf as bh

pytest_plugins = ["pytester"]

WATCHDOG = 120  # seconds for a whole test; arbitrary, only a hang reaches it


class Hung(BaseException):
    """The watchdog's exception: no test swallows it by accident."""


def pytest_configure(config):
    config.addinivalue_line("markers", "watchdog(seconds): how long the test may take before it counts as hung")
    config.addinivalue_line("markers", "host(why): needs real threads or real time")
    config.addinivalue_line("markers", "simulated(why): needs virtual time")
    config.addinivalue_line("markers", "foreign_threads: a library under test keeps threads that are not ours")
    config.stash[_STDERR] = os.dup(2)  # the real one: capturing is suspended here


_STDERR = pytest.StashKey[int]()


def pytest_generate_tests(metafunc):
    """Every test that boots machines does so on both substrates, unless it says why not."""
    if "substrate" in metafunc.fixturenames:
        only = [name for name in ("host", "simulated") if metafunc.definition.get_closest_marker(name)]
        metafunc.parametrize("substrate", only or ["host", "simulated"], indirect=True)


@pytest.fixture
def substrate(request):
    """ "host" or "simulated": what this test's machines stand on."""
    return request.param


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Compiled modules are kept for this run of the tests alone, and for the processes that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def no_thread_leaks(request):
    """After the test, machines halted, no thread exists that did not exist before.

    Outside the watchdog, whose own thread comes and goes within.
    """
    before, before_python = threads(), set(threading.enumerate())
    yield
    if request.node.get_closest_marker("foreign_threads"):
        return
    eventually(lambda: threads() <= before, lambda: f"left over: {[*map(comm, threads() - before)]}", timeout=LONG)
    eventually(lambda: set(threading.enumerate()) <= before_python, "Python threads left over", timeout=LONG)


@pytest.fixture(autouse=True)
def watchdog(request, no_thread_leaks):
    """A test that hangs fails with Hung when its wait can be interrupted; else the process ends with all stacks."""
    marker = request.node.get_closest_marker("watchdog")
    seconds = marker.args[0] if marker else WATCHDOG

    def hung(signum, frame):
        faulthandler.dump_traceback(request.config.stash[_STDERR])
        raise Hung(f"{request.node.nodeid} took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, hung)
    faulthandler.dump_traceback_later(2 * seconds, exit=True, file=request.config.stash[_STDERR])
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    faulthandler.cancel_dump_traceback_later()
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash.setdefault(_FAILED, False)
    item.stash[_FAILED] = item.stash[_FAILED] or (report.when == "call" and report.failed)
    return report


_FAILED = pytest.StashKey[bool]()


def _end(request, machine):
    """Drains after a success; after a failure items may stand at closed gates, so those are cancelled."""
    failed = request.node.stash.get(_FAILED, False)
    machine.halt(pending="cancel" if failed else "drain", timeout=LONG)


@pytest.fixture
def boot(request, no_thread_leaks, substrate):
    """boot(**options): a machine on the test's substrate, current nowhere, halted after the test."""
    machines = []

    def boot(**options):
        machines.append(bh.Machine(**{"simulated": substrate == "simulated", **options}))
        helpers.MACHINES.append(machines[-1])
        return machines[-1]

    yield boot
    for machine in reversed(machines):
        _end(request, machine)
        helpers.MACHINES.remove(machine)


@pytest.fixture
def m(request, no_thread_leaks, substrate):
    """A machine with two CPUs on the test's substrate, current in the test."""
    with bh.Machine(cpus=2, name="test", simulated=substrate == "simulated") as machine:
        helpers.MACHINES.append(machine)
        yield machine
        _end(request, machine)
        helpers.MACHINES.remove(machine)


@pytest.fixture
def unraisable(monkeypatch):
    """What reached sys.unraisablehook: a list of (exception, message, repr of the object)."""
    seen = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda args: seen.append((args.exc_value, args.err_msg or "", repr(args.object)))
    )
    return seen
