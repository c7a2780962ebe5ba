"""The command line: ``bottomhalf tour``, ``bottomhalf bench``, ``bottomhalf insmod``, ``bottomhalf --version``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import bottomhalf as bh
from bottomhalf import _insmod, bench, tour

__all__ = ["main"]

# What a shell reports for a program that ended by SIGINT.
_INTERRUPTED = 130


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value}: at least 1 is allowed")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bottomhalf",
        description="Linux's deferred-work machinery for Python: a work queue that nobody has to size.",
    )
    parser.add_argument("--version", action="version", version=f"bottomhalf {bh.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    on_tour = commands.add_parser(
        "tour",
        help="read, hash and parse a tree of files through workqueues",
        description="Reads and hashes every file of a tree and parses the Python ones, through workqueues; writes a "
        "sorted JSON report and times the same job with ThreadPoolExecutor.",
    )
    on_tour.add_argument(
        "dir", nargs="?", metavar="DIR", help="the tree (default: the standard library of this Python)"
    )
    on_tour.add_argument(
        "--json", metavar="FILE", help="where the report goes (default: a new file in the temporary directory)"
    )
    on_tour.add_argument(
        "--cpus", type=_at_least_one, metavar="N", help="CPUs of the machine (default: those available)"
    )
    on_tour.add_argument("--limit", type=_at_least_one, metavar="N", help="visit at most N files")
    on_tour.add_argument("--no-compare", dest="compare", action="store_false", help="do not time thread pools")

    on_bench = commands.add_parser(
        "bench",
        help="measure against thread pools and plain loops",
        description="Measures this engine and its peers, interleaved in one run, and prints the ratios.",
    )
    bench.add_arguments(on_bench)

    on_insmod = commands.add_parser(
        "insmod",
        help="compile a C kernel module, load it, print its log, unload it",
        description="Compiles a kernel module that uses <linux/workqueue.h> and its kin, loads it into a machine, "
        "prints the kernel log as dmesg does, unloads it and says what it left behind. The exit status is 0 when all "
        "went well.",
    )
    _insmod.add_arguments(on_insmod)
    return parser


def _dispatch(arguments: argparse.Namespace, argv: list[str]) -> int:
    if arguments.command == "tour":
        return tour.run(
            arguments.dir,
            report=arguments.json,
            cpus=arguments.cpus,
            limit=arguments.limit,
            compare=arguments.compare,
        )
    if arguments.command == "insmod":
        return _insmod.run(arguments, argv)
    return bench.run(arguments)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (None: this process's) and return the exit code: 0, 1, 2 or, after Ctrl-C, 130."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    arguments, others = parser.parse_known_args(words)
    # argparse takes the words of a command at one place only; insmod's may stand among the options.
    if arguments.command == "insmod":
        arguments.words += [word for word in others if not word.startswith("-")]
        others = [word for word in others if word.startswith("-")]
    if others:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    try:
        code = _dispatch(arguments, words)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has left; what Python still wants to flush at exit has to go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
