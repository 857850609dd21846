"""Two distortions in sequence, as they occur in practice: blur, then compression, and so on."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_pipelines.distortions import blur, colour, compression, noise, scaling, tone
from data_pipelines.distortions.entry import Distortion
from data_pipelines.distortions.pixels import RGB

_PARTS = {
    entry.name: entry
    for module in (blur, colour, compression, noise, scaling, tone)
    for entry in module.DISTORTIONS
}

_PAIRS = (
    ("gaussian_blur", "jpeg"),
    ("gaussian_blur", "white_noise"),
    ("white_noise", "jpeg"),
    ("motion_blur", "jpeg"),
    ("lens_blur", "white_noise"),
    ("contrast_decrease", "jpeg2000"),
    ("darken", "white_noise"),
    ("saturation_hsv", "jpeg"),
    ("upscaling_bicubic", "jpeg"),
    ("upscaling_lanczos", "white_noise"),
)


@dataclasses.dataclass(frozen=True)
class _Chain:
    """Applies two distortions at the same level, which serves as the strength."""

    first: Distortion
    second: Distortion

    def __call__(self, image: RGB, level: float, rng: np.random.Generator) -> RGB:
        for part in (self.first, self.second):
            image = part.function(image, part.strength_at(level), rng)
        return image


def _entry(first: str, second: str) -> Distortion:
    return Distortion(
        f"{first}+{second}",
        "mixed",
        _Chain(_PARTS[first], _PARTS[second]),
        (1.0, 1.75, 2.5, 3.5, 4.5),
        (1, 5),
        "level of both parts",
        f"{first}, then {second}.",
        "composition",
    )


DISTORTIONS = tuple(_entry(*pair) for pair in _PAIRS)
