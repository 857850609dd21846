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
    help="Format to write.",
)
@click.option("--out", required=True, metavar="PATH", help="Output file; for savedmodel a folder.")
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace --out even if it is not an exported metric. For savedmodel: replace an existing "
    "SavedModel, and nothing else.",
)
@click.option("--metric", "name", metavar="NAME", help="Metric to export.  [default: gsn]")
@click.option(
    "--checkpoint",
    metavar="DIR",
    help="Folder of a model, a training run or a checkpoint to export instead of --metric.",
)
@click.option(
    "--size",
    metavar="HxW",
    help="Fixed height and width of the images.  [default: any size; for onnx 384x512]",
)
def command(
    form: str,
    out: str,
    overwrite: bool,
    name: str | None,
    checkpoint: str | None,
    size: str | None,
) -> None:
    """Write a metric for other runtimes.

    The exported function maps reference and distorted images, float32 (N, H, W, 3) in [0, 1], to
    scores (N,). Its scores are compared with the metric's before the file is put in place.
    """
    fixed = _parse_size(size)
    if name is not None and checkpoint is not None:
        raise InputError("give either --metric NAME or --checkpoint DIR, not both")
    from gsn_jax.scoring import by_name, model_metric
    from gsn_jax.serving import export

    name = "gsn" if name is None else name
    metric = by_name.resolve(name) if checkpoint is None else model_metric.load(checkpoint)
    difference = export.export(metric, form, out, fixed, overwrite=overwrite)
    if form == "onnx":
        fixed = fixed or export.DEFAULT_SIZE
    shape = f"N x {fixed[0]} x {fixed[1]} x 3" if fixed else "N x H x W x 3, any size"
    click.echo(f"{out}: {metric.name}, {shape}; differs from the metric by {difference:.1g}")


def _parse_size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match:
        raise InputError(f"--size {text!r}: give HEIGHTxWIDTH, as in 384x512")
    return int(match[1]), int(match[2])
