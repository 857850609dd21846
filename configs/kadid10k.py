"""GSN on KADID-10k; a fifth of the references are held out for evaluation.

    gsn datasets prepare kadid10k --manual-dir DOWNLOADS
    gsn train --config kadid10k --workdir runs/kadid10k

See `docs/datasets.md` for what DOWNLOADS holds.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """The defaults, on one data set."""
    config = base_config()
    config.data.train = ("kadid10k:train",)
    return config
