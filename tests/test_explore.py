"""explore(), replay() and the schedules: what is found, how it is told, and that it can be repeated anywhere."""

from __future__ import annotations

import gc
import json
import random
import re
import sys
import textwrap
import threading

import pytest
from helpers import TESTS, python

import bottomhalf as bh
from bottomhalf import schedules


def check_then_act(machine):
    """Two tasks look and then act; both may have looked before one has acted."""
    taken = bh.Completion()
    owners = []

    def take(name):
        if not taken.done:
            taken.complete_all()
            owners.append(name)

    tasks = [machine.spawn(take, name, cpu=cpu) for cpu, name in enumerate("ab")]
    for task in tasks:
        task.join()
    if owners not in (["a"], ["b"]):
        raise AssertionError(f"taken by {' and '.join(sorted(owners))}")


def harmless(machine):
    """Two items that have nothing to do with each other."""
    for cpu in range(2):
        machine.system_wq.queue(bh.Work(lambda work: None), cpu=cpu)


def lost_update(machine):
    """Plain Python, without a call into the engine between read and write, on two lines."""
    counter = 0

    def increment(work):
        nonlocal counter
        value = counter
        counter = value + 1

    _on_both_cpus(machine, increment)
    assert counter == 2


def lost_update_on_a_line(machine):
    """The same on one line."""
    counter = 0

    def increment(work):
        nonlocal counter
        counter = counter + 1

    _on_both_cpus(machine, increment)
    assert counter == 2


def _on_both_cpus(machine, handler):
    works = [bh.Work(handler) for _ in range(2)]
    for cpu, work in enumerate(works):
        machine.system_wq.queue(work, cpu=cpu)
    for work in works:
        work.flush()


@pytest.fixture(scope="module")
def found():
    """The report on check_then_act."""
    report = bh.explore(check_then_act)
    assert report.failed
    return report


def replayed(program, replay, **options):
    """The failure that a replay ends with."""
    with pytest.raises(BaseException) as caught:
        bh.replay(program, replay, **options)
    return caught.value


# --- the report ------------------------------------------------------------------------------------------------------


def test_a_report_of_what_passed():
    """Nothing failed, and that is what it says."""
    report = bh.explore(harmless, schedules=50)
    assert (report.failed, report.failures, report.schedules) == (False, 0, 50)
    assert report.failure is None and report.replay is None
    assert report.check() is None
    assert str(report) == "50 schedules: no failure"
    assert "50 schedules passed" in repr(report)


def test_a_report_of_what_failed(found):
    """The search stopped at the first failure, and the report has it."""
    assert (found.failed, found.failures) == (True, 1)
    assert 1 < found.schedules < 1000
    assert type(found.failure) is AssertionError and str(found.failure).startswith("taken by ")
    assert found.replay.startswith("bh1:2:1000:")
    assert f"1 of {found.schedules} failed" in repr(found)


def test_the_text_of_a_report(found):
    """Columns with a reason for every switch, the traceback into the program, and the call that runs it again."""
    text = str(found)
    assert text.startswith(f"1 of {found.schedules} schedules failed; the first with ")
    head = next(line for line in text.splitlines() if "CPU 0" in line)
    columns = [head.index("time"), head.index("CPU 0"), head.index("CPU 1")]
    assert columns == sorted(columns)
    rows = [line for line in text.splitlines() if re.match(r" +\d+\.\d{6}  ", line)]
    shown = [event for event in found.trace if event.name not in ("timer_init", "workqueue_activate_work")]
    for event, row in zip(shown, rows, strict=True):
        # What happened on CPU 1 stands in its column, what happened on CPU 0 to the left of it.
        assert bool(row[head.index("CPU 0") : head.index("CPU 1")].strip()) == (event.cpu == 0), row
        if event.name == "sched_switch":
            assert re.search(r"==> \S+ \([a-z-]+\)$", row), row
    assert "Traceback (most recent call last):" in text
    assert "in check_then_act\n" in text and 'raise AssertionError(f"taken by' in text
    assert f"bottomhalf.replay(check_then_act, {found.replay!r})" in text


def test_check_raises_with_the_report_in_the_text(found):
    """What a test runner shows has all that is needed."""
    with pytest.raises(AssertionError) as caught:
        found.check()
    assert caught.value is found.failure
    shown = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert "CPU 1" in shown and found.replay in shown


