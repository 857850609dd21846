"""HDR files as luminance, against ST 2084 and BT.2100 in float64 and files that libraries write."""

import importlib.util
import io
import struct

import hdr_files
import imagecodecs
import jpeg_xl_files
import numpy as np
import pytest
from image_files import BT2020, DISPLAY_P3, SRGB
from PIL import Image

from gsn_jax import images
from gsn_jax.errors import InputError
from gsn_jax.images import files, luminance

ACES = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077), (0.32168, 0.33767)


@pytest.fixture
def light(rng):
    """Linear RGB in cd/m2, from 0.01 to 5000."""
    return np.exp(rng.uniform(np.log(0.01), np.log(5000), (13, 11, 3)))


def load(path, data=None, **options):
    if data is not None:
        path.write_bytes(data)
    return images.load_luminance(path, **options)


def check(got, want, rtol=1e-5):
    """Equal to within a share of the pixel's brightest channel; a matrix mixes them."""
    assert got.dtype == np.float32
    scale = np.abs(want).max(-1, keepdims=True)
    np.testing.assert_allclose(got / scale, want / scale, atol=rtol)


class TestCurves:
    def test_known_points_of_pq(self):
        """Of Report ITU-R BT.2408 (58 % for 203 cd/m2), and the ends."""
        np.testing.assert_array_equal(luminance.pq(np.array([0.0, 1.0])), [0, 10_000])
        assert luminance.pq(np.array(0.58)) == pytest.approx(203, abs=2)
        assert luminance.pq(np.array(0.508078)) == pytest.approx(100, abs=1e-3)

    def test_round_trip_of_pq(self):
        light = np.geomspace(1e-4, 10_000, 500)
        np.testing.assert_allclose(luminance.pq(hdr_files.to_pq(light)), light, rtol=1e-9)

    def test_known_points_of_hlg(self):
        """Of BT.2408: 75 % is 203 cd/m2 on a display of 1000; and of another implementation."""
        weights = np.array([0.2627, 0.6780, 0.0593])
        gray = np.array([0, 0.212132034355964, 0.75, 1])[:, None] * np.ones(3)
        got = luminance.hlg(gray, 1000, weights)[:, 0]
        np.testing.assert_allclose(got, [0, 6.476039825649814, 203.2, 1000], rtol=3e-4)

    @pytest.mark.parametrize(
        ("peak", "gamma"),
        [(1000, 1.2), (400, 1.03286), (2000, 1.32643), (4000, 1.48120), (203, 0.94193)],
    )
    def test_system_gamma(self, peak, gamma):
        """BT.2100's formula, and that of BT.2390 outside of its range."""
        assert luminance.system_gamma(peak) == pytest.approx(gamma, abs=1e-4)


