"""The words behind the name of an operation. What does not make sense raises Invalid."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import bottomhalf as bh

Words: TypeAlias = list[str]
T = TypeVar("T")

_FLAGS = {name: bh.WQ[name] for name in ("UNBOUND", "HIGHPRI", "CPU_INTENSIVE", "MEM_RECLAIM", "FREEZABLE", "BH")}
_OPTIONS = ("gate", "sleep", "requeue", "rearm", "kickq", "kickw")


class Invalid(Exception):
    """The operation does not make sense here: ``EINVAL``."""


def answer(value: bool) -> str:
    """How a bool is printed."""
    return "1" if value else "0"


def number(words: Words, at: int, limit: int = 2**31 - 1) -> int:
    """The word there as a number from 0 to below the limit."""
    if at >= len(words) or not words[at].isdecimal() or int(words[at]) >= limit:
        raise Invalid
    return int(words[at])


def integer(words: Words, at: int) -> int:
    """The word there as a number of either sign."""
    try:
        return int(words[at])
    except (IndexError, ValueError):
        raise Invalid from None


def delay(words: Words, at: int) -> float:
    """Seconds, of milliseconds."""
    return number(words, at) / 1000


def found(objects: dict[int, T], words: Words, at: int) -> T:
    """The object whose id is there."""
    if at >= len(words) or not words[at].isdecimal():
        raise Invalid
    value = objects.get(int(words[at]))
    if value is None:
        raise Invalid
    return value


def new(objects: dict[int, T], words: Words, limit: int) -> int:
    """The first word as the id, below the limit, of an object that does not exist."""
    ident = number(words, 0, limit)
    if ident in objects:
        raise Invalid
    return ident


def flags(words: Words) -> bh.WQ:
    """The second word as flags of a workqueue: ``0``, or names between bars."""
    if len(words) < 2:
        raise Invalid
    value = bh.WQ(0)
    for name in words[1].split("|"):
        if name != "0":
            if name not in _FLAGS:
                raise Invalid
            value |= _FLAGS[name]
    return value


def options(words: Words) -> dict[str, int]:
    """The ``key=value`` words behind the id."""
    values = {}
    for word in words[1:]:
        key, _, value = word.partition("=")
        if key not in _OPTIONS:
            raise Invalid
        values[key] = integer([value], 0)
    return values
