"""Correlations of many bootstrap samples at once, resampled by reference content.

A sample draws as many contents as there are, with replacement, so it amounts to an integer weight
per pair. Each correlation has a weighted form that equals its value on the repeated pairs.
Computing it for all samples together is hundreds of times faster than one by one. All metrics see
the same samples, so that differences between metrics are paired.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from gsn_jax import agreement

Scores = Float[np.ndarray, " n"]
Rows = Bool[np.ndarray, " n"]
Samples = Float[np.ndarray, " resamples"]

_CHUNK = 2_000_000  # elements of the largest arrays


class ContentBootstrap:
    """The samples of a data set: those of `agreement.bootstrap_ci` with the same seed.

    Attributes:
        counts: int64 `(resamples, contents)`, how often a sample draws each content.
    """

    def __init__(self, contents: list[str] | np.ndarray, resamples: int = 1000, seed: int = 0):
        """Draws the samples.

        Args:
            contents: `(N,)` content of each pair.
            resamples: number of samples.
            seed: seed of the draws.
        """
        self._membership, self.counts = agreement.bootstrap_samples(
            contents, resamples=resamples, seed=seed
        )

    def plcc(self, x: Scores, y: Scores, rows: Rows | None = None) -> Samples:
        """Pearson correlation of the pairs `rows` in each sample, `(resamples,)`; NaN if undefined.

        Args:
            x: `(N,)` scores, finite in `rows`.
            y: `(N,)` opinion scores.
            rows: bool `(N,)`, the pairs to use; all by default.
        """
        x, y, member, counts = self._taking_part(x, y, rows)
        x, y = x - x.mean(), y - y.mean()
        moments = [np.ones_like(x), x, y, x * x, y * y, x * y]
        sums = np.stack([np.bincount(member, values, counts.shape[1]) for values in moments])
        n, sx, sy, sxx, syy, sxy = sums @ counts.T
        return _ratio(n * sxy - sx * sy, n * sxx - sx * sx, n * syy - sy * sy)

    def srcc(self, x: Scores, y: Scores, rows: Rows | None = None) -> Samples:
        """Spearman's correlation, see `plcc`; ties share their mean rank."""
        x, y, member, counts = self._taking_part(x, y, rows)
        return np.concatenate(
            [
                _weighted_plcc(weights, _weighted_ranks(weights, x), _weighted_ranks(weights, y))
                for weights in _weights(counts, member)
            ]
        )

    def krcc(self, x: Scores, y: Scores, rows: Rows | None = None) -> Samples:
        """Kendall's tau-b, see `plcc`."""
        x, y, member, counts = self._taking_part(x, y, rows)
        # Concordance of pairs of pairs, summed over each pair of contents.
        concordant, untied_x, untied_y = (
            np.einsum("bg,gh,bh->b", counts, table, counts, optimize=True)
            for table in _pair_tables(x, y, member, counts.shape[1])
        )
        return _ratio(concordant, untied_x, untied_y)

    def _taking_part(
        self, x: np.ndarray, y: np.ndarray, rows: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Values and contents of the rows, and the counts of these contents as float64."""
        rows = np.ones(len(self._membership), bool) if rows is None else np.asarray(rows, bool)
        present, member = np.unique(self._membership[rows], return_inverse=True)
        counts = self.counts[:, present].astype(np.float64)
        return np.asarray(x, np.float64)[rows], np.asarray(y, np.float64)[rows], member, counts


def _weights(counts: np.ndarray, member: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the weights of the pairs, `(samples, N)`, for some samples at a time."""
    step = max(1, _CHUNK // len(member))
    for start in range(0, len(counts), step):
        yield counts[start : start + step, member]


def _weighted_ranks(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean ranks among the repeated pairs, `(samples, N)`."""
    order = np.argsort(values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    upto = np.cumsum(weights[:, order], axis=1)[:, ends]
    before = np.concatenate([np.zeros((len(weights), 1)), upto[:, :-1]], axis=1)
    _, block = np.unique(values, return_inverse=True)
    return ((before + upto + 1) / 2)[:, block]


def _weighted_plcc(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    n = weights.sum(axis=1)
    centre = (n + 1) / 2  # the mean of ranks
    x, y = x - centre[:, None], y - centre[:, None]
    xy, xx, yy = (np.einsum("bn,bn,bn->b", weights, *pair) for pair in ((x, y), (x, x), (y, y)))
    return _ratio(xy, xx, yy)


def _pair_tables(
    x: np.ndarray, y: np.ndarray, member: np.ndarray, contents: int
) -> list[np.ndarray]:
    """Sums of sign(dx) sign(dy), |sign(dx)| and |sign(dy)| over pairs of contents, float64."""
    order = np.argsort(member, kind="stable")
    x, y = x[order], y[order]
    starts = np.searchsorted(member[order], np.arange(contents))
    tables = [np.zeros((contents, contents)) for _ in range(3)]
    for content, rows in enumerate(np.split(np.arange(len(x)), starts[1:])):
        dx, dy = (np.sign(v[rows, None] - v[None]).astype(np.int8) for v in (x, y))
        for table, signs in zip(tables, (dx * dy, np.abs(dx), np.abs(dy)), strict=True):
            table[content] = np.add.reduceat(signs.sum(axis=0, dtype=np.int64), starts)
    return tables


def _ratio(product: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A correlation from its three sums; NaN where a variance is zero up to rounding."""
    scale = np.sqrt(np.maximum(first, 0) * np.maximum(second, 0))
    usable = (first > 1e-12 * np.nanmax(first, initial=0)) & (
        second > 1e-12 * np.nanmax(second, initial=0)
    )
    result = np.full(len(product), np.nan)
    np.divide(product, scale, out=result, where=usable & (scale > 0))
    return np.clip(result, -1, 1)
