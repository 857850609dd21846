"""What `gsn evaluate` and `gsn benchmark` share: options, scoring the sets, and output."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape

from gsn_jax.cli import protocol_options, shared_options
from gsn_jax.cli.counting import counting_bar
from gsn_jax.errors import InputError

if TYPE_CHECKING:
    from gsn_jax.benchmark.agreement_rows import Judged
    from gsn_jax.benchmark.judged_sets import JudgedSet, TableColumns
    from gsn_jax.benchmark.scored_set import ScoredSet
    from gsn_jax.benchmark.text_tables import TextTable
    from gsn_jax.metric import Metric

_AGREEMENT_CSV, _AGREEMENT_MD = "agreement.csv", "agreement.md"
_COLUMNS = "score_column", "content_column", "type_column", "lower_is_better"
_TYPE_COLUMN = "type"

options = shared_options.together(
    shared_options.checkpoint,
    protocol_options.protocol,
    shared_options.batch_size,
    shared_options.report,
    shared_options.data_dir,
    click.option(
        "--score-column",
        "--mos-column",
        metavar="NAME",
        help="Table column with the opinion scores.  [default: score or mos]",
    ),
    click.option(
        "--content-column",
        "--group-column",
        metavar="NAME",
        help="Table column with the content; confidence intervals resample whole contents.  "
        "[default: group, content or scene; else the reference image]",
    ),
    click.option(
        "--type-column",
        metavar="NAME",
        default=_TYPE_COLUMN,
        show_default=True,
        help="Table column with the type of distortion.",
    ),
    click.option(
        "--lower-is-better",
        is_flag=True,
        help="Lower opinion scores in the table mean better quality (DMOS).",
    ),
    click.option(
        "--time-pairs",
        type=click.IntRange(min=0),
        default=5,
        show_default=True,
        help="Number of pairs to score again to measure the time per pair; 0 skips this.",
    ),
    click.option(
        "--time-again",
        is_flag=True,
        help="Measure the time per pair even if --out already contains it.",
    ),
    click.option(
        "--resamples",
        type=click.IntRange(min=0),
        default=1000,
        show_default=True,
        help="Number of bootstrap samples for the 95% intervals; 0 omits the intervals.",
    ),
    click.option(
        "--rescore",
        is_flag=True,
        help="Replace scores in --out that belong to other data or another version, and retry "
        "pairs that failed.",
    ),
    click.option(
        "--overwrite",
        is_flag=True,
        help="Replace tables in --out and a page in --report that gsn did not write.",
    ),
    click.option(
        "--no-scoring",
        is_flag=True,
        help="Make the tables from the scores in --out, without scoring anything.",
    ),
)


@dataclasses.dataclass(frozen=True)
class Request:
    """The options other than those of the data sets; see their help."""

    metric: str
    checkpoint: str | None
    protocol: str | None
    luma: Any
    crop_border: int | None
    display: str | None
    batch_size: int | None
    out: Path | None
    report: Path | None
    time_pairs: int
    time_again: bool
    resamples: int
    rescore: bool
    overwrite: bool
    no_scoring: bool


def check(request: Request) -> None:
    """Checks that options do not contradict one another, and that a report can be made.

    Raises:
        InputError: options contradict one another, packages for the report are missing, or it would
            replace a file that gsn did not write.
    """
    if request.no_scoring and request.out is None:
        raise InputError("--no-scoring needs --out DIR, the folder with the scores")
    if request.no_scoring and (request.rescore or request.checkpoint):
        raise InputError("--no-scoring computes no scores; leave out --rescore and --checkpoint")
    rules = request.protocol, request.luma, request.crop_border, request.display
    if request.no_scoring and any(option is not None for option in rules):
        raise InputError(
            "--no-scoring computes no scores; leave out --protocol, --luma, --crop-border and "
            "--display"
        )
    if request.report is not None:
        shared_options.check_report(request.report, "report", overwrite=request.overwrite)


def check_tables(folder: Path, names: Sequence[str], request: Request) -> None:
    """Refuses to replace tables in a folder without scores by `gsn` in it or its subfolders.

    Raises:
        InputError: there is such a table, and `overwrite` is not requested.
    """
    from gsn_jax.benchmark.score_store import STORE
    from gsn_jax.scoring.outputs import refuse_foreign

    for name in names:
        refuse_foreign(
            folder / name,
            lambda path: any(path.parent.glob(STORE)) or any(path.parent.glob(f"*/{STORE}")),
            overwrite=request.overwrite,
        )


def columns(arguments: dict[str, Any], *, tables: bool) -> TableColumns:
    """Removes the column options from a command's arguments and returns them.

    Raises:
        InputError: one is given without `tables`, for which they are.
    """
    from gsn_jax.benchmark.judged_sets import TableColumns

    given = [name for name in _COLUMNS if arguments[name] not in (None, False, _TYPE_COLUMN)]
    if given and not tables:
        raise InputError(f"--{given[0].replace('_', '-')} is for --pairs FILE.csv; leave it out")
    return TableColumns(
        score=arguments.pop("score_column"),
        content=arguments.pop("content_column"),
        kind=arguments.pop("type_column"),
        lower_is_better=arguments.pop("lower_is_better"),
    )


def judged_sets(sets: Sequence[JudgedSet], request: Request) -> tuple[list[Judged], list[Metric]]:
    """Each set's agreement, from kept and new scores; and the metrics, if any were loaded."""
    from gsn_jax.benchmark import resumable_scoring
    from gsn_jax.benchmark.agreement_rows import judge
    from gsn_jax.scoring.by_name import choose

    if request.out is not None:
        for judged in sets:
            check_tables(request.out / judged.name, (_AGREEMENT_CSV, _AGREEMENT_MD), request)
    for judged in sets:
        if any(getattr(judged.source, "text", {}).get("mask", ())):
            click.echo(f"gsn: {judged.name}: masks are ignored; whole images are scored", err=True)
    rules = protocol_options.chosen_protocol(
        request.protocol, request.luma, request.crop_border, request.display
    )
    metrics: list[Metric] = []
    if request.no_scoring:
        found = [_kept(judged, request) for judged in sets]
    else:
        metrics, passed_over = choose(request.metric, request.checkpoint)
        metrics = protocol_options.under(rules, metrics)
        _say_passed_over(passed_over)
        if request.checkpoint:
            click.echo(f"gsn: in the results, gsn is the model in {request.checkpoint}", err=True)
        with counting_bar(transient=True, rate="pairs") as bar:
            found = [_scored(judged, metrics, request, bar) for judged in sets]
    for scored in found:
        for line in resumable_scoring.left_out(scored):
            click.echo(f"gsn: {line}", err=True)
    if not any(scored.has_scores for scored in found):
        raise InputError("no pair has a finite score, so there is nothing to judge; see above why")
    return [judge(scored, resamples=request.resamples) for scored in found], metrics


