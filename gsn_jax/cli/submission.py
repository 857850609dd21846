"""`gsn submission`: the ZIP file that NTIRE's perceptual quality challenges ask for."""

from __future__ import annotations

from pathlib import Path

import click

from gsn_jax.cli import shared_options
from gsn_jax.cli.counting import counting


@click.command()
@click.option(
    "--reference-dir",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of references, such as A0001.bmp.",
)
@click.option(
    "--distorted-dir",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of images to score, such as A0001_00_00.bmp.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.zip",
    help="ZIP file to write.",
)
@click.option("--overwrite", is_flag=True, help="Replace --out even if it is not a submission.")
@click.option(
    "--metric", default="gsn", show_default=True, metavar="NAME", help="Metric to score with."
)
@shared_options.checkpoint
@click.option(
    "--extra-data/--no-extra-data",
    default=True,
    show_default=True,
    help="State in readme.txt whether the model was trained on data other than the challenge's.",
)
@click.option(
    "--description",
    metavar="TEXT",
    help="Description for readme.txt.  [default: the metric's name]",
)
def command(
    reference_dir: Path,
    distorted_dir: Path,
    out: Path,
    overwrite: bool,
    metric: str,
    checkpoint: str | None,
    extra_data: bool,
    description: str | None,
) -> None:
    """Score a folder and write a ZIP file in the format of NTIRE 2021 and 2022.

    It contains output.txt, with one line name,score per image (higher is better), and readme.txt,
    which states the time per image, CPU or GPU, whether extra data were used, and a description.
    """
    import jax

    from gsn_jax._version import __version__
    from gsn_jax.benchmark import submission
    from gsn_jax.errors import InputError, counted
    from gsn_jax.scoring.by_name import choose
    from gsn_jax.scoring.outputs import check_place, is_regular, is_submission, refuse_foreign

    if is_regular(out) and out.suffix.lower() != ".zip":
        raise InputError(f"{out}: a submission is a ZIP file; name one that ends in .zip")
    check_place(out, inputs=())
    refuse_foreign(out, is_submission, overwrite=overwrite)
    pairs = submission.match(reference_dir, distorted_dir)
    (judge, *others), _ = choose(metric, checkpoint)
    if others:
        raise InputError("a submission has the scores of one metric; name one with --metric")
    with counting("scoring", total=len(pairs), transient=True, rate="pairs") as show:
        scores, seconds = submission.score_all(pairs, judge, show)
    about = submission.readme(
        seconds,
        on_cpu=jax.default_backend() == "cpu",
        extra_data=extra_data,
        description=description or f"{judge.name} of gsn_jax {__version__}, in JAX",
    )
    submission.write_zip(out, scores, about)
    click.echo(f"{out}: {counted(len(scores), 'score')}")
