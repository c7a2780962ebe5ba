"""Files that C modules offer: ``m.open("/proc/counter")``."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from . import _core

if TYPE_CHECKING:
    from ._module_host import ModuleHost

__all__ = ["ModuleFile", "open_file"]

_MODES = {"r": os.O_RDONLY, "w": os.O_WRONLY, "a": os.O_WRONLY | os.O_APPEND, "r+": os.O_RDWR, "w+": os.O_RDWR}


class ModuleFile(io.RawIOBase):
    """An open file of a C module, unbuffered: each read and write is one call of the module's."""

    def __init__(self, machine: ModuleHost, path: str, mode: str, flags: int) -> None:
        #: The path it was opened by.
        self.name = path
        self.mode = mode
        self._file: _core._OpenFile | None = None
        self._file = _core._open_file(machine, path, flags)

    def _open(self) -> _core._OpenFile:
        if self._file is None or self.closed:
            raise ValueError(f"{self.name} is closed")
        return self._file

    def readable(self) -> bool:
        """Whether it was opened for reading."""
        return "r" in self.mode or "+" in self.mode

    def writable(self) -> bool:
        """Whether it was opened for writing."""
        return "r" not in self.mode or "+" in self.mode

    def readinto(self, buffer: Any) -> int:
        """Read once into a writable buffer (Linux: read). 0: the end. May sleep. Raises OSError."""
        return self._open().readinto(buffer)

    def write(self, data: Any) -> int:
        """Write once (Linux: write); returns how many bytes the module took. May sleep. Raises OSError."""
        if isinstance(data, str):
            raise TypeError("write() takes bytes: encode the str")
        return self._open().write(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move (Linux: lseek); returns the new position. Raises OSError."""
        return self._open().seek(offset, whence)

    def ioctl(self, command: int, argument: int = 0) -> int:
        """What the module's ioctl returned, 0 or more (Linux: ioctl). Raises OSError."""
        return self._open().ioctl(command, argument)

    def poll(self, events: int, timeout: float | None = None) -> int:
        """Wait until one of these events is there: 1 to read, 4 to write (Linux: poll). timeout: seconds."""
        return self._open().poll(events, timeout)

    def close(self) -> None:
        """Close it (Linux: close). Idempotent."""
        if self._file is not None and not self.closed:
            self._file.close()
        super().close()


def open_file(machine: ModuleHost, path: str | os.PathLike[str], mode: str) -> ModuleFile:
    """See Machine.open."""
    plain = mode.replace("b", "")
    if plain not in _MODES:
        raise ValueError(f"mode={mode!r}: allowed are {', '.join(map(repr, _MODES))}, with or without 'b'")
    return ModuleFile(machine, os.fspath(path), plain, _MODES[plain])
