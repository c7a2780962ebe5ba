"""Compiling C modules: the system's compiler, our headers, and what was built before in this process or another one."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import _build_cache, _core
from ._modules import CompileError

__all__ = ["Build", "build", "headers", "sanitizer_runtime"]

# What Linux compiles modules with, as far as it changes their meaning; fault reports need the rest: tables to unwind
# by at every instruction, and faults that may leave a function.
_FLAGS = [
    "-nostdinc",
    "-std=gnu11",
    "-O2",
    "-g",
    "-fPIC",
    "-shared",
    "-fexceptions",
    "-fasynchronous-unwind-tables",
    "-fno-omit-frame-pointer",
    "-fno-optimize-sibling-calls",
    "-fno-strict-aliasing",
    "-fno-strict-overflow",
    "-fno-delete-null-pointer-checks",
    "-fno-common",
    "-Wall",
    "-Wno-unused-function",
    "-Wno-pointer-sign",
    "-Werror=implicit-function-declaration",
    "-Werror=implicit-int",
    "-Werror=incompatible-pointer-types",
    "-Werror=int-conversion",
    # What the module defines is its own, whatever else in the process has that name.
    "-Wl,-Bsymbolic",
    "-D__KERNEL__",
    "-DMODULE",
]
_GCC_FLAGS = ["-fnon-call-exceptions", "-fno-inline-functions-called-once"]
_COMPILERS = ("cc", "gcc", "clang")
_LOCK = "lock"
# Flags of a user's that bring nothing in but what the preprocessor shows.
_PLAIN_FLAG = re.compile(r"-[DUI].+|-O\w*|-g\w*|-std=[\w+]+|-W[a-z0-9=+-]+|-f[a-z0-9-]+|-m[a-z0-9=-]+")


@dataclass(frozen=True)
class Build:
    """A compiled module: its file, its name, and what the compiler had to say although it compiled it."""

    file: str
    name: str
    output: str


@dataclass(frozen=True)
class _Cached:
    build: Build
    read: dict[str, tuple[int, int]]  # every file that went into it: time of change and size


_cache: dict[str, _Cached] = {}


@functools.cache
def _directory(pid: int) -> Path:
    # After a fork the child has one of its own: it must not remove its parent's.
    _sweep(Path(tempfile.gettempdir()))
    while True:
        path = Path(tempfile.mkdtemp(prefix="bottomhalf-"))
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the process ends, however it ends
        if (path / _LOCK).exists():
            atexit.register(_remove, path, pid)
            return path
        os.close(lock)  # swept away before the lock was held


def _sweep(place: Path) -> None:
    """Remove the directories of processes that were killed: nobody holds their lock any more.

    Module copies stay in theirs as long as they are loaded, for debuggers and sanitizers read them late.
    """
    for path in place.glob("bottomhalf-*"):
        with contextlib.suppress(OSError):
            if path.stat().st_uid != os.getuid():
                continue
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _remove(path: Path, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(path, ignore_errors=True)


def headers() -> Path:
    """The directory that has <linux/...> for modules."""
    package = Path(_core.__file__).parent
    for path in (package / "include" / "bottomhalf" / "kernel", package / "kernel"):
        if (path / "linux" / "module.h").exists():
            return path
    raise _core.Unsupported(f"this installation has no headers for C modules: {path} is missing; install it anew")


def _compiler() -> list[str]:
    chosen = os.environ.get("CC", "").split()
    if chosen:
        if shutil.which(chosen[0]) is None:
            raise CompileError(f"the environment's CC={' '.join(chosen)!r} is no program that can be found")
        return chosen
    for name in _COMPILERS:
        if shutil.which(name):
            return [name]
    raise CompileError(
        "no C compiler was found (cc, gcc, clang): install one (Debian: apt install gcc; Fedora: dnf install gcc) or "
        "name it in the environment variable CC"
    )


@functools.cache
def _version(compiler: tuple[str, ...]) -> str:
    try:
        return subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise CompileError(f"the C compiler {' '.join(compiler)!r} does not run: {error}") from None


@functools.cache
def _own_headers(compiler: tuple[str, ...]) -> str:
    """The directory of the headers that belong to the compiler, <stdarg.h> and its kin."""
    command = [*compiler, "-print-file-name=include"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _is_clang(compiler: Sequence[str]) -> bool:
    return "clang" in _version(tuple(compiler))


def sanitizer_runtime(sanitizer: str) -> str:
    """The file of a sanitizer's run-time library, as the compiler has it ("" when it has none)."""
    compiler = _compiler()
    if _is_clang(compiler):
        stem = "libclang_rt." + {"address": "asan", "undefined": "ubsan_standalone"}[sanitizer]
        names = [f"{stem}-{os.uname().machine}.so", f"{stem}.so"]
    else:
        names = ["lib" + {"address": "asan", "undefined": "ubsan"}[sanitizer] + ".so"]
    for name in names:
        command = [*compiler, f"-print-file-name={name}"]
        file = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        if os.path.isabs(file) and os.path.exists(file):
            return os.path.realpath(file)
    return ""


