"""Depth x layout x metadata of TIFF files, against what their definitions say."""

import numpy as np
import pytest
import tifffile
from image_files import linear_to_srgb, profile, upright
from PIL import Image

from gsn_jax import images
from gsn_jax.errors import InputError
from gsn_jax.images.files import read_size

LAYOUTS = {
    "strips": {},
    "one_row_strips": {"rowsperstrip": 1},
    "tiles": {"tile": (16, 16)},
    "lzw": {"compression": "lzw"},
    "deflate_predictor": {"compression": "zlib", "predictor": True},
    "zstd": {"compression": "zstd"},
    "big_endian": {"byteorder": ">"},
    "bigtiff": {"bigtiff": True},
    "planes": {"planarconfig": "separate"},
    "planes_in_tiles": {"planarconfig": "separate", "tile": (16, 16), "compression": "zlib"},
}
DEPTHS = {"uint8": 255, "uint16": 65535, "float16": 1, "float32": 1, "float64": 1}


@pytest.fixture
def values(rng):
    """RGB in [0, 1]; the size is no multiple of a tile's."""
    return rng.random((21, 35, 3))


def write(path, array, *, orientation=1, **options):
    """An RGB, gray or RGBA file; `array` is channels last whatever the layout."""
    if options.get("planarconfig") == "separate":
        array = np.moveaxis(array, -1, 0).copy()
    tags = [(274, "H", 1, orientation, True)] if orientation != 1 else []
    tifffile.imwrite(path, array, extratags=tags, metadata=None, **options)
    return path


def stored(values, depth):
    """The values as samples of a depth, and what these samples stand for."""
    white = DEPTHS[depth]
    samples = (np.round(values * white) if white > 1 else values).astype(depth)
    return samples, samples.astype(np.float64) / white


def load(path, **options):
    array = images.as_float(images.load_image(path, **options))
    assert array.dtype == np.float32
    return array


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_every_layout_of_every_depth(tmp_path, values, depth, layout):
    if depth in ("float16", "float64") and "predictor" in LAYOUTS[layout]:
        pytest.skip("tifffile does not write it")
    samples, want = stored(values, depth)
    path = write(tmp_path / "x.tif", samples, photometric="rgb", **LAYOUTS[layout])
    np.testing.assert_allclose(load(path), want, atol=1e-6)
    assert read_size(path) == (21, 35)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
def test_the_orientation_is_applied_once(tmp_path, values, depth, channels, orientation):
    samples, want = stored(values[..., :channels], depth)
    kind = "rgb" if channels == 3 else "minisblack"
    array = samples if channels == 3 else samples[..., 0]
    path = write(tmp_path / "x.tif", array, photometric=kind, orientation=orientation)
    want = upright(np.broadcast_to(want, values.shape), orientation)
    np.testing.assert_allclose(load(path), want, atol=1e-6)
    assert read_size(path) == want.shape[:2]


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
def test_white_is_zero(tmp_path, values, depth):
    samples, want = stored(values[..., 0], depth)
    path = write(tmp_path / "x.tif", samples, photometric="miniswhite")
    np.testing.assert_allclose(load(path), 1 - np.stack([want] * 3, -1), atol=1e-6)


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
def test_packed_samples_are_scaled_by_their_own_white(tmp_path, values, bits):
    """Samples of odd depths follow each other without padding, each row from a new byte on."""
    white = 2**bits - 1
    samples = np.round(values[..., 0] * white).astype(np.uint16)
    rows = np.unpackbits(samples.astype(">u2").view(np.uint8).reshape(21, 35, 2), axis=-1)
    packed = np.packbits(rows[..., -bits:].reshape(21, -1), axis=-1)
    path = tmp_path / "x.tif"
    write(path, samples, photometric="minisblack", rowsperstrip=21)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        page = tiff.pages[0]
        (start,) = page.dataoffsets
        page.tags[258].overwrite(bits)
        page.tags[279].overwrite(packed.size)
        tiff.filehandle.seek(start)
        tiff.filehandle.write(packed.tobytes())
    np.testing.assert_allclose(load(path)[..., 1], samples / white, atol=1e-6)


