"""Keeps XLA's compiled programs between runs, so that later runs start faster.

The cache is on by default. JAX's own settings take precedence: JAX_COMPILATION_CACHE_DIR sets
another folder, and JAX_ENABLE_COMPILATION_CACHE=false turns the cache off.
"""

from __future__ import annotations

import contextlib
import glob
import os
import platform
import re
import sys
import warnings
import zlib
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from gsn_jax import storage
from gsn_jax.errors import InputError

_FOLDER = "JAX_COMPILATION_CACHE_DIR"
# By default, JAX keeps only programs that took at least a second to compile.
_LEAST_SECONDS = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
_UNREADABLE = re.compile("Error reading persistent compilation cache entry for '([^']+)'")


def keep_compiled(environ: MutableMapping[str, str] = os.environ) -> Path | None:
    """Sets the cache folder for this process and its children, before JAX is imported.

    Returns:
        The folder; None if the user has set one, JAX is imported already, the user has no home
        folder, or it cannot be written.
    """
    if _FOLDER in environ or "jax" in sys.modules:
        return None
    try:
        folder = storage.user_cache(environ) / "gsn_jax" / f"compiled-{processor()}"
        folder.mkdir(parents=True, exist_ok=True)
    except (InputError, OSError):
        return None
    if not os.access(folder, os.W_OK | os.X_OK):
        return None
    environ[_FOLDER] = str(folder)
    environ.setdefault(_LEAST_SECONDS, "0")
    return folder


@contextlib.contextmanager
def unreadable_replaced(environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Within the block, a cached program that JAX cannot read is replaced without a warning.

    A process that is killed while it writes leaves half a file. JAX compiles that program again but
    keeps the broken file, so that every later command would warn. JAX warns before it compiles, and
    the warning names the program with which the file's name begins, so the file is removed then.
    """
    show, folder = warnings.showwarning, environ.get(_FOLDER)

    def remove_or_show(message: Warning | str, *where: object, **more: object) -> None:
        found = _UNREADABLE.match(str(message))
        if not (found and folder and _remove(Path(folder), found[1])):
            show(message, *where, **more)  # type: ignore[arg-type]

    warnings.showwarning = remove_or_show
    try:
        yield
    finally:
        warnings.showwarning = show


def _remove(folder: Path, program: str) -> bool:
    """Removes all files of a program. True if there were any and all are gone."""
    files = list(folder.glob(f"{glob.escape(program)}-*-cache"))
    try:
        for file in files:
            file.unlink(missing_ok=True)
    except OSError:
        return False
    return bool(files)


def processor() -> str:
    """Identifies the processor: a program compiled for one may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = [platform.processor()]
    features = [line for line in lines if line.startswith(("flags", "Features", "model name"))]
    return f"{platform.machine()}-{zlib.crc32(''.join(sorted(set(features))).encode()):08x}"
