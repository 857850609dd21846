"""Scores the decoded images of one pair: resized to one size, aligned, whole and in tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gsn_jax.errors import InputError, unexpected
from gsn_jax.images import alignment, check_sizes
from gsn_jax.images.files import resize_image
from gsn_jax.images.masks import as_mask, check_mask_size
from gsn_jax.metric import FeatureCache, Mask, Metric, forget
from gsn_jax.scoring import regions
from gsn_jax.scoring.batching import Outcome
from gsn_jax.scoring.pairs import Image, Loading, Pair, ScoredPair


class Prepared(NamedTuple):
    """The images of a pair as metrics get them.

    Attributes:
        reference: uint8, float32 in [0, 1], or float32 in cd/m2, `(H, W, 3)`.
        distorted: likewise.
        mask: the weight of each pixel; None if all count alike.
        shift: the shift that was undone; None if none was sought.
        part: first row and column of `reference` in the whole reference.
    """

    reference: Image
    distorted: Image
    mask: Mask | None = None
    shift: alignment.Shift | None = None
    part: tuple[int, int] = (0, 0)


class Masks:
    """Reads masks, and keeps the last one, which the next pair usually shares."""

    def __init__(self, max_pixels: int):
        """Reads nothing yet; for `max_pixels` see `gsn_jax.images.load_image`."""
        self._max_pixels = max_pixels
        self._last: tuple[Path, Mask] | None = None

    def load(self, path: Path) -> Mask:
        """The mask in a file.

        Raises:
            InputError: see `gsn_jax.images.masks.as_mask`.
        """
        if self._last is None or self._last[0] != path:
            self._last = path, as_mask(path, max_pixels=self._max_pixels)
        return self._last[1]


def prepare(
    pair: Pair, reference: Image, distorted: Image, loading: Loading, masks: Masks
) -> Prepared:
    """Brings both images to one size, reads the pair's mask, and undoes a shift.

    Raises:
        InputError: the images differ in size and are not resized, or the mask cannot be used.
    """
    reference, distorted = of_one_size(pair, reference, distorted, loading)
    mask = None
    if pair.mask_file is not None:
        mask = masks.load(pair.mask_file)
        check_mask_size(mask, reference, (pair.mask, pair.reference))
    if loading.align == "none":
        return Prepared(reference, distorted, mask)
    aligned = alignment.align(reference, distorted, loading.align)
    return Prepared(
        aligned.reference,
        aligned.distorted,
        None if mask is None else mask[aligned.part],
        aligned.shift,
        (aligned.part[0].start, aligned.part[1].start),
    )


def of_one_size(
    pair: Pair, reference: Image, distorted: Image, loading: Loading
) -> tuple[Image, Image]:
    """Both images; if they differ in size, `loading` says which one is resized.

    Raises:
        InputError: they differ in size and `loading` resizes neither.
    """
    if reference.shape != distorted.shape:
        clipped = loading.hdr is None
        if loading.resize == "to-reference":
            distorted = resize_image(distorted, reference.shape[:2], clipped=clipped)
        elif loading.resize == "to-distorted":
            reference = resize_image(reference, distorted.shape[:2], clipped=clipped)
        else:
            try:
                check_sizes(reference, distorted, (pair.reference, pair.distorted))
            except InputError as error:
                raise InputError(
                    f"{error}; resize one with --resize to-reference or to-distorted"
                ) from None
    return reference, distorted


def score(
    pair: Pair,
    reference: Image,
    distorted: Image,
    metrics: Sequence[Metric],
    loading: Loading,
    masks: Masks,
    tiles: regions.Tiles | None = None,
    cache: FeatureCache | None = None,
) -> ScoredPair:
    """The scores of a pair by every metric; an error of one metric does not stop the others.

    Args:
        pair: the pair.
        reference: its decoded reference.
        distorted: its decoded distorted image.
        metrics: the metrics to score with.
        loading: how the images are resized and aligned.
        masks: reads the pair's mask.
        tiles: number of tiles from top to bottom and from left to right; None for none.
        cache: cache for features of references; None for none.
    """
    try:
        prepared = prepare(pair, reference, distorted, loading, masks)
    except Exception as error:
        return failed(pair, error)
    reference, distorted, mask, shift, part = prepared
    whole: dict[str, float] = {}
    of_tiles: list[dict[str, float]] = [{} for _ in range(math.prod(tiles or (0,)))]
    errors = []
    for metric in metrics:
        key = (pair.reference_file, reference.shape, part, metric.name)
        remember = forget if cache is None else cache.of(*key)
        try:
            if mask is None:
                found = regions.score_arrays(metric, reference, distorted, remember)
            else:
                found = regions.score_masked(metric, reference, distorted, mask)
            whole[metric.name] = _checked(metric, found)
            if tiles is not None:
                parts = regions.score_tiles(metric, reference, distorted, tiles)
                for scores, value in zip(of_tiles, parts, strict=True):
                    scores[metric.name] = _checked(metric, value)
        except Exception as error:
            errors.append(_metric_line(pair, metrics, metric, error))
    # Where no tile has a score, the pair's own row says why; there may be a million tiles.
    kept = tuple(of_tiles) if any(of_tiles) else ()
    return ScoredPair(pair, whole, _joined(errors), kept, shift)


def scored(pair: Pair, metrics: Sequence[Metric], outcome: Outcome) -> ScoredPair:
    """The pair with the outcome of each metric: a score or an error."""
    whole, errors = {}, []
    for metric in metrics:
        try:
            whole[metric.name] = _checked(metric, outcome[metric.name])
        except Exception as error:
            errors.append(_metric_line(pair, metrics, metric, error))
    return ScoredPair(pair, whole, _joined(errors))


def failed(pair: Pair, error: Exception) -> ScoredPair:
    """A pair without scores, with the line that says why."""
    problem = str(InputError(pair.problem)) if pair.problem else ""
    return ScoredPair(pair, {}, problem or _error_line(pair, error))


def _joined(lines: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(lines))


def _checked(metric: Metric, score: float | Exception) -> float:
    """Refuses a score that is not finite, unless it is the best one (PSNR of equal images)."""
    if isinstance(score, Exception):
        raise score
    best = metric.value_range[1 if metric.higher_is_better else 0]
    if math.isfinite(score) or score == best:
        return score
    raise InputError(f"{metric.name} gave a score that is not finite ({score})")


def _metric_line(pair: Pair, metrics: Sequence[Metric], metric: Metric, error: Exception) -> str:
    text = _error_line(pair, error)
    return f"{metric.name}: {text}" if len(metrics) > 1 else text


def _error_line(pair: Pair, error: Exception) -> str:
    """An error as one line that names a file."""
    reason = str(error)
    if isinstance(error, InputError):
        names = (pair.reference_file, pair.distorted_file, pair.distorted)
        masks = (pair.mask_file, pair.mask) if pair.mask else ()
        if any(str(InputError(str(name))) in reason for name in (*names, *masks)):
            return reason
    else:
        reason = unexpected(error)
    return str(InputError(f"{pair.distorted}: {reason}"))
