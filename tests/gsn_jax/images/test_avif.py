"""Depth and colour of AVIF and JPEG 2000 files."""

import io
import struct

import imagecodecs
import numpy as np
import pytest
from image_files import DISPLAY_P3, convert, linear_to_srgb, profile, srgb_to_linear
from PIL import Image

from gsn_jax import images
from gsn_jax.errors import InputError


@pytest.fixture
def values():
    """A smooth image, which an encoder keeps."""
    down, right = np.mgrid[0:32, 0:48] / 64
    return np.stack([0.2 + down, 0.1 + right, 0.6 - down / 2], axis=-1)


def load(tmp_path, data, name="x.avif", **options):
    (tmp_path / name).write_bytes(data)
    return images.as_float(images.load_image(tmp_path / name, **options))


def avif(values, bits, **options):
    kind = np.uint8 if bits == 8 else np.uint16
    samples = np.round(values * (2**bits - 1)).astype(kind)
    return imagecodecs.avif_encode(samples, level=100, bitspersample=bits, **options)


def jpeg2000(values, bits, form="jp2"):
    samples = np.round(values * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    options = {"codecformat": form, "bitspersample": bits, "level": 0, "reversible": True}
    return imagecodecs.jpeg2k_encode(samples, **options), samples / (2**bits - 1)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_avif_keeps_its_depth(tmp_path, values, bits):
    got = images.load_image(tmp_path_file(tmp_path, avif(values, bits)))
    assert got.dtype == (np.uint8 if bits == 8 else np.float32)
    np.testing.assert_allclose(images.as_float(got), values, atol=3 / 2**bits)


def tmp_path_file(tmp_path, data):
    (tmp_path / "x.avif").write_bytes(data)
    return tmp_path / "x.avif"


@pytest.mark.parametrize("bits", [8, 10])
def test_avif_code_points(tmp_path, values, bits):
    values = 0.4 + values / 5  # a conversion magnifies the encoder's errors in saturated colours
    data = avif(values, bits, primaries=12, transfer=13, matrix=6)
    want = convert(srgb_to_linear(values), DISPLAY_P3)
    np.testing.assert_allclose(load(tmp_path, data), want, atol=8 / 2**bits)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_avif_hdr_is_refused(tmp_path, values, bits, transfer, name):
    data = avif(values, bits, primaries=9, transfer=transfer, matrix=9)
    with pytest.raises(InputError, match=rf"x\.avif: is an HDR image \({name}\)"):
        load(tmp_path, data)


def test_avif_opacity(tmp_path, values):
    opacity = np.full((32, 48, 1), 0.25)
    data = avif(np.concatenate([values, opacity], -1), 10)
    with pytest.raises(InputError, match="transparent"):
        load(tmp_path, data)
    share = round(0.25 * 1023) / 1023
    want = values * share + 1 - share
    np.testing.assert_allclose(load(tmp_path, data, alpha="white"), want, atol=3 / 1024)


def test_avif_profile_and_orientation(tmp_path, values):
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    pixels = np.round(values * 255).astype(np.uint8)
    options = {"exif": exif, "icc_profile": profile("rgb", gamma=1.0), "quality": 100}
    Image.fromarray(pixels).save(buffer, "AVIF", **options)
    want = linear_to_srgb(pixels / 255).swapaxes(0, 1)[:, ::-1]
    np.testing.assert_allclose(load(tmp_path, buffer.getvalue()), want, atol=8 / 255)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("form", ["jp2", "j2k"])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_2000_keeps_its_depth(tmp_path, values, bits, form, channels):
    part = values[..., 0] if channels == 1 else values
    data, stored = jpeg2000(part, bits, form)
    want = np.broadcast_to(stored[..., None] if channels == 1 else stored, values.shape)
    np.testing.assert_allclose(load(tmp_path, data, f"x.{form}"), want, atol=1e-6)


def with_colour_box(data, content):
    """A JP2 file with another colour box; its header box grows."""
    start = data.index(b"jp2h") - 4
    place = data.index(b"colr") - 4
    (old,) = struct.unpack(">I", data[place : place + 4])
    (size,) = struct.unpack(">I", data[start : start + 4])
    box = struct.pack(">I4s", 8 + len(content), b"colr") + content
    header = struct.pack(">I", size - old + len(box)) + data[start + 4 : place] + box
    return data[:start] + header + data[place + old :]


@pytest.mark.parametrize("bits", [8, 16])
def test_jpeg_2000_profile(tmp_path, values, bits):
    data, stored = jpeg2000(values, bits)
    data = with_colour_box(data, b"\2\0\0" + profile("rgb", gamma=1.0))
    error = 1.6 / 255 if bits == 8 else 5e-5
    np.testing.assert_allclose(load(tmp_path, data, "x.jp2"), linear_to_srgb(stored), atol=error)


@pytest.mark.parametrize("bits", [8, 16])
def test_jpeg_2000_in_another_colour_space(tmp_path, values, bits):
    data, _ = jpeg2000(values, bits)
    data = with_colour_box(data, b"\1\0\0" + struct.pack(">I", 14))  # CIELAB
    with pytest.raises(InputError, match=r"x\.jp2: is in a colour space that is not read"):
        load(tmp_path, data, "x.jp2")


@pytest.mark.parametrize("bits", [8, 16])
def test_jpeg_2000_whose_headers_differ(tmp_path, values, bits):
    data, _ = jpeg2000(values, bits)
    place = data.index(b"\xff\x4f\xff\x51") + 8
    lying = data[:place] + struct.pack(">2I", 60_000, 60_000) + data[place + 8 :]
    with pytest.raises(InputError, match=r"damaged|not an image"):
        load(tmp_path, lying, "x.jp2")


@pytest.mark.parametrize("name", ["x.avif", "x.jp2"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated(tmp_path, values, name, share):
    data = avif(values, 10) if name == "x.avif" else jpeg2000(values, 16)[0]
    with pytest.raises(InputError, match=r"damaged|not an image"):
        load(tmp_path, data[: int(len(data) * share)], name)
