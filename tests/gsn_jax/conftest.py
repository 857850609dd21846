"""A small untrained model in a folder, and random weights of published networks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gsn_jax.backbones import registry as backbones
from gsn_jax.models import initial_weights, registry
from gsn_jax.models.calibration import Calibration
from gsn_jax.models.folders import TrainedModel, write_model
from gsn_jax.pretrained import imagenet_networks

CONFIG = {
    "name": "gsn",
    "backbone_options": {"stem_width": 4, "widths": (4, 4), "blocks": 1},
    "attention": (5, 3),
    "fusion_width": 4,
    "theta": 0.7,
    "dtype": "float32",
}


@pytest.fixture(scope="session")
def small_model():
    """A GSN with random variables, and a calibration."""
    generator = np.random.default_rng(5)
    images = np.zeros((1, 32, 32, 3), np.float32)
    shapes = jax.eval_shape(registry.build(CONFIG).init, jax.random.key(0), images, images)
    variables = jax.tree.map(
        lambda leaf: np.float32(generator.normal(scale=0.3, size=leaf.shape)), shapes
    )
    return TrainedModel(
        config=CONFIG,
        variables=variables,
        calibration=Calibration(b1=1.02, b2=-0.1, b3=0.2, b4=0.2),
        training={"note": "random"},
        version="1.2.3",
    )


@pytest.fixture(scope="session")
def model_folder(small_model, tmp_path_factory):
    """The folder of `small_model`."""
    folder = tmp_path_factory.mktemp("models") / "small"
    write_model(folder, small_model)
    return folder


@pytest.fixture(scope="module")
def shared_programs():
    """Lets training runs with the same configuration share compiled functions, to save time."""
    from gsn_jax.training import loop, run

    made = {}

    def once(make):
        @functools.wraps(make)
        def shared(described, where, *others):
            key = make.__name__, str(described), str(where)
            if key not in made:
                made[key] = make(described, where, *others)
            return made[key]

        return shared

    with pytest.MonkeyPatch.context() as patch:
        # The first two arguments identify the result: a configuration or model, a mesh or size.
        patch.setattr(run, "make_program", once(run.make_program))
        patch.setattr(run, "make_scorer", once(run.make_scorer))
        patch.setattr(loop, "measure_work", once(loop.measure_work))
        yield


@pytest.fixture
def random_state_dict(rng):
    """`random_state_dict(network, **backbone_options)`, see `draw_state_dict`."""
    return functools.partial(draw_state_dict, rng)


def draw_state_dict(generator, network, **options):
    """Random tensors of a network under torchvision's names, scaled as those of a trained one."""
    shapes = jax.eval_shape(
        backbones.build(network, **options).init,
        jax.random.key(0),
        jnp.zeros((1, 64, 64, 3)),
    )["params"]
    tensors = {}
    for path, block in initial_weights.blocks(shapes):
        names = imagenet_networks.layer_names(network, path)
        height, width, inputs, outputs = block["kernel"].shape
        scale = np.sqrt(1 / (height * width * inputs))
        weight = scale * generator.standard_normal((outputs, inputs, height, width), np.float32)
        tensors[f"{names.convolution}.weight"] = weight
        for name in names.tensors()[1:]:
            positive = name.endswith(("running_var", f"{names.norm}.weight"))
            low, high = (0.5, 1.5) if positive else (-0.2, 0.2)
            tensors[name] = generator.uniform(low, high, outputs).astype(np.float32)
    return tensors
