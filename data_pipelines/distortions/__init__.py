"""Distortion bank: what happens to photographs, as functions of (image, level, seed).

    from data_pipelines import distortions
    distortions.names()                                   # every type, by group
    distortions.apply("jpeg", image, level=3)             # uint8 (H, W, 3) in and out
    distortions.apply("white_noise", image, strength=8.0, seed=7)
    distortions.get("jpeg").strengths                     # the five levels, in its own unit

It holds the 24 types of TID2013 (Ponomarenko et al., Signal Processing: Image Communication 30,
2015), the 25 of KADID-10k (Lin, Hosu and Saupe, QoMEX 2019), what scaling and restoration leave
behind, by filters and by small networks, and pairs of these. The strengths of a level are ours:
spread so that levels 1 to 5 go from hardly visible to severe. Functions are deterministic: equal
arguments give equal bytes with the same versions of the libraries below.
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
