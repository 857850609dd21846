"""Most apparent distortion.

E. C. Larson, D. M. Chandler, "Most apparent distortion: full-reference image quality assessment and
the role of strategy", Journal of Electronic Imaging 19(1), 2010.

Public tables of MAD list the values of the PyTorch port in IQA-optimization and pyiqa, so the port
is the default here. It departs from the paper: it measures R, G and B; it regroups the block
statistics, so that those of one block are compared with the error of another; it reads the contrast
sensitivity of non-square images in the wrong order; it weights the orientations of the log-Gabor
bands instead of the scales; and as the reference's deviation it takes half the smallest deviation
of neighbouring blocks. With `corrected=True` these points follow the paper and the authors'
`MAD_index_april_2010.m`, on luma; no official values are known for it.
"""

from __future__ import annotations

import functools
import math

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import block_statistics, colour, filters, finite, log_gabor, reductions
from gsn_jax.metrics.preparation import pairwise

MIN_SIZE = 32
LUMINANCE_FACTOR, LUMINANCE_POWER = 0.02874, 2.2 / 3
DARKEST = 0.5  # blocks below this luminance show no errors
THRESHOLD = -5.0  # log contrast, of the reference and of the distortion
FREQUENCIES = 32  # cycles per degree at the Nyquist limit
SCALES, ORIENTATIONS = 5, 4
WEIGHTS = (0.5 / 13.25, 0.75 / 13.25, 1 / 13.25, 5 / 13.25, 6 / 13.25)
EPSILON = 1e-12
B1 = math.exp(-2.55 / 3.35)
B2 = 1 / (math.log(10) * 3.35)


@pairwise("mad", MIN_SIZE)
def mad(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    corrected: bool = False,
) -> Float[Array, "*batch"]:
    """Visible error, which counts in good images, blended with change of appearance, in bad ones.

    Args:
        reference: sRGB in [0, 1], at least 32 x 32.
        distorted: as `reference`.
        corrected: whether to follow the paper instead of the port; see the module docstring.

    Returns:
        A distance from 0 (equal images), mostly below 300. Not symmetric.
    """
    images = jnp.stack([reference, distorted])
    planes = colour.luma(images)[None] if corrected else 255 * jnp.moveaxis(images, -1, 0)
    detection = _root_mean_square(_detection(planes, corrected))
    appearance = lax.map(functools.partial(_appearance, corrected=corrected), planes)
    if not corrected:
        detection, appearance = 200 * detection, _regrouped(appearance)
    return _blended(detection, _root_mean_square(appearance)).mean()


def _regrouped(planes: Float[Array, "p h w"]) -> Float[Array, "p h w"]:
    """Lays values out as `(h, w, planes)` but reads `(planes, h, w)`, as the port does."""
    return jnp.moveaxis(planes, 0, -1).reshape(planes.shape)


def _blended(detection: Float[Array, " p"], appearance: Float[Array, " p"]) -> Float[Array, " p"]:
    """appearance^(1 - s) * detection^s, where s falls with detection; zero if either is zero."""
    defined = (detection > 0) & (appearance > 0)
    log_detection = jnp.log(jnp.where(defined, detection, 1))
    log_appearance = jnp.log(jnp.where(defined, appearance, 1))
    share = 1 / (1 + B1 * jnp.exp(B2 * log_detection))
    blended = jnp.exp((1 - share) * log_appearance + share * log_detection)
    return jnp.where(defined, blended, 0)


def _root_mean_square(plane: Float[Array, "*batch h w"]) -> Float[Array, "*batch"]:
    return finite.sqrt(reductions.mean(plane**2))


def _detection(planes: Float[Array, "p 2 h w"], corrected: bool) -> Float[Array, "p _h _w"]:
    """Visible local error of planes in [0, 255]."""
    size = planes.shape[-2:]
    light, other_light = jnp.moveaxis(_luminance(planes), 1, 0)
    sensitivity = jnp.asarray(_sensitivity(*size, corrected), planes.dtype)
    spectra = filters.apply_transfer(
        jnp.fft.rfft2(jnp.stack([light, other_light - light])), sensitivity
    )
    seen, seen_change = jnp.fft.irfft2(spectra, s=size)
    mean, deviation = block_statistics.mean_and_deviation(seen)
    _, error = block_statistics.mean_and_deviation(seen_change)
    if corrected:
        deviation = block_statistics.least_quadrant_deviation(seen)
    else:
        mean, deviation, error = (_regrouped(field) for field in (mean, deviation, error))
        deviation = _least_neighbour(deviation) / 2
    dark = mean < DARKEST
    mean = jnp.where(dark, 1, mean)
    masking = jnp.log((deviation + EPSILON) / mean)
    contrast = jnp.log((error + EPSILON) / mean)
    visible = jnp.maximum(contrast - jnp.maximum(masking, THRESHOLD), 0)
    squares = block_statistics.cells((planes[:, 0] - planes[:, 1]) ** 2)
    return jnp.where(dark, 0, visible) * block_statistics.block_mean(squares)


