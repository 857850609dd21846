import copy
import functools
import pickle

import jax
import numpy as np
import numpy_definitions as definitions
import pytest
from PIL import Image

import gsn_jax
from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.metric import MapGrid, Metric
from gsn_jax.scoring.maps import grid_of
from gsn_jax.scoring.protocol import NAMED, Protocol
from gsn_jax.scoring.protocol_metric import ProtocolMetric
from gsn_jax.scoring.provenance import protocol_text, version_of

STUDIO = np.array([65.481, 128.553, 24.966])


@pytest.fixture
def pairs(photo, rng):
    """Restorations of a photograph, uint8, of different sizes."""
    found = []
    for index in range(20):
        height, width = 40 + 3 * index, 90 - 2 * index
        reference = photo[index : index + height, 2 * index : 2 * index + width]
        small = Image.fromarray(reference).resize((width // 2, height // 2))
        restored = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
        noise = rng.normal(scale=index, size=reference.shape)
        found.append((reference, np.clip(np.round(restored + noise), 0, 255).astype(np.uint8)))
    return found


def luma(image, border):
    """Y of ITU-R BT.601 in [16, 235], not rounded, without borders; as BasicSR has it."""
    height, width = image.shape[:2]
    inner = image[border : height - border, border : width - border].astype(np.float64)
    return inner / 255 @ STUDIO + 16


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_sr_protocols_are_those_of_basicsr(pairs, scale):
    """`calculate_psnr` and `calculate_ssim` with `test_y_channel=True` and `crop_border`."""
    psnr, ssim = (NAMED[f"sr-x{scale}"].of(metrics.get(name)) for name in ("psnr", "ssim"))
    for reference, restored in pairs:
        x, y = luma(reference, scale), luma(restored, scale)
        expected = 10 * np.log10(255**2 / np.mean((x - y) ** 2))
        assert float(psnr(reference, restored)) == pytest.approx(expected, abs=1e-4)
        similarity, contrast = definitions.ssim_terms(x, y)
        expected = np.mean(similarity * contrast)
        assert float(ssim(reference, restored)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "studio"])
def test_every_metric_sees_the_luma_as_a_gray_image(pairs, kind):
    protocol = Protocol(kind, 3)
    lumas = [luma(image, 3) for image in pairs[5]]
    if kind == "full":
        lumas = [definitions.luma(i[3:-3, 3:-3] / 255, rounded=False) for i in pairs[5]]
    gray = [np.float32(np.repeat(plane[..., None], 3, -1) / 255) for plane in lumas]
    for name in ("gsn", "flip", "gmsd"):
        metric = gsn_jax.load(name) if name == "gsn" else metrics.get(name)
        # gmsd rounds the luma of images, but not what a protocol gives it.
        gmsd = jax.jit(functools.partial(metrics.gmsd, rounded=False))
        expected = gmsd(*gray) if name == "gmsd" else metric(*gray)
        got = protocol.of(metric)(*pairs[5])
        assert float(got) == pytest.approx(float(expected), abs=1e-5)


def test_crops_alone_leave_the_type_as_it_is(pairs):
    reference, restored = pairs[3]
    cropped = Protocol(crop_border=5).prepare(reference)
    np.testing.assert_array_equal(cropped, reference[5:-5, 5:-5])
    metric = Protocol(crop_border=5).of(metrics.get("ssim"))
    assert float(metric(reference, restored)) == pytest.approx(
        float(metrics.get("ssim")(reference[5:-5, 5:-5], restored[5:-5, 5:-5])), abs=1e-6
    )


def test_equal_images_are_exactly_best(photo):
    for name, best in (("psnr", np.inf), ("ssim", 1), ("gsn", 1), ("gmsd", 0)):
        assert float(gsn_jax.score(photo, photo, name, protocol="sr-x4")) == best


@pytest.mark.slow
def test_a_metric_under_a_protocol_is_a_metric_everywhere(photo, rng):
    noisy = np.clip(photo + rng.normal(scale=20, size=photo.shape), 0, 255).astype(np.uint8)
    plain = gsn_jax.load("gsn")
    metric = Protocol("studio", 8).of(plain)
    assert isinstance(metric, Metric)
    assert (metric.name, metric.version, version_of(metric)) == (
        plain.name,
        plain.version,
        version_of(plain),
    )
    assert protocol_text(metric) == "luma studio, crop border 8"
    assert protocol_text(plain) == ""
    batch = metric(np.stack([photo, photo]), np.stack([noisy, photo]))
    assert float(batch[0]) == pytest.approx(float(metric(photo, noisy)), abs=1e-6)
    assert float(batch[1]) == 1
    pure = jax.jit(metric.function)(np.float32(photo) / 255, np.float32(noisy) / 255)
    assert float(pure) == pytest.approx(float(metric(photo, noisy)), abs=1e-4)
    cells = np.asarray(metric.quality_map(photo, noisy))
    assert cells.shape == (7, 9)
    assert grid_of(metric, 128, 160, cells.shape) == MapGrid(16, 15 + 8)
    assert gsn_jax.quality_map(photo, noisy, metric).shape == (128, 160)


@pytest.mark.slow
def test_a_loss_is_that_of_what_the_protocol_leaves(photo, rng):
    pair = [np.float32(photo) / 255, rng.random(photo.shape, np.float32)]
    metric = Protocol("full", 2).of(metrics.get("psnr"))
    loss = gsn_jax.as_loss(metric)
    value, gradient = jax.jit(jax.value_and_grad(loss, 1))(*pair)
    assert float(value) == pytest.approx(-float(metric(*pair)), abs=1e-4)
    assert (gradient[:2] == 0).all()
    assert (gradient[2:-2, 2:-2] != 0).any()
    trained = Protocol("full", 2).of(gsn_jax.load("gsn"))
    loss = jax.jit(gsn_jax.as_loss(trained))
    assert float(loss(pair[0], pair[0])) == pytest.approx(0, abs=1e-6)


def test_a_metric_under_a_protocol_can_be_copied(photo):
    metric = NAMED["sr-x4"].of(metrics.get("ssim"))
    score = float(metric(photo, 255 - photo))
    for twin in (pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric)):
        assert float(twin(photo, 255 - photo)) == pytest.approx(score, abs=1e-6)


