"""The pytest plugin and the Hypothesis strategy of bottomhalf.testing, each driven through the tool itself."""

from __future__ import annotations

import importlib.metadata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bottomhalf as bh
from bottomhalf import testing

PLUGIN = ("-p", "no:bottomhalf", "-p", "_bottomhalf_pytest", "-p", "no:cacheprovider")


@pytest.fixture
def run(pytester):
    """run(source, *options): pytest on a file with that source, with the plugin loaded; its result."""

    def run(source, *options):
        pytester.makepyfile("import pytest\nimport bottomhalf as bh\n" + source)
        pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
        return pytester.runpytest_inprocess(*PLUGIN, *options)

    return run


def test_the_fixture_is_a_simulated_machine_current_inside_the_test(run):
    """Simulated, current, named after the test, with virtual time; halted afterwards."""
    run(
        """
machines = []

def test_one(machine):
    machines.append(machine)
    assert machine.simulated and bh.current_machine() is machine
    assert (machine.cpus, machine.hz, machine.name) == (4, 1000, "test_one")
    later = bh.DelayedWork(lambda w: None)
    later.schedule(3600.0)
    machine.run()
    assert machine.now >= 3600

def test_two(machine):
    assert machines[0].halted and machines[0] is not machine and machine.now == 0
"""
    ).assert_outcomes(passed=2)


