"""VMAF's measure of lost detail, ADM2: how much visible wavelet contrast is restored.

S. Li, F. Zhang, L. Ma, K. N. Ngan, "Image quality assessment by separately evaluating detail losses
and additive impairments", IEEE TMM 13(5), 2011; visibility thresholds of A. B. Watson, G. Y. Yang,
J. A. Solomon, J. Villasenor, "Visibility of wavelet quantization noise", IEEE TIP 6(8), 1997;
constants and borders of libvmaf's `float_adm`.
"""

from __future__ import annotations

import functools
import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import canvas, extents, filters, finite, reductions
from gsn_jax.metrics.staging import staged

SCALES = 4
# Daubechies' wavelet of two vanishing moments.
LOW = (0.482962913144690, 0.836516303737469, 0.224143868041857, -0.129409522550921)
HIGH = (LOW[3], -LOW[2], LOW[1], -LOW[0])
PIXELS_PER_DEGREE = 3 * 1080 * math.pi / 180  # 1080 lines from three times their height
# Watson et al.: the threshold's scale, width and frequency, this for diagonal details lower; and
# the amplitudes of the basis functions per scale, of horizontal and vertical and of diagonal ones.
THRESHOLD, WIDTH, FREQUENCY, DIAGONAL = 0.495, 0.466, 0.401, 0.534
AMPLITUDES = ((0.67234, 0.72709), (0.41317, 0.49428), (0.22727, 0.28688), (0.11792, 0.15214))
COSINE = math.cos(math.radians(1))  # contrast that turns by less is gain
MASKING = 1 / 30
NOISE = 1 / 32


def detail_kept(
    planes: Float[Array, "2 h w"], extent: Extent | None, gain_limit: float
) -> Float[Array, ""]:
    """The share of the reference's visible detail that the distorted image keeps.

    Args:
        planes: luma of the reference and of the distorted image on the 8-bit scale, any offset.
        extent: height and width of padded images.
        gain_limit: how much more contrast than the reference's counts as detail.

    Returns:
        1 for equal images; above 1 for enhanced contrast if `gain_limit` allows it.
    """
    levels, inside = [], []
    for scale in range(SCALES):
        planes, details = _analysed(planes, extent)
        extent = extents.decimated(extent)
        inside.append(extent or Extent(*planes.shape[-2:]))
        levels.append(_padded(_sensitivity(scale, details) * details, 1, extent))
    # One program for all scales compiles faster than four.
    reference, distorted = jnp.moveaxis(staged(canvas.place(levels, 0)), 1, 0)
    restored = _restored(reference, distorted, gain_limit)
    mask = _mask(distorted - restored)
    visible, whole = (jnp.abs(part)[..., 1:-1, 1:-1] for part in (restored, reference))
    visible = jnp.maximum(visible - mask, 0)
    sizes = [(level.shape[-2], level.shape[-1]) for level in levels]
    strengths = _strengths(staged(jnp.stack([visible, whole]) ** 3), sizes, inside)
    return strengths[0] / strengths[1]


def _analysed(
    planes: Float[Array, "2 h w"], extent: Extent | None
) -> tuple[Float[Array, "2 h2 w2"], Float[Array, "3 2 h2 w2"]]:
    """One level of the wavelet transform: averages; horizontal, vertical and diagonal details."""
    padded = staged(_padded(planes, 2, extent))
    halved = functools.partial(filters.correlate_axis, stride=2)
    rows = staged(jnp.stack([halved(padded, taps, -2) for taps in (LOW, HIGH)]))
    averages, horizontal = staged(halved(rows, LOW, -1))
    vertical, diagonal = staged(halved(rows, HIGH, -1))
    return averages, jnp.stack([horizontal, vertical, diagonal])


def _padded(
    planes: Float[Array, "*batch h w"], after: int, extent: Extent | None
) -> Float[Array, "*batch _h _w"]:
    """Mirrors one sample before the first, without it, and `after` samples behind the last."""
    for axis in (-2, -1):
        size = planes.shape[axis] if extent is None else extent[axis]
        axis %= planes.ndim
        planes = filters.pad_axis(planes, 1, 0, "reflect", size, axis)
        planes = filters.pad_axis(planes, 0, after, "symmetric", size + 1, axis)
    return planes


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
    """What of the distorted details are the reference's, weaker or as they are.

    Where horizontal and vertical details together keep their direction, up to `gain_limit` times
    the reference's: there contrast was enhanced.
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


def _mask(added: Float[Array, "3 h w"]) -> Float[Array, "_h _w"]:
    """The contrast that added details hide: of all directions, in 3 x 3 windows."""
    strength = staged(reductions.add(jnp.abs(added)))
    around = filters.correlate_separable(strength, (1, 1, 1), (1, 1, 1))
    return MASKING * (around + strength[1:-1, 1:-1])


def _strengths(
    cubes: Float[Array, "2 3 h w"], sizes: list[tuple[int, int]], inside: list[Extent]
) -> Float[Array, " 2"]:
    """The 3-norms of all directions and scales, added; without borders."""
    heights, widths = (
        jnp.stack([jnp.asarray(size, jnp.int32) for size in side])
        for side in zip(*inside, strict=True)
    )
    rows, columns = ((size - 2 * _border(size)).astype(cubes.dtype) for size in (heights, widths))
    noise = finite.power(NOISE * rows * columns, 1 / 3).sum()
    norms = finite.power(canvas.inner_totals(cubes, sizes, inside, _border), 1 / 3)
    return norms.sum((-2, -1)) + 3 * noise


def _border(size: Array) -> Array:
    """A tenth of the image, of which the details at every side do not count."""
    return jnp.maximum((size - 5) // 10, 0)
