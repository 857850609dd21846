"""The steerable pyramid of VIF, with two oriented bands per scale.

E. P. Simoncelli, W. T. Freeman, "The steerable pyramid", ICIP 1995; coefficients of the order-5
filters (`sp5Filters`) of matlabPyrTools. Each filter is exactly a sum of at most five
separable ones.
"""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
from jax import lax
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
_BAND = [  # the middle column is zero, and the right half has the opposite sign
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
        plane: the planes to decompose.
        levels: number of dyadic levels.
        extent: where the image is in the plane.
    """
    (low,) = _correlate(staged(plane), "low_0", extent)
    low = staged(low)
    bands = []
    for level in range(levels):
        if level:
            (low,) = _correlate(low, "low", extent)
            low = staged(low[..., ::2, ::2])
            extent = extents.decimated(extent)
        bands.append(staged(jnp.stack(_correlate(low, "band", extent, turned=True))))
    return bands


def _correlate(
    plane: Float[Array, "*batch h w"], name: str, extent: Extent | None, *, turned: bool = False
) -> list[Float[Array, "*batch h w"]]:
    """The response to a filter, and if `turned` also to its transpose.

    Loops over the separable terms, because XLA takes seconds to compile them unrolled.
    """
    terms = jnp.asarray(np.array(_separable(name)), plane.dtype)  # (term, axis, tap)
    half = terms.shape[-1] // 2
    padded = filters.pad(plane, half, half, "reflect", extent)

    def add(
        totals: list[Float[Array, "*batch h w"]], term: Float[Array, "2 taps"]
    ) -> tuple[list[Float[Array, "*batch h w"]], None]:
        pairs = [(term[0], term[1]), (term[1], term[0])]
        parts = [
            _correlate_axis(staged(_correlate_axis(padded, rows, -2)), columns, -1)
            for rows, columns in pairs[: len(totals)]
        ]
        return [total + part for total, part in zip(totals, parts, strict=True)], None

    start = [jnp.zeros_like(plane)] * (2 if turned else 1)
    return lax.scan(add, start, terms)[0]


def _correlate_axis(
    image: Float[Array, "*shape"], taps: Float[Array, " taps"], axis: int
) -> Float[Array, "*_shape"]:
    """`filters.correlate_axis` with taps in an array."""
    size = image.shape[axis] - taps.size + 1
    return reductions.add(
        lax.slice_in_dim(image, shift, shift + size, axis=image.ndim + axis) * taps[shift]
        for shift in range(taps.size)
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
