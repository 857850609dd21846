"""Single distortions against their definition, on images where the answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import scipy.ndimage
from skimage import data

from data_pipelines import distortions
from data_pipelines.distortions import blur, dct, pixels, tone, wavelet


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(data.astronaut()[40:168, 90:218])


@pytest.fixture(scope="module")
def gray() -> np.ndarray:
    return np.full((256, 256, 3), 128, np.uint8)


def _noise(name: str, image: np.ndarray, strength: float) -> np.ndarray:
    return distortions.apply(name, image, strength=strength, seed=1).astype(np.float64) - image


@pytest.mark.parametrize("name", ["white_noise", "correlated_noise", "high_frequency_noise"])
def test_additive_noise_has_the_standard_deviation_asked_for(name, gray):
    noise = _noise(name, gray, 12.0)
    assert noise.std() == pytest.approx(12.0, rel=0.02)
    assert abs(noise.mean()) < 0.2


def test_neighbours_in_correlated_noise_agree_and_in_high_frequency_noise_disagree(gray):
    def neighbour_correlation(name):
        noise = _noise(name, gray, 12.0)[..., 0]
        return np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]

    assert abs(neighbour_correlation("white_noise")) < 0.02
    assert neighbour_correlation("correlated_noise") > 0.5
    assert neighbour_correlation("high_frequency_noise") < -0.1


def test_multiplicative_noise_grows_with_the_sample():
    ramp = np.repeat(np.uint8([[[50] * 3], [[150] * 3]]), 4000, axis=1).repeat(16, axis=0)
    noise = _noise("multiplicative_noise", ramp, 0.1)
    assert noise[:16].std() == pytest.approx(5.0, rel=0.05)
    assert noise[16:].std() == pytest.approx(15.0, rel=0.05)


def test_impulse_noise_hits_the_share_asked_for_and_nests(gray):
    weak = distortions.apply("impulse_noise", gray, strength=0.05, seed=2)
    strong = distortions.apply("impulse_noise", gray, strength=0.1, seed=2)
    hit_weak, hit_strong = weak != gray, strong != gray
    assert hit_weak.mean() == pytest.approx(0.05, rel=0.05)
    assert hit_strong.mean() == pytest.approx(0.1, rel=0.05)
    assert not np.any(hit_weak & ~hit_strong)
    assert set(np.unique(strong)) == {0, 128, 255}


def test_colour_noise_moves_chroma_more_than_luma(gray):
    image = distortions.apply("colour_noise", gray, strength=10.0, seed=0)
    planes = pixels.rgb_to_ycbcr(image)
    luma, cb, cr = (planes[..., channel].std() for channel in range(3))
    assert luma < 0.6 * min(cb, cr)


def test_masked_noise_spares_flat_areas():
    image = np.full((128, 128, 3), 128, np.uint8)
    image[:, 64:] = (np.indices((128, 64)).sum(0) % 2 * 100 + 78)[..., None]
    noise = _noise("masked_noise", image, 10.0)
    assert noise[:, :48].std() < 0.3 * noise[:, 80:].std()


def test_gaussian_blur_equals_scipy(photo):
    expected = scipy.ndimage.gaussian_filter(
        photo.astype(np.float64), (2.0, 2.0, 0), mode="mirror", truncate=4
    )
    blurred = distortions.apply("gaussian_blur", photo, strength=2.0)
    assert np.abs(blurred - expected).max() <= 0.51


def test_kernels_sum_to_one_and_have_the_right_extent():
    disk = blur.disk(4.0)
    assert disk.sum() == pytest.approx(1, abs=1e-5)
    y = np.arange(len(disk)) - len(disk) // 2
    # second moment of a disk about its diameter is r^2 / 4
    assert (disk.sum(1) * y**2).sum() == pytest.approx(4.0, rel=0.05)
    line = blur.line(12.0, 0.0)
    assert np.count_nonzero(line.sum(0) > 1e-6) == 13
    assert np.count_nonzero(line.sum(1) > 1e-6) == 1


def test_quantisation_leaves_few_values_and_at_most_half_a_step(photo):
    image = distortions.apply("quantisation", photo, strength=64.0)
    assert len(np.unique(image)) <= 5
    assert np.abs(image.astype(int) - photo).max() <= 33


def test_palettes_hold_as_many_colours_as_asked_for(photo):
    for name in ("colour_quantisation", "colour_quantisation_dither"):
        image = distortions.apply(name, photo, strength=256 / 16)
        assert len(np.unique(image.reshape(-1, 3), axis=0)) <= 16


def test_pixelate_paints_block_means(photo):
    image = distortions.apply("pixelate", photo, strength=8.0)
    means = photo.reshape(16, 8, 16, 8, 3).mean((1, 3))
    expected = means.repeat(8, axis=0).repeat(8, axis=1)
    assert np.abs(image - expected).max() <= 0.51


def test_shift_and_contrast_by_hand():
    image = np.zeros((16, 16, 3), np.uint8)
    image[:8] = 200
    image[8:] = 100
    assert np.unique(tone.shift(image, -20)).tolist() == [80, 180]
    assert np.unique(tone.shift(image, 70)).tolist() == [170, 255]
    assert np.unique(tone.scale_contrast(image, 0.5)).tolist() == [125, 175]
    shifted = distortions.apply("mean_shift", image, strength=20.0)
    assert set(np.unique(np.abs(shifted.astype(int) - image))) == {20}


def test_saturation_of_one_is_gray_and_keeps_luma(photo):
    image = distortions.apply("saturation", photo, strength=1.0)
    assert np.abs(np.diff(image.astype(int), axis=-1)).max() <= 1
    assert np.abs(pixels.luma(image) - pixels.luma(photo)).mean() < 1
    hsv = distortions.apply("saturation_hsv", photo, strength=1.0)
    np.testing.assert_array_equal(hsv[..., 0], photo.max(-1))  # HSV keeps the largest channel


def test_colour_shift_moves_only_green(photo):
    image = distortions.apply("colour_shift", photo, strength=4.0)
    np.testing.assert_array_equal(image[..., [0, 2]], photo[..., [0, 2]])
    assert np.any(image[..., 1] != photo[..., 1])


def test_brighten_and_darken_keep_black_and_white():
    ends = np.zeros((16, 16, 3), np.uint8)
    ends[8:] = 255
    for name in ("brighten", "darken"):
        np.testing.assert_array_equal(distortions.apply(name, ends, level=5), ends)
    middle = np.full((16, 16, 3), 120, np.uint8)
    assert distortions.apply("brighten", middle, level=3).mean() > 140
    assert distortions.apply("darken", middle, level=3).mean() < 100


def test_jpeg_is_what_libjpeg_makes_of_the_same_quality(photo):
    # quality 25 scales the tables of annex K by 5000 / 25 percent
    encoded = cv2.imencode(
        ".jpg",
        photo[..., ::-1],
        [
            *(cv2.IMWRITE_JPEG_QUALITY, 25),
            *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
        ],
    )[1]
    expected = cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    image = distortions.apply("jpeg", photo, strength=200.0)
    assert np.abs(image - expected).mean() < 0.5


def test_jpeg_errors_stay_in_some_blocks(photo):
    whole = distortions.apply("jpeg_errors", photo, strength=0.0, seed=1)
    damaged = distortions.apply("jpeg_errors", photo, strength=24.0, seed=1)
    changed = np.any(whole != damaged, axis=-1).mean()
    assert 0 < changed < 0.6


def test_upscaling_equals_nearest_repetition_for_blocks():
    blocks = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    image = blocks.repeat(4, axis=0).repeat(4, axis=1)
    result = distortions.get("upscaling_nearest").function(image, 4.0, np.random.default_rng(0))
    inner = np.abs(result.astype(int) - image).mean()
    assert inner < 25  # bicubic reduction mixes neighbours a little
    assert len(np.unique(result.reshape(16, 4, 16, 4, 3).std((1, 3)))) == 1


def test_block_dct_inverts_and_keeps_energy():
    plane = np.random.default_rng(0).normal(size=(40, 56))
    coefficients = dct.block_dct(plane, 8)
    np.testing.assert_allclose(dct.block_idct(coefficients, 40, 56), plane, atol=1e-12)
    assert np.sum(coefficients**2) == pytest.approx(np.sum(plane**2))


@pytest.mark.parametrize("shape", [(64, 48, 3), (37, 53, 1)])
def test_wavelet_inverts_and_has_the_gains_of_the_standard(shape):
    image = np.random.default_rng(0).normal(size=shape)
    bands = wavelet.decompose(image, 3)
    np.testing.assert_allclose(wavelet.reconstruct(bands, shape[:2]), image, atol=1e-10)
    flat = wavelet.decompose(np.full(shape, 7.0), 3)
    # the low-pass filter has gain 1 at zero frequency (T.800, annex F), the high-pass filter 0
    np.testing.assert_allclose(flat[-1], 7.0, atol=1e-9)
    assert max(np.abs(band).max() for band in flat[:-1]) < 1e-9
