"""The progress bar of commands that count what they have done."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def counting_bar(*, transient: bool = False) -> Progress:
    """What is done, a bar, how many of how many, and the remaining time, on standard error.

    Where that is no terminal, nothing is shown.

    Args:
        transient: whether it disappears at the end.
    """
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=transient,
        disable=not console.is_terminal,
    )
