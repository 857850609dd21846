"""Writes data sets of the published sizes in their authors' layouts, with noise as images.

The published images are not redistributable. The cost of preparing and training depends only on
their number, size and format. Noise does not compress, so the files are as large as possible.
"""

from __future__ import annotations

import csv
import functools
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from data_pipelines.builders import csiq, live_iqa

Size = tuple[int, int]


class Group(NamedTuple):
    """A reference with its distorted versions.

    Attributes:
        reference: file of the reference.
        distorted: files of the versions, in order of increasing noise.
    """

    reference: Path
    distorted: list[Path]


class Layout(NamedTuple):
    """The layout of a set.

    Attributes:
        references: number of references.
        size: height and width of the images.
        write: takes a folder and a number of references, writes the tables, and yields the images
            that they name.
    """

    references: int
    size: Size
    write: Callable[[Path, int], Iterator[Group]]


def write_set(name: str, folder: Path, references: int | None = None, size: Size | None = None):
    """Writes a set, by default with all references and in the published size."""
    layout = LAYOUTS[name]
    folder.mkdir(parents=True, exist_ok=True)
    groups = list(layout.write(folder, references or layout.references))
    for place in {file.parent for group in groups for file in (group[0], *group[1])}:
        place.mkdir(parents=True, exist_ok=True)
    draw = functools.partial(_draw, size or layout.size)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(draw, range(len(groups)), groups))


def _draw(size: Size, seed: int, group: Group) -> None:
    generator = np.random.default_rng(seed)
    reference = generator.integers(0, 256, (*size, 3), np.uint8)
    _save(group.reference, reference)
    for level, file in enumerate(group.distorted, start=1):
        noise = generator.integers(-level, level + 1, reference.shape, np.int16)
        _save(file, np.clip(reference + noise, 0, 255).astype(np.uint8))


def _save(file: Path, image: np.ndarray) -> None:
    if not cv2.imwrite(str(file), image, (cv2.IMWRITE_PNG_COMPRESSION, 1)):
        raise OSError(f"{file}: cannot be written")


def _score(place: int, count: int, low: float, high: float) -> float:
    """The score of a version; falls from high to low over the versions of a reference."""
    return round(high - (high - low) * place / count, 4)


def _pipal(folder: Path, references: int) -> Iterator[Group]:
    # 116 versions by 40 algorithms of seven kinds, in four folders.
    names = [(kind, number) for kind in range(7) for number in range(17)][:116]
    (folder / "Train_Label").mkdir(exist_ok=True)
    for index in range(1, references + 1):
        name = f"A{index:04}"
        files = [
            folder / f"Distortion_{1 + place % 4}" / f"{name}_{kind:02}_{number:02}.bmp"
            for place, (kind, number) in enumerate(names)
        ]
        lines = [
            f"{file.name},{_score(place, 116, 950, 1800)}\n" for place, file in enumerate(files)
        ]
        (folder / "Train_Label" / f"{name}.txt").write_text("".join(lines))
        yield Group(folder / "Train_Ref" / f"{name}.bmp", files)


def _kadid(folder: Path, references: int) -> Iterator[Group]:
    rows = [("dist_img", "ref_img", "dmos", "var")]
    for index in range(1, references + 1):
        names = [f"I{index:02}_{kind:02}_{n:02}.png" for kind in range(1, 26) for n in range(1, 6)]
        scores = [str(_score(place, 125, 1, 5)) for place in range(125)]
        rows += [
            (name, f"I{index:02}.png", score, "1")
            for name, score in zip(names, scores, strict=True)
        ]
        images = folder / "images"
        yield Group(images / f"I{index:02}.png", [images / name for name in names])
    with open(folder / "dmos.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)


def _tid(folder: Path, references: int) -> Iterator[Group]:
    lines = []
    for index in range(1, references + 1):
        names = [f"i{index:02}_{kind:02}_{n}.bmp" for kind in range(1, 25) for n in range(1, 6)]
        lines += [f"{_score(place, 120, 0, 9)} {name}\n" for place, name in enumerate(names)]
        images = [folder / "distorted_images" / name for name in names]
        yield Group(folder / "reference_images" / f"I{index:02}.BMP", images)
    (folder / "mos_with_names.txt").write_text("".join(lines))


def _csiq(folder: Path, references: int) -> Iterator[Group]:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "all_by_image"
    book.active.append(["image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"])
    for index in range(references):
        # 866 pairs of 30 references: contrast has three or four levels, the other types five.
        levels = dict.fromkeys(csiq.TYPES, 5) | {"contrast": 4 if index < 26 else 3}
        versions = [(kind, n) for kind, most in levels.items() for n in range(1, most + 1)]
        files = []
        for place, (kind, level) in enumerate(versions):
            part = csiq.TYPES[kind][1]
            files.append(folder / "dst_imgs" / part / f"r{index}.{part}.{level}.png")
            score = _score(place, len(versions), 0, 1)
            book.active.append([f"r{index}", place, kind, level, 0.1, score])
        yield Group(folder / "src_imgs" / f"r{index}.png", files)
    book.save(folder / "csiq.DMOS.xlsx")


def _live(folder: Path, references: int) -> Iterator[Group]:
    import scipy.io

    places = [
        (part, number) for part, _, count in live_iqa.FOLDERS for number in range(1, count + 1)
    ]
    names = np.empty((1, len(places)), object)
    scores, originals = np.zeros((1, len(places))), np.ones((1, len(places)), np.uint8)
    files: dict[int, list[Path]] = {index: [] for index in range(references)}
    # The other rows are references.
    distorted = np.random.default_rng(0).permutation(len(places))[: 779 * references // 29]
    for row, (part, number) in enumerate(places):
        index = row % references
        names[0, row] = f"r{index}.bmp"
        if row in distorted:
            originals[0, row] = 0
            scores[0, row] = _score(row, len(places), 0, 100)
            files[index].append(folder / part / f"img{number}.bmp")
    scipy.io.savemat(folder / "refnames_all.mat", {"refnames_all": names})
    table = {"dmos_new": scores, "dmos_std": np.ones_like(scores), "orgs": originals}
    scipy.io.savemat(folder / "dmos_realigned.mat", table)
    for index, versions in files.items():
        yield Group(folder / "refimgs" / f"r{index}.bmp", versions)


LAYOUTS = {
    "csiq": Layout(30, (512, 512), _csiq),
    "kadid10k": Layout(81, (384, 512), _kadid),
    "live_iqa": Layout(29, (512, 768), _live),
    "pipal": Layout(200, (288, 288), _pipal),
    "tid2013": Layout(25, (384, 512), _tid),
}
