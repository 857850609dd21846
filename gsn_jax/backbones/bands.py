"""VGG16 features of large images in little memory, one band of rows at a time.

Each level's band is computed from the band of the level before and the rows above it that its
windows reach, which are kept. So no feature is computed twice, and memory grows only with the width
of the image. Each convolution lags one row behind its input, because it waits for the row below.

The height and the width may be data: the image is then in the top left corner of its array. Bands
beyond it cost nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from gsn_jax.backbones import fast_convolution, vgg
from gsn_jax.backbones.convolution import Weights
from gsn_jax.backbones.imagenet import normalise_images
from gsn_jax.backbones.resampling import l2_pool, max_pool_complete
from gsn_jax.images.size_classes import Extent, Shape

# Larger images are computed in bands: as a whole, they would take 2 kB of memory per pixel.
WHOLE = 768 * 512

# Sides of the arrays of padded images. The heights are few, as only padded columns cost time.
_HEIGHTS = (176, 704, 1408, 2816, 5632)
_WIDTHS = (96, 128, 176, 224, 288, 448, 576, 704, 864, 1088, 1344, 1664, 1920, 2432, 3072, 3840)

# Image rows of a band: four at the last level, as many as the fast convolution computes at a time.
_ROWS = 64
# Bands of images above this width in pixels have half as many rows, to bound the memory.
_WIDE = 2048

Total = TypeVar("Total")


class Band(NamedTuple):
    """A band of rows of a level.

    Attributes:
        features: features of each image, zero beyond the level.
        inside: which positions are in the level.
    """

    features: Float[Array, "n rows w c"]
    inside: Bool[Array, "rows w"]


class Pooling(NamedTuple):
    """How the features of a level are halved for the next one.

    Attributes:
        pool: maps `(N, H, W, C)` to half the height and width; row i depends at most on the rows
            2 i - 1 to 2 i + 1.
        rounded_up: whether half of an odd size is rounded up, not down.
    """

    pool: Callable[[jax.Array], jax.Array]
    rounded_up: bool

    def halved(self, size: Any) -> Any:
        """The height or width of the next level."""
        return (size + self.rounded_up) // 2


MAXIMA = Pooling(functools.partial(max_pool_complete, window=2), rounded_up=False)
L2 = Pooling(l2_pool, rounded_up=True)


class _Level(NamedTuple):
    """A level's part of a band.

    Attributes:
        start: first row of the input's band, which may be above the level.
        rows: number of rows of the band.
        height: height of the level, in rows.
        width: width of the level, in columns.
    """

    start: Int[Array, ""]
    rows: int
    height: Any
    width: Any

    def inside(self, lag: int, columns: int) -> Bool[Array, "rows columns"]:
        """Which positions of a band that is `lag` rows behind the input are in the level."""
        rows = self.start - lag + jnp.arange(self.rows, dtype=jnp.int32)
        across = jnp.arange(columns, dtype=jnp.int32) < self.width
        return ((rows >= 0) & (rows < self.height))[:, None] & across


def needed(height: int, width: int) -> bool:
    """Whether images of this size are computed in bands even if they are not padded."""
    return height * width > WHOLE


def size_class(height: int, width: int) -> Shape | None:
    """The shape of the array for a padded image of this size; None if it is too large."""
    fitting = [
        next((size for size in sizes if size >= side), None)
        for sizes, side in ((_HEIGHTS, height), (_WIDTHS, width))
    ]
    rows, columns = fitting
    return None if rows is None or columns is None else (rows, columns)


def level_widths(convolutions: Sequence[Weights]) -> list[int]:
    """Channels of each of the five levels."""
    return [level[-1][0].shape[3] for level in _by_level(convolutions)]


def level_positions(extent: Extent, pooling: Pooling) -> list[Array]:
    """The number of positions of each of the five levels, as floats."""
    counts = []
    height, width = extent
    for _ in vgg.WIDTHS:
        counts.append(jnp.asarray(height, jnp.float32) * width)
        height, width = pooling.halved(height), pooling.halved(width)
    return counts


def sum_over_bands(
    images: Sequence[Float[Array, "h w 3"]],
    convolutions: Sequence[Weights],
    pooling: Pooling,
    extent: Extent | None,
    start: Total,
    add: Callable[[Total, list[Band]], Total],
) -> Total:
    """Accumulates a function over the bands of the images and of VGG16's five levels.

    The images are computed one after the other, so that equal ones have equal features.

    Args:
        images: images of one size, in [0, 1].
        convolutions: `(kernel, bias)` of the 13 layers.
        pooling: pooling between the levels.
        extent: height and width of the images; None if they fill the arrays.
        start: the total before the first band.
        add: maps a total, and a band of the images and of each level, to the next total. Every
            position is in exactly one band; the bands of one step are at different places.
    """
    array_height, array_width = images[0].shape[:2]
    rows = _ROWS if array_width <= _WIDE else _ROWS // 2
    layers = _by_level(convolutions)
    height, width = extent or (array_height, array_width)

    def step(state: tuple[Total, Any], index: Int[Array, ""]) -> tuple[tuple[Total, Any], None]:
        total, above = state
        first = index * rows
        places = jnp.minimum(first + jnp.arange(rows, dtype=jnp.int32), array_height - 1)
        top = _Level(first, rows, height, width)
        seen = top.inside(0, array_width)
        rows_seen = jnp.stack([jnp.take(image, places, axis=0) for image in images])
        bands = jnp.where(seen[..., None], rows_seen.astype(jnp.float32), 0)
        geometry = _geometry(top, pooling)
        features, above = lax.map(
            lambda one: _features(one[0], one[1], layers, pooling, geometry), (bands, above)
        )
        levels = [
            Band(level, at.inside(lag, level.shape[2]))
            for level, at, lag in zip(features, geometry, _LAGS, strict=True)
        ]
        return (add(total, [Band(bands, seen), *levels]), above), None

    last = rows >> (len(layers) - 1)
    coarsest = -(-array_height // 2 ** (len(layers) - 1))
    steps = -(-(coarsest + _LAGS[-1]) // last)
    above = [
        [jnp.zeros((len(images), *shape), jnp.float32) for shape in shapes]
        for shapes in _kept_shapes(layers, array_width, pooling)
    ]
    (total, _), _ = lax.scan(step, (start, above), jnp.arange(steps, dtype=jnp.int32))
    return total


def _by_level(convolutions: Sequence[Weights]) -> list[list[Weights]]:
    rest = iter(convolutions)
    return [[next(rest) for _ in widths] for widths in vgg.WIDTHS]


def _even(lag: int) -> int:
    return lag + lag % 2


def _lags() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Rows by which the input and the features of each level lag behind the image's band.

    A pooling starts at an even row, and so lags one row more if its input lags an odd number.
    """
    inputs, features, lag = [], [], 0
    for widths in vgg.WIDTHS:
        inputs.append(lag)
        features.append(lag + len(widths))
        lag = _even(features[-1]) // 2
    return tuple(inputs), tuple(features)


