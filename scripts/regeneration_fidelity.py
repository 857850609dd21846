"""Measures the fidelity of each regenerated type of TID2013, as a Markdown table.

    python scripts/regeneration_fidelity.py PHOTOS TABLES [--scenes 2,5,...] [--types 1,2,...]

PHOTOS is the folder of the Kodak photographs, TABLES holds `tid2013_per_image_metrics.csv.gz`.
For each type, over all levels of the scenes: the largest difference of PSNR, and the correlation r
and mean absolute difference of SSIM and GMSD, between the regenerated images and the published
values of each image. By default, the scenes are those that are not reserved.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import track

from data_pipelines.regenerate_tid2013 import make
from data_pipelines.tid2013 import crops, fidelity, published
from data_pipelines.tid2013.recipes import FAITHFUL, RECIPES

_HEADER = (
    "| type | distortion | images | PSNR, largest difference | SSIM r | SSIM mad | GMSD r "
    "| GMSD mad | kept |\n|---|---|---|---|---|---|---|---|---|"
)


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.argument("tables", type=click.Path(path_type=Path))
@click.option(
    "--scenes",
    default=None,
    help="Comma-separated scene numbers.  [default: all that are not reserved]",
)
@click.option("--types", default=None, help="Comma-separated type numbers.  [default: all]")
def main(photos: Path, tables: Path, scenes: str | None, types: str | None) -> None:
    """Prints the fidelity of each regenerated type of TID2013, as a Markdown table."""
    chosen = _numbers(scenes) or sorted(set(crops.OFFSETS) - crops.RESERVED)
    targets = published.read(tables)
    references = {scene: crops.reference(photos, scene) for scene in chosen}
    click.echo(_HEADER)
    console = Console(stderr=True)
    for number in track(_numbers(types) or sorted(RECIPES), "types", console=console):
        values = np.array(
            [
                _values(references[scene], targets, (scene, number, level))
                for scene in chosen
                for level in range(1, 6)
            ]
        )
        click.echo(_row(number, values))


def _numbers(text: str | None) -> list[int]:
    return [int(word) for word in text.split(",")] if text else []


def _values(reference: np.ndarray, targets: dict, key: tuple[int, int, int]) -> tuple[float, ...]:
    target = targets[key]
    match = make(reference, key, target)
    return (
        match.psnr - target.psnr,
        fidelity.ssim(reference, match.image),
        target.ssim,
        fidelity.gmsd(reference, match.image),
        target.gmsd,
    )


def _row(number: int, values: np.ndarray) -> str:
    psnr, ssim, ssim_published, gmsd, gmsd_published = values.T
    cells = [
        str(number),
        RECIPES[number].name.replace("_", " "),
        str(len(values)),
        f"{np.abs(psnr).max():.3f} dB",
        f"{np.corrcoef(ssim, ssim_published)[0, 1]:.3f}",
        f"{np.abs(ssim - ssim_published).mean():.4f}",
        f"{np.corrcoef(gmsd, gmsd_published)[0, 1]:.3f}",
        f"{np.abs(gmsd - gmsd_published).mean():.4f}",
        "yes" if number in FAITHFUL else "no",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
