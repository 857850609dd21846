"""Siamese trunks: one image to features of several levels, from fine to coarse.

A trunk is a Linen module `trunk(images, train=False) -> (low, ..., high)` on `(N, H, W, 3)` in
[0, 1], with the properties `strides` (image pixels per feature of each level) and `min_size` (of
an image); `get(name, ...)` builds it, so that a configuration chooses it by name. A trunk with an
attribute `reach` takes the true `sizes` of images in larger arrays as well, and can be applied tile
by tile; each of its levels is `halve`d as often as its stride says. One whose windows are not those
that halving gives says by an attribute `centre` where they lie, see `centre`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.images.padded import Sizes, clear, halved, repeat_edge
from gsn_jax.layers import CDConv

Features = tuple[jax.Array, ...]

NORMS = ("none", "batch")


def halve(x: jax.Array, sizes: Sizes = None) -> jax.Array:
    """Means over 2 x 2; an odd last row or column is repeated, so no pixel is dropped.

    Maps `(N, H, W, C)` to `(N, ceil(H / 2), ceil(W / 2), C)`, with zeros beyond images of true
    `sizes`, see `gsn_jax.images.padded`.
    """
    if sizes is None:
        wide = jnp.promote_types(x.dtype, jnp.float32)
        means = _block_sums(_pad_to_even(x).astype(wide)) * 0.25
        return means.astype(x.dtype)  # bfloat16 is rounded once
    height, width = x.shape[1:3]
    x = jnp.pad(clear(x, sizes), ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
    return _block_sums(x) * _shares(sizes, *x.shape[1:3])


def _block_sums(x: jax.Array) -> jax.Array:
    """Sums over 2 x 2, as a sum of four planes: several times faster on a CPU than XLA's `sum`."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return x[:, :, 0, :, 0] + x[:, :, 0, :, 1] + x[:, :, 1, :, 0] + x[:, :, 1, :, 1]


def _shares(sizes: jax.Array, height: int, width: int) -> jax.Array:
    """One over the number of pixels inside each 2 x 2 block, `(N, height / 2, width / 2, 1)`.

    To repeat an odd last row and average is to average over what there is.
    """
    rows, columns = (
        1 / jnp.clip(sizes[:, axis, None] - jnp.arange(0, length, 2), 1, 2).astype(jnp.float32)
        for axis, length in enumerate((height, width))
    )
    return rows[:, :, None, None] * columns[:, None, :, None]


def centre(trunk: nn.Module) -> float:
    """Pixel (0 is the first one's middle) on which the last level's first feature is centred."""
    return getattr(trunk, "centre", (trunk.strides[-1] - 1) / 2)


