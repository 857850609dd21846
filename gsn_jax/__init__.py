"""Gradient Siamese Network for full-reference image quality assessment, in JAX and Flax.

    import gsn_jax
    metric = gsn_jax.load("gsn")
    metric("reference.png", "distorted.png")  # quality in [0, 1], up = better

Submodules are imported when they are first used, so that `import gsn_jax` stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

from gsn_jax._version import __version__

if TYPE_CHECKING:
    from gsn_jax.scoring.by_name import as_loss, score
    from gsn_jax.scoring.maps import quality_map
    from gsn_jax.scoring.model_metric import load

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submodules=(
        "agreement",
        "backbones",
        "errors",
        "gsn",
        "images",
        "layers",
        "losses",
        "metric",
        "metrics",
        "scoring",
        "testing",
        "training",
    ),
    submod_attrs={
        "scoring.by_name": ["as_loss", "score"],
        "scoring.maps": ["quality_map"],
        "scoring.model_metric": ["load"],
    },
)

__all__ = ["__version__", "as_loss", "load", "quality_map", "score"]
