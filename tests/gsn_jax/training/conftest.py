"""Tiny tables of pairs and a tiny configuration: a run takes seconds."""

import csv

import numpy as np
import pytest
from PIL import Image

from gsn_jax.training.config import base_config


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


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"), np.random.default_rng(7))


@pytest.fixture
def config(pairs):
    config = base_config()
    config.model.trunk_options = {"stem_width": 4, "widths": (4, 4, 4), "blocks": 1}
    config.model.fusion_width = 4
    config.data.train = (str(pairs),)
    config.data.eval_fraction = 0.25
    config.data.batch_size = 8
    config.data.crop_size = 32
    config.optimizer.warmup_steps = 2
    config.train.steps = 6
    config.train.log_every = 2
    config.train.eval_every = 3
    config.train.checkpoint_every = 2
    return config
