"""Words that depend on numbers, for titles and messages."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """A number of things, such as "1 pair" and "2 pairs"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
