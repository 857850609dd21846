"""Depth and colour of AVIF files."""

import io
import struct

import box_files
import imagecodecs
import numpy as np
import pytest
from image_files import DISPLAY_P3, convert, linear_to_srgb, profile, srgb_to_linear
from PIL import Image

from gsn_jax import images
from gsn_jax.errors import InputError
from gsn_jax.images import avif as avif_file


@pytest.fixture
def values():
    """A smooth image, which an encoder keeps."""
    down, right = np.mgrid[0:32, 0:48] / 64
    return np.stack([0.2 + down, 0.1 + right, 0.6 - down / 2], axis=-1)


def load(tmp_path, data, **options):
    (tmp_path / "x.avif").write_bytes(data)
    return images.as_float(images.load_image(tmp_path / "x.avif", **options))


def avif(values, bits, code=(2, 2), **options):
    """An AVIF file with code points of primaries and transfer."""
    kind = np.uint8 if bits == 8 else np.uint16
    samples = np.round(values * (2**bits - 1)).astype(kind)
    data = imagecodecs.avif_encode(samples, level=100, bitspersample=bits, **options)
    place = data.index(b"nclx") + 4
    return data[:place] + struct.pack(">HH", *code) + data[place + 4 :]


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_keeps_its_depth(tmp_path, values, bits):
    (tmp_path / "x.avif").write_bytes(avif(values, bits))
    got = images.load_image(tmp_path / "x.avif")
    assert got.dtype == (np.uint8 if bits == 8 else np.float32)
    np.testing.assert_allclose(images.as_float(got), values, atol=3 / 2**bits)


@pytest.mark.parametrize("bits", [8, 10])
def test_code_points(tmp_path, values, bits):
    values = 0.4 + values / 5  # a conversion magnifies the encoder's errors in saturated colours
    data = avif(values, bits, (12, 13))
    want = convert(srgb_to_linear(values), DISPLAY_P3)
    np.testing.assert_allclose(load(tmp_path, data), want, atol=8 / 2**bits)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_refused(tmp_path, values, bits, transfer, name):
    data = avif(values, bits, (9, transfer))
    with pytest.raises(InputError, match=rf"x\.avif: is an HDR image \({name}\)"):
        load(tmp_path, data)


def test_opacity(tmp_path, values):
    opacity = np.full((32, 48, 1), 0.25)
    data = avif(np.concatenate([values, opacity], -1), 10)
    with pytest.raises(InputError, match="transparent"):
        load(tmp_path, data)
    share = round(0.25 * 1023) / 1023
    want = values * share + 1 - share
    np.testing.assert_allclose(load(tmp_path, data, alpha="white"), want, atol=3 / 1024)


def test_profile_and_orientation(tmp_path, values):
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    pixels = np.round(values * 255).astype(np.uint8)
    options = {"exif": exif, "icc_profile": profile("rgb", gamma=1.0), "quality": 100}
    Image.fromarray(pixels).save(buffer, "AVIF", **options)
    want = linear_to_srgb(pixels / 255).swapaxes(0, 1)[:, ::-1]
    np.testing.assert_allclose(load(tmp_path, buffer.getvalue()), want, atol=8 / 255)


@pytest.mark.parametrize("bits", [8, 10])
def test_the_colours_of_other_items_do_not_count(tmp_path, values, bits):
    """Such as those of a gain map, by which an SDR image becomes HDR."""
    pq = struct.pack(">4sHHHB", b"nclx", 9, 16, 9, 128)
    data = avif(values, bits)
    np.testing.assert_array_equal(
        load(tmp_path, box_files.with_avif_property(data, b"colr", pq)), load(tmp_path, data)
    )
    with pytest.raises(InputError, match=r"x\.avif: is an HDR image"):
        load(
            tmp_path,
            box_files.with_avif_property(data, b"colr", pq, in_place_of=box_files.AVIF_COLOUR),
        )


@pytest.mark.parametrize("bits", [8, 10])
def test_without_a_colour_space_that_of_the_stream_counts(tmp_path, values, bits):
    samples = np.round(values * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    options = {"level": 100, "bitspersample": bits}
    try:
        data = imagecodecs.avif_encode(samples, primaries=9, transfer=16, matrix=9, **options)
    except TypeError:
        pytest.skip("an imagecodecs that writes no code points")
    unknown = b"zzzz"
    data = box_files.with_avif_property(data, unknown, b"", in_place_of=box_files.AVIF_COLOUR)
    place = data.index(b"ipma") + 15 + box_files.AVIF_COLOUR
    data = data[:place] + b"\x05" + data[place + 1 :]  # need not be understood
    with pytest.raises(InputError, match=r"x\.avif: is an HDR image .PQ."):
        load(tmp_path, data)


@pytest.mark.parametrize("bits", [8, 10])
def test_a_crop_in_the_header(tmp_path, values, bits):
    crop = struct.pack(">8I", 24, 1, 16, 1, 0, 1, 0, 1)
    data = box_files.with_avif_property(
        avif(values, bits), b"clap", crop, in_place_of=box_files.AVIF_COLOUR
    )
    with pytest.raises(InputError, match=r"x\.avif: its header crops the image"):
        load(tmp_path, data)


@pytest.mark.parametrize("code", [(3, 13), (0, 13), (1, 3), (1, 99)])
def test_wrong_code_points(tmp_path, values, code):
    with pytest.raises(
        InputError, match=rf"primaries {code[0]}, transfer {code[1]}. is not supported"
    ):
        load(tmp_path, avif(values, 8, code))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated(tmp_path, values, share):
    data = avif(values, 10)
    with pytest.raises(InputError, match=r"damaged|not an image"):
        load(tmp_path, data[: int(len(data) * share)])


@pytest.mark.parametrize("size", [(24, 32), (48, 4000), (60_000, 60_000)])
def test_a_header_of_another_size(tmp_path, values, size):
    data = bytearray(avif(values, 10))
    place = data.index(b"ispe") + 8
    data[place : place + 8] = struct.pack(">II", *size)
    with pytest.raises(InputError, match=r"damaged|not an image|beyond the limit"):
        load(tmp_path, bytes(data))


def animation(values):
    frames = [Image.fromarray(np.uint8(np.roll(values, n, 0) * 255)) for n in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "AVIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def test_the_stream_of_an_animation(values):
    """Its header is longer than that of a single picture."""
    data = bytearray(animation(values))
    avif_file.check_sizes(bytes(data))
    place = data.index(b"ispe") + 8
    data[place : place + 4] = struct.pack(">I", 47)
    with pytest.raises(ValueError, match="disagree about the size"):
        avif_file.check_sizes(bytes(data))


def test_an_animation(tmp_path, values):
    with pytest.raises(InputError, match=r"x\.avif: has 3 frames"):
        load(tmp_path, animation(values))


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 64), (301, 203)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4", "4:0:0"])
def test_the_stream_of_a_sound_file_is_found(tmp_path, size, mode, subsampling):
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "AVIF", subsampling=subsampling, speed=10, max_threads=1)
    got = load(tmp_path, buffer.getvalue(), alpha="black")
    assert got.shape == (*size[::-1], 3)
