"""What `gsn evaluate` and `gsn benchmark` share: their options, their sets, their lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from gsn_jax.cli.counting import counting_bar
from gsn_jax.errors import InputError

if TYPE_CHECKING:
    from gsn_jax.benchmark.agreement_rows import Judged
    from gsn_jax.benchmark.judged_sets import JudgedSet, TableColumns
    from gsn_jax.benchmark.scored_set import ScoredSet
    from gsn_jax.benchmark.text_tables import TextTable
    from gsn_jax.metric import Metric

_OPTIONS = (
    click.option(
        "--checkpoint",
        metavar="DIR",
        help="Use this model for gsn: a model's folder, a training run's, or one checkpoint's.",
    ),
    click.option(
        "--report",
        metavar="DIR",
        type=click.Path(path_type=Path, file_okay=False),
        help="Also write an HTML page with plots into this folder.",
    ),
    click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Where prepared sets are.  [default: TFDS_DATA_DIR or ~/tensorflow_datasets]",
    ),
    click.option(
        "--score-column",
        metavar="NAME",
        help="Column of a table with the opinion scores.  [default: score or mos]",
    ),
    click.option(
        "--content-column",
        "--group-column",
        metavar="NAME",
        help="Column of a table with the content; intervals are resampled by it.  [default: "
        "group, content or scene; else the reference image]",
    ),
    click.option(
        "--type-column",
        metavar="NAME",
        default="type",
        show_default=True,
        help="Column of a table with the kind of distortion.",
    ),
    click.option(
        "--lower-is-better", is_flag=True, help="The opinion scores of a table fall with quality."
    ),
    click.option(
        "--time-pairs",
        type=click.IntRange(min=0),
        default=5,
        show_default=True,
        help="Pairs on which the time per pair is measured, in a pass of its own; 0 leaves it out.",
    ),
    click.option(
        "--resamples",
        type=click.IntRange(min=0),
        default=1000,
        show_default=True,
        help="Bootstrap samples of the 95 % intervals; 0 leaves them out.",
    ),
    click.option(
        "--rescore",
        is_flag=True,
        help="Score again what OUT holds of other data or another version, and what failed.",
    ),
    click.option(
        "--no-scoring", is_flag=True, help="Only make the tables again, of the scores in OUT."
    ),
)


def options(function: Callable) -> Callable:
    """The options of both commands."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclasses.dataclass(frozen=True)
class Request:
    """What was asked for, beside the data sets; see the options' help."""

    metric: str
    checkpoint: str | None
    out: Path | None
    report: Path | None
    time_pairs: int
    resamples: int
    rescore: bool
    no_scoring: bool


def check(request: Request) -> None:
    """Refuses options that contradict one another.

    Raises:
        InputError: they do.
    """
    if request.no_scoring and request.out is None:
        raise InputError("--no-scoring needs --out DIR, the folder that holds the scores")
    if request.no_scoring and (request.rescore or request.checkpoint):
        raise InputError("--no-scoring computes no score: leave out --rescore and --checkpoint")


def columns(arguments: dict[str, Any]) -> TableColumns:
    """The column options of a command, taken out of its arguments."""
    from gsn_jax.benchmark.judged_sets import TableColumns

    return TableColumns(
        score=arguments.pop("score_column"),
        content=arguments.pop("content_column"),
        kind=arguments.pop("type_column"),
        lower_is_better=arguments.pop("lower_is_better"),
    )


def scored_sets(sets: Sequence[JudgedSet], request: Request) -> list[ScoredSet]:
    """The scores of every set: kept ones, and computed ones with a progress bar."""
    from gsn_jax.benchmark import evaluation

    if request.no_scoring:
        found = []
        names = None if request.metric == "all" else request.metric.split(",")
        for judged in sets:
            scored, passed_over = evaluation.kept_set(judged, names, request.out)
            say_passed_over(passed_over)
            found.append(scored)
    else:
        metrics = chosen(request)
        with counting_bar(transient=True) as bar:
            found = [_scored(judged, metrics, request, bar) for judged in sets]
    for scored in found:
        for line in evaluation.left_out(scored):
            click.echo(f"gsn: {line}", err=True)
    return found


def chosen(request: Request) -> list[Metric]:
    """The metrics asked for; those that "all" cannot offer are passed over with a line."""
    from gsn_jax.metric_choice import choose

    metrics, passed_over = choose(request.metric, request.checkpoint)
    say_passed_over(passed_over)
    return metrics


def say_passed_over(passed_over: dict[str, str]) -> None:
    """A line per metric on standard error."""
    for name, why in passed_over.items():
        click.echo(f"gsn: {name} is passed over: {why}", err=True)


def _scored(judged: JudgedSet, metrics: Sequence[Metric], request: Request, bar: Any) -> ScoredSet:
    from gsn_jax.benchmark import evaluation

    task = bar.add_task(judged.name, total=len(judged.source))
    return evaluation.scored_set(
        judged,
        metrics,
        request.out,
        rescore=request.rescore,
        time_pairs=request.time_pairs,
        progress=lambda done, total: bar.update(task, completed=done, total=total),
    )


def judged_sets(found: Sequence[ScoredSet], request: Request) -> list[Judged]:
    """The agreement of every set; compared with gsn where it was scored."""
    from gsn_jax.benchmark.agreement_rows import judge

    return [judge(scored, resamples=request.resamples) for scored in found]


def write_report(found: Sequence[ScoredSet], folder: Path | None) -> None:
    """The HTML page, where it was asked for."""
    if folder is None:
        return
    from gsn_jax.benchmark import report

    report.write_report(found, folder)
    click.echo(f"report: {folder}", err=True)


def show(table: TextTable) -> None:
    """On a terminal as it suits one, elsewhere as Markdown."""
    from gsn_jax.benchmark.text_tables import to_markdown, to_rich

    console = Console()
    if console.is_terminal:
        console.print(to_rich(table))
    else:
        click.echo(to_markdown(table))
