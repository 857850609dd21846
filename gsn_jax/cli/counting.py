"""The progress bar of commands that count what they have done."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def counting_bar(*, transient: bool = False) -> Progress:
    """What is done, a bar, how many of how many, and the remaining time, on standard error.

    Args:
        transient: whether it disappears at the end.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=transient,
    )