def _luminance(planes: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return LUMINANCE_FACTOR * (planes + EPSILON) ** LUMINANCE_POWER


def _least_neighbour(plane: Float[Array, "*batch h w"]) -> Float[Array, "*batch h w"]:
    """The minimum of each value and its upper, left and upper left neighbours."""
    for axis in (-2, -1):
        before = jnp.concatenate(
            [lax.slice_in_dim(plane, 0, 1, axis=axis), lax.slice_in_dim(plane, 0, -1, axis=axis)],
            axis,
        )
        plane = jnp.minimum(plane, before)
    return plane


def _appearance(planes: Float[Array, "2 h w"], *, corrected: bool) -> Float[Array, "_h _w"]:
    """Change of the log-Gabor statistics of one plane in [0, 255]."""
    dtype = planes.dtype
    # The filters ignore an offset; without it, a flat plane has no response at all.
    spectrum = jnp.fft.fft2(reductions.without_offset(planes))
    log_radius, angular = (jnp.asarray(field, dtype) for field in _grids(*planes.shape[-2:]))
    centres = jnp.asarray([math.log(2 / (3 * 3**scale)) for scale in range(SCALES)], dtype)
    weights = jnp.asarray(WEIGHTS, dtype)

    def band(index: Int[Array, ""]) -> Float[Array, "_h _w"]:
        orientation, scale = index // SCALES, index % SCALES
        radial = jnp.exp(-((log_radius - centres[scale]) ** 2) / (2 * math.log(0.55) ** 2))
        response = jnp.fft.ifft2(filters.apply_transfer(spectrum, radial * angular[orientation]))
        amplitude = finite.sqrt(response.real**2 + response.imag**2)
        deviation, skewness, kurtosis = (
            jnp.abs(field[0] - field[1]) for field in block_statistics.shape_statistics(amplitude)
        )
        return weights[scale if corrected else orientation] * (deviation + 2 * skewness + kurtosis)

    def accumulate(
        total: Float[Array, "_h _w"], index: Int[Array, ""]
    ) -> tuple[Float[Array, "_h _w"], None]:
        return total + band(index), None

    start = jnp.zeros(tuple((size - 12) // 4 for size in planes.shape[-2:]), dtype)
    total, _ = lax.scan(accumulate, start, jnp.arange(SCALES * ORIENTATIONS))
    return total


@functools.lru_cache(maxsize=8)
def _grids(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Log radius relative to Nyquist `(H, W)`, and angular parts `(ORIENTATIONS, H, W)`."""
    x = np.arange(-width / 2, width / 2) / (width / 2)
    y = np.arange(-height / 2, height / 2) / (height / 2)
    x, y = np.meshgrid(x, y)
    radius = np.hypot(x, y)
    # The original intends the zero frequency, but sets its lower right neighbour.
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
    oblique = 0.15 * np.cos(4 * np.angle(plane)) + 0.85  # the eye is less sensitive to diagonals
    frequency = np.abs(plane) / oblique
    csf = 2.6 * (0.0192 + 0.114 * frequency) * np.exp(-((0.114 * frequency) ** 1.1))
    csf[frequency < 7.8909] = 0.9809
    if not corrected:
        csf = csf.T.reshape(height, width)
    csf = np.fft.ifftshift(csf)
    # The real part of the filtered image depends only on the even part of the filter.
    mirrored = np.roll(csf[::-1, ::-1], (1, 1), axis=(0, 1))
    return ((csf + mirrored) / 2)[:, : width // 2 + 1]


METRICS = {"mad": FunctionMetric("mad", mad, False, (0.0, float("inf")), min_size=MIN_SIZE)}