def _sanitizer_flags(sanitizers: Sequence[str]) -> list[str]:
    if not sanitizers:
        return []
    flags = [f"-fsanitize={','.join(sanitizers)}"]
    if _is_clang(_compiler()):
        # Clang links shared objects with no run-time library unless it is told.
        runtime = sanitizer_runtime("address" if "address" in sanitizers else "undefined")
        flags += ["-shared-libsan", f"-Wl,-rpath,{os.path.dirname(runtime)}"]
    if "undefined" in sanitizers:
        flags += ["-fstrict-overflow", "-fno-wrapv"]  # or an overflow would be none
    return flags


def _sanitizers(text: str | None) -> list[str]:
    if text is None:
        return []
    if not isinstance(text, str):
        raise TypeError(f"sanitize must be a str or None, not {type(text).__name__}")
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    for word in wanted:
        if word not in ("address", "undefined"):
            raise ValueError(f"sanitize={text!r}: allowed are 'address', 'undefined' and 'address,undefined'")
        if not sanitizer_runtime(word):
            raise _core.Unsupported(
                f"sanitize={text!r}: {' '.join(_compiler())} comes without the run-time library for {word!r}; install "
                "it (Debian: apt install libclang-rt-dev for clang; Fedora: dnf install libasan libubsan for gcc), or "
                "name another compiler in the environment variable CC"
            )
    if "address" in wanted and not hasattr(ctypes.CDLL(None), "__asan_init"):
        runtime = sanitizer_runtime("address")
        raise _core.Unsupported(
            "sanitize='address': AddressSanitizer must be in the process before anything else is, and Python has "
            f"started without it. Start it with LD_PRELOAD={runtime} ASAN_OPTIONS=detect_leaks=0 in the environment "
            "(`bottomhalf insmod --sanitize address` does that by itself); 'undefined' works at any time"
        )
    return wanted


def _module_name(text: str) -> str:
    name = re.sub(r"\W", "_", text)
    return name[:55] or "module"


def _is_text(source: str) -> bool:
    return "\n" in source or "{" in source or ";" in source


