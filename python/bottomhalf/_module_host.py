"""What a machine does with C modules."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _core

if TYPE_CHECKING:
    from ._files import ModuleFile
    from ._modules import Module

__all__ = ["ModuleHost"]


class ModuleHost(_core.MachineBase):
    """The part of :class:`bottomhalf.Machine` that loads C modules and opens their files."""

    def insmod(
        self,
        source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        /,
        *,
        name: str | None = None,
        cflags: Iterable[str] | str = (),
        sanitize: str | None = None,
        legacy: bool = False,
        params: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> Module:
        """Compile a C kernel module, load it and run its init in a task of the machine (Linux: insmod).

        source: the path of a C file, a list of paths, or the text itself. values: module parameters; in ``params``
        those whose names are taken here. name: the module's, None: the first file's. cflags: more flags for the
        compiler, which is the environment's CC, else cc, gcc or clang. sanitize: ``"undefined"``, or ``"address"``
        where Python was started with that sanitizer preloaded, or both. legacy: the old forms that older books print
        compile, too. ``print(*m.log, sep="\\n")`` is dmesg. Each load is a copy of its own: machines share nothing of a
        module. What was compiled is kept in the user's cache directory (``$XDG_CACHE_HOME/bottomhalf``, else
        ``~/.cache/bottomhalf``; at most 128 MiB) under a key of everything that went into it; ``BOTTOMHALF_CACHE=0`` in
        the environment turns that off.

        A fault in the module's code (a NULL dereference, a division by zero) ends the module with a report in the log,
        not the process; not so in the engine below the functions of <linux/...>, in the C library's heap, and on a
        stack that is used up.

        Task context, may sleep. Raises CompileError, which has the compiler's messages; OSError with the errno that
        init returned, or Linux's for a bad parameter (EINVAL, ERANGE, ENOSPC), a symbol that nobody provides (ENOENT)
        or a second module of that name (EEXIST); ModuleDied when init faults; Unsupported, FileNotFoundError,
        TypeError. Nothing stays loaded then. After Ctrl-C, or the DeadlockError of a simulated machine, init goes on in
        its task; the module is among ``m.modules``, "coming" until init has returned.
        """
        self._require_alive()
        from . import _modules

        return _modules.insmod(
            self,
            source,
            name=name,
            cflags=cflags,
            sanitize=sanitize,
            legacy=legacy,
            params={**(params or {}), **values},
        )

    def rmmod(self, module: Module | str) -> None:
        """Unload a module, given itself or its name (Linux: rmmod); see :meth:`Module.rmmod`.

        Raises FileNotFoundError (ENOENT) when no module of that name is loaded.
        """
        from . import _modules

        _modules.find(self, module).rmmod()

    def open(self, path: str | os.PathLike[str], mode: str = "r") -> ModuleFile:
        """Open a file that a C module offers: under /proc, /dev or /sys/kernel/debug of this machine.

        A device whose driver makes no node for it, but leaves that to ``mknod``, is ``/dev/`` and the name that its
        numbers are registered under, with a number behind it for the second and later ones: ``/dev/scull3``.

        mode: ``"r"``, ``"w"``, ``"a"``, ``"r+"`` or ``"w+"``, in bytes always. An io.RawIOBase: each read and write is
        one call of the module's, in the calling task. While a device file is open, the module that its file_operations
        name as owner cannot be unloaded; an entry of /proc or debugfs can be taken away under its readers, whose calls
        raise EIO from then on. Task context, may sleep. Raises OSError with Linux's errno.
        """
        self._require_alive()
        from . import _files

        return _files.open_file(self, path, mode)

    @property
    def files(self) -> list[str]:
        """The paths of the files that modules offer."""
        return _core._list_files(self)

    @property
    def modules(self) -> list[Module]:
        """The loaded modules, in the order of their loading (Linux: lsmod)."""
        for module in list(self._modules):
            module._forget()  # whose init failed, or exit returned, when nobody waited for it any more
        return [module for module in self._modules if module.state != "unloaded"]

    @functools.cached_property
    def _modules(self) -> list[Module]:
        return []
