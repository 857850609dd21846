"""VMAF's detail loss feature, ADM2: how much visible wavelet contrast is preserved.

S. Li, F. Zhang, L. Ma, K. N. Ngan, "Image quality assessment by separately evaluating detail losses
and additive impairments", IEEE TMM 13(5), 2011; visibility thresholds of A. B. Watson, G. Y. Yang,
J. A. Solomon, J. Villasenor, "Visibility of wavelet quantization noise", IEEE TIP 6(8), 1997;
constants and borders of libvmaf's `float_adm`.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import canvas, extents, filters, finite, reductions
from gsn_jax.metrics.staging import staged

SCALES = 4
# Daubechies' wavelet with two vanishing moments.
LOW = (0.482962913144690, 0.836516303737469, 0.224143868041857, -0.129409522550921)
HIGH = (LOW[3], -LOW[2], LOW[1], -LOW[0])
PIXELS_PER_DEGREE = 3 * 1080 * math.pi / 180  # 1080 lines seen from three times their height
# Watson et al.: the threshold's scale, width and frequency, and the factor for diagonal details;
# and per scale the amplitudes of the basis functions, straight (horizontal, vertical) and diagonal.
THRESHOLD, WIDTH, FREQUENCY, DIAGONAL = 0.495, 0.466, 0.401, 0.534
AMPLITUDES = ((0.67234, 0.72709), (0.41317, 0.49428), (0.22727, 0.28688), (0.11792, 0.15214))
COSINE = math.cos(math.radians(1))  # details that turn by less count as enhanced
MASKING = 1 / 30
NOISE = 1 / 32


def detail_kept(
    planes: Float[Array, "2 h w"], extent: Extent | None, gain_limit: float
) -> Float[Array, ""]:
    """The share of the reference's visible detail that the distorted image keeps.

    Args:
        planes: 8-bit luma of the reference and of the distorted image, up to an offset.
        extent: height and width of padded images.
        gain_limit: largest gain of contrast that counts; 1 ignores enhanced contrast.

    Returns:
        1 for equal images; above 1 for enhanced contrast if `gain_limit` allows it.
    """
    levels, inside = [], []
    for scale in range(SCALES):
        planes, details = _analysed(planes, extent)
        extent = extents.decimated(extent)
        inside.append(extent or Extent(*planes.shape[-2:]))
        levels.append(_sensitivity(scale, details) * details)
    # One program for all scales compiles faster than one per scale.
    reference, distorted = jnp.moveaxis(staged(canvas.place(levels, 0)), 1, 0)
    restored = _restored(reference, distorted, gain_limit)
    sizes = [(level.shape[-2], level.shape[-1]) for level in levels]
    mask = _mask(distorted - restored, sizes, inside)
    visible = jnp.maximum(jnp.abs(restored) - mask, 0)
    strengths = _strengths(staged(jnp.stack([visible, jnp.abs(reference)]) ** 3), sizes, inside)
    return strengths[0] / strengths[1]


def _analysed(
    planes: Float[Array, "2 h w"], extent: Extent | None
) -> tuple[Float[Array, "2 h2 w2"], Float[Array, "3 2 h2 w2"]]:
    """One level of the wavelet transform: averages, and horizontal, vertical, diagonal details."""
    sizes = planes.shape[-2:] if extent is None else extent
    bands = jnp.pad(planes, ((0, 0), (1, 2), (1, 2)))
    for axis, size, length in zip((-2, -1), sizes, planes.shape[-2:], strict=True):
        weights = [
            filters.mirrored_taps(taps, 1, size, (length + 1) // 2, 2, last=True)
            for taps in (LOW, HIGH)
        ]
        halved = functools.partial(filters.correlate_varying, bands, axis=axis, stride=2)
        bands = staged(jax.vmap(halved)(jnp.stack(weights)))
    (averages, horizontal), (vertical, diagonal) = bands
    return averages, jnp.stack([horizontal, vertical, diagonal])


def _sensitivity(scale: int, like: Array) -> Float[Array, "3 1 1 1"]:
    """Contrast sensitivity to horizontal, vertical and diagonal details."""
    wave = 2 ** (scale + 1) * FREQUENCY / PIXELS_PER_DEGREE
    straight, diagonal = (
        amplitude / (2 * THRESHOLD * 10 ** (WIDTH * math.log10(wave * factor) ** 2))
        for amplitude, factor in zip(AMPLITUDES[scale], (1, DIAGONAL), strict=True)
    )
    return jnp.asarray([straight, straight, diagonal], like.dtype)[:, None, None, None]


def _restored(
    reference: Float[Array, "3 h w"], distorted: Float[Array, "3 h w"], gain_limit: float
) -> Float[Array, "3 h w"]:
    """The part of the distorted details that stems from the reference, at most as strong as it.

    Where horizontal and vertical details together keep their direction, contrast was enhanced, and
    the part may be up to `gain_limit` times as strong as the reference.
    """
    gain: float | Array = 1.0
    if gain_limit != 1:
        product, reference_power, power = (
            a[0] * b[0] + a[1] * b[1]
            for a, b in ((reference, distorted), (reference, reference), (distorted, distorted))
        )
        bound = COSINE * COSINE * reference_power * power
        kept = (product >= 0) & (product * product >= bound)
        gain = jnp.where(kept, gain_limit, 1).astype(reference.dtype)
    low, high = jnp.minimum(reference, 0) * gain, jnp.maximum(reference, 0) * gain
    return jnp.clip(distorted, low, high)


def _mask(
    added: Float[Array, "3 h w"], sizes: list[tuple[int, int]], inside: list[Extent]
) -> Float[Array, "h w"]:
    """The contrast that added details of all directions in a 3 x 3 window mask."""
    strength = staged(reductions.add(jnp.abs(added)))
    around = strength
    for axis, (first, last) in zip(
        (-2, -1), canvas.borders(strength.shape, sizes, inside), strict=True
    ):
        ends = [(0, 0), (0, 0)]
        ends[axis] = (1, 1)
        padded, size = jnp.pad(around, ends), strength.shape[axis]
        before, after = (lax.slice_in_dim(padded, k, k + size, axis=axis) for k in (0, 2))
        around = staged(jnp.where(first, after, before) + around + jnp.where(last, around, after))
    return MASKING * (around + strength)


def _strengths(
    cubes: Float[Array, "2 3 h w"], sizes: list[tuple[int, int]], inside: list[Extent]
) -> Float[Array, " 2"]:
    """The sum of the 3-norms of all directions and scales, excluding borders."""
    heights, widths = (
        jnp.stack([jnp.asarray(size, jnp.int32) for size in side])
        for side in zip(*inside, strict=True)
    )
    rows, columns = ((size - 2 * _border(size)).astype(cubes.dtype) for size in (heights, widths))
    noise = finite.power(NOISE * rows * columns, 1 / 3).sum()
    norms = finite.power(canvas.inner_totals(cubes, sizes, inside, _border), 1 / 3)
    return norms.sum((-2, -1)) + 3 * noise


def _border(size: Array) -> Array:
    """Number of details that do not count at each end: about a tenth of the size."""
    return jnp.maximum((size - 5) // 10, 0)
