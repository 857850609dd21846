"""`gsn submission`: the file that the NTIRE perceptual quality challenges ask for."""

from __future__ import annotations

from pathlib import Path

import click

from gsn_jax.cli.counting import counting_bar


@click.command()
@click.option(
    "--reference-dir",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the references, e.g. A0001.bmp.",
)
@click.option(
    "--distorted-dir",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the images to score, e.g. A0001_00_00.bmp.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.zip"
)
@click.option("--metric", default="gsn", show_default=True, metavar="NAME")
@click.option("--checkpoint", metavar="DIR", help="Use this model for gsn.")
@click.option(
    "--extra-data/--no-extra-data",
    default=True,
    show_default=True,
    help="Whether the model was trained on more than the challenge's data.",
)
@click.option("--description", metavar="TEXT", help="For readme.txt; the metric's name by default.")
def command(
    reference_dir: Path,
    distorted_dir: Path,
    out: Path,
    metric: str,
    checkpoint: str | None,
    extra_data: bool,
    description: str | None,
) -> None:
    """Write the scores of a folder as a ZIP in the format of NTIRE 2021 and 2022.

    output.txt has a line name,score per image, up = better; readme.txt the time per image, CPU or
    GPU, extra data, and a description.
    """
    import jax

    from gsn_jax._version import __version__
    from gsn_jax.benchmark import submission
    from gsn_jax.errors import InputError
    from gsn_jax.scoring.metric_choice import choose

    pairs = submission.match(reference_dir, distorted_dir)
    (judge, *others), _ = choose(metric, checkpoint)
    if others:
        raise InputError("a submission has the scores of one metric; name one with --metric")
    with counting_bar(transient=True) as bar:
        task = bar.add_task("scoring", total=len(pairs))
        scores, seconds = submission.score_all(
            pairs, judge, lambda done, total: bar.update(task, completed=done, total=total)
        )
    about = submission.readme(
        seconds,
        on_cpu=jax.default_backend() == "cpu",
        extra_data=extra_data,
        description=description or f"{judge.name} of gsn_jax {__version__}, in JAX",
    )
    submission.write_zip(out, scores, about)
    click.echo(f"{out}: {len(scores)} scores")
