"""SHA-256 checksums of a folder's files, in the format of the command `sha256sum`.

Orbax stores the values of large arrays without a checksum, so a flipped bit would silently change a
model's scores. `sha256sum -c SHA256SUMS` in the folder makes the same check.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

NAME = "SHA256SUMS"

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def write_checksums(folder: Path, files: Iterable[Path]) -> None:
    """Writes the checksums of files in a folder to `SHA256SUMS` there.

    Args:
        folder: the folder.
        files: files below it.

    Raises:
        OSError: a file cannot be read, or the list cannot be written.
    """
    lines = [f"{_digest(file)}  {file.relative_to(folder).as_posix()}\n" for file in sorted(files)]
    (folder / NAME).write_text("".join(lines), encoding="utf-8")


def find_damage(folder: Path) -> str | None:
    """Names the first file of a folder that does not match its `SHA256SUMS`.

    A folder without the list, as written by older versions, counts as undamaged.

    Returns:
        None, or a clause such as "variables/d/1 does not match its checksum in SHA256SUMS".
    """
    listing = folder / NAME
    if not listing.is_file():
        return None
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return f"{NAME} cannot be read"
    if not lines:
        return f"{NAME} is empty"
    for line in lines:
        match = _LINE.fullmatch(line)
        name = PurePosixPath(match[2]) if match else PurePosixPath("..")
        if match is None or name.is_absolute() or ".." in name.parts:
            return f"{NAME} is damaged"
        try:
            if not (folder / name).is_file():
                return f"{name} is missing"
            if _digest(folder / name) != match[1]:
                return f"{name} does not match its checksum in {NAME}"
        except OSError as error:
            return f"{name} cannot be read: {error.strerror or error}"
    return None


def files_below(folder: Path) -> list[Path]:
    """All regular files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def _digest(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
