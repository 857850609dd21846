"""Butteraugli's model of early vision: opponent colours after adaptation, in four bands.

Definition and constants of libjxl's `butteraugli.cc`. Values are planes of the opponent colours X
(red - green), Y (yellow) and B (blue) of two images, `(3, 2, h, w)`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from gsn_jax.metrics import filters, reductions
from gsn_jax.metrics.staging import staged

# Absorption of linear RGB by the three kinds of cones, and their response to darkness.
ABSORBANCE = (
    (0.29956550340058319, 0.63373087833825936, 0.077705617820981968),
    (0.22158691104574774, 0.69391388044116142, 0.0987313588422),
    (0.02, 0.02, 0.20480129041026129),
)
DARK = (1.7557483643287353, 1.7557483643287353, 12.226454707163354)
# The compressed response is GAIN log(v + BIAS) + OFFSET.
GAIN, BIAS, OFFSET = 19.245013259874995, 9.9710635769299145, -23.16046239805755
# Sigmas of the blurs: of the surround that a cone adapts to, and between the bands.
SURROUND, COARSE, MEDIUM, FINE = 1.2, 7.15593339443, 3.22489901262, 1.56416327805
MARGIN = 2
REACH = 16  # radius of the widest blur
OPPONENT = ((1.0, -1.0, 0.0), (1.0, 1.0, 0.0), (0.0, 0.0, 1.0))
COARSE_MIX = (
    (33.832837186260, 0.0, 0.0),
    (0.0, 14.458268100570, 0.0),
    (0.0, 49.87984651440 * -0.362267051518, 49.87984651440),
)
FINE_GAINS = (1.0, 2.155)
FINEST_GAIN = 2.69313763794
# X of the finer bands counts less where Y is strong.
SUPPRESSION, UNSUPPRESSED = 46.0, 0.653020556257


class Curve(NamedTuple):
    """An odd function with slope `inner` up to `knee` and slope `outer` beyond."""

    outer: float
    inner: float
    knee: float


# Small values are dropped or doubled; large ones grow more slowly.
KEPT = Curve(1.0, 1.0, 0.0)
MEDIUM_DROPPED, MEDIUM_DOUBLED = Curve(1.0, 0.0, 0.29), Curve(1.0, 2.0, 0.1)
FINE_DROPPED, FINE_DOUBLED = Curve(1.0, 0.0, 1.5), Curve(1.0, 2.0, 0.132)
SLOPE = 0.724216145665
FINE_BENT = Curve(SLOPE, 1.0, 28.4691806922)
FINEST_DROPPED = Curve(1.0, 0.0, 0.04)
FINEST_BENT = Curve(FINEST_GAIN * SLOPE, FINEST_GAIN, 5.19175294647)


class Area(NamedTuple):
    """Where an image lies on a plane: at the top, starting at column `left`."""

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
        padded: linear RGB, mirrored by `MARGIN` pixels on each side.
    """
    taps = _taps(SURROUND)
    light = padded[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    surround = staged(filters.correlate_separable(padded, taps, taps))
    dark = _per_channel(DARK, light)
    adapted = _absorbed(light) * _compression(jnp.maximum(_absorbed(surround), dark))
    return _mixed(staged(jnp.maximum(adapted, dark)), OPPONENT)


def _absorbed(light: Float[Array, "3 2 h w"]) -> Float[Array, "3 2 h w"]:
    return _mixed(light, ABSORBANCE) + _per_channel(DARK, light)


def _mixed(
    planes: Float[Array, "c 2 h w"], rows: Sequence[Sequence[float]]
) -> Float[Array, "r 2 h w"]:
    """The product with a matrix, for all channels at once: stacking single planes is slower."""
    columns = zip(*rows, strict=True)
    return reductions.add(_per_channel(c, planes) * p for c, p in zip(columns, planes, strict=True))


def _per_channel(values: Sequence[float], like: Float[Array, "*shape"]) -> Float[Array, "c 1 1 1"]:
    return jnp.asarray(values, like.dtype)[:, None, None, None]


def _compression(cone: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The compressed response relative to the response; positive for responses >= DARK."""
    return (GAIN * jnp.log(cone + BIAS) + OFFSET) / cone


def bands(colours: Float[Array, "3 2 h w"], areas: Sequence[Area]) -> Bands:
    """Splits opponent colours, which are zero outside the areas, into bands."""
    coarse = blur(colours, COARSE, areas)
    rest = colours - coarse
    medium = blur(rest, MEDIUM, areas)
    finer = rest[:2] - medium[:2]
    suppressed = UNSUPPRESSED + (1 - UNSUPPRESSED) * SUPPRESSION / (finer[1] ** 2 + SUPPRESSION)
    finer = finer * jnp.where(_per_channel((0, 1), finer) == 0, suppressed, 1)
    fine = _curved(blur(finer, FINE, areas), KEPT, FINE_BENT)
    return Bands(
        _curved(finer - fine, FINEST_DROPPED, FINEST_BENT),
        _curved(fine * _per_channel(FINE_GAINS, fine), FINE_DROPPED, FINE_DOUBLED),
        _curved(medium, MEDIUM_DROPPED, MEDIUM_DOUBLED, KEPT),
        _mixed(coarse, COARSE_MIX),
    )


def _curved(planes: Float[Array, "c 2 h w"], *curves: Curve) -> Float[Array, "c 2 h w"]:
    """Applies one curve per channel."""
    outer, inner, knee = (_per_channel(v, planes) for v in zip(*curves, strict=True))
    return outer * planes + (inner - outer) * jnp.clip(planes, -knee, knee)


def blur(
    planes: Float[Array, "*batch h w"], sigma: float, areas: Sequence[Area]
) -> Float[Array, "*batch h w"]:
    """A Gaussian blur truncated at 2.25 sigma and renormalised at the borders.

    Args:
        planes: zero outside the areas, which are at least `REACH` samples apart.
        sigma: standard deviation.
        areas: where the images are. The result is zero elsewhere.
    """
    taps = _taps(sigma)
    radius = len(taps) // 2
    padded = filters.pad(staged(planes), radius, radius, "constant")
    vertical = staged(filters.correlate_axis(padded, taps, -2))
    total = filters.correlate_axis(vertical, taps, -1)
    height, width = planes.shape[-2:]
    factors = (
        jnp.asarray(_inverse_weights(taps, np.arange(height), area.height), planes.dtype)[:, None]
        * jnp.asarray(_inverse_weights(taps, np.arange(width) - area.left, area.width), total.dtype)
        for area in areas
    )
    return staged(total * reductions.add(factors))


def mask(planes: Float[Array, "*batch h w"], areas: Sequence[Area]) -> Bool[Array, "h w"]:
    """True inside the areas."""
    rows, columns = (jnp.arange(size, dtype=jnp.int32) for size in planes.shape[-2:])
    inside = (
        (rows < area.height)[:, None] & (columns >= area.left) & (columns < area.left + area.width)
        for area in areas
    )
    return functools.reduce(jnp.logical_or, inside)


def _inverse_weights(
    taps: tuple[float, ...], positions: np.ndarray, size: int | Array
) -> np.ndarray | Float[Array, " n"]:
    """One over the sum of the taps that lie in [0, size); 0 at positions outside."""
    xp: Any = np if isinstance(size, int) else jnp  # constants if the size is static
    positions = positions.astype(np.int32)
    radius = len(taps) // 2
    sums = xp.asarray(np.cumsum(taps[radius:]))  # of the taps up to each distance
    before, after = (xp.clip(d, 0, radius) for d in (positions, size - 1 - positions))
    inside = (positions >= 0) & (positions < size)
    return xp.where(inside, 1 / (sums[before] + sums[after] - taps[radius]), 0)


@functools.cache
def _taps(sigma: float) -> tuple[float, ...]:
    radius = max(1, int(2.25 * sigma))
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    return tuple((taps / taps.sum()).tolist())
