"""C modules on a machine: what ``m.insmod()`` returns."""

from __future__ import annotations

import contextlib
import math
import os
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _core

if TYPE_CHECKING:
    from . import _kbuild
    from ._module_host import ModuleHost

__all__ = ["CompileError", "Module", "find", "insmod", "unload_all", "watch"]

_WARNING = 4
#: Seconds that a module is watched for when nobody says how long. Arbitrary.
LONGEST = 10.0
_SLICE = 0.05  # seconds between two looks


class CompileError(_core.BottomHalfError):
    """The C compiler refused a module.

    ``output``: what it said, with file and line as the user wrote them. ``command``: how it was called.
    """

    def __init__(self, message: str, output: str = "", command: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.output = output
        self.command = list(command)


class Module:
    """A C module that is loaded into a machine; ``m.insmod(...)`` makes one.

    A context manager: it is unloaded at the end of the ``with`` block.
    """

    def __init__(self, *_: object) -> None:
        raise TypeError("bottomhalf.Module has no constructor: m.insmod(path_or_source) loads a module")

    @classmethod
    def _load(cls, machine: ModuleHost, build: _kbuild.Build, values: list[tuple[str, str]]) -> Module:
        module = cls.__new__(cls)
        module._machine = weakref.ref(machine)
        #: What the compiler had to say although it compiled the module: warnings, "" for none.
        module.compiler_output = build.output
        module._loaded = _core._load_module(machine, build.file, build.name, values)
        machine._modules.append(module)
        try:
            module._loaded.init()
        finally:
            module._forget()  # unless init has made it, or still runs
        return module

    _loaded: _core._LoadedModule
    _machine: weakref.ref[ModuleHost]
    compiler_output: str

    @property
    def name(self) -> str:
        """The module's name: the file's, without its suffix (Linux: KBUILD_MODNAME)."""
        return self._loaded.name

    @property
    def state(self) -> str:
        """``"coming"`` (init runs), ``"live"``, ``"going"`` (exit runs), ``"dead"`` (it faulted) or ``"unloaded"``."""
        return self._loaded.state

    @property
    def params(self) -> dict[str, str]:
        """The present values of its parameters, as /sys/module/NAME/parameters shows them."""
        return dict(self._loaded.parameters)

    @property
    def info(self) -> dict[str, str]:
        """What it was declared with: license, author, description, ... (Linux: modinfo)."""
        return dict(self._loaded.information)

    @property
    def refcount(self) -> int:
        """How many users it has: try_module_get() less module_put(), and the modules among :attr:`users`.

        Above 0 it cannot be unloaded.
        """
        return self._loaded.references

    @property
    def users(self) -> list[str]:
        """The names of the modules that use what it exports with EXPORT_SYMBOL (Linux: lsmod, "Used by")."""
        return self._loaded.users

    @property
    def leftovers(self) -> list[str]:
        """What the machine still held of it when it was unloaded, a sentence each, with the call that exit misses."""
        return list(self._loaded.leftovers)

    def rmmod(self) -> None:
        """Run the module's exit in a task of the machine, and unload it. Nothing happens when it is unloaded.

        What exit forgot is named in ``m.log`` and in ``leftovers``, and taken back. Task context, may sleep. Raises
        OSError with Linux's errno (EAGAIN: in use; EBUSY: it has no exit, or its init or exit has not returned) and
        ModuleDied when exit faults. Interrupted by Ctrl-C, exit goes on, and unloads it when it has returned.
        """
        try:
            self._loaded.unload()
        finally:
            self._forget()

    def _forget(self) -> None:
        """The machine forgets it once it is unloaded; one that is still mapped goes with the machine."""
        machine = self._machine()
        if machine is not None and self.state == "unloaded" and not self._loaded.mapped:
            with contextlib.suppress(ValueError):
                machine._modules.remove(self)

    def __enter__(self) -> Module:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        machine = self._machine()
        if machine is not None and machine._state == "running":
            self.rmmod()

    def __repr__(self) -> str:
        machine = self._machine()
        where = f"on machine {machine.name}" if machine is not None else "its machine is gone"
        hint = {"live": "; rmmod() unloads it", "dead": "; m.log has the report"}.get(self.state, "")
        return f"<bottomhalf.Module {self.name}: {self.state}, {where}{hint}>"


def _text(name: str, value: Any) -> str:
    """A parameter's value as insmod's command line would have it."""
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, int | str):
        text = str(value)
        if "\0" in text:
            raise ValueError(f"{name}={value!r} holds a NUL character")
        return text
    if isinstance(value, list | tuple):
        return ",".join(_text(name, item) for item in value)
    raise TypeError(f"{name} must be an int, a bool, a str or a list of those, not {type(value).__name__}")


def insmod(
    machine: ModuleHost,
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    name: str | None,
    cflags: Iterable[str] | str,
    sanitize: str | None,
    legacy: bool,
    params: Mapping[str, Any],
) -> Module:
    """See Machine.insmod."""
    from . import _kbuild  # it needs much of the standard library

    values = [(key, _text(key, value)) for key, value in params.items()]
    built = _kbuild.build(source, name=name, hz=machine.hz, cflags=cflags, sanitize=sanitize, legacy=legacy)
    return Module._load(machine, built, values)


def find(machine: ModuleHost, module: Module | str) -> Module:
    """The module of a machine, by itself or by name."""
    if isinstance(module, Module):
        if module._machine() is not machine:
            raise ValueError(f"{module!r} is not on machine {machine.name}: unload it there")
        return module
    if not isinstance(module, str):
        raise TypeError(f"module must be a bottomhalf.Module or its name, not {type(module).__name__}")
    for loaded in machine.modules:
        if loaded.name == module:
            return loaded
    raise FileNotFoundError(2, f"no module '{module}' is loaded on machine {machine.name}")


def unload_all(machine: ModuleHost) -> None:
    """Unload what can be unloaded, the last one first; the machine is about to be halted."""
    for module in reversed(machine.modules):
        try:
            module.rmmod()
        except OSError as error:  # in use, or without an exit: it goes with the machine
            _core.printk(machine, _WARNING, f"machine halt: {error.strerror}")
        except (_core.ModuleDied, _core.DeadlockError) as error:
            _core.printk(machine, _WARNING, f"machine halt: {error}")


def watch(machine: ModuleHost, seconds: float | None, look: Callable[[], object] = lambda: None) -> None:
    """Let the machine go on for so long, None: until nothing is pending, at most LONGEST; look() now and then."""
    longest = LONGEST if seconds is None else seconds
    slices = math.ceil(longest / _SLICE)
    for _ in range(slices):
        machine.sleep(longest / slices)
        look()
        if seconds is None and machine._idle():
            return
