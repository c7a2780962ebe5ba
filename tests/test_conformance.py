"""Programs of operations whose results a real kernel printed: here they read the same, line by line.

Through the C API, as a kernel module, and through the Python package.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conformance import run, settling
from conformance.face import open_face
from conformance.programs import Program, ProgramError, differences, parse_programs, read_text
from helpers import LONG, needs_compiler

DATA = Path(run.__file__).with_name("data")
CORPORA = sorted(path.name.removesuffix(".txt.gz") for path in DATA.glob("*.txt.gz"))
SAMPLE = 60  # on real threads every that many programs; of the hand-written ones all
C_API = pytest.param(False, id="c", marks=needs_compiler)
PYTHON = pytest.param(True, id="python")


@pytest.fixture(params=[C_API, PYTHON])
def python(request):
    """Whether the face is the Python package, not the C API."""
    return request.param


@pytest.fixture
def face(substrate, python, no_thread_leaks):
    """Runs programs on a machine of the test's substrate."""
    with open_face(simulated=substrate == "simulated", python=python) as face:
        yield face


def corpus(name):
    """The programs of a corpus and, by their numbers, the lines that the kernel printed."""
    recorded = {}
    for line in read_text(DATA / f"{name}.results.gz").splitlines():
        recorded.setdefault(int(line.split()[1]), []).append(line)
    return list(parse_programs(read_text(DATA / f"{name}.txt.gz"))), recorded


def answers(face, *operations):
    """The results of operations, without the words around them; the two of the program's end last."""
    return [line.partition(" -> ")[2] for line in face.run(Program(0, operations))]


def agree(face, programs, recorded):
    """Every program answers as recorded."""
    for program in programs:
        wrong = list(differences(recorded[program.number], face.run(program)))
        assert not wrong, "\n".join(map(str, wrong))
    assert not face.remarks


def test_the_corpora_are_there():
    """A clone has the programs and, for each, what the kernel printed."""
    assert CORPORA == ["basics", "cross", "dense", "home", "smoke", "ucpu"]
    for name in CORPORA:
        programs, recorded = corpus(name)
        assert [program.number for program in programs] == list(recorded) and programs


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize("cpus", [2, 4])
@needs_compiler
def test_all_programs_in_virtual_time(name, cpus, no_thread_leaks):
    """All programs of all corpora, with the numbers of CPUs that they were recorded with."""
    with open_face(simulated=True, cpus=cpus) as face:
        agree(face, *corpus(name))


@pytest.mark.parametrize("name", CORPORA)
def test_all_programs_in_python(name, no_thread_leaks):
    """The Python package gives the same answers."""
    with open_face(simulated=True, python=True) as face:
        agree(face, *corpus(name))


@pytest.mark.parametrize("name", CORPORA)
def test_some_programs_on_real_threads(name, python, no_thread_leaks):
    """A sample of the programs, the same whenever it runs."""
    programs, recorded = corpus(name)
    with open_face(simulated=False, python=python) as face:
        agree(face, programs if name == "basics" else programs[::SAMPLE], recorded)


# --- operations that cannot be done ----------------------------------------------------------------------------------

OBJECTS = ("alloc_workqueue 0 0 0", "init_work 0", "init_delayed_work 1", "tasklet_init 0", "timer_setup 0")
REFUSED = [
    *("queue_work 1 0", "queue_work 0 2", "queue_work 0", "queue_work_on 9 0 0", "queue_work_on x 0 0"),
    *("queue_delayed_work 0 0 8", "queue_delayed_work 0 1 -8", "mod_delayed_work 0 1", "mod_delayed_work_on 0 0 0 8"),
    *("cancel_work 1", "cancel_delayed_work 0", "cancel_work_sync 1", "flush_delayed_work 0", "disable_work 1"),
    *("disable_delayed_work_sync 0", "enable_work 0", "enable_delayed_work 1", "dwork_timer_pending 0"),
    *("flush_workqueue 5", "drain_workqueue 6", "destroy_workqueue zero", "work_busy 3", "open 9", "close"),
    *("alloc_workqueue 0 0 0", "alloc_workqueue 6 0 0", "alloc_workqueue 1 0", "alloc_workqueue 1 UNSOUND 0"),
    *("alloc_workqueue 1 0 many", "alloc_ordered_workqueue 1", "init_work 0", "init_work 10", "init_delayed_work 0"),
    *("init_work 2 gate=yes", "init_work 2 grate=1", "init_work 2 gate", "init_work x", "timer_setup 1 rearm="),
    *("tasklet_init 0", "tasklet_init 4", "tasklet_schedule 1", "tasklet_enable 0", "tasklet_state"),
    *("timer_setup 0", "timer_setup 4", "mod_timer 1 8", "mod_timer 0", "del_timer 3", "timer_pending x"),
    *("bh_on", "msleep -1", "async 0", "async 4 flush_work 0", "poll 0", "join 0", "ctx w 7", "ctx x 0", "ctx w"),
]


