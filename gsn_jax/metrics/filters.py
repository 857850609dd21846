"""Linear filters on planes, as sums of shifted slices, and transfer functions.

XLA turns a sum of shifted slices into one vectorised loop. On a CPU that is many times faster than
its depthwise convolution, and it never loses bits to matrix units of reduced precision.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Complex, Float, Int

from gsn_jax.images.size_classes import DECIMATED, Extent
from gsn_jax.metric import MapGrid
from gsn_jax.metrics import extents, reductions
from gsn_jax.metrics.staging import staged


def correlate_axis(
    image: Float[Array, "*shape"], taps: Sequence[float], axis: int, stride: int = 1
) -> Float[Array, "*_shape"]:
    """The "valid" correlation with `taps` along one axis: N samples become N - len(taps) + 1.

    Only every `stride`-th of these is computed, starting with the first.
    """
    size = (image.shape[axis] - len(taps)) // stride * stride + 1
    axis %= image.ndim
    terms = (
        lax.slice_in_dim(image, shift, shift + size, stride, axis) * float(weight)
        for shift, weight in enumerate(taps)
        if weight != 0
    )
    return reductions.add(terms)


def correlate_varying(
    padded: Float[Array, "*shape"],
    weights: Float[Array | np.ndarray, "k n"],
    axis: int,
    stride: int = 1,
) -> Float[Array, "*_shape"]:
    """`correlate_axis` with different taps for each of the n samples of the result."""
    span = stride * (weights.shape[1] - 1) + 1
    shape = [-1] + [1] * (-1 - axis)
    terms = (
        jnp.asarray(values.reshape(shape), padded.dtype)
        * lax.slice_in_dim(padded, k, k + span, stride, axis % padded.ndim)
        for k, values in enumerate(weights)
    )
    return reductions.add(terms)


def mirrored_taps(
    taps: Sequence[float],
    before: int,
    size: Array | int,
    count: int,
    stride: int,
    *,
    last: bool,
    first: bool = False,
) -> Float[Array | np.ndarray, "k n"]:
    """Weights for `correlate_varying` that mirror the image at its borders.

    Samples around the image have no influence. Compiles faster than `pad`.

    Args:
        taps: of the filter.
        before: number of taps before the sample that the result belongs to.
        size: number of samples of the image, which come first in the array.
        count: number of results.
        stride: step between results.
        last: whether mirroring repeats the last sample.
        first: whether it repeats the first.
    """
    start = stride * np.arange(count, dtype=np.int32) - before
    place = start + np.arange(len(taps), dtype=np.int32)[:, None]
    source = mirrored(np.where(place < 0, -place - first, place), size, last=last)
    return tap_weights(taps, source - start, len(taps))


def mirrored(
    place: Int[np.ndarray, "*shape"], size: Array | int, *, last: bool
) -> Int[Array | np.ndarray, "*shape"]:
    """Indices of samples, from 0 on, that are mirrored at the end of an image of that size."""
    xp: Any = np if isinstance(size, int) else jnp  # constants if the size is static
    return xp.where(place < size, place, 2 * size - (1 if last else 2) - place)


def tap_weights(
    taps: Sequence[float], offsets: Int[Array | np.ndarray, "*batch t n"], count: int
) -> Float[Array | np.ndarray, "*batch {count} n"]:
    """Weights for `correlate_varying` from where each tap falls.

    Args:
        taps: of the filter.
        offsets: of the sample that each tap multiplies, from the first of `count` samples. Taps
            with another offset do not count.
        count: number of samples with weights.
    """
    falls = offsets[..., None, :, :] == np.arange(count, dtype=np.int32)[:, None, None]
    return (np.array(taps)[:, None] * falls).sum(-2)


def correlate_mirrored(
    image: Float[Array, "*batch h w"],
    taps: Sequence[float],
    before: int,
    counts: Sequence[int],
    stride: int,
    extent: Extent | None,
    *,
    last: bool = False,
    first: bool = False,
) -> Float[Array, "*batch _h _w"]:
    """Correlation with `taps` along both axes, with the `counts` of results per axis.

    The other arguments are as in `mirrored_taps`.
    """
    samples = _zeros_around(image, before)
    sizes = extent or image.shape[-2:]
    for axis, size, count in zip((-2, -1), sizes, counts, strict=True):
        weights = mirrored_taps(taps, before, size, count, stride, last=last, first=first)
        samples = staged(correlate_varying(samples, weights, axis, stride))
    return samples


def expanding_taps(
    taps: Sequence[float],
    count: int,
    source: Callable[[Int[np.ndarray, "2 5 n"]], Int[Array | np.ndarray, "2 5 n"]],
) -> Float[Array | np.ndarray, "2 3 n"]:
    """Weights for `expanded` that insert a zero after each sample and filter with five taps.

    Args:
        taps: of the filter.
        count: number of samples, n.
        source: maps even places in the result, which may lie outside it, to samples.
    """
    sample = np.arange(count, dtype=np.int32)
    place = 2 * sample + np.arange(5, dtype=np.int32)[:, None] - 2
    places = place + np.arange(2, dtype=np.int32)[:, None, None]
    odd = places % 2  # 1 where a zero was inserted: the offset -1 is that of no sample
    return tap_weights(taps, (source(places) - sample + 1) * (1 - odd) - odd, 3)


def expanded(
    image: Float[Array, "*batch h w"],
    weights: Sequence[Float[Array | np.ndarray, "2 3 n"]],
    shape: Sequence[int],
) -> Float[Array, "*batch H W"]:
    """Twice as many rows and columns, cropped to `shape`.

    Args:
        image: the planes.
        weights: for the rows and for the columns, of the sample before, at and after each sample,
            for the even and the odd samples of the result. Beyond the planes, samples are zero.
        shape: height and width of the result.
    """
    samples = _zeros_around(image, 1)
    for axis, taps, size in zip((-2, -1), weights, shape, strict=True):
        samples = staged(_expanded(samples, taps, axis, size))
    return samples


def _expanded(
    padded: Float[Array, "*shape"],
    weights: Float[Array | np.ndarray, "2 3 n"],
    axis: int,
    size: int,
) -> Float[Array, "*_shape"]:
    """`expanded` along one axis, which has one more sample at each end."""
    both = jax.vmap(lambda taps: correlate_varying(padded, taps, axis))(jnp.asarray(weights))
    shape = list(padded.shape)
    shape[axis] = 2 * (shape[axis] - 2)
    merged = jnp.moveaxis(both, 0, padded.ndim + axis + 1).reshape(shape)
    return lax.slice_in_dim(merged, 0, size, axis=padded.ndim + axis)


def _zeros_around(image: Float[Array, "*batch h w"], width: int) -> Float[Array, "*batch _h _w"]:
    return jnp.pad(image, [(0, 0)] * (image.ndim - 2) + [(width, width)] * 2)


def correlate_separable(
    image: Float[Array, "*batch h w"], rows: Sequence[float], columns: Sequence[float]
) -> Float[Array, "*batch _h _w"]:
    """The "valid" correlation with the kernel `outer(rows, columns)`."""
    return correlate_axis(correlate_axis(image, rows, -2), columns, -1)


@functools.lru_cache
def gaussian_taps(size: int, sigma: float) -> tuple[float, ...]:
    """One axis of MATLAB's `fspecial("gaussian", size, sigma)`, which is separable."""
    offsets = np.arange(size) - (size - 1) / 2
    taps = np.exp(-(offsets**2) / (2 * sigma**2))
    return tuple((taps / taps.sum()).tolist())


