import io

import numpy as np
import pytest
import scipy.ndimage
import skimage.data
from PIL import Image
from skimage.registration import phase_cross_correlation

from gsn_jax.images import alignment
from gsn_jax.images.alignment import Shift, align, find_shift, looks_shifted


def shifted(image, down, right, margin=16):
    """A part of an image, and the part in which its content lies further down and to the right."""
    rows, columns = (slice(margin, side - margin) for side in image.shape[:2])
    moved = (
        slice(span.start - move, span.stop - move)
        for span, move in ((rows, down), (columns, right))
    )
    return image[rows, columns], image[tuple(moved)]


def jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.fixture(scope="module")
def cat():
    return skimage.data.chelsea()[:192, 100:300]


@pytest.mark.parametrize("move", [(0, 0), (3, -5), (-12, 7), (1, 0)])
def test_whole_pixels_are_found_under_distortions(cat, rng, move):
    reference, moved = shifted(cat, *move)
    noise = np.clip(moved + rng.normal(scale=20, size=moved.shape), 0, 255).astype(np.uint8)
    blurred = scipy.ndimage.gaussian_filter(moved, (3, 3, 0))
    dark = np.float32(moved) / 510
    for distorted in (moved, jpeg(moved, 10), noise, blurred, dark):
        assert find_shift(reference, distorted) == move


@pytest.mark.parametrize("move", [(0.5, 0.0), (2.3, -1.7), (-0.25, 0.6)])
def test_fractions_are_those_of_scikit_image(cat, move):
    reference = np.float32(cat) / 255
    planes = [scipy.ndimage.shift(p, move, order=5, mode="mirror") for p in np.moveaxis(cat, -1, 0)]
    distorted = np.clip(np.float32(np.stack(planes, -1)) / 255, 0, 1)
    found = find_shift(reference, distorted, subpixel=True)
    np.testing.assert_allclose(found, move, atol=0.06)
    window = np.hanning(cat.shape[0])[:, None] * np.hanning(cat.shape[1])
    luma = [(i.mean(-1) - i.mean()) * window for i in (reference, distorted)]
    peer = -phase_cross_correlation(*luma, upsample_factor=alignment.UPSAMPLING)[0]
    np.testing.assert_allclose(found, peer, atol=0.1)


def test_an_undone_shift_of_whole_pixels_leaves_the_same_pixels(cat):
    for move in ((4, -3), (-2, 9)):
        aligned = align(*shifted(cat, *move), "integer")
        assert aligned.shift == move
        np.testing.assert_array_equal(aligned.distorted, aligned.reference)
        reference = shifted(cat, *move)[0]
        np.testing.assert_array_equal(reference[aligned.part], aligned.reference)
        assert aligned.reference.shape[:2] == tuple(
            side - abs(m) for side, m in zip(reference.shape, move, strict=False)
        )


def test_fractions_are_undone_by_splines(cat):
    reference = np.float32(scipy.ndimage.gaussian_filter(cat, (1, 1, 0))) / 255
    planes = [
        scipy.ndimage.shift(p, (1.5, -0.75), order=5, mode="mirror")
        for p in np.moveaxis(reference, -1, 0)
    ]
    distorted = np.clip(np.stack(planes, -1), 0, 1)
    before = np.mean((reference - distorted) ** 2)
    aligned = align(reference, distorted, "subpixel")
    np.testing.assert_allclose(aligned.shift, (1.5, -0.75), atol=0.06)
    assert np.mean((aligned.reference - aligned.distorted) ** 2) < before / 50


def test_what_is_not_shifted_stays_as_it_is(cat, rng):
    flat = np.full_like(cat, 77)
    other = rng.integers(0, 256, cat.shape, dtype=np.uint8)
    for reference, distorted in ((cat, cat), (flat, flat), (cat, flat), (cat, jpeg(cat, 5))):
        for mode in ("none", "integer", "subpixel"):
            aligned = align(reference, distorted, mode)
            assert aligned.shift == Shift(0, 0)
            assert aligned.reference is reference
            assert aligned.distorted is distorted
    # Whatever is found between unrelated images, it does not make the error larger.
    aligned = align(cat, other, "integer")
    before = np.mean((np.float64(cat[aligned.part]) - other[aligned.part]) ** 2)
    assert np.mean((np.float64(aligned.reference) - aligned.distorted) ** 2) <= before


def test_a_glance_sees_shifts_and_no_other_distortion(cat, rng):
    for distorted in (cat, jpeg(cat, 5), scipy.ndimage.gaussian_filter(cat, (4, 4, 0)), 255 - cat):
        assert looks_shifted(cat, distorted) is None
    assert looks_shifted(*shifted(cat, 5, -2)) == (5, -2)
    assert looks_shifted(cat[:12, :9], cat[:12, :9]) is None
