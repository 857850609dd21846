"""Butteraugli as in libjxl: its maximum and its 3-norm.

J. Alakuijala et al., "Butteraugli", Google, 2016 to 2026; definition and constants of libjxl's
`butteraugli.cc` and `metrics.cc` (BSD-3-Clause), which differ from those of the original program.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import (
    canvas,
    colour,
    extents,
    filters,
    finite,
    line_filters,
    opsin,
    reductions,
)
from gsn_jax.metrics.opsin import Area, Bands
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.staging import staged

MIN_SIZE = 8
MIN_HALVED = 15  # the smallest side of an image that is also compared at half resolution
INTENSITY_TARGET = 80.0  # nits of white
HALVED_WEIGHT, FULL_WEIGHT = 0.5, 0.85
NORMS = (3, 6, 12)


class Contrast(NamedTuple):
    """How changes of one band are weighted before they are summed along lines."""

    weight: float
    saturation: float


# Contrasts of X and Y, in the finest, fine and medium band.
FINEST = Contrast(173.5, 5.0), Contrast(1.10039032555, 71.7800275169)
FINE = Contrast(6923.99476109, 8051.15833247), Contrast(18.7237414387, 4498534.45232)
MEDIUM = Contrast(8246.75321353, 1009002.70582), Contrast(37.0819870399, 130262059.556)
LONG_LINES, SHORT_LINES = 0.39905817637, 0.611612573796
# Weights of squared changes: X, Y of the fine band; X, Y, B of the medium and coarse bands.
FINE_SQUARES = 400.0, 1.50815703118
MEDIUM_SQUARES = 2150.0, 10.6195433239, 16.2176043152
COARSE_SQUARES = 29.2353797994, 0.844626970982, 0.703646627719
ACTIVITY_SQUARES = 10.0
# Masking by the activity of X and Y in the two finest bands.
ACTIVITY_X, ACTIVITY_Y = 2.5, 0.4
ACTIVITY_GAIN, ACTIVITY_BIAS = 6.19424080439, 12.61050594197
ACTIVITY_SIGMA = 2.7
EROSION_STEP, EROSION = 3, (0.45, 0.3, 0.25)
FAR = 1e9  # stands in for neighbours outside the image
# libjxl's threshold of 17.83 is for white at 255; log(80) / log(255) adapts it to 80 nits.
SCALE = 1 / (17.83 * 0.79079917404)


class Masking(NamedTuple):
    """Squared sensitivity (SCALE (1 + gain / (slope activity + offset)))^2."""

    gain: float
    slope: float
    offset: float


FINE_MASKING = Masking(2.5485944793, 0.451936922203, 0.829591754942)
COARSE_MASKING = Masking(0.505054525019, 3.87449418804, 0.20025578522)


@pairwise("butteraugli", MIN_SIZE)
def butteraugli(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    intensity_target: float = INTENSITY_TARGET,
) -> Float[Array, "*batch"]:
    """The largest value of `butteraugli_map`.

    Args:
        reference: sRGB in [0, 1], at least 8 x 8.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        intensity_target: luminance of white, in nits.

    Returns:
        A distance; 0 for equal images, about 1 where a difference is just noticeable. Not
        symmetric.
    """
    return _maximum(_distances(reference, distorted, intensity_target, extent), extent)


@pairwise("butteraugli_3norm", MIN_SIZE)
def butteraugli_3norm(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    intensity_target: float = INTENSITY_TARGET,
) -> Float[Array, "*batch"]:
    """The mean of the 3-, 6- and 12-norm of `butteraugli_map`, which libjxl calls its 3-norm.

    Arguments and result are as for `butteraugli`, whose value is at least as large.
    """
    distances = _distances(reference, distorted, intensity_target, extent)
    return _norm(distances, extents.filled(jnp.ones_like(distances), extent), extent)


@pairwise("butteraugli", MIN_SIZE)
def butteraugli_map(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    intensity_target: float = INTENSITY_TARGET,
) -> Float[Array, "*batch h w"]:
    """The distance per pixel, 0 where nothing differs; arguments as for `butteraugli`."""
    return _distances(reference, distorted, intensity_target)


def _maximum(distances: Float[Array, "h w"], extent: Extent | None = None) -> Float[Array, ""]:
    return extents.filled(distances, extent).max((-2, -1))


def _norm(
    distances: Float[Array, "h w"], weights: Float[Array, "h w"], extent: Extent | None = None
) -> Float[Array, ""]:
    """The mean of the weighted norms."""
    # Relative to the largest distance, whose twelfth power may overflow or underflow.
    largest = jax.lax.stop_gradient(_maximum(jnp.where(weights > 0, distances, 0), extent))
    unit = jnp.where(largest > 0, largest, 1)
    cubes = (distances / unit) ** 3
    sixths = cubes * cubes
    means = [reductions.weighted_mean(p, weights, extent) for p in (cubes, sixths, sixths**2)]
    roots = [finite.power(mean, 1 / p) for mean, p in zip(means, NORMS, strict=True)]
    return unit * reductions.add(roots) / len(NORMS)


def _distances(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    intensity_target: float,
    extent: Extent | None = None,
) -> Float[Array, "h w"]:
    images = jnp.moveaxis(jnp.stack([reference, distorted]), -1, 0)
    levels, inside = [staged(intensity_target * colour.linear_srgb(images))], [extent]
    if min(images.shape[-2:]) >= MIN_HALVED:
        levels.append(filters.halved(levels[0], extent))
        inside.append(extents.decimated(extent))
    sizes = [(level.shape[-2], level.shape[-1]) for level in levels]
    first, *halved = _distances_of_levels(levels, sizes, inside)
    if not halved:
        return first
    doubled = jnp.broadcast_to(halved[0][:, None, :, None], (sizes[1][0], 2, sizes[1][1], 2))
    doubled = doubled.reshape(2 * sizes[1][0], -1)[: sizes[0][0], : sizes[0][1]]
    both = FULL_WEIGHT * first + HALVED_WEIGHT * doubled
    return both if extent is None else jnp.where(jnp.minimum(*extent) < MIN_HALVED, first, both)


def _distances_of_levels(
    levels: list[Float[Array, "3 2 _h _w"]],
    sizes: list[tuple[int, int]],
    inside: list[Extent | None],
) -> list[Float[Array, "_h _w"]]:
    """The distances at each level, from linear RGB of both images in nits."""
    margin = opsin.MARGIN
    padded = [
        filters.pad(level, margin, margin, "symmetric", extent)
        for level, extent in zip(levels, inside, strict=True)
    ]
    responses = opsin.responses(staged(canvas.place(padded, opsin.REACH - 2 * margin)))
    starts = [0, sizes[0][1] + opsin.REACH]
    areas = [
        Area(left, *(extent or size))
        for left, size, extent in zip(starts, sizes, inside, strict=False)
    ]
    mask = opsin.mask(responses, areas)
    bands = opsin.bands(staged(jnp.where(mask, responses, 0)), areas)
    activity = _activity(bands, areas)
    fine = _fine_changes(bands) + ACTIVITY_SQUARES * _square(activity[0] - activity[1])
    coarse = _squares(bands.coarse, COARSE_SQUARES)
    masking = _eroded(activity[0], mask)
    coarse = coarse * _sensitivity(COARSE_MASKING, masking)
    fine = fine * _sensitivity(FINE_MASKING, masking)
    distances = staged(finite.sqrt(coarse + fine))
    return [
        distances[:height, left : left + width]
        for left, (height, width) in zip(starts, sizes, strict=False)
    ]


def _fine_changes(bands: Bands) -> Float[Array, "h w"]:
    """Weighted squared changes of all but the coarse band."""
    short = jnp.concatenate([bands.fine, bands.medium[:2]])
    result = line_filters.energy(
        _contrasts(bands.finest, FINEST, LONG_LINES), line_filters.LONG
    ) + line_filters.energy(_contrasts(short, FINE + MEDIUM, SHORT_LINES), line_filters.SHORT)
    result += _squares(bands.medium, MEDIUM_SQUARES)
    return result + reductions.add(
        0.8 * weight * (_square(x - y) + _square(_excess(x, y, 0.4, 1)))
        for weight, (x, y) in zip(FINE_SQUARES, bands.fine, strict=True)
    )


def _contrasts(
    band: Float[Array, "n 2 h w"], contrasts: tuple[Contrast, ...], gain: float
) -> Float[Array, "n h w"]:
    """Weighted changes, which saturate where the band is strong."""
    x, y = band[:, 0], band[:, 1]
    primary, secondary, saturation = jnp.asarray(
        [
            (
                gain / 8.5 * math.sqrt(0.5 * c.weight),
                gain / 8.5 * math.sqrt(0.33 * c.weight),
                c.saturation,
            )
            for c in contrasts
        ],
        band.dtype,
    ).T[..., None, None]
    strength = (jnp.abs(x) + jnp.abs(y)) / 2
    change = primary * (x - y) + secondary * _excess(x, y, 0.55, 1.05)
    return change * (saturation / (saturation + strength))


def _excess(
    x: Float[Array, "*shape"], y: Float[Array, "*shape"], low: float, high: float
) -> Float[Array, "*shape"]:
    """Distance of y from the interval between `low` x and `high` x; negative if y is above it."""
    ends = low * x, high * x
    return jnp.clip(y, jnp.minimum(*ends), jnp.maximum(*ends)) - y


def _squares(band: Float[Array, "c 2 h w"], weights: tuple[float, ...]) -> Float[Array, "h w"]:
    return reductions.add(w * _square(x - y) for w, (x, y) in zip(weights, band, strict=True))


def _square(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return values * values


def _activity(bands: Bands, areas: Sequence[Area]) -> Float[Array, "2 h w"]:
    """The blurred activity of both images."""
    x, y = bands.finest + bands.fine
    strength = finite.sqrt(_square(ACTIVITY_X * x) + _square(ACTIVITY_Y * y))
    bias = ACTIVITY_GAIN * ACTIVITY_BIAS
    activity = jnp.sqrt(ACTIVITY_GAIN * strength + bias) - math.sqrt(bias)
    return opsin.blur(activity, ACTIVITY_SIGMA, areas)


def _eroded(activity: Float[Array, "h w"], inside: Bool[Array, "h w"]) -> Float[Array, "h w"]:
    """Weighted mean of the three smallest of a pixel's value v, 2 v, 2 v, and its neighbours.

    Texture thus does not mask errors near smooth areas.
    """
    height, width = activity.shape
    around = jnp.where(inside, activity, FAR)
    around = staged(jnp.pad(around, EROSION_STEP, constant_values=FAR))
    first, second, third = activity, 2 * activity, 2 * activity
    steps = (0, EROSION_STEP, 2 * EROSION_STEP)
    for row, column in ((row, column) for row in steps for column in steps):
        if row == column == EROSION_STEP:
            continue
        value = around[row : row + height, column : column + width]
        third = jnp.minimum(third, jnp.maximum(second, value))
        second = jnp.minimum(second, jnp.maximum(first, value))
        first = jnp.minimum(first, value)
    return reductions.add(w * v for w, v in zip(EROSION, (first, second, third), strict=True))


def _sensitivity(masking: Masking, activity: Float[Array, "h w"]) -> Float[Array, "h w"]:
    gain, slope, offset = masking
    return _square(SCALE * (1 + gain / (slope * activity + offset)))


def _masked_maximum(
    reference: Float[Array, "h w 3"], distorted: Float[Array, "h w 3"], weights: Float[Array, "h w"]
) -> Float[Array, ""]:
    """The largest distance where the weights are above zero."""
    return _maximum(jnp.where(weights > 0, butteraugli_map(reference, distorted), 0))


def _masked_norm(
    reference: Float[Array, "h w 3"], distorted: Float[Array, "h w 3"], weights: Float[Array, "h w"]
) -> Float[Array, ""]:
    return _norm(butteraugli_map(reference, distorted), weights)


METRICS = {
    name: FunctionMetric(
        name,
        function,
        False,
        (0.0, float("inf")),
        butteraugli_map,
        min_size=MIN_SIZE,
        padded=True,
        masked=masked,
    )
    for name, function, masked in (
        ("butteraugli", butteraugli, _masked_maximum),
        ("butteraugli_3norm", butteraugli_3norm, _masked_norm),
    )
}
