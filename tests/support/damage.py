"""Damaged copies of a file."""

from collections.abc import Iterator
from pathlib import Path


def copies(file: Path, step: int) -> Iterator[Path]:
    """Yields a copy of the file again and again, each with another byte inverted."""
    content = file.read_bytes()
    copy = file.with_stem("damaged")
    for place in range(0, len(content), step):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        copy.write_bytes(damaged)
        yield copy
