"""Notebooks: ``%load_ext bottomhalf`` brings the cell magic ``%%kmodule``."""

from __future__ import annotations

from typing import Any

from ._kmodule import kmodule

__all__ = ["kmodule", "load_ipython_extension"]


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics (IPython calls this for ``%load_ext bottomhalf``)."""
    ipython.register_magic_function(kmodule(ipython), "cell", "kmodule")
