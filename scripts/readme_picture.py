"""Draws the picture of README.md: distorted images, their scores and quality maps.

python scripts/readme_picture.py docs/figures/what_it_does.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
import skimage.data
from matplotlib import pyplot as plt
from model_card_picture import save

import gsn_jax
from data_pipelines import distortions

# Distortion and level, from the bank that also makes training data.
SHOWN = (("contrast", 3), ("white_noise", 3), ("gaussian_blur", 4), ("jpeg", 5))


def photograph() -> np.ndarray:
    """A part of scikit-image's astronaut, uint8 `(H, W, 3)`."""
    return skimage.data.astronaut()[:320, 60:380]


def caption(reference: np.ndarray, distorted: np.ndarray) -> str:
    """The scores of the pair, one line each."""
    gsn, ssim, psnr = (
        float(gsn_jax.score(reference, distorted, metric=name)) for name in ("gsn", "ssim", "psnr")
    )
    return f"GSN {gsn:.2f}\nSSIM {ssim:.2f}   PSNR {psnr:.1f} dB"


def draw(path: Path) -> None:
    """Writes the picture: photographs above, maps of GSN on a common scale below."""
    reference = photograph()
    versions = [distortions.apply(name, reference, level=level) for name, level in SHOWN]
    maps = [gsn_jax.quality_map(reference, version, metric="gsn") for version in versions]
    worst = min(float(values.min()) for values in maps)
    figure, axes = plt.subplots(
        2, len(versions) + 1, figsize=(10, 4.5), dpi=90, layout="constrained"
    )
    for axis in axes.flat:
        axis.set_axis_off()
    axes[0, 0].imshow(reference)
    axes[0, 0].set_title("original\n", fontsize=10)
    for column, ((name, _), version, values) in enumerate(zip(SHOWN, versions, maps, strict=True)):
        axes[0, column + 1].imshow(version)
        axes[0, column + 1].set_title(
            f"{name.replace('_', ' ')}: {caption(reference, version)}", fontsize=10
        )
        # Reversed: bright is worse, as in `gsn score --maps`.
        axes[1, column + 1].imshow(values, cmap="inferno_r", vmin=worst, vmax=1.0)
    axes[1, 0].text(0.5, 0.5, "where GSN sees\nthe difference", ha="center", va="center")
    save(figure, path)


def main() -> None:
    """Draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="the picture to write (.png)")
    draw(parser.parse_args().path)


if __name__ == "__main__":
    main()
