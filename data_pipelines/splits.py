"""Splits by reference content: no photograph is on two sides.

References are ordered by a hash of the seed and their id, so a split does not depend on the
machine, library versions or the order of the pairs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from data_pipelines.sources import PairSource, Subset
from gsn_jax.errors import InputError, listed

# The usual proportions: training, validation and test; or training and test.
RATIOS_3 = (0.6, 0.2, 0.2)
RATIOS_2 = (0.8, 0.2)


def split(
    source: PairSource, ratios: Sequence[float] = RATIOS_3, seed: int = 0
) -> tuple[Subset, ...]:
    """Splits a source by *references*, in the given proportions; each keeps all its pairs.

    Args:
        source: the pairs.
        ratios: positive, in any unit; (0.8, 0.2) and (4, 1) mean the same.
        seed: seed of the split.

    Returns:
        One source per ratio, each with at least one reference; every pair is in exactly one.

    Raises:
        InputError: a ratio is not positive, or there are fewer references than ratios.
    """
    if not ratios or min(ratios) <= 0:
        raise InputError(f"ratios: needs positive numbers, got {tuple(ratios)}")
    order = _shuffled(source.reference_ids, seed, parts=len(ratios))
    ends = np.cumsum(_counts(len(order), ratios))
    side = {reference: int(np.searchsorted(ends, i, "right")) for i, reference in enumerate(order)}
    sides = np.asarray([side[reference] for reference in source.reference_ids])
    return tuple(Subset(source, np.flatnonzero(sides == part)) for part in range(len(ratios)))


def kfold(source: PairSource, k: int = 5, seed: int = 0) -> list[tuple[Subset, Subset]]:
    """The `k` splits (training, test) of a cross-validation; each reference is tested once.

    Args:
        source: the pairs.
        k: number of folds.
        seed: seed of the folds.

    Raises:
        InputError: `k` is below 2, or there are fewer references than folds.
    """
    if k < 2:
        raise InputError(f"k: needs at least 2 folds, got {k}")
    order = _shuffled(source.reference_ids, seed, parts=k)
    fold = {reference: i % k for i, reference in enumerate(order)}
    folds = np.asarray([fold[reference] for reference in source.reference_ids])
    return [
        (Subset(source, np.flatnonzero(folds != i)), Subset(source, np.flatnonzero(folds == i)))
        for i in range(k)
    ]


def seeded_splits(
    source: PairSource, ratios: Sequence[float] = RATIOS_3, seeds: Sequence[int] = range(10)
) -> list[tuple[Subset, ...]]:
    """One split per seed; by default ten 60/20/20 splits (80/20 with `RATIOS_2`)."""
    return [split(source, ratios, seed) for seed in seeds]


def check_disjoint(*sources: PairSource) -> None:
    """Checks that no reference occurs in two of the sources.

    Raises:
        InputError: some do; the message names the first ten.
    """
    seen: dict[str, int] = {}
    shared = []
    for number, source in enumerate(sources):
        for reference in sorted(set(source.reference_ids)):
            if seen.setdefault(reference, number) != number:
                shared.append(reference)
    if shared:
        raise InputError(
            f"{len(shared)} references occur on both sides of a split: "
            f"{listed(sorted(shared), ', ')}; split by reference content"
        )


def _shuffled(references: Iterable[str], seed: int, parts: int) -> list[str]:
    names = set(references)
    if len(names) < parts:
        raise InputError(
            f"{len(names)} references cannot be split into {parts} parts; use fewer parts"
        )
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())


def _counts(total: int, ratios: Sequence[float]) -> np.ndarray:
    """Number of references in each part by largest remainder, at least one."""
    shares = np.asarray(ratios, np.float64) / np.sum(ratios) * total
    counts = np.maximum(np.floor(shares), 1).astype(int)
    while counts.sum() < total:
        counts[np.argmax(shares - counts)] += 1
    while counts.sum() > total:
        counts[np.argmin(np.where(counts > 1, shares - counts, np.inf))] -= 1
    return counts
