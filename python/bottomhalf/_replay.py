"""The replay string: a run of a simulated machine as the places where it was not Fifo's."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import Any

from ._topology import Topology, parse_topology, topology_text

__all__ = ["Deviation", "Recorded", "parse"]

_VERSION = "bh1"
# A kind of decision in a letter: next task, next cpu, point, wakeup, tick.
_KINDS = "ncpwt"
_ENTRY = re.compile(r"(\d+)([ncpwt])(\d+)\.(\d+)\.([0-9a-f]+)$")
_END = re.compile(r"(\d+)e\.([0-9a-f]+)$")
Deviation = tuple[int, int, int, int, int]  # step, kind, choice, candidates, digest before


@dataclass(frozen=True)
class Recorded:
    """The machine of a run, its deviations from Fifo, and its end: how many decisions there were, and their digest."""

    cpus: int
    hz: int
    preempt: str = "full"
    preempt_python: str | None = None
    seed: int = 0
    deviations: list[Deviation] = field(default_factory=list)
    end: tuple[int, int] | None = None
    topology: Topology | None = None

    def __str__(self) -> str:
        parts = [f"{s}{_KINDS[k]}{choice}.{n}.{b:x}" for s, k, choice, n, b in self.deviations]
        if self.end is not None:
            parts.append(f"{self.end[0]}e.{self.end[1]:x}")
        entries = ",".join(parts)
        topology = topology_text(self.topology)
        python = self.preempt_python or "engine"
        head = f"{_VERSION}:{self.cpus}:{self.hz}:{topology}:{self.preempt}:{python}:{self.seed}"
        text = f"{head}:{entries or '-'}"
        return f"{text}:{zlib.crc32(text.encode()):08x}"


def parse(text: Any) -> Recorded:
    """The run that a replay string names. Raises TypeError, ValueError."""
    if not isinstance(text, str):
        raise TypeError(f"a replay string is a str, not {type(text).__name__}")
    # Line breaks, indentation, quotation marks of mails and of code: none of these characters is ours.
    clean = re.sub(r"[\s>|'\"`]+", "", text)
    body, _, checksum = clean.rpartition(":")
    if not clean.startswith("bh"):
        raise ValueError(f"no replay string: {text[:40]!r}; they begin with '{_VERSION}:'")
    if not clean.startswith(_VERSION + ":"):
        raise ValueError(f"replay string of format {clean.split(':')[0]!r}; this version reads '{_VERSION}'")
    if f"{zlib.crc32(body.encode()):08x}" != checksum:
        raise ValueError("the replay string is damaged: its check sum does not fit; copy all of it")
    _, cpus, hz, topology, preempt, python, seed, entries = body.split(":")
    deviations: list[Deviation] = []
    end = None
    for entry in entries.split(",") if entries != "-" else []:
        if last := _END.match(entry):
            end = int(last[1]), int(last[2], 16)
            continue
        found = _ENTRY.match(entry)
        if found is None:
            raise ValueError(f"the replay string has a part that means nothing: {entry!r}")
        step, kind, choice, candidates, before = found.groups()
        deviations.append((int(step), _KINDS.index(kind), int(choice), int(candidates), int(before, 16)))
    return Recorded(
        int(cpus),
        int(hz),
        preempt,
        None if python == "engine" else python,
        int(seed),
        deviations,
        end,
        parse_topology(topology),
    )
