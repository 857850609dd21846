"""Photographs to encode: found by their paths, read as 8-bit sRGB."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from gsn_jax.errors import InputError, counted
from gsn_jax.images.files import load_image
from gsn_jax.rate_distortion.codecs import Pixels
from gsn_jax.rate_distortion.own_files import without_own
from gsn_jax.scoring.folders import list_images
from gsn_jax.scoring.pairs import shown
from gsn_jax.storage import stamp

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photograph to encode.

    Attributes:
        path: of the file.
        name: relative path that names its encoded versions; without suffix unless two photographs
            would have the same name.
    """

    path: Path
    name: str

    def identity(self) -> list[str | int]:
        """Path, size and modification time, to detect another or a changed photograph."""
        return [os.path.abspath(self.path), *(stamp(self.path) or [])]


def find_photos(sources: Sequence[str | os.PathLike[str]], out: Path | None = None) -> list[Photo]:
    """The photographs in folders and their subfolders, and those given as files.

    Files that `gsn rd` or `gsn encode` made are left out of folders, with a warning. A file that is
    given twice, as in `FOLDER FOLDER/a.png`, counts once.

    Args:
        sources: folders and files.
        out: the folder for encoded files, which is not searched.

    Raises:
        InputError: a source does not exist or cannot be read, or is the folder for encoded files;
            there is no photograph, or two have the same name.
    """
    found: list[tuple[Path, PurePath]] = []
    for source in map(Path, sources):
        if source.is_dir():
            found += [(source / name, name) for name in _photos_below(source, out)]
        elif not source.exists():
            raise InputError(f"{shown(source)}: no such file or folder; check the path")
        else:
            found.append((source, PurePath(source.name)))
    if not found:
        raise InputError(
            f"{', '.join(map(str, sources))}: no images found; give image files or folders of them"
        )
    once: dict[str, tuple[Path, PurePath]] = {}
    for path, name in found:
        once.setdefault(os.path.abspath(path), (path, name))
    stems = [name.with_suffix("").as_posix() for _, name in once.values()]
    photos = [
        Photo(path, stem if stems.count(stem) == 1 else name.as_posix())
        for (path, name), stem in zip(once.values(), stems, strict=True)
    ]
    names = [photo.name for photo in photos]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"two photographs are named {twice[0]}; give one folder above both")
    return photos


def _photos_below(source: Path, out: Path | None) -> list[PurePath]:
    if out is not None and source.resolve() == out.resolve():
        raise InputError(
            f"{shown(source)}: is the folder of the photographs and also --out; name another "
            "folder for --out"
        )
    images = list_images(source, [] if out is None else [out])
    photos = without_own(source, images)
    if more := len(images) - len(photos):
        _logger.warning(
            "%s: left out %s that gsn rd or gsn encode made", shown(source), counted(more, "file")
        )
    return photos


def load_8_bit(path: Path) -> Pixels:
    """A photograph as uint8 sRGB, which is what all codecs here take.

    Raises:
        InputError: see `gsn_jax.images.load_image`.
    """
    return _load_8_bit(path, tuple(stamp(path) or ()))


@functools.lru_cache(maxsize=2)
def _load_8_bit(path: Path, version: tuple[int, ...]) -> Pixels:
    """`load_8_bit`, cached for other qualities of the same photograph until the file changes."""
    image = load_image(path)
    return image if image.dtype == np.uint8 else np.round(255 * image).astype(np.uint8)


def check_size(decoded: Pixels, image: Pixels, codec: str) -> None:
    """Raises `InputError` if a codec has changed the size of an image, or its channels."""
    if decoded.shape != image.shape:
        raise InputError(
            f"{codec} decodes to {' x '.join(map(str, decoded.shape))} values, not the "
            f"{' x '.join(map(str, image.shape))} of the image; it must keep the size and write RGB"
        )
