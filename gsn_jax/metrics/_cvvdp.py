"""ColorVideoVDP for still images.

R. K. Mantiuk, P. Hanji, M. Ashraf, Y. Asano, A. Chapiro, "ColorVideoVDP: a visual difference
predictor for image, video and display distortions", ACM Transactions on Graphics 43(4), SIGGRAPH
2024; constants of version 0.5.7 of the authors' package `cvvdp` (MIT).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import (
    canvas,
    colour,
    contrast_sensitivity,
    displays,
    filters,
    laplacian_pyramid,
    reductions,
)
from gsn_jax.metrics.displays import Display
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.staging import staged

MIN_SIZE = 4
BEST = 10.0
# XYZ to cone responses, and these to achromatic, red-green and yellow-violet.
CONES = (
    (0.187596268556126, 0.585168649077728, -0.026384263306304),
    (-0.133397430663221, 0.405505777260049, 0.034502127690364),
    (0.000244379021663, -0.000542995890619, 0.019406849066323),
)
OPPONENT = (
    (1.0, 1.0, 0.0),
    (1.0, -2.311130179947035, 0.0),
    (-1.0, -1.0, 50.977571328718781),
)
# The lowest frequency of a band (cycles per degree), and the frequency of the second band relative
# to the first.
LOWEST, SECOND = 0.2, 0.3228
BASE_FREQUENCY = 0.1
BAND_GAINS = (1.0, 2.0)  # of the finest band, and of the others
DARKEST, LARGEST_CONTRAST = 0.01, 1000.0
SENSITIVITY = 10 ** (-0.2797423303127289 / 20)
# Per channel: gains, exponents of masking, and the base-2 logarithm of how much each (row) masks
# each (column).
GAINS = (1.0, 1.45, 1.0)
MASK_EXPONENTS = (1.302622675895691, 2.8885908126831055, 3.6807713508605957)
CROSS_MASKING = (
    (-0.18950104713439941, -5.962151050567627, -4.31834602355957),
    (2.5655593872070312, 0.34406712651252747, -2.719646453857422),
    (3.8118371963500977, -1.0051705837249756, -0.5193376541137695),
)
EXPONENT = 2.264355182647705
MASKING = 10**-0.7954971194267273
LARGEST_DIFFERENCE = 10**2.5642454624176025
# The blur that makes masking independent of phase, in bands larger than the radius.
PHASE_SIGMA, RADIUS = 3.0, 6
BASE_WEIGHTS = (0.0036334486212581396, 1.6627724170684814, 4.11874532699585)
# Pooling, and the conversion of differences to just objectionable differences.
STILL = 0.577918291091919
JOD_SCALE, JOD_EXPONENT, JOD_LINEAR = 0.0439569391310215, 0.9302042722702026, 0.1
EPSILON = 1e-5


@pairwise("cvvdp", MIN_SIZE)
def cvvdp(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    display: str | Display = "standard_4k",
) -> Float[Array, "*batch"]:
    """The quality in just objectionable differences (JOD), 10 at best.

    Overall brightness is not compared: a black image against a white one scores 10.

    Args:
        reference: sRGB in [0, 1], at least 4 x 4.
        distorted: as `reference`.
        display: a name in `gsn_jax.metrics.displays.DISPLAYS`, or a
            `gsn_jax.metrics.displays.Display`.

    Returns:
        A quality of at most 10; 10 for equal images. If two images are 1 apart, 75 % of people
        prefer the one with the higher score. Not symmetric.

    Raises:
        InputError: no display has that name.
    """
    differences, base, sizes = _differences(reference, distorted, displays.named(display))
    totals = canvas.totals(_squared(differences), sizes, 2 * RADIUS)
    means = totals / np.array([height * width for height, width in sizes], totals.dtype)
    return _pooled(means, reductions.mean(_squared(base)))


def _weighted(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    weights: Float[Array, "h w"],
    *,
    display: str | Display = "standard_4k",
) -> Float[Array, ""]:
    """The quality from weighted means of the bands; weights are averaged to each band's size."""
    differences, base, sizes = _differences(reference, distorted, displays.named(display))
    masks = [weights]
    for _ in sizes:
        masks.append(filters.halved(masks[-1]))
    height, width = differences.shape[-2:]
    mask = canvas.place(masks[:-1], 2 * RADIUS)[:height, :width]
    totals, norms = (
        canvas.totals(planes, sizes, 2 * RADIUS) for planes in (mask * _squared(differences), mask)
    )
    return _pooled(totals / norms, reductions.weighted_mean(_squared(base), masks[-1]))