def box_taps(size: int) -> tuple[float, ...]:
    """One axis of an average over `size` samples."""
    return (1 / size,) * size


def pad(
    image: Float[Array, "*batch h w"],
    before: int,
    after: int,
    mode: str,
    extent: Extent | None = None,
) -> Float[Array, "*batch _h _w"]:
    """Pads height and width alike; `mode` as in `numpy.pad` ("constant" pads with zeros).

    With an `extent` the border follows the last row and column of the image, not of the array. The
    image then needs more than `after` rows and columns for "reflect", and `after` for "symmetric".

    The result is stored (`staged`): mirrored indices inside a loop over taps are slow to compile
    and to run.
    """
    widths = [(0, 0)] * (image.ndim - 2) + [(before, after)] * 2
    if extent is None:
        return staged(jnp.pad(image, widths, mode=mode))
    if mode == "constant":
        return staged(jnp.pad(extents.filled(image, extent), widths))
    for axis, size in zip((image.ndim - 2, image.ndim - 1), extent, strict=True):
        image = pad_axis(image, before, after, mode, size, axis)
    return staged(image)


def pad_axis(
    image: Float[Array, "*shape"],
    before: int,
    after: int,
    mode: str,
    size: Array | int,
    axis: int,
) -> Float[Array, "*_shape"]:
    """`pad` along one axis, whose first `size` samples are the image."""
    widths = [[0, 0] for _ in range(image.ndim)]
    widths[axis] = [before, 0]
    padded = jnp.pad(image, widths, mode=mode)
    if not after:
        return padded
    widths[axis] = [0, after]
    padded = jnp.pad(padded, widths)
    if mode == "edge":
        last = lax.dynamic_slice_in_dim(image, size - 1, 1, axis)
        border = jnp.repeat(last, after, axis)
    else:
        start = size - after - (mode == "reflect")
        border = jnp.flip(lax.dynamic_slice_in_dim(image, start, after, axis), axis)
    return lax.dynamic_update_slice_in_dim(padded, border, before + size, axis)


