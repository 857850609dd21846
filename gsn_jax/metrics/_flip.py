"""LDR-FLIP, the visible difference when two images alternate.

P. Andersson, J. Nilsson, T. Akenine-Möller, M. Oskarsson, K. Åström, M. D. Fairchild, "FLIP: a
difference evaluator for alternating images", HPG 2020; constants of the authors' `FLIP.h` 1.7.
"""

from __future__ import annotations

import functools
import math

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import cielab, colour, filters, finite, masking, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.staging import staged

PIXELS_PER_DEGREE = 67.0  # a display 0.7 m and 3840 pixels wide, seen from 0.7 m
Q_C, P_C, P_T, Q_F = 0.7, 0.4, 0.95, 0.5
FEATURE_WIDTH = 0.082  # degrees from peak to trough of the edge detector
# Contrast sensitivity as sums of Gaussians: gain and width; achromatic, red-green, blue-yellow.
SENSITIVITY = (((1.0, 0.0047),), ((1.0, 0.0053),), ((34.1, 0.04), (13.5, 0.025)))
NEGLIGIBLE = 1e-10  # taps below this share of their sum are dropped
XYZ = tuple(
    tuple(number / 73733382 for number in row)
    for row in (
        (30406656, 26366430, 13305225),
        (15678432, 52732860, 5322090),
        (1425312, 8788810, 70074185),
    )
)
RGB = (
    (3.241003275, -1.537398934, -0.498615861),
    (-0.969224334, 1.875930071, 0.041554224),
    (0.055639423, -0.204011202, 1.057148933),
)
WHITE = (0.950428545, 1.0, 1.088900371)


@pairwise("flip", 1)
def flip(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    pixels_per_degree: float = PIXELS_PER_DEGREE,
) -> Float[Array, "*batch"]:
    """Mean of `flip_map`.

    Args:
        reference: sRGB in [0, 1].
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        pixels_per_degree: pixels per degree of visual angle.

    Returns:
        A distance in [0, 1]; 0 for equal images. Symmetric.
    """
    return reductions.mean(_errors(reference, distorted, pixels_per_degree, extent), extent)


@pairwise("flip", 1)
def flip_map(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    pixels_per_degree: float = PIXELS_PER_DEGREE,
) -> Float[Array, "*batch h w"]:
    """The error per pixel in [0, 1], 0 where nothing differs; arguments as for `flip`."""
    return _errors(reference, distorted, pixels_per_degree)


def _errors(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    pixels_per_degree: float,
    extent: Extent | None = None,
) -> Float[Array, "h w"]:
    linear = colour.linear_srgb(jnp.stack([reference, distorted]))
    opponent = _opponent(jnp.stack([linear[0], linear[1] - linear[0]]))
    filtered, features = _filtered(opponent, pixels_per_degree, extent)
    # Filters are linear: the change is filtered instead of the distorted image, so that equal
    # images differ by exactly zero. The filters do not change the offset of the opponent space.
    seen = [_hunt_lab(planes) for planes in (filtered[:, 0], filtered[:, 0] + filtered[:, 1])]
    error = _redistributed(finite.power(_hyab(*seen), Q_C))
    edges, points = (_length_change(features[i], features[i + 1]) for i in (0, 2))
    feature = finite.power(jnp.maximum(edges, points) / math.sqrt(2), Q_F)
    seen_error = error > 0
    return jnp.where(seen_error, jnp.where(seen_error, error, 1) ** (1 - feature), 0)


def _opponent(linear: Float[Array, "2 h w 3"]) -> Float[Array, "3 2 h w"]:
    """YCxCz of linear RGB, without the offset of Y, so that changes can be converted as well."""
    x, y, z = (colour.mix(linear, row) / white for row, white in zip(XYZ, WHITE, strict=True))
    return jnp.stack([116 * y, 500 * (x - y), 200 * (y - z)])


def _filtered(
    opponent: Float[Array, "3 2 h w"], pixels_per_degree: float, extent: Extent | None
) -> tuple[Float[Array, "3 2 h w"], Float[Array, "4 2 h w"]]:
    """Planes as the eye resolves them, and responses to edges and points along x and y."""
    rows, columns = (np.array(taps) for taps in _taps(pixels_per_degree))
    radius = rows.shape[1] // 2
    luminance, red_green, blue_yellow = opponent
    planes = [luminance, red_green, blue_yellow, blue_yellow] + 4 * [luminance / 116]
    padded = filters.pad(jnp.stack(planes), radius, radius, "edge", extent)
    result = staged(_correlate(staged(_correlate(padded, rows, -2)), columns, -1))
    return jnp.stack([result[0], result[1], result[2] + result[3]]), result[4:]


def _correlate(
    planes: Float[Array, "n 2 h w"], taps: np.ndarray, axis: int
) -> Float[Array, "n 2 _h _w"]:
    """`filters.correlate_axis` with different taps for each plane, `(n, size)`."""
    size = planes.shape[axis] - taps.shape[1] + 1
    return reductions.add(
        lax.slice_in_dim(planes, i, i + size, axis=planes.ndim + axis)
        * jnp.asarray(weights, planes.dtype)
        for i, weights in enumerate(taps.T[..., None, None, None])
    )


