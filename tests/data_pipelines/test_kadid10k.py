"""KADID-10k's levels on other photographs, and the published opinions they stand for."""

from __future__ import annotations

import collections
import csv

import numpy as np
import pytest
from skimage import color, data

from data_pipelines import kadid10k
from data_pipelines.distortions import of_kadid10k
from data_pipelines.tid2013 import typical
from gsn_jax.errors import InputError


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.astronaut()[40:136, 180:276]


@pytest.mark.parametrize("name", kadid10k.NAMES)
def test_levels_are_repeatable_and_ever_stronger(photo, name):
    images = [kadid10k.distort(name, photo, level, 7) for level in range(1, 6)]
    np.testing.assert_array_equal(images[2], kadid10k.distort(name, photo, 3, 7))
    errors = [float(np.abs(image.astype(float) - photo).mean()) for image in images]
    assert all(image.shape == photo.shape and image.dtype == np.uint8 for image in images)
    assert errors == sorted(errors)
    assert errors[4] > 0


def test_tone_by_its_definition(photo):
    """Parabolas through the middle value of the generator, over the samples."""
    x = photo / 255
    want = np.clip(x + 4 * (0.3 - 0.5) * x * (1 - x), 0, 1) * 255  # level 4: 1/2 - 0.4 / 2
    np.testing.assert_allclose(kadid10k.distort("darken", photo, 4), want, atol=0.51)
    brighter = kadid10k.distort("brighten", photo, 3).astype(float)
    assert (brighter >= photo - 1.0).all()
    assert brighter.mean() > photo.mean() + 5


def test_saturation_by_its_definition(photo):
    hsv = color.rgb2hsv(photo)
    hsv[..., 1] *= 0.2  # level 2
    got = kadid10k.distort("saturation_hsv", photo, 2)
    np.testing.assert_allclose(got, color.hsv2rgb(hsv) * 255, atol=1.0)
    np.testing.assert_allclose(kadid10k.distort("saturation_lab", photo, 1), photo, atol=1.0)


def test_only_green_moves_and_only_near_edges():
    image = np.full((96, 96, 3), 200, np.uint8)
    image[:, 48:] = 40
    shifted = kadid10k.distort("colour_shift", image, 5, 3)
    np.testing.assert_array_equal(shifted[..., [0, 2]], image[..., [0, 2]])
    np.testing.assert_array_equal(shifted[:, :24], image[:, :24])
    assert (shifted[..., 1] != image[..., 1]).any()


def test_opinions_are_on_the_scale_of_tid2013():
    """What both data sets asked people gets nearly the same opinion, from 0.5 to 6."""
    slope, offset = kadid10k._scale()
    # JPEG at quality 4 and 8, of which KADID-10k has 4 and 7; blur of standard deviation 1.
    jpeg, blur = typical.TYPICAL[10].mos, typical.TYPICAL[8].mos
    assert slope * 1.35 + offset == pytest.approx(jpeg[4], abs=0.6)
    assert slope * 1.95 + offset == pytest.approx(jpeg[3], abs=0.6)
    assert slope * 2.91 + offset == pytest.approx(blur[2], abs=0.6)
    values = [kadid10k.opinion(name, level) for name in kadid10k.NAMES for level in (1, 5)]
    assert 1 < min(values) < max(values) < 7.2


def test_opinions_are_those_of_the_published_table(gsn_data):
    grades = collections.defaultdict(list)
    with (gsn_data / "tables" / "kadid10k_dmos.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            _, number, level = row["dist_img"].removesuffix(".png").split("_")
            grades[of_kadid10k(int(number)).name, int(level)].append(float(row["dmos"]))
    for name, kind in kadid10k.TYPICAL.items():
        published = "colour_quantisation" if name.startswith("colour_quantisation") else name
        means = [np.mean(grades[published, level]) for level in range(1, 6)]
        np.testing.assert_allclose(kind.opinions, means, atol=0.0051)


def test_what_cannot_be_made_alike_is_refused(photo):
    for call in (kadid10k.check, lambda name: kadid10k.distort(name, photo, 1)):
        with pytest.raises(InputError, match="denoising: KADID-10k's levels are known only for"):
            call("denoising")