def viewing_factor(height: int, width: int) -> int:
    """`max(1, round(min(H, W) / 256))`, the factor by which many methods decimate first.

    Halves are rounded up, as in MATLAB.
    """
    return max(1, math.floor(min(height, width) / 256 + 0.5))


def box_downsample(
    image: Float[Array, "*batch h w"], factor: int, mode: str, extent: Extent | None = None
) -> Float[Array, "*batch _h _w"]:
    """MATLAB's `factor` x `factor` average "same", then `image(1:factor:end, 1:factor:end)`.

    The window of a sample at i covers i - floor((factor - 1) / 2) to i + floor(factor / 2), in
    `conv2` and in `imfilter`.

    Args:
        image: the planes.
        factor: size and step of the window.
        mode: "constant" for zeros outside (`conv2`), "symmetric" to mirror (`imfilter`).
        extent: where the image is in the planes.

    Returns:
        `(..., ceil(H / factor), ceil(W / factor))`.
    """
    if factor == 1:
        return image
    if extent or factor > 2 or image.shape[-2] % 2 or image.shape[-1] % 2:
        image = pad(image, (factor - 1) // 2, factor // 2, mode, extent)
    for axis in (-2, -1):
        axis %= image.ndim
        last = (image.shape[axis] - factor) // factor * factor
        terms = (
            lax.slice_in_dim(image, shift, shift + last + 1, stride=factor, axis=axis)
            for shift in range(factor)
        )
        image = reductions.add(terms)
    return image / factor**2


def halved(
    planes: Float[Array, "*batch h w"], extent: Extent | None = None
) -> Float[Array, "*batch h2 w2"]:
    """Means of 2 x 2 samples; an odd last row or column is repeated."""
    if extent is None:
        odd = [(0, size % 2) for size in planes.shape[-2:]]
        padded = jnp.pad(planes, [(0, 0)] * (planes.ndim - 2) + odd, mode="edge")
    else:
        padded = pad(planes, 0, 1, "edge", extent)
    window = (1,) * (planes.ndim - 2) + (2, 2)
    return lax.reduce_window(padded, 0.0, lax.add, window, window, "valid") / 4


def viewed(
    planes: Float[Array, "*batch h w"], mode: str, extent: Extent | None
) -> tuple[Float[Array, "*batch _h _w"], Extent | None]:
    """`box_downsample` by the `viewing_factor`, and the extent of the result.

    Padded images whose shorter side is below 384 are not decimated. The shorter side of their
    arrays must be below 384 too (`fits_viewed`), because larger arrays yield half their height and
    width.
    """
    height, width = planes.shape[-2:]
    largest = viewing_factor(height, width)
    if extent is None:
        return box_downsample(planes, largest, mode), None
    if largest == 1:
        return planes, extent
    factor = jnp.maximum((jnp.minimum(*extent) + 128) // 256, 2)
    shape = -(-height // 2), -(-width // 2)

    def by(factor: int) -> Callable[[Array], Array]:
        def downsample(planes: Array) -> Array:
            small = box_downsample(planes, factor, mode, extent)
            missing = [(0, full - size) for full, size in zip(shape, small.shape[-2:], strict=True)]
            return jnp.pad(small, [(0, 0)] * (small.ndim - 2) + missing)

        return downsample

    small = lax.switch(factor - 2, [by(number) for number in range(2, largest + 1)], planes)
    return small, extents.decimated(extent, factor)


def fits_viewed(shape: tuple[int, ...], extent: Extent) -> Bool[Array, ""]:
    """Whether `viewed` has room for an image in planes of that shape."""
    return (jnp.minimum(*extent) >= DECIMATED) | (min(shape[-2:]) < DECIMATED)


def apply_transfer(
    spectrum: Complex[Array, "*batch h w"], transfer: Float[Array, "h w"]
) -> Complex[Array, "*batch h w"]:
    """The spectrum times a real transfer function."""
    return lax.complex(spectrum.real * transfer, spectrum.imag * transfer)


def halved_grid(height: int, width: int) -> MapGrid:
    """Where the samples of `box_downsample` by 2 lie in the image."""
    del height, width
    return _decimated_grid(2)


def viewing_grid(height: int, width: int) -> MapGrid:
    """Where the samples of `box_downsample` by `viewing_factor` lie in the image."""
    return _decimated_grid(viewing_factor(height, width))


def _decimated_grid(factor: int) -> MapGrid:
    return MapGrid(factor, (factor // 2 - (factor - 1) // 2) / 2)
