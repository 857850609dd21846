"""SSIMULACRA 2, version 2.1.

J. Sneyers, "SSIMULACRA 2", Cloudinary, 2022, updated April 2023; definition, weights and constants
of the author's `ssimulacra2.cc`. The blur follows D. Charalampidis, "Recursive implementation of
the Gaussian filter using truncated cosine functions", IEEE TSP 64(14), 2016, as in libjxl.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import canvas, colour, extents, filters, finite, roots
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.staging import staged

MIN_SIZE = 8
SCALES = 6
C2 = 0.0009
SIGMA = 1.5
RADIUS = 5  # round(3.2795 SIGMA + 0.2546); the outermost tap is zero
# Opsin absorbance of libjxl: cone responses to linear sRGB, and their bias.
OPSIN = (
    (0.30, 0.622, 0.078),
    (0.23, 0.692, 0.078),
    (0.24342268924547819, 0.20476744424496821, 0.5518098665095536),
)
BIAS = 0.0037930732552754493
SCALE, CUBIC = 0.9562382616834844, (2.326765642916932, -0.020884521182843837, 6.248496625763138e-05)
EXPONENT = 0.6276336467831387
# Weights by channel (X, Y, B), scale (six), norm (mean, 4-norm) and error (structure, added edges,
# lost edges), the last index fastest.
# fmt: off
WEIGHTS = (
    0.0, 0.0007376606707406586, 0.0, 0.0, 0.0007793481682867309, 0.0,
    0.0, 0.0004371155730107379, 0.0, 1.1041726426657346, 0.00066284834129271,
    0.00015231632783718752,
    0.0, 0.0016406437456599754, 0.0, 1.8422455520539298, 11.441172603757666, 0.0,
    0.0007989109436015163, 0.000176816438078653, 0.0, 1.8787594979546387, 10.94906990605142, 0.0,
    0.0007289346991508072, 0.9677937080626833, 0.0, 0.00014003424285435884, 0.9981766977854967,
    0.00031949755934435053,
    0.0004550992113792063, 0.0, 0.0, 0.0013648766163243398, 0.0, 0.0,
    0.0, 0.0, 0.0, 7.466890328078848, 0.0, 17.445833984131262,
    0.0006235601634041466, 0.0, 0.0, 6.683678146179332, 0.00037724407979611296, 1.027889937768264,
    225.20515300849274, 0.0, 0.0, 19.213238186143016, 0.0011401524586618361, 0.001237755635509985,
    176.39317598450694, 0.0, 0.0, 24.43300999870476, 0.28520802612117757, 0.0004485436923833408,
    0.0, 0.0, 0.0, 34.77906344483772, 44.835625328877896, 0.0,
    0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    0.0, 0.0008680556573291698, 0.0, 0.0, 0.0, 0.0,
    0.0, 0.0005313191874358747, 0.0, 0.00016533814161379112, 0.0, 0.0,
    0.0, 0.0, 0.0, 0.0004179171803251336, 0.0017290828234722833, 0.0,
    0.0020827005846636437, 0.0, 0.0, 8.826982764996862, 23.19243343998926, 0.0,
    95.1080498811086, 0.9863978034400682, 0.9834382792465353, 0.0012286405048278493,
    171.2667255897307, 0.9807858872435379,
    0.0, 0.0, 0.0, 0.0005130064588990679, 0.0, 0.00010854057858411537,
)
# fmt: on


@pairwise("ssimulacra2", MIN_SIZE)
def ssimulacra2(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """Weighted sum of structural errors, added edges and lost edges in XYB, at six scales.

    Halving stops at the first scale below 8 pixels. With fewer than six scales, the list of weights
    is read without gaps, so terms get other weights, as in the author's code.

    Args:
        reference: sRGB in [0, 1], at least 8 x 8.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.

    Returns:
        A quality of at most 100; 100 for equal images. 90 is visually lossless, 70 high, 50 medium
        and 30 low quality; a negative value means very strong distortion. Not symmetric.
    """
    images = jnp.moveaxis(jnp.stack([reference, distorted]), -1, 0)
    linear = staged(colour.linear_srgb(images))
    levels, inside = [linear], [extent]
    while len(levels) < SCALES and min(levels[-1].shape[-2:]) >= MIN_SIZE:
        levels.append(filters.halved(levels[-1], inside[-1]))
        inside.append(extents.decimated(inside[-1]))
    sizes = [(level.shape[-2], level.shape[-1]) for level in levels]
    # The blur pads with zeros anyway, so all scales can share one canvas: one large program
    # compiles and runs faster than six.
    mask = canvas.mask(sizes, inside, RADIUS).astype(linear.dtype)
    errors = staged(
        mask * _errors(staged(mask * _positive_xyb(staged(canvas.place(levels, RADIUS)))))
    )
    counts = [extents.count(*level) for level in zip(levels, inside, strict=True)]
    mean, fourth = (
        canvas.totals(powers, sizes, RADIUS)
        / jnp.stack([jnp.asarray(n, mask.dtype) for n in counts])
        for powers in (errors, (errors * errors) ** 2)
    )
    norms = jnp.stack([mean, finite.power(fourth, 0.25)])
    # (norm, kind, channel, scale) -> (channel, scale, norm, kind)
    ordered = jnp.transpose(norms, (2, 3, 0, 1))
    weights = jnp.asarray(_weights(len(levels)), ordered.dtype)[_number(inside) - 1]
    total = SCALE * (weights * ordered).reshape(-1).sum()
    first, second, third = CUBIC
    return 100 - 10 * finite.power(total * (first + total * (second + total * third)), EXPONENT)


def _number(inside: list[Extent | None]) -> Int[Array, ""] | int:
    """The number of scales of the image: one more than have at least 8 pixels, at most all."""
    number: Any = 1
    for extent in inside[:-1]:
        number += 1 if extent is None else (jnp.minimum(*extent) >= MIN_SIZE).astype(jnp.int32)
    return number


def _weights(scales: int) -> np.ndarray:
    """The weights for images of 1, 2, ... scales, `(scales, 3, scales, 2, 3)`."""
    weights = np.zeros((scales, 3, scales, 2, 3))
    for number in range(1, scales + 1):
        used = np.reshape(WEIGHTS[: 18 * number], (3, number, 2, 3))
        weights[number - 1, :, :number] = used
    return weights


def _positive_xyb(linear: Float[Array, "3 *batch h w"]) -> Float[Array, "3 *batch h w"]:
    """The opponent colours X, Y and B - Y of linear RGB, shifted and scaled into [0, 1]."""
    # The floor only matters for values far outside [0, 1]; their gradient is zero.
    long, middle, short = (
        roots.root(jnp.maximum(sum(w * linear[i] for i, w in enumerate(row)) + BIAS, 1e-9), 3)
        - math.cbrt(BIAS)
        for row in OPSIN
    )
    y = (long + middle) / 2
    return jnp.stack([7 * (long - middle) + 0.42, y + 0.01, short - y + 0.55])


def _errors(planes: Float[Array, "3 2 h w"]) -> Float[Array, "kinds 3 h w"]:
    """The structural errors, added edges and lost edges of the channels."""
    x, y = planes[:, 0], planes[:, 1]
    change = x - y
    mean_x, mean_change, power, error = _blur(
        jnp.stack([x, change, x * x + y * y, change * change])
    )
    mean_y = mean_x - mean_change
    # 1 - (1 - m^2) (2 cov + C2) / (variances + C2) in terms of the images' difference, which loses
    # no bits where they are nearly equal.
    square = mean_change * mean_change
    variances = jnp.maximum(power - (mean_x * mean_x + mean_y * mean_y), 0)
    structure = jnp.maximum(error - square, 0) / (variances + C2)
    strength_x, strength_y = jnp.abs(x - mean_x), jnp.abs(y - mean_y)
    edges = (strength_y - strength_x) / (1 + strength_x)
    return jnp.maximum(jnp.stack([square + (1 - square) * structure, edges, -edges]), 0)


def _blur(planes: Float[Array, "*batch h w"]) -> Float[Array, "*batch h w"]:
    taps = _taps()
    padded = filters.pad(planes, RADIUS - 1, RADIUS - 1, "constant")
    rows = staged(filters.correlate_axis(padded, taps, -2))
    return staged(filters.correlate_axis(rows, taps, -1))


@functools.cache
def _taps() -> tuple[float, ...]:
    """The impulse response of the recursive filter: three cosines that end at `RADIUS`."""
    omega = np.array([1, 3, 5]) * math.pi / (2 * RADIUS)
    signs = np.array([1, -1, 1])
    p = signs / np.tan(omega / 2)  # sums of the cosines
    r = signs * p * p / np.sin(omega)  # their second moments
    rho = np.exp(-0.5 * (SIGMA * omega) ** 2) / RADIUS
    zeta = np.cross(p, r)
    # Unit sum, variance SIGMA^2, and otherwise closest to the Gaussian.
    beta = np.linalg.solve(np.stack([p, r, zeta]), np.array([1, RADIUS**2 - SIGMA**2, zeta @ rho]))
    offsets = np.arange(1 - RADIUS, RADIUS)
    return tuple((beta @ np.cos(np.outer(omega, offsets))).tolist())


METRICS = {
    "ssimulacra2": FunctionMetric(
        "ssimulacra2", ssimulacra2, True, (-float("inf"), 100.0), min_size=MIN_SIZE, padded=True
    )
}