class TestCodePoints:
    @pytest.mark.parametrize(("code", "primaries"), [(1, SRGB), (9, BT2020), (12, DISPLAY_P3)])
    def test_pq(self, tmp_path, light, code, primaries):
        data, stored = hdr_files.png(hdr_files.to_pq(light), 16, code)
        want = hdr_files.to_bt709(luminance.pq(stored), primaries)
        check(load(tmp_path / "x.png", data), want)
        # Its 16 bits are fine enough for the light itself.
        check(load(tmp_path / "x.png"), hdr_files.to_bt709(light, primaries), 2e-3)

    def test_colours_outside_of_bt709_keep_their_luminance(self, tmp_path):
        green = np.zeros((8, 8, 3))
        green[..., 1] = 100
        got = load(tmp_path / "x.png", hdr_files.png(hdr_files.to_pq(green), 16)[0])
        assert got.min() < -1
        np.testing.assert_allclose(got @ hdr_files.BT709_LUMINANCE, 67.8, rtol=1e-3)

    @pytest.mark.parametrize(("peak", "gamma"), [(1000, 1.2), (600, 1.2 + 0.42 * np.log10(0.6))])
    def test_hlg(self, tmp_path, rng, peak, gamma):
        data, stored = hdr_files.png(rng.random((13, 11, 3)), 18)
        want = hdr_files.to_bt709(hdr_files.from_hlg(stored, peak, gamma), BT2020)
        check(load(tmp_path / "x.png", data, peak_nits=peak), want, 1e-4)

    def test_the_display_clips_in_the_primaries_of_the_image(self, tmp_path, light):
        data, stored = hdr_files.png(hdr_files.to_pq(light), 16)
        want = hdr_files.to_bt709(np.minimum(luminance.pq(stored), 300), BT2020)
        check(load(tmp_path / "x.png", data, peak_nits=300), want)

    @pytest.mark.parametrize("bits", [8, 10, 12])
    def test_avif(self, tmp_path, bits):
        down, right = np.mgrid[0:32, 0:48] / 96
        values = np.stack([0.3 + down, 0.2 + right, 0.5 - down / 2], axis=-1)
        samples = np.round(values * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
        data = imagecodecs.avif_encode(samples, level=100, bitspersample=bits)
        place = data.index(b"nclx") + 4
        data = data[:place] + struct.pack(">HH", 9, 16) + data[place + 4 :]
        got = load(tmp_path / "x.avif", data)
        want = hdr_files.to_bt709(luminance.pq(samples / (2**bits - 1)), BT2020)
        check(got, want, 30 * 2.0**-bits)  # a code more is 2 % at 8 bits, and it errs by up to 3

    @pytest.mark.parametrize("bits", [8, 10])
    def test_heic(self, tmp_path, bits):
        pillow_heif = pytest.importorskip("pillow_heif")
        values = np.full((16, 16, 3), [0.3, 0.4, 0.5])
        white, mode = (255, "RGB") if bits == 8 else (65535, "RGB;16")
        samples = np.round(values * white).astype(np.uint8 if bits == 8 else np.uint16)
        file = pillow_heif.from_bytes(mode, (16, 16), samples.tobytes())
        buffer = io.BytesIO()
        codes = {"color_primaries": 9, "transfer_characteristics": 16, "matrix_coefficients": 9}
        file.save(buffer, quality=-1, chroma=444, full_range_flag=1, **codes)
        want = hdr_files.to_bt709(luminance.pq(values), BT2020)
        check(load(tmp_path / "x.heic", buffer.getvalue()), want, 30 * 2.0**-bits)

    @pytest.mark.parametrize(("name", "rtol"), [("pq", 1e-5), ("pq_lossy", 0.2), ("hlg", 1e-4)])
    def test_jpeg_xl(self, tmp_path, name, rtol):
        if name == "hlg":
            stored = jpeg_xl_files.DEEP / 65535
            want = hdr_files.from_hlg(stored, 1000, 1.2)
        else:
            want = luminance.pq(jpeg_xl_files.PIXELS / 255)
        got = load(tmp_path / "x.jxl", jpeg_xl_files.read(name), peak_nits=1000)
        check(got, hdr_files.to_bt709(np.minimum(want, 1000), BT2020), rtol)

    def test_a_gray_image(self, tmp_path):
        data, stored = hdr_files.png(np.linspace(0.01, 1, 99).reshape(9, 11), 16)
        got = load(tmp_path / "x.png", data)
        check(got, np.repeat(luminance.pq(stored)[..., None], 3, -1))

    def test_a_profile_that_says_so(self, tmp_path):
        """Code points in the tag `cicp` of an ICC profile."""
        entry = struct.pack(">4sII", b"cicp", 144, 12)
        content = b"cicp" + bytes(4) + bytes([12, 16, 0, 1])
        icc = bytes(128) + struct.pack(">I", 1) + entry + content
        pixels = np.full((9, 9, 3), (100, 120, 140), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "x.png", icc_profile=icc)
        want = hdr_files.to_bt709(luminance.pq(pixels / 255), DISPLAY_P3)
        check(load(tmp_path / "x.png"), want)

    @pytest.mark.parametrize("code", [2, 77])
    def test_unknown_primaries(self, tmp_path, light, code):
        data, _ = hdr_files.png(hdr_files.to_pq(light), 16, code)
        with pytest.raises(InputError, match=r"x\.png: does not state its primaries"):
            load(tmp_path / "x.png", data)

    def test_hlg_needs_a_peak(self, tmp_path, light):
        data, _ = hdr_files.png(hdr_files.to_pq(light), 18)
        with pytest.raises(InputError, match=r"x\.png: is HLG, .*--peak-nits"):
            load(tmp_path / "x.png", data)

    def test_transparency(self, tmp_path, light):
        values = np.concatenate([hdr_files.to_pq(light), np.ones_like(light[..., :1])], -1)
        data, stored = hdr_files.png(values, 16, 1)
        check(load(tmp_path / "x.png", data), luminance.pq(stored[..., :3]))
        values[0, 0, 3] = 0.5
        with pytest.raises(InputError, match="must be opaque"):
            load(tmp_path / "x.png", hdr_files.png(values, 16)[0])


class TestOpenExr:
    @pytest.mark.parametrize("name", ["channels", "dataWindow", "displayWindow"])
    def test_a_header_that_lacks_an_attribute(self, tmp_path, light, name):
        data = hdr_files.write_exr(tmp_path / "x.exr", light).read_bytes()
        other = name[:-1].encode() + b"_\0"
        data = data.replace(name.encode() + b"\0", other, 1)
        with pytest.raises(InputError, match=rf"x\.exr: .*its header lacks {name}"):
            load(tmp_path / "x.exr", data)

    @pytest.fixture(autouse=True)
    def reader(self):
        pytest.importorskip("OpenImageIO")

    @pytest.mark.parametrize(("form", "rtol"), [("half", 6e-4), ("float", 1e-7)])
    @pytest.mark.parametrize("names", ["RGB", "Y", "RGBA", ("Z", "B", "G", "R", "layer.R")])
    def test_values_are_luminance(self, tmp_path, light, form, rtol, names):
        place = {name: index for index, name in enumerate("RGB")}
        other = {"Y": light[..., 0], "A": np.ones_like(light[..., 0])}
        planes = [
            light[..., place[name]] if name in place else other.get(name, 0 * light[..., 0] - 7)
            for name in names
        ]
        path = hdr_files.write_exr(tmp_path / "x.exr", np.stack(planes, -1), names, form)
        want = light if names != "Y" else np.repeat(light[..., :1], 3, -1)
        np.testing.assert_allclose(load(path), want, rtol=rtol)
        assert files.read_size(path) == (13, 11)

    @pytest.mark.parametrize("compression", ["none", "zip", "piz", "rle"])
    def test_tiles_and_compressions(self, tmp_path, light, compression):
        import OpenImageIO

        path = hdr_files.write_exr(tmp_path / "a.exr", light)
        image = OpenImageIO.ImageBuf(str(path))
        image.specmod().attribute("compression", compression)
        image.set_write_tiles(16, 16)
        assert image.write(str(tmp_path / "b.exr"))
        np.testing.assert_allclose(load(tmp_path / "b.exr"), light, rtol=1e-7)

    @pytest.mark.parametrize(("primaries", "white"), [(BT2020, (0.3127, 0.329)), ACES])
    def test_chromaticities(self, tmp_path, light, primaries, white):
        path = tmp_path / "x.exr"
        hdr_files.write_exr(path, light, chromaticities=(*primaries, *white))
        if white == ACES[1]:  # its white becomes D65
            hdr_files.write_exr(path, 0 * light + 50, chromaticities=(*primaries, *white))
            np.testing.assert_allclose(load(path), 50, rtol=1e-5)
            hdr_files.write_exr(path, light, chromaticities=(*primaries, *white))
        check(load(path), hdr_files.to_bt709(light, primaries, white))

    @pytest.mark.parametrize("points", [
        (np.nan, *SRGB[1:], 0.3127, 0.329),
        (0.64, 0.0, *SRGB[2:], 0.3127, 0.329),
        (*SRGB, 0.3127, 0.0),
        (0.3, 0.4, 0.3, 0.4, 0.3, 0.4, 0.3127, 0.329),
    ])  # fmt: skip
    def test_chromaticities_that_span_nothing(self, tmp_path, light, points):
        path = hdr_files.write_exr(tmp_path / "x.exr", light, chromaticities=points)
        with pytest.raises(
            InputError, match=r"x\.exr: its primaries and white point are not usable"
        ):
            load(path)

    def test_the_luminance_of_white(self, tmp_path, light):
        path = hdr_files.write_exr(tmp_path / "x.exr", light / 100, whiteLuminance=100.0)
        np.testing.assert_allclose(load(path), light, rtol=1e-6)
        np.testing.assert_allclose(
            load(path, peak_nits=50), np.minimum(light, np.float32(50)), rtol=1e-6
        )

    def test_relative_values_are_pointed_out(self, tmp_path, light, caplog):
        load(hdr_files.write_exr(tmp_path / "x.exr", light / light.max()))
        assert "x.exr: its largest value is 1, taken as cd/m2" in caplog.text
        caplog.clear()
        load(hdr_files.write_exr(tmp_path / "x.exr", light))
        assert not caplog.text

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (-0.5, "contains negative luminance, down to -0.5"),
            (np.nan, "not finite"),
            (np.inf, "not finite"),
        ],
    )
    def test_bad_values(self, tmp_path, light, value, message):
        light[3, 4, 1] = value
        with pytest.raises(InputError, match=rf"x\.exr: .*{message}"):
            load(hdr_files.write_exr(tmp_path / "x.exr", light))

    @pytest.mark.parametrize(
        ("names", "options", "message"),
        [
            (("R", "G", "Z"), {}, "neither channels R, G and B nor Y alone"),
            (("Y", "RY", "BY"), {}, "neither channels R, G and B nor Y alone"),
            ("RGB", {"form": "uint"}, "integers or subsampled"),
            ("RGB", {"window": (20, 20)}, "data window"),
        ],
    )
    def test_other_pictures(self, tmp_path, light, names, options, message):
        path = hdr_files.write_exr(tmp_path / "x.exr", light, names, **options)
        with pytest.raises(InputError, match=rf"x\.exr: .*{message}"):
            load(path)

    def test_transparency(self, tmp_path, light):
        values = np.concatenate([light, np.full_like(light[..., :1], 0.5)], -1)
        with pytest.raises(InputError, match=r"x\.exr: has transparent pixels"):
            load(hdr_files.write_exr(tmp_path / "x.exr", values, "RGBA"))

    def test_limits_hold_before_decoding(self, tmp_path, light, monkeypatch):
        path = tmp_path / "x.exr"
        hdr_files.changed_exr(
            path, light, b"dataWindow\0box2i\0", 4, hdr_files.window(10**5, 10**5)
        )
        monkeypatch.setattr(importlib.util, "find_spec", None)  # not even asked for
        with pytest.raises(InputError, match="100001 x 100001 pixels is beyond the limit"):
            load(path)

    def test_several_parts(self, tmp_path, light):
        data = bytearray(hdr_files.write_exr(tmp_path / "x.exr", light).read_bytes())
        data[5] |= 0x10
        with pytest.raises(InputError, match="several parts"):
            load(tmp_path / "x.exr", bytes(data))

    @pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
    def test_truncated(self, tmp_path, light, share):
        data = hdr_files.write_exr(tmp_path / "x.exr", light).read_bytes()
        with pytest.raises(InputError, match=r"^[^\n]*(truncated|not an image)[^\n]*$"):
            load(tmp_path / "x.exr", data[: int(share * len(data))])

    def test_without_the_extra(self, tmp_path, light, monkeypatch):
        path = hdr_files.write_exr(tmp_path / "x.exr", light)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(
            InputError, match=r"x\.exr: OpenEXR needs the extra `formats`; run: pip"
        ):
            load(path)


