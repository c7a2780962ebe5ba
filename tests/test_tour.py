"""The tour on a small tree: every file once, bad ones counted and named, never fatal."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLAIN = 30


@pytest.fixture
def tree(tmp_path):
    """30 good modules, text, an empty file, a syntax error, a name that leads nowhere, one that may not be read."""
    root = tmp_path / "tree"
    for n in range(PLAIN):
        directory = root / f"package{n % 3}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"module{n}.py").write_text(f"def f{n}(x):\n    return x + {n}\n")
    (root / "notes.txt").write_text("no Python at all ((\n")
    (root / "empty.py").write_text("")
    (root / "broken.py").write_text("def broken(:\n")
    (root / "latin.py").write_bytes(b"name = '\xe9'\n")
    (root / "dangling.py").symlink_to(root / "nowhere.py")
    if os.geteuid() != 0:
        (root / "secret.py").write_text("x = 1\n")
        (root / "secret.py").chmod(0)
    return root


def tour(*arguments, cwd):
    """Runs the command as a user would."""
    script = shutil.which("bottomhalf", path=str(Path(sys.executable).parent))
    command = [script] if script else [sys.executable, "-m", "bottomhalf"]
    return subprocess.run(
        [*command, "tour", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=110
    )


def test_tour_of_a_small_tree(tree, tmp_path):
    """The summary names the files it could not read or parse, the kworkers, and the same job on ThreadPoolExecutor."""
    done = tour(tree, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    assert "broken.py" in text
    assert "latin.py" in text
    assert "dangling.py" in text
    if os.geteuid() != 0:
        assert "secret.py" in text
    assert "kworker" in text
    assert "ThreadPoolExecutor" in text
    assert "Traceback" not in text


def test_the_report(tree, tmp_path):
    """Every file once, sorted by path however the work was spread; the troubles are in it with their reasons."""
    target = tmp_path / "report.json"
    done = tour(tree, "--json", target, "--no-compare", "--cpus", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(target.read_text())
    paths = [record["path"] for record in report["files"]]
    expected = sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_symlink() or path.is_file())
    assert paths == expected
    records = {record["path"]: record for record in report["files"]}
    assert {path for path in records if "syntax_error" in records[path]} == {"broken.py", "latin.py"}
    unreadable = {"dangling.py"} | ({"secret.py"} if os.geteuid() != 0 else set())
    assert {path for path in records if "unreadable" in records[path]} == unreadable
    source = tree / "package0" / "module0.py"
    assert records["package0/module0.py"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    summary = report["summary"]
    assert summary["files"] == len(expected) and summary["syntax_errors"] == 2
    assert summary["unreadable"] == len(unreadable)
    assert summary["timings"] == [] and summary["cpus"] == 2
    assert [path.name for path in tmp_path.iterdir() if "unfinished" in path.name] == []


def test_tour_of_an_empty_directory(tmp_path):
    """Nothing to do is no error."""
    (tmp_path / "empty").mkdir()
    done = tour(tmp_path / "empty", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_tour_of_what_is_not_there(tmp_path):
    """A directory that does not exist is one clear line, not a traceback."""
    done = tour(tmp_path / "missing", cwd=tmp_path)
    assert done.returncode != 0
    assert "missing" in done.stderr and "Traceback" not in done.stderr


def test_help(tmp_path):
    """The command explains itself."""
    done = tour("--help", cwd=tmp_path)
    assert done.returncode == 0 and "tour" in done.stdout
