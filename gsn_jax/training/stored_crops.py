"""Features of training crops, computed once and stored in files, for a frozen backbone.

A frozen backbone gives a crop the same features in every epoch. They are computed before the first
step, for at most `data.stored_crops` crops of every pair; a reference crop passes the backbone once
for up to `TOGETHER` distorted ones. The steps then train the head on these features, many times
faster. Every pair of crops has a file, named by a digest of its pixels and of the backbone. So a
run that was stopped continues, and other runs with the same backbone (folds, other heads) reuse the
files.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import math
from collections.abc import Callable, Generator, Hashable, Sequence
from pathlib import Path
from typing import Any

import grain
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from data_pipelines.caching import CachedPairs
from data_pipelines.loader import (
    CACHE_BYTES,
    Augment,
    TrainLoader,
    check_crop,
    default_threads,
    in_batches,
    iterate,
)
from data_pipelines.sources import PairSource
from gsn_jax import fusion
from gsn_jax.errors import InputError
from gsn_jax.images import as_float
from gsn_jax.models import frozen_features
from gsn_jax.models.frozen_feature_model import FrozenFeatureModel
from gsn_jax.storage import replacing

# Distorted crops that pass the backbone together with the crop of their reference.
TOGETHER = 8

# Increased whenever what is stored changes.
VERSION = 4

Report = Callable[[int], None]


@dataclasses.dataclass(frozen=True)
class Crop:
    """One crop of one pair.

    Attributes:
        pair: index of the pair in its source.
        number: index of the crop among those of the same images.
    """

    pair: int
    number: int


class StoredCrops:
    """Random access to `{"cells": (h, w, D), "whole": (E,), "quality": ()}` of crops.

    The features, see `FrozenFeatureModel.features`, are float16.

    Args:
        model: the model whose features are stored.
        source: the pairs. A pair that occurs several times has several crops, see `plan`.
        config: the section `data` of a configuration.
        folder: folder of the files.
        seed: decides the windows and their mirroring.
    """

    def __init__(
        self,
        model: FrozenFeatureModel,
        source: PairSource,
        config: ConfigDict,
        folder: Path,
        seed: int,
    ):
        self._model, self._source, self._folder = model, source, folder
        self._seed = seed
        self._augment = Augment(config.crop_size, True)
        self._crops = plan(source, config.stored_crops)
        self._files: list[Path | None] = [None] * len(self._crops)
        self._shapes = feature_shapes(model, config.crop_size)

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        file = self._files[index]
        if file is None:
            raise RuntimeError("call compute() before reading the features")
        quality = self._source.quality[self._crops[index].pair]
        cells, whole = _read(file, self._shapes)
        return {"cells": cells, "whole": whole, "quality": np.asarray(quality, np.float32)}

    def compute(
        self, variables: Any, stop: Callable[[], Any] = lambda: None, report: Report | None = None
    ) -> bool:
        """Computes the missing features.

        Args:
            variables: variables of the model; those of the head are not used.
            stop: called between batches of crops; a true result ends the computation.
            report: called with the number of crops done.

        Returns:
            True if all are stored, False if `stop` ended it early.

        Raises:
            InputError: an image cannot be read or is smaller than the crop, or the folder cannot
                be written.
        """
        backbone = _fingerprint(self._model, variables)
        run = jax.jit(functools.partial(_features, self._model))
        variables = jax.device_put(variables)
        done = 0
        with contextlib.closing(self._loaded()) as loaded:
            for _, members in itertools.groupby(loaded, key=lambda item: item[1]):
                while part := list(itertools.islice(members, TOGETHER)):
                    if stop():
                        return False
                    self._compute_part(part, backbone, functools.partial(run, variables))
                    done += len(part)
                    if report:
                        report(done)
        return True

    def _compute_part(self, part: Sequence[Any], backbone: bytes, run: Callable) -> None:
        files = [self._file(backbone, reference, distorted) for _, _, reference, distorted in part]
        missing = [place for place, file in enumerate(files) if not file.exists()]
        if missing:
            crops = [part[place][3] for place in missing]
            crops += crops[-1:] * (TOGETHER - len(crops))  # one shape, one compilation
            found = map(np.asarray, run(part[0][2][None], np.stack(crops)))
            for place, *features in zip(missing, *found, strict=False):
                _write(files[place], features)
        for (index, *_), file in zip(part, files, strict=True):
            self._files[index] = file

    def _loaded(self) -> Generator[tuple[int, tuple, np.ndarray, np.ndarray], None, None]:
        """Yields index, key of the reference crop and both crops, grouped by key."""
        order = sorted(range(len(self)), key=self._reference_crop)
        pairs = CachedPairs(self._source, CACHE_BYTES)
        loads = grain.MapDataset.source(order).map(lambda index: self._load(pairs, index))
        iterator = iter(iterate(loads, 0, default_threads(None, 0), 4 * TOGETHER))
        try:
            yield from iterator
        finally:
            iterator.close()

    def _load(self, pairs: CachedPairs, index: int) -> tuple[int, tuple, np.ndarray, np.ndarray]:
        index, crop = int(index), self._crops[int(index)]
        _, reference, distorted = pairs[crop.pair]
        height, width = reference.shape[:2]
        check_crop(self._source, crop.pair, (height, width), self._augment.crop_size)
        # Seeded by the pixels, so that neither position nor name of the pair changes the crop.
        digest = hashlib.sha256(reference.tobytes()).digest()[:8]
        rng = np.random.default_rng([self._seed, crop.number, int.from_bytes(digest, "little")])
        window = self._augment.window(height, width, rng)
        first, second = (self._augment.apply(image, window) for image in (reference, distorted))
        return index, self._reference_crop(index), first, second

    def _reference_crop(self, index: int) -> tuple[str, int]:
        crop = self._crops[index]
        # Not the name in the table: two tables can have different images of one name.
        return repr(self._source.reference_key(crop.pair)), crop.number

    def _file(self, backbone: bytes, reference: np.ndarray, distorted: np.ndarray) -> Path:
        digest = hashlib.sha256(backbone)
        for crop in (reference, distorted):
            digest.update(repr(crop.shape).encode())
            digest.update(crop.tobytes())
        name = digest.hexdigest()[:32]
        return self._folder / name[:2] / f"{name[2:]}.npy"


def stored_loader(
    crops: StoredCrops, source: PairSource, batch_size: int, seed: int
) -> TrainLoader:
    """Batches of stored crops, reshuffled in every epoch; see `train_loader`."""
    examples = grain.MapDataset.source(crops).seed(seed).shuffle().repeat()
    return in_batches(examples, source, batch_size, seed)


def plan(source: PairSource, most: int) -> list[Crop]:
    """One crop per occurrence of a pair, with at most `most` different crops per pair.

    Further occurrences repeat these crops, so that a pair's weight is not limited by disk space.
    """
    seen: collections.Counter[tuple[Hashable, str]] = collections.Counter()
    crops = []
    for pair, distorted in enumerate(source.fields["distorted"]):
        images = source.reference_key(pair), distorted
        crops.append(Crop(pair, seen[images] % most))
        seen[images] += 1
    return crops


def _features(
    model: FrozenFeatureModel, variables: Any, reference: jax.Array, distorted: jax.Array
) -> list[jax.Array]:
    def features(model: FrozenFeatureModel, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        levels = model.encode(images)
        first = [jnp.broadcast_to(level[:1], level[1:].shape) for level in levels]
        return model.features(first, [level[1:] for level in levels])

    images = as_float(jnp.concatenate([reference, distorted]))
    parts: Any = model.apply(variables, images, method=features)
    return [part.astype(jnp.float16) for part in parts]


def feature_shapes(model: FrozenFeatureModel, size: int) -> list[tuple[int, ...]]:
    """Shapes of the stored features `cells` and `whole` of crops of a size."""
    crops = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), crops, crops)
    parts = jax.eval_shape(functools.partial(_features, model), variables, crops, crops)
    return [part.shape[1:] for part in parts]


def _fingerprint(model: FrozenFeatureModel, variables: Any) -> bytes:
    """A digest of everything but the pixels that the features depend on."""
    digest = hashlib.sha256()
    constants = (frozen_features.SIMILARITY_FLOOR, fusion.STRUCTURE_FLOOR, VERSION)
    backbone = model.backbone
    dtype = jnp.dtype(backbone.dtype or jnp.float32).name
    settings = (backbone.strides, backbone.widths, backbone.reach, backbone.centre, dtype)
    digest.update(repr((constants, settings)).encode())
    for leaf in jax.tree.leaves(variables["params"]["backbone"]):
        digest.update(np.asarray(leaf).tobytes())
    return digest.digest()


def _read(file: Path, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    # Without NumPy's reader: it parses the header by `ast`, which is not thread-safe in Python 3.11
    # (CPython issue 106905). The array after the header has a known size.
    counts = [math.prod(shape) for shape in shapes]
    offset = file.stat().st_size - sum(counts) * np.dtype(np.float16).itemsize
    values = np.fromfile(file, np.float16, sum(counts), offset=offset)
    parts = np.split(values, np.cumsum(counts)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _write(file: Path, features: Sequence[np.ndarray]) -> None:
    flat = np.concatenate([part.ravel() for part in features])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file, shared=True) as partial, partial.open("wb") as stream:
            np.save(stream, flat, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{file.parent}: cannot be written ({error.strerror})") from None
