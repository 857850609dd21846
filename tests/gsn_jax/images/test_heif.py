"""HEIC files, which pillow-heif writes and reads."""

import importlib.util
import io

import numpy as np
import pytest
from image_files import BT2020, DISPLAY_P3, convert, linear_to_srgb, profile, srgb_to_linear
from PIL import Image

from gsn_jax import images
from gsn_jax.errors import InputError
from gsn_jax.images import files, heif

pillow_heif = pytest.importorskip("pillow_heif")

CODES = ("color_primaries", "transfer_characteristics", "matrix_coefficients", "full_range_flag")


@pytest.fixture
def values():
    """A smooth image, which an encoder keeps, of colours that fit sRGB."""
    down, right = np.mgrid[0:32, 0:48] / 320
    return np.stack([0.45 + down, 0.4 + right, 0.6 - down / 2], axis=-1)


def encode(values, bits=8, codes=(1, 13, 6, 1), **options):
    """A HEIC file; pillow-heif takes 16 bits for deeper ones."""
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[values.shape[-1]] + (";16" if bits > 8 else "")
    white, kind = (255, np.uint8) if bits == 8 else (65535, np.uint16)
    samples = np.round(values * white).astype(kind)
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    try:
        file = pillow_heif.from_bytes(mode, samples.shape[1::-1], samples.tobytes())
        buffer = io.BytesIO()
        named = dict(zip(CODES, codes, strict=True))
        file.save(buffer, quality=-1, chroma=444, **named, **options)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    return buffer.getvalue()


def load(tmp_path, data, **options):
    (tmp_path / "x.heic").write_bytes(data)
    return images.as_float(images.load_image(tmp_path / "x.heic", **options))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_depths(tmp_path, values, bits, channels):
    part = values[..., :channels]
    got = load(tmp_path, encode(part, bits))
    np.testing.assert_allclose(got, np.broadcast_to(part, values.shape), atol=2 / 2**bits)
    dtype = images.load_image(tmp_path / "x.heic").dtype
    assert dtype == (np.uint8 if bits == 8 else np.float32)
    assert files.read_size(tmp_path / "x.heic") == (32, 48)


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("full", [0, 1])
def test_code_points(tmp_path, values, bits, full):
    got = load(tmp_path, encode(values, bits, (12, 13, 6, full)))
    want = convert(srgb_to_linear(values), DISPLAY_P3)
    np.testing.assert_allclose(got, want, atol=5 / 2**bits)
    got = load(tmp_path, encode(values, bits, (9, 14, 9, full)))
    want = convert(srgb_to_linear(values), BT2020)
    np.testing.assert_allclose(got, want, atol=6 / 2**bits)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_refused(tmp_path, values, bits, transfer, name):
    data = encode(values, bits, (9, transfer, 9, 1))
    with pytest.raises(InputError, match=rf"x\.heic: is an HDR image .{name}."):
        load(tmp_path, data)


def test_code_points_that_are_not_known(tmp_path, values):
    data = encode(values, codes=(4, 13, 6, 1))
    with pytest.raises(InputError, match=r"CICP primaries 4, transfer 13. is not supported"):
        load(tmp_path, data)


@pytest.mark.parametrize("bits", [8, 10])
def test_a_profile_comes_before_code_points(tmp_path, values, bits):
    data = encode(values, bits, icc_profile=profile("rgb", gamma=1.0))
    np.testing.assert_allclose(load(tmp_path, data), linear_to_srgb(values), atol=4 / 2**bits)


@pytest.mark.parametrize("bits", [8, 10])
def test_opacity(tmp_path, values, bits):
    opacity = np.full((32, 48, 1), 0.25)
    data = encode(np.concatenate([values, opacity], -1), bits)
    with pytest.raises(InputError, match="transparent"):
        load(tmp_path, data)
    want = values * 0.25 + 0.75
    np.testing.assert_allclose(load(tmp_path, data, alpha="white"), want, atol=3 / 2**bits)


def test_the_orientation_is_applied_once(tmp_path):
    """libheif turns the image, and its EXIF says so still."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image = pillow_heif.from_pillow(Image.fromarray(pixels))
    image.info["exif"] = exif.tobytes()
    image.save(buffer, quality=-1, chroma=444)
    got = load(tmp_path, buffer.getvalue())
    opened = pillow_heif.open_heif(buffer.getvalue())
    assert got.shape == (*opened.size[::-1], 3)
    np.testing.assert_allclose(got, np.asarray(opened) / 255, atol=1 / 255)


def test_several_images(tmp_path, values):
    file = pillow_heif.HeifFile()
    for shift in range(2):
        pixels = np.uint8(np.roll(values, shift, 0) * 255)
        file.add_frombytes("RGB", (48, 32), pixels.tobytes())
    buffer = io.BytesIO()
    file.save(buffer, save_all=True)
    with pytest.raises(InputError, match=r"x\.heic: has 2 images; extract"):
        load(tmp_path, buffer.getvalue())


def test_the_size_is_checked_before_anything_is_decoded(tmp_path, values, monkeypatch):
    data = encode(values)
    monkeypatch.setattr(heif, "decode", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(InputError, match="48 x 32 pixels is beyond the limit of 1,000"):
        load(tmp_path, data, max_pixels=1000)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.99])
def test_truncated(tmp_path, values, share):
    data = encode(values)
    with pytest.raises(InputError, match=r"x\.heic: (damaged|not an image)"):
        load(tmp_path, data[: int(len(data) * share)])


def test_a_header_of_another_size(tmp_path, values):
    data = bytearray(encode(values))
    place = data.index(b"ispe") + 8
    for width in (8, 47, 4000):
        data[place : place + 4] = width.to_bytes(4, "big")
        with pytest.raises(InputError, match=r"x\.heic: (damaged|not an image)"):
            load(tmp_path, bytes(data))


def test_without_the_extra(tmp_path, values, monkeypatch):
    data = encode(values)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"x\.heic: HEIC needs the extra `formats`"):
        load(tmp_path, data)
    assert files.read_size(tmp_path / "x.heic") is None
