"""Opens the training and evaluation pairs that a configuration names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

import data_pipelines
from data_pipelines import remote
from data_pipelines.sources import Concatenated, PairSource, Rescaled, Subset
from data_pipelines.splits import split
from data_pipelines.tables import PairTable
from gsn_jax import storage
from gsn_jax.errors import InputError


def open_sources(config: ConfigDict, seed: int) -> tuple[PairSource, PairSource | None]:
    """Opens the pairs of the section `data`.

    Args:
        config: `train` and `eval` name tables (`PATH.csv`, also at URLs) or prepared data sets
            (`NAME` or `NAME:SPLIT`, e.g. `tid2013:train`). In `(PATH.csv, worst, best)` or
            `(NAME, worst, best)`, scores map linearly from worst and best to quality 0 and 1;
            worst may be the larger number. A repeated name counts as often as it is given.
            Without `eval`, `eval_fraction` of the training references are held out.
        seed: decides which references are held out.

    Returns:
        The training pairs, and the evaluation pairs or None.

    Raises:
        InputError: a table or data set cannot be opened, all training labels are equal, or there
            is only one reference, so that none can be held out.
    """
    train = _open(config.train)
    if np.ptp(train.quality) == 0:
        raise InputError(
            f"data.train: all {len(train)} labels are {train.quality[0]:g}; "
            "training needs pairs of different quality"
        )
    if config.eval:
        return train, _open(config.eval)
    if not config.eval_fraction:
        return train, None
    if len(set(train.reference_ids)) < 2:
        raise InputError(
            "data.train: a single reference cannot be split into training and evaluation; name an "
            "evaluation set with --config.data.eval, or set --config.data.eval_fraction=0"
        )
    held_out = config.eval_fraction
    kept, evaluation = split(train, (1 - held_out, held_out), seed=seed)
    return kept, evaluation


def thin_out(source: PairSource, most: int) -> PairSource:
    """At most `most` pairs, spread evenly over the source; 0 keeps all."""
    if not most or len(source) <= most:
        return source
    return Subset(source, np.linspace(0, len(source) - 1, most).round().astype(int))


def _open(names: Sequence[Any] | str) -> PairSource:
    if isinstance(names, str) or _is_scaled(names):
        names = (names,)
    entries = [tuple(name) if isinstance(name, list) else name for name in names]
    opened = {entry: _open_one(entry) for entry in dict.fromkeys(entries)}
    sources = [opened[entry] for entry in entries]
    if len(sources) == 1:
        return sources[0]
    # Groups of tables mean the same in all tables, ids of prepared sets only in their set.
    named = [entry if isinstance(entry, str) else entry[0] for entry in entries]
    return Concatenated(sources, ["" if name.endswith(".csv") else f"{name}/" for name in named])


def _is_scaled(entry: Any) -> bool:
    return (
        isinstance(entry, (list, tuple))
        and len(entry) == 3
        and isinstance(entry[0], str)
        and all(isinstance(bound, (int, float)) for bound in entry[1:])
    )


def _open_one(entry: Any) -> PairSource:
    if not isinstance(entry, str):
        if not _is_scaled(entry):
            raise InputError(
                f"{entry!r} is neither a table nor a data set; give PATH.csv, NAME, or one of them "
                "with its bounds, as in (PATH.csv, worst, best)"
            )
        name, worst, best = entry
        if name.endswith(".csv"):
            low, high = sorted((float(worst), float(best)))
            table = PairTable(_local(name), score_range=(low, high), higher_is_better=best > worst)
            return Rescaled(table, worst, best)  # also where a column `quality` says otherwise
        return Rescaled(_open_one(name), worst, best)
    if entry.endswith(".csv"):
        return PairTable(_local(entry))
    name, _, part = entry.partition(":")
    return data_pipelines.load(name, part or "train")


def _local(table: str) -> str | Path:
    """The table itself, or the local copy of a table at a URL."""
    return remote.local_table(table) if storage.is_url(table) else table
