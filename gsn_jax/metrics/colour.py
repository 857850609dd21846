"""Colour conversions of the metrics' authors, from sRGB in [0, 1], and the 8-bit scale."""

from __future__ import annotations

import jax
import jax.numpy as jnp

# First row of MATLAB's rgb2gray: the luma of inv([1 .956 .621; 1 -.272 -.647; 1 -1.106 1.703]).
LUMA = (0.298936021293775, 0.587043074451121, 0.114020904255103)
# The luma, I and Q with three digits, as the authors of FSIM and many others write them.
YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))


def mix(image: jax.Array, weights: tuple[float, ...]) -> jax.Array:
    """The weighted sum of the channels, `(..., H, W, C)` -> `(..., H, W)`.

    A sum and not a matrix product, which accelerators would compute with fewer bits.
    """
    return sum(image[..., channel] * weight for channel, weight in enumerate(weights))


def to_8bit(values: jax.Array) -> jax.Array:
    """Rounds to whole numbers as storing in 8 bits does, with the gradient of the identity."""
    # values - values is exactly zero, so that the result is exactly whole.
    stop = jax.lax.stop_gradient
    return stop(jnp.round(values)) + (values - stop(values))


def luma(image: jax.Array, *, weights: tuple[float, ...] = LUMA, rounded: bool = True) -> jax.Array:
    """MATLAB's `rgb2gray` of an 8-bit image: [0, 1] becomes `(..., H, W)` in [0, 255].

    Args:
        image: `(..., H, W, 3)`, sRGB in [0, 1].
        weights: of red, green and blue.
        rounded: round to whole numbers, as MATLAB does with uint8 images; the gradient is that of
            the unrounded luma.
    """
    gray = 255 * mix(image, weights)
    return to_8bit(gray) if rounded else gray


def lab_d50(planes: jax.Array) -> jax.Array:
    """CIE L*a*b* under D50 of sRGB planes, both `(3, ..., H, W)`; no chromatic adaptation.

    That the primaries of D65 meet the white of D50 is the choice of VSI's authors.
    """
    low = planes <= 0.04045
    linear = jnp.where(low, planes / 12.92, ((jnp.where(low, 1, planes) + 0.055) / 1.055) ** 2.4)
    x, y, z = (
        _lab_response(sum(linear[i] * weight for i, weight in enumerate(row)) / white)
        for row, white in zip(_XYZ, _D50, strict=True)
    )
    return jnp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _lab_response(ratio: jax.Array) -> jax.Array:
    high = ratio > 0.008856
    return jnp.where(high, jnp.cbrt(jnp.where(high, ratio, 1)), (903.3 * ratio + 16) / 116)


_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_D50 = (0.9642, 1.0, 0.8251)
