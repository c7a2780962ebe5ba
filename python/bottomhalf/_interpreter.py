"""Refuses sub-interpreters, before the compiled module is loaded: on CPython 3.11 its own check would come too late."""

from __future__ import annotations

import importlib
from typing import Any


def _refuse_sub_interpreter() -> None:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            module: Any = importlib.import_module(name)
        except ImportError:
            continue
        if module.get_current() != module.get_main():
            raise ImportError(
                "bottomhalf cannot be imported in a sub-interpreter: its machines and their threads belong to the main "
                "interpreter; import it there"
            )
        return


_refuse_sub_interpreter()
