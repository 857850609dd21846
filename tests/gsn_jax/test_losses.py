import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from scipy import special, stats

from gsn_jax import losses

ALL = {
    "mse": losses.mse_loss,
    "mae": losses.mae_loss,
    "norm_in_norm": losses.norm_in_norm,
    "pairwise": losses.pairwise_loss,
    "pairwise_q3": functools.partial(losses.pairwise_loss, q=3.0),
    "listwise": losses.listwise_loss,
    "gsn": functools.partial(losses.gsn_loss, alpha=0.7, beta=3.0, temperature=0.5),
}


@pytest.fixture
def batch(rng):
    labels = rng.uniform(size=32)
    predictions = 0.6 * labels + 0.2 * rng.normal(size=32) - 0.1
    return jnp.float32(predictions), jnp.float32(labels)


def test_pairwise_is_two_times_one_minus_r_over_n(batch):
    predictions, labels = batch
    r = stats.pearsonr(np.float64(predictions), np.float64(labels)).statistic
    got = losses.pairwise_loss(predictions, labels)
    np.testing.assert_allclose(got, 2 * (1 - r) / 32, rtol=1e-5)


@pytest.mark.parametrize("q", [1.0, 2.0, 3.5])
def test_pairwise_is_its_definition(batch, q):
    predictions, labels = (np.float64(x) for x in batch)

    def normalise(x):
        centred = x - x.mean()
        return centred / (np.abs(centred) ** q).sum() ** (1 / q)

    want = ((normalise(predictions) - normalise(labels)) ** 2).mean()
    np.testing.assert_allclose(losses.pairwise_loss(*batch, q=q), want, rtol=1e-4)


def test_norm_in_norm_with_p_and_q_two_is_half_of_one_minus_r(batch):
    r = stats.pearsonr(*(np.float64(x) for x in batch)).statistic
    np.testing.assert_allclose(losses.norm_in_norm(*batch, p=2, q=2), (1 - r) / 2, rtol=1e-5)


@pytest.mark.parametrize(("p", "q"), [(1, 2), (2, 2), (1, 1)])
def test_norm_in_norm_of_opposite_pairs_is_its_maximum(p, q):
    """Two points in opposite order differ as much as the scale allows: the loss is 1."""
    got = losses.norm_in_norm(jnp.array([0.0, 1.0]), jnp.array([1.0, 0.0]), p=p, q=q)
    np.testing.assert_allclose(got, 1.0, rtol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_listwise_is_the_divergence_of_predictions_from_labels(batch, temperature):
    predictions, labels = (np.float64(x) / temperature for x in batch)
    want = stats.entropy(special.softmax(predictions), special.softmax(labels))
    got = losses.listwise_loss(*batch, temperature=temperature)
    np.testing.assert_allclose(got, want, rtol=1e-4)


def test_listwise_ignores_an_offset_but_not_the_direction(batch):
    labels = batch[1]
    np.testing.assert_allclose(losses.listwise_loss(labels + 5, labels), 0, atol=1e-6)
    there, back = losses.listwise_loss(*batch), losses.listwise_loss(*batch[::-1])
    assert abs(float(there - back)) > 1e-4


def test_gsn_loss_weighs_its_terms(batch):
    want = 2 * losses.pairwise_loss(*batch) + 3 * losses.listwise_loss(*batch)
    np.testing.assert_allclose(losses.gsn_loss(*batch, alpha=2, beta=3), want, rtol=1e-6)


def test_plain_losses_are_their_definitions():
    predictions, labels = jnp.array([0.0, 1.0, 3.0]), jnp.array([1.0, 1.0, 1.0])
    np.testing.assert_allclose(losses.mse_loss(predictions, labels), 5 / 3, rtol=1e-6)
    np.testing.assert_allclose(losses.mae_loss(predictions, labels), 1.0, rtol=1e-6)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("predictions", "labels"),
    [
        ([0.3], [0.7]),
        ([0.1, 0.5, 0.9], [0.4] * 3),
        ([0.2] * 3, [0.1, 0.5, 0.9]),
        ([0.2] * 3, [0.2] * 3),
    ],
    ids=["one", "constant labels", "constant predictions", "constant both"],
)
def test_degenerate_batches_are_finite(name, predictions, labels):
    value, gradient = jax.value_and_grad(ALL[name])(jnp.array(predictions), jnp.array(labels))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    if name.startswith(("pairwise", "norm")):
        assert value == 0


@pytest.mark.parametrize("q", [1.0, 2.0])
@pytest.mark.parametrize("count", [24, 1000])
def test_rounding_does_not_make_constants_vary(q, count):
    """The rounding of the mean adds up over a batch, most of all for q = 1."""
    constant, labels = jnp.full(count, 0.3), jnp.linspace(0.1, 0.9, count)
    for loss in (losses.norm_in_norm, losses.pairwise_loss):
        value, gradient = jax.value_and_grad(functools.partial(loss, q=q))(constant, labels)
        assert value == 0
        assert not gradient.any()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("first", "second"), [((4,), (4, 1)), ((4,), (3,)), ((), ())])
def test_shapes_must_be_one_vector(name, first, second):
    with pytest.raises(ValueError, match=r"the same shape \(N,\)"):
        ALL[name](jnp.zeros(first), jnp.zeros(second))


@pytest.mark.parametrize("name", ALL)
def test_empty_batches_are_refused(name):
    with pytest.raises(ValueError, match="are empty; a loss needs at least one image"):
        ALL[name](jnp.zeros(0), jnp.zeros(0))


def on_devices(loss, devices, form):
    """The loss of a batch that is divided over some devices, and its gradient, jitted."""
    mesh = Mesh(np.array(jax.devices()[:devices]), ("data",))
    spec = PartitionSpec("data")
    if form == "shard_map":
        loss = jax.shard_map(
            functools.partial(loss, axis_name="data"),
            mesh=mesh,
            in_specs=(spec, spec),
            out_specs=PartitionSpec(),
        )
    return jax.jit(jax.value_and_grad(loss), in_shardings=NamedSharding(mesh, spec))


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("devices", [2, 4, 8])
@pytest.mark.parametrize("form", ["jit", "shard_map"])
def test_a_divided_batch_gives_the_value_and_gradient_of_one_device(batch, name, devices, form):
    value, gradient = jax.value_and_grad(ALL[name])(*batch)
    got_value, got_gradient = on_devices(ALL[name], devices, form)(*batch)
    np.testing.assert_allclose(got_value, value, rtol=1e-6)
    assert np.linalg.norm(got_gradient - gradient) <= 1e-6 * np.linalg.norm(gradient)


def test_gradient_inside_shard_map_is_the_global_one(batch):
    """A whole step inside `shard_map`, as with pmap: each device gets the global gradient."""
    mesh = Mesh(np.array(jax.devices()), ("data",))
    spec = PartitionSpec("data")

    def local(w, p, y):
        return jax.grad(lambda w: losses.gsn_loss(w * p + p**2, y, axis_name="data"))(w)

    step = jax.shard_map(
        local, mesh=mesh, in_specs=(PartitionSpec(), spec, spec), out_specs=PartitionSpec()
    )
    want = jax.grad(lambda w: losses.gsn_loss(w * batch[0] + batch[0] ** 2, batch[1]))(1.3)
    np.testing.assert_allclose(jax.jit(step)(jnp.float32(1.3), *batch), want, rtol=1e-5)
