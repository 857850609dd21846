"""Measures how much the distortion bank's networks improve damaged images.

    python scripts/restoration_gains.py PHOTOS --limit 12

PHOTOS is a folder of photographs that the networks were not trained on. Prints a Markdown table
with a row per type and level: the mean PSNR (dB) before and after the network, and the mean
gradient of both images relative to that of the reference.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from data_pipelines import distortions
from data_pipelines.distortions import networks, pixels
from data_pipelines.synthesize import find_photos
from data_pipelines.tid2013.fidelity import psnr
from gsn_jax.errors import InputError
from gsn_jax.images.files import load_image

_KINDS = {
    "denoising_network": "denoising",
    "deblocking_network": "deblocking",
    "upscaling_network": "upscaling",
    "upscaling_texture": "texture",
}


def main() -> None:
    """Prints one row per type and level."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--limit", type=int, default=12, help="number of photographs to use")
    options = parser.parse_args()
    try:
        photos = [load_image(path) for path in find_photos(options.photos)[: options.limit]]
    except InputError as error:
        parser.exit(2, f"restoration_gains: {error}\n")
    print("| type | level | before | after | gain | gradient before | after |")
    print("|---|---|---|---|---|---|---|")
    for name in _KINDS:
        for level in distortions.LEVELS:
            rows = np.array([measure(name, level, photo) for photo in photos])
            before, after, sharp_before, sharp_after = rows.mean(0)
            cells = f"{before:.2f} | {after:.2f} | {after - before:+.2f}"
            print(f"| `{name}` | {level} | {cells} | {sharp_before:.2f} | {sharp_after:.2f} |")


def measure(name: str, level: int, photo: np.ndarray) -> tuple[float, float, float, float]:
    """PSNR before and after the network, and mean gradients relative to the reference."""
    kind, strength = _KINDS[name], distortions.get(name).strength_at(level)
    damaged = networks.DAMAGE[kind](photo, strength, np.random.default_rng(0))
    known = networks.condition(kind, strength)
    restored = networks.repair(damaged, known, networks.layers(kind))
    pair = (damaged, restored)
    return *(psnr(photo, image) for image in pair), *(gradient(i) / gradient(photo) for i in pair)


def gradient(image: np.ndarray) -> float:
    """The mean absolute difference of neighbouring pixels in luma."""
    luma = pixels.luma(image)
    return float(np.abs(np.diff(luma, axis=0)).mean() + np.abs(np.diff(luma, axis=1)).mean())


if __name__ == "__main__":
    main()
