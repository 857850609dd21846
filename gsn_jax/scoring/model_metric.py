"""A trained model as a `Metric`, loaded by its name or from a folder."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax import metrics, storage
from gsn_jax.backbones.folding import fold
from gsn_jax.compilation import bounded_jit
from gsn_jax.devices.batches import BatchClass, PairBatch
from gsn_jax.errors import InputError
from gsn_jax.heads import encode_pair
from gsn_jax.images import ImageLike, as_float, as_pair, check_size, check_sizes
from gsn_jax.images.arrays import check_no_files
from gsn_jax.images.masks import cell_weights
from gsn_jax.metric import MapGrid, Mask, Remember, forget
from gsn_jax.models import registry
from gsn_jax.models import shipped as shipped_models
from gsn_jax.models.calibration import Calibration
from gsn_jax.models.folders import read_model
from gsn_jax.scoring.tiles import TiledModel

# Smallest height and width of an image: one cell of the coarsest features.
MIN_SIZE = 16


class ModelMetric:
    """A trained model as a `Metric`: calibrated quality in [0, 1], up = better.

    A pair gets the same score, bit for bit, whether it is scored alone, in an array of images or in
    a folder: its size alone decides which functions are applied. Batches on all devices (see
    `gsn_jax.metric.Batching`) agree with that score to 1e-5. Models that can be tiled are compiled
    for few shapes and take images of any size in bounded memory, see `gsn_jax.scoring.tiles`.
    Scores on different devices agree to 1e-4.

    Attributes:
        name: name of the metric.
        higher_is_better: True.
        value_range: (0, 1); a model without calibration gives raw, unbounded scores.
        version: version of the model.
        training: configuration, step and results of the training.
        card: model card in Markdown: training data, recipe, results and limits; "" for none.
        function: the pure function `(reference, distorted) -> scores` on float arrays
            `(..., H, W, 3)` in [0, 1], for use under `jit`, `vmap` and `grad`.
    """

    higher_is_better = True

    def __init__(
        self,
        model: nn.Module,
        variables: Any,
        *,
        name: str,
        calibration: Calibration | None,
        version: str = "",
        training: dict[str, Any] | None = None,
        card: str = "",
    ):
        """Folds central difference convolutions into plain ones.

        Args:
            model: see `gsn_jax.models.registry`.
            variables: the variables of the model.
            name: name of the metric.
            calibration: maps raw scores to qualities; None gives raw scores.
            version: version of the model.
            training: how it was trained.
            card: the model card.
        """
        model, variables = fold(model, variables)
        # Put on the device once; otherwise every call may copy them.
        variables = jax.device_put(variables)
        self.name = name
        self.version = version
        self.training = training or {}
        self.card = card
        self.value_range = (0.0, 1.0) if calibration else (-np.inf, np.inf)
        self._model, self._variables, self._calibration = model, variables, calibration
        self._min_size = getattr(model, "min_size", MIN_SIZE)

    def __repr__(self) -> str:
        return f"ModelMetric({self.name!r}, version={self.version!r})"

    def __call__(self, reference: ImageLike, distorted: ImageLike) -> jax.Array:
        """Quality of one pair (a scalar) or of a batch `(..., H, W, 3)`; see `Metric`.

        Raises:
            InputError: the images cannot be read, differ in size, are outside [0, 1], or smaller
                than 16 x 16 or the model's own minimum.
        """
        first, second = as_pair(reference, distorted, min_size=self._min_size)
        if isinstance(first, jax.core.Tracer) or isinstance(second, jax.core.Tracer):
            return self.function(jnp.asarray(first), jnp.asarray(second))
        batch = first.shape[:-3]
        pairs = zip(
            first.reshape(-1, *first.shape[-3:]),
            second.reshape(-1, *second.shape[-3:]),
            strict=True,
        )
        scores = [self.score_arrays(np.asarray(a), np.asarray(b)) for a, b in pairs]
        return jnp.asarray(np.array(scores, np.float32).reshape(batch))

    def score_arrays(
        self, reference: np.ndarray, distorted: np.ndarray, remember: Remember = forget
    ) -> np.ndarray:
        """The score of one pair; see `gsn_jax.metric.ReferenceCaching`."""
        check_sizes(reference, distorted, min_size=self._min_size)
        if self._tiled is not None:
            return self._tiled.score(reference, distorted, remember)
        arrays = as_float(reference), as_float(distorted)
        return np.asarray(self._compiled(self._variables, *arrays))

    def batch_class(self, size: tuple[int, int]) -> BatchClass | None:
        """The class of a pair; see `gsn_jax.metric.Batching`."""
        check_size(size, min_size=self._min_size)
        return None if self._tiled is None else self._tiled.batch_class(size)

    def score_batch(self, batch: PairBatch) -> jax.Array:
        """Starts to score a batch; see `gsn_jax.metric.Batching`."""
        assert self._tiled is not None  # otherwise `batch_class` gives None
        return self._tiled.score_batch(batch)

    @property
    def takes_masks(self) -> bool:
        """Whether `score_regions` is available."""
        return hasattr(self._model, "sums")

    def score_regions(
        self, reference: np.ndarray, distorted: np.ndarray, masks: Iterable[Mask]
    ) -> list[float]:
        """Scores one pair under each mask; see `gsn_jax.metric.Regional`.

        The mask weighs the cells of the score map, both their errors and their share in the
        averages of the global branch.
        """
        check_sizes(reference, distorted, min_size=self._min_size)
        if not self.takes_masks:
            raise InputError(f"metric {self.name!r} cannot be used with a mask")
        grid = self.map_grid(*reference.shape[:2])
        cells = -(-reference.shape[0] // int(grid.step)), -(-reference.shape[1] // int(grid.step))
        weights = np.stack([cell_weights(mask, grid.step, grid.first, cells) for mask in masks])
        if self._tiled is not None:
            return self._tiled.score_regions(reference, distorted, weights)
        arrays = as_float(reference), as_float(distorted)
        return self._compiled_regions(self._variables, *arrays, weights).tolist()

    def function(self, reference: jax.Array, distorted: jax.Array) -> jax.Array:
        """Quality of arrays `(..., H, W, 3)` in [0, 1]. Pure; does not check values."""
        return self._calibrate(self._raw(self._variables, reference, distorted))

    def error(self, reference: jax.Array, distorted: jax.Array) -> jax.Array:
        """The error that `as_loss` minimises. It has no upper bound.

        It is 0 for an identical pair if the model fixes the score of such a pair. Unlike that of
        1 - quality, its gradient does not vanish where the calibrated quality reaches 0. Models
        with `hold_weights` hold the weights of errors constant, see `gsn_jax.gsn.GSN`.
        """
        best = registry.identity_score(self._model)
        held = {"hold_weights": True} if hasattr(self._model, "hold_weights") else {}
        return (best or 0.0) - self._raw(self._variables, reference, distorted, **held)

    def function_by_image(self, reference: jax.Array, distorted: jax.Array) -> jax.Array:
        """`function` for `(N, H, W, 3)` that encodes references and distorted images separately.

        For exporters, which cannot split the features of a batch of unknown size.
        """

        def compare(model: nn.Module, first: jax.Array, second: jax.Array) -> jax.Array:
            return model.finish(model.sums(model.encode(first), model.encode(second)))

        if not hasattr(self._model, "encode"):
            return self.function(reference, distorted)
        raw: Any = self._model.apply(self._variables, reference, distorted, method=compare)
        return self._calibrate(raw)

    @property
    def weights(self) -> dict[str, Any]:
        """Parameters and calibration: all numbers that scores depend on besides the images."""
        calibration = self._calibration.to_dict() if self._calibration else {}
        return {"variables": self._variables, "calibration": calibration}

    @property
    def has_map(self) -> bool:
        """Whether `quality_map` is available."""
        return hasattr(self._model, "quality_map")

    def quality_map(self, reference: ImageLike, distorted: ImageLike) -> jax.Array:
        """Local quality `(..., h, w)`, in [0, 1] if calibrated, on a grid coarser than the image.

        Raises:
            InputError: as for a call, or the model has no map.
        """
        if not self.has_map:
            raise InputError(f"metric {self.name!r} has no quality map")
        first, second = as_pair(reference, distorted, min_size=self._min_size)
        batch = first.shape[:-3]
        maps = self._compiled_map(
            self._variables,
            jnp.reshape(first, (-1, *first.shape[-3:])),
            jnp.reshape(second, (-1, *second.shape[-3:])),
        )
        return maps.reshape(*batch, *maps.shape[-2:])

    def map_grid(self, height: int, width: int) -> MapGrid:
        """Where the cells of `quality_map` lie in an image, whatever its `height` and `width`."""
        backbone = self._model.backbone
        return MapGrid(backbone.strides[-1], backbone.centre)

    def _calibrate(self, raw: jax.Array) -> jax.Array:
        return raw if self._calibration is None else self._calibration(raw)

    def _raw(
        self, variables: Any, reference: jax.Array, distorted: jax.Array, **settings: Any
    ) -> jax.Array:
        check_no_files(self.name, reference, distorted)
        batch = reference.shape[:-3]
        scores: Any = self._model.clone(**settings).apply(
            variables,
            reference.reshape(-1, *reference.shape[-3:]),
            distorted.reshape(-1, *distorted.shape[-3:]),
        )
        return scores.reshape(batch)

    # The variables are arguments: compiling them in as constants is slow.
    @functools.cached_property
    def _compiled(self) -> Callable[[Any, jax.Array, jax.Array], jax.Array]:
        return bounded_jit(lambda variables, a, b: self._calibrate(self._raw(variables, a, b)))

    @functools.cached_property
    def _tiled(self) -> TiledModel | None:
        if getattr(self._model, "reach", None) is None:
            return None
        return TiledModel(self._model, self._variables, self._calibrate)

    @functools.cached_property
    def _compiled_regions(self) -> Callable[..., jax.Array]:
        def scores(model: nn.Module, first: jax.Array, second: jax.Array, weights: Any) -> Any:
            features = encode_pair(model.encode, first[None], second[None])
            return jnp.stack(
                [model.finish(model.sums(*features, cells=part[None]))[0] for part in weights]
            )

        def calibrated(variables: Any, *arguments: Any) -> jax.Array:
            raw: Any = self._model.apply(variables, *arguments, method=scores)
            return self._calibrate(raw)

        return bounded_jit(calibrated)

    @functools.cached_property
    def _compiled_map(self) -> Callable[[Any, jax.Array, jax.Array], jax.Array]:
        def quality(variables: Any, first: jax.Array, second: jax.Array) -> jax.Array:
            raw: Any = self._model.apply(variables, first, second, method="quality_map")
            return self._calibrate(raw)

        return bounded_jit(quality)


def load(name_or_dir: str | os.PathLike[str] = "gsn", *, name: str | None = None) -> ModelMetric:
    """A trained model as a metric.

    Args:
        name_or_dir: the name of a shipped model, or "NAME@VERSION" for one of its versions (older
            ones may be kept). Or a folder, local or in a bucket (`gs://`): of a model, of a
            training run (its best checkpoint is loaded), or of a single checkpoint.
        name: name of the metric; by default that of the shipped model, or the kind of the model in
            the folder, e.g. "gsn".

    Raises:
        InputError: there is no such model, or the folder cannot be read as one.
    """
    if not isinstance(name_or_dir, (str, os.PathLike)):
        raise InputError(
            "a model is loaded by its name or from its folder, got "
            f"{type(name_or_dir).__name__}; known: {', '.join(shipped_models.names())}"
        )
    if shipped_models.is_shipped(name_or_dir):
        return _load_shipped(os.fspath(name_or_dir), name)
    folder = storage.folder(name_or_dir) if storage.is_url(name_or_dir) else Path(name_or_dir)
    if not folder.exists():
        if name_or_dir in metrics.names():
            raise InputError(
                f"{folder}: a metric, not a trained model; use gsn_jax.metrics.get({str(folder)!r})"
            )
        raise InputError(
            f"{folder}: neither a shipped model ({', '.join(shipped_models.names())}) nor a folder "
            "with a model or training checkpoints"
        )
    return _load_folder(folder, name)


@functools.cache
def _load_shipped(shipped_name: str, name: str | None) -> ModelMetric:
    return _load_folder(shipped_models.folder(shipped_name), name or shipped_name)


def _load_folder(folder: Path, name: str | None) -> ModelMetric:
    trained = read_model(folder)
    try:
        return ModelMetric(
            registry.build(trained.config),
            trained.variables,
            name=name or trained.config["name"],
            calibration=trained.calibration,
            version=trained.version,
            training=trained.training,
            card=trained.card,
        )
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    except Exception as error:  # e.g. a description that does not match the parameters
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{folder}: cannot be read as a model ({reason})") from error
