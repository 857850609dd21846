"""Descriptions of training crops, computed once and kept in files: for a trunk that never changes.

A frozen trunk says the same of a crop in every epoch. `data.stored_crops` crops of every pair pass
it before the first step, each crop of a reference once for all its distorted versions; the steps
then train the head on what `GSN.describe` gave, many times faster. Each description has a file of
its own, named by the pixels, the trunk and the comparison, so that a run that was stopped
continues, and other runs with this trunk (folds, other heads) find what is there.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
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
from gsn_jax.errors import InputError
from gsn_jax.gsn import GSN
from gsn_jax.images import as_float
from gsn_jax.models import descriptions

# Distorted crops that pass the trunk beside the crop of their reference.
TOGETHER = 8

Report = Callable[[int], None]


@dataclasses.dataclass(frozen=True)
class Crop:
    """One crop of one pair.

    Attributes:
        pair: index of the pair in its source.
        number: which crop of these images it is.
    """

    pair: int
    number: int


class StoredCrops:
    """Random access to `{"cells": (h, w, D), "whole": (E,), "quality": ()}` of crops.

    What `GSN.describe` gave is float16.

    Args:
        model: a GSN that works `on_grid`.
        source: the pairs. A pair that occurs again has other crops then, see `plan`.
        config: the section `data` of a configuration.
        folder: where the descriptions are or will be.
        seed: decides the windows and their mirroring.
    """

    def __init__(self, model: GSN, source: PairSource, config: ConfigDict, folder: Path, seed: int):
        self._model, self._source, self._folder = model, source, folder
        self._seed = seed
        self._augment = Augment(config.crop_size, config.flip)
        self._crops = plan(source, config.stored_crops, config.stored_variants)
        self._files: list[Path | None] = [None] * len(self._crops)
        self._shapes = _description_shapes(model, config.crop_size)

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        file = self._files[index]
        if file is None:
            raise RuntimeError("describe() the crops before reading them")
        quality = self._source.quality[self._crops[index].pair]
        cells, whole = _read(file, self._shapes)
        return {"cells": cells, "whole": whole, "quality": np.float32(quality)}

    def describe(
        self, variables: Any, stop: Callable[[], Any] = lambda: None, report: Report | None = None
    ) -> bool:
        """Computes what is missing.

        Args:
            variables: of the model; the head's are not used.
            stop: asked between files.
            report: told how many crops are done.

        Returns:
            Whether all are there; False where `stop` has ended it early.

        Raises:
            InputError: an image cannot be read or is smaller than the crop, or the folder cannot
                be written.
        """
        trunk = _fingerprint(self._model, variables)
        run = jax.jit(functools.partial(_describe, self._model))
        variables = jax.device_put(variables)
        done = 0
        with contextlib.closing(self._loaded()) as loaded:
            for _, members in itertools.groupby(loaded, key=lambda item: item[1]):
                while part := list(itertools.islice(members, TOGETHER)):
                    if stop():
                        return False
                    self._describe_part(part, trunk, functools.partial(run, variables))
                    done += len(part)
                    if report:
                        report(done)
        return True

    def _describe_part(self, part: Sequence[Any], trunk: bytes, run: Callable) -> None:
        files = [self._file(trunk, reference, distorted) for _, _, reference, distorted in part]
        missing = [place for place, file in enumerate(files) if not file.exists()]
        if missing:
            crops = [part[place][3] for place in missing]
            crops += crops[-1:] * (TOGETHER - len(crops))  # one shape, one compilation
            found = map(np.asarray, run(part[0][2][None], np.stack(crops)))
            for place, *description in zip(missing, *found, strict=False):
                _write(files[place], description)
        for (index, *_), file in zip(part, files, strict=True):
            self._files[index] = file

    def _loaded(self) -> Iterator[tuple[int, tuple, np.ndarray, np.ndarray]]:
        """Index, key of the reference's crop, and both crops; equal keys one after the other."""
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
        # By the pixels, so that neither the pair's place nor its name changes the crop.
        digest = hashlib.sha256(reference).digest()[:8]
        rng = np.random.default_rng([self._seed, crop.number, int.from_bytes(digest, "little")])
        window = self._augment.window(height, width, rng)
        first, second = (self._augment.apply(image, window) for image in (reference, distorted))
        return index, self._reference_crop(index), first, second

    def _reference_crop(self, index: int) -> tuple[str, int]:
        crop = self._crops[index]
        return str(self._source.fields["reference"][crop.pair]), crop.number

    def _file(self, trunk: bytes, reference: np.ndarray, distorted: np.ndarray) -> Path:
        digest = hashlib.sha256(trunk)
        for crop in (reference, distorted):
            digest.update(repr(crop.shape).encode())
            digest.update(crop)
        name = digest.hexdigest()[:32]
        return self._folder / name[:2] / f"{name[2:]}.npy"


