"""Pillow images given as objects, and formats that Pillow alone reads."""

import io
import struct

import imagecodecs
import numpy as np
import pytest
from image_files import ADOBE_RGB, convert, png_chunk, profile, with_chunks
from PIL import Image, ImageOps

from gsn_jax import images
from gsn_jax.errors import InputError


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (12, 17, 3), np.uint8)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA"])
def test_an_object_is_read_like_its_file(tmp_path, pixels, mode):
    image = Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / "x.png")
    want = images.as_array(tmp_path / "x.png")
    np.testing.assert_array_equal(images.as_array(image), want)
    np.testing.assert_array_equal(images.as_array(Image.open(tmp_path / "x.png")), want)


def test_the_metadata_of_an_object_count(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    linear = profile("rgb", gamma=1.0)
    Image.fromarray(pixels).save(tmp_path / "x.jpg", exif=exif, icc_profile=linear)
    opened = Image.open(tmp_path / "x.jpg")
    np.testing.assert_array_equal(images.as_array(opened), images.as_array(tmp_path / "x.jpg"))
    assert opened.size == (17, 12)  # the caller's object stays as it was


# A resolution as text, and a program's name as a number: type, count and value.
ODD_TAGS = {0x011A: (2, 4, b"odd\0"), 0x0131: (11, 1, struct.pack(">f", 1.5))}


@pytest.mark.parametrize("number", ODD_TAGS)
def test_odd_exif_does_not_damage_a_rotated_photograph(tmp_path, pixels, number):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=exif)
    want = images.as_array(tmp_path / "x.png")
    odd = struct.pack(">HHI4s", number, *ODD_TAGS[number])
    tags = sorted([struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0), odd])
    data = b"MM\0*\0\0\0\x08\0\x02" + b"".join(tags) + bytes(4)
    Image.fromarray(pixels).save(tmp_path / "odd.png", exif=data)
    np.testing.assert_array_equal(images.as_array(tmp_path / "odd.png"), want)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations(tmp_path, pixels, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(pixels)
    image.save(tmp_path / "x.png", exif=exif)
    want = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "x.png"))) / 255
    np.testing.assert_allclose(images.as_array(tmp_path / "x.png"), want, atol=1e-7)


def test_the_gamma_of_an_object_counts(tmp_path, pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    chunks = (b"gAMA", struct.pack(">I", 100_000)), (b"sRGB", b"\0")
    for kept in (chunks[:1], chunks):
        (tmp_path / "x.png").write_bytes(with_chunks(file.getvalue(), *kept))
        want = images.as_array(tmp_path / "x.png")
        np.testing.assert_array_equal(images.as_array(Image.open(tmp_path / "x.png")), want)
        assert np.array_equal(want, np.float32(pixels) / 255) == (len(kept) == 2)


def test_a_truncated_object_is_one_line(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "x.jpg")
    (tmp_path / "x.jpg").write_bytes((tmp_path / "x.jpg").read_bytes()[:-20])
    with (
        Image.open(tmp_path / "x.jpg") as opened,
        pytest.raises(InputError, match=r"image: damaged or truncated image \("),
    ):
        images.as_array(opened)


def test_deep_objects(pixels):
    deep = pixels[..., 0].astype(np.uint16) * 257 + 3
    want = np.stack([deep / 65535] * 3, -1)
    np.testing.assert_allclose(images.as_array(Image.fromarray(deep)), want, atol=1e-7)
    floats = Image.fromarray(np.float32(want[..., 0]))
    np.testing.assert_allclose(images.as_array(floats), want, atol=1e-7)
    with pytest.raises(InputError, match="divide 8-bit values by 255"):
        images.as_array(Image.fromarray(np.full((4, 4), 200, np.float32)))


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "CMYK"])
def test_an_object_in_other_colours_is_refused(pixels, mode):
    with pytest.raises(InputError, match=f"distorted: colour mode {mode} without a usable"):
        images.as_pair(pixels, Image.fromarray(pixels).convert(mode))


def test_a_transparent_object(pixels):
    image = Image.fromarray(pixels)
    image.putalpha(128)
    with pytest.raises(InputError, match="image: has transparent pixels"):
        images.as_array(image)
    want = (pixels * (128 / 255) + 255 * (127 / 255)) / 255
    np.testing.assert_allclose(images.as_array(image, alpha="white"), want, atol=0.51 / 255)


