"""The progress bar of commands that count their work."""

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


def counting_bar(*, transient: bool = False, rate: str = "") -> Progress:
    """A progress bar on standard error, with counts and the remaining time.

    It is shown only if standard error is a terminal.

    Args:
        transient: remove the bar at the end.
        rate: what is counted, such as "pairs", to show the number per second too.
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
        disable=not console.is_terminal,
    )


class _Rate(ProgressColumn):
    """The number per second, over the last half minute."""

    def __init__(self, what: str):
        super().__init__()
        self._what = what

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self._what}/s")