def stored_loader(
    crops: StoredCrops, source: PairSource, batch_size: int, seed: int
) -> TrainLoader:
    """Batches of stored crops, in an order shuffled anew in every epoch; see `train_loader`."""
    examples = grain.MapDataset.source(crops).seed(seed).shuffle().repeat()
    return in_batches(examples, source, batch_size, seed)


def plan(source: PairSource, count: int, variants: int = 0) -> list[Crop]:
    """The crops of all pairs, `count` for every time a pair occurs.

    All of them are different; or with `variants`, from then on those of its first occurrences come
    again, so that a pair can count more often than there is room for its crops.
    """
    seen: collections.Counter[tuple[str, str]] = collections.Counter()
    crops = []
    names = zip(source.fields["reference"], source.fields["distorted"], strict=True)
    for pair, (reference, distorted) in enumerate(names):
        occurrence = seen[reference, distorted]
        first = (occurrence % variants if variants else occurrence) * count
        seen[reference, distorted] += 1
        crops += [Crop(pair, first + number) for number in range(count)]
    return crops


def _describe(
    model: GSN, variables: Any, reference: jax.Array, distorted: jax.Array
) -> list[jax.Array]:
    def describe(model: GSN, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        levels = model.encode(images)
        first = [jnp.broadcast_to(level[:1], level[1:].shape) for level in levels]
        return model.describe(first, [level[1:] for level in levels])

    images = as_float(jnp.concatenate([reference, distorted]))
    return [part.astype(jnp.float16) for part in model.apply(variables, images, method=describe)]


def _description_shapes(model: GSN, size: int) -> list[tuple[int, ...]]:
    crops = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), crops, crops)
    parts = jax.eval_shape(functools.partial(_describe, model), variables, crops, crops)
    return [part.shape[1:] for part in parts]


def _fingerprint(model: GSN, variables: Any) -> bytes:
    """Of everything beside the pixels that a description depends on."""
    digest = hashlib.sha256()
    settings = (model.trunk, dict(model.trunk_options), model.theta, model.comparison, model.dtype)
    constants = (descriptions.SIMILARITY_FLOOR, descriptions.STRUCTURE_FLOOR, descriptions.VERSION)
    digest.update(repr((settings, constants)).encode())
    for leaf in jax.tree.leaves(variables["params"]["backbone"]):
        digest.update(np.asarray(leaf))
    return digest.digest()


def _read(file: Path, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    # NumPy parses a file's header by `ast`, which threads of Python 3.11 must not do at the same
    # time (CPython issue 106905); what follows the header is known.
    counts = [math.prod(shape) for shape in shapes]
    offset = file.stat().st_size - sum(counts) * np.dtype(np.float16).itemsize
    values = np.fromfile(file, np.float16, sum(counts), offset=offset)
    parts = np.split(values, np.cumsum(counts)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _write(file: Path, description: Sequence[np.ndarray]) -> None:
    """Aside first: a file that is there is whole."""
    partial = file.with_suffix(f".{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            flat = np.concatenate([part.ravel() for part in description])
            np.save(stream, flat, allow_pickle=False)
        partial.rename(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise InputError(f"{file.parent}: cannot be written ({error.strerror})") from None
