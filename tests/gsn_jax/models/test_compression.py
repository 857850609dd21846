"""Compressed kernels come back within half a step, and everything else untouched."""

import numpy as np
import pytest

from gsn_jax.models import folders
from gsn_jax.models.compression import compress, expand


@pytest.fixture
def tree(rng):
    kernel = rng.normal(size=(3, 3, 16, 32)).astype(np.float32)
    kernel[..., 5] = 0
    small = rng.normal(size=(3, 3, 2, 2)).astype(np.float32)
    bias = rng.normal(size=32).astype(np.float32)
    return {"a": {"conv": {"kernel": kernel, "bias": bias}}, "b": {"kernel": small}}


def test_within_half_a_step(tree):
    back = expand(compress(tree))
    kernel, got = tree["a"]["conv"]["kernel"], back["a"]["conv"]["kernel"]
    step = np.abs(kernel).max(axis=(0, 1, 2)) / 127
    assert (np.abs(got - kernel) <= step * 0.501).all()
    assert got.dtype == np.float32
    assert not got[..., 5].any()
    np.testing.assert_array_equal(back["a"]["conv"]["bias"], tree["a"]["conv"]["bias"])
    np.testing.assert_array_equal(back["b"]["kernel"], tree["b"]["kernel"])


def test_a_quarter_of_the_bytes(tree):
    before, after = (t["a"]["conv"]["kernel"] for t in (tree, compress(tree)))
    assert sum(part.nbytes for part in after.values()) < before.nbytes / 3.8


def test_a_model_folder_may_hold_them(small_model, tree, tmp_path):
    import dataclasses

    params = {**small_model.variables["params"], "backbone": tree}
    model = dataclasses.replace(small_model, variables={"params": params})
    folders.write_model(tmp_path / "plain", model)
    folders.write_model(tmp_path / "small", model, compressed=True)
    plain, small = (folders.read_model(tmp_path / name) for name in ("plain", "small"))
    want = expand(compress(plain.variables["params"]["backbone"]))
    got = small.variables["params"]["backbone"]
    np.testing.assert_array_equal(got["a"]["conv"]["kernel"], want["a"]["conv"]["kernel"])
    np.testing.assert_array_equal(got["b"]["kernel"], tree["b"]["kernel"])
    again = tmp_path / "again"  # compressing what was compressed changes nothing
    folders.write_model(again, small, compressed=True)
    twice = folders.read_model(again).variables["params"]["backbone"]
    np.testing.assert_array_equal(twice["a"]["conv"]["kernel"], got["a"]["conv"]["kernel"])
