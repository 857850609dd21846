"""PU21 against its authors' formula in float64, and metrics on it against definitions."""

import copy
import functools
import pickle

import hdr_files
import jax
import jax.numpy as jnp
import numpy as np
import numpy_definitions as definitions
import pytest
from image_files import BT2020
from scipy import ndimage

import gsn_jax
from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.images import luminance
from gsn_jax.images.files import resize_image
from gsn_jax.scoring import pu21, videos
from gsn_jax.scoring.many_pairs import score_pairs
from gsn_jax.scoring.pairs import Loading, pairs_of_files
from gsn_jax.scoring.protocol import Protocol
from gsn_jax.scoring.provenance import protocol_text

HDR = Protocol(hdr="pu21")
NAMES = ("psnr", "psnr_y", "ssim", "ms_ssim", "fsim", "fsimc", "vsi", "vif", "vifp")


@functools.cache
def hdr(name):
    """A metric on PU21; one for all tests, which so share its compiled programs."""
    return HDR.of(metrics.get(name))


@functools.partial(jax.jit, static_argnums=0, static_argnames="rounded")
def compiled(name, *images, **options):
    """A metric's function, which would otherwise compile each of its operations."""
    return getattr(metrics, name)(*images, **options)


@pytest.fixture
def pair(rng):
    """Linear RGB in cd/m2 up to some thousands, and a noisy version of it."""
    plain = ndimage.gaussian_filter(rng.normal(size=(176, 192, 3)), (5, 5, 0))
    reference = np.exp(3 + 60 * plain)
    noisy = reference * np.exp(rng.normal(scale=0.1, size=reference.shape))
    return np.float32(reference), np.float32(noisy)


def gray(image):
    """PU21 values `(H, W, 3)` of the luminance."""
    plane = hdr_files.pu21(np.float64(image) @ hdr_files.BT709_LUMINANCE)
    return np.repeat(plane[..., None], 3, -1)


class TestEncoding:
    def test_published_values(self):
        """0 for the darkest, 256 for 100 cd/m2 "to mimic SDR", and about 595 for the brightest."""
        got = pu21.encode(np.array([0.005, 100, 10_000]))
        np.testing.assert_allclose(got, [0, 256, 595], atol=0.5)

    def test_formula(self):
        light = np.geomspace(0.005, 10_000, 400)
        np.testing.assert_allclose(pu21.encode(light), hdr_files.pu21(light), atol=1e-9)
        single = pu21.encode(np.float32(light))
        np.testing.assert_allclose(single, hdr_files.pu21(light), atol=2e-3)
        np.testing.assert_allclose(pu21.encode(jnp.float32(light)), single, atol=2e-3)
        assert (np.diff(hdr_files.pu21(light)) > 0).all()

    def test_luminance_is_clipped(self):
        ends = pu21.encode(np.array([0.005, 10_000]))
        np.testing.assert_array_equal(pu21.encode(np.array([-3.0, 1e9])), ends)
        np.testing.assert_array_equal(pu21.encode(np.array([0.0, 0.005])), ends[[0, 0]])


