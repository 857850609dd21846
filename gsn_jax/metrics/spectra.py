"""The spectrum of a real plane, to be filtered by real transfer functions.

`Whole` takes the fast transform of the plane's own size, for which XLA compiles. `Folded` takes
matrices, so that the size is data. Both have the same fields and methods. Planes of `Folded`, of
frequencies as of samples, are four quadrants `(2, 2, n, m)`: index k of the first one stands for k,
and of the second one for -k modulo N. Cosines are even in k and sines odd: they need one quadrant
only, and a quarter of the products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Complex, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import extents, filters, fourier

Parts = tuple[Float[Array, "n m"], Float[Array, "n m"]]  # real and imaginary


class Whole(NamedTuple):
    """The spectrum by the fast transform.

    Attributes:
        y: vertical frequencies `(h, 1)`, k / N, or k / (N - 1) for an odd size N, as Kovesi has it.
        x: horizontal ones `(w,)`.
        weight: how often a frequency counts in a sum over all.
        inside: which samples belong to the plane.
        count: number of samples.
        spectrum: `(h, w)`.
    """

    y: Any
    x: Any
    weight: Any
    inside: Any
    count: Any
    spectrum: Complex[Array, "h w"]

    def radius(self) -> Float[Array, "h w"]:
        """The length of (y, x)."""
        return jnp.hypot(self.y, self.x)

    def mirrored(self, values: Float[Array, "h w"]) -> Float[Array, "h w"]:
        """The value at (-y, -x) in place of that at (y, x)."""
        return jnp.roll(jnp.flip(values, (0, 1)), (1, 1), (0, 1))

    def filtered(
        self, radial: Sequence[Float[Array, "h w"]], angular: Float[Array, "h w"]
    ) -> list[Complex[Array, "h w"]]:
        """The plane under each transfer function `radial` times `angular`."""
        turned = filters.apply_transfer(self.spectrum, angular)
        return [jnp.fft.ifft2(filters.apply_transfer(turned, transfer)) for transfer in radial]

    def plane(self, values: Float[Array, "h w"]) -> Float[Array, "h w"]:
        """What was computed of the filtered planes as a plane."""
        return values


class Folded(NamedTuple):
    """The spectrum by matrices.

    Attributes:
        y: as of `Whole`, in quadrants `(2, 1, n, 1)`.
        x: likewise `(2, 1, m)`.
        weight: likewise `(n, m)`: half where a frequency is in both quadrants of an axis.
        inside: likewise, of samples.
        count: likewise.
        shape: of the plane's array.
        extent: of the plane.
        rows: cosines and sines of one quadrant.
        columns: likewise.
        same: the transform at (y, x), y and x >= 0.
        opposite: at (y, -x).
    """

    y: Any
    x: Any
    weight: Any
    inside: Any
    count: Any
    shape: tuple[int, ...]
    extent: Extent
    rows: fourier.Matrix
    columns: fourier.Matrix
    same: Parts
    opposite: Parts

    def radius(self) -> Float[Array, "n m"]:
        """As `Whole.radius`, of one quadrant."""
        return jnp.hypot(self.y[1, 0], self.x[1])

    def mirrored(self, values: Float[Array, "2 2 n m"]) -> Float[Array, "2 2 n m"]:
        """As `Whole.mirrored`."""
        return values[::-1, ::-1]

    def filtered(
        self, radial: Sequence[Float[Array, "n m"]], angular: Float[Array, "2 2 n m"]
    ) -> list[Complex[Array, "2 2 n m"]]:
        """As `Whole.filtered`; `radial` is the same in all quadrants."""
        none, of_y, of_x, both = self._sums(angular)

        def across(parts: Sequence[Array], matrix: Array) -> Float[Array, "n planes m"]:
            planes = jnp.stack([transfer * part for transfer in radial for part in parts], 1)
            return fourier.product(planes, matrix.T)

        def down(matrix: Array, planes: list[Array]) -> Float[Array, "n scales parts m"]:
            joined = jnp.stack([p.reshape(p.shape[0], -1, 2, p.shape[-1]) for p in planes], 2)
            total = fourier.product(matrix, joined.reshape(joined.shape[0], -1))
            return total.reshape(-1, len(radial), 4, joined.shape[-1])

        cosines, sines = self.columns
        evens, odds = (
            down(matrix, [across(even_in_x, cosines), across(odd_in_x, sines)])
            for matrix, even_in_x, odd_in_x in zip(
                self.rows, (none, of_y), (of_x, both), strict=True
            )
        )
        return [_quadrants(evens[:, k], odds[:, k]) for k in range(len(radial))]

    def _sums(self, angular: Float[Array, "2 2 n m"]) -> tuple[Parts, Parts, Parts, Parts]:
        """Sums over the quadrants of the spectrum under a transfer function.

        Each with the sign of neither axis, of y, of x, and of both. The spectrum at (-y, -x) is the
        conjugate of that at (y, x).
        """
        scale = self.weight / extents.count(self.weight, self.extent)
        even, odd = (scale * (angular[0] + sign * angular[1, ::-1]) for sign in (1, -1))
        near, near_odd = (
            (f * self.same[0], g * self.same[1]) for f, g in ((even[0], odd[0]), (odd[0], even[0]))
        )
        far, far_odd = (
            (f * self.opposite[0], g * self.opposite[1])
            for f, g in ((even[1], odd[1]), (odd[1], even[1]))
        )
        return (
            _added(near, far, 1),
            _added(near_odd, far_odd, 1),
            _added(near_odd, far_odd, -1),
            _added(near, far, -1),
        )

    def plane(self, values: Float[Array, "2 2 n m"]) -> Float[Array, "h w"]:
        """As `Whole.plane`; arbitrary beyond the extent."""
        for axis in (0, 1):
            ahead, back = values[0], values[1]
            places, size = jnp.arange(self.shape[axis], dtype=jnp.int32), self.extent[axis]
            back_at = ahead.shape[-2] + jnp.clip(size - places, 0, ahead.shape[-2] - 1)
            both = jnp.concatenate([ahead, back], -2)
            values = jnp.take(both, jnp.where(2 * places <= size, places, back_at), axis=-2)
            values = jnp.moveaxis(values, -1, -2)
        return values


def whole(plane: Float[Array, "h w"]) -> Whole:
    """The spectrum of a plane that fills its array."""
    y, x = (
        jnp.asarray(np.fft.ifftshift(np.arange(n) - n // 2) / (n - n % 2 or 1), plane.dtype)
        for n in plane.shape
    )
    return Whole(y[:, None], x, 1.0, True, plane.size, jnp.fft.fft2(plane))


def folded(plane: Float[Array, "h w"], extent: Extent) -> Folded:
    """The spectrum of a plane with an extent."""
    rows, columns = (
        fourier.matrix(jnp.arange(length // 2 + 1, dtype=jnp.int32), length, size, plane.dtype)
        for length, size in zip(plane.shape, extent, strict=True)
    )
    (weight_y, y, inside_y), (weight_x, x, inside_x) = (
        _axis(matrix[0].shape[0], size, plane.dtype)
        for matrix, size in zip((rows, columns), extent, strict=True)
    )
    cosine, sine = (fourier.product(part, plane) for part in rows)
    (cc, cs), (sc, ss) = (
        [fourier.product(half, part.T) for part in columns] for half in (cosine, sine)
    )
    rows, columns = (
        (cosines[:, : len(cosines)], sines[:, : len(sines)]) for cosines, sines in (rows, columns)
    )
    return Folded(
        y[:, None, :, None],
        x[:, None],
        weight_y[:, None] * weight_x,
        inside_y[:, None, :, None] & inside_x[:, None],
        extent.height * extent.width,
        plane.shape,
        extent,
        rows,
        columns,
        (cc - ss, -(cs + sc)),
        (cc + ss, cs - sc),
    )


def _added(first: Parts, second: Parts, sign: int) -> Parts:
    return first[0] + sign * second[0], first[1] + sign * second[1]


def _axis(
    length: int, size: Array, dtype: Any
) -> tuple[Float[Array, " n"], Float[Array, "2 n"], Bool[Array, "2 n"]]:
    """Weights and frequencies of one axis, and which samples of each quadrant there are."""
    k, size = jnp.arange(length, dtype=jnp.int32), jnp.asarray(size, jnp.int32)
    middle = 2 * k == size  # is at -1/2 in both quadrants
    shared = (k == 0) | middle
    weight = jnp.where(shared, 0.5, jnp.where(2 * k < size, 1, 0)).astype(dtype)
    frequency = k.astype(dtype) / jnp.maximum(size - size % 2, 1).astype(dtype)
    inside = jnp.stack([2 * k <= size, (k > 0) & (2 * k < size)])
    return weight, jnp.stack([jnp.where(middle, -frequency, frequency), -frequency]), inside


def _quadrants(
    evens: Float[Array, "n 4 m"], odds: Float[Array, "n 4 m"]
) -> Complex[Array, "2 2 n m"]:
    """Four quadrants of samples from the sums with cosines, and with sines, along the columns."""
    none, of_x = ((evens[:, i], evens[:, i + 1]) for i in (0, 2))
    of_y, both = ((odds[:, i], odds[:, i + 1]) for i in (0, 2))
    sign = jnp.asarray([1, -1], evens.dtype)[:, None, None]
    y, x = sign[:, None], sign
    return lax.complex(
        none[0] - y * x * both[0] - y * of_y[1] - x * of_x[1],
        none[1] - y * x * both[1] + y * of_y[0] + x * of_x[0],
    )
