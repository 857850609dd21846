"""The colour conversions that the methods' authors use, and luma on the 8-bit scale."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.metrics import reductions, roots

# First row of MATLAB's rgb2gray: the luma of inv([1 .956 .621; 1 -.272 -.647; 1 -1.106 1.703]).
LUMA = (0.298936021293775, 0.587043074451121, 0.114020904255103)
# BT.601 luma in the studio range, as in MATLAB's rgb2ycbcr but without its offset of 16 levels.
STUDIO_LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
# Luma, I and Q to three digits, as the authors of FSIM and many others write them.
YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))


def mix(
    image: Float[Array, "*batch h w c"], weights: Sequence[float]
) -> Float[Array, "*batch h w"]:
    """Returns the weighted sum of the channels.

    This is a sum rather than a matrix product, which accelerators would compute with fewer bits.
    """
    return reductions.add(image[..., channel] * weight for channel, weight in enumerate(weights))


@jax.custom_jvp
def to_8bit(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Rounds to whole numbers, as storing in 8 bits does; the gradient is that of the identity."""
    return jnp.round(values)


@to_8bit.defjvp
def _to_8bit_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    return to_8bit(primals[0]), tangents[0]


def luma(
    image: Float[Array, "*batch h w 3"],
    *,
    weights: Sequence[float] = LUMA,
    rounded: bool = True,
) -> Float[Array, "*batch h w"]:
    """MATLAB's `rgb2gray` of an 8-bit image: sRGB in [0, 1] becomes luma in [0, 255].

    Args:
        image: sRGB in [0, 1].
        weights: of red, green and blue.
        rounded: whether to round to whole numbers, as MATLAB does with uint8 images. The gradient
            is that of the unrounded luma.
    """
    gray = 255 * mix(image, weights)
    return to_8bit(gray) if rounded else gray


def luma_and_change(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    weights: Sequence[float] = LUMA,
    rounded: bool = True,
) -> Float[Array, "2 *batch h w"]:
    """Stacks the reference's `luma` and the change, distorted minus reference.

    The change is exactly zero for equal pixels, and stays accurate for nearly equal ones.
    """
    first = luma(reference, weights=weights, rounded=rounded)
    if not rounded:
        return jnp.stack([first, 255 * mix(distorted - reference, weights)])
    change = luma(distorted, weights=weights) - first
    # Compiled code may round equal pixels differently in the two images: a half up in one, down in
    # the other.
    equal = (reference == distorted).all(-1)
    return jnp.stack([first, change - jax.lax.stop_gradient(jnp.where(equal, change, 0))])


def linear_srgb(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Converts sRGB values in [0, 1] to linear light in [0, 1]."""
    low = values <= 0.04045
    square = ((jnp.where(low, 1, values) + 0.055) / 1.055) ** 2
    return jnp.where(low, values / 12.92, square * roots.root(square, 5))


def lab_d50(planes: Float[Array, "3 *batch h w"]) -> Float[Array, "3 *batch h w"]:
    """Converts planes of sRGB in [0, 1] to CIE L*a*b* under D50, without chromatic adaptation.

    VSI's authors combine D65 primaries with the white point of D50.
    """
    linear = linear_srgb(planes)
    channels = jnp.moveaxis(linear, 0, -1)
    x, y, z = (
        _lab_response(mix(channels, row) / white) for row, white in zip(XYZ, _D50, strict=True)
    )
    return jnp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _lab_response(ratio: jax.Array) -> jax.Array:
    high = ratio > 0.008856
    return jnp.where(high, roots.root(jnp.where(high, ratio, 1), 3), (903.3 * ratio + 16) / 116)


# Linear sRGB to XYZ.
XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_D50 = (0.9642, 1.0, 0.8251)
