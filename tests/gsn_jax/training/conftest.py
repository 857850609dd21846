"""A tiny table of pairs and a tiny configuration, so that a run takes seconds."""

import numpy as np
import pytest
from small_pairs import write_pairs

from gsn_jax.training.config import base_config


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"), np.random.default_rng(7))


@pytest.fixture
def config(pairs):
    config = base_config()
    # One level compiles in a third of the time of three.
    config.model.backbone_options = {"stem_width": 4, "widths": (4,), "blocks": 1}
    config.model.attention = (3,)
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
