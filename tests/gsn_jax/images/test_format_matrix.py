"""Formats, depths, colours and opacities: every file is read rightly or refused in one line.

Libraries write the files. What they should be read as is computed in NumPy.
"""

import functools
import io
import itertools
import struct
import zlib

import box_files
import imagecodecs
import numpy as np
import pytest
import tifffile
from image_files import (
    ADOBE_RGB,
    BT2020,
    DISPLAY_P3,
    SRGB,
    convert,
    linear_to_srgb,
    profile,
    srgb_curve,
    srgb_to_linear,
    with_chunks,
)
from PIL import Image

from gsn_jax import images
from gsn_jax.errors import InputError

SIZE = HEIGHT, WIDTH = 12, 16
FLOAT = 32

# How a file says its colours: nothing, an ICC profile, code points, or gAMA and cHRM; and what
# they are in sRGB, or why the file is refused.
COLOURS = {
    "nothing": (None, lambda values: values),
    "icc display p3": (
        profile("rgb", primaries=DISPLAY_P3, curve=srgb_curve()),
        lambda values: convert(srgb_to_linear(values), DISPLAY_P3),
    ),
    "icc adobe rgb": (
        profile("rgb", primaries=ADOBE_RGB, gamma=563 / 256),
        lambda values: convert(values ** (563 / 256), ADOBE_RGB),
    ),
    "icc linear": (profile("rgb", gamma=1.0), linear_to_srgb),
    "icc gray": (profile("gray", gamma=1.8), lambda values: linear_to_srgb(values**1.8)),
    "icc broken": (b"nonsense" * 30, "its colour profile cannot be applied"),
    "codes srgb": ((1, 13), lambda values: values),
    "codes display p3": ((12, 13), lambda values: convert(srgb_to_linear(values), DISPLAY_P3)),
    "codes bt2020": ((9, 14), lambda values: convert(srgb_to_linear(values), BT2020)),
    "codes linear": ((1, 8), linear_to_srgb),
    "codes gamma 2.2": ((1, 4), lambda values: convert(values**2.2, SRGB)),
    "codes pq": ((9, 16), "is an HDR image .PQ."),
    "codes hlg": ((9, 18), "is an HDR image .HLG."),
    "codes unknown": ((4, 13), "its colour space .* is not supported"),
    "gamma": ((1 / 1.8, DISPLAY_P3), lambda values: convert(values**1.8, DISPLAY_P3)),
}
ICC = [name for name in COLOURS if name.startswith("icc")]
CODES = [name for name in COLOURS if name.startswith("codes")]

# format -> bits, colours, whether it holds an opacity, and how many levels of 1 / 2**bits the
# decoded values may be off before a conversion
FORMATS = {
    "png": ((8, 16), ["nothing", *ICC, *CODES, "gamma"], True, 0),
    "tif": ((8, 16, FLOAT), ["nothing", *ICC], True, 0),
    "jpg": ((8,), ["nothing", *ICC], False, 2),
    "webp": ((8,), ["nothing", *ICC], True, 0),
    "bmp": ((8,), ["nothing"], False, 0),
    "gif": ((8,), ["nothing"], False, 0),
    "avif": ((8, 10, 12), ["nothing", *ICC, *CODES], True, 1),
    "heic": ((8, 10, 12), ["codes srgb", *ICC, *CODES[1:]], True, 2),
    "jxl": ((8, 10, 12, 16, FLOAT), ["nothing"], True, 0),
    "jp2": ((8, 12, 16), ["nothing", *ICC], True, 0),
    "ppm": ((8, 10, 16), ["nothing"], False, 0),
    "pfm": ((FLOAT,), ["nothing"], False, 0),
    "qoi": ((8,), ["nothing"], True, 0),
}
CELLS = [
    (form, bits, colour, channels, opacity, alpha)
    for form, (depths, colours, holds_opacity, _) in FORMATS.items()
    for bits, colour, channels in itertools.product(depths, colours, (1, 3))
    for opacity in (("none", "opaque", "half") if holds_opacity else ("none",))
    for alpha in (("refuse", "white") if opacity == "half" else ("refuse",))
    # A gray profile fits gray alone, and imagecodecs writes AVIF and QOI in colour.
    if not (colour == "icc gray" and channels == 3)
    and not (form in ("avif", "qoi") and channels == 1)
    and not (form == "webp" and channels == 1)
]


def values_of(channels):
    """Smooth, which lossy encoders keep, and not saturated: other spaces hold all of it as well."""
    down, right = np.mgrid[0:HEIGHT, 0:WIDTH] / 120
    return np.stack([0.45 + down, 0.4 + right, 0.55 - down / 2], axis=-1)[..., :channels]


def pillow(form, samples, **options):
    plane = samples[..., 0] if samples.shape[-1] == 1 else samples
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(plane)).save(buffer, form, **options)
    return buffer.getvalue()


def plane_of(samples):
    return np.ascontiguousarray(samples[..., 0] if samples.shape[-1] == 1 else samples)


def write_png(samples, bits, kind, said):
    data = imagecodecs.png_encode(plane_of(samples))
    if kind == "icc":
        return with_chunks(data, (b"iCCP", b"name\0\0" + zlib.compress(said)))
    if kind == "codes":
        return with_chunks(data, (b"cICP", bytes([*said, 0, 1])))
    if kind == "gamma":
        gamma, primaries = said
        points = [round(value * 1e5) for value in (0.3127, 0.3290, *primaries)]
        return with_chunks(
            data,
            (b"gAMA", struct.pack(">I", round(gamma * 1e5))),
            (b"cHRM", struct.pack(">8I", *points)),
        )
    return data


