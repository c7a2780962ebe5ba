"""What a simulated machine is made of, and what decides which pools serve an unbound workqueue."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import _core
from ._constants import WQ

__all__ = ["Topology", "WorkqueueAttrs"]

_TEXT = re.compile(r"(\d+)n(?:(\d+)l(\d+)c(\d+)t)?$")


@dataclass(frozen=True)
class Topology:
    """The CPUs of a simulated machine: ``Machine(topology=bh.Topology(nodes=2, llcs=4, cores=12, smt=2))``.

    nodes: NUMA nodes. llcs: last-level caches. cores: in all. smt: threads of a core. All totals are divided evenly, in
    order: CPU i is on core i // smt. Raises ValueError, TypeError.
    """

    nodes: int = 1
    llcs: int = 1
    cores: int = 4
    smt: int = 1

    def __post_init__(self) -> None:
        for name in ("nodes", "llcs", "cores", "smt"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name} must be an int, not {type(value).__name__}")
            if value < 1:
                raise ValueError(f"{name}={value} is out of range: from 1")
        if not self.nodes <= self.llcs <= self.cores:
            raise ValueError(
                f"nodes={self.nodes}, llcs={self.llcs}, cores={self.cores}: each node needs a cache of its own, and "
                "each cache a core"
            )
        if self.cpus > 1024:
            raise ValueError(f"cores={self.cores}, smt={self.smt} make {self.cpus} CPUs: allowed are 1024")

    @property
    def cpus(self) -> int:
        """How many CPUs that makes."""
        return self.cores * self.smt

    def _parts(self) -> list[int]:
        return [self.nodes, self.llcs, self.cores, self.smt]


def topology_text(topology: Topology | None) -> str:
    """As a replay string carries it; one node of CPUs, the usual, is "1n"."""
    return "1n" if topology is None else f"{topology.nodes}n{topology.llcs}l{topology.cores}c{topology.smt}t"


def parse_topology(text: str) -> Topology | None:
    """What topology_text wrote. Raises ValueError."""
    found = _TEXT.match(text)
    if found is None or (found[2] is None and found[1] != "1"):
        raise ValueError(f"the replay string has a topology that means nothing: {text!r}")
    return None if found[2] is None else Topology(*map(int, found.groups()))


class WorkqueueAttrs:
    """What decides which pools serve an unbound workqueue (Linux: struct workqueue_attrs).

    ``wq.attrs = bh.WorkqueueAttrs(affinity_scope="numa")`` applies them to a live workqueue (Linux:
    apply_workqueue_attrs): new items go to pools of these attributes, what is queued stays where it is, and an ordered
    workqueue stays ordered.

    nice: of the workers, -20 to 19. cpumask: the CPUs where items may run, None: all. affinity_scope: ``"cpu"``,
    ``"smt"``, ``"cache"``, ``"numa"``, ``"system"`` or ``"default"`` (cache): the CPUs that share this are a pod, and
    items queued on them go to one pool, whose workers begin there. affinity_strict: and never leave it.
    At least one is to be given: ``wq.attrs`` is what there is to start from.
    """

    __slots__ = ("affinity_scope", "affinity_strict", "cpumask", "nice")

    def __init__(
        self,
        nice: int | None = None,
        cpumask: Iterable[int] | None = None,
        affinity_scope: str | None = None,
        affinity_strict: bool | None = None,
    ) -> None:
        if nice is None and cpumask is None and affinity_scope is None and affinity_strict is None:
            raise TypeError("WorkqueueAttrs() needs what is to be set; wq.attrs gives what there is")
        self.nice = 0 if nice is None else nice
        self.cpumask = None if cpumask is None else frozenset(cpumask)
        self.affinity_scope = "default" if affinity_scope is None else affinity_scope
        self.affinity_strict = bool(affinity_strict)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WorkqueueAttrs):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        cpus = None if self.cpumask is None else set(self.cpumask)
        return (
            f"bottomhalf.WorkqueueAttrs(nice={self.nice}, cpumask={cpus}, "
            f"affinity_scope={self.affinity_scope!r}, affinity_strict={self.affinity_strict})"
        )


def get_attrs(wq: _core.Workqueue) -> WorkqueueAttrs:
    """nice, cpumask, affinity_scope, affinity_strict: a copy; assign it back to apply it (unbound workqueues)."""
    return WorkqueueAttrs(*wq._attrs())


def _checked(attrs: WorkqueueAttrs) -> dict[str, Any]:
    if not isinstance(attrs, WorkqueueAttrs):
        raise TypeError(f"attrs must be a bottomhalf.WorkqueueAttrs, not {type(attrs).__name__}")
    for name, kind in (("nice", int), ("affinity_scope", str)):
        value: Any = getattr(attrs, name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(f"{name} must be {kind.__name__}, not {type(value).__name__}")
    cpus = None if attrs.cpumask is None else sorted(attrs.cpumask)
    if cpus is not None and not cpus:
        raise ValueError("cpumask is empty: name a CPU, or None for all")
    if not -(2**31) <= attrs.nice < 2**31:
        raise ValueError(f"nice={attrs.nice} is out of range: allowed are -20 to 19")
    return {
        "nice": attrs.nice,
        "cpumask": cpus or [],
        "affinity_scope": attrs.affinity_scope,
        "affinity_strict": bool(attrs.affinity_strict),
    }


def set_attrs(wq: _core.Workqueue, attrs: WorkqueueAttrs) -> None:
    wq._set_attrs(*_checked(attrs).values())


def _single(name: str, doc: str) -> property:
    def get(wq: _core.Workqueue) -> Any:
        return getattr(get_attrs(wq), name)

    def set_(wq: _core.Workqueue, value: Any) -> None:
        attrs = get_attrs(wq)
        if name == "cpumask" and value is not None:
            value = frozenset(value)
        setattr(attrs, name, value)
        # The others stay as they are by then.
        wq._set_attrs(*(v if n == name else None for n, v in _checked(attrs).items()))

    return property(get, set_, doc=doc)


# As the files of a workqueue in Linux's /sys/devices/virtual/workqueue.
PROPERTIES: dict[str, property] = {
    "attrs": property(get_attrs, set_attrs, doc=get_attrs.__doc__),
    "nice": _single("nice", "The nice level of its workers. Settable on unbound workqueues."),
    "cpumask": _single("cpumask", "The CPUs where its items may run. Settable on unbound workqueues; None: all."),
    "affinity_scope": _single("affinity_scope", "The affinity scope. Settable on unbound workqueues."),
    "affinity_strict": _single("affinity_strict", "Do workers stay in their pod? Settable on unbound workqueues."),
    "per_cpu": property(
        lambda wq: not wq._flags & (WQ.UNBOUND | WQ.MANAGED), doc="Do items stay on the CPU that they are queued on?"
    ),
}
