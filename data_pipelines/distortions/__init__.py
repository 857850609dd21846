"""Distortion bank: functions of (image, level, seed).

    from data_pipelines import distortions
    distortions.names()                                   # every type, by group
    distortions.apply("jpeg", image, level=3)             # uint8 (H, W, 3) in and out
    distortions.apply("white_noise", image, strength=8.0, seed=7)
    distortions.get("jpeg").strengths                     # the five levels, in its own unit

It holds the 24 types of TID2013 (Ponomarenko et al., Signal Processing: Image Communication 30,
2015), the 25 of KADID-10k (Lin, Hosu and Saupe, QoMEX 2019), artefacts of scaling and restoration
by filters and small networks, and combinations of two. The strengths of the levels are our own,
from barely visible (1) to severe (5). Functions are deterministic: equal arguments give equal bytes
with equal versions of the underlying libraries.
"""

from data_pipelines.distortions.entry import LEVELS, Distortion
from data_pipelines.distortions.registry import (
    apply,
    get,
    groups,
    names,
    of_kadid10k,
    of_tid2013,
    select,
)

__all__ = [
    "LEVELS",
    "Distortion",
    "apply",
    "get",
    "groups",
    "names",
    "of_kadid10k",
    "of_tid2013",
    "select",
]