@pairwise("cvvdp", MIN_SIZE)
def cvvdp_map(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    display: str | Display = "standard_4k",
) -> Float[Array, "*batch h w"]:
    """The quality around each pixel, 10 where no difference is seen; arguments as for `cvvdp`."""
    differences, base, sizes = _differences(reference, distorted, displays.named(display))
    first, *others = canvas.taken(_norm_4(STILL * differences, 0), sizes, 2 * RADIUS)
    bands = [first / BAND_GAINS[0], *(band / BAND_GAINS[1] for band in others)]
    total = _norm_4(STILL * _per_channel(BASE_WEIGHTS, base) * base, 0)
    for band in reversed(bands):
        total = laplacian_pyramid.expanded(total, band.shape) + band
    return _jod(total)


def _pooled(bands: Float[Array, "3 bands"], base: Float[Array, " 3"]) -> Float[Array, ""]:
    """The quality from the mean squares of the bands and of the low-pass residual."""
    base_norm = _root(base, 2) * jnp.asarray(BASE_WEIGHTS, base.dtype)
    per_channel = _norm_4(jnp.concatenate([_root(bands, 2), base_norm[:, None]], -1), -1)
    return _jod(STILL * _norm_4(per_channel, 0))


def _differences(
    reference: Float[Array, "h w 3"], distorted: Float[Array, "h w 3"], display: Display
) -> tuple[Float[Array, "3 H W"], Float[Array, "3 _h _w"], list[tuple[int, int]]]:
    """Visible differences of the channels.

    Returns:
        The differences of the bands, on a canvas with a gap of `2 * RADIUS`; the differences of the
        low-pass residual; and the sizes of the bands.
    """
    height, width, _ = reference.shape
    frequencies = _frequencies(height, width, display.pixels_per_degree)
    sizes = laplacian_pyramid.sizes(height, width, len(frequencies))
    x, y = jnp.moveaxis(_opponent(jnp.stack([reference, distorted]), display), 1, 0)
    # The pyramid is linear, so it can take the images' difference, which loses no bits where small.
    layers, base = laplacian_pyramid.decomposed(
        jnp.stack([x, y - x], 1), len(frequencies), margin=RADIUS
    )
    planes = _images(staged(canvas.place(layers, 0)))
    band = canvas.index(planes.shape, sizes, 2 * RADIUS)
    background = jnp.maximum(planes[3], DARKEST)
    sensitivity = contrast_sensitivity.sensitivity(background[0], band, frequencies)
    finest, others = (SENSITIVITY * gain for gain in BAND_GAINS)
    gains = jnp.where(band == 0, finest, others)
    weights = staged(sensitivity * gains.astype(sensitivity.dtype) * _per_channel(GAINS, planes))
    visible = staged(_contrast(planes[:3], background) * weights[:, None])
    unblurred = sum(min(size) > RADIUS for size in sizes)
    return _masked(visible, band >= unblurred), _base_differences(base), sizes


def _opponent(images: Float[Array, "2 h w 3"], display: Display) -> Float[Array, "3 2 h w"]:
    """Achromatic, red-green and yellow-violet responses to what the display shows."""
    light = (display.peak - display.black) * colour.linear_srgb(images)
    light = light + display.black + display.reflected
    rows = np.array(OPPONENT) @ np.array(CONES) @ np.array(colour.XYZ)
    return jnp.stack([colour.mix(light, row) for row in rows.tolist()])


def _frequencies(height: int, width: int, pixels_per_degree: float) -> tuple[float, ...]:
    """The centre frequency of each band above the low-pass residual, in cycles per degree."""
    finest = pixels_per_degree / 2
    centres = [finest, *(SECOND * finest / 2**k for k in range(14))]
    wanted = 1 + sum(centre > LOWEST for centre in centres)
    possible = int(math.log2(min(height, width))) - 1
    return tuple(centres[: min(wanted, possible, len(centres) - 1)])


