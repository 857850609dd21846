"""Scores encodings, and keeps the scores so that a run continues where it was interrupted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsn_jax._version import __version__
from gsn_jax.metric import Metric
from gsn_jax.rate_distortion.encodings import Encoding, Study
from gsn_jax.scoring.many_pairs import score_unordered
from gsn_jax.scoring.outputs import is_store, naming, refuse_foreign
from gsn_jax.scoring.pairs import Loading
from gsn_jax.scoring.provenance import protocol_text, version_of
from gsn_jax.scoring.store import Store
from gsn_jax.storage import stamp

STORE = "scores.jsonl"
LOCK = "rd.lock"

Progress = Callable[[int, int], None]


def check_folder(folder: Path, tables: Sequence[str], *, overwrite: bool) -> None:
    """Refuses to replace scores and tables that `gsn rd` did not write; for use before the work.

    Args:
        folder: the folder, which need not exist.
        tables: names of the tables.
        overwrite: whether the user allows it.

    Raises:
        InputError: there is such a file and `overwrite` is False.
    """
    store = folder / STORE
    refuse_foreign(store, lambda path: is_store(path, ("package", "loading")), overwrite=overwrite)
    for name in tables:
        refuse_foreign(folder / name, lambda _: store.exists(), overwrite=overwrite)


def score(
    encodings: Sequence[Encoding],
    metrics: Sequence[Metric],
    folder: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Study:
    """The scores of encodings, kept in `folder/scores.jsonl`.

    A stored score is used again if the files have the same size and modification time, the package
    and the metric the same version, and the protocol is the same. Failed pairs are tried again.

    Args:
        encodings: what to score.
        metrics: the metrics; each scores every encoding.
        folder: where scores are kept; None keeps none.
        progress: called with the number of pairs done and of all pairs.

    Raises:
        InputError: scores cannot be written.
    """
    versions = {
        metric.name: f"{version_of(metric)} {protocol_text(metric)}".strip() for metric in metrics
    }
    loading, store = Loading(), None
    if folder is not None:
        run = {
            "package": __version__,
            "loading": [loading.alpha, loading.max_pixels, loading.resize],
        }
        with naming(folder / STORE):
            store = Store(folder / STORE, run)
            store.open()
    rows = [_kept(store, item, versions) for item in encodings]
    missing: dict[tuple[str, ...], list[int]] = {}
    for index, row in enumerate(rows):
        names = tuple(name for name in versions if name not in row)
        if names:
            missing.setdefault(names, []).append(index)
    errors = [""] * len(rows)
    done = len(rows) - sum(map(len, missing.values()))
    progress(done, len(rows))
    pairs = [item.pair for item in encodings]
    try:
        for names, wanted in missing.items():
            chosen = [metric for metric in metrics if metric.name in names]
            for index, scored in score_unordered(pairs, chosen, loading, wanted=wanted):
                rows[index] |= scored.scores
                errors[index] = scored.error
                if store is not None:
                    with naming(store.path):
                        item = encodings[index]
                        kept = _stored(store, item) | {
                            name: [value, versions[name]] for name, value in rows[index].items()
                        }
                        store.add(_key(item), {"files": _stamp(item), "scores": kept})
                done += 1
                progress(done, len(rows))
    finally:
        if store is not None:
            store.close()
    return Study(
        encodings,
        {metric.name: metric.higher_is_better for metric in metrics},
        {name: np.asarray([row.get(name, math.nan) for row in rows]) for name in versions},
        errors,
        ", ".join(dict.fromkeys(map(protocol_text, metrics))),
    )


def _key(item: Encoding) -> str:
    return "\n".join((item.image, item.codec, item.setting))


def _kept(store: Store | None, item: Encoding, versions: dict[str, str]) -> dict[str, float]:
    stored = {} if store is None else _stored(store, item)
    return {
        name: value for name, (value, version) in stored.items() if versions.get(name) == version
    }


def _stored(store: Store, item: Encoding) -> dict[str, Any]:
    """The stored scores and versions of a pair, by metric; {} if its files have changed."""
    match store.rows.get(_key(item)):
        case {"files": files, "scores": dict(scores)} if files == _stamp(item):
            return scores
    return {}


def _stamp(item: Encoding) -> list[list[int] | None]:
    """Sizes and modification times of the pair's files."""
    return [stamp(item.pair.reference_file), stamp(item.pair.distorted_file)]
