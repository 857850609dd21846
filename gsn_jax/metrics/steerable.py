"""The two oriented bands per scale of a steerable pyramid that VIF uses.

E. P. Simoncelli, W. T. Freeman, "The steerable pyramid", ICIP 1995; coefficients of the order-5
filters (`sp5Filters`) of matlabPyrTools. Each filter is exactly a sum of at most five
separable ones.
"""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import extents, filters, reductions
from gsn_jax.metrics.staging import staged

# One quadrant of each filter, with the centre last.
_LOW_0 = [
    [0.00341614, -0.01551246, -0.03848215],
    [-0.01551246, 0.05586982, 0.15925570],
    [-0.03848215, 0.15925570, 0.40304148],
]
_LOW = [
    [0.00170808, -0.00489834, -0.00775624, -0.01888864, -0.01924108],
    [-0.00489834, -0.01046562, -0.01322234, 0.00821200, 0.02005976],
    [-0.00775624, -0.01322234, 0.02793492, 0.06554076, 0.07962786],
    [-0.01888864, 0.00821200, 0.06554076, 0.12852666, 0.16339236],
    [-0.01924108, 0.02005976, 0.07962786, 0.16339236, 0.20193080],
]
_BAND = [  # the left columns; the right ones have the opposite sign, and the middle one is zero
    [0.00277643, -0.00986904, -0.01021852, 0.0],
    [0.00496194, -0.00893064, -0.03075356, 0.0],
    [0.01026699, 0.01189859, -0.08226445, 0.0],
    [0.01455399, 0.02755155, -0.11732297, 0.0],
]

Separable = tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]


def oriented_bands(
    plane: Float[Array, "*batch h w"], levels: int, extent: Extent | None = None
) -> list[Float[Array, "2 *batch _h _w"]]:
    """Horizontal and vertical bands `(2, ..., ceil(H / 2^k), ceil(W / 2^k))`, finest first.

    Args:
        plane: what to decompose.
        levels: number of dyadic levels.
        extent: where the image is in the plane.
    """
    low = staged(_correlate(staged(plane), _separable("low_0"), extent))
    bands = []
    for level in range(levels):
        if level:
            low = staged(_correlate(low, _separable("low"), extent)[..., ::2, ::2])
            extent = extents.decimated(extent)
        band = _separable("band")
        turned = tuple((columns, rows) for rows, columns in band)
        both = [_correlate(low, terms, extent) for terms in (band, turned)]
        bands.append(staged(jnp.stack(both)))
    return bands


def _correlate(
    plane: Float[Array, "*batch h w"], terms: Separable, extent: Extent | None
) -> Float[Array, "*batch h w"]:
    half = len(terms[0][0]) // 2
    padded = filters.pad(plane, half, half, "reflect", extent)
    return reductions.add(
        filters.correlate_separable(padded, rows, columns) for rows, columns in terms
    )


@functools.cache
def _separable(name: str) -> Separable:
    """The filter as a sum of outer products (rows, columns), by singular value decomposition."""
    kernel = _kernel(name)
    left, values, right = np.linalg.svd(kernel)
    rank = int((values > 1e-9 * values[0]).sum())
    return tuple(
        (tuple((left[:, i] * values[i]).tolist()), tuple(right[i].tolist())) for i in range(rank)
    )


def _kernel(name: str) -> np.ndarray:
    quadrant = np.array({"low_0": _LOW_0, "low": _LOW, "band": _BAND}[name])
    sign = -1 if name == "band" else 1
    top = np.hstack([quadrant, sign * quadrant[:, -2::-1]])
    return np.vstack([top, top[-2::-1]])
