"""One arm of the ablation and the loss comparison of the GSN paper.

    gsn train --config ablation.py:m4 --workdir runs/ablation_m4
    gsn ablation --out runs/ablation    # all arms with several seeds, and the table

The argument names an arm of `gsn_jax.benchmark.ablation.arms.ARMS`: m1 to m4 vary network and loss;
mae and norm_in_norm change the loss of m4. `--config ablation_m4` is short for
`--config ablation.py:m4`. theta = 0 gives a plain CNN. The poster's "MSE" is read as the
pairwise term of its loss, the mean squared difference of the normalised vectors (alpha = 1,
beta = 0), and "MSE+KL" as its whole loss. Norm-in-Norm is that of Li et al., ACM MM 2020, with
p = 1 and q = 2, which that paper recommends.

Needs the prepared data set tid2013_regenerated; duration and results are in `docs/results.md`.
"""

from ml_collections import ConfigDict

from gsn_jax.benchmark.ablation.arms import ARMS, ablation_config

ALIASES = {f"ablation_{arm}": arm for arm in ARMS}


def get_config(arm: str = "") -> ConfigDict:
    """The settings that all arms share, with the network and loss of `arm`."""
    if arm not in ARMS:
        raise ValueError(f"give ablation.py:ARM, where ARM is one of {', '.join(ARMS)}")
    return ablation_config(ARMS[arm])
