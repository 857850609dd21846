"""DCT subband similarity.

A. Balanov, A. Schwartz, Y. Moshe, N. Peleg, "Image quality assessment based on DCT subband
similarity", ICIP 2015; constants of the authors' MATLAB code.
"""

from __future__ import annotations

import functools
import itertools

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import block_dct, colour, extents, filters, finite
from gsn_jax.metrics.preparation import pairwise

DC_CONSTANT, AC_CONSTANT = 1000.0, 300.0
WINDOW, SIGMA = 3, 1.5
WEIGHT_SIGMA = 1.55  # in frequencies
NEGLIGIBLE = 0.01  # the weight below which a subband is left out
WORST = 0.05  # the share of positions that count
MIN_SIZE = 32  # 16 blocks, whose worst share is one block


@pairwise("dss", MIN_SIZE)
def dss(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """Similarity of the local deviations of DCT subbands, pooled where they are least similar.

    Each low-frequency subband of the 8 x 8 blocks counts with the mean of its worst 5 %. Rows and
    columns beyond the last whole block are left out.

    Args:
        reference: sRGB in [0, 1], at least 32 x 32.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.

    Returns:
        A quality, 1 for equal images and in practice within [0, 1]. Symmetric.
    """
    images = 255 * jnp.stack([reference, distorted - reference])
    blocks = block_dct.blocks(colour.mix(images, colour.YIQ[0]))
    rows, columns, weights = _subbands()
    # (pair, h, w, subband) -> (pair, subband, h, w)
    subbands = jnp.moveaxis(block_dct.transform(blocks)[..., rows, columns], -1, 1)
    losses = _losses(subbands[0], subbands[1], extents.whole_blocks(extent, block_dct.SIZE))
    return 1 - (losses * jnp.asarray(weights, losses.dtype)).sum()


def _subbands() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and weight of each subband that counts, DC first."""
    squares = (np.arange(block_dct.SIZE) + 0.5) ** 2
    weights = np.exp(-(squares[:, None] + squares) / (2 * WEIGHT_SIGMA**2))
    rows, columns = np.nonzero(weights >= NEGLIGIBLE)
    used = weights[rows, columns]
    return rows, columns, used / used.sum()


def _losses(
    x: Float[Array, "subbands h w"],
    change: Float[Array, "subbands h w"],
    extent: Extent | None,
) -> Float[Array, " subbands"]:
    """One minus the similarity of each subband, exactly zero where nothing changes."""
    taps = filters.gaussian_taps(WINDOW, SIGMA)
    border = WINDOW // 2
    padded = filters.pad(jnp.stack([x, change]), border, border, "constant", extent)
    means = filters.correlate_separable(padded, taps, taps)
    height, width = x.shape[-2:]
    # Moments about the means: raw squares of the DC subband would leave float32 few digits.
    variance, other, covariance = functools.reduce(
        jnp.add,
        (
            taps[i] * taps[j] * _products(padded[..., i : i + height, j : j + width] - means)
            for i, j in itertools.product(range(WINDOW), repeat=2)
        ),
    )
    deviation, changed = finite.sqrt(variance), finite.sqrt(other)
    difference = changed - deviation
    constants = np.full((len(x), 1, 1), AC_CONSTANT)
    constants[0] = DC_CONSTANT
    losses = difference**2 / (variance + other + jnp.asarray(constants, x.dtype))
    # The structure of the DC subband is compared as well.
    structure = (deviation[0] * difference[0] - covariance[0]) / (
        deviation[0] * changed[0] + DC_CONSTANT
    )
    worst = _worst(jnp.concatenate([losses, structure[None]]), extent)
    # The DC subband's similarity is the product of both: (1 - a) (1 - b).
    return worst[:-1].at[0].add(worst[-1] * (1 - worst[0]))


def _products(deviations: Float[Array, "2 subbands h w"]) -> Float[Array, "3 subbands h w"]:
    """x^2, (x + change)^2, and x times the change."""
    x, change = deviations
    return jnp.stack([x * x, (x + change) ** 2, x * change])


def _worst(losses: Float[Array, "n h w"], extent: Extent | None) -> Float[Array, " n"]:
    """The mean of the largest losses."""
    flat = extents.filled(losses, extent, -jnp.inf).reshape(len(losses), -1)
    most = round(WORST * flat.shape[-1])
    largest = lax.top_k(flat, most)[0]
    if extent is None:
        return largest.mean(-1)
    # From a table, because float32 would round some halves the other way.
    numbers = np.array([round(WORST * places) for places in range(flat.shape[-1] + 1)], np.int32)
    number = jnp.asarray(numbers)[extent.height * extent.width]
    counted = jnp.arange(most, dtype=jnp.int32) < number
    return jnp.where(counted, largest, 0).sum(-1) / number.astype(flat.dtype)


METRICS = {
    "dss": FunctionMetric("dss", dss, True, (-float("inf"), 1.0), min_size=MIN_SIZE, padded=True)
}
