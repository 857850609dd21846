"""Traces the public functions of arrays while their shape annotations are checked.

This is a separate program, because the checks are added to the modules when they are imported.
Prints a line for each function: "NAME: as annotated", "NAME: needs weights", or what is wrong.
"""

import functools
import itertools

import jax
import jaxtyping
from jaxtyping import install_import_hook

PACKAGES = ["gsn_jax.metrics", "gsn_jax.losses", "gsn_jax.layers", "gsn_jax.heads", "gsn_jax.gsn"]

with install_import_hook(
    [*PACKAGES, "gsn_jax.backbones", "gsn_jax.models", "gsn_jax.images"], "beartype.beartype"
):
    from gsn_jax import layers, losses, metrics
    from gsn_jax.errors import InputError
    from gsn_jax.models import registry


def floats(*shape):
    return jax.ShapeDtypeStruct(shape, "float32")


def metric_cases():
    pair = [floats(2, 176, 179, 3)] * 2  # MS-SSIM needs large images
    for name in metrics.names():
        metric = metrics.get(name)
        yield name, metric.function, pair
        if getattr(metric, "map_function", None):
            yield f"{name} map", metric.map_function, pair


def loss_cases():
    for name in ("mse_loss", "mae_loss", "norm_in_norm", "pairwise_loss", "listwise_loss"):
        yield name, getattr(losses, name), [floats(6)] * 2
    yield "gsn_loss", functools.partial(losses.gsn_loss, alpha=1.0, beta=1.0), [floats(6)] * 2


def module_cases():
    key = jax.eval_shape(lambda: jax.random.key(0))
    for layer in (layers.CDConv(5, strides=(2, 2)), layers.SpatialAttention()):
        yield type(layer).__name__, layer.init, [key, floats(2, 11, 13, 4)]
    small = {"stem_width": 4, "widths": (4, 4), "blocks": 1}
    configs = {
        "gsn": {"backbone_options": small, "attention": (5, 3), "fusion_width": 4},
        "frozen": {"backbone": "alexnet"},
    }
    for name, options in configs.items():
        model = registry.build({"name": name, **options})
        yield f"model {name}", model.init, [key, *[floats(2, 45, 52, 3)] * 2]


if __name__ == "__main__":
    for name, function, arguments in itertools.chain(metric_cases(), loss_cases(), module_cases()):
        try:
            jax.eval_shape(function, *arguments)
            print(f"{name}: as annotated", flush=True)
        except InputError:
            print(f"{name}: needs weights", flush=True)
        except jaxtyping.TypeCheckError as error:
            print(f"{name}: {error}", flush=True)
