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

# These must be set before JAX starts. Eight virtual devices test sharding on every machine. The
# other flags speed up compilation, because the tests compile much and compute little: no
# optimisation; no splitting of programs for parallel compilation, which costs a third of the work;
# and XLA's older code generator, where it still exists, which needs half the time and memory.
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
# Processor and flags are part of its name, because programs are valid only for these.
_digest = hashlib.sha256(os.environ["XLA_FLAGS"].encode()).hexdigest()[:8]
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(
    _ROOT / ".cache" / f"compiled-{processor()}-{_digest}"
)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


def pytest_collection_modifyitems(items):
    """Puts the tests of the whole project, which take longest, first.

    Otherwise one worker could end with a long test while the other has nothing left to do.
    """
    items.sort(key=lambda item: item.path.parent != _ROOT / "tests")


def pytest_collection_finish():
    """Makes garbage collection rarer and cheaper.

    Objects that exist before the tests stay, so they are frozen. Tracing makes millions of objects
    but few cycles, so the collector need not run often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(scope="module", autouse=True)
def _forget_programs_of_a_module():
    """Drops compiled programs, which take megabytes each, when a worker holds too many."""
    yield
    _forget_programs_above(1.2e9)


@pytest.fixture(autouse=True)
def _forget_programs_of_a_test():
    """As above, but later, because the next tests of the module may use the same programs."""
    yield
    _forget_programs_above(1.8e9)


@pytest.fixture
def few_programs():
    """Drops compiled programs before a test whose own take gigabytes to compile."""
    _forget_programs_above(0.9e9)


def _forget_programs_above(most_bytes: float) -> None:
    if "jax" in sys.modules and _resident_bytes() > most_bytes:
        sys.modules["jax"].clear_caches()
        gc.collect()
        if hasattr(_C, "malloc_trim"):  # otherwise glibc keeps the freed memory
            _C.malloc_trim(0)


def _resident_bytes() -> float:
    """Resident memory of this process in bytes; infinite where it is unknown."""
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
    """The folder of the development data, from GSN_DATA; skips the test without it."""
    folder = os.environ.get("GSN_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs the development data: set GSN_DATA to its folder")
    return Path(folder)


@pytest.fixture
def open_page():
    """`browser.open_page`; skips the test without Chromium."""
    import browser

    browser.chromium()
    return browser.open_page
