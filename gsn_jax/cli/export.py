"""`gsn export`: write a metric for other runtimes."""

from __future__ import annotations

import re

import click

from gsn_jax.errors import InputError


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["stablehlo", "onnx", "savedmodel"]),
    required=True,
    help="What to write.",
)
@click.option(
    "--out", required=True, metavar="PATH", help="File to write; a folder for savedmodel."
)
@click.option(
    "--metric", "name", default="gsn", show_default=True, metavar="NAME", help="What to export."
)
@click.option(
    "--checkpoint",
    metavar="DIR",
    help="Use this model: a model's folder, a training run's, or one checkpoint's.",
)
@click.option(
    "--size",
    metavar="HxW",
    help="Fix height and width. ONNX always has a fixed size, 384x512 if none is given.",
)
def command(form: str, out: str, name: str, checkpoint: str | None, size: str | None) -> None:
    """Write a metric for other runtimes.

    The result maps reference and distorted, float32 (N, H, W, 3) in [0, 1], to scores (N,). It is
    run once and compared with the metric before it gets its name.
    """
    fixed = _parse_size(size)
    from gsn_jax.scoring import by_name, model_metric
    from gsn_jax.serving import export

    metric = model_metric.load(checkpoint) if checkpoint is not None else by_name.resolve(name)
    difference = export.export(metric, form, out, fixed)
    if form == "onnx":
        fixed = fixed or export.DEFAULT_SIZE
    shape = f"N x {fixed[0]} x {fixed[1]} x 3" if fixed else "N x H x W x 3, any size"
    click.echo(f"{out}: {metric.name}, {shape}; differs from the metric by {difference:.1g}")


def _parse_size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match:
        raise InputError(f"--size {text!r}: give height x width, e.g. 384x512")
    return int(match[1]), int(match[2])