def build(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    name: str | None,
    hz: int,
    cflags: Iterable[str] | str,
    sanitize: str | None,
    legacy: bool,
) -> Build:
    """Compile a module from the path of a C file, the paths of several, or its text; see Machine.insmod."""
    extra = cflags.split() if isinstance(cflags, str) else [str(flag) for flag in cflags]
    text = None
    if isinstance(source, str) and _is_text(source):
        text = source
        files = []
    elif isinstance(source, str | os.PathLike):
        files = [os.fspath(source)]
    else:
        files = [os.fspath(file) for file in source]
        if not files:
            raise ValueError("source is an empty list: name at least one C file")
    for file in files:
        if os.path.isdir(file):
            raise IsADirectoryError(21, "It is a directory: name the C files in it", file)
        if not os.path.exists(file):
            raise FileNotFoundError(2, "No such C file", file)
    name = _module_name(name if name is not None else Path(files[0]).stem if files else "module")
    sanitizers = _sanitizers(sanitize)
    compiler = _compiler()
    version = _version(tuple(compiler))
    flags = [*_FLAGS, *([] if _is_clang(compiler) else _GCC_FLAGS)]
    flags += ["-isystem", _own_headers(tuple(compiler)), f"-I{headers()}", f"-DHZ={hz}", f'-DKBUILD_MODNAME="{name}"']
    flags += ["-include", "linux/kconfig.h"]
    flags += ["-DBOTTOMHALF_LEGACY_API"] if legacy else []
    flags += _sanitizer_flags(sanitizers)
    flags += extra
    contents = [text.encode()] if text is not None else [Path(file).read_bytes() for file in files]
    key = hashlib.sha256(
        repr((compiler, version, flags, [os.path.abspath(file) for file in files], contents)).encode()
    ).hexdigest()
    cached = _cache.get(key)
    if cached is not None and all(_stamp(file) == stamp for file, stamp in cached.read.items()):
        return cached.build
    # Where the sources' names are relative, debuggers need to know to what.
    lasting: str | None = "" if text is not None else os.getcwd()
    if not _build_cache.is_on() or not all(_PLAIN_FLAG.fullmatch(flag) for flag in extra):
        lasting = None
    try:
        return _compile(compiler, flags, files, text, name, key, lasting)
    except CompileError as error:
        if "__bh_jiffies" not in error.output:
            raise
        # It has a field of that name, beside which no macro can stand. A variable can, but nobody sees it polled.
        return _compile(compiler, [*flags, "-D__BH_JIFFIES_VARIABLE"], files, text, name, key, lasting)


def _stamp(file: str) -> tuple[int, int]:
    try:
        status = os.stat(file)
    except OSError:
        return (0, -1)
    return (status.st_mtime_ns, status.st_size)


def _compile(
    compiler: list[str],
    flags: list[str],
    files: list[str],
    text: str | None,
    name: str,
    key: str,
    lasting: str | None,
) -> Build:
    """lasting: what else a build depends on that is kept for other processes; None: it is not."""
    # A directory for each, because the source is to be called as the user would call it.
    place = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=_directory(os.getpid())))
    target = place / f"{name}.so"
    if text is not None:
        (place / f"{name}.c").write_text(text)
        files = [f"{name}.c"]
    run = functools.partial(_run, cwd=place if text is not None else None)
    kept_as = "" if lasting is None else _key_of_contents(run, [*compiler, *flags], files, [key, lasting])
    kept = _build_cache.fetch(kept_as, target) if kept_as else None
    if kept is None:
        rules = place / f"{name}.d"
        command = [*compiler, *flags, "-MD", "-MF", str(rules), "-o", str(target), *files, _core._library()]
        done = run(command)
        output = done.stderr.strip()
        if done.returncode != 0:
            shutil.rmtree(place, ignore_errors=True)
            raise CompileError(f"module '{name}' does not compile:\n{output}", output, command)
        kept = _build_cache.Kept(output, _prerequisites(rules, place))
        if kept_as:
            _build_cache.keep(kept_as, target, kept)
    built = Build(str(target), name, kept.output)
    _cache[key] = _Cached(built, {file: _stamp(file) for file in kept.read})
    return built


def _run(command: list[str], cwd: Path | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C", "LD_PRELOAD": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )


def _key_of_contents(
    run: Callable[[list[str]], subprocess.CompletedProcess[str]], command: list[str], files: list[str], parts: list[str]
) -> str:
    """A key of the parts and of every header as the compiler sees it; "" where it has something to complain of."""
    # Without -g: it would put the working directory in.
    done = run([*(word for word in command if word != "-g"), "-E", *files])
    if done.returncode != 0:
        return ""
    parts = [*parts, _core.__version__, _core._library(), done.stdout]
    return hashlib.sha256(repr(parts).encode(errors="surrogateescape")).hexdigest()


def _prerequisites(rules: Path, place: Path) -> list[str]:
    """The files that a rule for make names, those of the module's own directory left out: they are in the key."""
    _, _, after = rules.read_text().replace("\\\n", " ").partition(":")
    names = [word.replace("\\ ", " ") for word in re.split(r"(?<!\\)\s+", after) if word and not word.endswith(":")]
    return [name for name in names if (place / name).parent != place]
