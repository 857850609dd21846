"""What the package logs as lines on standard error, such as warnings about images."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import click

# How many lines are shown; a folder may give one for every file.
_SHOWN = 10


class _Lines(logging.Handler):
    """Shows each different warning once, up to a number of them."""

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
    """Shows the warnings that the package logs meanwhile, and counts those beyond ten."""
    logger = logging.getLogger("gsn_jax")
    lines, propagate = _Lines(), logger.propagate
    logger.addHandler(lines)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.propagate = propagate
        if len(lines.seen) > _SHOWN:
            click.echo(f"gsn: ... and {len(lines.seen) - _SHOWN} more warnings", err=True)
