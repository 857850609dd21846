"""Butteraugli's model of early vision: opponent colours after adaptation, in four bands.

Definition and constants of libjxl's `butteraugli.cc`. Values are planes of the opponent colours X
(red - green), Y (yellow) and B (blue) of two images, `(3, 2, h, w)`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gsn_jax.metrics import filters, reductions
from gsn_jax.metrics.staging import staged

# Absorption of light by the three kinds of cones, and their response to darkness.
ABSORBANCE = (
    (0.29956550340058319, 0.63373087833825936, 0.077705617820981968),
    (0.22158691104574774, 0.69391388044116142, 0.0987313588422),
    (0.02, 0.02, 0.20480129041026129),
)
DARK = (1.7557483643287353, 1.7557483643287353, 12.226454707163354)
# The compressed response is GAIN log(v + BIAS) + OFFSET.
GAIN, BIAS, OFFSET = 19.245013259874995, 9.9710635769299145, -23.16046239805755
# Widths of the blurs: of the surround that a cone adapts to, and between the bands.
SURROUND, COARSE, MEDIUM, FINE = 1.2, 7.15593339443, 3.22489901262, 1.56416327805
MARGIN = 2
REACH = 16  # of the widest blur
COARSE_GAINS = (33.832837186260, 14.458268100570, 49.87984651440)
YELLOW_IN_BLUE = -0.362267051518
# Small values that a band drops, or counts twice.
MEDIUM_DROPPED, MEDIUM_DOUBLED = 0.29, 0.1
FINE_DROPPED, FINE_DOUBLED, FINEST_DROPPED = 1.5, 0.132, 0.04
# Large values of Y grow with this slope only.
FINE_KNEE, FINEST_KNEE, SLOPE = 28.4691806922, 5.19175294647, 0.724216145665
FINE_GAIN, FINEST_GAIN = 2.155, 2.69313763794
# Fine X counts less where fine Y is strong.
SUPPRESSION, UNSUPPRESSED = 46.0, 0.653020556257


class Area(NamedTuple):
    """Where an image lies on a plane: at the top, from a column on."""

    left: int
    height: int | Array
    width: int | Array


class Bands(NamedTuple):
    """The bands of both images: X and Y of the finer ones, X, Y and B of the coarser ones."""

    finest: Float[Array, "2 2 h w"]
    fine: Float[Array, "2 2 h w"]
    medium: Float[Array, "3 2 h w"]
    coarse: Float[Array, "3 2 h w"]


def responses(padded: Float[Array, "3 2 _h _w"]) -> Float[Array, "3 2 h w"]:
    """X, Y and B of linear RGB in nits; each cone adapts to its surround of 5 x 5 pixels.

    Args:
        padded: with `MARGIN` more pixels on each side, the mirrored image.
    """
    taps = _taps(SURROUND)
    light = padded[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    surround = staged(filters.correlate_separable(padded, taps, taps))
    long, middle, short = (
        jnp.maximum(cone * _compression(jnp.maximum(around, dark)), dark)
        for cone, around, dark in zip(_absorbed(light), _absorbed(surround), DARK, strict=True)
    )
    return jnp.stack([long - middle, long + middle, short])


def _absorbed(light: Float[Array, "3 2 h w"]) -> list[Float[Array, "2 h w"]]:
    return [
        reductions.add(weight * plane for weight, plane in zip(row, light, strict=True)) + dark
        for row, dark in zip(ABSORBANCE, DARK, strict=True)
    ]


def _compression(cone: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The compressed response relative to the response; positive from the dark one on."""
    return (GAIN * jnp.log(cone + BIAS) + OFFSET) / cone


