"""`gsn score --out`: writes the scores of all pairs to a table, by one or several processes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

import click

from gsn_jax.cli import score_sources, score_views
from gsn_jax.cli.score_options import Request
from gsn_jax.cli.score_processes import Processes
from gsn_jax.cli.score_sources import Score
from gsn_jax.cli.score_views import Job
from gsn_jax.devices import distributed
from gsn_jax.errors import InputError, counted
from gsn_jax.scoring import outputs, tables
from gsn_jax.scoring.journal import Journal, describe_run, open_journal
from gsn_jax.scoring.pairs import Pair, ScoredPair, share
from gsn_jax.scoring.protocol import described


def check_outputs(request: Request, pairs: Sequence[Pair]) -> str:
    """Checks up front that `--out` and `--junit` can be written, and returns the format of `--out`.

    Raises:
        InputError: a file cannot be written, is an input, is not this command's, or is named twice.
    """
    out, junit_file, folders = request.out, request.junit, request.folders or ()
    inputs = list(score_sources.inputs(pairs, request.table))
    form = "csv"
    if out is not None:
        form = tables.check_target(
            out, inputs, folders, form=request.form, overwrite=request.overwrite
        )
    if junit_file is not None:
        if out is not None and os.path.realpath(out) == os.path.realpath(junit_file):
            raise InputError(f"{junit_file}: is both --out and --junit; name two files")
        outputs.check_place(junit_file, inputs, folders)
        outputs.refuse_foreign(junit_file, outputs.is_junit, overwrite=request.overwrite)
    return form


def score_to_file(
    out: str,
    job: Job,
    score: Score,
    processes: Processes,
    *,
    form: str,
    escape_formulas: bool,
) -> list[ScoredPair]:
    """Scores all pairs and writes the table. For a regular file, a journal makes the run resumable.

    Args:
        out: the file.
        job: what is scored, and how.
        score: scores the pairs with given indices.
        processes: the processes that share the work.
        form: see `gsn_jax.scoring.tables.write_scores`.
        escape_formulas: likewise.

    Returns:
        The rows; none in a process other than 0.
    """
    pairs, metrics = job.pairs, job.metrics
    shares = [share(pairs, n, processes.count) for n in range(processes.count)]
    mine = shares[processes.index]
    with contextlib.ExitStack() as stack:
        journal = None
        scored: dict[int, ScoredPair] = {}
        keep = scored.__setitem__
        if outputs.is_regular(out):
            run = describe_run(metrics, job.loading, job.tiles)
            journal = stack.enter_context(open_journal(out, pairs, run, processes.index))
            scored, keep = journal.scored, journal.add
        missing = [index for index in mine if index not in scored]
        done = len(mine) - len(missing)
        if done:
            click.echo(f"gsn: {done} of {len(mine)} pairs were already scored", err=True)
        with score_views.progress(len(mine), done=done) as advance:
            for index, item in advance(score(wanted=missing)):
                keep(index, item)
        if journal is not None and processes.count > 1:
            if not _complete(journal, shares, processes, out):
                return []
            scored = journal.scored
        rows = [scored[index] for index in range(len(pairs))]
        tables.write_scores(
            out,
            rows,
            metrics,
            form,
            layout=job.layout,
            protocol=described(job.protocol, job.loading),
            escape_formulas=escape_formulas,
        )
    if sys.stderr.isatty():  # where the bar has just disappeared
        click.echo(f"gsn: the scores of {counted(len(rows), 'pair')} are in {out}", err=True)
    return rows


def _complete(
    journal: Journal, shares: Sequence[Sequence[int]], processes: Processes, out: str
) -> bool:
    """Waits for the other processes. True in process 0, whose journal then has all pairs.

    Exits with code 75 if pairs are missing, for example because a process was lost.
    """
    journal.close()
    living = distributed.wait_for_living()
    if processes.index:
        return False
    journal.gather()

    def lacks(index: int, is_living: bool) -> bool:
        # An error may be left over from an earlier run; living processes have retried theirs.
        item = journal.scored.get(index)
        return item is None or bool(item.error and not is_living)

    incomplete = {
        number: missing
        for number, share in enumerate(shares)
        if (missing := sum(lacks(index, number in living) for index in share))
    }
    for number, missing in incomplete.items():
        reason = (
            "has not written its scores where process 0 finds them (is its command the same, and "
            f"does it see the folder of {out}?)"
            if number in living
            else "was lost"
        )
        click.echo(
            f"gsn: process {number} of {processes.count} {reason}; {missing} of its pairs are not "
            "scored",
            err=True,
        )
    if incomplete:
        click.echo(
            f"gsn: {out}: not written; {distributed.START_AGAIN} with the missing pairs",
            err=True,
        )
        sys.exit(distributed.LOST)
    return True