def test_einval(face):
    """A missing object, one of the wrong kind, bad arguments: EINVAL, and nothing happened."""
    results = answers(face, *OBJECTS, *REFUSED)
    assert results[: len(OBJECTS)] == ["ok"] * len(OBJECTS)
    assert dict(zip(REFUSED, results[len(OBJECTS) : -2], strict=True)) == dict.fromkeys(REFUSED, "EINVAL")
    assert results[-2:] == ["-", "w0=0/0/0 w1=0/0/0 t0=0/0 m0=0/0"]


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        ("queue_rcu_work 0 0", "ENOSYS"),
        ("run", "ENOSYS"),  # a method of the interpreter is no operation
        ("alloc_workqueue 0 BH|UNBOUND 0", "null"),
        ("alloc_workqueue 0 BH 1", "null"),
        ("counters", "-"),
        ("log", "-"),
        ("open_all", "ok"),
    ],
)
def test_alone(face, operation, result):
    """What operations answer that no recorded program has, or not alone."""
    assert answers(face, operation)[0] == result


def test_async_refuses_what_does_not_block(face):
    """Only operations that may block run in a task of their own."""
    results = answers(face, "init_work 0", "async 0 queue_work 0 0", "settle", "poll 0", "join 0", "poll 0")
    assert results[1:-2] == ["started", "ok", "done:EINVAL", "EINVAL", "EINVAL"]


def test_sections_do_not_nest_and_end_with_the_program(face):
    """bh_off in a section is EINVAL; a program's end closes it."""
    results = answers(face, "tasklet_init 0", "bh_off", "bh_off", "tasklet_schedule 0", "counters")
    assert results == ["ok", "ok", "EINVAL", "ok", "t0=0/0", "T0:t0", "t0=1/0"]


def test_sleeping_handlers(face):
    """settle waits for handlers that sleep, msleep for nobody."""
    setup = ("alloc_workqueue 0 UNBOUND 0", "init_work 3 sleep=4 requeue=1", "queue_work 0 3")
    assert answers(face, *setup, "msleep 1", "settle", "counters", "ctx w 3")[3:] == [
        *("ok", "ok", "w3=2/2/1", "task=1 softirq=0 serving=0 hardirq=0 wqworker=1 cpu=*"),
        *("U:w3,w3", "w3=2/2/1"),
    ]


def test_a_kick_that_finds_nothing(face):
    """A tasklet that is to queue what does not exist runs all the same."""
    results = answers(face, "tasklet_init 0 kickq=0 kickw=0", "tasklet_schedule 0", "settle", "counters")
    assert results[-3:] == ["t0=1/0", "T0:t0", "t0=1/0"]


@pytest.mark.parametrize("flags", ["0", "HIGHPRI", "UNBOUND|HIGHPRI"])
@pytest.mark.simulated("on real threads the handler may be over before its flusher begins to wait, as on Linux")
def test_flushing_an_armed_item_waits(face, flags):
    """Whatever the level of the worker that it wakes: on Linux nearly always."""
    armed = (f"alloc_workqueue 0 {flags} 0", "init_delayed_work 0", "queue_delayed_work 0 0 9000000", "settle")
    assert answers(face, *armed, "async 0 flush_delayed_work 0", "settle", "join 0", "log")[-4:-2] == [
        "1",
        {"0": "B0:w0", "HIGHPRI": "H0:w0"}.get(flags, "U:w0"),
    ]


@pytest.mark.simulated("20 s pass until a call counts as hung")
def test_a_call_that_hangs(face):
    """It is named, and the next program has a machine again."""
    held = ("alloc_workqueue 0 0 0", "alloc_workqueue 1 0 0", "init_work 0 gate=1", "queue_work 0 0", "settle")
    lines = face.run(Program(7, (*held, "close 0", "async 1 flush_work 0", "join 1", "poll 1")))
    assert lines[-5:-2] == ["PROG 7 OP 6 async 1 flush_work 0 -> started", "PROG 7 OP 7 join 1 -> STUCK"] + lines[-3:-2]
    assert answers(face, "init_work 0") == ["ok", "-", "w0=0/0/0"]


@pytest.mark.simulated("a minute passes until the call counts as hung, at the end of the program, too")
def test_a_call_that_hangs_beyond_the_end(face):
    """The program's results end with it, and the next program has a machine again."""
    hung = ("alloc_workqueue 0 0 0", "init_work 0 sleep=90000", "queue_work 0 0", "async 3 flush_work 0", "join 3")
    assert face.run(Program(8, hung))[-2:] == ["PROG 8 OP 4 join 3 -> STUCK", "PROG 8 ASYNC 3 STUCK"]
    assert answers(face, "init_work 0") == ["ok", "-", "w0=0/0/0"]


def test_no_rest(monkeypatch, capsys, python, no_thread_leaks):
    """A host machine that never rests: settle answers TIMEOUT, and the reason is told."""
    monkeypatch.setattr(settling, "PATIENCE", 0)
    monkeypatch.setattr(settling, "PATIENT_LOOKS", 10)
    with open_face(simulated=False, python=python) as face:
        results = answers(face, "alloc_workqueue 0 0 0", "init_work 0 sleep=2000", "queue_work 0 0", "settle")
    assert results[3] == "TIMEOUT"
    assert "goes on" in capsys.readouterr().err


