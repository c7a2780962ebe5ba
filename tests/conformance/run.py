"""Runs programs of operations and prints their results, to be compared with a recorded kernel's.

``python tests/conformance/run.py PROGRAMS.txt[.gz] [--machine host] [--python] [--compare RESULTS.txt[.gz]]``
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file: this directory is a package of that one

import bottomhalf as bh
from conformance.face import open_face
from conformance.programs import Program, ProgramError, differences, parse_programs, read_text

SHOWN = 20  # differences, and lines of the log


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, or 1 for differences and 2 for what cannot be read."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.cpus < 2:
        parser.error(f"--cpus {options.cpus}: programs queue on CPU 1, so from 2 on")
    try:
        programs = list(parse_programs(read_text(options.programs)))
        recorded = None if options.compare is None else read_text(options.compare).splitlines()
    except (OSError, ProgramError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    try:
        lines = results(programs, options)
    except bh.CompileError as error:
        print(f"run.py: {error}", file=sys.stderr)
        print("run.py: --python does without a C compiler", file=sys.stderr)
        return 2
    if recorded is None:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        return 0
    return compare(recorded, lines)


def results(programs: list[Program], options: argparse.Namespace) -> list[str]:
    """The result lines of all programs, one after the other on a machine. Raises bh.CompileError."""
    simulated = options.machine == "simulated"
    start = time.perf_counter()
    with open_face(simulated=simulated, python=options.python, cpus=options.cpus) as face:
        face.boot()
        began = time.perf_counter()
        lines = [line for program in programs for line in face.run(program)]
        seconds = time.perf_counter() - began
    for remark in face.remarks[:SHOWN]:
        print(f"run.py: {remark}", file=sys.stderr)
    if options.speed:
        print(
            f"{len(programs)} programs in {seconds:.2f} s: {len(programs) / seconds:.0f} programs a second "
            f"(before them {began - start:.2f} s to boot the machine, in C to compile the module, too)",
            file=sys.stderr,
        )
    return lines


def compare(recorded: list[str], here: list[str]) -> int:
    """Prints where the lines differ; 1 if they do."""
    found = differences(recorded, here)
    shown = list(islice(found, SHOWN))
    if not shown:
        print(f"{len(here)} lines, no difference")
        return 0
    print(*shown, sep="\n")
    print(f"{len(shown) + sum(1 for _ in found)} of {len(recorded)} lines differ")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", type=Path, metavar="PROGRAMS.txt[.gz]")
    parser.add_argument("--machine", choices=("simulated", "host"), default="simulated", help="default: %(default)s")
    parser.add_argument("--python", action="store_true", help="through the Python package, not the C API")
    parser.add_argument("--cpus", type=int, default=4, help="of the machine, from 2 on; default: %(default)s")
    parser.add_argument(
        "--compare", type=Path, metavar="RESULTS.txt[.gz]", help="print where these differ instead of the results"
    )
    parser.add_argument("--speed", action="store_true", help="tell how fast it was, on standard error")
    return parser


if __name__ == "__main__":
    sys.exit(main())
