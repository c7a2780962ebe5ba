"""``bottomhalf insmod FILE.c``: load a module, watch it, unload it."""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys

import bottomhalf as bh
from bottomhalf._modules import LONGEST, watch

__all__ = ["add_arguments", "run"]


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "words", nargs="+", metavar="FILE.c | key=value", help="the module's C files, and values of its parameters"
    )
    parser.add_argument("--simulated", action="store_true", help="virtual CPUs and virtual time")
    parser.add_argument("--cpus", type=_count, metavar="N", help="CPUs of the machine (default: those available; 4)")
    parser.add_argument("--hz", type=_count, default=1000, metavar="N", help="ticks a second (default: 1000)")
    parser.add_argument(
        "--seconds",
        type=_positive,
        metavar="S",
        help=f"how long it stays loaded (default: until nothing of the machine is pending, at most {LONGEST:g} s)",
    )
    parser.add_argument("--legacy", action="store_true", help="accept the old forms that older books print")
    parser.add_argument("--sanitize", metavar="KIND", help="address, undefined, or address,undefined")
    parser.add_argument("--cflags", default="", metavar="FLAGS", help="more flags for the compiler, in one word")


class _Dmesg:
    """Prints what is new in the log."""

    def __init__(self, machine: bh.Machine) -> None:
        self._machine = machine
        self._printed = 0

    def show(self) -> None:
        lines = self._machine.log
        for line in lines[self._printed :]:
            print(line)
        self._printed = len(lines)
        sys.stdout.flush()


def _with_sanitizer(sanitize: str | None, argv: list[str]) -> int | None:
    """Runs the command again where AddressSanitizer comes first, and returns its status; None where it does already."""
    from . import _kbuild

    if sanitize is None or "address" not in sanitize:
        return None
    try:
        _kbuild._sanitizers(sanitize)
    except bh.Unsupported:
        runtime = _kbuild.sanitizer_runtime("address")
        if not runtime:
            raise
    else:
        return None
    environment = {**os.environ, "LD_PRELOAD": runtime}
    environment.setdefault("ASAN_OPTIONS", "detect_leaks=0")
    return subprocess.run([sys.executable, "-m", "bottomhalf", *argv], env=environment, check=False).returncode


def run(arguments: argparse.Namespace, argv: list[str]) -> int:
    """Run the command; returns the exit status: 0, or 1 when the module failed or left something pending."""
    files = [word for word in arguments.words if "=" not in word or os.path.exists(word)]
    values = dict(word.split("=", 1) for word in arguments.words if word not in files)
    if not files:
        print("bottomhalf insmod: name a C file", file=sys.stderr)
        return 2
    try:
        status = _with_sanitizer(arguments.sanitize, argv)
    except (bh.BottomHalfError, ValueError) as error:
        print(f"bottomhalf insmod: {error}", file=sys.stderr)
        return 1
    if status is not None:
        return status
    try:
        machine = bh.Machine(arguments.cpus, hz=arguments.hz, simulated=arguments.simulated)
    except (bh.BottomHalfError, ValueError) as error:
        print(f"bottomhalf insmod: {error}", file=sys.stderr)
        return 2
    with machine:
        dmesg = _Dmesg(machine)
        try:
            return _insmod(machine, dmesg, files, values, arguments)
        finally:
            dmesg.show()


def _insmod(
    machine: bh.Machine, dmesg: _Dmesg, files: list[str], values: dict[str, str], arguments: argparse.Namespace
) -> int:
    try:
        module = machine.insmod(
            files,
            cflags=arguments.cflags,
            sanitize=arguments.sanitize,
            legacy=arguments.legacy,
            params=values,
        )
    except bh.CompileError as error:
        print(error.output or error, file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        dmesg.show()
        file = f"{error.filename}: " if error.filename else f"{files[0]}: "
        print(f"bottomhalf insmod: {file}{error.strerror}", file=sys.stderr)
        return 1
    except (OSError, ValueError, bh.BottomHalfError) as error:
        dmesg.show()
        print(f"bottomhalf insmod: {files[0]}: {error}", file=sys.stderr)
        return 1
    if module.compiler_output:
        print(module.compiler_output, file=sys.stderr)
    watch(machine, arguments.seconds, dmesg.show)
    died = module.state == "dead"
    try:
        machine.rmmod(module)
    except (OSError, bh.BottomHalfError) as error:
        dmesg.show()
        print(f"bottomhalf insmod: rmmod: {error}", file=sys.stderr)
        return 1
    dmesg.show()
    if module.leftovers:
        print(f"left behind by {module.name}:", file=sys.stderr)
        for item in module.leftovers:
            print(f"  {item}", file=sys.stderr)
    return 1 if died or module.leftovers else 0
