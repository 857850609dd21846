"""XLA's compiled programs are kept between runs, so that a command starts quickly again.

On by default; JAX's own settings take precedence: JAX_COMPILATION_CACHE_DIR names another folder,
and JAX_ENABLE_COMPILATION_CACHE=false switches it off.
"""

from __future__ import annotations

import os
import platform
import sys
import zlib
from collections.abc import MutableMapping
from pathlib import Path

from gsn_jax import storage

_FOLDER = "JAX_COMPILATION_CACHE_DIR"
# JAX keeps only what took a second to compile, unless told otherwise.
_LEAST_SECONDS = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def keep_compiled(environ: MutableMapping[str, str] = os.environ) -> Path | None:
    """Sets the folder for this process and those it starts, before JAX is imported.

    Returns:
        The folder; None where the user has chosen, or it cannot be written.
    """
    if _FOLDER in environ or "jax" in sys.modules:
        return None
    folder = storage.user_cache(environ) / "gsn_jax" / f"compiled-{processor()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK | os.X_OK):
        return None
    environ[_FOLDER] = str(folder)
    environ.setdefault(_LEAST_SECONDS, "0")
    return folder


def processor() -> str:
    """Identifies the processor: a program compiled for one may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = [platform.processor()]
    features = [line for line in lines if line.startswith(("flags", "Features", "model name"))]
    return f"{platform.machine()}-{zlib.crc32(''.join(sorted(set(features))).encode()):08x}"