class TestScores:
    def test_psnr(self, pair):
        """The authors' peak is 256."""
        x, y = (hdr_files.pu21(image) for image in pair)
        want = 10 * np.log10(256**2 / np.mean((x - y) ** 2))
        assert float(hdr("psnr")(*pair)) == pytest.approx(want, abs=1e-4)

    def test_psnr_of_the_luminance(self, pair):
        x, y = map(gray, pair)
        want = 10 * np.log10(256**2 / np.mean((x - y) ** 2))
        assert float(hdr("psnr_y")(*pair)) == pytest.approx(want, abs=1e-4)

    def test_ssim(self, pair):
        """Of the luminance, for a dynamic range of 256."""
        x, y = (255 / 256 * gray(image)[..., 0] for image in pair)
        similarity, contrast = definitions.ssim_terms(x, y)
        want = np.mean(similarity * contrast)
        assert float(hdr("ssim")(*pair)) == pytest.approx(want, abs=1e-5)

    @pytest.mark.parametrize("name", ["ms_ssim", "vif", "vifp"])
    def test_other_metrics_of_the_luminance(self, pair, name):
        white = 256 if name == "ms_ssim" else 255
        images = (jnp.float32(gray(image) / white) for image in pair)
        want = float(compiled(name, *images, rounded=False))
        assert float(hdr(name)(*pair)) == pytest.approx(want, abs=2e-5)

    @pytest.mark.parametrize("name", ["fsim", "fsimc", "vsi"])
    def test_metrics_of_the_colours(self, pair, name):
        """They take PU21 values for those of 8 bits."""
        images = (jnp.float32(hdr_files.pu21(image) / 255) for image in pair)
        want = float(compiled(name, *images))
        assert float(hdr(name)(*pair)) == pytest.approx(want, abs=2e-5)

    @pytest.mark.parametrize("name", NAMES)
    def test_equal_images_are_best(self, pair, name):
        metric = hdr(name)
        best = 1 if name in ("vif", "vifp") else metric.value_range[1]
        assert float(metric(pair[0], pair[0])) == best

    @pytest.mark.parametrize("name", ["psnr", "ssim"])
    def test_every_way_to_a_score_is_the_same(self, pair, name):
        metric = hdr(name)
        want = float(metric(*pair))
        tolerance = {"rel": 1e-5, "abs": 1e-5}
        assert float(metric.score_arrays(*pair)) == pytest.approx(want, **tolerance)
        batch = [np.stack([image, image]) for image in pair]
        np.testing.assert_allclose(metric(*batch), [want, want], rtol=2e-5)
        pure = jax.jit(metric.function)(*map(jnp.asarray, pair))
        assert float(pure) == pytest.approx(want, rel=2e-5)
        for copied in (pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric)):
            assert float(copied(*pair)) == pytest.approx(want, **tolerance)
        assert protocol_text(metric) == "hdr pu21"

    def test_a_loss(self, pair):
        loss = jax.jit(gsn_jax.as_loss(hdr("ssim")))
        gradient = jax.jit(jax.grad(loss, 1))(*map(jnp.asarray, pair))
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0
        assert float(loss(pair[0], pair[0])) == pytest.approx(0, abs=1e-6)

    def test_crops_come_first(self, pair):
        inner = [image[3:-3, 3:-3] for image in pair]
        cropped = Protocol(crop_border=3, hdr="pu21").of(metrics.get("ssim"))
        want = float(hdr("ssim")(*inner))
        assert float(cropped(*pair)) == pytest.approx(want, abs=1e-6)

    def test_masks(self, pair):
        mask = np.zeros(pair[0].shape[:2], np.float32)
        mask[20:90, 10:150] = 1
        part = [hdr_files.pu21(image[20:90, 10:150]) for image in pair]
        want = 10 * np.log10(256**2 / np.mean((part[0] - part[1]) ** 2))
        got = gsn_jax.score(*pair, "psnr", mask=mask, protocol=HDR)
        assert float(got) == pytest.approx(want, abs=1e-4)

    def test_the_display_clips(self, pair):
        want = hdr("psnr")(*(np.minimum(image, 80) for image in pair))
        got = Protocol(hdr="pu21", peak_nits=80).of(metrics.get("psnr"))(*pair)
        assert float(got) == pytest.approx(float(want), abs=1e-5)


class TestFiles:
    @pytest.fixture
    def files(self, tmp_path, pair):
        pytest.importorskip("OpenImageIO")
        return [
            str(hdr_files.write_exr(tmp_path / f"{name}.exr", image))
            for name, image in zip("rd", pair, strict=True)
        ]

    def test_they_score_as_arrays_do(self, files, pair):
        want = float(hdr("psnr")(*pair))
        assert float(gsn_jax.score(*files, "psnr", protocol=HDR)) == pytest.approx(want, abs=1e-5)
        several = [hdr(name) for name in ("psnr", "vsi")]
        (scored,) = score_pairs(pairs_of_files(files[0], files[1:]), several, hdr="pu21")
        assert scored.scores["psnr"] == pytest.approx(want, abs=1e-5)
        assert scored.looks_shifted is None

    def test_resized_in_linear_light(self, tmp_path, files, pair):
        small = pair[1][::2, ::2]
        path = hdr_files.write_exr(tmp_path / "small.exr", small)
        pairs = pairs_of_files(files[0], [str(path)])
        metric = hdr("psnr")
        (refused,) = score_pairs(pairs, [metric], hdr="pu21")
        assert "size 96 x 88 differs" in refused.error
        (scored,) = score_pairs(pairs, [metric], hdr="pu21", resize="to-reference")
        resized = resize_image(small, (176, 192), clipped=False)
        assert resized.max() > 300
        want = 10 * np.log10(
            256**2 / np.mean((hdr_files.pu21(pair[0]) - hdr_files.pu21(resized)) ** 2)
        )
        assert scored.scores["psnr"] == pytest.approx(want, abs=1e-4)


