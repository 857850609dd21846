"""`gsn demo`: scores of distorted versions of a few photographs."""

from __future__ import annotations

from types import ModuleType

import click
from rich.console import Console
from rich.table import Table

from gsn_jax.errors import InputError

PHOTOGRAPHS = ("astronaut", "coffee", "rocket")

# Distortions and levels, see `data_pipelines.distortions`.
DISTORTIONS = (
    ("jpeg", 1),
    ("jpeg", 4),
    ("gaussian_blur", 2),
    ("gaussian_blur", 4),
    ("white_noise", 2),
    ("contrast", 3),
)

METRICS = ("gsn", "psnr", "ssim")


@click.command()
def command() -> None:
    """Score distorted versions of three photographs with gsn, PSNR and SSIM."""
    data = _photographs()
    from data_pipelines import distortions
    from gsn_jax.cli.score_views import arrow
    from gsn_jax.scoring import by_name

    metrics = [by_name.resolve(name) for name in METRICS]
    table = Table(title="distorted photographs; gsn ranges from 0 (worst) to 1 (identical)")
    table.add_column("photograph")
    table.add_column("distortion")
    for metric in metrics:
        table.add_column(f"{metric.name} {arrow(metric)}", justify="right")
    for photograph in PHOTOGRAPHS:
        # All are cropped to one size, so that each metric is compiled once.
        reference = getattr(data, photograph)()[:384, :512]
        versions = [("none (identical)", reference)] + [
            (f"{name}, level {level}", distortions.apply(name, reference, level=level, seed=0))
            for name, level in DISTORTIONS
        ]
        for index, (label, distorted) in enumerate(versions):
            scores = [f"{float(metric(reference, distorted)):.4f}" for metric in metrics]
            last = index == len(versions) - 1
            table.add_row(photograph, label, *scores, end_section=last)
    Console().print(table)


def _photographs() -> ModuleType:
    """The module of scikit-image that holds the photographs."""
    try:
        import skimage.data
    except ImportError:
        raise InputError(
            "the demo needs the photographs of scikit-image; run: pip install 'gsn_jax[demo]'"
        ) from None
    return skimage.data
