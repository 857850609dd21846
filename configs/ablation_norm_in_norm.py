"""The loss comparison's second arm: GSN trained with Norm-in-Norm.

    gsn train --config ablation_norm_in_norm --workdir runs/ablation_norm_in_norm
    gsn ablation --out runs/ablation    # all arms with several seeds, and the table

The network is that of M4; the loss is that of Li et al., ACM MM 2020, with p = 1 and q = 2, which
that paper recommends.

Needs the prepared data set tid2013_regenerated; time and results are in `docs/results.md`.
"""

from ml_collections import ConfigDict

from gsn_jax.benchmark.ablation.arms import ablation_config


def get_config() -> ConfigDict:
    """What all arms share, with this arm's network and loss."""
    config = ablation_config()
    config.model.theta = 0.7
    config.loss.name = "norm_in_norm"
    return config