def bands(colours: Float[Array, "3 2 h w"], areas: Sequence[Area]) -> Bands:
    """Splits opponent colours, zero outside of the areas, into bands."""
    coarse = blur(colours, COARSE, areas)
    rest = colours - coarse
    medium = blur(rest, MEDIUM, areas)
    x, y = rest[:2] - medium[:2]
    x = x * (UNSUPPRESSED + (1 - UNSUPPRESSED) * SUPPRESSION / (y * y + SUPPRESSION))
    fine_x, fine_y = blur(jnp.stack([x, y]), FINE, areas)
    fine_y = _bent(fine_y, FINE_KNEE)
    finest = [
        _dropped(x - fine_x, FINEST_DROPPED),
        FINEST_GAIN * _bent(y - fine_y, FINEST_KNEE),
    ]
    fine = [_dropped(fine_x, FINE_DROPPED), _doubled(FINE_GAIN * fine_y, FINE_DOUBLED)]
    medium_x, medium_y, medium_b = medium
    x, y, b = coarse
    return Bands(
        jnp.stack(finest),
        jnp.stack(fine),
        jnp.stack(
            [_dropped(medium_x, MEDIUM_DROPPED), _doubled(medium_y, MEDIUM_DOUBLED), medium_b]
        ),
        jnp.stack(
            [gain * p for gain, p in zip(COARSE_GAINS, (x, y, b + YELLOW_IN_BLUE * y), strict=True)]
        ),
    )


def _dropped(values: Float[Array, "*shape"], width: float) -> Float[Array, "*shape"]:
    return values - jnp.clip(values, -width, width)


def _doubled(values: Float[Array, "*shape"], width: float) -> Float[Array, "*shape"]:
    return values + jnp.clip(values, -width, width)


def _bent(values: Float[Array, "*shape"], knee: float) -> Float[Array, "*shape"]:
    return SLOPE * values + (1 - SLOPE) * jnp.clip(values, -knee, knee)


def blur(
    planes: Float[Array, "*batch h w"], sigma: float, areas: Sequence[Area]
) -> Float[Array, "*batch h w"]:
    """A Gaussian cut off at 2.25 sigma; borders get the mean of what lies inside.

    Args:
        planes: zero outside of the areas, which are at least `REACH` samples apart.
        sigma: standard deviation.
        areas: where the images are. The result is zero elsewhere.
    """
    taps = _taps(sigma)
    radius = len(taps) // 2
    padded = filters.pad(planes, radius, radius, "constant")
    vertical = staged(filters.correlate_axis(padded, taps, -2))
    total = filters.correlate_axis(vertical, taps, -1)
    height, width = planes.shape[-2:]
    factors = (
        _inverse_weights(taps, jnp.arange(height, dtype=jnp.int32), area.height)[:, None]
        * _inverse_weights(taps, jnp.arange(width, dtype=jnp.int32) - area.left, area.width)
        for area in areas
    )
    return staged(total * reductions.add(factors).astype(planes.dtype))


def mask(planes: Float[Array, "*batch h w"], areas: Sequence[Area]) -> Bool[Array, "h w"]:
    """Where the planes belong to an area."""
    rows, columns = (jnp.arange(size, dtype=jnp.int32) for size in planes.shape[-2:])
    inside = (
        (rows < area.height)[:, None] & (columns >= area.left) & (columns < area.left + area.width)
        for area in areas
    )
    return functools.reduce(jnp.logical_or, inside)


def _inverse_weights(
    taps: tuple[float, ...], positions: Int[Array, " n"], size: int | Array
) -> Float[Array, " n"]:
    """One over the sum of the taps that lie in [0, size); 0 at positions outside."""
    radius = len(taps) // 2
    sums = jnp.asarray(np.cumsum(taps[radius:]))  # of the taps up to a distance
    before, after = (jnp.clip(d, 0, radius) for d in (positions, size - 1 - positions))
    inside = (positions >= 0) & (positions < size)
    return jnp.where(inside, 1 / (sums[before] + sums[after] - taps[radius]), 0)


@functools.cache
def _taps(sigma: float) -> tuple[float, ...]:
    radius = max(1, int(2.25 * sigma))
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    return tuple((taps / taps.sum()).tolist())
