"""Several backbones joined into one: each processes the images, and all their levels are used."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

import flax.linen as nn
import jax

from gsn_jax.backbones.padded import Sizes


class Joined(nn.Module):
    """The levels of several backbones, one backbone after the other.

    Networks trained separately make different errors, so they judge better together. The parameters
    of the part NAME are called `parts_NAME`.

    Attributes:
        parts: backbones by name. All must end at the same stride.
    """

    parts: Mapping[str, nn.Module]

    def __post_init__(self) -> None:
        """Checks that the parts fit together."""
        ends = {name: part.strides[-1] for name, part in self.parts.items()}
        if len(set(ends.values())) > 1:
            raise ValueError(f"joined backbones must end at the same stride, got {ends}")
        super().__post_init__()

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels per feature of each level."""
        return _chained(part.strides for part in self.parts.values())

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return _chained(part.widths for part in self.parts.values())

    @property
    def reach(self) -> tuple[int, ...] | None:
        """Extent of receptive fields, see `gsn_jax.backbones`; None if it is None for a part."""
        reaches = [part.reach for part in self.parts.values()]
        return None if None in reaches else _chained(reaches)

    @property
    def centre(self) -> float:
        """Mean over the parts of the pixel on which the last level's first feature is centred."""
        return statistics.fmean(part.centre for part in self.parts.values())

    def __call__(self, images: jax.Array, sizes: Sizes = None) -> tuple[jax.Array, ...]:
        """Features of `(N, H, W, 3)` images in [0, 1], see `gsn_jax.backbones`."""
        return _chained(part(images, sizes=sizes) for part in self.parts.values())


def _chained(levels: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    return tuple(itertools.chain.from_iterable(levels))
