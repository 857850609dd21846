"""The published per-image values of TID2013's 3000 images."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import re
import zlib
from pathlib import Path

from gsn_jax.errors import InputError

TABLE = "tid2013_per_image_metrics.csv.gz"
_COLUMNS = ("name", "mos", "mos_std", "psnr_rgb", "ssim", "gmsd")
_NAME = re.compile(r"i(\d\d)_(\d\d)_(\d)\.bmp", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Published:
    """Published values of one distorted image of TID2013.

    Attributes:
        mos: mean opinion score, 0-9, up = better.
        mos_std: its standard deviation.
        psnr: over R, G and B, in dB.
        ssim: SSIM of the H x W x 3 volume; see `fidelity.ssim`.
        gmsd: gradient magnitude similarity deviation, up = worse.
    """

    mos: float
    mos_std: float
    psnr: float
    ssim: float
    gmsd: float


def read(tables: Path) -> dict[tuple[int, int, int], Published]:
    """Reads the table; returns its rows by (scene, type, level).

    Args:
        tables: the folder with `tid2013_per_image_metrics.csv.gz`, or that file.

    Raises:
        InputError: the file is missing or is another table.
    """
    path = tables / TABLE if tables.is_dir() else tables
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give the folder that holds {TABLE}") from None
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read as a gzipped table ({error})") from None
    missing = [name for name in _COLUMNS if rows and name not in rows[0][1]]
    if not rows or missing:
        raise InputError(f"{path}: lacks the columns {', '.join(missing or _COLUMNS)}")
    return dict(_entry(path, line, row) for line, row in rows)


def _entry(path: Path, line: int, row: dict[str, str]) -> tuple[tuple[int, int, int], Published]:
    match = _NAME.fullmatch(row["name"] or "")
    try:
        values = [float(row[name]) for name in _COLUMNS[1:]]
    except (TypeError, ValueError):
        match = None
    if match is None:
        raise InputError(f"{path}, line {line}: not the values of a TID2013 image")
    scene, kind, level = map(int, match.groups())
    return (scene, kind, level), Published(*values)
