"""Colours outside sRGB are clipped with a warning; HDR profiles are refused."""

import logging
import tempfile

import jpeg_xl_files
import numpy as np
import pytest
import tifffile
from image_files import (
    ADOBE_RGB,
    BT2020,
    DISPLAY_P3,
    SRGB,
    cmyk_profile,
    cmyk_to_srgb,
    profile,
    srgb_curve,
    srgb_to_linear,
    to_xyz,
)
from PIL import Image

from gsn_jax import images
from gsn_jax.errors import InputError

SPACES = {
    "display_p3": (DISPLAY_P3, {"curve": srgb_curve()}, srgb_to_linear),
    "adobe_rgb": (ADOBE_RGB, {"gamma": 563 / 256}, lambda values: values ** (563 / 256)),
    "bt2020": (BT2020, {"curve": srgb_curve()}, srgb_to_linear),
}


def encoded(linear):
    """The sRGB curve, continued beyond [0, 1]."""
    size = np.abs(linear)
    curve = np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** (1 / 2.4) - 0.055)
    return np.sign(linear) * curve


@pytest.mark.parametrize("depth", [8, 16, "float"])
@pytest.mark.parametrize("space", SPACES)
def test_a_warning_says_how_much_is_clipped(tmp_path, rng, caplog, space, depth):
    primaries, curve, decode = SPACES[space]
    values = rng.random((40, 50, 3))
    values[20:] = 0.5 + values[20:] / 100  # half of the colours are not saturated
    white, kind = {8: (255, np.uint8), 16: (65535, np.uint16)}.get(depth, (1, np.float32))
    samples = (np.round(values * white) if white > 1 else values).astype(kind)
    icc = profile("rgb", primaries=primaries, **curve)
    tifffile.imwrite(tmp_path / "x.tif", samples, photometric="rgb", iccprofile=icc)
    matrix = np.linalg.solve(to_xyz(SRGB), to_xyz(primaries))
    want = encoded(decode(samples / white) @ matrix.T)
    with caplog.at_level(logging.WARNING):
        got = images.as_float(images.load_image(tmp_path / "x.tif"))
    np.testing.assert_allclose(got, np.clip(want, 0, 1), atol=2.5 / 255 if depth == 8 else 2e-3)
    outside = 100 * (np.abs(want - 0.5).max(-1) > 0.5 + 0.5 / 255).mean()
    (record,) = caplog.records
    assert record.name == "gsn_jax.images.colour"
    line = record.getMessage()
    assert line.startswith(f"{tmp_path / 'x.tif'}: ")
    assert line.endswith("% of the pixels have colours outside sRGB, which were clipped")
    assert abs(float(line.split(": ")[1].split()[0]) - outside) < 0.5


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("space", SPACES)
def test_colours_within_srgb_need_no_warning(tmp_path, caplog, space, depth):
    primaries, curve, _ = SPACES[space]
    gray = np.linspace(0, 1, 256)[None, :, None].repeat(3, -1).repeat(4, 0)
    samples = np.round(gray * (2**depth - 1)).astype(np.uint8 if depth == 8 else np.uint16)
    icc = profile("rgb", primaries=primaries, **curve)
    tifffile.imwrite(tmp_path / "x.tif", samples, photometric="rgb", iccprofile=icc)
    with caplog.at_level(logging.WARNING):
        images.load_image(tmp_path / "x.tif")
    assert not caplog.records


def test_a_few_pixels(tmp_path, caplog):
    pixels = np.full((64, 64, 3), 128, np.uint8)
    pixels[3, 4] = (255, 0, 0)
    icc = profile("rgb", primaries=DISPLAY_P3, curve=srgb_curve())
    Image.fromarray(pixels).save(tmp_path / "x.png", icc_profile=icc)
    with caplog.at_level(logging.WARNING):
        images.load_image(tmp_path / "x.png")
    assert "x.png: less than 0.1 % of the pixels" in caplog.text


def test_an_hdr_profile(tmp_path):
    """Of libjxl, with a tag `cicp`; viewers without HDR would show a table that it holds too."""
    reader = pytest.importorskip("OpenImageIO")
    with tempfile.NamedTemporaryFile(suffix=".jxl") as file:
        file.write(jpeg_xl_files.read("hlg"))
        file.flush()
        opened = reader.ImageInput.open(file.name)
        icc = next(
            np.asarray(entry.value, np.uint8).tobytes()
            for entry in opened.spec().extra_attribs
            if entry.name == "ICCProfile"
        )
    pixels = np.zeros((9, 9, 3), np.uint8)
    for name in ("x.png", "x.jpg", "x.webp", "x.tif"):
        Image.fromarray(pixels).save(tmp_path / name, icc_profile=icc)
        with pytest.raises(InputError, match=r"is an HDR image .HLG."):
            images.load_image(tmp_path / name)
    tifffile.imwrite(
        tmp_path / "deep.tif", pixels.astype(np.uint16), photometric="rgb", iccprofile=icc
    )
    with pytest.raises(InputError, match=r"deep\.tif: is an HDR image .HLG."):
        images.load_image(tmp_path / "deep.tif")


@pytest.mark.parametrize(
    ("name", "bits", "error"),
    [("x.tif", 8, 1.6), ("x.tif", 16, 0.1), ("x.jpg", 8, 4)],
)
def test_cmyk_by_its_profile(tmp_path, name, bits, error):
    down, right = np.mgrid[0:24, 0:40]
    inks = np.stack([down / 60 + 0.1, right / 80, 0.3 - right / 200, down / 90], axis=-1)
    white = 2**bits - 1
    samples = np.round(inks * white).astype(np.uint8 if bits == 8 else np.uint16)
    options = {"photometric": "separated", "iccprofile": cmyk_profile()}
    if name == "x.tif":
        tifffile.imwrite(tmp_path / name, samples, **options)
    else:
        image = Image.frombytes("CMYK", (40, 24), samples.tobytes())
        image.save(tmp_path / name, quality=100, subsampling=0, icc_profile=cmyk_profile())
    got = images.as_float(images.load_image(tmp_path / name))
    np.testing.assert_allclose(got, cmyk_to_srgb(samples / white), atol=error / 255)