@pytest.mark.parametrize("suffix", ["ppm", "gif", "qoi", "bmp", "jfif"])
def test_further_formats(tmp_path, pixels, suffix):
    """GIF holds the 16 colours of this image exactly."""
    image = Image.fromarray(pixels).quantize(16).convert("RGB")
    if suffix == "jfif":
        image.save(tmp_path / "x.jfif", "JPEG", quality=100, subsampling=0)
    elif suffix == "gif":
        image.quantize(16).save(tmp_path / "x.gif")
    elif suffix == "qoi":
        (tmp_path / "x.qoi").write_bytes(imagecodecs.qoi_encode(np.asarray(image)))
    else:
        image.save(tmp_path / f"x.{suffix}")
    assert f".{suffix}" in images.SUFFIXES
    got = images.load_image(tmp_path / f"x.{suffix}")
    error = 8 if suffix == "jfif" else 0
    np.testing.assert_allclose(got, np.asarray(image), atol=error)


@pytest.mark.parametrize(
    ("suffix", "marker"), [("png", b"acTL"), ("webp", b"ANIM"), ("gif", b"NETSCAPE")]
)
def test_an_animation_of_one_frame(tmp_path, pixels, suffix, marker):
    image = Image.fromarray(pixels).quantize(16).convert("RGB")
    second = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    path = tmp_path / f"x.{suffix}"
    options = {"save_all": True, "loop": 0, "lossless": True, "append_images": [second]}
    image.save(path, **options)
    with pytest.raises(InputError, match="has 2 frames; extract the one to score"):
        images.load_image(path)
    data = path.read_bytes()
    if suffix == "png":  # one frame: its control chunks, and what follows the first frame, go
        start, end = data.index(b"fdAT") - 4 - 38, data.index(b"IEND") - 4
        actl = data.index(b"acTL") - 4
        alone = png_chunk(b"acTL", (1).to_bytes(4, "big") + bytes(4))
        data = data[:actl] + alone + data[actl + 20 : start] + data[end:]
    elif suffix == "webp":
        second = data.index(b"ANMF", data.index(b"ANMF") + 4)
        data = data[:4] + (second - 8).to_bytes(4, "little") + data[8:second]
    else:
        image.save(path, save_all=True, loop=0)
        data = path.read_bytes()
    assert marker in data
    path.write_bytes(data)
    np.testing.assert_array_equal(images.load_image(path), np.asarray(image))


def test_deep_gray_portable_maps(tmp_path, pixels):
    gray = pixels[..., 0].astype(np.uint16) * 257
    (tmp_path / "x.pgm").write_bytes(b"P5 17 12 65535\n" + gray.astype(">u2").tobytes())
    want = np.stack([gray / 65535] * 3, -1)
    np.testing.assert_allclose(images.load_image(tmp_path / "x.pgm"), want, atol=1e-7)


def test_a_qoi_file_of_pillow_is_srgb_although_it_says_linear_light(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "x.qoi")
    assert (tmp_path / "x.qoi").read_bytes()[13] == 1
    np.testing.assert_array_equal(images.load_image(tmp_path / "x.qoi"), pixels)


@pytest.mark.parametrize(
    ("suffix", "options"), [("jpg", {"quality": 100}), ("webp", {"lossless": True})]
)
def test_adobe_rgb_by_exif(tmp_path, suffix, options):
    """Cameras say it by the interoperability index alone (DCF 2.0, option file)."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    gray = np.full((16, 16, 3), (120, 130, 110), np.uint8)
    Image.fromarray(gray).save(tmp_path / f"x.{suffix}", exif=exif, **options)
    want = convert((gray / 255) ** (563 / 256), ADOBE_RGB) * 255
    np.testing.assert_allclose(images.load_image(tmp_path / f"x.{suffix}"), want, atol=2)
    exif.get_ifd(0x8769)[0xA005] = {1: "R98"}
    Image.fromarray(gray).save(tmp_path / f"x.{suffix}", exif=exif, **options)
    np.testing.assert_allclose(images.load_image(tmp_path / f"x.{suffix}"), gray, atol=1)


def test_a_webp_file_is_measured_before_it_is_opened(tmp_path):
    """Pillow allocates the canvas of a WebP file at once."""
    Image.new("RGBA", (8, 8), (1, 2, 3, 4)).save(tmp_path / "x.webp", exif=b"Exif\0\0")
    data = bytearray((tmp_path / "x.webp").read_bytes())
    assert data[12:16] == b"VP8X"
    data[24:30] = b"\xfe\x3f\x00\xfe\x3f\x00"
    (tmp_path / "x.webp").write_bytes(data)
    with pytest.raises(InputError, match="16383 x 16383 pixels is beyond the limit"):
        images.load_image(tmp_path / "x.webp")
