"""A small model folder, made without training."""

import jax
import numpy as np
import pytest

from gsn_jax import models
from gsn_jax.calibration import Calibration
from gsn_jax.model_files import TrainedModel, write_model

CONFIG = {
    "name": "gsn",
    "trunk_options": {"stem_width": 4, "widths": (4, 4, 4), "blocks": 1},
    "fusion_width": 4,
    "theta": 0.7,
    "dtype": "float32",
}


@pytest.fixture(scope="session")
def small_model():
    """A GSN with random variables, and a calibration."""
    generator = np.random.default_rng(5)
    images = np.zeros((1, 32, 32, 3), np.float32)
    shapes = jax.eval_shape(models.build(CONFIG).init, jax.random.key(0), images, images)
    variables = jax.tree.map(
        lambda leaf: np.float32(generator.normal(scale=0.3, size=leaf.shape)), shapes
    )
    return TrainedModel(
        config=CONFIG,
        variables=variables,
        calibration=Calibration(b1=1.02, b2=-0.1, b3=0.2, b4=0.2),
        training={"note": "random"},
        version="1.2.3",
    )


@pytest.fixture(scope="session")
def model_folder(small_model, tmp_path_factory):
    """Its folder."""
    folder = tmp_path_factory.mktemp("models") / "small"
    write_model(folder, small_model)
    return folder