def write_tif(samples, bits, kind, said):
    buffer = io.BytesIO()
    channels = samples.shape[-1]
    tifffile.imwrite(
        buffer,
        plane_of(samples),
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        iccprofile=said,
    )
    return buffer.getvalue()


def write_jpg(samples, bits, kind, said):
    return pillow("JPEG", samples, quality=100, subsampling=0, icc_profile=said)


def write_webp(samples, bits, kind, said):
    return pillow("WEBP", samples, lossless=True, exact=True, icc_profile=said)


def write_bmp(samples, bits, kind, said):
    return pillow("BMP", samples)


def write_gif(samples, bits, kind, said):
    palette, indices = np.unique(
        samples.reshape(-1, samples.shape[-1]), axis=0, return_inverse=True
    )
    image = Image.fromarray(indices.reshape(SIZE).astype(np.uint8), "P")
    image.putpalette(np.broadcast_to(palette, (len(palette), 3)).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "GIF")
    return buffer.getvalue()


def write_avif(samples, bits, kind, said):
    data = imagecodecs.avif_encode(samples, level=100, bitspersample=bits)
    if kind == "codes":
        place = data.index(b"nclx") + 4
        return data[:place] + struct.pack(">HH", *said) + data[place + 4 :]
    if kind == "icc":
        place = box_files.AVIF_COLOUR
        return box_files.with_avif_property(data, b"colr", b"prof" + said, in_place_of=place)
    return data


def write_heic(samples, bits, kind, said):
    pillow_heif = pytest.importorskip("pillow_heif")
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[samples.shape[-1]]
    options = {"icc_profile": said} if kind == "icc" else {}
    if kind == "codes":
        options["color_primaries"], options["transfer_characteristics"] = said
        options["matrix_coefficients"], options["full_range_flag"] = 6, 1
    if bits > 8:
        samples, mode = samples << (16 - bits), mode + ";16"  # of which it keeps the highest bits
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    try:
        file = pillow_heif.from_bytes(mode, (WIDTH, HEIGHT), samples.tobytes())
        buffer = io.BytesIO()
        file.save(buffer, quality=-1, chroma=444, **options)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    return buffer.getvalue()


def write_jxl(samples, bits, kind, said):
    return imagecodecs.jpegxl_encode(plane_of(samples), lossless=True, bitspersample=bits)


def write_jp2(samples, bits, kind, said):
    data = imagecodecs.jpeg2k_encode(
        plane_of(samples), codecformat="jp2", bitspersample=bits, level=0, reversible=True
    )
    return data if said is None else box_files.with_jp2_colour(data, b"\2\0\0" + said)


def write_ppm(samples, bits, kind, said):
    name = b"P6" if samples.shape[-1] == 3 else b"P5"
    body = samples.astype(">u2" if bits > 8 else np.uint8).tobytes()
    return name + b"\n%d %d\n%d\n" % (WIDTH, HEIGHT, 2**bits - 1) + body


def write_pfm(samples, bits, kind, said):
    name = b"PF" if samples.shape[-1] == 3 else b"Pf"
    return name + b"\n%d %d\n-1.0\n" % (WIDTH, HEIGHT) + samples[::-1].astype("<f4").tobytes()


def write_qoi(samples, bits, kind, said):
    return imagecodecs.qoi_encode(samples)


@functools.cache
def case(form, bits, colour, channels, opacity):
    """A file, and the values in [0, 1] that its samples stand for."""
    values = values_of(channels)
    if opacity != "none":
        share = np.full((*SIZE, 1), 1 if opacity == "opaque" else 0.25)
        values = np.concatenate([values, share], axis=-1)
    white, kind = (1, np.float32) if bits == FLOAT else (2**bits - 1, np.uint16)
    samples = (values if white == 1 else np.round(values * white)).astype(
        np.uint8 if bits == 8 else kind
    )
    data = globals()[f"write_{form}"](samples, bits, colour.split()[0], COLOURS[colour][0])
    return data, samples / white


def expected(form, bits, colour, stored):
    """The picture in sRGB, without the opacity, or why it is refused."""
    meaning = COLOURS[colour][1]
    if isinstance(meaning, str):
        return meaning
    if form == "heic" and colour == "icc gray" and stored.shape[-1] == 2:
        return "its colour profile cannot be applied"  # it is stored in colour
    if form == "jxl" and bits > 8:
        meaning = linear_to_srgb  # as imagecodecs says of such files
    gray = stored.shape[-1] < 3
    return meaning(np.broadcast_to(stored[..., :1], (*SIZE, 3)) if gray else stored[..., :3])


@pytest.mark.slow
@pytest.mark.parametrize(("form", "bits", "colour", "channels", "opacity", "alpha"), CELLS)
def test_cell(tmp_path, form, bits, colour, channels, opacity, alpha):
    data, stored = case(form, bits, colour, channels, opacity)
    path = tmp_path / f"x.{form}"
    path.write_bytes(data)
    want = expected(form, bits, colour, stored)
    if opacity == "half" and alpha == "refuse" and not isinstance(want, str):
        want = "has transparent pixels"
    if isinstance(want, str):
        with pytest.raises(
            InputError, match=rf"x\.{form}: ({want}|has transparent pixels)"
        ) as error:
            images.load_image(path, alpha=alpha)
        assert "\n" not in str(error.value)
        return
    got = images.load_image(path, alpha=alpha)
    assert got.dtype == (np.uint8 if bits == 8 else np.float32)
    if opacity == "half":
        share = stored[..., -1:]
        want = want * share + 1 - share
    off = FORMATS[form][3]
    error = (3 * off + 1.6) / 2**bits if bits < FLOAT else 0
    np.testing.assert_allclose(images.as_float(got), want, atol=error + 6e-5)