@functools.lru_cache(maxsize=8)
def _taps(pixels_per_degree: float) -> tuple[tuple, tuple]:
    """The taps of the eight separable filters along y and along x, all of the same odd size."""
    widest = max(width for channel in SENSITIVITY for _, width in channel)
    radius = math.ceil(3 * math.sqrt(widest / (2 * math.pi**2)) * pixels_per_degree)
    deviation = FEATURE_WIDTH / 2 * pixels_per_degree
    feature_radius = math.ceil(3 * deviation)
    reach = max(radius, feature_radius)
    x = np.arange(-reach, reach + 1)
    gaussians, shares = [], []
    for channel in SENSITIVITY:
        curves = [np.exp(-((math.pi * x / pixels_per_degree) ** 2) / b) for _, b in channel]
        curves = [np.where(abs(x) <= radius, curve, 0) for curve in curves]
        masses = [
            a * math.sqrt(math.pi / b) * c.sum() ** 2
            for (a, b), c in zip(channel, curves, strict=True)
        ]
        gaussians += [curve / curve.sum() for curve in curves]
        shares += [mass / sum(masses) for mass in masses]
    gaussians = [np.where(taps > NEGLIGIBLE, taps, 0) for taps in gaussians]
    smoothing = np.where(abs(x) <= feature_radius, np.exp(-(x**2) / (2 * deviation**2)), 0)
    edge, point = _balanced(-x * smoothing), _balanced((x**2 / deviation**2 - 1) * smoothing)
    smoothing = smoothing / smoothing.sum()
    rows = [taps * share for taps, share in zip(gaussians, shares, strict=True)]
    rows += [smoothing, edge, smoothing, point]
    columns = [*gaussians, edge, smoothing, point, smoothing]
    return tuple(map(tuple, rows)), tuple(map(tuple, columns))


def _balanced(taps: np.ndarray) -> np.ndarray:
    """Scales the positive taps to sum to 1, and the negative ones to -1."""
    return np.where(taps > 0, taps / taps[taps > 0].sum(), taps / -taps[taps < 0].sum())


def _hunt_lab(opponent: Float[Array, "3 h w"]) -> Float[Array, "3 h w"]:
    """L*, a*, b* of the nearest displayable colours; chroma grows with lightness, after Hunt."""
    # The offset of Y, 16, would only be added here and subtracted again.
    y = opponent[0] / 116
    x, z = y + opponent[1] / 500, y - opponent[2] / 200
    planes = [plane * white for plane, white in zip((x, y, z), WHITE, strict=True)]
    linear = jnp.stack(
        [reductions.add(w * p for w, p in zip(row, planes, strict=True)) for row in RGB], -1
    )
    return _hunt_lab_of_linear(jnp.clip(linear, 0, 1))


def _hunt_lab_of_linear(linear: Float[Array, "*batch 3"]) -> Float[Array, "3 ..."]:
    ratios = (colour.mix(linear, row) / white for row, white in zip(XYZ, WHITE, strict=True))
    lightness, a, b = cielab.from_ratios(*ratios)
    return jnp.stack([lightness, 0.01 * lightness * a, 0.01 * lightness * b])


def _hyab(first: Float[Array, "3 ..."], second: Float[Array, "3 ..."]) -> Float[Array, "*shape"]:
    """City-block distance between lightness and chroma, Euclidean within chroma."""
    lightness, a, b = second - first
    return jnp.abs(lightness) + finite.sqrt(a * a + b * b)


def _redistributed(error: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Maps [0, P_C m] to [0, P_T], and the rest up to the maximum m to [P_T, 1]."""
    green, blue = (
        _hunt_lab_of_linear(jnp.array(c, error.dtype)) for c in ((0.0, 1, 0), (0.0, 0, 1))
    )
    most = _hyab(green, blue) ** Q_C
    knee = P_C * most
    above = P_T + (error - knee) / (most - knee) * (1 - P_T)
    return jnp.where(error < knee, P_T / knee * error, above)


def _length_change(
    first: Float[Array, "2 h w"], second: Float[Array, "2 h w"]
) -> Float[Array, "h w"]:
    """Absolute change in length of (first[0], second[0]) when adding (first[1], second[1])."""
    (x, dx), (y, dy) = first, second
    before = finite.sqrt(x * x + y * y)
    after = finite.sqrt((x + dx) ** 2 + (y + dy) ** 2)
    squares = dx * (2 * x + dx) + dy * (2 * y + dy)
    return jnp.abs(finite.divide(squares, before + after, 0.0))


METRICS = {
    "flip": FunctionMetric(
        "flip",
        flip,
        False,
        (0.0, 1.0),
        flip_map,
        padded=True,
        masked=masking.mean_of(flip_map),
    )
}
