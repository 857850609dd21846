"""Small models with random weights, and pairs of images for them."""

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.models import registry

# Two levels, because three take a third longer to compile.
SMALL = {
    "backbone_options": {"stem_width": 4, "widths": (4, 6), "blocks": 1},
    "attention": (5, 3),
    "fusion_width": 4,
}
FROZEN = {"name": "frozen", "backbone": "cdcn", "attention": (3,)}


def build(seed=1, **options):
    """A small model with the given configuration options, and random variables for it."""
    model = registry.build({"name": "gsn", **SMALL, **options})
    return model, draw(model, seed)


def draw(model, seed=1, images=None):
    """Random variables of a model for `images` (default: a pair), drawn without compiling."""
    images = images or [jnp.zeros((1, 32, 32, 3))] * 2
    shapes = jax.eval_shape(model.init, jax.random.key(0), *images)
    generator = np.random.default_rng(seed)

    def number(path, leaf):
        if path[-1].key == "kernel":
            return generator.normal(size=leaf.shape) * np.sqrt(2 / np.prod(leaf.shape[:-1]))
        return 0.2 * generator.normal(size=leaf.shape)

    return jax.tree.map(jnp.float32, jax.tree_util.tree_map_with_path(number, shapes))


def noisy_pair(rng, height, width):
    """A noise image, and the same with more noise on half of its pixels, uint8."""
    reference = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    noise = rng.integers(-60, 60, reference.shape) * (rng.random((height, width, 1)) < 0.5)
    return reference, np.clip(reference + noise, 0, 255).astype(np.uint8)
