"""M1 of the ablation: plain convolutions, the pairwise term alone.

    gsn train --config ablation_m1 --workdir runs/ablation_m1
    gsn ablation --out runs/ablation    # all arms with several seeds, and the table

theta = 0 is the plain network. The poster's "MSE" is read as the pairwise term of its loss, the
mean squared difference of the normalised vectors: alpha = 1, beta = 0.

Needs the prepared data set tid2013_regenerated; time and results are in `docs/results.md`.
"""

from ml_collections import ConfigDict

from gsn_jax.benchmark.ablation.arms import ablation_config


def get_config() -> ConfigDict:
    """What all arms share, with this arm's network and loss."""
    config = ablation_config()
    config.model.theta = 0.0
    config.loss.name = "gsn"
    config.loss.alpha = 1.0
    config.loss.beta = 0.0
    return config