def test_a_protocol_that_changes_nothing_is_no_protocol():
    metric = metrics.get("psnr")
    assert Protocol().of(metric) is metric
    assert not isinstance(metric, ProtocolMetric)
    assert str(Protocol()) == ""
    assert repr(Protocol("studio", 4).of(metric)) == (
        "ProtocolMetric(FunctionMetric('psnr', higher_is_better=True, value_range=(0.0, inf)), "
        "'luma studio, crop border 4')"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda photo: Protocol("narrow"), "luma must be one of full, studio, got 'narrow'"),
        (lambda photo: Protocol(crop_border=-1), "crop_border must be a whole number"),
        (lambda photo: Protocol(crop_border=1.5), "whole number of at least 0, got 1.5"),
        (lambda photo: Protocol(crop_border="4"), "whole number of at least 0, got '4'"),
        (lambda photo: gsn_jax.score(photo, photo, protocol="sr"), "unknown protocol 'sr'; known"),
        (
            lambda photo: gsn_jax.score(photo, photo, "psnr", protocol=Protocol(crop_border=64)),
            "160 x 128 is too small to remove 64 pixels at each border",
        ),
        (
            lambda photo: gsn_jax.score(photo, photo, "ssim", protocol=Protocol(crop_border=60)),
            "40 x 8 is too small",
        ),
    ],
)
def test_what_cannot_be_is_one_line(photo, make, message):
    with pytest.raises(InputError, match=message):
        make(photo)
