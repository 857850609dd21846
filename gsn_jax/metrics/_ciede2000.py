"""Mean colour difference CIEDE2000.

G. Sharma, W. Wu, E. N. Dalal, "The CIEDE2000 color-difference formula: implementation notes,
supplementary test data, and mathematical observations", Color Research and Application 30(1), 2005.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import cielab, colour, finite, masking, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.staging import staged

# Linear sRGB to XYZ under D65, and the D65 white point for the 2 degree observer, as in
# scikit-image.
XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
WHITE = (0.95047, 1.0, 1.08883)


@pairwise("ciede2000", 1)
def ciede2000(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """Mean CIEDE2000 difference between the pixels' colours under D65.

    Args:
        reference: sRGB in [0, 1].
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.

    Returns:
        A distance from 0 (equal images). Black and white are 100 apart, some colours a little more;
        1 is about a just noticeable difference. Symmetric.
    """
    return reductions.mean(_differences(reference, distorted), extent)


@pairwise("ciede2000", 1)
def ciede2000_map(
    reference: Float[Array, "*batch h w 3"], distorted: Float[Array, "*batch h w 3"]
) -> Float[Array, "*batch h w"]:
    """The difference per pixel; 0 where the colours are equal."""
    return _differences(reference, distorted)


def _differences(
    reference: Float[Array, "h w 3"], distorted: Float[Array, "h w 3"]
) -> Float[Array, "h w"]:
    linear = colour.linear_srgb(jnp.stack([reference, distorted]))
    ratios = (colour.mix(linear, row) / white for row, white in zip(XYZ, WHITE, strict=True))
    lab = staged(cielab.from_ratios(*ratios))
    return difference(lab[:, 0], lab[:, 1])


def difference(
    first: Float[Array, "3 ..."], second: Float[Array, "3 ..."]
) -> Float[Array, "*shape"]:
    """CIEDE2000 between colours L*, a*, b*, with unit parametric factors.

    The gradient is zero where the colours are equal.
    """
    (l1, a1, b1), (l2, a2, b2) = first, second
    stretch = 1.5 - 0.5 * _saturation((_length(a1, b1) + _length(a2, b2)) / 2)
    a1, a2 = stretch * a1, stretch * a2
    c1, c2 = _length(a1, b1), _length(a2, b2)
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    hue_change, hue = _hue_terms((a1, b1, c1), (a2, b2, c2))
    offset = (mean_l - 50) ** 2
    weighting = 1 - 0.17 * jnp.cos(hue - math.radians(30)) + 0.24 * jnp.cos(2 * hue)
    weighting += 0.32 * jnp.cos(3 * hue + math.radians(6))
    weighting -= 0.2 * jnp.cos(4 * hue - math.radians(63))
    lightness = (l2 - l1) / (1 + 0.015 * offset / jnp.sqrt(20 + offset))
    chroma = (c2 - c1) / (1 + 0.045 * mean_c)
    tone = hue_change / (1 + 0.015 * mean_c * weighting)
    turn = jnp.exp(-(((hue - math.radians(275)) / math.radians(25)) ** 2))
    rotation = -2 * _saturation(mean_c) * jnp.sin(math.radians(60) * turn)
    return finite.sqrt(
        lightness * lightness + chroma * chroma + tone * tone + rotation * chroma * tone
    )


def _length(a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return finite.sqrt(a * a + b * b)


def _saturation(chroma: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """sqrt(C^7 / (C^7 + 25^7)), with a finite gradient at zero."""
    ratio = chroma / 25
    return ratio**3 * finite.sqrt(ratio) / jnp.sqrt(1 + ratio**7)


def _hue_terms(
    first: tuple[Float[Array, "*shape"], ...], second: tuple[Float[Array, "*shape"], ...]
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """The hue difference, and the mean hue in [0, 2 pi), of two colours (a', b', C').

    Computed from vectors, because angles have no derivative at zero chroma: the mean hue is the
    direction of the bisector, and the difference is 2 sqrt(C1' C2') sin(angle / 2).
    """
    (a1, b1, c1), (a2, b2, c2) = first, second
    product = c1 * c2
    dot, cross = a1 * a2 + b1 * b2, a1 * (b2 - b1) - b1 * (a2 - a1)
    # Opposite hues: the second is the larger one if the first lies in the upper half plane.
    upper = (b1 > 0) | ((b1 == 0) & (a1 > 0))
    opposite = jnp.abs(cross) <= 4 * jnp.finfo(cross.dtype).eps * jnp.abs(dot)
    sign = jnp.where(opposite, jnp.where(upper, 1.0, -1.0), jnp.sign(cross))
    acute = dot >= 0
    change = jnp.where(
        acute,
        finite.divide(cross, finite.sqrt((product + dot) / 2), 0.0),
        sign * finite.sqrt(2 * (product - dot)),
    )
    (u1, v1), (u2, v2) = (
        (finite.divide(a, c, 0.0), finite.divide(b, c, 0.0)) for a, b, c in (first, second)
    )
    # Where the unit vectors nearly cancel, the normal of their difference is the bisector.
    u = jnp.where(acute, u1 + u2, sign * (v2 - v1))
    v = jnp.where(acute, v1 + v2, sign * (u1 - u2))
    defined = (u != 0) | (v != 0)
    hue = jnp.arctan2(jnp.where(defined, v, 0), jnp.where(defined, u, 1))
    return change, jnp.where(hue < 0, hue + 2 * math.pi, hue)


METRICS = {
    "ciede2000": FunctionMetric(
        "ciede2000",
        ciede2000,
        False,
        (0.0, float("inf")),
        ciede2000_map,
        padded=True,
        masked=masking.mean_of(ciede2000_map),
    )
}
