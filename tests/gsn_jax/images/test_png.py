"""Colour, opacity and damage of PNG files of 8 and 16 bits, against the PNG specification."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from image_files import (
    DISPLAY_P3,
    SRGB,
    WHITE,
    convert,
    linear_to_srgb,
    png_chunk,
    profile,
    srgb_to_linear,
    upright,
    with_chunks,
)
from PIL import Image

from gsn_jax import images
from gsn_jax.errors import InputError

# The largest error of a conversion: an 8-bit result is rounded twice.
ERROR = {8: 1.6 / 255, 16: 5e-5}


@pytest.fixture
def values(rng):
    return rng.random((11, 13, 3))


def encode(values, depth, *chunks):
    """A PNG file, and the values that its samples stand for."""
    white = 2**depth - 1
    samples = np.round(values * white).astype(np.uint8 if depth == 8 else np.uint16)
    plane = samples[..., 0] if samples.shape[-1] == 1 else samples
    data = imagecodecs.png_encode(np.ascontiguousarray(plane))
    return with_chunks(data, *chunks), samples / white


def load(tmp_path, data, **options):
    (tmp_path / "x.png").write_bytes(data)
    return images.as_float(images.load_image(tmp_path / "x.png", **options))


def gamma(value):
    return b"gAMA", struct.pack(">I", round(value * 100_000))


def primaries(values):
    points = (*WHITE, *values)
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in points))


def icc(content):
    return b"iCCP", b"name\0\0" + zlib.compress(content)


@pytest.mark.parametrize("depth", [8, 16])
class TestColour:
    @pytest.mark.parametrize("channels", [1, 3])
    def test_a_gamma_without_a_profile(self, tmp_path, values, depth, channels):
        data, stored = encode(values[..., :channels], depth, gamma(1.0))
        want = np.broadcast_to(linear_to_srgb(stored), values.shape)
        np.testing.assert_allclose(load(tmp_path, data), want, atol=ERROR[depth])

    @pytest.mark.parametrize("chunks", [
        [gamma(0.45455)],
        [gamma(0.45455), primaries(SRGB)],
        [(b"sRGB", b"\0"), gamma(1.0)],
        [(b"cICP", bytes([1, 13, 0, 1])), gamma(1.0)],
        [icc(profile("rgb", gamma=1.0)), (b"cICP", bytes([1, 13, 0, 1]))],
        [gamma(0)],
    ])  # fmt: skip
    def test_what_says_srgb_changes_nothing(self, tmp_path, values, depth, chunks):
        data, stored = encode(values, depth, *chunks)
        np.testing.assert_allclose(load(tmp_path, data), stored, atol=1e-7)

    def test_primaries(self, tmp_path, values, depth):
        data, stored = encode(values, depth, gamma(1.0), primaries(DISPLAY_P3))
        want = convert(stored, DISPLAY_P3)
        np.testing.assert_allclose(load(tmp_path, data), want, atol=4 * ERROR[depth])

    @pytest.mark.parametrize("code", [(12, 13), (12, 8)])
    def test_code_points(self, tmp_path, values, depth, code):
        data, stored = encode(values, depth, (b"cICP", bytes([*code, 0, 1])))
        linear = srgb_to_linear(stored) if code[1] == 13 else stored
        want = convert(linear, DISPLAY_P3)
        np.testing.assert_allclose(load(tmp_path, data), want, atol=8 * ERROR[depth])

    @pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
    def test_hdr_is_refused(self, tmp_path, values, depth, transfer, name):
        data, _ = encode(values, depth, (b"cICP", bytes([9, transfer, 0, 1])))
        with pytest.raises(InputError, match=rf"x\.png: is an HDR image \({name}\)"):
            load(tmp_path, data)

    @pytest.mark.parametrize("code", [(9, 200, 0, 1), (33, 13, 0, 1), (1, 13, 0, 0), (1, 13, 1, 1)])
    def test_other_code_points_are_refused(self, tmp_path, values, depth, code):
        data, _ = encode(values, depth, (b"cICP", bytes(code)))
        with pytest.raises(InputError, match="convert"):
            load(tmp_path, data)

    @pytest.mark.parametrize("kind", ["rgb", "gray"])
    def test_a_profile_on_gray(self, tmp_path, values, depth, kind):
        data, stored = encode(values[..., :1], depth, icc(profile(kind, gamma=1.0)))
        want = np.broadcast_to(linear_to_srgb(stored), values.shape)
        np.testing.assert_allclose(load(tmp_path, data), want, atol=ERROR[depth])

    @pytest.mark.parametrize(
        "content",
        [b"nonsense" * 20, b"", profile("gray", gamma=1.0)],
        ids=["nonsense", "empty", "gray"],  # a profile holds the time, and every process makes one
    )
    def test_a_profile_that_cannot_be_applied(self, tmp_path, values, depth, content):
        data, _ = encode(values, depth, icc(content))
        with pytest.raises(InputError, match=r"x\.png: its colour profile cannot be applied"):
            load(tmp_path, data)

    def test_a_profile_that_is_not_packed(self, tmp_path, values, depth):
        data, _ = encode(values, depth, (b"iCCP", b"name\0\0nonsense"))
        with pytest.raises(InputError, match=r"x\.png: its colour profile cannot be applied"):
            load(tmp_path, data)

    @pytest.mark.parametrize("channels", [1, 3])
    def test_a_transparent_colour(self, tmp_path, values, depth, channels):
        values[2:5] = values[2, 3]
        white = 2**depth - 1
        clear = np.round(values[2, 3, :channels] * white).astype(int)
        transparency = (b"tRNS", struct.pack(f">{channels}H", *clear))
        data, stored = encode(values[..., :channels], depth, transparency)
        with pytest.raises(InputError, match="transparent"):
            load(tmp_path, data)
        want = np.broadcast_to(stored, values.shape).copy()
        want[(np.round(stored * white) == clear).all(-1)] = 1
        np.testing.assert_allclose(load(tmp_path, data, alpha="white"), want, atol=1e-6)

    def test_opacity_is_composited_behind_the_profile(self, tmp_path, values, depth):
        opacity = np.linspace(0, 1, 11 * 13).reshape(11, 13, 1)
        data, stored = encode(
            np.concatenate([values, opacity], -1), depth, icc(profile("rgb", gamma=1.0))
        )
        share = stored[..., 3:]
        want = linear_to_srgb(stored[..., :3]) * share + 1 - share
        np.testing.assert_allclose(load(tmp_path, data, alpha="white"), want, atol=ERROR[depth])

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_the_orientation(self, tmp_path, values, depth, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = exif.tobytes().removeprefix(b"Exif\0\0")
        data, stored = encode(values, depth, (b"eXIf", content))
        np.testing.assert_allclose(load(tmp_path, data), upright(stored, orientation), atol=1e-7)

    def test_damage(self, tmp_path, values, depth):
        data, _ = encode(values, depth)
        for position in range(60, len(data) - 20, 37):
            flipped = bytearray(data)
            flipped[position] ^= 1
            with pytest.raises(InputError, match=r"damaged|not an image"):
                load(tmp_path, bytes(flipped))


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_gray_with_opacity_and_a_gray_profile(tmp_path, values, mode):
    gray = np.round(values[..., 0] * 255).astype(np.uint8)
    image = Image.fromarray(gray).convert(mode)
    options = {"transparency": 300} if mode == "L" else {}  # a gray that no pixel has
    buffer = io.BytesIO()
    image.save(buffer, "PNG", icc_profile=profile("gray", gamma=1.0), **options)
    want = np.stack([linear_to_srgb(gray / 255)] * 3, -1)
    np.testing.assert_allclose(load(tmp_path, buffer.getvalue()), want, atol=1.1 / 255)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_transparent_level_of_few_gray_levels(tmp_path, depth):
    """A row of all levels; the highest is transparent."""
    levels = 2**depth
    row = sum(level << (depth * (levels - 1 - level)) for level in range(levels))
    size = depth * levels + 7 >> 3
    row <<= size * 8 - depth * levels
    header = struct.pack(">IIBBBBB", levels, 1, depth, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" + row.to_bytes(size, "big"))
    chunks = (b"IHDR", header), (b"tRNS", struct.pack(">H", levels - 1)), (b"IDAT", pixels)
    data = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in (*chunks, (b"IEND", b"")))
    with pytest.raises(InputError, match="has transparent pixels"):
        load(tmp_path, data)
    got = load(tmp_path, data, alpha="black")[0, :, 0]
    np.testing.assert_allclose(got, [*np.arange(levels - 1) / (levels - 1), 0], atol=1e-6)


def test_a_deep_file_with_too_much_data_is_read_in_silence(tmp_path, values, capfd):
    """libpng by itself prints a warning."""
    data, stored = encode(values, 16)
    start = data.index(b"IDAT") - 4
    rows = zlib.decompress(data[start + 8 : -16])
    content = b"IDAT" + zlib.compress(rows + b"more")
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    np.testing.assert_array_equal(
        load(tmp_path, data[:start] + chunk + data[-12:]), np.float32(stored)
    )
    assert capfd.readouterr().err == ""


def test_interlaced_16_bits(tmp_path, values):
    """Adam7 of a gray image, built from its definition."""
    samples = np.round(values[..., 0] * 65535).astype(">u2")
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
              (1, 0, 2, 1)]  # fmt: skip
    rows = b""
    for top, left, down, right in passes:
        part = samples[top::down, left::right]
        rows += b"".join(b"\0" + row.tobytes() for row in part if row.size)
    header = struct.pack(">IIBBBBB", 13, 11, 16, 0, 0, 0, 1)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += with_chunks(b"", (kind, content))
    np.testing.assert_allclose(load(tmp_path, data)[..., 0], samples / 65535, atol=1e-7)