def _images(planes: Float[Array, "c 2 h w"]) -> Float[Array, "c 2 h w"]:
    """Both images from the first one and their difference."""
    return jnp.stack([planes[:, 0], planes[:, 0] + planes[:, 1]], 1)


def _contrast(
    layer: Float[Array, "3 2 h w"], background: Float[Array, "2 ..."]
) -> Float[Array, "3 2 h w"]:
    return jnp.minimum(layer / background, LARGEST_CONTRAST)


def _base_differences(base: Float[Array, "3 2 h w"]) -> Float[Array, "3 h w"]:
    planes = _images(base)
    background = jnp.maximum(planes[0], DARKEST).mean((-2, -1), keepdims=True)
    contrast = _contrast(planes, background)
    sensitivity = contrast_sensitivity.sensitivity(background[0], 0, (BASE_FREQUENCY,))
    return jnp.abs(contrast[:, 0] - contrast[:, 1]) * (SENSITIVITY * sensitivity)


def _masked(
    visible: Float[Array, "3 2 h w"], unblurred: Bool[Array, "h w"]
) -> Float[Array, "3 _h _w"]:
    """Differences of visible contrast, masked by what both images share; without the margins."""
    least = jnp.minimum(*jnp.moveaxis(jnp.abs(visible), 1, 0))
    taps = filters.gaussian_taps(2 * RADIUS + 1, PHASE_SIGMA)
    rows = staged(filters.correlate_axis(staged(least), taps, -2))
    blurred = staged(filters.correlate_axis(rows, taps, -1))
    inner = (..., slice(RADIUS, -RADIUS), slice(RADIUS, -RADIUS))
    shared = MASKING * jnp.where(unblurred[inner], least[inner], blurred)
    powers = staged(_power(shared, _per_channel(MASK_EXPONENTS, shared)))
    masks = reductions.add(
        _per_channel([2**weight for weight in row], powers) * power
        for row, power in zip(CROSS_MASKING, powers, strict=True)
    )
    x, y = visible[:, 0][inner], visible[:, 1][inner]
    difference = _power(jnp.abs(x - y), EXPONENT) / (1 + masks)
    return staged(LARGEST_DIFFERENCE * difference / (LARGEST_DIFFERENCE + difference))


def _per_channel(values: Sequence[float], like: Array) -> Float[Array, "3 1 1"]:
    return jnp.asarray(values, like.dtype)[:, None, None]


def _power(
    values: Float[Array, "*shape"], exponent: float | Float[Array, "3 1 1"]
) -> Float[Array, "*shape"]:
    """(x + EPSILON)^p - EPSILON^p for x >= 0 and p > 1; exactly zero at zero, also compiled."""
    return jnp.where(values > 0, (values + EPSILON) ** exponent - EPSILON**exponent, 0)


def _root(values: Float[Array, "*shape"], degree: int) -> Float[Array, "*shape"]:
    """`_power` for p = 1 / `degree`, without cancellation."""
    exponent = 1 / degree
    return EPSILON**exponent * jnp.expm1(exponent * jnp.log1p(values / EPSILON))


def _squared(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`_power` for p = 2, without cancellation."""
    return values * (values + 2 * EPSILON)


def _norm_4(values: Float[Array, "*shape"], axis: int) -> Float[Array, "*_shape"]:
    return _root(_power(values, 4).sum(axis), 4)


def _jod(difference: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """JOD of a difference; linear for small differences."""
    small = difference <= JOD_LINEAR
    power = jnp.where(small, JOD_LINEAR, difference) ** JOD_EXPONENT
    linear = JOD_LINEAR ** (JOD_EXPONENT - 1) * difference
    return BEST - JOD_SCALE * jnp.where(small, linear, power)


METRICS = {
    "cvvdp": FunctionMetric(
        "cvvdp",
        cvvdp,
        True,
        (-float("inf"), BEST),
        cvvdp_map,
        min_size=MIN_SIZE,
        masked=_weighted,
    )
}
