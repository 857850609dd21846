"""The progress bar of commands that count what they have done."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


def counting_bar(*, transient: bool = False, rate: str = "", quiet: bool = False) -> Progress:
    """What is done, a bar, how many of how many, and the remaining time, on standard error.

    Where that is no terminal, nothing is shown.

    Args:
        transient: whether it disappears at the end.
        rate: what is counted, e.g. "pairs", to show how many of it are done in a second.
        quiet: show nothing in any case.
    """
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *([_Rate(rate)] if rate else []),
        TimeRemainingColumn(),
        console=console,
        transient=transient,
        disable=quiet or not console.is_terminal,
    )


class _Rate(ProgressColumn):
    """How many a second, over the last half minute."""

    def __init__(self, what: str):
        super().__init__()
        self._what = what

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self._what}/s")
