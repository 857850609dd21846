import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from data_pipelines import decoding
from gsn_jax.errors import InputError
from gsn_jax.images.files import load_image, read_size


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("rgb.png", Image.fromarray(noise(7, 9, 3))),
        ("gray.png", Image.fromarray(noise(7, 9))),
        ("palette.png", Image.fromarray(noise(7, 9, 3)).convert("P")),
        ("opaque.png", Image.fromarray(noise(7, 9, 3)).convert("RGBA")),
        ("odd_width.bmp", Image.fromarray(noise(5, 7, 3))),
        ("gray.bmp", Image.fromarray(noise(5, 7))),
        ("photo.jpg", Image.fromarray(noise(16, 24, 3))),
        ("photo.webp", Image.fromarray(noise(16, 24, 3))),
    ],
)
def test_every_reading_equals_the_door_s(tmp_path, name, image):
    path = tmp_path / name
    image.save(path)
    np.testing.assert_array_equal(decoding.read_image(path), load_image(path))
    assert read_size(path) == load_image(path).shape[:2]


def test_plain_files_are_decoded_from_their_definition(tmp_path):
    image = noise(6, 5, 3)
    for suffix in ("png", "bmp"):
        Image.fromarray(image).save(tmp_path / f"x.{suffix}")
        decoded = decoding.decode_plain((tmp_path / f"x.{suffix}").read_bytes())
        np.testing.assert_array_equal(decoded, image)


def test_a_transparent_or_rotated_png_is_not_plain(tmp_path):
    image = Image.fromarray(noise(4, 4, 3))
    image.convert("RGBA").save(tmp_path / "alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("author", "x")
    image.save(tmp_path / "text.png", pnginfo=chunks)
    plain = [
        decoding.is_plain_png((tmp_path / name).read_bytes())
        for name in ("alpha.png", "turned.png", "text.png")
    ]
    assert plain == [False, False, True]


def test_sixteen_bits_are_rounded_to_eight(tmp_path):
    Image.fromarray(np.array([[0, 65535, 257 * 100 + 120]], np.uint16)).save(tmp_path / "x.png")
    expected = np.repeat(np.uint8([[[0], [255], [100]]]), 3, -1)
    np.testing.assert_array_equal(decoding.read_image(tmp_path / "x.png"), expected)


@pytest.mark.parametrize("damage", ["truncate", "flip"])
@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_damaged_files_are_refused(tmp_path, suffix, damage):
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(noise(64, 64, 3)).save(path)
    data = bytearray(path.read_bytes())
    if damage == "truncate":
        data = data[: len(data) // 2]
    elif suffix == "bmp":
        data[14:18] = b"\xff\xff\xff\xff"  # size of the header
    else:
        data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x\.\w+: "):
        decoding.read_image(path)


def test_stored_images_come_back_exactly():
    image = noise(9, 11, 3)
    np.testing.assert_array_equal(decoding.decode_png(decoding.encode_png(image), "x"), image)
    with pytest.raises(InputError, match="set: damaged image"):
        decoding.decode_png(b"\x89PNG", "set")


def test_size_of_what_is_no_image(tmp_path):
    (tmp_path / "x.png").write_bytes(b"nothing")
    assert read_size(tmp_path / "x.png") is None


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        decoding.read_image(tmp_path / "none.png")
