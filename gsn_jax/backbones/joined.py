"""Several trunks as one: each sees the images alone, and the levels of all are compared."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import flax.linen as nn
import jax

from gsn_jax.backbones import cdcn
from gsn_jax.images.padded import Sizes


class JoinedTrunk(nn.Module):
    """The levels of several trunks, one trunk after the other, as of `get("vgg16+alexnet")`.

    Networks that were trained apart err apart, so what they say together is worth more. The
    parameters are those of every trunk under its name.

    Attributes:
        parts: names of the trunks. All must end at the same stride.
        theta: share of the central difference, in all of them.
        norm: see `gsn_jax.backbones.cdcn`, of all of them.
        dtype: type of the computation.
        remat: recompute each level in the backward pass instead of storing it.
        axis_name: mesh axis over which `shard_map` divides the batch.
    """

    parts: Sequence[str]
    theta: float = 0.7
    norm: str = "none"
    dtype: Any = None
    remat: bool = False
    axis_name: Any = None

    def check_settings(self) -> None:
        """Raises a ValueError that names the first setting that does not fit."""
        members = self._members(parent=None)
        for trunk in members:
            getattr(trunk, "check_settings", lambda: None)()
        if len(set(self.parts)) < len(self.parts):
            raise ValueError(f"{'+'.join(self.parts)}: every trunk may be joined once")
        ends = {name: trunk.strides[-1] for name, trunk in zip(self.parts, members, strict=True)}
        if len(set(ends.values())) > 1:
            raise ValueError(f"joined trunks must end at one stride, got {ends}")

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels per feature of each level."""
        return _chained(trunk.strides for trunk in self._members(parent=None))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return _chained(trunk.widths for trunk in self._members(parent=None))

    @property
    def min_size(self) -> int:
        """Smallest height and width that every trunk can describe."""
        return max(trunk.min_size for trunk in self._members(parent=None))

    @property
    def reach(self) -> tuple[int, ...] | None:
        """How many pixels beyond its own each level's features see; None where a trunk says not."""
        reaches = [getattr(trunk, "reach", None) for trunk in self._members(parent=None)]
        return None if None in reaches else _chained(reaches)

    @property
    def centre(self) -> float:
        """Mean over the trunks of the pixel on which the last level's first feature is centred."""
        return statistics.fmean(cdcn.centre(trunk) for trunk in self._members(parent=None))

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, sizes: Sizes = None
    ) -> tuple[jax.Array, ...]:
        """Features `(N, H / s, W / s, C)` of `(N, H, W, 3)` in [0, 1], s of `strides`.

        With true `sizes` (see `gsn_jax.images.padded`) they are those of the images alone, and zero
        beyond. They need trunks with a `reach`.
        """
        self.check_settings()
        given = {} if sizes is None else {"sizes": sizes}
        return _chained(trunk(images, train, **given) for trunk in self._members())

    def _members(self, **options: Any) -> list[nn.Module]:
        options |= {
            "theta": self.theta,
            "norm": self.norm,
            "dtype": self.dtype,
            "axis_name": self.axis_name,
            "remat": self.remat,
        }
        return [cdcn.get(name, name=name, **options) for name in self.parts]


def _chained(levels: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    return tuple(itertools.chain.from_iterable(levels))
