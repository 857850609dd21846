"""Settings and small images shared by all tests."""

import ctypes
import gc
import hashlib
import importlib.metadata
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from packaging.version import Version

from gsn_jax.cli.compilation_cache import processor

_ROOT = Path(__file__).parents[1]
_C = ctypes.CDLL(None)

# Set before JAX starts. Eight virtual devices: sharding is tested on every machine. No
# optimisation: the tests compile much and compute little. For the same reason a program is not
# divided into parts that are compiled in parallel, which a third of the work would go to, and XLA's
# older code generator, where there still is one: it needs half the time and half the memory.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
_flags = [
    os.environ.get("XLA_FLAGS", ""),
    "--xla_force_host_platform_device_count=8",
    "--xla_backend_optimization_level=0",
    "--xla_cpu_parallel_codegen_split_count=1",
]
if Version(importlib.metadata.version("jaxlib")) < Version("0.11"):
    _flags.append("--xla_cpu_use_fusion_emitters=false")
os.environ["XLA_FLAGS"] = " ".join(_flags).strip()

# One cache of compiled programs for all workers, the processes that tests start, and later runs.
# A program may only run on the processor and with the flags that it was compiled for.
_digest = hashlib.sha256(os.environ["XLA_FLAGS"].encode()).hexdigest()[:8]
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(
    _ROOT / ".cache" / f"compiled-{processor()}-{_digest}"
)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


def pytest_collection_modifyitems(items):
    """Those of the whole project, the longest ones, come first: the last ones are to be short.

    Otherwise a worker would run a long one while the other has nothing left to do.
    """
    items.sort(key=lambda item: item.path.parent != _ROOT / "tests")


def pytest_collection_finish():
    """What is there before the tests stays: the collector need not look at it time and again.

    Tracing makes millions of objects and few cycles, so the collector need not run often either.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_programs():
    """Loaded programs take megabytes each; without this a worker would hold those of all files."""
    yield
    if "jax" in sys.modules and _resident_bytes() > 1.2e9:
        sys.modules["jax"].clear_caches()
        gc.collect()
        if hasattr(_C, "malloc_trim"):  # glibc keeps what was freed, unless asked to return it
            _C.malloc_trim(0)


def _resident_bytes() -> float:
    """Memory of this process; infinite where the system does not tell."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return float("inf")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20220619)


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A real photograph, 128 x 160, uint8."""
    import skimage.data

    return np.ascontiguousarray(skimage.data.astronaut()[40:168, 140:300])


@pytest.fixture(scope="session")
def gsn_data() -> Path:
    """The development data, see GSN_DATA in the documentation; the test skips without it."""
    folder = os.environ.get("GSN_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs the development data: set GSN_DATA to its folder")
    return Path(folder)


@pytest.fixture
def open_page():
    """Opens a page in headless Chromium, see `browser.open_page`; skips where there is none."""
    import browser

    browser.chromium()
    return browser.open_page
