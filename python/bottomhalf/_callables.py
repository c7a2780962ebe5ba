"""Refuses callables that cannot take the arguments the engine will call them with."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["check", "check_call"]


def check(func: Any, positional: int, what: str) -> None:
    """Raise TypeError unless ``func`` can be called with ``positional`` arguments. Unknown signatures pass."""
    try:
        signature = inspect.signature(func)
    except (TypeError, ValueError):
        return  # a builtin that does not tell
    try:
        signature.bind(*range(positional))
    except TypeError as error:
        name = getattr(func, "__qualname__", repr(func))
        arguments = {0: "no argument", 1: "one argument"}.get(positional, f"{positional} arguments")
        raise TypeError(f"{what}: {name}{signature} will be called with {arguments}: {error}") from None


def check_call(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise TypeError unless ``func(*args, **kwargs)`` fits the function's signature. Unknown signatures pass."""
    try:
        signature = inspect.signature(func)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        name = getattr(func, "__qualname__", repr(func))
        raise TypeError(f"submit: {name}{signature} cannot take these arguments: {error}") from None