@pytest.mark.parametrize("depth", ["uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["assocalpha", "unassalpha"])
def test_opacity_is_composited_as_its_kind_says(tmp_path, values, depth, channels, kind):
    opacity = np.linspace(0, 1, 21 * 35).reshape(21, 35, 1)
    colours = values[..., :channels]
    first = colours * opacity if kind == "assocalpha" else colours
    samples, _ = stored(np.concatenate([first, opacity], -1), depth)
    photometric = "rgb" if channels == 3 else "minisblack"
    options = {"photometric": photometric, "extrasamples": [kind], "planarconfig": "contig"}
    path = write(tmp_path / "x.tif", samples, **options)
    with pytest.raises(InputError, match="transparent"):
        images.load_image(path)
    for name, background in (("black", 0), ("white", 1)):
        want = colours * opacity + background * (1 - opacity)
        got = load(path, alpha=name)
        np.testing.assert_allclose(got, np.broadcast_to(want, got.shape), atol=4e-5)


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_a_channel_without_a_name(tmp_path, values, depth):
    samples, want = stored(np.concatenate([values, values[..., :1]], -1), depth)
    options = {"photometric": "rgb", "extrasamples": ["unspecified"], "planarconfig": "contig"}
    path = write(tmp_path / "x.tif", samples, **options)
    with pytest.raises(InputError, match="an extra channel whose meaning"):
        images.load_image(path, alpha="white")
    samples[..., 3] = DEPTHS[depth]  # whatever it is, it changes nothing
    np.testing.assert_allclose(load(write(path, samples, **options)), want[..., :3], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("depth", ["uint16", "float32"])
def test_a_profile_is_applied(tmp_path, values, depth, channels):
    samples, want = stored(values[..., :channels], depth)
    kind = "rgb" if channels == 3 else "minisblack"
    array = samples if channels == 3 else samples[..., 0]
    linear = profile("rgb" if channels == 3 else "gray", gamma=1.0)
    path = write(tmp_path / "x.tif", array, photometric=kind, iccprofile=linear)
    want = np.broadcast_to(linear_to_srgb(want), values.shape)
    np.testing.assert_allclose(load(path), want, atol=5e-5)


def test_a_broken_profile_is_one_line(tmp_path, values):
    samples, _ = stored(values, "uint16")
    path = write(tmp_path / "x.tif", samples, photometric="rgb", iccprofile=b"nonsense" * 20)
    with pytest.raises(InputError, match=r"x\.tif: its colour profile cannot be applied"):
        images.load_image(path)


@pytest.mark.parametrize("compression", ["raw", "group3", "group4", "tiff_lzw", "jpeg"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_pillow_s_files(tmp_path, rng, compression, mode):
    if (mode == "1") < ("group" in compression) or (compression == "jpeg" and mode in "1P"):
        pytest.skip("there are no such files")
    blocks = np.kron(rng.integers(0, 256, (5, 7, 3), np.uint8), np.ones((4, 5, 1), np.uint8))
    image = Image.fromarray(blocks).convert(mode)
    image.save(tmp_path / "x.tif", compression=compression)
    with Image.open(tmp_path / "x.tif") as stored:
        want = np.asarray(stored.convert("RGB"))
    np.testing.assert_array_equal(images.load_image(tmp_path / "x.tif"), want)


JPEG_LAYOUTS = {
    "ycbcr": {"photometric": "ycbcr", "subsampling": (2, 2)},
    "tiles": {"photometric": "ycbcr", "tile": (16, 32)},
    "strips": {"photometric": "ycbcr", "rowsperstrip": 8},
    "rgb": {"photometric": "rgb"},
}


class TestJpegInTiff:
    """Decoded by imagecodecs; the independent reader is Pillow's libtiff."""

    @pytest.mark.parametrize("layout", JPEG_LAYOUTS)
    def test_layouts(self, tmp_path, values, layout):
        samples, _ = stored(values, "uint8")
        options = {"compression": "jpeg", **JPEG_LAYOUTS[layout]}
        path = write(tmp_path / "x.tif", samples, orientation=6, **options)
        with Image.open(path) as image:  # Pillow turns it
            expected = np.asarray(image.convert("RGB"))
        loaded = images.load_image(path).astype(int)
        assert abs(loaded - expected).max() <= 1

    def test_gray(self, tmp_path, values):
        samples, _ = stored(values[..., 0], "uint8")
        path = write(tmp_path / "x.tif", samples, compression="jpeg")
        with Image.open(path) as image:
            expected = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(images.load_image(path), expected)

    def test_damage_is_one_line_and_nothing_else(self, tmp_path, values, capfd):
        samples, _ = stored(values, "uint8")
        path = write(tmp_path / "x.tif", samples, compression="jpeg", photometric="ycbcr")
        content = path.read_bytes()
        for old, new in [
            (b"\xff\xc0", b"\xff\xc5"),  # a process that no decoder has
            (b"\xff\xda", b"\xff\xc4"),
            (b"\xff\xd8", b"\x80\xd8"),
        ]:
            path.write_bytes(content.replace(old, new))
            with pytest.raises(InputError, match="damaged or truncated"):
                images.load_image(path)
        assert capfd.readouterr() == ("", "")

    def test_the_size_inside_the_jpeg_data_does_not_count(self, tmp_path, values):
        """A decoder would allocate 12 GB."""
        samples, _ = stored(values, "uint8")
        path = write(tmp_path / "x.tif", samples, compression="jpeg", photometric="ycbcr")
        height, width = (int(n).to_bytes(2, "big") for n in samples.shape[:2])
        content = path.read_bytes().replace(height + width, b"\xff\x00\xff\x00")
        path.write_bytes(content)
        with pytest.raises(InputError, match="JPEG data larger than"):
            images.load_image(path)


def test_a_profile_of_another_type_is_one_line(tmp_path, values):
    """A field of the file that says that the profile consists of numbers."""
    samples, _ = stored(values, "uint16")
    path = write(tmp_path / "x.tif", samples, photometric="rgb", iccprofile=b"\0" * 200)
    content = path.read_bytes()
    entry = content.index((34675).to_bytes(2, "little") + (7).to_bytes(2, "little"))
    path.write_bytes(content[: entry + 2] + (4).to_bytes(2, "little") + content[entry + 4 :])
    with pytest.raises(InputError, match="damaged or truncated"):
        images.load_image(path)


class TestRefusals:
    def refuse(self, path, message, **options):
        with pytest.raises(InputError, match=message) as caught:
            images.load_image(path, **options)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
    def test_several_pages(self, tmp_path, values, depth):
        samples, _ = stored(np.stack([values, values]), depth)
        path = write(tmp_path / "x.tif", samples, photometric="rgb")
        self.refuse(path, "has 2 frames")

    @pytest.mark.parametrize("layout", ["strips", "lzw", "tiles", "planes"])
    @pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
    def test_truncated(self, tmp_path, values, layout, share):
        samples, _ = stored(values, "uint16")
        path = write(tmp_path / "x.tif", samples, photometric="rgb", **LAYOUTS[layout])
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        self.refuse(path, "damaged or truncated|not an image")

    @pytest.mark.parametrize("depth", ["int16", "uint32", "int32", "complex64"])
    def test_other_numbers(self, tmp_path, depth):
        path = write(tmp_path / "x.tif", np.ones((8, 8), depth), photometric="minisblack")
        self.refuse(path, "samples of")

    @pytest.mark.parametrize("photometric", ["cielab", "ycbcr", "cfa"])
    def test_other_colours(self, tmp_path, values, photometric):
        samples, _ = stored(values if photometric != "cfa" else values[..., 0], "uint16")
        self.refuse(write(tmp_path / "x.tif", samples, photometric=photometric), "colours stored")

    def test_ink_without_a_profile(self, tmp_path, values):
        samples, _ = stored(np.concatenate([values, values[..., :1]], -1), "uint16")
        path = write(tmp_path / "x.tif", samples, photometric="separated", planarconfig="contig")
        self.refuse(path, "colour mode CMYK without a usable profile")

    def test_many_channels(self, tmp_path, rng):
        samples = rng.integers(0, 65536, (8, 8, 9), np.uint16)
        path = write(tmp_path / "x.tif", samples, photometric="rgb", planarconfig="contig")
        self.refuse(path, "too many channels: 9")

    @pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
    def test_the_limit_holds_before_anything_is_decoded(self, tmp_path, values, depth):
        samples, _ = stored(values, depth)
        path = write(tmp_path / "x.tif", samples, photometric="rgb", compression="zlib")
        self.refuse(path, "35 x 21 pixels is beyond the limit of 700 pixels", max_pixels=700)

    @pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
    def test_a_tile_larger_than_the_limit(self, tmp_path, values, depth):
        samples, _ = stored(values, depth)
        path = write(tmp_path / "x.tif", samples, photometric="rgb", tile=(64, 64))
        self.refuse(path, "a tile of 4,096 pixels is beyond the limit", max_pixels=4000)

    def test_a_lying_size_of_a_float_file(self, tmp_path, values):
        """A few kilobytes that ask for gigabytes."""
        samples, _ = stored(values, "float32")
        path = write(tmp_path / "x.tif", samples, photometric="rgb")
        with tifffile.TiffFile(path, mode="r+b") as tiff:
            tiff.pages[0].tags[256].overwrite(50_000)
            tiff.pages[0].tags[257].overwrite(50_000)
        self.refuse(path, "50000 x 50000 pixels is beyond the limit of 80,000,000")

    def test_a_stack_of_pillow(self, tmp_path):
        path = tmp_path / "x.tif"
        Image.new("I;16", (8, 8)).save(path, save_all=True, append_images=[Image.new("L", (8, 8))])
        self.refuse(path, "has 2 frames")