def test_the_marker_sets_the_machine_up(run):
    """cpus, hz, seed, schedule, preempt and max_steps; the closest marker wins, option by option."""
    run(
        """
pytestmark = pytest.mark.machine(cpus=3, hz=100, seed=7)

def test_module(machine):
    import random
    assert (machine.cpus, machine.hz) == (3, 100)
    assert machine.random.random() == random.Random(7).random()

@pytest.mark.machine(cpus=1, preempt="voluntary", schedule=bh.schedules.Random(3))
def test_function(machine):
    assert (machine.cpus, machine.hz) == (1, 100)

@pytest.mark.machine(max_steps=50)
def test_budget(machine):
    def again(work):
        work.schedule()
    bh.Work(again).schedule()
    with pytest.raises(bh.BudgetExceeded):
        machine.run()
    machine.halt("cancel")
"""
    ).assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("marker", "message"),
    [("cpus=0", "*cpus=0 is out of range*"), ("cpu=2", "*no cpu=; allowed are cpus*"), ("4", "*by keyword*")],
)
def test_bad_options_are_errors(run, marker, message):
    """Of an option that does not exist or is out of range the message says what is allowed."""
    result = run(f"@pytest.mark.machine({marker})\ndef test_it(machine): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_an_exception_in_a_handler_fails_the_test(run):
    """The first one is the failure, shown where it was raised; the test needs no assertion."""
    result = run(
        """
def handler(work):
    raise LookupError("the first" if work.name == "one" else "the second")

def test_it(machine):
    for name in ("one", "two"):
        work = bh.Work(handler, name=name)
        work.schedule()
        work.flush()
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*def handler(work):*", ">*raise LookupError*", "E*LookupError: the first*"])
    result.stdout.no_fnmatch_line("*LookupError: the second*")


def test_it_comes_before_what_the_test_made_of_it(run):
    """An assertion that fails because a handler failed is shown too, as its company."""
    result = run(
        """
def handler(work):
    raise LookupError("the cause")

def test_it(machine):
    work = bh.Work(handler)
    work.schedule()
    work.flush()
    assert False, "the consequence"
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the consequence*", "*During handling*", "*LookupError: the cause*"])
    result.stdout.fnmatch_lines(["FAILED*LookupErr*"])


def test_an_expected_exception_is_taken_out(run):
    """machine.errors is the list; what the test takes out of it was expected."""
    run(
        """
def test_it(machine):
    def handler(work):
        raise LookupError
    work = bh.Work(handler)
    work.schedule()
    work.flush()
    (source, error), = machine.errors
    assert source is work and error is work.exception
    machine.errors.clear()
"""
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("leak", "named"),
    [
        ("bh.Work(lambda w: None, name='lost').schedule()", "*left pending work*pending lost*"),
        ("bh.DelayedWork(lambda w: None, name='armed').schedule(60.0)", "*left pending work*cancelled delayed armed*"),
        ("bh.Timer(lambda t: None).mod(60.0)", "*left pending work*1 armed timer*"),
        (
            "gate = bh.Completion(); bh.Work(lambda w: gate.wait(), name='stuck').schedule(); machine.sleep(1)",
            "*left pending work*running: stuck*wait_for_completion*",
        ),
        ("bh.Tasklet(lambda t: None).schedule()", "*left pending work*softirq*"),
    ],
    ids=["queued", "delayed", "timer", "running", "tasklet"],
)
def test_leaks_fail_the_test(run, leak, named):
    """What is left queued, armed or running is named, and what to do about it."""
    result = run(f"def test_it(machine):\n    {leak}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([named])


def test_a_failed_test_is_not_blamed_for_leaks(run):
    """A test that fails does not come to its cleaning up: only its own failure is shown."""
    result = run("def test_it(machine):\n    bh.Work(lambda w: None).schedule()\n    assert 1 == 2\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*assert 1 == 2"])
    result.stdout.no_fnmatch_line("*left pending*")


@pytest.mark.parametrize("call", ["pytest.skip('no')", "pytest.xfail('no')"])
def test_skipped_is_not_failed(run, call):
    """pytest's own outcomes pass through."""
    outcome = {"skipped": 1} if "skip" in call else {"xfailed": 1}
    run(f"def test_it(machine):\n    {call}\n").assert_outcomes(**outcome)


def test_log_and_trace_in_the_report(run):
    """A failed test shows log and trace; a passed one, where asked for, its log alone."""
    source = """
from bottomhalf.linux import pr_info

def test_it(machine):
    pr_info("hello from the machine\\n")
    work = bh.Work(lambda w: None)
    work.schedule()
    work.flush()
    assert {}
"""
    failed = run(source.format("False"))
    failed.stdout.fnmatch_lines(["*bottomhalf log*", "*hello from the machine", "*bottomhalf trace*"])
    failed.stdout.fnmatch_lines(["*workqueue_execute_start*"])
    failed.stdout.no_fnmatch_line("*timer_init*")  # of the boot, before the test
    failed.stdout.no_fnmatch_line("*bottomhalf schedule*")
    passed = run(source.format("True"), "-rP")
    passed.assert_outcomes(passed=1)
    passed.stdout.fnmatch_lines(["*bottomhalf log*", "*hello from the machine"])
    passed.stdout.no_fnmatch_line("*bottomhalf trace*")


def test_a_failure_under_another_schedule_can_be_repeated(run):
    """The report says how, and the same interleaving comes again."""
    source = """
@pytest.mark.machine(cpus=2, schedule={})
def test_it(machine):
    order = []
    works = [bh.Work(lambda w, n=n: (bh.cond_resched(), order.append(n))) for n in range(8)]
    for n, work in enumerate(works):
        work.schedule(cpu=n % 2)
    machine.run()
    assert not order, order
"""
    first = run(source.format("bh.schedules.Random(5)"))
    first.assert_outcomes(failed=1)
    (line,) = [line for line in first.outlines if line.startswith("the same again")]
    replay = line.split("schedule=bottomhalf.")[1].removesuffix(")")
    again = run(source.format(f"bh.{replay}"))
    (before,), (after,) = [
        [line for line in result.outlines if line.startswith("E") and "AssertionError" in line]
        for result in (first, again)
    ]
    assert before == after
    plain = run(source.format("None"))
    assert before not in plain.outlines


def test_nothing_is_imported_before_it_is_needed(pytester):
    """The plugin is in every pytest run: it imports the package only for a test with the fixture."""
    pytester.makepyfile("import sys\ndef test_it():\n    assert 'bottomhalf' not in sys.modules\n")
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)
    pytester.runpytest_subprocess(*PLUGIN, "--markers").stdout.fnmatch_lines(["@pytest.mark.machine(*, cpus=4, *"])


def test_the_entry_point():
    """An installed bottomhalf brings its plugin along."""
    try:
        distribution = importlib.metadata.distribution("bottomhalf")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("bottomhalf is not installed here but on the path")
    (entry,) = distribution.entry_points.select(group="pytest11")
    assert (entry.name, entry.value) == ("bottomhalf", "_bottomhalf_pytest")


def lost_update(schedule):
    """Two items add to a counter and may be preempted between reading and writing; what became of it."""
    counter = 0

    def add(_):
        nonlocal counter
        seen = counter
        bh.current_machine().system_wq.queue(other)  # a call into the engine, where an item may lose its CPU
        counter = seen + 1

    other = bh.Work(lambda _: None)
    with bh.Machine(cpus=2, simulated=True, schedule=schedule) as machine:
        works = [bh.Work(add), bh.Work(add)]
        for cpu, work in enumerate(works):
            machine.system_wq.queue(work, cpu=cpu)
        machine.run()
    return counter


class Drawn:
    """Stands for Hypothesis: every draw gives what it was made with."""

    def __init__(self, value):
        self.value = value

    def draw(self, strategy, label=None):
        """The value."""
        return self.value


def test_hypothesis_finds_and_shrinks_an_interleaving():
    """Among drawn schedules there is one that loses an update, and shrunk it has only preemptions that it needs."""
    from hypothesis import find

    found = find(testing.schedules(), lambda schedule: lost_update(schedule) == 1)
    assert isinstance(found, bh.schedules.Hypothesis)
    assert lost_update(bh.schedules.Hypothesis(Drawn(found.points))) == 1
    for point in found.points:
        fewer = [other for other in found.points if other != point]
        assert lost_update(bh.schedules.Hypothesis(Drawn(fewer))) == 2, "a preemption that is not needed"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(testing.schedules(points=2, horizon=10))
def test_the_strategy_keeps_to_its_bounds(schedule):
    """At most so many points, all of them below the horizon, each step once."""
    steps = [step for step, _ in schedule.points]
    assert len(steps) == len(set(steps)) <= 2 and all(0 <= step < 10 for step in steps)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_data_draws_a_schedule_too(data):
    """Inside a test with st.data() the strategy is drawn like any other."""
    assert lost_update(data.draw(testing.schedules(points=1))) in (1, 2)


@pytest.mark.parametrize("options", [{"points": 0}, {"horizon": 0}], ids=str)
def test_bounds_out_of_range(options):
    """Refused when the strategy is made."""
    with pytest.raises(ValueError):
        testing.schedules(**options)