def test_a_report_is_not_made_by_hand():
    """Its text comes from a run."""
    with pytest.raises(TypeError):
        bh.Report()


def test_all_failures_are_counted_on_request():
    """keep_going: all schedules are run; the first failure is the one that is kept."""
    first = bh.explore(check_then_act, schedules=200, seed=3)
    all_of_them = bh.explore(check_then_act, schedules=200, seed=3, keep_going=True)
    assert first.failures == 1 < all_of_them.failures < all_of_them.schedules == 200
    assert first.schedules < 200
    assert all_of_them.replay == first.replay
    assert f"{all_of_them.failures} of 200 schedules failed" in str(all_of_them)


def test_long_reports_are_cut():
    """The end is what matters; report.trace has everything."""

    def program(machine):
        for _ in range(100):
            work = bh.Work(lambda work: None)
            work.schedule()
            work.flush()
        raise ValueError("after a hundred items")

    report = bh.explore(program, schedules=1)
    assert "earlier events; report.trace has all" in str(report)
    assert len(str(report).splitlines()) < len(report.trace)


# --- the program -----------------------------------------------------------------------------------------------------


def test_the_program_gets_a_machine_of_its_own_each_time():
    """Fresh, current, simulated, with the CPUs and options that were asked for, and halted afterwards."""
    machines = []

    def program(machine):
        assert bh.current_machine() is machine and machine.simulated
        assert (machine.cpus, machine.hz, machine.now_ns) == (3, 250, 0)
        machines.append(machine)
        bh.sleep(1.0)

    report = bh.explore(program, schedules=20, cpus=3, hz=250)
    report.check()
    assert len({id(machine) for machine in machines}) == 20
    assert all(machine.halted for machine in machines)


def test_random_numbers_of_the_machine_are_the_same_in_every_run():
    """m.random is fed by seed=, so it is no source of differences."""
    drawn = set()
    bh.explore(lambda machine: drawn.add(machine.random.random()), schedules=10, seed=7).check()
    assert drawn == {random.Random(7).random()}


def test_what_is_left_queued_is_run():
    """The machine is drained after the program: its items' failures count."""

    def program(machine):
        def late(work):
            raise LookupError("late")

        bh.DelayedWork(late).schedule(5.0)

    report = bh.explore(program, schedules=5)
    assert isinstance(report.failure, LookupError)
    assert [entry.name for entry in _frames(report.failure)][-1] == "late"


def _frames(error):
    import traceback

    return traceback.extract_tb(error.__traceback__)


def test_the_first_exception_of_a_handler_is_the_failure():
    """It came before whatever the program made of it, and it reaches no unraisable hook."""

    def program(machine):
        def bad(work):
            raise LookupError("in the handler")

        work = bh.Work(bad)
        work.schedule()
        work.flush()
        assert work.exception is None, "the consequence"

    report = bh.explore(program, schedules=1)
    assert isinstance(report.failure, LookupError)
    assert isinstance(replayed(program, report.replay), LookupError)