def write_report(sets: Sequence[Judged], metrics: Sequence[Metric], folder: Path | None) -> None:
    """Writes the HTML report, if there is a folder for it."""
    if folder is None:
        return
    from gsn_jax.benchmark.report import document

    page = document.write_report(sets, folder, metrics={metric.name: metric for metric in metrics})
    click.echo(f"report: {page}", err=True)


def _kept(judged: JudgedSet, request: Request) -> ScoredSet:
    from gsn_jax.benchmark import resumable_scoring
    from gsn_jax.scoring.by_name import EVERY, split_names

    assert request.out is not None  # see `check`
    names = split_names(request.metric)
    wanted = None if EVERY in names else names
    scored, passed_over = resumable_scoring.kept_set(judged, wanted, request.out)
    _say_passed_over(passed_over)
    return scored


def _say_passed_over(passed_over: dict[str, str]) -> None:
    """Prints a line per skipped metric on standard error."""
    for name, why in passed_over.items():
        click.echo(f"gsn: {name} is left out: {why}", err=True)


def _scored(judged: JudgedSet, metrics: Sequence[Metric], request: Request, bar: Any) -> ScoredSet:
    from gsn_jax.benchmark import resumable_scoring

    task = bar.add_task(escape(judged.name), total=len(judged.source))
    return resumable_scoring.scored_set(
        judged,
        metrics,
        request.out,
        rescore=request.rescore,
        time_pairs=request.time_pairs,
        time_again=request.time_again,
        batch_size=request.batch_size,
        progress=lambda done, total: bar.update(task, completed=done, total=total),
    )


def write_agreement(judged: Judged, out: Path) -> None:
    """Writes the results of a set beside its scores: agreement.csv and agreement.md."""
    from gsn_jax.benchmark.agreement_tables import tables, to_csv
    from gsn_jax.benchmark.text_tables import to_markdown
    from gsn_jax.storage import write_text

    folder = out / judged.scored.name
    write_text(folder / _AGREEMENT_CSV, to_csv(judged))
    write_text(folder / _AGREEMENT_MD, "\n".join(map(to_markdown, tables(judged))))


def show(table: TextTable) -> None:
    """Prints a table: drawn on a terminal, otherwise as Markdown."""
    from gsn_jax.benchmark.text_tables import to_markdown, to_rich

    console = Console()
    if console.is_terminal:
        console.print(to_rich(table))
    else:
        click.echo(to_markdown(table))
