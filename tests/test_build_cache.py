"""What is kept of compiled C modules from one process to the next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

import pytest
from helpers import needs_compiler

import bottomhalf as bh
from bottomhalf import _build_cache, _kbuild

pytestmark = needs_compiler

MODULE = """
#include <linux/module.h>
#include "mine.h"
static int __init start(void) { int unused = 0; pr_info("%d\\n", ANSWER); return 0; }
static void __exit stop(void) { }
module_init(start);
module_exit(stop);
MODULE_LICENSE("GPL");
"""


@pytest.fixture
def compiles(monkeypatch, tmp_path):
    """The commands that compiled and did not only look at the headers; the cache is an empty one."""
    commands = []
    run = _kbuild._run

    def recorded(command, cwd):
        if "-E" not in command:
            commands.append(command)
        return run(command, cwd)

    monkeypatch.setattr(_kbuild, "_run", recorded)
    monkeypatch.setattr(_kbuild, "_cache", {})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BOTTOMHALF_CACHE", raising=False)
    return commands


@pytest.fixture
def source(tmp_path):
    (tmp_path / "mine.h").write_text("#define ANSWER 42\n")
    (tmp_path / "mine.c").write_text(MODULE)
    return tmp_path / "mine.c"


def build(source, *, new_process=True, **options):
    if new_process:
        _kbuild._cache.clear()
    given = {"name": None, "hz": 1000, "cflags": (), "sanitize": None, "legacy": False, **options}
    return _kbuild.build(source, **given)


def entries(tmp_path):
    place = tmp_path / "cache" / "bottomhalf" / "modules"
    return sorted(place.iterdir()) if place.exists() else []


def test_what_was_built_is_not_built_again_and_warns_again(compiles, source, tmp_path):
    first = build(source)
    second = build(source)
    assert len(compiles) == 1
    assert "unused variable" in first.output
    assert (second.output, second.name) == (first.output, first.name)
    assert second.file != first.file  # of this process, whatever becomes of the cache
    with open(first.file, "rb") as one, open(second.file, "rb") as other:
        assert one.read() == other.read()
    assert len(entries(tmp_path)) == 1


def test_in_one_process_the_compiler_is_not_even_asked(compiles, source, monkeypatch):
    build(source)
    build(source)
    monkeypatch.setattr(_kbuild, "_run", None)
    build(source, new_process=False)


@pytest.mark.parametrize(
    "change",
    [
        {"header": "#define ANSWER 43\n"},
        {"source": MODULE.replace("unused", "unneeded")},
        {"options": {"hz": 250}},
        {"options": {"cflags": "-DMORE"}},
        {"options": {"name": "other"}},
        {"options": {"legacy": True}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_goes_in_is_in_the_key(compiles, source, tmp_path, change):
    build(source)
    (tmp_path / "mine.h").write_text(change.get("header", "#define ANSWER 42\n"))
    source.write_text(change.get("source", MODULE))
    build(source, **change.get("options", {}))
    assert len(compiles) == 2


def test_a_header_that_comes_before_another_one_is_seen(compiles, source, tmp_path):
    for name in ("early", "late"):
        (tmp_path / name).mkdir()
    source.write_text(MODULE.replace('"mine.h"', "<found.h>"))
    (tmp_path / "late" / "found.h").write_text("#define ANSWER 1\n")
    flags = [f"-I{tmp_path}/early", f"-I{tmp_path}/late"]
    build(source, cflags=flags)
    (tmp_path / "early" / "found.h").write_text("#define ANSWER 2\n")
    build(source, cflags=flags)
    assert len(compiles) == 2


@pytest.mark.parametrize("environment", ["BOTTOMHALF_CACHE", "XDG_CACHE_HOME"])
def test_without_a_cache(compiles, source, tmp_path, monkeypatch, environment):
    # Off, and where it would be is a file.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(environment, {"BOTTOMHALF_CACHE": "0", "XDG_CACHE_HOME": str(tmp_path / "file")}[environment])
    build(source)
    build(source)
    assert len(compiles) == 2
    assert entries(tmp_path) == []


def test_flags_that_bring_files_in_are_not_kept(compiles, source, tmp_path):
    (tmp_path / "more.c").write_text("int more;\n")
    build(source, cflags=[str(tmp_path / "more.c")])
    assert entries(tmp_path) == []


def test_a_module_that_does_not_compile_leaves_nothing(compiles, source, tmp_path):
    source.write_text("#include <linux/module.h>\nwrong\n")
    for _ in range(2):
        with pytest.raises(bh.CompileError, match="does not compile"):
            build(source)
    assert entries(tmp_path) == []


@pytest.mark.parametrize("file", ["module.so", "build.json"])
def test_a_damaged_entry_is_built_anew(compiles, source, tmp_path, file):
    build(source)
    (entry,) = entries(tmp_path)
    (entry / file).write_bytes((entry / file).read_bytes()[:-20])
    build(source)
    build(source)
    assert len(compiles) == 2


def test_what_was_not_used_for_longest_goes_first(compiles, source, tmp_path, monkeypatch):
    for hz in (100, 250, 300):
        build(source, hz=hz)
    made = entries(tmp_path)
    size = sum(file.stat().st_size for file in made[0].iterdir())
    monkeypatch.setattr(_build_cache, "_LIMIT", 3 * size + size // 2)
    for age, entry in enumerate(made):
        os.utime(entry, (time.time() - 100 + age,) * 2)
    abandoned = made[0].parent / ".new-abandoned"
    abandoned.mkdir()
    os.utime(abandoned, (1, 1))
    build(source, hz=1000)
    left = entries(tmp_path)
    assert made[0] not in left
    assert made[1] not in left
    assert made[2] in left
    assert len(left) == 2


def test_processes_that_build_the_same_at_once(source, tmp_path):
    program = (
        "import sys, bottomhalf as bh\n"
        "with bh.Machine(simulated=True) as m:\n"
        "    with m.insmod(sys.argv[1]) as module:\n"
        "        print(m.log[0].text, 'unused variable' in module.compiler_output)\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", program, str(source)]
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=100)[0] for process in started] == ["42 True\n"] * 4
    (entry,) = entries(tmp_path)
    assert json.loads((entry / "build.json").read_text())["read"]


def test_what_a_killed_process_left_is_swept(source, tmp_path):
    program = (
        "import os, signal, sys, bottomhalf as bh\n"
        "m = bh.Machine(simulated=True)\n"
        "m.insmod(sys.argv[1])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    place = tmp_path / "tmp"
    place.mkdir()
    environment = {**os.environ, "TMPDIR": str(place), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", program, str(source)], env=environment, check=False, timeout=100)
    assert len(list(place.glob("bottomhalf-*"))) == 1
    (place / "bottomhalf-of-somebody").mkdir()  # no lock: not one of ours
    _kbuild._sweep(place)
    assert [path.name for path in place.glob("bottomhalf-*")] == ["bottomhalf-of-somebody"]


def test_what_this_process_uses_stays(compiles, source):
    built = build(source)
    subprocess.run(
        [sys.executable, "-c", "import pathlib, sys, bottomhalf._kbuild as k; k._sweep(pathlib.Path(sys.argv[1]))"]
        + [tempfile.gettempdir()],
        check=True,
        timeout=100,
    )
    assert os.path.exists(built.file)
