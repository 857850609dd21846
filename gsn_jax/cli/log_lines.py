"""Prints the package's log, such as warnings about images, as lines on standard error."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import click

# At most this many lines are shown; a folder may cause one for every file.
_SHOWN = 10


class _Lines(logging.Handler):
    """Shows each distinct warning once, up to `_SHOWN` of them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if line in self.seen:
            return
        self.seen.add(line)
        if len(self.seen) <= _SHOWN:
            click.echo(f"gsn: {line}", err=True)


@contextlib.contextmanager
def shown() -> Iterator[None]:
    """Within the block, shows the first ten warnings of the package and counts the others."""
    logger = logging.getLogger("gsn_jax")
    lines, propagate = _Lines(), logger.propagate
    logger.addHandler(lines)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.propagate = propagate
        if (more := len(lines.seen) - _SHOWN) > 0:
            click.echo(f"gsn: ... and {more} more warning{'' if more == 1 else 's'}", err=True)