def test_a_program_that_swallows_its_handlers_failure_fails():
    """Nobody looked at the item's exception; explore() does."""

    def program(machine):
        work = bh.Work(lambda work: 1 // 0)
        work.schedule()
        work.flush()

    assert isinstance(bh.explore(program, schedules=1).failure, ZeroDivisionError)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_interrupts_end_the_exploration(kind):
    """Ctrl-C in a handler or in the program is no failure of a schedule: it is raised here."""
    runs = []

    def in_a_handler(machine):
        def handler(work):
            runs.append(True)
            raise kind

        work = bh.Work(handler)
        work.schedule()
        work.flush()

    def in_the_program(machine):
        runs.append(True)
        raise kind

    for program in (in_a_handler, in_the_program):
        with pytest.raises(kind):
            bh.explore(program)
    assert len(runs) == 2


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_interrupts_in_a_handler_reach_the_booter(kind):
    """Outside of explore() too."""

    def handler(work):
        raise kind

    work = bh.Work(handler)
    with bh.Machine(simulated=True):
        work.schedule()
        with pytest.raises(kind):
            bh.sleep(1.0)


# --- deadlocks and budgets -------------------------------------------------------------------------------------------


def test_a_deadlock_names_who_waits_for_what():
    """Everybody waits: tasks with their names, and what they sleep in."""

    def program(machine):
        first, second = bh.Completion(), bh.Completion()

        def wait_for_the_other(mine, others):
            others.wait()
            mine.complete()

        tasks = [
            machine.spawn(wait_for_the_other, first, second, name="left"),
            machine.spawn(wait_for_the_other, second, first, name="right"),
        ]
        for task in tasks:
            task.join()

    report = bh.explore(program)
    assert isinstance(report.failure, bh.DeadlockError) and report.schedules == 1
    for who in ("init", "left", "right", "wait_for_completion"):
        assert who in str(report.failure)
    assert str(replayed(program, report.replay)) == str(report.failure)


def test_an_item_that_never_ends_is_a_deadlock():
    """The program has returned, and an item still waits."""

    def program(machine):
        bh.Work(lambda work: bh.Completion().wait(), name="patient").schedule()

    report = bh.explore(program)
    assert isinstance(report.failure, bh.DeadlockError)
    assert "patient" in str(report.failure)


def test_a_deadlock_is_raised_where_it_happens():
    """Without explore(), the caller that waits gets it, and the machine can be halted."""
    with bh.Machine(simulated=True) as machine:
        with pytest.raises(bh.DeadlockError, match="wait_for_completion"):
            bh.Completion().wait()
        assert bh.submit(lambda: "fine").result() == "fine"
        machine.halt()


@pytest.mark.parametrize("spin", [bh.cond_resched, bh.cpu_relax, lambda: bh.sleep(1e-6)])
def test_a_loop_without_end_exceeds_its_budget(spin):
    """Some step is always possible; max_steps ends it."""

    def program(machine):
        while True:
            spin()

    report = bh.explore(program, max_steps=300)
    assert isinstance(report.failure, bh.BudgetExceeded) and "300 steps" in str(report.failure)
    assert isinstance(replayed(program, report.replay, max_steps=300), bh.BudgetExceeded)


# --- replay ----------------------------------------------------------------------------------------------------------


def test_a_replay_ends_as_the_run_did(found):
    """100 times out of 100; and its report, where it passes, shows the same events."""
    for _ in range(100):
        error = replayed(check_then_act, found.replay)
        assert (type(error), str(error)) == (type(found.failure), str(found.failure))


def test_a_replay_that_passes_returns_a_report(found):
    """The same steps with another judgement: the failure is gone, the schedule is not."""

    def forgiving(machine):
        try:
            check_then_act(machine)
        except AssertionError:
            outcomes.append("failed inside")

    outcomes = []
    report = bh.replay(forgiving, found.replay)
    assert (report.failed, report.schedules, outcomes) == (False, 1, ["failed inside"])
    assert "\n".join(map(str, report.trace)) == "\n".join(map(str, found.trace))


def test_a_replay_in_another_process(found):
    """The string is all that has to be carried over: other addresses, other hash seeds."""
    code = (
        "import bottomhalf as bh, test_explore\n"
        f"try:\n    bh.replay(test_explore.check_then_act, {found.replay!r})\n"
        "except AssertionError as error:\n    print(error)\n"
    )
    for seed in ("1", "2"):
        assert _python_with_hash_seed(code, seed) == f"{found.failure}\n"


def _python_with_hash_seed(code, seed):
    import os
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(TESTS)!r})\n{code}"],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


MANGLED = {
    "quoted in a mail": lambda text: "\n".join("> > " + line for line in textwrap.wrap(text, 30)),
    "wrapped": lambda text: "\n".join(textwrap.wrap(text, 11)),
    "wrapped by Windows": lambda text: "\r\n".join(textwrap.wrap(text, 20)),
    "indented": lambda text: "\n".join("    " + line for line in textwrap.wrap(text, 25)),
    "tabs": lambda text: "\t" + text + "\t\n",
    "between quotation marks": repr,
    "between backticks": lambda text: f"`{text}`",
    "a literal in pieces": lambda text: "\n".join(f"    '{line}'" for line in textwrap.wrap(text, 25)),
}


@pytest.mark.parametrize("mangle", MANGLED)
def test_a_replay_string_survives_being_pasted(found, mangle):
    """Bug reports wrap, quote and indent."""
    mangled = MANGLED[mangle](found.replay)
    assert mangled != found.replay
    assert str(replayed(check_then_act, mangled)) == str(found.failure)