class TestRadiance:
    def test_values_are_luminance(self, tmp_path, light):
        path = tmp_path / "x.hdr"
        got = load(path, hdr_files.radiance(light, b"# a comment", b"SOFTWARE=x"))
        check(got, light, 1 / 128)  # eight bits beside the exponent of the brightest channel
        cv2 = pytest.importorskip("cv2")
        np.testing.assert_array_equal(got, cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1])
        assert files.read_size(path) == (13, 11)

    def test_primaries(self, tmp_path, light):
        plain = load(tmp_path / "x.hdr", hdr_files.radiance(light))
        line = b"PRIMARIES= 0.708 0.292 0.170 0.797 0.131 0.046 0.3127 0.3290"
        got = load(tmp_path / "x.hdr", hdr_files.radiance(light, line))
        check(got, hdr_files.to_bt709(np.float64(plain), BT2020))

    @pytest.mark.parametrize(
        ("lines", "before", "after", "message"),
        [
            ([b"EXPOSURE=2"], b"", b"", "says EXPOSURE=2"),
            ([b"EXPOSURE=2", b"EXPOSURE=1"], b"", b"", "says EXPOSURE=2 1"),
            ([b"COLORCORR= 1 1 .9"], b"", b"", "says COLORCORR"),
            ([b"GAMMA=2.2"], b"", b"", "says GAMMA"),
            ([b"EXPOSURE=much"], b"", b"", "damaged"),
            ([b"PRIMARIES=1 2"], b"", b"", "damaged primaries"),
            ([], b"_rgbe", b"_xyze", "HDR format '32-bit_rle_xyze'"),
            ([], b"FORMAT", b"FROMAT", "HDR format ''"),
            ([], b"-Y 13 +X 11", b"+Y 13 +X 11", "stored rotated or mirrored"),
            ([], b"-Y 13 +X 11", b"-Y 0 +X 11", "a size of zero"),
            ([], b"-Y 13 +X 11", b"-Y 13", "damaged header"),
            ([], b"-Y 13 +X 11", b"-Y 99 +X 11", "truncated"),
            ([], b"-Y 13 +X 11", b"-Y 99999 +X 99999", "beyond the limit"),
        ],
    )
    def test_other_headers(self, tmp_path, light, lines, before, after, message):
        data = hdr_files.radiance(light, *lines).replace(before, after, 1)
        with pytest.raises(InputError, match=rf"^[^\n]*x\.hdr: [^\n]*{message}[^\n]*$"):
            load(tmp_path / "x.hdr", data)

    def test_an_exposure_of_one(self, tmp_path, light):
        load(tmp_path / "x.hdr", hdr_files.radiance(light, b"EXPOSURE=1.0"))


def test_sdr_images_have_no_luminance(tmp_path, light):
    pixels = np.uint8(light / light.max() * 255)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    Image.fromarray(pixels).save(tmp_path / "x.tif")
    (tmp_path / "x.pfm").write_bytes(b"PF\n11 13\n-1.0\n" + np.float32(light / 1e4).tobytes())
    for suffix in ("png", "tif", "pfm"):
        with pytest.raises(InputError, match=rf"x\.{suffix}: is not an HDR image"):
            load(tmp_path / f"x.{suffix}")


def test_hdr_images_are_not_srgb(tmp_path, light):
    (tmp_path / "x.hdr").write_bytes(hdr_files.radiance(light))
    with pytest.raises(InputError, match=r"x\.hdr: is an HDR image .Radiance HDR.; .*--hdr pu21"):
        images.load_image(tmp_path / "x.hdr")
