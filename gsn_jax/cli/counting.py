"""Progress of commands that count their work: a bar on a terminal, otherwise lines."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

# Seconds between lines.
_INTERVAL = 30.0


def counting_bar(*, transient: bool = False, rate: str = "") -> Progress:
    """A progress display on standard error, with counts and the remaining time.

    On a terminal it is a bar. Otherwise, as in the log of a job, it is a line every half minute.

    Args:
        transient: whether to remove the bar at the end.
        rate: what is counted, such as "pairs", to show the rate as well; "" shows none.
    """
    console = Console(stderr=True)
    kind = Progress if console.is_terminal else _Lines
    return kind(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *([_Rate(rate)] if rate else []),
        TimeRemainingColumn(),
        console=console,
        transient=transient,
        disable=not console.is_terminal,
    )


@contextlib.contextmanager
def counting(
    what: str, *, total: int | None = None, transient: bool = False, rate: str = ""
) -> Iterator[Callable[[int, int], None]]:
    """Shows the progress of one task; yields a function of the numbers done and in total.

    Args:
        what: name of the task, such as "encoding".
        total: the number in total, if it is known before the work.
        transient: see `counting_bar`.
        rate: see `counting_bar`.
    """
    with counting_bar(transient=transient, rate=rate) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Rate(ProgressColumn):
    """Items per second, over the last half minute."""

    def __init__(self, what: str):
        super().__init__()
        self.what = what

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self.what}/s")


class _Lines(Progress):
    """Prints a line when a task advances half a minute or more after the last line."""

    def __init__(self, *columns: Any, **options: Any):
        super().__init__(*columns, **options)
        self._what = next((column.what for column in columns if isinstance(column, _Rate)), "")
        self._last = self.get_time()
        # By task, the count at its last line, or at its start, and the time of that.
        self._before: dict[TaskID, tuple[float, float]] = {}

    def add_task(self, description: str, *arguments: Any, **fields: Any) -> TaskID:
        """Records the start of the task, too."""
        task_id = super().add_task(description, *arguments, **fields)
        self._before[task_id] = self._task(task_id).completed, self.get_time()
        return task_id

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Prints a line if it is time."""
        super().advance(task_id, advance)
        self._report(self._task(task_id))

    def update(self, task_id: TaskID, **fields: Any) -> None:
        """Prints a line if it is time."""
        super().update(task_id, **fields)
        self._report(self._task(task_id))

    def _task(self, task_id: TaskID) -> Task:
        return next(task for task in self.tasks if task.id == task_id)

    def _report(self, task: Task) -> None:
        now = self.get_time()
        if now - self._last < _INTERVAL or not task.total:
            return
        done, since = self._before[task.id]
        speed = (task.completed - done) / (now - since) if now > since else 0
        self._last, self._before[task.id] = now, (task.completed, now)
        what = f" {self._what}" if self._what else ""
        line = f"gsn: {task.description}: {task.completed:.0f} of {task.total:.0f}{what}"
        if speed:
            left = (task.total - task.completed) / speed
            line += f", {speed:.1f}{what}/s, {_spoken(left)} left"
        click.echo(line, err=True)


def _spoken(seconds: float) -> str:
    """A duration such as "40 s", "5 min" or "2 h 10 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