def test_every_damage_to_a_replay_string_is_noticed(found):
    """Any character changed, any piece missing: ValueError, never another run."""
    text = found.replay
    for place, old in enumerate(text):
        for new in "0x:,":
            if new != old:
                with pytest.raises(ValueError, match="replay string"):
                    bh.replay(check_then_act, text[:place] + new + text[place + 1 :])
        with pytest.raises(ValueError, match="replay string"):
            bh.replay(check_then_act, text[:place])
        with pytest.raises(ValueError, match="replay string"):
            bh.replay(check_then_act, text[:place] + text[place + 1 :])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no replay string"),
        ("something else", "no replay string: 'something else'"),
        ("bh2:2:1000:1n:full:engine:0:-:00000000", "format 'bh2'; this version reads 'bh1'"),
    ],
)
def test_what_is_no_replay_string(text, message):
    """It says what it got and what it wants."""
    with pytest.raises(ValueError, match=re.escape(message)):
        bh.replay(check_then_act, text)


def test_a_replay_string_is_a_string():
    """The report is not."""
    with pytest.raises(TypeError, match="a replay string is a str, not Report"):
        bh.replay(check_then_act, bh.explore(check_then_act))


def test_a_changed_program_is_noticed(found):
    """Another number of steps before the recorded ones: which step differs is named."""

    def changed(machine):
        for _ in range(5):
            bh.Work(lambda work: None).schedule()
        check_then_act(machine)

    error = replayed(changed, found.replay)
    assert isinstance(error, bh.ReplayMismatch)
    assert re.search(r"step \d+ ", str(error)) and "the program took another way" in str(error)


def test_a_program_that_ends_too_early_is_noticed(found):
    """The recorded run had more steps."""
    error = replayed(lambda machine: None, found.replay)
    assert isinstance(error, bh.ReplayMismatch)
    assert re.search(r"step \d+ ", str(error))


def test_a_corrected_program_is_another_one():
    """No step is in the string, since the first schedule failed: that nothing fails any more shows at the end."""

    def wrong(machine):
        bh.Work(lambda work: None).schedule()
        raise ValueError("always")

    def right(machine):
        bh.Work(lambda work: None).schedule()
        bh.Work(lambda work: None).schedule()

    report = bh.explore(wrong)
    assert re.fullmatch(r"bh1:2:1000:1n:full:engine:0:\d+e\.[0-9a-f]+:[0-9a-f]{8}", report.replay)
    error = replayed(right, report.replay)
    assert isinstance(error, bh.ReplayMismatch)
    assert re.search(r"step \d+ at the latest; the recorded run failed after \d+ decisions", str(error))
    assert isinstance(replayed(wrong, report.replay), ValueError)


def test_a_program_whose_check_was_wrong_passes():
    """Up to where the recorded run failed it does the same: replay() returns a report."""

    def program(machine):
        bh.Work(lambda work: None).schedule()
        machine.settle()
        assert not wrong

    wrong = True
    text = bh.explore(program).replay
    wrong = False
    report = bh.replay(program, text)
    assert (report.failed, report.schedules, report.replay) == (False, 1, None)


def test_the_string_carries_the_machine():
    """CPUs, HZ, seed, kind of preemption: replay() needs to be told nothing but what only the user knows."""
    seen = []

    def program(machine):
        seen.append((machine.cpus, machine.hz, machine.random.random()))
        works = [bh.Work(lambda work: None) for _ in range(3)]
        for work in works:
            work.schedule()
        raise ValueError("always")

    report = bh.explore(program, cpus=3, hz=250, seed=11, preempt="voluntary", preempt_python="line")
    assert report.replay.startswith("bh1:3:250:1n:voluntary:line:11:")
    seen.clear()
    replayed(program, report.replay)
    assert seen == [(3, 250, random.Random(11).random())]


# --- determinism -----------------------------------------------------------------------------------------------------


def trace_of(schedule):
    """A run with sleeps, timers, tasklets and items on three CPUs as text."""
    with bh.Machine(cpus=3, simulated=True, schedule=schedule, trace=True, name="traced") as machine:
        wq = machine.alloc_workqueue("mixed", max_active=2)
        lock = bh.Mutex()

        def handler(work):
            with lock:
                bh.sleep(0.001)
            tasklet.schedule()

        tasklet = bh.Tasklet(lambda tasklet: None)
        for cpu in range(6):
            wq.queue(bh.Work(handler), cpu=cpu % 3)
        bh.DelayedWork(handler).schedule(0.002)
        machine.run()
        return str(machine.trace())


