"""Haar wavelet-based perceptual similarity index.

R. Reisenhofer, S. Bosse, G. Kutyniok, T. Wiegand, "A Haar wavelet-based perceptual similarity index
for image quality assessment", Signal Processing: Image
Communication 61, 2018; authors' `HaarPSI.m`.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import similarity

C = 30.0
ALPHA = 4.2
MIN_SIZE = 16


@pairwise("haarpsi", MIN_SIZE)
def haarpsi(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """Similarity of Haar coefficients, weighted by the coarsest ones, with chroma.

    Args:
        reference: `(..., H, W, 3)` in [0, 1], at least 16 x 16.
        distorted: as `reference`.

    Returns:
        `(...)` in [0, 1], higher is better; 1 for equal images. Symmetric.
    """
    locals_, weights = _terms(reference, distorted)
    total = reductions.total(jax.nn.sigmoid(ALPHA * locals_) * weights).sum(0)
    share = finite.divide(total, reductions.total(weights).sum(0), 1 / (1 + math.exp(-ALPHA)))
    return (jnp.log(share / (1 - share)) / ALPHA) ** 2


@pairwise("haarpsi", MIN_SIZE)
def haarpsi_map(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """Weighted mean similarity `(..., ceil(H / 2), ceil(W / 2))` of the three maps; up = better."""
    locals_, weights = _terms(reference, distorted)
    return finite.divide((locals_ * weights).sum(0), weights.sum(0), 1.0)


def _terms(reference: jax.Array, distorted: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Similarities and weights `(3, ..., h, w)`: two orientations and chroma."""
    images = 255 * jnp.stack([reference, distorted])
    luma, *chroma = (
        filters.box_downsample(colour.mix(images, row), 2, "constant") for row in colour.YIQ
    )
    bands = [_haar(luma, scale) for scale in (1, 2, 3)]
    locals_, weights = [], []
    for orientation in (0, 1):
        fine, middle, coarse = (jnp.abs(band[orientation]) for band in bands)
        terms = (similarity(band[0], band[1], C) for band in (fine, middle))
        locals_.append(sum(terms) / 2)
        weights.append(jnp.maximum(coarse[0], coarse[1]))
    means = (jnp.abs(_window(plane, (0.5, 0.5), (0.5, 0.5))) for plane in chroma)
    locals_.append(sum(similarity(plane[0], plane[1], C) for plane in means) / 2)
    weights.append((weights[0] + weights[1]) / 2)
    return jnp.stack(locals_), jnp.stack(weights)


def _haar(plane: jax.Array, scale: int) -> tuple[jax.Array, jax.Array]:
    half = 2 ** (scale - 1)
    box = (2.0**-scale,) * (2 * half)
    step = (-1.0,) * half + (1.0,) * half
    return _window(plane, step, box), _window(plane, box, step)


def _window(plane: jax.Array, rows: tuple[float, ...], columns: tuple[float, ...]) -> jax.Array:
    """MATLAB's `conv2(..., "same")` for kernels of even size, up to the sign."""
    half = len(rows) // 2
    return filters.correlate_separable(
        filters.pad(plane, half - 1, half, "constant"), rows, columns
    )


METRICS = {
    "haarpsi": FunctionMetric(
        "haarpsi", haarpsi, True, (0.0, 1.0), haarpsi_map, MIN_SIZE, filters.halved_grid
    )
}