_INPUT_LAGS, _LAGS = _lags()


def _kept_shapes(
    layers: Sequence[Sequence[Weights]], width: int, pooling: Pooling
) -> list[list[tuple[int, int, int]]]:
    """Shapes of the rows above a band that each convolution and each pooling keeps, by level."""
    shapes = []
    for level, lag in zip(layers, _LAGS, strict=True):
        kept = [(2, width, kernel.shape[2]) for kernel, _ in level]
        shapes.append([*kept, (2 + lag % 2, width, level[-1][0].shape[3])])
        width = pooling.halved(width)
    return shapes


def _geometry(top: _Level, pooling: Pooling) -> list[_Level]:
    """Every level's part of a band, given that of the image."""
    levels = [top]
    for _ in vgg.WIDTHS[1:]:
        start, rows, height, width = levels[-1]
        halves = pooling.halved(height), pooling.halved(width)
        levels.append(_Level(start // 2, rows // 2, *halves))
    return levels


def _features(
    band: Float[Array, "rows w 3"],
    above: Sequence[Sequence[jax.Array]],
    layers: Sequence[Sequence[Weights]],
    pooling: Pooling,
    geometry: Sequence[_Level],
) -> tuple[list[jax.Array], list[list[jax.Array]]]:
    """The band of every level of one image, and the rows that the next band needs."""
    top, columns = geometry[0], band.shape[1]
    x = jnp.where(top.inside(0, columns)[..., None], normalise_images(band[None])[0], 0)
    levels, kept = [], []
    for index, (level, at) in enumerate(zip(layers, geometry, strict=True)):
        compute = functools.partial(_level, level, pooling, at, _INPUT_LAGS[index])
        shapes = jax.eval_shape(compute, x, above[index])
        features, pooled, rows = lax.cond(
            # Beyond the last row, nothing is left to compute.
            at.start - _even(_LAGS[index]) < at.height,
            compute,
            lambda _x, _rows, shapes=shapes: jax.tree.map(
                lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes
            ),
            x,
            above[index],
        )
        levels.append(features)
        kept.append(rows)
        x = pooled
    return levels, kept


def _level(
    layers: Sequence[Weights],
    pooling: Pooling,
    at: _Level,
    lag: int,
    x: Float[Array, "rows w c"],
    above: Sequence[jax.Array],
) -> tuple[jax.Array, jax.Array, list[jax.Array]]:
    """A level's features, the pooled ones for the next level, and the rows to keep."""
    kept = []
    for (kernel, bias), rows in zip(layers, above, strict=False):
        window = jnp.concatenate([rows, x])
        kept.append(window[-2:])
        lag += 1
        response = fast_convolution.convolve(window[None], kernel, complete_rows=True)[0]
        inside = at.inside(lag, x.shape[1])
        x = jnp.where(inside[..., None], nn.relu(response + bias), 0)
    window = jnp.concatenate([above[-1], x])
    kept.append(window[-above[-1].shape[0] :])
    lag = _even(lag)
    # The first two rows are above the band: they complete its first window.
    pooled = pooling.pool(window[None, : at.rows + 2])[0, 1:]
    halves = pooling.halved(at.height), pooling.halved(at.width)
    below = _Level(at.start // 2, at.rows // 2, *halves)
    inside = below.inside(lag // 2, pooled.shape[1])
    return x, jnp.where(inside[..., None], pooled, 0), kept
