"""JPEG XL: what the header says, and the colours and depth that follow from it."""

import importlib.util
import io

import imagecodecs
import jpeg_xl_files
import numpy as np
import pytest
from image_files import (
    ADOBE_RGB,
    BT2020,
    DISPLAY_P3,
    SRGB,
    WHITE,
    convert,
    linear_to_srgb,
    srgb_to_linear,
    upright,
)
from jpeg_xl_files import DEEP, PIXELS
from PIL import Image

from gsn_jax import images
from gsn_jax.errors import InputError
from gsn_jax.images import files, jpeg_xl_header

STORED = PIXELS / 255
LINEAR = srgb_to_linear(STORED)


def load(tmp_path, data, **options):
    (tmp_path / "x.jxl").write_bytes(data)
    return images.as_float(images.load_image(tmp_path / "x.jxl", **options))


# name of the file -> the image that it holds, and the largest error
COLOURS = {
    "p3": (convert(LINEAR, DISPLAY_P3), 0.7),
    "p3_lossy": (convert(LINEAR, DISPLAY_P3), 2.5),
    "bt2020_gamma": (convert(STORED**2.2, BT2020), 0.7),
    "linear": (linear_to_srgb(STORED), 0.7),
    "dci": (convert(STORED**2.6, DISPLAY_P3, (0.314, 0.351)), 0.7),
    "white_e": (convert(LINEAR, SRGB, (1 / 3, 1 / 3)), 0.7),
    "custom": (convert(STORED ** (1 / 0.4547), ADOBE_RGB, WHITE), 0.7),
    "gray_linear": (np.repeat(linear_to_srgb(STORED[..., :1]), 3, -1), 0.7),
    "deep_p3": (convert(srgb_to_linear(DEEP / 65535), DISPLAY_P3), 0.02),
    "container": (STORED, 0.01),
    "turned": (upright(STORED, 6), 2),
}


@pytest.mark.parametrize("name", COLOURS)
def test_colours_as_the_header_says(tmp_path, name):
    want, error = COLOURS[name]
    got = load(tmp_path, jpeg_xl_files.read(name))
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, atol=error / 255)
    assert files.read_size(tmp_path / "x.jxl") == want.shape[:2]


def test_an_icc_profile(tmp_path):
    pytest.importorskip("OpenImageIO")
    want = convert(STORED**2.19921875, ADOBE_RGB)
    got = load(tmp_path, jpeg_xl_files.read("icc"))
    np.testing.assert_allclose(got, want, atol=0.7 / 255)


def test_an_icc_profile_without_its_reader(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"x\.jxl: JPEG XL with an ICC profile .* `formats`"):
        load(tmp_path, jpeg_xl_files.read("icc"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pq", "is an HDR image .PQ."),
        ("pq_lossy", "is an HDR image .PQ."),
        ("hlg", "is an HDR image .HLG."),
        ("icc_lossy", "is lossy JPEG XL with an ICC profile that its decoder does not apply"),
        ("animated", "is animated; extract the frame"),
        ("alpha", "has transparent pixels"),
    ],
)
def test_what_is_refused(tmp_path, name, message):
    with pytest.raises(InputError, match=rf"x\.jxl: {message}"):
        load(tmp_path, jpeg_xl_files.read(name))


def test_opacity(tmp_path):
    share = 128 / 255
    got = load(tmp_path, jpeg_xl_files.read("alpha"), alpha="white")
    np.testing.assert_allclose(got, STORED * share + 1 - share, atol=0.51 / 255)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("kind", "bits"), [("u1", 8), ("u2", 10), ("u2", 12), ("u2", 16), ("f2", 16), ("f4", 32)]
)
def test_depths(tmp_path, rng, channels, kind, bits):
    """imagecodecs says of files with more than 8 bits that they are linear."""
    white = 1 if kind[0] == "f" else 2**bits - 1
    values = rng.random((11, 13, channels)) * white
    samples = (np.round(values) if white > 1 else values).astype(kind)
    if channels in (2, 4):
        samples[..., -1] = white
    plane = samples[..., 0] if channels == 1 else samples
    data = imagecodecs.jpegxl_encode(plane, lossless=True, bitspersample=bits)
    got = load(tmp_path, data)
    colours = samples[..., : 3 if channels > 2 else 1] / np.float64(white)
    want = colours if bits == 8 else linear_to_srgb(colours)
    error = 1e-6 if bits == 8 else 5e-5
    np.testing.assert_allclose(got, np.broadcast_to(want, (11, 13, 3)), atol=error)


