"""The names that the Linux headers offer, read from the headers themselves.

Run as a program it prints cpp/linux/NAMES.md, the table of all of them.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

HEADERS = Path(__file__).resolve().parent.parent / "cpp" / "linux" / "include"

# A body that does nothing: its arguments are not used, and what it returns is one of them or a constant.
_EMPTY_BODY = re.compile(r"\{\s*(\(void\)\s*\w+;\s*)*(return\s+(-?\w+|NULL|\(void \*\)0);\s*)?\}", re.S)
_EMPTY_MACRO = re.compile(r"(|\(\(void\)0\)|0|1|\(\(void\)\(\w+\)(, \(void\)\(\w+\))*\))")

# They do nothing because there is nothing to do.
IDENTITIES = {"ktime_to_ns", "init_waitqueue_entry"}


@dataclass
class Names:
    """What one header has: functions and macros that work, and those that are accepted and do nothing."""

    works: set[str] = field(default_factory=set)
    nothing: set[str] = field(default_factory=set)

    def add(self, name: str, does_nothing: bool) -> None:
        """An internal name is nobody's business."""
        if "__bh" in name or name.startswith(("___", "BH_", "__BH")):
            return
        (self.nothing if does_nothing else self.works).add(name)


def _without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def _macros(text: str, names: Names) -> str:
    """Takes the macros out of the text."""
    joined = text.replace("\\\n", " ")
    rest = []
    for line in joined.splitlines():
        macro = re.match(r"\s*#\s*define\s+(\w+)(\([^)]*\))?\s*(.*)", line)
        if macro is None:
            if not line.lstrip().startswith("#"):
                rest.append(line)
            continue
        name, arguments, body = macro.group(1), macro.group(2), macro.group(3).strip()
        # Constants are not listed, nor what guards a header.
        if arguments is None and (name.isupper() or name.startswith(("_", "KERN_", "CLOCK_", "IRQF_", "TASK_"))):
            continue
        if arguments is None and re.fullmatch(r"-?\w+", body) is not None and body[:1].isdigit():
            continue
        names.add(name, arguments is not None and _EMPTY_MACRO.fullmatch(body) is not None)
    return "\n".join(rest)


def _statements(text: str) -> list[tuple[str, str]]:
    """What stands outside of all braces, up to each body or semicolon, and the body."""
    statements, head, start, depth = [], 0, 0, 0
    for at, char in enumerate(text):
        if char == "{":
            if depth == 0:
                start = at
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0 and ")" in text[head:start]:
                statements.append((text[head:start], text[start : at + 1]))
                head = at + 1
        elif char == ";" and depth == 0:
            statements.append((text[head:at], ""))
            head = at + 1
    return statements


# Qualifiers of a declaration that look like the function's name.
_ATTRIBUTE = re.compile(r"\b(?:__printf|__scanf|__bh_legacy|__attribute__|__aligned|__bh_old_delay)\s*(?=\()")


def _without_attributes(declaration: str) -> str:
    declaration = re.sub(r'"(\\.|[^"\\])*"', "", declaration)
    while (found := _ATTRIBUTE.search(declaration)) is not None:
        end, depth = found.end(), 0
        while True:
            depth += {"(": 1, ")": -1}.get(declaration[end], 0)
            end += 1
            if depth == 0:
                break
        declaration = declaration[: found.start()] + declaration[end:]
    return declaration


def names_of(header: Path) -> Names:
    """The names that this header itself declares or defines; what macros generate is not seen."""
    names = Names()
    for declaration, body in _statements(_macros(_without_comments(header.read_text()), names)):
        declaration = _without_attributes(declaration)
        found = re.search(r"[\s*](\w+)\s*\(", declaration)
        if found is None or "{" in declaration or declaration.lstrip().startswith("typedef"):
            continue
        name = found.group(1)
        names.add(name, body != "" and name not in IDENTITIES and _EMPTY_BODY.match(body) is not None)
    names.nothing -= names.works
    return names


def all_names() -> dict[str, Names]:
    """By the header's path as it is included."""
    return {str(path.relative_to(HEADERS)): names_of(path) for path in sorted(HEADERS.rglob("*.h"))}


def page() -> str:
    """cpp/linux/NAMES.md."""
    lines = [
        "# The names of the Linux headers",
        "",
        "Written by `python tests/header_names.py > cpp/linux/NAMES.md`; `tests/test_headers.py` holds it against the",
        "headers. Functions and macros that take arguments, by the header that has them; constants and types are not",
        "listed, nor the operations that `atomic.h` makes of a pattern (`atomic_`, `atomic64_`, `atomic_long_`, all in",
        "full). What a header of [README.md](README.md) lacks is in the table there.",
        "",
        "| header | works | accepted, does nothing |",
        "|---|---|---|",
    ]
    for header, names in all_names().items():
        if not names.works and not names.nothing:
            continue
        cells = [" ".join(f"`{n}`" for n in sorted(some)) for some in (names.works, names.nothing)]
        lines.append(f"| `{header}` | {cells[0]} | {cells[1]} |")
    only = [h for h, n in all_names().items() if not n.works and not n.nothing]
    lines += ["", "No functions of their own: " + ", ".join(f"`{h}`" for h in only) + ".", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(page())
