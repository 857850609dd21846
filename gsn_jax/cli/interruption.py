"""Ctrl-C handling for commands that can resume."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import click


@contextlib.contextmanager
def interruptible(out: str | os.PathLike[str] | None) -> Iterator[None]:
    """On Ctrl-C, prints how to continue and exits with code 130."""
    try:
        yield
    except KeyboardInterrupt:
        what_next = f"; run the same command again to continue {out}" if out else ""
        click.echo(f"gsn: interrupted{what_next}", err=True)
        sys.exit(130)