class TestVideos:
    @pytest.fixture
    def folder(self, tmp_path):
        """Frames in PQ of 10 bits, RGB so that no chroma is lost, and the same in SDR."""
        av = pytest.importorskip("av")
        video_files = pytest.importorskip("video_files")
        for name, seed, transfer in (("r", 1, 16), ("d", 2, 16), ("sdr", 2, 1)):
            codes = np.random.default_rng(seed).integers(300, 700, (3, 16, 16)).astype(np.uint16)
            np.save(tmp_path / f"{name}.npy", codes[[2, 0, 1]])  # from G, B, R
            frame = video_files.frame_of_planes(list(codes), "gbrp10le", matrix=0, full=True)
            frame.color_primaries, frame.color_trc = 9, transfer
            assert isinstance(frame, av.VideoFrame)
            video_files.write_frames(tmp_path / f"{name}.mkv", [frame], "ffv1")
        return tmp_path

    def test_frames(self, folder):
        stored = [np.moveaxis(np.load(folder / f"{name}.npy"), 0, -1) / 1023 for name in "rd"]
        x, y = (hdr_files.pu21(hdr_files.to_bt709(luminance.pq(image), BT2020)) for image in stored)
        loading = Loading(hdr="pu21")
        frames = videos.frame_pairs(folder / "r.mkv", [folder / "d.mkv"], loading=loading)
        ((_, scored),) = frames.score([hdr("psnr")])
        want = 10 * np.log10(256**2 / np.mean((x - y) ** 2))
        assert scored.scores["psnr"] == pytest.approx(want, abs=1e-3)

    def test_a_video_in_sdr(self, folder):
        loading = Loading(hdr="pu21")
        frames = videos.frame_pairs(folder / "r.mkv", [folder / "sdr.mkv"], loading=loading)
        with pytest.raises(InputError, match=r"sdr\.mkv: is not an HDR image"):
            list(frames.score([hdr("psnr")]))


class TestRefusals:
    @pytest.mark.parametrize("name", ["gsn", "gmsd", "ssimulacra2", "psnr_hvs"])
    def test_metrics_that_are_not_defined(self, name):
        metric = gsn_jax.load() if name == "gsn" else metrics.get(name)
        with pytest.raises(
            InputError, match=rf"{name}: is not defined for HDR .* use one of psnr,"
        ):
            HDR.of(metric)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"hdr": "pu08"}, "hdr must be pu21"),
            ({"hdr": "pu21", "luma": "full"}, "leave out luma"),
            ({"peak_nits": 100}, "peak_nits is for HDR"),
            ({"hdr": "pu21", "peak_nits": 0}, r"must lie in \[1, 10000\]"),
            ({"hdr": "pu21", "peak_nits": float("nan")}, r"must lie in \[1, 10000\]"),
            ({"hdr": "pu21", "peak_nits": float("inf")}, r"must lie in \[1, 10000\]"),
        ],
    )
    def test_options(self, options, message):
        with pytest.raises(InputError, match=message):
            Protocol(**options)

    @pytest.mark.parametrize("options", [{"align": "integer"}, {"alpha": "black"}])
    def test_loading(self, options):
        with pytest.raises(InputError, match="is not for HDR images"):
            Loading(hdr="pu21", **options)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda image: image * np.nan, "distorted: holds values that are not finite"),
            (lambda image: image.astype(np.uint8), "is float in cd/m2, got uint8"),
            (lambda image: image[..., 0], "an HDR image is an array"),
            (lambda image: image[1:], "size 192 x 175 differs"),
        ],
    )
    def test_arrays(self, pair, change, message):
        with pytest.raises(InputError, match=message):
            gsn_jax.score(pair[0], change(pair[1]), "psnr", protocol=HDR)

    def test_quality_maps(self, pair):
        metric = hdr("ssim")
        assert not metric.has_map
        with pytest.raises(InputError, match="'ssim' has no quality map with hdr pu21"):
            metric.quality_map(*pair)
        with pytest.raises(InputError, match="'ssim' has no quality map with hdr pu21"):
            gsn_jax.quality_map(*pair, metric)
