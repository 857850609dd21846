"""Most apparent distortion.

E. C. Larson, D. M. Chandler, "Most apparent distortion: full-reference image quality assessment and
the role of strategy", Journal of Electronic Imaging 19(1), 2010.

Public tables of MAD list the values of the PyTorch port in IQA-optimization and pyiqa, which is
therefore the default. The port departs from the paper: it measures R, G and B; regroups the block
statistics so that those of one place meet the error of another; reads the contrast sensitivity of
an image that is not square in a wrong order; weights the orientations, not the scales, of the
log-Gabor bands; and takes half the least deviation of neighbouring blocks for the reference.
`corrected=True` is the method of the paper and of the authors' `MAD_index_april_2010.m` in these
points, on luma; no official values are known for it.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import block_statistics, colour, finite, log_gabor, reductions
from gsn_jax.metrics.preparation import pairwise

MIN_SIZE = 32
LUMINANCE_FACTOR, LUMINANCE_POWER = 0.02874, 2.2 / 3
DARKEST = 0.5  # blocks below this luminance mask everything
THRESHOLD = -5.0  # log contrast, of the reference and of the distortion
FREQUENCIES = 32  # cycles per degree at the Nyquist limit
SCALES, ORIENTATIONS = 5, 4
WEIGHTS = (0.5 / 13.25, 0.75 / 13.25, 1 / 13.25, 5 / 13.25, 6 / 13.25)
EPSILON = 1e-12
B1 = math.exp(-2.55 / 3.35)
B2 = 1 / (math.log(10) * 3.35)


@pairwise("mad", MIN_SIZE)
def mad(reference: jax.Array, distorted: jax.Array, *, corrected: bool = False) -> jax.Array:
    """Visible error of nearly perfect images blended with changed appearance of bad ones.

    Args:
        reference: `(..., H, W, 3)` in [0, 1], at least 32 x 32.
        distorted: as `reference`.
        corrected: the paper's definition instead of the port's; see the module.

    Returns:
        `(...)`, a distance from 0 (equal images), mostly below 300. Not symmetric.
    """
    images = jnp.stack([reference, distorted])
    planes = colour.luma(images)[None] if corrected else 255 * jnp.moveaxis(images, -1, 0)
    detection = _root_mean_square(_detection(planes, corrected))
    appearance = lax.map(functools.partial(_appearance, corrected=corrected), planes)
    if not corrected:
        detection, appearance = 200 * detection, _regrouped(appearance)
    return _blended(detection, _root_mean_square(appearance)).mean()


def _regrouped(planes: jax.Array) -> jax.Array:
    """The port's reading of `(h * w, planes)` as `(planes, h, w)`."""
    return jnp.moveaxis(planes, 0, -1).reshape(planes.shape)


def _blended(detection: jax.Array, appearance: jax.Array) -> jax.Array:
    """appearance^(1 - s) * detection^s, s falling with detection; zero if either is zero."""
    defined = (detection > 0) & (appearance > 0)
    log_detection = jnp.log(jnp.where(defined, detection, 1))
    log_appearance = jnp.log(jnp.where(defined, appearance, 1))
    share = 1 / (1 + B1 * jnp.exp(B2 * log_detection))
    blended = jnp.exp((1 - share) * log_appearance + share * log_detection)
    return jnp.where(defined, blended, 0)


def _root_mean_square(plane: jax.Array) -> jax.Array:
    return finite.sqrt(reductions.mean(plane**2))


def _detection(planes: jax.Array, corrected: bool) -> jax.Array:
    """Visible local error `(P, h, w)` of the planes `(P, 2, H, W)` in [0, 255]."""
    height, width = planes.shape[-2:]
    light = LUMINANCE_FACTOR * (planes + EPSILON) ** LUMINANCE_POWER
    sensitivity = jnp.asarray(_sensitivity(height, width, corrected), planes.dtype)
    seen = jnp.fft.irfft2(jnp.fft.rfft2(light) * sensitivity, s=(height, width))
    mean, deviation = block_statistics.mean_and_deviation(seen[:, 0])
    _, error = block_statistics.mean_and_deviation(seen[:, 1] - seen[:, 0])
    if corrected:
        deviation = block_statistics.least_quadrant_deviation(seen[:, 0])
    else:
        mean, deviation, error = (_regrouped(field) for field in (mean, deviation, error))
        deviation = _least_neighbour(deviation) / 2
    masking = jnp.log((deviation + EPSILON) / jnp.abs(mean + EPSILON))
    contrast = jnp.log((error + EPSILON) / jnp.abs(mean + EPSILON))
    visible = jnp.maximum(contrast - jnp.maximum(masking, THRESHOLD), 0)
    squares = block_statistics.cells((planes[:, 0] - planes[:, 1]) ** 2)
    return jnp.where(mean < DARKEST, 0, visible) * block_statistics.block_mean(squares)


