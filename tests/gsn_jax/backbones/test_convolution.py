"""Which convolution the context gives, and that all give the same result."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from closeness import assert_close

from gsn_jax.backbones import fast_convolution, kernel_gradients
from gsn_jax.backbones.convolution import context_convolution, layer, plain_convolutions, training
from gsn_jax.layers import CDConv, SpatialAttention

CONVOLUTIONS = {
    "cdc": CDConv(4, use_bias=True, conv_general_dilated_cls=context_convolution),
    "plain": layer(nn.Conv, 4),
    "attention": SpatialAttention(7, conv_general_dilated_cls=context_convolution),
}


@pytest.fixture
def features(rng):
    return jnp.float32(rng.normal(size=(4, 12, 10, 3)))


@pytest.fixture
def used(monkeypatch):
    """The modules whose convolution is traced."""
    seen = []
    for module in (fast_convolution, kernel_gradients):

        def traced(*arguments, module=module, convolve=module.convolve):
            seen.append(module)
            return convolve(*arguments)

        monkeypatch.setattr(module, "convolve", traced)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_values_and_gradients_do_not_depend_on_the_context(features, name, used):
    module = CONVOLUTIONS[name]
    variables = module.init(jax.random.key(0), features)
    used.clear()

    def loss(variables):
        return jnp.sum(jnp.sin(module.apply(variables, features)))

    results = [jax.value_and_grad(loss)(variables)]
    assert set(used) == {fast_convolution}
    used.clear()
    with training(one_device=True):
        results.append(jax.value_and_grad(loss)(variables))
    assert kernel_gradients in used  # which computes its forward pass by the other
    used.clear()
    for context in (plain_convolutions(), training(one_device=False)):
        with context:
            results.append(jax.value_and_grad(loss)(variables))
    assert not used
    for result in results[1:]:
        for one, other in zip(jax.tree.leaves(result), jax.tree.leaves(results[0]), strict=True):
            assert_close(one, other)


@pytest.mark.parametrize("options", [{"strides": (2, 2)}, {"feature_group_count": 3}])
def test_strided_and_grouped_layers_are_one_xla_convolution(features, used, options):
    module = CDConv(3, conv_general_dilated_cls=context_convolution, **options)
    with training(one_device=True):
        module.init(jax.random.key(0), features)
    module.init(jax.random.key(0), features)
    assert not used


def test_exporters_see_no_products(features):
    kernel = jnp.ones((3, 3, 3, 2))
    with plain_convolutions():
        text = str(jax.make_jaxpr(fast_convolution.convolve)(features, kernel))
    assert "platform_index" not in text
