"""Tiny tables of pairs: a run over one takes seconds."""

import csv

import numpy as np
from PIL import Image


def write_pairs(folder, generator, references=4, levels=4, size=(32, 36)):
    """Smooth random images with growing noise; quality falls with the level."""
    rows = []
    for number in range(references):
        coarse = generator.integers(0, 256, size=(5, 5, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
        image.save(folder / f"r{number}.png")
        for level in range(1, levels + 1):
            noise = generator.normal(scale=8 * level, size=(*size, 3))
            noisy = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / f"r{number}_{level}.png")
            rows.append((f"r{number}.png", f"r{number}_{level}.png", 1 - level / (levels + 1)))
    with open(folder / "pairs.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["reference", "distorted", "score"])
        writer.writerows(rows)
    return folder / "pairs.csv"