def test_the_size_is_checked_before_anything_is_decoded(tmp_path, monkeypatch):
    data = imagecodecs.jpegxl_encode(np.zeros((40, 50), np.uint8))
    monkeypatch.setattr(imagecodecs, "jpegxl_decode", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(InputError, match="50 x 40 pixels is beyond the limit of 1,999 pixels"):
        load(tmp_path, data, max_pixels=1999)


@pytest.mark.parametrize("name", ["p3_lossy", "turned", "container", "icc", "deep_p3"])
def test_truncated(tmp_path, name):
    data = jpeg_xl_files.read(name)
    for length in range(len(data) * 9 // 10):
        with pytest.raises(InputError, match=r"x\.jxl: (damaged|not an image|JPEG XL with)"):
            load(tmp_path, data[:length])


class TestHeader:
    """Against fields that are written bit by bit, as the standard lists them."""

    def header(self, *fields):
        text = "".join(f"{value:0{count}b}"[::-1] if count else "" for value, count in fields)
        text += "0" * (-len(text) % 8)
        body = bytes(int(text[place : place + 8][::-1], 2) for place in range(0, len(text), 8))
        return jpeg_xl_header.parse(b"\xff\x0a" + body)

    SMALL = ((1, 1), (1, 5), (0, 3), (2, 5))  # 24 x 16 in units of 8
    PLAIN = ((0, 1), (0, 2), (1, 1))  # no float, 8 bits, 16 bits suffice

    @pytest.mark.parametrize(
        ("fields", "size"),
        [
            (SMALL, (24, 16)),
            (((1, 1), (1, 5), (5, 3)), (28, 16)),
            (((0, 1), (1, 2), (999, 13), (0, 3), (2, 2), (69_999, 18)), (70_000, 1000)),
            (((0, 1), (3, 2), (2**30 - 1, 30), (7, 3)), (2**31, 2**30)),
        ],
    )
    def test_size(self, fields, size):
        found = self.header(*fields, (1, 1))
        assert (found.width, found.height) == size
        assert (found.bits, found.extra, found.xyb, found.space) == (8, (), True, None)

    def test_everything_before_the_depth(self):
        preview = ((1, 1), (0, 1), (1, 2), (5, 8), (0, 3), (0, 2), (9, 6))
        found = self.header(
            *self.SMALL, (0, 1), (1, 1), (5, 3),
            (1, 1), (1, 1), (7, 5), (1, 3),
            *preview,
            (0, 1),
            (0, 1), (3, 2), (13, 6), (1, 1),
            (0, 2), (0, 1), (1, 1),
        )  # fmt: skip
        assert (found.width, found.height) == (16, 24)
        assert (found.bits, found.animated, found.xyb, found.space) == (14, False, False, None)

    def test_animation(self):
        found = self.header(*self.SMALL, (0, 1), (1, 1), (0, 3), (0, 1), (0, 1), (1, 1))
        assert found.animated

    def test_channels_besides_colour(self):
        found = self.header(
            *self.SMALL, (0, 1), (0, 1), *self.PLAIN,
            (2, 2), (1, 4),  # three
            (0, 1), (0, 2), (0, 1), (0, 2), (0, 2), (1, 2), (2, 4), (65, 8), (66, 8), (1, 1),
            (0, 1), (2, 2), (0, 4), (0, 1), (0, 2), (0, 2), (0, 2), (1, 32), (1, 32),
            (0, 1), (2, 2), (3, 4), (1, 1), (0, 2), (7, 4), (0, 2), (0, 2), (1, 2), (3, 2),
            (1, 1), (1, 1),
        )  # fmt: skip
        assert found.extra == (0, 2, 5)
        assert (found.premultiplied, found.xyb, found.space) == (True, True, None)


def test_other_channels_are_refused(tmp_path):
    planes = np.zeros((2, 9, 10), np.uint8)
    data = imagecodecs.jpegxl_encode(planes, lossless=True, planar=True)
    with pytest.raises(InputError, match="channels other than colour and one alpha"):
        load(tmp_path, data)


def test_a_jpeg_inside(tmp_path):
    """A JPEG file that was recompressed is the picture that its own decoder gives."""
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "JPEG", quality=90, subsampling=0)
    data = imagecodecs.jpegxl_encode_jpeg(buffer.getvalue())
    want = np.asarray(Image.open(buffer)) / 255
    np.testing.assert_allclose(load(tmp_path, data), want, atol=3 / 255)
