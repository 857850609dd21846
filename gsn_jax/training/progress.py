"""Reports on a run: a progress bar, log lines, scalars and evaluations."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gsn_jax.training import history
from gsn_jax.training.profiling import Breakdown, Work, shares
from gsn_jax.training.writers import Writer


class TrainingLog:
    """Shows a progress bar on a terminal or else plain lines, and passes scalars to writers.

    A context manager: leaving it closes the writers. Only the first of several processes shows and
    writes. Rates exclude evaluation and saving.
    """

    def __init__(
        self,
        workdir: Path,
        *,
        first_step: int,
        steps: int,
        batch_size: int,
        shown: bool = True,
        work: Work | None = None,
        writers: Sequence[Writer] = (),
    ):
        self._work, self._breakdown = work or Work(None, None), Breakdown()
        self._console = Console(stderr=True, quiet=not shown)
        self._batch_size = batch_size
        self._workdir, self._shown = workdir, shown
        if shown:
            history.forget_evaluations_after(workdir, first_step)
        self._writers = writers
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not (shown and self._console.is_terminal),
        )
        self._task = self._bar.add_task("", total=steps, completed=first_step, status="")
        self._mark = (first_step, time.monotonic())

    def __enter__(self) -> TrainingLog:
        self._bar.start()
        if self._work.flops_per_pair:
            self.line(self._work.describe())
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()
        for writer in self._writers:
            writer.close()

    def advance(self, step: int) -> None:
        """Moves the bar."""
        self._bar.update(self._task, completed=step)

    def report_training(self, step: int, loss: float, gradient_norm: float, rate: float) -> None:
        """Reports loss, gradient norm, learning rate, and the speed since the last report."""
        first, start = self._mark
        now = time.monotonic()
        speed = (step - first) * self._batch_size / max(now - start, 1e-9)
        self._mark = (step, now)
        self._bar.update(self._task, status=f"loss {loss:.4f}  {speed:.1f} pairs/s")
        seconds = self._breakdown.take()
        rates = self._work.rates(speed)
        if self._bar.disable:
            fraction = rates.get("fraction_of_peak")
            peak = "" if fraction is None else f" ({fraction:.1%} of peak)"
            line = f"step {step}: loss {loss:.4f}, {speed:.1f} pairs/s{peak}"
            self.line(f"{line}; {shares(seconds)}")
        scalars = {
            "loss": loss,
            "gradient_norm": gradient_norm,
            "learning_rate": rate,
            "pairs_per_second": speed,
            **rates,
        }
        self._write({"seconds": seconds, "train": scalars}, step)

    def report_evaluation(self, step: int, summary: dict[str, float]) -> None:
        """Reports the agreement on the evaluation pairs."""
        values = ", ".join(f"{name} {value:.4f}" for name, value in summary.items())
        self.line(f"step {step}: evaluation {values}")
        self._write({"evaluation": summary}, step)
        if self._shown:
            history.add_evaluation(self._workdir, step, summary)

    def phase(self, name: str) -> contextlib.AbstractContextManager[None]:
        """A context that times work of one of `profiling.PHASES`, for the report."""
        return self._breakdown.phase(name)

    @contextlib.contextmanager
    def counting(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Shows a separate bar for work before the steps; yields a function that updates it."""
        task = self._bar.add_task("", total=total, status=name)
        tenth, next_line = max(1, total // 10), 0

        def report(done: int) -> None:
            nonlocal next_line
            self._bar.update(task, completed=done)
            if self._bar.disable and done >= next_line:
                self.line(f"{name}: {done} of {total}")
                next_line = (done // tenth + 1) * tenth

        yield report
        self._bar.remove_task(task)

    def summarise(self, trace: str | None = None) -> None:
        """Reports the time per phase since the start, and the line `trace` if there is one."""
        self.line(f"time: {shares(self._breakdown.total)}")
        if trace:
            self.line(trace)

    def restart_clock(self, step: int) -> None:
        """Excludes the time since the last report."""
        self._mark = (step, time.monotonic())

    def line(self, text: str) -> None:
        """Prints one line above the bar."""
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)

    def _write(self, groups: Mapping[str, Mapping[str, float]], step: int) -> None:
        scalars = {
            f"{group}/{name}": value
            for group, values in groups.items()
            for name, value in values.items()
        }
        for writer in self._writers:
            writer.write(scalars, step)
