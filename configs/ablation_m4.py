"""M4 of the ablation, "ours" of the loss comparison: GSN as it is meant to be.

    gsn train --config ablation_m4 --workdir runs/ablation_m4
    gsn ablation --out runs/ablation    # all arms with several seeds, and the table

Central difference convolutions; "MSE+KL" is read as the poster's whole loss: alpha = beta = 1.

Needs the prepared data set tid2013_regenerated; time and results are in `docs/results.md`.
"""

from ml_collections import ConfigDict

from gsn_jax.benchmark.ablation.arms import ablation_config


def get_config() -> ConfigDict:
    """What all arms share, with this arm's network and loss."""
    config = ablation_config()
    config.model.theta = 0.7
    config.loss.name = "gsn"
    config.loss.alpha = 1.0
    config.loss.beta = 1.0
    return config