def _least_neighbour(plane: jax.Array) -> jax.Array:
    """The least of each value and those above, left, and above left of it."""
    for axis in (-2, -1):
        before = jnp.concatenate(
            [lax.slice_in_dim(plane, 0, 1, axis=axis), lax.slice_in_dim(plane, 0, -1, axis=axis)],
            axis,
        )
        plane = jnp.minimum(plane, before)
    return plane


def _appearance(planes: jax.Array, *, corrected: bool) -> jax.Array:
    """Change of the log-Gabor statistics `(h, w)` of one plane, `(2, H, W)` in [0, 255]."""
    dtype = planes.dtype
    spectrum = jnp.fft.fft2(planes)
    log_radius, angular = (jnp.asarray(field, dtype) for field in _grids(*planes.shape[-2:]))
    centres = jnp.asarray([math.log(2 / (3 * 3**scale)) for scale in range(SCALES)], dtype)
    weights = jnp.asarray(WEIGHTS, dtype)

    def band(index: jax.Array) -> jax.Array:
        orientation, scale = index // SCALES, index % SCALES
        radial = jnp.exp(-((log_radius - centres[scale]) ** 2) / (2 * math.log(0.55) ** 2))
        amplitude = jnp.abs(jnp.fft.ifft2(spectrum * (radial * angular[orientation])))
        deviation, skewness, kurtosis = (
            jnp.abs(field[0] - field[1]) for field in block_statistics.shape_statistics(amplitude)
        )
        return weights[scale if corrected else orientation] * (deviation + 2 * skewness + kurtosis)

    def accumulate(total: jax.Array, index: jax.Array) -> tuple[jax.Array, None]:
        return total + band(index), None

    start = jnp.zeros(tuple((size - 12) // 4 for size in planes.shape[-2:]), dtype)
    total, _ = lax.scan(accumulate, start, jnp.arange(SCALES * ORIENTATIONS))
    return total


@functools.lru_cache(maxsize=8)
def _grids(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Log of the radius relative to Nyquist `(H, W)`, and `(ORIENTATIONS, H, W)` angular parts."""
    x = np.arange(-width / 2, width / 2) / (width / 2)
    y = np.arange(-height / 2, height / 2) / (height / 2)
    x, y = np.meshgrid(x, y)
    radius = np.hypot(x, y)
    # The original means the zero frequency here, and takes its lower right neighbour.
    radius[round(height / 2 + 1), round(width / 2 + 1)] = 1
    log_radius = np.log(radius + EPSILON)
    log_radius[round(height / 2), round(width / 2)] = 1e3  # no response
    sigma = math.pi / ORIENTATIONS / 1.5
    angle = np.arctan2(-y, x)
    centres = log_gabor.orientations(ORIENTATIONS)
    angular = np.stack([log_gabor.angular(angle, centre, sigma) for centre in centres])
    return np.fft.fftshift(log_radius), np.fft.fftshift(angular, axes=(-2, -1))


@functools.lru_cache(maxsize=8)
def _sensitivity(height: int, width: int, corrected: bool) -> np.ndarray:
    """Contrast sensitivity for `rfft2`, `(H, W // 2 + 1)`."""
    x = np.arange(-(width - 1) / 2, (width + 1) / 2)
    y = np.arange(-(height - 1) / 2, (height + 1) / 2)
    plane = (x + 1j * y[:, None]) / width * 2 * FREQUENCIES
    oblique = 0.15 * np.cos(4 * np.angle(plane)) + 0.85  # diagonals are seen less
    frequency = np.abs(plane) / oblique
    csf = 2.6 * (0.0192 + 0.114 * frequency) * np.exp(-((0.114 * frequency) ** 1.1))
    csf[frequency < 7.8909] = 0.9809
    if not corrected:
        csf = csf.T.reshape(height, width)
    csf = np.fft.ifftshift(csf)
    # The real part of the filtered image depends on the even part of the filter only.
    mirrored = np.roll(csf[::-1, ::-1], (1, 1), axis=(0, 1))
    return ((csf + mirrored) / 2)[:, : width // 2 + 1]


METRICS = {"mad": FunctionMetric("mad", mad, False, (0.0, float("inf")), min_size=MIN_SIZE)}
