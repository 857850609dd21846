"""Metrics whose weights are the user's to get: an environment variable names the file."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from gsn_jax import images
from gsn_jax.errors import InputError


def weights_path(variable: str, wanted: str) -> Path:
    """The file that the environment variable names.

    Args:
        variable: e.g. "GSN_PIEAPP_WEIGHTS".
        wanted: what the file is and where it comes from, for the error message.

    Raises:
        InputError: the variable is not set, or names no file.
    """
    value = os.environ.get(variable)
    if not value:
        raise InputError(f"this metric needs {wanted}; set {variable} to the file's path")
    if not Path(value).is_file():
        raise InputError(f"{variable}: no such file {value}; it names {wanted}")
    return Path(value)


@dataclasses.dataclass(frozen=True, eq=False)
class UserWeightsMetric:
    """A pure function `(reference, distorted, weights) -> score` as a `Metric`.

    The weights are read at the first call and given to the compiled function as an argument,
    because a copy of some hundred megabytes in every compiled program would be too much.

    Attributes:
        name: registry name.
        scored: pure, jit-able; maps two `(..., H, W, 3)` arrays and the weights to `(...)`.
        load_weights: reads the weights; raises `InputError` when the user has given none.
        higher_is_better: direction of the score.
        value_range: smallest and largest possible score.
        min_size: smallest height and width the method is defined for.
    """

    name: str
    scored: Callable[[jax.Array, jax.Array, Any], jax.Array]
    load_weights: Callable[[], Any]
    higher_is_better: bool
    value_range: tuple[float, float]
    min_size: int = 1
    has_map: bool = dataclasses.field(default=False, init=False)

    @functools.cached_property
    def weights(self) -> Any:
        """The user's weights on the default device."""
        return jax.device_put(self.load_weights())

    @functools.cached_property
    def _compiled(self) -> Callable[[jax.Array, jax.Array, Any], jax.Array]:
        return jax.jit(self.scored)

    def function(self, reference: jax.Array, distorted: jax.Array) -> jax.Array:
        """The pure function with the user's weights, for `jit`, `vmap` and `grad`."""
        return self.scored(reference, distorted, self.weights)

    def __call__(self, reference: images.ImageLike, distorted: images.ImageLike) -> jax.Array:
        """Scores one pair or a batch of pairs; see `gsn_jax.metric.Metric`.

        Raises:
            InputError: as `FunctionMetric`; or the weights are missing or cannot be read.
        """
        pair = images.as_pair(reference, distorted, min_size=self.min_size)
        return self._compiled(*pair, self.weights)

    def quality_map(self, reference: images.ImageLike, distorted: images.ImageLike) -> jax.Array:
        """Refused: these methods have no map.

        Raises:
            InputError: always.
        """
        raise InputError(f"metric {self.name!r} has no quality map")