SCHEDULES = ["Fifo()", "Random(5)", "PCT(3, 5)"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_same_schedule_gives_the_same_trace(schedule):
    """Byte for byte, in this process and in others."""
    make = f"schedules.{schedule}"
    here = trace_of(eval(make))
    assert trace_of(eval(make)) == here and len(here.splitlines()) > 50
    code = f"import test_explore\nfrom bottomhalf import schedules\nprint(test_explore.trace_of({make}))\n"
    assert [_python_with_hash_seed(code, seed) for seed in ("1", "2")] == [here + "\n"] * 2


def test_other_seeds_give_other_traces():
    """Else the test above would say little."""
    assert len({trace_of(schedules.Random(seed)) for seed in range(5)}) > 1
    assert len({trace_of(schedules.PCT(3, seed)) for seed in range(5)}) > 1


def test_an_exploration_is_the_same_every_time():
    """The search itself is a function of its arguments, in every process."""
    report = bh.explore(check_then_act, seed=5)
    code = (
        "import json, bottomhalf as bh, test_explore\n"
        "report = bh.explore(test_explore.check_then_act, seed=5)\n"
        "print(json.dumps([report.schedules, report.replay, str(report)]))\n"
    )
    schedules_there, replay_there, text_there = json.loads(_python_with_hash_seed(code, "3"))
    assert (schedules_there, replay_there) == (report.schedules, report.replay)
    assert text_there.split("Traceback")[0] == str(report).split("Traceback")[0]


def test_what_ran_before_makes_no_difference():
    """Nothing of other machines is in a run: not their number, not their workers."""
    before = bh.explore(check_then_act, seed=9).replay
    for cpus in (1, 3):
        bh.explore(harmless if cpus > 1 else lambda machine: None, cpus=cpus, schedules=5)
    assert bh.explore(check_then_act, seed=9).replay == before


def test_the_audit_finds_randomness():
    """A program that draws its own numbers does not do the same twice; m.random does."""

    def careless(machine):
        for _ in range(random.randrange(1, 1000)):
            bh.Completion().complete()

    def careful(machine):
        for _ in range(machine.random.randrange(1, 10)):
            bh.Completion().complete()

    assert not bh.explore(careless, schedules=5).failed
    report = bh.explore(careless, schedules=20, audit=True)
    assert isinstance(report.failure, bh.ReplayMismatch)
    assert "m.random" in str(report.failure)
    assert not bh.explore(careful, schedules=20, audit=True).failed


def test_the_audit_finds_what_is_left_from_call_to_call():
    """A default argument that remembers."""

    def program(machine, seen=[]):  # noqa: B006
        seen.append(True)
        for _ in seen:
            bh.Completion().complete()

    assert isinstance(bh.explore(program, schedules=3, audit=True).failure, bh.ReplayMismatch)


# --- preemption of Python --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "preempt_python", "finds"),
    [
        (lost_update, None, False),
        (lost_update, "line", True),
        (lost_update, "opcode", True),
        (lost_update_on_a_line, None, False),
        (lost_update_on_a_line, "line", False),
        (lost_update_on_a_line, "opcode", True),
    ],
)
def test_preemption_between_lines_and_opcodes(program, preempt_python, finds):
    """What is found depends on where a task may lose its CPU."""
    report = bh.explore(program, preempt_python=preempt_python)
    assert report.failed is finds
    if finds:
        assert type(replayed(program, report.replay)) is AssertionError


@pytest.mark.parametrize("preempt_python", [None, "line", "opcode"])
def test_a_tracer_of_the_users_is_left_alone(preempt_python):
    """A debugger's or a coverage tool's: after the exploration it is there as before."""

    def tracer(frame, event, argument):
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        bh.explore(lost_update, preempt_python=preempt_python, schedules=3, keep_going=True)
        after = sys.gettrace()
    finally:
        sys.settrace(before)
    assert after is tracer


# --- schedules -------------------------------------------------------------------------------------------------------


def interleavings(steps, strategy, cpus=1, schedules=20_000):
    """Which orders two tasks of so many steps each are seen in, and the report."""
    seen = set()

    def program(machine):
        log = []

        def body(name):
            for _ in range(steps):
                log.append(name)
                done.complete()

        done = bh.Completion()
        tasks = [machine.spawn(body, name, cpu=index % cpus) for index, name in enumerate("ab")]
        for task in tasks:
            task.join()
        seen.add("".join(log))

    return seen, bh.explore(program, strategy=strategy, schedules=schedules, cpus=cpus)


