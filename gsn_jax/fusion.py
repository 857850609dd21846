"""Level-by-level fusion of a pair's features into joint features and errors."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gsn_jax.backbones.padded import Sizes, at_stride
from gsn_jax.backbones.resampling import reduce_by
from gsn_jax.heads import NonNegativeDense, positive, visibility

# Side of the windows in which texture and structure are compared, in blocks of 2 x 2 cells: 96
# pixels for cells of 16.
WINDOW = 3

# Number of means per channel from which texture and structure errors are computed.
MEANS = 4

# Scales changes, which are small, to about the magnitude of the features.
CHANGE_GAIN = 5.0

# Feature values of one image to process at a time: few enough for the CPU cache.
_TOGETHER = 1 << 20

# In units of squared features, which are of order 1. Below it, differences count absolutely.
_FLOOR = 0.05
# DISTS's constants c1 and c2, in the same units: where a whole image has next to no texture, even a
# small change is a large one.
STRUCTURE_FLOOR = 1e-6

_EPSILON = 1e-4  # a root's slope at 0 would be infinite


def similarity_error(
    a: Float[Array, "*batch c"], b: Float[Array, "*batch c"], floor: jax.Array | float
) -> Float[Array, "*batch c"]:
    """(a - b)^2 / (a^2 + b^2 + floor), from 0 to 2: the form of SSIM and GMSD, with masking.

    Below `floor`, a positive number or one per channel, differences count absolutely.
    """
    return (a - b) ** 2 / (a**2 + b**2 + floor)


class FusedLevel(NamedTuple):
    """The results of `LevelFusion`, each `(N, rows, columns, channels)`, most of them per cell.

    Attributes:
        joint: joint features of both images, which determine how visible each error is.
        errors: non-negative errors; exactly 0 where the features agree.
        errors_around: those of the windows around the blocks of 2 x 2 cells, one per block.
        means: per-cell means of the features a and b, of a^2 + b^2 and of (a - b)^2.
    """

    joint: jax.Array
    errors: jax.Array
    errors_around: jax.Array
    means: tuple[jax.Array, ...]


class LevelFusion(nn.Module):
    """Fuses reference and distorted features of one level.

    Attributes:
        width: number of output channels.
        stride: image pixels per feature of the level.
        target: stride of the result, that of the backbone's last level.
        hold_weights: see `gsn_jax.gsn.GSN`.
    """

    width: int
    stride: int
    target: int
    hold_weights: bool = False

    @nn.compact
    def __call__(
        self,
        reference: Float[Array, "n h w c"],
        distorted: Float[Array, "n h w c"],
        sizes: Sizes = None,
    ) -> FusedLevel:
        """Joint features and errors, `width` channels each, at the target stride.

        Padded features, whose images have the true `sizes` in pixels, are zero beyond them.

        Three errors per channel are mixed: that of the features themselves, and those of texture
        and structure in the surrounding window.
        """
        channels = reference.shape[-1]
        start = nn.initializers.constant(float(np.log(np.expm1(_FLOOR))))
        floors = positive(self.param("floor", start, (3, channels)))
        error, *means, squared, apart = in_bands(
            functools.partial(
                cell_statistics, floor=floors[0], stride=self.stride, target=self.target
            ),
            (reference, distorted),
            at_stride(sizes, self.stride),
            cell=self.target // self.stride,
        )
        sizes = at_stride(sizes, self.target)
        around = jnp.concatenate(
            texture_and_structure_errors(
                window_means([*means, squared, apart], sizes), floors[1], floors[2]
            ),
            axis=-1,
        )
        near = jnp.concatenate([*concatenated(*means), roots(error)], axis=-1)
        far = nn.Dense(self.width, use_bias=False, name="joint_around")(roots(around))
        joint = nn.Dense(self.width, name="joint")(near)
        joint = nn.relu(joint + spread(far, joint.shape))
        context = jax.lax.stop_gradient(joint) if self.hold_weights else joint
        near = error * visibility(channels)(context)
        (blocks,) = _block_means([context], sizes, 0)
        far = around * visibility(2 * channels, "visibility_around")(blocks)
        far = NonNegativeDense(self.width, name="mix_around")(far)
        near = NonNegativeDense(self.width, name="mix")(near)
        return FusedLevel(joint, near, far, (*means, squared, apart))


def cell_statistics(
    reference: Float[Array, "n h w c"],
    distorted: Float[Array, "n h w c"],
    sizes: Sizes,
    *,
    floor: jax.Array,
    stride: int,
    target: int,
) -> list[jax.Array]:
    """Per-cell means of the similarity error, a, b, a^2 + b^2 and (a - b)^2.

    Args:
        reference: features a.
        distorted: features b.
        sizes: true heights and widths of the features.
        floor: see `similarity_error`.
        stride: image pixels per feature.
        target: image pixels per cell.
    """
    pair = (
        similarity_error(reference, distorted, floor),
        reference,
        distorted,
        reference**2 + distorted**2,
        (reference - distorted) ** 2,
    )
    return [reduce_by(x, target // stride, sizes) for x in pair]


def in_bands(
    function: Callable[..., list[jax.Array]],
    features: Sequence[jax.Array],
    sizes: Sizes,
    *,
    cell: int,
) -> list[jax.Array]:
    """Applies `function` to large features, some rows of cells at a time.

    Its results are small, but its intermediates would be as large as the features. On a CPU, blocks
    of memory that large are returned to the system after every call, which takes longer than the
    computation.

    Args:
        function: maps features `(N, h, w, C)` and their true sizes to arrays `(N, rows, columns,
            C)`, where no cell depends on another.
        features: `(N, H, W, C)` each.
        sizes: true heights and widths of the features.
        cell: rows of features per row of cells.
    """
    count, height, width, channels = features[0].shape
    if not (isinstance(height, int) and isinstance(width, int)):
        return function(*features, sizes)  # symbolic in an exporter
    rows, rest = divmod(height, cell)
    fit = max(1, _TOGETHER // (cell * width * channels))
    if rest or rows <= fit:
        return function(*features, sizes)
    together = max(part for part in range(1, fit + 1) if rows % part == 0)

    def band(start: jax.Array) -> list[jax.Array]:
        parts = [
            jax.lax.dynamic_slice_in_dim(x, cell * start, cell * together, axis=1) for x in features
        ]
        left = None if sizes is None else sizes - jnp.stack([cell * start, 0 * start])
        return function(*parts, left)

    bands = jax.lax.map(band, jnp.arange(0, rows, together))
    return [jnp.moveaxis(x, 0, 1).reshape(count, rows, *x.shape[3:]) for x in bands]


def spread(blocks: Float[Array, "n h2 w2 c"], shape: Sequence[int]) -> Float[Array, "n h w c"]:
    """Copies the value of every block to its 2 x 2 cells; `shape` is the cells', `(N, H, W, C)`."""
    count, rows, columns, channels = blocks.shape
    copies = jnp.broadcast_to(blocks[:, :, None, :, None], (count, rows, 2, columns, 2, channels))
    return copies.reshape(count, 2 * rows, 2 * columns, channels)[:, : shape[1], : shape[2]]


