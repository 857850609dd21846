"""GSN on CSIQ; a fifth of the references are held out for evaluation.

    gsn datasets prepare csiq --manual-dir DOWNLOADS
    gsn train --config csiq --workdir runs/csiq

See `docs/datasets.md` for what DOWNLOADS holds.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """The defaults, on one data set."""
    config = base_config()
    config.data.train = ("csiq:train",)
    return config