def test_fifo_is_one_run():
    """There is nothing to search, and every run is the same."""
    seen, report = interleavings(2, schedules.Fifo(), schedules=20)
    assert seen == {"aabb"} and not report.failed


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_exhaustive_without_preemptions(steps):
    """One task after the other, in both orders."""
    seen, report = interleavings(steps, schedules.Exhaustive(preemptions=0))
    assert report.exhausted and str(report).endswith("every one there is: no failure")
    assert seen == {"a" * steps + "b" * steps, "b" * steps + "a" * steps}


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        (schedules.Fifo(), "Fifo()"),
        (schedules.Random(4), "Random(4)"),
        (schedules.PCT(2, 4), "PCT(depth=2, seed=4)"),
        (schedules.Exhaustive(1), "Exhaustive(preemptions=1)"),
    ],
)
def test_schedules_say_what_they_are(strategy, text):
    """In reports and in debuggers."""
    assert repr(strategy) == text


@pytest.mark.parametrize("strategy", [schedules.Random(1), schedules.PCT(2, 1), schedules.PCT(3, 1)], ids=repr)
def test_a_strategy_draws_afresh_for_each_run(strategy):
    """One seed is a whole search."""
    report = bh.explore(check_then_act, strategy=strategy, schedules=50, keep_going=True)
    assert 0 < report.failures < report.schedules == 50
    assert str(replayed(check_then_act, report.replay)) == str(report.failure)


def test_a_replay_is_a_schedule_too(found):
    """On a machine booted by hand it does what replay() does."""
    with bh.Machine(cpus=2, simulated=True, schedule=schedules.Replay(found.replay)) as machine:
        with pytest.raises(AssertionError, match=str(found.failure)):
            check_then_act(machine)
        machine.halt("cancel")


def test_hypothesis_draws_schedules_and_shrinks_them():
    """A failure comes down to the fewest preemptions that make it."""
    hypothesis = pytest.importorskip("hypothesis")
    failing = []

    @hypothesis.settings(database=None, derandomize=True, deadline=None, max_examples=500)
    @hypothesis.given(hypothesis.strategies.data())
    def test(data):
        schedule = schedules.Hypothesis(data, points=4, horizon=100)
        with bh.Machine(cpus=2, simulated=True, schedule=schedule) as machine:
            try:
                check_then_act(machine)
            except AssertionError:
                failing.append(schedule.points)
                raise

    with pytest.raises(AssertionError, match="taken by"):
        test()
    assert len(failing[-1]) == min(len(points) for points in failing)
    assert len(failing[-1]) <= 2


# --- arguments -------------------------------------------------------------------------------------------------------

