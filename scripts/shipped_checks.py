"""Measurements of shipped models, for their tests and for `shipped_sanity.py`.

The functions only measure; the tests say what must hold.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import skimage.data
from PIL import Image

from data_pipelines import distortions
from gsn_jax.images import as_float
from gsn_jax.metric import FeatureCache, ReferenceCaching
from gsn_jax.scoring.by_name import as_loss
from gsn_jax.scoring.model_metric import ModelMetric

# Photographs of scikit-image that no model of ours is trained on.
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket", "stereo_motorcycle")

# Kodak photographs that no model of ours is trained on.
RESERVED_SCENES = (1, 3, 4, 6, 8, 19, 21, 23)

# Lossless formats and their options.
LOSSLESS = (("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {"compression": "tiff_lzw"}))


def photographs(size: int, names: Iterable[str] = PHOTOGRAPHS) -> dict[str, np.ndarray]:
    """The centres of photographs of scikit-image, uint8 `(size, size, 3)`."""
    return {name: centre(photograph(name), size) for name in names}


def reserved(
    folder: Path, size: int, scenes: Iterable[int] = RESERVED_SCENES
) -> dict[str, np.ndarray]:
    """The centres of Kodak's reserved scenes, from the folder of the development data."""
    files = {scene: folder / "photos" / "kodak" / f"kodim{scene:02d}.png" for scene in scenes}
    return {
        f"kodak {scene}": centre(np.array(Image.open(file)), size) for scene, file in files.items()
    }


def photograph(name: str) -> np.ndarray:
    """One of scikit-image's photographs, uncropped."""
    image = getattr(skimage.data, name)()
    return image[0] if isinstance(image, tuple) else image


def centre(image: np.ndarray, size: int) -> np.ndarray:
    """The centre of an image, `size` x `size` pixels."""
    top, left = ((length - size) // 2 for length in image.shape[:2])
    return np.ascontiguousarray(image[top : top + size, left : left + size])


def against(metric: ReferenceCaching, reference: np.ndarray) -> Callable[[np.ndarray], float]:
    """Scores images against one reference, whose features are computed once."""
    remember = FeatureCache().of("reference")
    return lambda image: float(metric.score_arrays(reference, image, remember))


def level_scores(
    metric: ReferenceCaching, images: Mapping[str, np.ndarray], types: Iterable[str]
) -> dict[tuple[str, str], list[float]]:
    """Scores of levels 0 to 5 by photograph and type; every photograph has its own seed."""
    found = {}
    for seed, (name, image) in enumerate(images.items()):
        score = against(metric, image)
        for kind in types:
            versions = (
                distortions.apply(kind, image, level=level, seed=seed)
                for level in distortions.LEVELS
            )
            found[name, kind] = [score(image), *map(score, versions)]
    return found


def falls(scores: Iterable[float]) -> bool:
    """Whether each score is less than the one before it."""
    return bool((np.diff(list(scores)) < 0).all())


def share_falling(scores: Mapping[tuple[str, str], list[float]]) -> dict[str, float]:
    """Share of photographs on which quality falls strictly, by type."""
    kinds = dict.fromkeys(kind for _, kind in scores)
    return {
        kind: float(np.mean([falls(row) for (_, own), row in scores.items() if own == kind]))
        for kind in kinds
    }


def one_pixel_apart(metric: ReferenceCaching, image: np.ndarray) -> float:
    """Loss of quality by a shift of one pixel, the larger of both directions."""
    moved = ((image[:, :-1], image[:, 1:]), (image[:-1], image[1:]))
    return max(1.0 - against(metric, first)(second) for first, second in moved)


def moved_together(
    metric: ReferenceCaching, image: np.ndarray, versions: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Change of each score if both images are cropped one pixel further down and to the right."""
    before, after = against(metric, image[:-1, :-1]), against(metric, image[1:, 1:])
    return {name: abs(after(x[1:, 1:]) - before(x[:-1, :-1])) for name, x in versions.items()}


def encoded(image: np.ndarray, form: str, **options: object) -> np.ndarray:
    """An image after it was written to a file of that format and read again."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, form, **options)
    return np.array(Image.open(file))


def jpeg_drop(metric: ReferenceCaching, image: np.ndarray, quality: int = 95) -> float:
    """Loss of quality by JPEG, by default at a visually lossless quality."""
    return 1.0 - against(metric, image)(encoded(image, "JPEG", quality=quality))


def lossless_change(metric: ReferenceCaching, image: np.ndarray, distorted: np.ndarray) -> float:
    """Largest change of the score if both images are stored in a lossless format."""
    before = against(metric, image)(distorted)
    return max(
        abs(against(metric, encoded(image, form, **o))(encoded(distorted, form, **o)) - before)
        for form, o in LOSSLESS
    )


def mirrored(image: np.ndarray, size: int) -> np.ndarray:
    """An image extended by mirroring: more pixels of the same content."""
    rest = [(0, max(size - length, 0)) for length in image.shape[:2]]
    return np.pad(image, (*rest, (0, 0)), mode="symmetric")


def mirrored_scores(
    metric: ReferenceCaching,
    image: np.ndarray,
    versions: Mapping[str, np.ndarray],
    sizes: Iterable[int],
) -> dict[str, list[float]]:
    """Scores of distorted versions at each size, with the same content and distortion."""
    scores = {name: [] for name in versions}
    for size in sizes:
        score = against(metric, mirrored(image, size))
        for name, version in versions.items():
            scores[name].append(score(mirrored(version, size)))
    return scores


def resized_scores(
    metric: ReferenceCaching,
    image: np.ndarray,
    kinds: Iterable[str],
    sizes: Iterable[int],
    level: float = 3,
) -> dict[str, list[float]]:
    """Scores of a photograph at each size, resized first and then distorted at the same level."""
    scores = {kind: [] for kind in kinds}
    for size in sizes:
        resized = Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS)
        reference = np.array(resized)
        score = against(metric, reference)
        for kind, row in scores.items():
            row.append(score(distortions.apply(kind, reference, level=level)))
    return scores


def noisy(image: np.ndarray, deviation: float = 0.1) -> jax.Array:
    """An image with Gaussian noise, in [0, 1]."""
    noise = np.random.default_rng(0).normal(scale=deviation, size=image.shape)
    return jnp.float32(np.clip(as_float(image) + noise, 0, 1))


@functools.cache
def gradient(metric: ModelMetric) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """The compiled gradient of `gsn_jax.as_loss`, a function of reference and distorted image.

    The gradient is with respect to the distorted image. Both images are in [0, 1].
    """
    return jax.jit(jax.grad(as_loss(metric), argnums=1))


def ascend(
    metric: ModelMetric, image: np.ndarray, start: jax.Array, steps: int = 50, rate: float = 0.002
) -> tuple[jax.Array, bool]:
    """Improves an image by Adam on the metric's loss.

    Args:
        metric: a model.
        image: the reference, uint8.
        start: the image to improve, in [0, 1].
        steps: number of steps.
        rate: learning rate.

    Returns:
        The improved image, and whether every gradient was finite.
    """
    reference, adam = jnp.asarray(as_float(image)), optax.adam(rate)

    @jax.jit
    def step(x: jax.Array, slope: jax.Array, state: optax.OptState):
        update, state = adam.update(slope, state)
        return jnp.clip(x + update, 0, 1), state

    x, state, finite = start, adam.init(start), True
    for _ in range(steps):
        slope = gradient(metric)(reference, x)
        finite = finite and bool(jnp.isfinite(slope).all())
        x, state = step(x, slope, state)
    return x, finite
