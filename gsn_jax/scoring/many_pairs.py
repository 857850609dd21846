"""Scoring many pairs of files. Images are decoded ahead; a bad pair does not stop the others."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Shaped

from gsn_jax.devices.batches import Images
from gsn_jax.errors import InputError
from gsn_jax.images import check_sizes, pair_tables
from gsn_jax.images.files import (
    MAX_PIXELS,
    Alpha,
    load_image,
    read_size,
    resize_image,
)
from gsn_jax.metric import (
    CACHE_BYTES,
    FeatureCache,
    Metric,
    ReferenceCaching,
    Remember,
    SizeAware,
    forget,
)
from gsn_jax.scoring import batching
from gsn_jax.scoring.batching import Outcome
from gsn_jax.scoring.decoding import Decoded, decode_ahead

Resize = Literal["to-reference", "to-distorted"]
# uint8, or float32 in [0, 1].
Image = Shaped[np.ndarray, "h w 3"]

# So many pairs, the first ones, show which sizes are frequent.
_SAMPLE = 64


def shown(name: str | os.PathLike[str]) -> str:
    """A file name that can be printed: bytes that are not UTF-8 are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two files to compare.

    Attributes:
        reference: name of the reference as it was given.
        distorted: name of the distorted image as it was given.
        reference_file: its path; None if `problem` says why there is none.
        distorted_file: likewise.
        problem: why the pair cannot be scored, if that is known before a file is opened; else "".
    """

    reference: str
    distorted: str
    reference_file: Path | None
    distorted_file: Path | None
    problem: str = ""

    @property
    def files(self) -> tuple[Path, Path]:
        """Paths of the reference and of the distorted image.

        Raises:
            InputError: the pair has a problem.
        """
        if self.problem or self.reference_file is None or self.distorted_file is None:
            raise InputError(self.problem)
        return self.reference_file, self.distorted_file


@dataclasses.dataclass(frozen=True)
class ScoredPair:
    """A pair with its scores.

    Attributes:
        pair: the pair.
        scores: metric name to score, for the metrics that could be computed.
        error: one line that says why others could not; else "".
    """

    pair: Pair
    scores: dict[str, float]
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Loading:
    """How files become pairs of arrays.

    Attributes:
        alpha: see `gsn_jax.images.load_image`.
        max_pixels: see `gsn_jax.images.load_image`.
        resize: the image that is resized if the two differ in size; None refuses such a pair.
    """

    alpha: Alpha = "refuse"
    max_pixels: int = MAX_PIXELS
    resize: Resize | None = None

    def load(self, path: Path) -> Image:
        """An image file as uint8, or float32 in [0, 1]."""
        return load_image(path, alpha=self.alpha, max_pixels=self.max_pixels)


def pairs_of_files(reference: str, distorted: Sequence[str]) -> list[Pair]:
    """One reference with each of several distorted images."""
    return [Pair(shown(reference), shown(d), Path(reference), Path(d)) for d in distorted]


def pairs_of_table(table: str | os.PathLike[str]) -> list[Pair]:
    """The pairs of a pairs table, in its order; a bad row is a pair with its problem.

    Raises:
        InputError: the table itself cannot be read.
    """
    return [_pair_of_row(table, row) for row in pair_tables.read_rows(table)]


def _pair_of_row(table: str | os.PathLike[str], row: pair_tables.Row) -> Pair:
    reference, distorted = row.fields["reference"], row.fields["distorted"]
    try:
        if row.problem:
            raise InputError(row.problem)
        files = [pair_tables.resolve(table, name) for name in (reference, distorted)]
        return Pair(reference, distorted, files[0], files[1])
    except InputError as error:
        return Pair(reference, distorted, None, None, f"line {row.line}: {error}")


def running_order(pairs: Sequence[Pair], wanted: Iterable[int]) -> list[int]:
    """The wanted indices with the pairs of a reference together, references as they appear."""
    groups: dict[Path | None, list[int]] = {}
    for index in wanted:
        groups.setdefault(pairs[index].reference_file, []).append(index)
    return [index for group in groups.values() for index in group]


def share(pairs: Sequence[Pair], process: int, processes: int) -> list[int]:
    """The indices of the pairs that one of several processes scores.

    Shares differ by at most one pair, and keep most pairs of a reference together.
    """
    order = running_order(pairs, range(len(pairs)))
    first, end = (len(order) * number // processes for number in (process, process + 1))
    return order[first:end]


def score_pairs(
    pairs: Iterable[Pair],
    metrics: Sequence[Metric],
    *,
    alpha: Alpha = "refuse",
    max_pixels: int = MAX_PIXELS,
    resize: Resize | None = None,
    cache_bytes: int = CACHE_BYTES,
    batch_size: int | None = None,
) -> Iterator[ScoredPair]:
    """Scores pairs and yields them in their order, while the next ones are decoded.

    Args:
        pairs: what to score.
        metrics: each scores every pair.
        alpha: see `gsn_jax.images.load_image`.
        max_pixels: see `gsn_jax.images.load_image`.
        resize: see `Loading`.
        cache_bytes: see `score_unordered`.
        batch_size: see `score_unordered`.

    Yields:
        One `ScoredPair` per pair; a pair that cannot be scored carries its error.
    """
    pairs = list(pairs)
    loading = Loading(alpha, max_pixels, resize)
    yield from in_order(
        score_unordered(pairs, metrics, loading, cache_bytes=cache_bytes, batch_size=batch_size)
    )


def in_order(scored: Iterable[tuple[int, ScoredPair]]) -> Iterator[ScoredPair]:
    """Pairs in the order of their indices 0, 1, 2, ..., each as soon as it is its turn."""
    waiting: dict[int, ScoredPair] = {}
    following = 0
    for index, item in scored:
        waiting[index] = item
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def score_unordered(
    pairs: Sequence[Pair],
    metrics: Sequence[Metric],
    loading: Loading | None = None,
    *,
    wanted: Iterable[int] | None = None,
    cache_bytes: int = CACHE_BYTES,
    batch_size: int | None = None,
) -> Iterator[tuple[int, ScoredPair]]:
    """Scores pairs in an order in which each reference is decoded and encoded once.

    On a CPU one after the other. On accelerators, or with a batch size, in batches that are divided
    over all local devices; scores differ by at most 1e-5, relative for scores above 1. A device
    then encodes a reference once per batch.

    Args:
        pairs: what to score.
        metrics: each scores every pair.
        loading: how files are read.
        wanted: indices of the pairs to score; None for all.
        cache_bytes: size of the cache of references' features; 0 decodes and encodes the reference
            of every pair anew. Batches have no cache.
        batch_size: pairs that each device scores at once; None for one by one on a CPU, and what
            the memory holds on accelerators.

    Yields:
        The index of a pair and its `ScoredPair`.
    """
    loading = loading or Loading()
    order = running_order(pairs, range(len(pairs)) if wanted is None else wanted)
    _announce_sizes([pairs[index] for index in order], metrics)
    if batching.wanted(batch_size):
        yield from _in_batches(order, pairs, metrics, loading, batch_size)
        return
    cache = FeatureCache(cache_bytes) if cache_bytes else None
    uses = collections.Counter(pairs[index].reference_file for index in order)
    for index, decoded in decode_ahead(order, pairs, loading, shared=cache is not None):
        pair = pairs[index]
        again = cache is not None and uses[pair.reference_file] > 1
        yield index, _score(pair, decoded, metrics, loading, cache if again else None)


def _in_batches(
    order: Sequence[int],
    pairs: Sequence[Pair],
    metrics: Sequence[Metric],
    loading: Loading,
    batch_size: int | None,
) -> Iterator[tuple[int, ScoredPair]]:
    def load(pair: Pair, decoded: Decoded) -> Images:
        if decoded is None:
            raise InputError(pair.problem)
        return of_one_size(pair, decoded[0].result(), decoded[1].result(), loading.resize)

    jobs = (
        batching.Job(index, functools.partial(load, pairs[index], decoded), metrics)
        for index, decoded in decode_ahead(
            order, pairs, loading, shared=True, threads=os.cpu_count() or 1
        )
    )
    with contextlib.closing(jobs):
        for index, outcome in batching.score_in_batches(jobs, len(order), batch_size):
            yield index, _concluded(pairs[index], metrics, outcome)


def _announce_sizes(pairs: Sequence[Pair], metrics: Sequence[Metric]) -> None:
    """Tells the metrics which sizes to expect and how often, by the headers of the first pairs."""
    expecting = [metric for metric in metrics if isinstance(metric, SizeAware)]
    sample = [pair for pair in pairs[:_SAMPLE] if not pair.problem] if expecting else []
    sizes = collections.Counter(read_size(pair.files[1]) for pair in sample)
    for size, number in sizes.items():
        for metric in expecting:
            if size is not None:
                metric.expect(size, number * len(pairs) // len(sample))


def _score(
    pair: Pair,
    decoded: Decoded,
    metrics: Sequence[Metric],
    loading: Loading,
    cache: FeatureCache | None,
) -> ScoredPair:
    if decoded is None:
        return ScoredPair(pair, {}, str(InputError(pair.problem)))
    try:
        images = decoded[0].result(), decoded[1].result()
    except Exception as error:
        return ScoredPair(pair, {}, _line(pair, error))
    return score_images(pair, *images, metrics, loading.resize, cache)


def score_images(
    pair: Pair,
    reference: Image,
    distorted: Image,
    metrics: Sequence[Metric],
    resize: Resize | None = None,
    cache: FeatureCache | None = None,
) -> ScoredPair:
    """The scores of a pair whose images are decoded; what fails is its error.

    Args:
        pair: the pair.
        reference: its reference.
        distorted: its distorted image.
        metrics: each scores the pair.
        resize: see `Loading`.
        cache: features of references; None keeps none.
    """
    try:
        reference, distorted = of_one_size(pair, reference, distorted, resize)
    except Exception as error:
        return ScoredPair(pair, {}, _line(pair, error))
    outcome: Outcome = {}
    for metric in metrics:
        key = (pair.reference_file, reference.shape, metric.name)
        remember = forget if cache is None else cache.of(*key)
        try:
            outcome[metric.name] = score_arrays(metric, reference, distorted, remember)
        except Exception as error:
            outcome[metric.name] = error
    return _concluded(pair, metrics, outcome)


def _concluded(pair: Pair, metrics: Sequence[Metric], outcome: Outcome | Exception) -> ScoredPair:
    """A pair with its scores and the line of what failed."""
    if pair.problem:
        return ScoredPair(pair, {}, str(InputError(pair.problem)))
    if isinstance(outcome, Exception):
        return ScoredPair(pair, {}, _line(pair, outcome))
    scores, errors = {}, []
    for metric in metrics:
        try:
            scores[metric.name] = _checked(metric, outcome[metric.name])
        except Exception as error:
            text = _line(pair, error)
            errors.append(f"{metric.name}: {text}" if len(metrics) > 1 else text)
    return ScoredPair(pair, scores, "; ".join(dict.fromkeys(errors)))


def score_arrays(
    metric: Metric, reference: Image, distorted: Image, remember: Remember = forget
) -> float:
    """The score of two images.

    Args:
        metric: what to score with.
        reference: the pristine image.
        distorted: the image to judge.
        remember: looks up the reference's features, see `gsn_jax.metric.Remember`.

    Raises:
        InputError: the images are too small for the metric.
    """
    if isinstance(metric, ReferenceCaching):
        return float(metric.score_arrays(reference, distorted, remember))
    return float(metric(reference, distorted))


def _checked(metric: Metric, score: float | Exception) -> float:
    """Refuses a score that is not finite, unless it is the best one (PSNR of equal images)."""
    if isinstance(score, Exception):
        raise score
    best = metric.value_range[1 if metric.higher_is_better else 0]
    if math.isfinite(score) or score == best:
        return score
    raise InputError(f"{metric.name} gives no finite score ({score}) for this pair")


def of_one_size(
    pair: Pair, reference: Image, distorted: Image, resize: Resize | None
) -> tuple[Image, Image]:
    """Both images; if they differ in size, one of them is resized as asked for.

    Raises:
        InputError: they differ in size and `resize` is None.
    """
    if reference.shape != distorted.shape:
        if resize == "to-reference":
            distorted = resize_image(distorted, reference.shape[:2])
        elif resize == "to-distorted":
            reference = resize_image(reference, distorted.shape[:2])
        else:
            try:
                check_sizes(reference, distorted, (pair.reference, pair.distorted))
            except InputError as error:
                raise InputError(
                    f"{error}; resize one with --resize to-reference or to-distorted"
                ) from None
    return reference, distorted


def _line(pair: Pair, error: Exception) -> str:
    """An error as one line that names a file."""
    reason = str(error)
    if isinstance(error, InputError):
        names = (pair.reference_file, pair.distorted_file, pair.distorted)
        if any(str(InputError(str(name))) in reason for name in names):
            return reason
    elif isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in reason:
        reason = "not enough memory for an image of this size; reduce or crop it"
    else:
        reason = f"could not be scored ({type(error).__name__}: {reason[:300]})"
    return str(InputError(f"{pair.distorted}: {reason}"))
