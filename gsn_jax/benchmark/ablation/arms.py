"""What the ablation of the GSN paper compares: the arms, and what they have in common."""

from __future__ import annotations

import dataclasses

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        name: key in `ARMS`; its configuration is `ablation_NAME`.
        network: "CNN" (theta = 0) or "CDC".
        loss: as the poster names it.
        published: PLCC, SRCC and main score on PIPAL's validation part; None where there are none.
    """

    name: str
    network: str
    loss: str
    published: tuple[float, float, float] | None = None

    @property
    def config(self) -> str:
        """Name of the configuration."""
        return f"ablation_{self.name}"


# Cong et al., CVPR Workshops 2022, ablation table of the poster.
ARMS = {
    arm.name: arm
    for arm in (
        Arm("m1", "CNN", "MSE", (0.785, 0.751, 1.536)),
        Arm("m2", "CNN", "MSE+KL", (0.802, 0.787, 1.589)),
        Arm("m3", "CDC", "MSE", (0.828, 0.804, 1.632)),
        Arm("m4", "CDC", "MSE+KL", (0.835, 0.811, 1.646)),
        Arm("mae", "CDC", "MAE"),
        Arm("norm_in_norm", "CDC", "Norm-in-Norm"),
    )
}

# The poster's figure compares losses on one network; "ours" is the arm M4.
LOSS_COMPARISON = {"mae": "MAE", "norm_in_norm": "Norm-in-Norm", "m4": "ours"}

# (first, second, what the second adds): differences that the poster's table is read for.
CONTRASTS = (
    ("m1", "m3", "CDC instead of CNN, loss MSE"),
    ("m2", "m4", "CDC instead of CNN, loss MSE+KL"),
    ("m1", "m2", "KL beside MSE, CNN"),
    ("m3", "m4", "KL beside MSE, CDC"),
    ("mae", "m4", "ours instead of MAE"),
    ("norm_in_norm", "m4", "ours instead of Norm-in-Norm"),
)

# What tells the arms apart, and what tells the runs of an arm apart.
ARM_VALUES = ("model.theta", "loss.name", "loss.alpha", "loss.beta")
SEED_VALUES = ("seed", "data.split_seed")


def ablation_config() -> ConfigDict:
    """What all arms share: a third of the model that ships, a few minutes each on two CPU cores.

    Every arm sets `ARM_VALUES` and nothing else. The poster's terms are read as those of its loss:
    "MSE" is the pairwise term, the mean squared difference of the normalised vectors
    (`gsn_jax.losses.pairwise_loss`), "KL" the listwise term (`listwise_loss`). The small anchoring
    MSE term of the default configuration is left out, since no arm of the poster has one.
    """
    config = base_config()
    config.model.trunk_options = {"stem_width": 8, "widths": (16, 32, 64)}
    config.model.fusion_width = 16
    config.loss.mse_weight = 0.0
    config.data.train = ("tid2013_regenerated:train",)
    config.data.batch_size = 16
    config.data.crop_size = 96
    config.optimizer.warmup_steps = 50
    config.train.steps = 300
    config.train.eval_every = 50
    config.train.checkpoint_every = 100
    config.train.eval_pairs = 90  # the same of a fold each time; a whole image costs seven crops
    config.train.keep = 1
    return config
