"""Compiled C modules, kept in the user's cache directory from one process to the next.

An entry is a directory whose name is its key: the module, and what the compiler said. It appears by one rename, so
processes that build the same at once do not disturb each other; where anything about the cache fails, it is as if there
were none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Kept", "fetch", "is_on", "keep"]

_LIMIT = 128 * 2**20  # bytes of all entries; a module of a few hundred lines takes about 100 kB
_ABANDONED = 3600  # seconds after which an entry that did not become one is nobody's any more


@dataclass(frozen=True)
class Kept:
    """What is told of a build beside its file: the compiler's warnings, and every file that went into it."""

    output: str
    read: list[str]


def is_on() -> bool:
    """Whether there is a cache: the environment's BOTTOMHALF_CACHE is not 0."""
    return os.environ.get("BOTTOMHALF_CACHE", "") != "0"


def _root() -> Path:
    place = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(place) if os.path.isabs(place) else Path("~/.cache").expanduser()
    return base / "bottomhalf" / "modules"


def fetch(key: str, target: Path) -> Kept | None:
    """Copy the entry's module to the target and return what is told of it; None when there is no such entry."""
    entry = _root() / key
    try:
        described = json.loads((entry / "build.json").read_text())
        code = (entry / "module.so").read_bytes()
        kept = Kept(str(described["output"]), [str(file) for file in described["read"]])
        if hashlib.sha256(code).hexdigest() != described["sha256"]:
            raise ValueError("the module is not what was written")
        target.write_bytes(code)
        os.utime(entry)  # used last: removed last
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        shutil.rmtree(entry, ignore_errors=True)
        return None
    return kept


def keep(key: str, file: Path, kept: Kept) -> None:
    """Make an entry of a built module. Nothing happens where the directory cannot be written."""
    with contextlib.suppress(OSError, RuntimeError):
        root = _root()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=root))
        try:
            code = file.read_bytes()
            (fresh / "module.so").write_bytes(code)
            described = {"output": kept.output, "read": kept.read, "sha256": hashlib.sha256(code).hexdigest()}
            (fresh / "build.json").write_text(json.dumps(described))
            fresh.rename(root / key)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)  # where another process was faster, or the disk is full
        _bound(root)


def _bound(root: Path) -> None:
    """Remove the entries that were not used for longest, until a quarter of the limit is free again."""
    entries = []
    for entry in root.iterdir():
        with contextlib.suppress(OSError):
            used = entry.stat().st_mtime
            if entry.name.startswith(".new-") and used < time.time() - _ABANDONED:
                shutil.rmtree(entry, ignore_errors=True)
            elif not entry.name.startswith(".new-"):
                entries.append((used, sum(file.stat().st_size for file in entry.iterdir()), entry))
    total = sum(size for _, size, _ in entries)
    if total <= _LIMIT:
        return
    for _, size, entry in sorted(entries):
        shutil.rmtree(entry, ignore_errors=True)
        total -= size
        if total <= _LIMIT * 3 // 4:
            return