WRONG = {
    "program": (lambda: bh.explore(None), TypeError, "program must be callable, not NoneType"),
    "no schedules": (lambda: bh.explore(harmless, schedules=0), ValueError, "schedules=0 is out of range"),
    "half a schedule": (lambda: bh.explore(harmless, schedules=0.5), TypeError, "schedules must be an int, not float"),
    "seed": (lambda: bh.explore(harmless, seed=-1), ValueError, "seed=-1 is out of range"),
    "seed of a kind": (lambda: bh.explore(harmless, seed="x"), TypeError, "seed must be an int, not str"),
    "max_steps": (lambda: bh.explore(harmless, max_steps=0), ValueError, "max_steps=0 is out of range"),
    "cpus": (lambda: bh.explore(harmless, cpus=0), ValueError, "cpus=0 is out of range"),
    "strategy": (
        lambda: bh.explore(harmless, strategy="pct"),
        TypeError,
        "strategy must be one of bottomhalf.schedules",
    ),
    "abstract": (lambda: bh.explore(harmless, strategy=schedules.Schedule()), TypeError, "is abstract"),
    "preempt_python": (
        lambda: bh.explore(harmless, preempt_python="word"),
        ValueError,
        "preempt_python='word': allowed are None, 'line' and 'opcode'",
    ),
    "preempt": (lambda: bh.explore(harmless, preempt="never"), ValueError, "preempt='never'"),
    "simulated": (lambda: bh.explore(harmless, simulated=False), TypeError, "simulated= is not yours to give"),
    "schedule": (lambda: bh.explore(harmless, schedule=schedules.Fifo()), TypeError, "schedule= is not yours to give"),
    "unknown": (lambda: bh.explore(harmless, colour="red"), TypeError, "colour"),
    "replay's cpus": (lambda: bh.replay(harmless, "bh1"), ValueError, "replay string"),
    "depth": (lambda: schedules.PCT(0), ValueError, "depth=0 is out of range"),
    "depth of a kind": (lambda: schedules.PCT(True), TypeError, "depth must be an int, not bool"),
    "preemptions": (lambda: schedules.Exhaustive(-1), ValueError, "preemptions=-1 is out of range"),
    "random seed": (lambda: schedules.Random("x"), TypeError, "seed must be an int, not str"),
    "replay": (lambda: schedules.Replay("x"), ValueError, "no replay string"),
    "host": (lambda: bh.Machine(schedule=schedules.Fifo()), ValueError, "schedule= needs simulated=True"),
    "voluntary": (lambda: bh.Machine(preempt="voluntary"), ValueError, "preempt='voluntary' needs simulated=True"),
    "detection": (lambda: bh.explore(harmless, detection="sampling"), ValueError, "is for host machines"),
    "machine": (lambda: bh.Machine(simulated=True, schedule=5), TypeError, "schedule must be one of"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments(case):
    """Named, with what is allowed, before anything runs."""
    call, kind, message = WRONG[case]
    with pytest.raises(kind, match=re.escape(message)):
        call()


def test_not_from_a_handler(found):
    """There the handler's machine would be the current one, not the explored one."""
    calls = [lambda: bh.explore(harmless, schedules=1), lambda: bh.replay(check_then_act, found.replay)]
    with bh.Machine(simulated=True) as machine:
        for call in calls:
            assert isinstance(machine.system_wq.submit(call).exception(), bh.BottomHalfError)


def test_within_a_machine_and_within_another_exploration():
    """The caller's machine is untouched; programs may explore programs."""
    with bh.Machine(simulated=True, name="outer") as machine:
        bh.explore(harmless, schedules=3).check()
        assert bh.current_machine() is machine and machine.now == 0.0

    def nested(machine):
        inner = bh.explore(check_then_act)
        assert inner.failed and bh.current_machine() is machine

    bh.explore(nested, schedules=2).check()


def test_in_another_thread_of_python():
    """Each thread may explore; the result is the same as here."""
    reports = []
    threads = [threading.Thread(target=lambda: reports.append(bh.explore(check_then_act, seed=2))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    here = bh.explore(check_then_act, seed=2)
    assert [(report.schedules, report.replay) for report in reports] == [(here.schedules, here.replay)] * 2


def test_machines_outlive_their_threads():
    """A machine in a cycle, such as the one of a failure's traceback, is collected by whichever thread comes to it."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            thread = threading.Thread(target=lambda: bh.explore(check_then_act))
            thread.start()
            thread.join()
            collector = threading.Thread(target=gc.collect)
            collector.start()
            collector.join()
            assert bh.explore(check_then_act).failed
    finally:
        gc.enable()


def test_explore_leaves_nothing_behind():
    """Importing it is cheap: neither hypothesis nor pytest comes with it."""
    done = python(
        "import bottomhalf as bh\n"
        "bh.explore(lambda machine: None, schedules=2)\n"
        "print(sorted({'hypothesis', 'pytest', 'asyncio'} & set(sys.modules)))\n"
    )
    assert done.stdout == "[]\n"


def test_the_example_of_the_readme(capsys):
    """What it prints here is what it is said to print there, as far as that does not depend on the search."""
    text = (TESTS.parent / "README.md").read_text()
    section = text.split("## The laboratory\n")[1].split("\n## ")[0]
    code, said = re.search(r"```python\n(.*?)```\n+```text\n(.*?)```", section, re.DOTALL).groups()
    exec(code, {"bh": bh})
    printed = capsys.readouterr().out
    for kind in (
        r"^1 of \d+ schedules failed",
        r"^AttributeError: .*$",
        r"replay\(unplugged, 'bh1:2:1000:",
    ):
        here, there = re.search(kind, printed, re.MULTILINE), re.search(kind, said, re.MULTILINE)
        assert here and there
    assert re.search(r"^AttributeError.*$", printed, re.MULTILINE)[0] in said
