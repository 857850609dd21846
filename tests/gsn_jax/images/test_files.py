import io
import struct
import zlib

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from image_files import cmyk_profile
from PIL import Image, ImageCms

from gsn_jax import images
from gsn_jax.errors import InputError


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, size=(12, 17, 3), dtype=np.uint8)


def save(path, image, **options):
    Image.fromarray(image).save(path, **options)
    return path


def rgb16(pixels):
    """16-bit values that no 8-bit image can hold."""
    return pixels.astype(np.uint16) * 257 + np.uint16(100) * (pixels < 200)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.bmp", {}),
        ("a.tif", {}),
        ("a.tiff", {"compression": "tiff_lzw"}),
        ("a.webp", {"lossless": True}),
        ("no_suffix", {"format": "PNG"}),
    ],
)
def test_lossless_formats_give_the_pixels(tmp_path, pixels, name, options):
    got = images.load_image(save(tmp_path / name, pixels, **options))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, pixels)


def test_jpeg_is_what_its_decoder_says(tmp_path, photo):
    path = save(tmp_path / "a.jpg", photo, quality=90)
    got = images.load_image(path)
    want = cv2.imread(str(path))[..., ::-1]
    assert np.abs(got.astype(int) - want).max() <= 1


def test_gray_and_palette_become_rgb(tmp_path, pixels):
    gray = pixels[..., 0]
    path = save(tmp_path / "gray.png", gray)
    np.testing.assert_array_equal(images.load_image(path), np.stack([gray] * 3, axis=-1))
    palette = Image.fromarray(pixels).quantize(16)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(
        images.load_image(tmp_path / "palette.png"), np.asarray(palette.convert("RGB"))
    )
    bilevel = (gray > 127).astype(np.uint8) * 255
    Image.fromarray(gray > 127).save(tmp_path / "bilevel.png")
    np.testing.assert_array_equal(images.load_image(tmp_path / "bilevel.png")[..., 1], bilevel)


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_16_bits_keep_their_precision(tmp_path, pixels, name):
    deep = rgb16(pixels)
    assert cv2.imwrite(str(tmp_path / name), deep[..., ::-1])
    got = images.load_image(tmp_path / name)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, deep / 65535, atol=1e-7)


def test_16_bit_gray_is_scaled_by_its_own_range(tmp_path, pixels):
    deep = rgb16(pixels)[..., 0]
    Image.fromarray(deep).save(tmp_path / "gray16.png")
    got = images.load_image(tmp_path / "gray16.png")
    np.testing.assert_allclose(got, np.stack([deep / 65535] * 3, axis=-1), atol=1e-7)


def test_float_tiff(tmp_path, pixels):
    values = np.float32(pixels / 255)
    # Without options some versions of OpenCV write float TIFF with a lossy logarithm.
    uncompressed = [cv2.IMWRITE_TIFF_COMPRESSION, 1]
    assert cv2.imwrite(str(tmp_path / "float.tif"), values[..., ::-1], uncompressed)
    np.testing.assert_allclose(images.load_image(tmp_path / "float.tif"), values, atol=1e-7)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("depth", [8, 16])
def test_exif_orientation_is_applied(tmp_path, pixels, orientation, depth):
    exif = Image.Exif()
    exif[0x0112] = orientation
    # The EXIF standard: where row 0 and column 0 of the stored image belong.
    upright = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: a.swapaxes(0, 1)[:, ::-1],
        7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
        8: lambda a: a.swapaxes(0, 1)[::-1],
    }[orientation]
    if depth == 8:
        path = save(tmp_path / "turned.png", pixels, exif=exif)
        np.testing.assert_array_equal(images.load_image(path), upright(pixels))
    else:
        deep = rgb16(pixels)[..., 0]
        Image.fromarray(deep).save(tmp_path / "turned.png", exif=exif)
        got = images.load_image(tmp_path / "turned.png")
        np.testing.assert_allclose(got[..., 0], upright(deep) / 65535, atol=1e-7)


def test_alpha_is_refused_dropped_or_composited(tmp_path, pixels):
    half = np.full((*pixels.shape[:2], 1), 128, np.uint8)
    path = save(tmp_path / "half.png", np.concatenate([pixels, half], axis=-1))
    with pytest.raises(InputError, match=r"half\.png: has transparent pixels; flatten it") as error:
        images.load_image(path)
    # Only these commands have the option, and `score` has no argument of that name.
    assert "--alpha black in gsn score and gsn serve" in str(error.value)
    assert "load_image(path, alpha='black') in Python" in str(error.value)
    share = 128 / 255
    for name, value in (("black", 0), ("white", 255)):
        want = pixels * share + value * (1 - share)
        assert np.abs(images.load_image(path, alpha=name) - want).max() <= 0.5 + 1e-6
    opaque = np.concatenate([pixels, np.full_like(half, 255)], axis=-1)
    path = save(tmp_path / "opaque.png", opaque)
    np.testing.assert_array_equal(images.load_image(path), pixels)


