"""The cell magic ``%%kmodule``: a cell of C as a kernel module."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import bottomhalf as bh
from bottomhalf._explore import timeline
from bottomhalf._modules import watch

__all__ = ["kmodule"]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"%%kmodule: {message}\n{self.format_usage()}")


def _parser() -> _Parser:
    parser = _Parser(prog="%%kmodule", add_help=False)
    parser.add_argument("words", nargs="*", metavar="name | key=value", help="the module's name; its parameters")
    parser.add_argument("--cpus", type=int, metavar="N", help="CPUs of the machine")
    parser.add_argument("--hz", type=int, default=1000, metavar="N", help="ticks a second")
    parser.add_argument("--host", action="store_true", help="real threads and real time, not virtual ones")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long it stays loaded")
    parser.add_argument("--legacy", action="store_true", help="accept the old forms that older books print")
    parser.add_argument("--sanitize", metavar="KIND", help="undefined, or address where it is preloaded")
    parser.add_argument("--cflags", default="", metavar="FLAGS", help="more flags for the compiler")
    parser.add_argument("--timeline", action="store_true", help="show what ran on which CPU, too")
    parser.add_argument("--log", metavar="VARIABLE", help="where the lines of the log go, as well")
    return parser


def kmodule(ipython: Any) -> Callable[[str, str], None]:
    """The magic for that shell."""

    def run(line: str, cell: str) -> None:
        """Compile the cell's C, load it, show the log, unload it.

        %%kmodule [name] [key=value ...] [--cpus N] [--host] [--seconds S] [--hz N] [--legacy] [--sanitize KIND]
        [--cflags FLAGS] [--timeline] [--log VARIABLE]

        Without --host on a simulated machine, in virtual time; without --seconds until nothing is pending, at most
        10 s.
        """
        options = _parser().parse_args(shlex.split(line))
        names = [word for word in options.words if "=" not in word]
        if len(names) > 1:
            raise ValueError(f"%%kmodule: one name, not {' '.join(names)}")
        values = dict(word.split("=", 1) for word in options.words if "=" in word)
        with bh.Machine(options.cpus, hz=options.hz, simulated=not options.host, trace=options.timeline) as machine:
            try:
                _load(machine, cell, names[0] if names else None, values, options)
            finally:
                for entry in machine.log:
                    print(entry)
                if options.log is not None:
                    ipython.user_ns[options.log] = machine.log
            if options.timeline:
                print()
                print(timeline(machine.trace().events, machine.cpus))

    return run


def _load(
    machine: bh.Machine, cell: str, name: str | None, values: dict[str, str], options: argparse.Namespace
) -> None:
    try:
        module = machine.insmod(
            cell,
            name=name,
            cflags=options.cflags,
            sanitize=options.sanitize,
            legacy=options.legacy,
            params=values,
        )
    except bh.CompileError as error:
        print(error.output or error, file=sys.stderr)
        return
    except (OSError, bh.ModuleDied) as error:
        print(f"insmod: {error}", file=sys.stderr)
        return
    if module.compiler_output:
        print(module.compiler_output, file=sys.stderr)
    watch(machine, options.seconds)
    try:
        module.rmmod()
    except (OSError, bh.ModuleDied) as error:
        print(f"rmmod: {error}", file=sys.stderr)