# --- files and the command -------------------------------------------------------------------------------------------


def test_parsing():
    """Comments, empty lines and blanks around a line count for nothing; an operation is kept as it was written."""
    text = "# head\n\nPROG 3\n  init_work 0  gate=1 \n# in between\nsettle\nEND\nPROG 4\nEND\n"
    assert list(parse_programs(text)) == [Program(3, ("init_work 0  gate=1", "settle")), Program(4, ())]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("settle\n", "line 1: 'settle' stands outside of a program"),
        ("PROG 0\nEND\nEND\n", "line 3: 'END' stands outside"),
        ("PROG 0\nPROG 1\n", "line 2: 'PROG 1' before the END of program 0"),
        ("\nPROG\nEND\n", "line 2: 'PROG': PROG takes one number"),
        ("PROG one\nEND\n", "PROG takes one number"),
        ("PROG 5\nsettle\n", "program 5 has no END"),
    ],
)
def test_a_file_of_something_else(text, message, tmp_path, capsys):
    """The line that is wrong is named, by the parser and by the command."""
    with pytest.raises(ProgramError, match=message):
        list(parse_programs(text))
    path = tmp_path / "programs.txt"
    path.write_text(text)
    assert run.main([str(path)]) == 2
    assert message in capsys.readouterr().err


def test_no_such_file(capsys):
    """The command names it."""
    assert run.main(["nowhere.txt.gz"]) == 2
    assert "nowhere.txt.gz" in capsys.readouterr().err


def test_too_few_cpus(capsys):
    """Programs name CPU 1."""
    with pytest.raises(SystemExit, match="2"):
        run.main([str(DATA / "basics.txt.gz"), "--cpus", "1"])
    assert "--cpus 1" in capsys.readouterr().err
    with pytest.raises(ValueError, match="cpus=1"):
        open_face(simulated=True, cpus=1)


def test_the_command(python):
    """Run as a file it prints what was recorded, byte for byte."""
    command = [sys.executable, run.__file__, DATA / "basics.txt.gz", *(["--python"] if python else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=4 * LONG)
    assert (done.returncode, done.stdout) == (0, read_text(DATA / "basics.results.gz")), done.stderr


def test_no_compiler(monkeypatch, capsys, no_thread_leaks):
    """The C API needs one: the command says so, and what does without."""
    monkeypatch.setenv("CC", "no-such-compiler")
    assert run.main([str(DATA / "basics.txt.gz")]) == 2
    told = capsys.readouterr().err
    assert "no-such-compiler" in told and "--python does without a C compiler" in told


@needs_compiler
def test_speed_and_remarks(monkeypatch, capsys, tmp_path, no_thread_leaks):
    """--speed tells the rate, and what the kernel's log said is told, too; neither is among the results."""
    path = tmp_path / "programs.txt"
    path.write_text("PROG 6\nalloc_workqueue 0 BH 1\nEND\n")
    assert run.main([str(path), "--speed"]) == 0
    out, err = capsys.readouterr()
    assert out == "PROG 6 OP 0 alloc_workqueue 0 BH 1 -> null\nPROG 6 END log -> -\nPROG 6 END counters -> -\n"
    assert "run.py: program 6: ------------[ cut here ]" in err and "programs a second" in err


def shown(capsys, tmp_path, change):
    """What the command says about results that were changed; its status."""
    recorded = read_text(DATA / "basics.results.gz").splitlines()
    change(recorded)
    path = tmp_path / "other.results"
    path.write_text("\n".join(recorded) + "\n")
    status = run.main([str(DATA / "basics.txt.gz"), "--python", "--compare", str(path)])
    return status, capsys.readouterr().out


def test_no_difference(capsys, tmp_path, no_thread_leaks):
    """Compared with the recorded results, the command says that all is well."""
    assert shown(capsys, tmp_path, lambda lines: None) == (0, "263 lines, no difference\n")


def test_a_difference_is_reported(capsys, tmp_path, no_thread_leaks):
    """A wrong result is shown beside the recorded one, and the status tells."""

    def change(lines):
        assert lines[6] == "PROG 0 OP 6 queue_work 0 1 -> 0"
        lines[6] = "PROG 0 OP 6 queue_work 0 1 -> 1"

    status, out = shown(capsys, tmp_path, change)
    assert status == 1
    assert out == (
        "line 7\n  recorded: PROG 0 OP 6 queue_work 0 1 -> 1\n  here:     PROG 0 OP 6 queue_work 0 1 -> 0\n"
        "1 of 263 lines differ\n"
    )


def test_a_missing_line_is_a_difference(capsys, tmp_path, no_thread_leaks):
    """So are results that end too early."""
    status, out = shown(capsys, tmp_path, lambda lines: lines.pop())
    assert status == 1 and "recorded: (nothing)" in out
