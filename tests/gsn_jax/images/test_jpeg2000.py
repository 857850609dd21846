"""Depth and colour of JPEG 2000 files."""

import struct

import box_files
import imagecodecs
import numpy as np
import pytest
from image_files import linear_to_srgb, profile

from gsn_jax import images
from gsn_jax.errors import InputError


@pytest.fixture
def values():
    """A smooth image, which an encoder keeps."""
    down, right = np.mgrid[0:32, 0:48] / 64
    return np.stack([0.2 + down, 0.1 + right, 0.6 - down / 2], axis=-1)


def load(tmp_path, data, name="x.jp2", **options):
    (tmp_path / name).write_bytes(data)
    return images.as_float(images.load_image(tmp_path / name, **options))


def jpeg2000(values, bits, form="jp2"):
    samples = np.round(values * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    options = {"codecformat": form, "bitspersample": bits, "level": 0, "reversible": True}
    return imagecodecs.jpeg2k_encode(samples, **options), samples / (2**bits - 1)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("form", ["jp2", "j2k"])
@pytest.mark.parametrize("channels", [1, 3])
def test_keeps_its_depth(tmp_path, values, bits, form, channels):
    part = values[..., 0] if channels == 1 else values
    data, stored = jpeg2000(part, bits, form)
    want = np.broadcast_to(stored[..., None] if channels == 1 else stored, values.shape)
    np.testing.assert_allclose(load(tmp_path, data, f"x.{form}"), want, atol=1e-6)


@pytest.mark.parametrize("bits", [8, 16])
def test_profile(tmp_path, values, bits):
    data, stored = jpeg2000(values, bits)
    data = box_files.with_jp2_colour(data, b"\2\0\0" + profile("rgb", gamma=1.0))
    error = 1.6 / 255 if bits == 8 else 5e-5
    np.testing.assert_allclose(load(tmp_path, data), linear_to_srgb(stored), atol=error)


@pytest.mark.parametrize("bits", [8, 16])
def test_in_another_colour_space(tmp_path, values, bits):
    data, _ = jpeg2000(values, bits)
    data = box_files.with_jp2_colour(data, b"\1\0\0" + struct.pack(">I", 14))  # CIELAB
    with pytest.raises(InputError, match=r"x\.jp2: its colour space is not supported"):
        load(tmp_path, data)


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_with_signed_samples(tmp_path, values, kind):
    samples = np.round((values - 0.5) * 100).astype(kind)
    data = imagecodecs.jpeg2k_encode(samples, codecformat="jp2", level=0, reversible=True)
    with pytest.raises(InputError, match=r"x\.jp2: JPEG 2000 with signed samples is not supported"):
        load(tmp_path, data)


def test_with_channels_of_different_depths(tmp_path, values):
    data = bytearray(jpeg2000(values, 8)[0])
    data[data.index(b"\xff\x4f\xff\x51") + 42] = 4  # red has 5 bits
    with pytest.raises(InputError, match=r"channels of different depths is not supported"):
        load(tmp_path, data)


@pytest.mark.parametrize("bits", [8, 16])
def test_whose_headers_differ(tmp_path, values, bits):
    data, _ = jpeg2000(values, bits)
    place = data.index(b"\xff\x4f\xff\x51") + 8
    lying = data[:place] + struct.pack(">2I", 60_000, 60_000) + data[place + 8 :]
    with pytest.raises(InputError, match=r"damaged|not an image"):
        load(tmp_path, lying)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated(tmp_path, values, share):
    data = jpeg2000(values, 16)[0]
    with pytest.raises(InputError, match=r"damaged|not an image"):
        load(tmp_path, data[: int(len(data) * share)])
