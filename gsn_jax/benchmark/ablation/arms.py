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
        loss: the poster's name of the loss.
        values: values of the configuration keys `ARM_VALUES`, in their order.
        published: PLCC, SRCC and main score on PIPAL's validation part; None if not published.
    """

    name: str
    loss: str
    values: tuple[float, str, float, float]
    published: tuple[float, float, float] | None = None

    @property
    def config(self) -> str:
        """Name of the configuration."""
        return f"ablation_{self.name}"

    @property
    def network(self) -> str:
        """The poster's name of the network: "CNN" for theta = 0, otherwise "CDC"."""
        return "CDC" if self.values[0] else "CNN"


# Configuration keys in which the arms differ, and in which the runs of an arm differ.
ARM_VALUES = ("model.theta", "loss.name", "loss.alpha", "loss.beta")
SEED_VALUES = ("seed",)


# Cong et al., CVPR Workshops 2022, ablation table of the poster.
ARMS = {
    arm.name: arm
    for arm in (
        Arm("m1", "MSE", (0.0, "gsn", 1.0, 0.0), (0.785, 0.751, 1.536)),
        Arm("m2", "MSE+KL", (0.0, "gsn", 1.0, 1.0), (0.802, 0.787, 1.589)),
        Arm("m3", "MSE", (0.7, "gsn", 1.0, 0.0), (0.828, 0.804, 1.632)),
        Arm("m4", "MSE+KL", (0.7, "gsn", 1.0, 1.0), (0.835, 0.811, 1.646)),
        Arm("mae", "MAE", (0.7, "mae", 1.0, 1.0)),
        Arm("norm_in_norm", "Norm-in-Norm", (0.7, "norm_in_norm", 1.0, 1.0)),
    )
}

# The poster's figure compares losses on one network; "ours" is the arm M4.
LOSS_COMPARISON = {"mae": "MAE", "norm_in_norm": "Norm-in-Norm", "m4": "ours"}

# (first, second, what changes): the comparisons in the poster's table.
CONTRASTS = (
    ("m1", "m3", "CDC instead of CNN, loss MSE"),
    ("m2", "m4", "CDC instead of CNN, loss MSE+KL"),
    ("m1", "m2", "KL added to MSE, CNN"),
    ("m3", "m4", "KL added to MSE, CDC"),
    ("mae", "m4", "ours instead of MAE"),
    ("norm_in_norm", "m4", "ours instead of Norm-in-Norm"),
)


def ablation_config(arm: Arm) -> ConfigDict:
    """The configuration of an arm; a run takes a few minutes on two CPU cores.

    Arms differ only in `ARM_VALUES`. "MSE" on the poster is taken as the pairwise term of its loss,
    the mean squared difference of the normalised vectors (`gsn_jax.losses.pairwise_loss`), and "KL"
    as the listwise term (`listwise_loss`). The small anchoring MSE term of the default
    configuration is left out, since no arm of the poster has it.
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
    config.update_from_flattened_dict(dict(zip(ARM_VALUES, arm.values, strict=True)))
    return config
