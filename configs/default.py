"""GSN from scratch on your own pairs.

    gsn train --config default --workdir runs/mine --config.data.train=pairs.csv

`pairs.csv` has the columns reference,distorted,score[,group]; a fifth of the references are held
out for evaluation.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """The defaults of `gsn_jax.training.config`; `data.train` is still empty."""
    return base_config()
