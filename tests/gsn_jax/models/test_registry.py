import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from gsn_jax.errors import InputError
from gsn_jax.models import registry


def test_lists_become_tuples_so_that_models_hash():
    config = {"name": "gsn", "backbone_options": {"widths": [4, 4, 4]}, "dtype": "bfloat16"}
    model = registry.build(config)
    assert model.dtype == model.backbone.dtype == jnp.bfloat16
    assert model.backbone.widths == (4, 4, 4)
    assert model == registry.build(config)
    assert hash(model) == hash(registry.build(config))


def test_models_that_fix_an_identity_score():
    assert registry.identity_score(registry.build({"name": "gsn"})) == 1.0
    assert registry.identity_score(registry.build({"name": "frozen"})) == 1.0
    assert registry.identity_score(registry.build({"name": "wadiqam"})) is None


def test_theta_decides_the_convolution():
    assert registry.build({"name": "gsn", "theta": 0.0}).backbone.conv is nn.Conv
    assert registry.build({"name": "gsn", "theta": 0.3}).backbone.conv.keywords == {"theta": 0.3}
    assert registry.build({"name": "frozen", "theta": 0.3}).backbone.conv is nn.Conv


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "other"}, "unknown model 'other'; known: frozen, gsn, wadiqam"),
        ({"name": "gsn", "dtype": "int8"}, "dtype must be one of float32, bfloat16"),
        ({"name": "gsn", "depth": 3}, "model 'gsn': .*depth"),
    ],
)
def test_what_does_not_fit_is_named(config, message):
    with pytest.raises(InputError, match=message):
        registry.build(config)


@pytest.mark.slow
def test_every_model_has_the_interface_of_the_trainer():
    images = jnp.zeros((2, 64, 64, 3))
    for name in registry.NAMES:
        model = registry.build({"name": name})
        keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
        variables = jax.eval_shape(model.init, keys, images, images)
        scores = jax.eval_shape(
            lambda v, model=model, keys=keys: model.apply(
                v,
                images,
                images,
                train=True,
                rngs=dict.fromkeys(("dropout", "share"), keys["params"]),
            ),
            variables,
        )
        assert scores.shape == (2,)
