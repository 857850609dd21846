"""Changed bytes of small files give an array, rows or one line; never another error or a message.

A short form of an hour of such changes, from the same kinds of seeds.
"""

import functools
import io
import tempfile
from pathlib import Path

import hdr_files
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from data_pipelines.tables import PairTable
from gsn_jax import images
from gsn_jax.errors import InputError
from gsn_jax.images import pair_tables

CHANGES = 60
VALUES = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\0",
    b"\0\x40\0\0",
)
TOKENS = (
    b'"',
    b",",
    b";",
    b"\n",
    b"\r",
    b"\0",
    b"\xff\xfe",
    b"../",
    b"nan",
    b"1e999",
    b"4_5",
    b"9" * 30,
)

PIXELS = np.uint8(np.add.outer(np.arange(16) * 9, np.arange(20) * 5)[..., None] + [0, 20, 10])
DEEP = PIXELS.astype(np.uint16) * 257


def pillow(kind, image=None, **options):
    file = io.BytesIO()
    (image or Image.fromarray(PIXELS)).save(file, kind, **options)
    return file.getvalue()


def tiff(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def heic():
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(PIXELS)).save(file)
    return file.getvalue()


def exr():
    pytest.importorskip("OpenImageIO")
    with tempfile.TemporaryDirectory() as folder:
        return hdr_files.write_exr(Path(folder) / "x.exr", PIXELS).read_bytes()


SEEDS = {
    "png": lambda: pillow("PNG"),
    "palette": lambda: pillow("PNG", Image.fromarray(PIXELS).quantize(8), transparency=1),
    "png16": lambda: imagecodecs.png_encode(DEEP),
    "jpeg": lambda: pillow("JPEG"),
    "webp": lambda: pillow("WEBP"),
    "bmp": lambda: pillow("BMP"),
    "gif": lambda: pillow("GIF"),
    "ppm": lambda: pillow("PPM"),
    "qoi": lambda: imagecodecs.qoi_encode(PIXELS),
    "jp2": lambda: pillow("JPEG2000"),
    "jp2 of 16 bits": lambda: imagecodecs.jpeg2k_encode(DEEP, level=0, codecformat="jp2"),
    "avif": lambda: pillow("AVIF", max_threads=1),
    "avif of 10 bits": lambda: imagecodecs.avif_encode(DEEP >> 6, level=100, bitspersample=10),
    "jxl": lambda: imagecodecs.jpegxl_encode(PIXELS, lossless=True),
    "jxl of 16 bits": lambda: imagecodecs.jpegxl_encode(DEEP, lossless=True, usecontainer=True),
    "heic": heic,
    "pfm": lambda: b"PF\n20 16\n-1.0\n" + np.float32(PIXELS / 255).tobytes(),
    "ppm of 16 bits": lambda: b"P6\n20 16\n65535\n" + DEEP.astype(">u2").tobytes(),
    "tiff": lambda: tiff(PIXELS, photometric="rgb", compression="zlib"),
    "tiff16": lambda: tiff(DEEP, photometric="rgb", iccprofile=b"p" * 200),
    "float": lambda: tiff(np.float32(PIXELS / 255), photometric="rgb", tile=(16, 16)),
    "radiance": lambda: hdr_files.radiance(PIXELS),
    "exr": exr,
    "jpeg in tiff": lambda: tiff(PIXELS, photometric="ycbcr", compression="jpeg"),
}
TABLE = b"""reference,distorted,score,score_std,type,level,group
a.png,b.png,.5,.1,jpeg,2,g
"b.png",a.png,.6,,"a ""q"" b",1,h
"""


def change(content, generator, values):
    """The content with one to four bytes or tokens replaced, inserted or left out."""
    data = bytearray(content)
    for _ in range(generator.integers(1, 5)):
        # The first bytes hold most of what a decoder trusts.
        reach = len(data) if generator.random() < 0.5 else min(len(data), 120)
        place = int(generator.integers(max(1, reach)))
        value = values[generator.integers(len(values))]
        match generator.integers(4):
            case 0:
                data[place : place + len(value)] = value
            case 1:
                data[place:place] = value
            case 2:
                del data[place : place + int(generator.integers(1, 9))]
            case 3:
                del data[place + 1 :]
    return bytes(data)


def is_read(read):
    try:
        read()
    except InputError:
        return False
    return True


@pytest.mark.parametrize("kind", SEEDS)
def test_images(tmp_path, rng, capfd, kind):
    path, seed = tmp_path / "x", SEEDS[kind]()
    load = functools.partial(images.load_image, path, alpha="white")
    if kind in ("radiance", "exr"):
        load = functools.partial(images.load_luminance, path)
    for _ in range(CHANGES):
        path.write_bytes(change(seed, rng, VALUES))
        is_read(lambda: load(max_pixels=10**6))
    path.write_bytes(seed)
    assert kind == "tiff16" or is_read(load)
    assert capfd.readouterr() == ("", "")


def test_tables(tmp_path, rng):
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    path = tmp_path / "pairs.csv"
    path.write_bytes(TABLE)
    assert len(PairTable(path)) == 2
    for _ in range(8 * CHANGES):
        path.write_bytes(change(TABLE, rng, TOKENS))
        is_read(lambda: list(pair_tables.read_rows(path)))
        is_read(lambda: PairTable(path))
