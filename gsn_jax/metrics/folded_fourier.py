"""Filters in the frequency domain for planes whose size is traced.

A transform of N samples is a product with a matrix of cosines and one of sines. Bins k and -k share
their entries, and so do samples j and N - j. Folding both reduces the products to a quarter. A
folded plane or spectrum has the axes (sign of the row, sign of the column, row, column), with rows
and columns from 0 to half the size.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import fourier
from gsn_jax.metrics.reductions import product

# Real and imaginary parts `(i, j)` at the bins (k, l), and those at the bins (k, -l).
Spectrum = tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


class Axis(NamedTuple):
    """One axis of a folded transform, for an array that is L long and a plane of size N.

    Attributes:
        size: N, an int32; it may be traced.
        samples: cosines and sines `(L // 2 + 1, L)`, of bins and unfolded samples.
        folded: cosines and sines `(L // 2 + 1, L // 2 + 1)`, of bins and folded samples.
        once: per bin, 1; 1/2 if it is its own mirror image; and 0 beyond N / 2.
    """

    size: Any
    samples: fourier.Matrix
    folded: fourier.Matrix
    once: Float[Array, " k"]


def axis(length: int, size: Any, dtype: jnp.dtype) -> Axis:
    """The axis of planes of a size in arrays of a length, at most 2^14."""
    size = jnp.asarray(size, jnp.int32)
    bins = jnp.arange(length // 2 + 1, dtype=jnp.int32)
    own_mirror = (bins == 0) | (2 * bins == size)
    once = jnp.where(own_mirror, 0.5, 1) * (2 * bins <= size)
    cosine, sine = fourier.matrix(bins, length, size, dtype)
    folded = cosine[:, : bins.size], sine[:, : bins.size]
    return Axis(size, (cosine, sine), folded, once.astype(dtype))


def spectrum(plane: Float[Array, "h w"], rows: Axis, columns: Axis) -> Spectrum:
    """The spectrum of a real plane, divided by the number of samples.

    Bins that are their own mirror images count half, since folding counts them twice.

    Args:
        plane: of the size that both axes have; samples beyond it have no influence.
        rows: of the plane.
        columns: of the plane.
    """
    weights = rows.once[:, None] * columns.once
    weights = weights / (rows.size.astype(plane.dtype) * columns.size.astype(plane.dtype))
    cosine, sine = (product(matrix, plane) for matrix in rows.samples)
    across, along = (matrix.T for matrix in columns.samples)
    even_even, odd_odd = product(cosine, across) * weights, product(sine, along) * weights
    even_odd, odd_even = product(cosine, along) * weights, product(sine, across) * weights
    return (even_even - odd_odd, -odd_even - even_odd), (even_even + odd_odd, even_odd - odd_even)


def filtered(
    spectrum: Spectrum,
    transfers: Float[Array, "2 2 i n j"],
    rows: Axis,
    columns: Axis,
) -> tuple[Float[Array, "2 2 i n j"], Float[Array, "2 2 i n j"]]:
    """Real and imaginary parts of a real plane filtered by n real transfer functions.

    Args:
        spectrum: of the plane, from the function `spectrum`.
        transfers: folded, with n between rows and columns.
        rows: of the plane.
        columns: of the plane.

    Returns:
        Folded planes. Rows and columns beyond N / 2 hold no sample.
    """
    first, second = spectrum
    same = [_pair(part, transfers[0, 0], transfers[1, 1]) for part in first]
    opposite = [_pair(part, transfers[0, 1], transfers[1, 0]) for part in second]
    # The spectrum at (-k, -l) is the conjugate of that at (k, l). So real parts are summed where
    # imaginary parts are subtracted.
    (real, real_change), (imaginary_change, imaginary) = same[0], same[1]
    (other, other_change), (turned_change, turned) = opposite[0], opposite[1]
    even_even = real + other, imaginary + turned
    odd_odd = real - other, imaginary - turned
    odd_even = real_change + other_change, imaginary_change + turned_change
    even_odd = real_change - other_change, imaginary_change - turned_change
    cosines, sines = (
        _over_rows(matrix, jnp.stack(parts, 1))
        for matrix, parts in zip(
            rows.folded, ((*even_even, *even_odd), (*odd_even, *odd_odd)), strict=True
        )
    )
    even_even, even_odd = _over_columns(cosines, columns.folded)
    odd_even, odd_odd = _over_columns(sines, columns.folded)
    signs = jnp.asarray([1, -1], transfers.dtype)
    row, column = signs[:, None, None, None, None], signs[None, :, None, None, None]
    real = even_even[0] - row * column * odd_odd[0] - column * even_odd[1] - row * odd_even[1]
    imaginary = even_even[1] - row * column * odd_odd[1] + column * even_odd[0] + row * odd_even[0]
    return real, imaginary


def _pair(
    part: Float[Array, "i j"], first: Float[Array, "i n j"], second: Float[Array, "i n j"]
) -> tuple[Float[Array, "i n j"], Float[Array, "i n j"]]:
    """The products with the sum and with the difference of two transfer functions."""
    return part[:, None] * (first + second), part[:, None] * (first - second)


def _over_rows(
    matrix: Float[Array, "j k"], parts: Float[Array, "k 4 n l"]
) -> Float[Array, "j 4 n l"]:
    return product(matrix.T, parts.reshape(parts.shape[0], -1)).reshape(parts.shape)


def _over_columns(
    parts: Float[Array, "j 4 n l"], columns: fourier.Matrix
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Transforms the first two parts by cosines and the last two by sines."""
    even, odd = product(parts[:, :2], columns[0]), product(parts[:, 2:], columns[1])
    return (even[:, 0], even[:, 1]), (odd[:, 0], odd[:, 1])


def samples(rows: Axis, columns: Axis) -> Bool[Array, "2 2 i j"]:
    """Which places of a folded plane hold a sample; every sample has one place."""
    held = [
        jnp.stack([line.once > 0, line.once == 1])  # its own mirror image counts once
        for line in (rows, columns)
    ]
    return held[0][:, None, :, None] & held[1][None, :, None, :]


def unfolded(
    folded: Float[Array, "2 2 i j"], shape: tuple[int, ...], extent: Extent
) -> Float[Array, "h w"]:
    """The plane in the top left corner of an array; the rest holds copies of its samples."""
    height, width = folded.shape[2:]
    plane = jnp.swapaxes(folded, 1, 2).reshape(2 * height, 2 * width)
    places = [
        _places(length, size, count)
        for length, size, count in zip(shape, extent, (height, width), strict=True)
    ]
    return plane[places[0]][:, places[1]]


def _places(length: int, size: Any, count: int) -> Array:
    """For each sample, its row in a folded plane of two times `count` rows."""
    index = jnp.minimum(jnp.arange(length, dtype=jnp.int32), size - 1)
    return jnp.where(2 * index <= size, index, count + size - index)