def to_grid(x: jax.Array, height: int, width: int) -> jax.Array:
    """Means of `(N, h, w, C)` over the cells of a coarser grid, `(N, height, width, C)`.

    By `halve` where that leads to the grid; else (pooling that leaves out odd rows) cells share
    the rows and columns they cut, so that every feature weighs the same.
    """
    size, halvings = x.shape[1:3], 0
    while size[0] > height or size[1] > width:
        size, halvings = tuple(-(-length // 2) for length in size), halvings + 1
    if size != (height, width):
        rows, columns = _cell_means(x.shape[1], height), _cell_means(x.shape[2], width)
        exact = jax.lax.Precision.HIGHEST
        x = jnp.einsum("yh,nhwc->nywc", rows, x, precision=exact)
        return jnp.einsum("xw,nywc->nyxc", columns, x, precision=exact)
    for _ in range(halvings):
        x = halve(x)
    return x


def _cell_means(length: int, cells: int) -> np.ndarray:
    """Rows of weights, `(cells, length)`: the share of each element in each of equal cells."""
    edges = np.arange(cells + 1) * length / cells
    starts, ends = edges[:-1, None], edges[1:, None]
    position = np.arange(length)
    overlap = np.minimum(ends, position + 1) - np.maximum(starts, position)
    return np.float32(np.maximum(overlap, 0) * cells / length)


def space_to_depth(x: jax.Array, sizes: Sizes = None) -> jax.Array:
    """Every 2 x 2 pixels become the channels of one, without loss.

    Maps `(N, H, W, C)` to `(N, ceil(H / 2), ceil(W / 2), 4 C)`; odd and true sizes as in `halve`.
    """
    x = _pad_to_even(repeat_edge(x, sizes))
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    x = x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // 2, width // 2, 4 * channels)
    return clear(x, halved(sizes))


def _pad_to_even(x: jax.Array) -> jax.Array:
    _, height, width, _ = x.shape
    if height % 2 == 0 and width % 2 == 0:
        return x
    if isinstance(height, int) and isinstance(width, int):  # what every exporter understands
        x = jnp.concatenate([x, x[:, -1:]], axis=1) if height % 2 else x
        return jnp.concatenate([x, x[:, :, -1:]], axis=2) if width % 2 else x
    return jnp.pad(x, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")


class CDCBlock(nn.Module):
    """Central difference convolution, optional batch normalisation, ReLU.

    Attributes:
        features: number of output channels.
        theta: share of the central difference.
        norm: "none" or "batch". Normalisation removes contrast and mean, which quality depends
            on; "batch" is there for deep trunks and folds away after training.
        use_bias: whether the convolution has a bias (a folded block always has).
        dtype: type of the computation.
        axis_name: mesh axis over which `shard_map` divides the batch, for the batch statistics.
    """

    features: int
    theta: float = 0.7
    norm: str = "none"
    use_bias: bool = True
    dtype: Any = None
    axis_name: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Maps `(N, H, W, C)` to `(N, H, W, features)`."""
        if self.norm not in NORMS:
            raise ValueError(f"norm must be one of {NORMS}, got {self.norm!r}")
        bias = self.use_bias and self.norm == "none"
        x = CDConv(self.features, theta=self.theta, use_bias=bias, dtype=self.dtype, name="cdc")(x)
        if self.norm == "batch":
            x = nn.BatchNorm(
                use_running_average=not train,
                momentum=0.9,
                epsilon=BATCH_NORM_EPSILON,
                dtype=self.dtype,
                axis_name=self.axis_name if train else None,
                name="norm",
            )(x)
        return nn.relu(x)


BATCH_NORM_EPSILON = 1e-5


class CDCNTrunk(nn.Module):
    """The default trunk: a stem and three stages of central difference convolutions.

    Follows CDCN++ (Yu et al., CVPR 2020) in its three levels, each half the resolution of the one
    before: features at 1/4, 1/8 and 1/16 of the image. The stem moves 2 x 2 pixels into channels,
    which loses nothing and is several times cheaper to differentiate than a strided convolution at
    full resolution.

    Attributes:
        stem_width: channels of the stem.
        widths: channels of the low, middle and high level.
        blocks: blocks per stage.
        theta: share of the central difference.
        norm: "none" or "batch".
        dtype: type of the computation.
        remat: recompute each stage in the backward pass instead of storing it.
        axis_name: see `CDCBlock`.
    """

    stem_width: int = 16
    widths: Sequence[int] = (32, 64, 96)
    blocks: int = 2
    theta: float = 0.7
    norm: str = "none"
    dtype: Any = None
    remat: bool = False
    axis_name: Any = None

    @property
    def strides(self) -> tuple[int, int, int]:
        """Image pixels per feature of each level."""
        return (4, 8, 16)

    @property
    def min_size(self) -> int:
        """Smallest height and width of which every level has something left."""
        return 1

    @property
    def reach(self) -> tuple[int, int, int]:
        """How many pixels beyond its own each level's features see: 3 x 3 at strides 2 to 16."""
        low, mid, high = (2 + stride * self.blocks for stride in (4, 12, 28))
        return low, mid, high

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False, sizes: Sizes = None) -> Features:
        """Features `(N, H / 4, W / 4, c1)`, `(N, H / 8, W / 8, c2)`, `(N, H / 16, W / 16, c3)`.

        With true `sizes` (see `gsn_jax.images.padded`) they are those of the images alone, and zero
        beyond.
        """
        options = {
            "theta": self.theta,
            "norm": self.norm,
            "dtype": self.dtype,
            "axis_name": self.axis_name,
        }

        def stem(module: nn.Module, images: jax.Array, sizes: Sizes) -> jax.Array:
            # Centred, so that the zeros beyond the border are mid-gray and not black.
            x = space_to_depth(2 * images - 1, sizes)
            return CDCBlock(self.stem_width, name="stem", parent=module, **options)(x, train)

        def stage(
            module: nn.Module, x: jax.Array, name: str, width: int, sizes: Sizes
        ) -> jax.Array:
            x, sizes = halve(x, sizes), halved(sizes)
            for index in range(self.blocks):
                block = CDCBlock(width, name=f"{name}_{index}", parent=module, **options)
                x = clear(block(x, train), sizes)
            return x

        if self.remat:
            stem, stage = nn.remat(stem), nn.remat(stage, static_argnums=(2, 3))
        x, sizes = stem(self, images, sizes), halved(sizes)
        levels = []
        for name, width in zip(("low", "mid", "high"), self.widths, strict=True):
            x, sizes = stage(self, x, name, width, sizes), halved(sizes)
            levels.append(x)
        return tuple(levels)


# Module and attribute of each trunk; imported when first used.
_TRUNKS = {
    "cdcn": ("gsn_jax.backbones.cdcn", "CDCNTrunk"),
    "vgg16": ("gsn_jax.backbones.vgg", "VGG16Trunk"),
    "alexnet": ("gsn_jax.backbones.alexnet", "AlexNetTrunk"),
    "resnet18": ("gsn_jax.backbones.resnet", "resnet18"),
    "resnet34": ("gsn_jax.backbones.resnet", "resnet34"),
    "resnet50": ("gsn_jax.backbones.resnet", "resnet50"),
}
_JOINED = ("gsn_jax.backbones.joined", "JoinedTrunk")


def names() -> tuple[str, ...]:
    """Names that `get` knows."""
    return tuple(sorted(_TRUNKS))


def get(name: str, /, **options: Any) -> nn.Module:
    """The trunk of this name, with its attributes set from `options`.

    Names joined by "+", as in "vgg16+alexnet", give one that has the levels of all of them.

    Raises:
        ValueError: an unknown name or option.
    """
    parts = name.split("+")
    for part in parts:
        if part not in _TRUNKS:
            raise ValueError(f"unknown trunk {part!r}; known: {', '.join(names())}")
    module, attribute = _TRUNKS[name] if len(parts) == 1 else _JOINED
    if len(parts) > 1:
        options["parts"] = tuple(parts)
    try:
        return getattr(importlib.import_module(module), attribute)(**options)
    except TypeError as error:
        raise ValueError(f"trunk {name!r}: {error}") from None
