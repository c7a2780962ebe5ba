"""The text of programs and of results: reading it, and telling two runs apart.

A file of programs holds, one item a line, ``PROG n``, operations and ``END``; empty lines and those that begin with
``#`` count for nothing. The results of a program are one line for each operation and, at its end, the log and the
counters.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path


class ProgramError(ValueError):
    """A file that is no file of programs: the message names the line."""


@dataclass(frozen=True)
class Program:
    """The operations between ``PROG number`` and ``END``, as they were written."""

    number: int
    operations: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """A line of results that is not the recorded one; None: there is no such line."""

    line: int
    recorded: str | None
    here: str | None

    def __str__(self) -> str:
        return f"line {self.line}\n  recorded: {self.recorded or '(nothing)'}\n  here:     {self.here or '(nothing)'}"


def read_text(path: Path) -> str:
    """The text of a file; one whose name ends in ``.gz`` is unpacked. Raises OSError, gzip.BadGzipFile."""
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()


def parse_programs(text: str) -> Iterator[Program]:
    """The programs of a text, in order. Raises ProgramError for what stands outside of one, or has no end."""
    number: int | None = None
    operations: list[str] = []
    for at, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        words = line.split()
        if words[0] == "PROG":
            if number is not None:
                raise ProgramError(f"line {at}: {line!r} before the END of program {number}")
            number, operations = _number(words, at), []
        elif number is None:
            raise ProgramError(f"line {at}: {line!r} stands outside of a program: PROG and its number come first")
        elif line == "END":
            yield Program(number, tuple(operations))
            number = None
        else:
            operations.append(line)
    if number is not None:
        raise ProgramError(f"program {number} has no END")


def _number(words: list[str], at: int) -> int:
    if len(words) != 2 or not words[1].isdecimal():
        raise ProgramError(f"line {at}: {' '.join(words)!r}: PROG takes one number")
    return int(words[1])


def differences(recorded: Iterable[str], here: Iterable[str]) -> Iterator[Difference]:
    """Where two lists of result lines differ, line by line."""
    for at, (old, new) in enumerate(zip_longest(recorded, here), 1):
        if old != new:
            yield Difference(at, old, new)