def test_alpha_of_16_bits(tmp_path, pixels):
    deep = rgb16(pixels)
    alpha = np.full((*deep.shape[:2], 1), 16384, np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), np.concatenate([deep[..., ::-1], alpha], axis=-1))
    with pytest.raises(InputError, match="transparent"):
        images.load_image(tmp_path / "a.png")
    share = 16384 / 65535
    want = deep / 65535 * share + (1 - share)
    got = images.load_image(tmp_path / "a.png", alpha="white")
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_palette_transparency_is_seen(tmp_path, pixels):
    palette = Image.fromarray(pixels).quantize(8)
    palette.save(tmp_path / "p.png", transparency=0)
    with pytest.raises(InputError, match="transparent"):
        images.load_image(tmp_path / "p.png")


def linear_profile(title):
    """An RGB profile with sRGB's primaries but no gamma, built from the sRGB profile's bytes."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", data[128:132])[0]
    tags = {}
    for index in range(count):
        name, offset, size = struct.unpack(">4sII", data[132 + 12 * index : 144 + 12 * index])
        tags[name] = (offset, size)
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        offset, size = tags[name]
        curve = b"curv" + b"\0" * 4 + struct.pack(">I", 0)  # no points: identity
        data[offset : offset + size] = curve + b"\0" * (size - len(curve))
    offset, size = tags[b"desc"]
    data[offset : offset + size] = bytes(data[offset : offset + size]).replace(
        "sRGB".encode("utf-16-be"), title.encode("utf-16-be")
    )
    return bytes(data)


@pytest.mark.parametrize("name", ["line", "sRGB"])
def test_a_colour_profile_is_converted_to_srgb(tmp_path, name):
    """Whatever its name, the transform says whether it is sRGB."""
    ramp = np.repeat(np.arange(0, 256, dtype=np.uint8)[None, :, None], 3, axis=2)
    path = save(tmp_path / "linear.png", ramp, icc_profile=linear_profile(name))
    linear = ramp / 255
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    got = images.load_image(path)
    assert np.abs(got - 255 * srgb).max() <= 1.5


def test_an_srgb_profile_changes_nothing(tmp_path, pixels):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = save(tmp_path / "s.png", pixels, icc_profile=profile)
    np.testing.assert_array_equal(images.load_image(path), pixels)


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        *((f"a.{suffix}", "RGB", {}) for suffix in ("png", "jpg", "webp", "tif", "bmp", "avif")),
        *((f"a.{suffix}", "RGB", {}) for suffix in ("jp2", "ppm", "gif")),
        ("jpeg.tif", "RGB", {"compression": "jpeg"}),
        ("cmyk.tif", "CMYK", {"icc_profile": cmyk_profile()}),
        ("lzw.tif", "CMYK", {"compression": "tiff_lzw", "icc_profile": cmyk_profile()}),
    ],
)
def test_pillows_own_limit_does_not_apply(tmp_path, pixels, monkeypatch, name, mode, options):
    Image.fromarray(pixels).convert(mode).save(tmp_path / name, **options)
    want = images.load_image(tmp_path / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    np.testing.assert_array_equal(images.load_image(tmp_path / name), want)
    assert images.files.read_size(tmp_path / name) == pixels.shape[:2]
    assert Image.MAX_IMAGE_PIXELS == 50
    with pytest.raises(InputError, match="17 x 12 pixels is beyond the limit of 203 pixels"):
        images.load_image(tmp_path / name, max_pixels=203)


class TestRefusals:
    def refuse(self, path, message, **options):
        with pytest.raises(InputError, match=message) as caught:
            images.load_image(path, **options)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_missing_file(self, tmp_path):
        self.refuse(tmp_path / "none.png", "no such file; check the path")

    def test_folder(self, tmp_path):
        self.refuse(tmp_path, "is a folder")

    def test_not_an_image(self, tmp_path):
        (tmp_path / "text.png").write_text("hello")
        self.refuse(tmp_path / "text.png", "not an image that can be read")

    def test_empty_file(self, tmp_path):
        (tmp_path / "empty.png").touch()
        self.refuse(tmp_path / "empty.png", "not an image that can be read")

    def test_other_format(self, tmp_path, pixels):
        path = save(tmp_path / "a.tga", pixels)
        self.refuse(path, "give a PNG, JPEG, WebP, TIFF, .* or GIF file")

    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.bmp", "deep.png"])
    def test_truncated(self, tmp_path, photo, name):
        path = tmp_path / name
        if name == "deep.png":
            cv2.imwrite(str(path), rgb16(photo))
        else:
            save(path, photo)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 2 // 3])
        self.refuse(path, "damaged or truncated|not an image")

    def test_too_many_pixels(self, tmp_path, pixels):
        path = save(tmp_path / "a.png", pixels)
        self.refuse(path, "17 x 12 pixels is beyond the limit of 100 pixels", max_pixels=100)

    @pytest.mark.parametrize(
        ("size", "found"),
        [((20_000, 20_000), "20000 x 20000"), ((10_000, 10_000), "10000 x 10000")],
    )
    def test_a_header_that_promises_too_much_is_not_decoded(self, tmp_path, size, found):
        def chunk(kind, content):
            body = kind + content
            return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

        header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
        data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0"))
        (tmp_path / "bomb.png").write_bytes(data)
        self.refuse(tmp_path / "bomb.png", f"{found} pixels is beyond the limit of 80,000,000")

    def test_several_frames(self, tmp_path, pixels):
        frames = [Image.fromarray(np.roll(pixels, shift)) for shift in range(3)]
        frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
        self.refuse(tmp_path / "a.tif", "has 3 frames")

    def test_cmyk_without_profile(self, tmp_path, pixels):
        Image.fromarray(pixels).convert("CMYK").save(tmp_path / "a.jpg")
        self.refuse(tmp_path / "a.jpg", "colour mode CMYK without a usable profile")

    def test_broken_profile(self, tmp_path, pixels):
        path = save(tmp_path / "a.png", pixels, icc_profile=b"nonsense" * 20)
        self.refuse(path, "colour profile cannot be applied")

    def test_float_image_out_of_range(self, tmp_path, pixels):
        cv2.imwrite(str(tmp_path / "a.tif"), np.float32(pixels), [cv2.IMWRITE_TIFF_COMPRESSION, 1])
        self.refuse(tmp_path / "a.tif", r"must lie in \[0, 1\].*divide 8-bit values by 255")

    def test_float_image_with_nan(self, tmp_path, pixels):
        values = np.float32(pixels / 255)
        values[2, 3] = np.nan
        cv2.imwrite(str(tmp_path / "a.tif"), values, [cv2.IMWRITE_TIFF_COMPRESSION, 1])
        self.refuse(tmp_path / "a.tif", "not finite")

    def test_a_name_with_a_null_byte(self):
        self.refuse("a\0b.png", "cannot be read")


class TestArrays:
    def test_integers_are_scaled(self, pixels):
        np.testing.assert_allclose(images.as_array(pixels), pixels / 255, atol=1e-7)
        deep = rgb16(pixels)
        np.testing.assert_allclose(images.as_array(deep), deep / 65535, atol=1e-7)
        np.testing.assert_allclose(images.as_array(jnp.asarray(pixels)), pixels / 255, atol=1e-7)

    def test_gray_becomes_rgb(self, pixels):
        gray = pixels[..., 0]
        want = np.stack([gray / 255] * 3, axis=-1)
        for given in (gray, gray[..., None], jnp.asarray(gray)):
            np.testing.assert_allclose(images.as_array(given), want, atol=1e-7)

    @pytest.mark.parametrize(
        ("array", "message"),
        [
            (np.zeros((3, 8, 8)), r"\(\.\.\., height, width, 3\), got \(3, 8, 8\)"),
            (np.zeros(5), "height, width, 3"),
            (np.zeros((0, 4, 3)), "height, width, 3"),
            (np.zeros((4, 4, 3), np.int32), "uint8, uint16 or float"),
            (np.zeros((4, 4, 3), bool), "uint8, uint16 or float"),
            (np.full((4, 4, 3), 200.0), "divide 8-bit values by 255"),
            (np.full((4, 4, 3), -0.5), "scale or clip"),
            (np.full((4, 4, 3), np.nan), "not finite"),
            (jnp.full((4, 4, 3), np.inf), "not finite"),
            (jnp.full((4, 4, 3), 1.5), "scale or clip"),
            (None, "a path, a Pillow image or an array, got NoneType"),
            (b"\x89PNG", "a path, a Pillow image or an array, got bytes; .* PIL.Image.open"),
            (io.BytesIO(), "got BytesIO"),
            ([[[0.0, 0.0, 0.0]], [[0.0, 0.0]]], "got list"),
        ],
    )
    def test_what_is_no_image_is_refused(self, array, message):
        with pytest.raises(InputError, match=message):
            images.as_array(array)

    def test_a_pair_has_one_size(self, tmp_path, pixels):
        path = save(tmp_path / "a.png", pixels)
        with pytest.raises(
            InputError, match=r"distorted: size 17 x 11 differs from 17 x 12 of .*a\.png"
        ):
            images.as_pair(path, pixels[1:])

    def test_a_pair_has_one_batch_shape(self, pixels):
        two, three = np.stack([pixels] * 2), np.stack([pixels] * 3)
        message = r"distorted: a single image differs from batch \(2,\) of reference"
        with pytest.raises(InputError, match=message):
            images.as_pair(two, pixels)
        message = r"distorted: batch \(3,\) differs from batch \(2,\) of reference"
        with pytest.raises(InputError, match=message):
            images.as_pair(two, three)

    def test_a_pair_has_a_least_size(self, pixels):
        with pytest.raises(InputError, match="17 x 12 is too small; at least 16 x 16"):
            images.as_pair(pixels, pixels, min_size=16)

    def test_tracers_pass(self, pixels):
        traced = jax.jit(lambda x: images.as_pair(x, x)[1])(jnp.asarray(pixels))
        np.testing.assert_allclose(traced, pixels / 255, atol=1e-7)


def test_an_error_is_one_line():
    assert str(InputError("a\n  b")) == "a b"
