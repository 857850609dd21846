"""Metrics whose weights users supply in a file that an environment variable names."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jaxtyping import Array, Float

from gsn_jax import images
from gsn_jax.errors import InputError
from gsn_jax.metric import declared_fields


def weights_path(variable: str, wanted: str) -> Path:
    """Returns the file that the environment variable names.

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
        raise InputError(f"{variable}: no such file {value}; set it to the path of {wanted}")
    return Path(value)


@dataclasses.dataclass(frozen=True, eq=False)
class UserWeightsMetric:
    """A pure function `(reference, distorted, weights) -> score` as a `Metric`.

    The weights are read at the first call. They are an argument of the compiled function; otherwise
    every compiled program would hold its own copy of a few hundred megabytes.

    Attributes:
        name: registry name.
        scored: pure, jit-able; maps two `(..., H, W, 3)` arrays and the weights to `(...)`.
        load_weights: reads the weights; raises `InputError` when the user has given none.
        higher_is_better: direction of the score.
        value_range: smallest and largest possible score.
        min_size: smallest height and width for which the method is defined.
    """

    name: str
    scored: Callable[[jax.Array, jax.Array, Any], jax.Array]
    load_weights: Callable[[], Any]
    higher_is_better: bool
    value_range: tuple[float, float]
    min_size: int = 1
    has_map: bool = dataclasses.field(default=False, init=False)

    def __getstate__(self) -> dict[str, Any]:
        """Only the fields: a copy rereads the weights and recompiles."""
        return declared_fields(self)

    @functools.cached_property
    def weights(self) -> Any:
        """The user's weights on the default device."""
        return jax.device_put(self.load_weights())

    @functools.cached_property
    def _compiled(self) -> Callable[..., jax.Array]:
        return jax.jit(self.scored)

    def function(
        self, reference: Float[Array, "*batch h w 3"], distorted: Float[Array, "*batch h w 3"]
    ) -> Float[Array, "*batch"]:
        """The pure function with the user's weights, for `jit`, `vmap` and `grad`."""
        return self.scored(reference, distorted, self.weights)

    def __call__(
        self, reference: images.ImageLike, distorted: images.ImageLike
    ) -> Float[Array, "*batch"]:
        """Scores one pair or a batch of pairs; see `gsn_jax.metric.Metric`.

        Raises:
            InputError: as for `FunctionMetric`; or the weights are missing or cannot be read.
        """
        pair = images.as_pair(reference, distorted, min_size=self.min_size)
        return self._compiled(*pair, self.weights)

    def quality_map(
        self, reference: images.ImageLike, distorted: images.ImageLike
    ) -> Float[Array, "*batch h w"]:
        """Not available: these metrics have no map.

        Raises:
            InputError: always.
        """
        raise InputError(f"metric {self.name!r} has no quality map")
