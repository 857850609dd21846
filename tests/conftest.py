"""Settings and small images shared by all tests."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

# Before JAX starts: eight virtual devices, so that sharding is tested on every machine; and no
# optimisation, since the tests compile much and compute little.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
)

# Whole runs compile the same step again and again, also in processes of their own.
_COMPILED = tempfile.TemporaryDirectory(prefix="gsn-jax-tests-")
os.environ["JAX_COMPILATION_CACHE_DIR"] = _COMPILED.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"


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
