import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from scipy import signal

from gsn_jax import layers


def definition(x, kernel, theta, stride, groups):
    """conv(x, w) - theta * conv1x1(x, sum w), written out with SciPy in float64."""
    batch, height, width, _ = x.shape
    kh, kw, per_group, features = kernel.shape
    padded = np.pad(x, ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2), (0, 0)))
    out = np.zeros((batch, height, width, features))
    for n in range(batch):
        for f in range(features):
            first = (f // (features // groups)) * per_group
            for c in range(per_group):
                plane, tap = x[n, :, :, first + c], kernel[:, :, c, f]
                full = signal.correlate(padded[n, :, :, first + c], tap, mode="valid")
                out[n, :, :, f] += full - theta * tap.sum() * plane
    return out[:, :: stride[0], :: stride[1]]


CASES = [
    # size, kernel, strides, groups, theta
    ((7, 8), (3, 3), (1, 1), 1, 0.7),
    ((7, 8), (3, 3), (2, 2), 1, 0.7),
    ((8, 7), (5, 3), (2, 1), 1, 0.3),
    ((6, 6), (3, 3), (1, 1), 2, 0.7),
    ((6, 5), (3, 3), (2, 2), 4, 1.0),
    ((5, 5), (1, 1), (1, 1), 1, 0.5),
    ((4, 6), (3, 3), (1, 1), 1, 0.0),
]


@pytest.mark.parametrize(("size", "kernel_size", "strides", "groups", "theta"), CASES)
def test_cdconv_is_its_definition(rng, size, kernel_size, strides, groups, theta):
    x = rng.normal(size=(2, *size, 4))
    kernel = rng.normal(size=(*kernel_size, 4 // groups, 8))
    module = layers.CDConv(
        8, kernel_size, strides, theta=theta, feature_group_count=groups, use_bias=True
    )
    bias = rng.normal(size=8)
    params = {"kernel": jnp.float32(kernel), "bias": jnp.float32(bias)}
    got = module.apply({"params": params}, jnp.float32(x))
    want = definition(x, kernel, theta, strides, groups) + bias
    assert_close(got, want)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "kernel_size", "strides", "groups", "theta"), CASES)
def test_both_forms_have_equal_gradients(rng, size, kernel_size, strides, groups, theta):
    x = jnp.float32(rng.normal(size=(2, *size, 4)))
    kernel = jnp.float32(rng.normal(size=(*kernel_size, 4 // groups, 8)))
    weights = jnp.float32(rng.normal(size=(8,)))

    def one(x, kernel):
        folded = layers.central_difference_kernel(kernel, theta)
        y = layers.convolve(x, folded, strides, groups)
        return jnp.sum(jnp.sin(y) * weights[None, None, None])

    def two(x, kernel):
        y = layers.central_difference_convolution_two_terms(x, kernel, theta, strides, groups)
        return jnp.sum(jnp.sin(y) * weights[None, None, None])

    for got, want in zip(
        jax.grad(one, (0, 1))(x, kernel), jax.grad(two, (0, 1))(x, kernel), strict=True
    ):
        assert_close(got, want, 1000)


def test_theta_one_ignores_a_constant(rng):
    module = layers.CDConv(3, theta=1.0)
    x = jnp.full((1, 9, 9, 2), 0.4)
    y = module.apply(module.init(jax.random.key(0), x), x)
    np.testing.assert_allclose(y[:, 1:-1, 1:-1], 0, atol=1e-6)


def test_init_from_plain_preserves_the_function(rng):
    kernel = rng.normal(size=(3, 3, 2, 4))
    x = rng.normal(size=(1, 6, 6, 2))
    cdc = np.asarray(layers.init_from_plain(jnp.float32(kernel), 0.7), np.float64)
    want = definition(x, kernel, 0.0, (1, 1), 1)
    assert_close(definition(x, cdc, 0.7, (1, 1), 1), want)


def test_init_from_plain_needs_theta_below_one():
    with pytest.raises(ValueError, match="theta < 1"):
        layers.init_from_plain(jnp.ones((3, 3, 1, 1)), 1.0)


def test_a_new_layer_starts_with_the_spread_of_a_plain_one():
    module = layers.CDConv(64, theta=0.7)
    params = module.init(jax.random.key(1), jnp.zeros((1, 8, 8, 64)))["params"]
    folded = np.asarray(layers.central_difference_kernel(params["kernel"], 0.7))
    # He: variance 2 / (9 * 64) for every tap, the centre included.
    np.testing.assert_allclose(folded.var(axis=(2, 3)), 2 / (9 * 64), rtol=0.15)


def test_bfloat16_computes_in_bfloat16_with_float32_parameters(rng):
    module = layers.CDConv(4, dtype=jnp.bfloat16)
    x = jnp.float32(rng.normal(size=(1, 5, 5, 3)))
    variables = module.init(jax.random.key(0), x)
    y = module.apply(variables, x)
    assert y.dtype == jnp.bfloat16
    assert variables["params"]["kernel"].dtype == jnp.float32
    want = definition(np.float64(x), np.float64(variables["params"]["kernel"]), 0.7, (1, 1), 1)
    np.testing.assert_allclose(np.float64(y), want, atol=0.03 * np.abs(want).max())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": (2, 3)}, "odd kernel sizes"),
        ({"theta": 1.5}, r"theta must lie in \[0, 1\]"),
        ({"feature_group_count": 3}, "must be divisible by 3 groups"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        layers.CDConv(4, **options).init(jax.random.key(0), jnp.zeros((1, 4, 4, 4)))


@pytest.mark.parametrize("size", [3, 5, 7])
def test_spatial_attention_is_its_definition(rng, size):
    x = rng.normal(size=(2, 8, 9, 5))
    module = layers.SpatialAttention(size)
    variables = module.init(jax.random.key(3), jnp.float32(x))
    kernel = np.float64(variables["params"]["kernel"])
    assert kernel.shape == (size, size, 2, 1)
    pooled = np.stack([x.mean(-1), x.max(-1)], axis=-1)
    logits = definition(pooled, kernel, 0.0, (1, 1), 1)
    want = x / (1 + np.exp(-logits))
    assert_close(module.apply(variables, jnp.float32(x)), want)


def test_in_bfloat16_the_bias_gradient_is_summed_in_float32(rng):
    layer = layers.CDConv(3, use_bias=True, dtype=jnp.bfloat16)
    x = jnp.asarray(rng.normal(size=(4, 64, 64, 2)), jnp.bfloat16)
    variables = layer.init(jax.random.key(3), x)
    weights = rng.uniform(1, 2, size=(4, 64, 64, 3))
    gradient = jax.grad(lambda v: (layer.apply(v, x) * jnp.float32(weights)).sum())(variables)
    rounded = np.float64(jnp.asarray(weights, jnp.bfloat16)).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(gradient["params"]["bias"], rounded, rtol=1e-5)


def test_the_gradient_of_the_channel_maximum(rng):
    """Shared by channels of equal value."""
    x = jnp.asarray([[1.0, 3.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0], [5.0, 4.0, 4.0, 4.0]])
    weights = jnp.asarray(rng.normal(size=(3, 1)), jnp.float32)
    gradient = jax.grad(lambda x: (weights * layers.channel_maximum(x)).sum())(x)
    shares = np.array([[0, 0.5, 0.5, 0], [0.25] * 4, [1, 0, 0, 0]])
    np.testing.assert_allclose(gradient, weights * shares, rtol=1e-6)


def test_in_bfloat16_attention_rounds_once(rng):
    x = jnp.asarray(rng.normal(size=(2, 8, 9, 5)), jnp.bfloat16)
    module = layers.SpatialAttention(7, dtype=jnp.bfloat16)
    variables = module.init(jax.random.key(3), x)
    result, wide = module.apply(variables, x), module.apply(variables, jnp.float32(x))
    assert result.dtype == jnp.bfloat16
    np.testing.assert_array_equal(result, wide.astype(jnp.bfloat16))
