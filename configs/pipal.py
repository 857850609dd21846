"""GSN on PIPAL's training part; a fifth of the references are held out for evaluation.

    gsn datasets prepare pipal --manual-dir DOWNLOADS
    gsn train --config pipal --workdir runs/pipal

See `docs/datasets.md` for what DOWNLOADS holds.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """The defaults, on one data set."""
    config = base_config()
    config.data.train = ("pipal:train",)
    return config
