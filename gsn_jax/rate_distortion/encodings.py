"""Encoded versions of photographs: which codec made them, at which setting, in how many bytes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from gsn_jax.errors import InputError
from gsn_jax.images import pair_tables
from gsn_jax.images.files import read_pixel_count
from gsn_jax.scoring.pairs import Pair


@dataclasses.dataclass(frozen=True)
class Encoding:
    """One photograph as one codec encoded it at one setting.

    Attributes:
        pair: the photograph and the image to score, with `problem` if it cannot be used.
        codec: name of the codec.
        setting: name of the setting, such as "75".
        size: bytes of the encoded file; 0 if the pair has a problem.
        pixels: pixels of the photograph; 0 if the pair has a problem.
        encode_seconds: time to encode; NaN if not measured.
        decode_seconds: time to decode, likewise.
    """

    pair: Pair
    codec: str
    setting: str
    size: int
    pixels: int
    encode_seconds: float = float("nan")
    decode_seconds: float = float("nan")

    @property
    def image(self) -> str:
        """Name of the photograph, which all its encodings share."""
        return self.pair.reference

    @property
    def rate(self) -> float:
        """Bits per pixel."""
        return 8 * self.size / self.pixels if self.pixels else float("nan")


@dataclasses.dataclass(frozen=True)
class Study:
    """Encodings with their scores.

    Attributes:
        encodings: N of them.
        higher_is_better: name of each metric to the direction of its scores.
        scores: name of each metric to `(N,)` float64, NaN where there is no score.
        errors: per encoding, one line that says why a score is missing, or "".
        protocol: what the metrics saw of the images, such as "luma studio, crop border 4"; "" for
            all of them.
    """

    encodings: Sequence[Encoding]
    higher_is_better: Mapping[str, bool]
    scores: Mapping[str, Float[np.ndarray, " n"]]
    errors: Sequence[str]
    protocol: str = ""

    @property
    def codecs(self) -> list[str]:
        """Names of the codecs, in the order in which they appear."""
        return list(dict.fromkeys(item.codec for item in self.encodings))

    @property
    def images(self) -> list[str]:
        """Names of the photographs, likewise."""
        return list(dict.fromkeys(item.image for item in self.encodings))


def read_table(path: str | os.PathLike[str]) -> list[Encoding]:
    """The encodings of a pairs table with the columns `codec` and `setting`.

    The size is taken from the column `bytes`; without a value there, it is the size of the
    distorted file. A row that cannot be used carries its problem.

    Args:
        path: the table, see `gsn_jax.images.pair_tables`.

    Raises:
        InputError: the table cannot be read, has no rows, lacks the codec of a row, or names an
            encoding twice.
    """
    found: list[Encoding] = []
    lines: dict[tuple[str, str, str], int] = {}
    pixels: dict[Path, int] = {}
    for row in pair_tables.read_rows(path, ("codec", "setting")):
        if not row.fields["codec"]:
            raise InputError(f"{path}, line {row.line}: no codec given; name it, or remove the row")
        item = _of_row(path, row, pixels)
        key = (item.image, item.codec, item.setting)
        if key in lines:
            raise InputError(
                f"{path}, line {row.line}: {item.codec} {item.setting} of {item.image} is already "
                f"in line {lines[key]}; give each setting its own name"
            )
        lines[key] = row.line
        found.append(item)
    return found


def _of_row(
    table: str | os.PathLike[str], row: pair_tables.Row, pixels: dict[Path, int]
) -> Encoding:
    reference, distorted = row.fields["reference"], row.fields["distorted"]
    codec, setting = row.fields["codec"], row.fields["setting"]
    try:
        if row.problem:
            raise InputError(row.problem)
        files = [pair_tables.resolve(table, name) for name in (reference, distorted)]
        size = _size(files[1], row.fields.get("bytes", ""))
        if files[0] not in pixels:
            pixels[files[0]] = read_pixel_count(files[0])
        if not pixels[files[0]]:
            raise InputError(f"{reference}: not an image that can be read")
        pair = Pair(reference, distorted, files[0], files[1])
        return Encoding(pair, codec, setting, size, pixels[files[0]])
    except InputError as error:
        pair = Pair(reference, distorted, None, None, f"{table}, line {row.line}: {error}")
        return Encoding(pair, codec, setting, 0, 0)


def _size(file: Path, text: str) -> int:
    if text:
        if not text.isdecimal() or int(text) == 0:
            raise InputError(f"bytes must be a whole number above 0, got {text!r}")
        return int(text)
    try:
        size = os.stat(file).st_size
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}") from None
    if size == 0:
        raise InputError(f"{file}: is empty")
    return size
