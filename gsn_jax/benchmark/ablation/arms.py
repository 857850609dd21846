"""The arms of the ablation in the GSN paper, and their common configuration."""

from __future__ import annotations

import dataclasses

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


@dataclasses.dataclass(frozen=True)
class Arm:
    """A network and loss to train.

    Attributes:
        name: key in `ARMS`; its configuration is `ablation_NAME`.
        network: "CNN" (theta = 0) or "CDC".
        loss: the poster's name of the loss.
        published: PLCC, SRCC and main score on PIPAL's validation part; None if not published.
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

# (first, second, what changes): the comparisons in the poster's table.
CONTRASTS = (
    ("m1", "m3", "CDC instead of CNN, loss MSE"),
    ("m2", "m4", "CDC instead of CNN, loss MSE+KL"),
    ("m1", "m2", "KL beside MSE, CNN"),
    ("m3", "m4", "KL beside MSE, CDC"),
    ("mae", "m4", "ours instead of MAE"),
    ("norm_in_norm", "m4", "ours instead of Norm-in-Norm"),
)

# Values in which the arms differ, and in which the runs of an arm differ.
ARM_VALUES = ("model.theta", "loss.name", "loss.alpha", "loss.beta")
SEED_VALUES = ("seed",)


def ablation_config() -> ConfigDict:
    """The configuration that all arms share; a run takes a few minutes on two CPU cores.

    Every arm sets `ARM_VALUES` and nothing else. "MSE" on the poster is taken as the pairwise term
    of its loss, the mean squared difference of the normalised vectors
    (`gsn_jax.losses.pairwise_loss`), and "KL" as the listwise term (`listwise_loss`). The small
    anchoring MSE term of the default configuration is left out, since no arm of the poster has it.
    """
    config = base_config()
    config.model.backbone_options = {"stem_width": 8, "widths": (16, 32, 64)}
    config.model.fusion_width = 16
    config.loss.mse_weight = 0.0
    config.data.train = ("tid2013_regenerated:train",)
    config.data.batch_size = 16
    config.data.crop_size = 96
    config.optimizer.warmup_steps = 50
    config.train.steps = 300
    config.train.eval_every = 50
    config.train.checkpoint_every = 100
    config.train.eval_pairs = 90  # a whole image costs as much as seven crops
    return config
