"""Planted bugs: each is found, replayed every time, and gone in its corrected twin.

A program of `corpus/` has ``buggy(machine)`` and ``fixed(machine)``, the arguments for explore() that it needs
(``EXPLORE``), the kind of failure (``FAILURE``), and ``HIDDEN = False`` where a plain run tells already. A twin is
held against 10,000 schedules, or as many as a few seconds allow, which on a busy machine are fewer; with
BOTTOMHALF_ALL_SCHEDULES=1 in the environment it is always all of them.
"""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path

import pytest

import bottomhalf as bh

NAMES = sorted(path.stem for path in (Path(__file__).parent / "corpus").glob("*.py"))
ALL = os.environ.get("BOTTOMHALF_ALL_SCHEDULES", "0") not in ("", "0")
SCHEDULES, CHUNK = 10_000, 1_000
PATIENCE = 3.0  # seconds for one twin, unless all of its schedules are wanted; arbitrary

pytestmark = pytest.mark.watchdog(600)


@pytest.fixture(params=NAMES)
def program(request):
    """A module of the corpus."""
    return importlib.import_module(f"corpus.{request.param}")


def _failure(program, replay):
    with pytest.raises(BaseException) as caught:
        bh.replay(program.buggy, replay)
    return type(caught.value), str(caught.value)


def test_the_corpus_is_where_this_file_looks():
    """At least the twelve that were asked for."""
    assert len(NAMES) >= 12


def test_each_program_tells_what_it_is_about(program):
    """A sentence on the bug, and one on the cure."""
    assert "Kernel cure:" in program.__doc__


def test_the_bug_hides_from_an_ordinary_run(program):
    """First in, first out, as a plain test would run it, it passes: the search is what finds it."""
    report = bh.explore(program.buggy, strategy=bh.schedules.Fifo(), schedules=1)
    assert report.failed is not getattr(program, "HIDDEN", True), str(report)


def test_the_bug_is_found_and_replayed(program):
    """Within 1,000 schedules, and then 100 times out of 100 with the same failure."""
    report = bh.explore(program.buggy, schedules=1_000, **program.EXPLORE)
    assert report.failed, f"{program.__name__}: not found in {report.schedules} schedules"
    assert isinstance(report.failure, program.FAILURE), str(report)
    expected = type(report.failure), str(report.failure)
    assert {_failure(program, report.replay) for _ in range(100)} == {expected}


def test_the_twin_passes(program):
    """The cure holds under every schedule that is tried."""
    deadline = time.monotonic() + PATIENCE
    for chunk in range(SCHEDULES // CHUNK):
        report = bh.explore(program.fixed, schedules=CHUNK, seed=chunk, **program.EXPLORE)
        assert not report.failed, str(report)
        assert report.schedules == CHUNK
        if not ALL and time.monotonic() > deadline:
            break
