"""The loss comparison's baseline: GSN trained with the mean absolute error.

    gsn train --config ablation_mae --workdir runs/ablation_mae
    gsn ablation --out runs/ablation    # all arms with several seeds, and the table

The network is that of M4; only the loss differs.

Needs the prepared data set tid2013_regenerated; time and results are in `docs/results.md`.
"""

from ml_collections import ConfigDict

from gsn_jax.benchmark.ablation.arms import ablation_config


def get_config() -> ConfigDict:
    """What all arms share, with this arm's network and loss."""
    config = ablation_config()
    config.model.theta = 0.7
    config.loss.name = "mae"
    return config
