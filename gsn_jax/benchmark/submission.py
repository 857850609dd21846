"""Writes scores of a folder in the format of the NTIRE challenges on perceptual quality.

A ZIP without folders: `output.txt` has a line `name,score` per distorted image, `readme.txt` the
four lines that the challenge's server requires. J. Gu et al., CVPR Workshops 2021 and 2022; their
test images are named as in PIPAL: A0001_00_00.bmp is a distorted A0001.bmp.
"""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from gsn_jax.errors import InputError
from gsn_jax.images.files import SUFFIXES
from gsn_jax.metric import Metric
from gsn_jax.scoring.many_pairs import score_pairs
from gsn_jax.scoring.outputs import writing
from gsn_jax.scoring.pairs import Pair


def match(references: Path, distorted: Path) -> list[Pair]:
    """Pairs each image of the folder `distorted` with its reference, sorted by name.

    Without suffixes, the reference has the name of the distorted image or its part before an
    underscore. The longest match counts; case is ignored.

    Raises:
        InputError: a folder is missing or empty, an image has no reference, or two references have
            the same name.
    """
    known: dict[str, Path] = {}
    for path in _images(references):
        other = known.setdefault(path.stem.lower(), path)
        if other != path:
            raise InputError(f"{path}: has the same name as {other}; remove one of them")
    pairs, alone = [], []
    for path in _images(distorted):
        words = path.stem.lower().split("_")
        names = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
        found = next((known[name] for name in names if name in known), None)
        if found is None:
            alone.append(path.name)
        else:
            pairs.append(Pair(found.name, path.name, found, path))
    if alone:
        more = f" and {len(alone) - 5} more" if len(alone) > 5 else ""
        raise InputError(
            f"{references}: no reference for {', '.join(alone[:5])}{more}; add the references, "
            "such as A0001.bmp for A0001_00_00.bmp"
        )
    return pairs


def score_all(
    pairs: list[Pair], metric: Metric, progress: Callable[[int, int], None] | None = None
) -> tuple[list[tuple[str, float]], float]:
    """Scores all pairs; returns names with scores, and the seconds per image.

    Scores are up = better: distances are negated. The time includes decoding but, where there are
    several pairs, not the first of them, which includes compilation.

    Raises:
        InputError: an image cannot be scored; the challenge accepts no gaps.
    """
    scores: list[tuple[str, float]] = []
    start = time.perf_counter()
    for item in score_pairs(pairs, [metric]):
        if item.error:
            raise InputError(item.error)
        value = item.scores[metric.name]
        scores.append((item.pair.distorted, value if metric.higher_is_better else -value))
        if len(scores) == 1 and len(pairs) > 1:
            start = time.perf_counter()
        if progress is not None:
            progress(len(scores), len(pairs))
    return scores, (time.perf_counter() - start) / max(len(pairs) - 1, 1)


def readme(seconds: float, *, on_cpu: bool, extra_data: bool, description: str) -> str:
    """The text of `readme.txt`."""
    return (
        f"runtime per image [s] : {seconds:.4f}\n"
        f"CPU[1] / GPU[0] : {int(on_cpu)}\n"
        f"Extra Data [1] / No Extra Data [0] : {int(extra_data)}\n"
        f"Other description : {' '.join(description.split())}\n"
    )


def write_zip(path: Path, scores: Iterable[tuple[str, float]], about: str) -> None:
    """Writes the submission atomically.

    Raises:
        InputError: the file cannot be written.
    """
    output = "".join(f"{name},{score:.6f}\n" for name, score in scores)
    with writing(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("output.txt", output)
        archive.writestr("readme.txt", about)


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "no such folder; check the path"
        raise InputError(f"{folder}: {what}")
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not found:
        raise InputError(f"{folder}: no images in it ({', '.join(SUFFIXES)})")
    return found
