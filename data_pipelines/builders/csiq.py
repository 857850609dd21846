"""CSIQ: 30 references, 6 types of distortion at 4 to 5 levels, DMOS (lower is better)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data_pipelines.builders.base import Pair, PairBuilder
from data_pipelines.builders.inputs import Inputs, Problems
from data_pipelines.tables import number
from gsn_jax.errors import InputError

# The table's name for a type -> (our name, name of its folder and part of its file names).
TYPES = {
    "noise": ("white_noise", "awgn"),
    "jpeg": ("jpeg", "jpeg"),
    "jpeg 2000": ("jpeg2000", "jpeg2000"),
    "fnoise": ("pink_noise", "fnoise"),
    "blur": ("gaussian_blur", "blur"),
    "contrast": ("contrast", "contrast"),
}

_SHEET = "all_by_image"
_COLUMNS = ("image", "dst_type", "dst_lev", "dmos_std", "dmos")


class Csiq(PairBuilder):
    """Reads the sheet `all_by_image` of `csiq.DMOS.xlsx` (also called `csiq.beta.xlsx`)."""

    TITLE = "CSIQ: 866 distorted images with differential mean opinion scores"
    HOMEPAGE = "https://s2.smu.edu/~eclarson/csiq.html"
    CITATION = """@article{larson2010most,
  title={Most apparent distortion: full-reference image quality assessment and the role of
    strategy},
  author={Larson, Eric C. and Chandler, Damon M.},
  journal={Journal of Electronic Imaging}, volume={19}, number={1}, pages={011006}, year={2010}}"""
    LICENSE = "The authors' terms (see the homepage): free of charge, citation required"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "download the reference images (src_imgs), the distorted images (dst_imgs) and the table "
        "csiq.DMOS.xlsx from https://s2.smu.edu/~eclarson/csiq.html into the folder"
    )
    ARCHIVES = ("*src_imgs*", "*dst_imgs*", "*csiq*")
    SCORE_RANGE = (0.0, 1.0)
    HIGHER_IS_BETTER = False
    NUM_REFERENCES = 30
    NUM_PAIRS = 866

    def read_pairs(self, inputs: Inputs, problems: Problems, scratch: Path) -> list[Pair]:
        """See `PairBuilder`."""
        del scratch
        table = inputs.find("csiq.beta.xlsx") or inputs.require(
            "csiq.DMOS.xlsx", self.MANUAL_DOWNLOAD_INSTRUCTIONS
        )
        pairs = []
        for row, (image, kind, level, deviation, score) in _rows(table):
            name = str(image)
            try:
                ours, folder = TYPES[kind]
                path = f"{folder}/{name}.{folder}.{int(level)}.png"
                pairs.append(
                    Pair(
                        reference=f"{name}.png",
                        reference_path=inputs.find(f"src_imgs/{name}.png"),
                        distorted=path.split("/")[1],
                        distorted_path=inputs.find(path),
                        score=number(score),
                        score_std=number(deviation),
                        reference_id=name,
                        distortion_type=ours,
                        distortion_level=int(level),
                    )
                )
            except (KeyError, TypeError, ValueError):
                problems.add(
                    f"{table.name}, row {row}: invalid dst_type, dst_lev, dmos_std or dmos"
                )
        return pairs


def _rows(table: Path) -> list[tuple[int, tuple[Any, ...]]]:
    """Row number and values of `_COLUMNS` for each row below the header.

    Raises:
        InputError: the file has no such sheet.
    """
    import openpyxl

    try:
        book = openpyxl.load_workbook(table, read_only=True, data_only=True)
        try:
            rows = list(book[_SHEET].iter_rows(values_only=True))
        finally:
            book.close()
        heading = next(i for i, row in enumerate(rows) if set(_COLUMNS) <= set(row))
    except Exception:  # openpyxl raises all kinds of errors on damaged files
        raise InputError(
            f"{table}: no sheet {_SHEET} with the columns {', '.join(_COLUMNS)}; "
            "download the table again"
        ) from None
    places = [rows[heading].index(name) for name in _COLUMNS]
    return [
        (number, tuple(row[place] if place < len(row) else None for place in places))
        for number, row in enumerate(rows[heading + 1 :], start=heading + 2)
        if any(value is not None for value in row)
    ]
