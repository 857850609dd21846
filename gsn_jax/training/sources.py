"""The pairs that a configuration names, as sources for training and for evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

import data_pipelines
from data_pipelines.sources import Concatenated, PairSource, Subset
from data_pipelines.splits import split
from data_pipelines.tables import PairTable
from gsn_jax.errors import InputError


def open_sources(config: ConfigDict) -> tuple[PairSource, PairSource | None]:
    """Training and evaluation pairs of the section `data`; no reference is in both.

    Args:
        config: `train` and `eval` name tables (`PATH.csv`) or prepared data sets
            (`NAME` or `NAME:SPLIT`); where `eval` is empty, `eval_fraction` of the training
            references are held out.

    Raises:
        InputError: a table or data set cannot be opened, or a reference would be on both sides.
    """
    train = _open(config.train)
    if config.eval:
        return train, _open(config.eval)
    if not config.eval_fraction:
        return train, None
    if len(set(train.reference_ids)) < 2:
        raise InputError(
            "one reference cannot be split into training and evaluation; name an evaluation set "
            "with --config.data.eval, or set --config.data.eval_fraction=0"
        )
    held_out = config.eval_fraction
    kept, evaluation = split(train, (1 - held_out, held_out), seed=config.split_seed)
    return kept, evaluation


def thin_out(source: PairSource, most: int) -> PairSource:
    """At most `most` pairs, evenly over the source; all of them for 0."""
    if not most or len(source) <= most:
        return source
    return Subset(source, np.linspace(0, len(source) - 1, most).round().astype(int))


def _open(names: Sequence[str] | str) -> PairSource:
    names = (names,) if isinstance(names, str) else tuple(names)
    sources = [_open_one(name) for name in names]
    return sources[0] if len(sources) == 1 else Concatenated(sources, names)


def _open_one(name: str) -> PairSource:
    if name.endswith(".csv"):
        return PairTable(name)
    name, _, part = name.partition(":")
    return data_pipelines.load(name, part or "train")
