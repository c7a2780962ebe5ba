"""The pytest plugin of bottomhalf: the fixture and the marker ``machine``. See ``bottomhalf.testing``.

pytest loads it into every run, so it lives beside the package: nothing of bottomhalf is imported before a test asks for
the fixture.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest

_RUN: pytest.StashKey[Any] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line(
        "markers",
        "machine(*, cpus=4, hz=1000, seed=None, schedule=None, preempt='full', max_steps=None): "
        "of the simulated machine that the fixture `machine` boots for this test",
    )


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A simulated bottomhalf machine, current inside the test and halted at its end.

    ``@pytest.mark.machine(cpus=2, ...)`` sets its options. The test fails on the first exception that left a handler
    and on work that it leaves queued, running or armed.
    """
    options: dict[str, Any] = {}
    for marker in request.node.iter_markers("machine"):
        if marker.args:
            raise pytest.UsageError("@pytest.mark.machine takes its options by keyword: @pytest.mark.machine(cpus=2)")
        options = {**marker.kwargs, **options}

    from bottomhalf import testing

    run = testing._Run(request.node.name, options)
    request.node.stash[_RUN] = run
    yield run.machine
    run.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """What the machine has to say about the test is part of the test."""
    __tracebackhide__ = True
    try:
        result = yield
    except (KeyboardInterrupt, pytest.skip.Exception, pytest.xfail.Exception):
        raise
    except BaseException as error:
        run = item.stash.get(_RUN, None)
        first = run.check(failed=True) if run is not None else None
        if first is None or first is error:
            raise
        raise first  # noqa: B904  (the test's own comes with it, as its context)
    run = item.stash.get(_RUN, None)
    first = run.check(failed=False) if run is not None else None
    if first is not None:
        raise first
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The machine's log in every report, its trace in that of a failure."""
    report = yield
    run = item.stash.get(_RUN, None)
    if run is not None and call.when == "call":
        report.sections.extend(run.sections(report.failed))
    return report