def concatenated(
    reference: Float[Array, "n h w c"], distorted: Float[Array, "n h w c"]
) -> tuple[jax.Array, jax.Array]:
    """Reference features, and the change to the distorted ones; both normalised per position."""
    energy = (reference**2 + distorted**2).mean(axis=-1, keepdims=True) / 2
    scale = 1 / jnp.sqrt(energy + _FLOOR)
    return reference * scale, CHANGE_GAIN * (distorted - reference) * scale


def roots(errors: jax.Array) -> jax.Array:
    """Square roots of errors; 0 at 0, with a finite slope there."""
    return jnp.sqrt(errors + _EPSILON) - _EPSILON**0.5


def window_means(cells: Sequence[jax.Array], sizes: Sizes = None) -> list[jax.Array]:
    """Means over the part inside the image of the window around each block of 2 x 2 cells.

    The means of the blocks are averaged, so that a block cut by the border counts like any other.

    Args:
        cells: `(N, rows, columns, C)` each.
        sizes: true numbers of rows and columns, see `gsn_jax.backbones.padded`.
    """
    return _block_means(cells, sizes, WINDOW // 2)


def _block_means(cells: Sequence[jax.Array], sizes: Sizes, around: int) -> list[jax.Array]:
    """As `window_means`, for windows that extend `around` blocks in each direction."""
    rows, columns = (
        _shares(cells[0].shape[axis], None if sizes is None else sizes[:, axis - 1], around)
        for axis in (1, 2)
    )
    return [_resampled(x, rows, columns) for x in cells]


@functools.partial(jax.jit, static_argnums=(0, 2))  # traced once for all levels
def _shares(length: int, inside: jax.Array | None, around: int) -> Float[Array, "n blocks cells"]:
    """Along one axis: the share of each cell in the mean over each block's window.

    Args:
        length: number of cells.
        inside: for each image, how many of them are in it; None for all, with n = 1.
        around: see `_block_means`.
    """
    inside = jnp.array([length]) if inside is None else inside
    inside = inside[:, None, None]
    block, cell = jnp.arange((length + 1) // 2)[:, None], jnp.arange(length)
    first, last = block - around, block + around
    blocks = jnp.minimum(last, (inside - 1) >> 1) - jnp.maximum(first, 0) + 1
    cells = jnp.minimum(inside - (cell & ~1), 2)  # of the block that the cell is in
    near = (first <= cell >> 1) & (cell >> 1 <= last) & (cell < inside)
    return jnp.where(near, 1 / (blocks * cells).astype(jnp.float32), 0)


def _resampled(
    x: Float[Array, "n h w c"], rows: Float[Array, "m i h"], columns: Float[Array, "m j w"]
) -> Float[Array, "n i j c"]:
    """Linear maps along both axes, for each image (m = n) or for all (m = 1).

    Matrix products, which take XLA less time to compile and to run on a CPU than shifted sums.
    """
    n, i, j = x.shape[0], rows.shape[1], columns.shape[1]
    rows = jnp.broadcast_to(rows, (n, *rows.shape[1:]))
    columns = jnp.broadcast_to(columns[:, None], (n, i, j, columns.shape[2]))
    exact = jax.lax.Precision.HIGHEST
    x = jnp.einsum("nih,nhwc->niwc", rows, x, precision=exact)
    return jnp.matmul(columns, x, precision=exact)


def texture_and_structure_errors(
    means: Sequence[jax.Array],
    texture_floor: jax.Array | float,
    structure_floor: jax.Array | float,
) -> tuple[jax.Array, jax.Array]:
    """One minus DISTS's similarities (Ding et al., IEEE TPAMI 2022), computed without cancellation.

    With means m, variances v and the variance v_d of the difference, the texture error is
    (m_a - m_b)^2 / (m_a^2 + m_b^2 + c1) and the structure error v_d / (v_a + v_b + c2), both from
    0 to 2.

    Args:
        means: of a, b, a^2 + b^2 and (a - b)^2.
        texture_floor: c1, one number or one per channel.
        structure_floor: c2.
    """
    a, b, squared, difference_squared = means
    # Rounding may leave a variance just below 0.
    difference = jnp.maximum(difference_squared - (a - b) ** 2, 0)
    variances = jnp.maximum(squared - a**2 - b**2, 0)
    return similarity_error(a, b, texture_floor), difference / (variances + structure_floor)


def global_errors(means: Sequence[Float[Array, "*batch c"]]) -> Float[Array, "*batch 2*c"]:
    """Texture errors of all channels, then structure errors, with DISTS's constants.

    Args:
        means: as in `texture_and_structure_errors`, over the whole image.
    """
    errors = texture_and_structure_errors(means, STRUCTURE_FLOOR, STRUCTURE_FLOOR)
    return jnp.concatenate(errors, axis=-1)
