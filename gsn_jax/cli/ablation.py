"""`gsn ablation`: train the arms of the paper's ablation, print a table and draw a figure."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from gsn_jax.errors import InputError

_FIGURE = "loss_comparison"

_EPILOG = """Change values in the configuration of all runs with --config.KEY=VALUE, for example
--config.train.steps=1000 --config.data.train="('pairs.csv',)". Ctrl-C and SIGTERM save a checkpoint
and stop. If repeated, the command skips finished runs, continues an interrupted one and prints the
tables."""


@click.command(
    epilog=_EPILOG, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the runs, the results (results.csv, table.md) and the figure.",
)
@click.option(
    "--seeds",
    default="0,1,2",
    show_default=True,
    metavar="LIST",
    help="Comma-separated seeds; each sets the initial weights, the batches and the held-out "
    "scenes.",
)
@click.option(
    "--arms", default="", metavar="LIST", help="Arms to train, such as m3,m4.  [default: all]"
)
@click.option(
    "--overwrite", is_flag=True, help="Replace results in --out that this command did not write."
)
@click.pass_context
def command(ctx: click.Context, out: Path, seeds: str, arms: str, overwrite: bool) -> None:
    """Train and compare the arms of the GSN paper's ablation: CNN or CDC, with several losses.

    All arms of a seed are trained and evaluated on the same scenes. The data set
    tid2013_regenerated must be prepared; see `gsn datasets`.
    """
    _need_matplotlib()
    # Imported here, because the trainer and matplotlib take seconds to import.
    from gsn_jax.benchmark.ablation import loss_figure, runs, table
    from gsn_jax.cli.train import config_overrides
    from gsn_jax.scoring.outputs import refuse_foreign

    plan = runs.Plan(_arms(arms), _seeds(seeds), out, config_overrides(ctx.args))
    for name in ("results.csv", "table.md", f"{_FIGURE}.svg", f"{_FIGURE}.png"):
        refuse_foreign(
            out / name,
            lambda path: any(path.parent.glob("*/seed_*/config.json")),
            overwrite=overwrite,
        )
    stopped_by = runs.run_missing(plan, lambda line: click.echo(line, err=True))
    curves = runs.collect(plan)
    total = len(plan.arms) * len(plan.seeds)
    if stopped_by and len(curves) < total:
        click.echo(
            f"{stopped_by}: {len(curves)} of {total} runs are finished; "
            "run the same command to continue",
            err=True,
        )
    if not curves:
        ctx.exit(1)
    runs.write_results(curves, out / "results.csv")
    text = table.arms_table(curves) + "\n" + table.differences_table(curves)
    (out / "table.md").write_text(text, encoding="utf-8")
    figure = loss_figure.draw_loss_comparison(curves)
    loss_figure.write_figure(figure, out, _FIGURE)
    click.echo(text)
    click.echo(f"{out}: results.csv, table.md, {_FIGURE}.svg, {_FIGURE}.png", err=True)
    if len(curves) < total:
        ctx.exit(1)


def _need_matplotlib() -> None:
    """Reports a missing matplotlib before the training, not after it."""
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError("the figure needs matplotlib; run: pip install 'gsn_jax[report]'")


def _arms(text: str) -> list:
    from gsn_jax.benchmark.ablation.arms import ARMS

    names = [name.strip() for name in text.split(",") if name.strip()] or list(ARMS)
    unknown = sorted(set(names) - set(ARMS))
    if unknown:
        raise InputError(f"--arms: unknown arm {unknown[0]!r}; known: {', '.join(ARMS)}")
    return [arm for name, arm in ARMS.items() if name in names]


def _seeds(text: str) -> list[int]:
    try:
        seeds = [int(seed) for seed in text.split(",")]
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0:
        raise InputError(f"--seeds {text!r}: give whole numbers, 0 or above, as in 0,1,2")
    return list(dict.fromkeys(seeds))
