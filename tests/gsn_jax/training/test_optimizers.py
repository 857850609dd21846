import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gsn_jax.training.config import base_config
from gsn_jax.training.optimizers import PUBLISHED_RATE, make_optimizer, make_schedule

PEAK, WARMUP, STEPS = 0.01, 10, 110


@pytest.fixture
def options():
    config = base_config().optimizer
    config.learning_rate, config.warmup_steps = PEAK, WARMUP
    return config


def test_the_schedule_is_its_closed_form(options):
    schedule = make_schedule(options, STEPS)
    steps = np.arange(STEPS + 1)
    shares = np.clip((steps - WARMUP) / (STEPS - WARMUP), 0, 1)
    decay = 0.5 * PEAK * (1 + np.cos(np.pi * shares))
    want = np.where(steps < WARMUP, PEAK * steps / WARMUP, decay)
    np.testing.assert_allclose([schedule(i) for i in steps], want, rtol=1e-5, atol=1e-8)


def test_the_warm_up_is_at_most_half_of_the_run(options):
    assert float(make_schedule(options, 8)(4)) == pytest.approx(PEAK)


PARAMS = {"backbone": {"w": jnp.ones(3)}, "fusion": {"w": jnp.ones(3)}}


def updates(options, count, **settings):
    """What each of `count` steps with changing gradients adds to backbone and fusion."""
    optimizer, _ = make_optimizer(options, STEPS, **settings)
    state, got = optimizer.init(PARAMS), []
    for number in range(count):
        gradients = jax.tree.map(lambda x, n=number: x * (1.0 + n % 3), PARAMS)
        update, state = optimizer.update(gradients, state, PARAMS)
        got.append((float(update["backbone"]["w"][0]), float(update["fusion"]["w"][0])))
    return np.array(got)


def test_a_frozen_backbone_gets_no_updates_and_no_moments(options):
    got = updates(options, 5, backbone="frozen")
    assert (got[:, 0] == 0).all()
    assert (got[1:, 1] != 0).all()
    optimizer, _ = make_optimizer(options, STEPS, backbone="frozen")
    assert sum(x.shape == (3,) for x in jax.tree.leaves(optimizer.init(PARAMS))) == 2


def test_without_weight_decay_the_first_step_is_the_learning_rate(options):
    """As Adam's is, whatever the gradient; the warm-up starts at 0."""
    options.weight_decay, options.warmup_steps = 0.0, 0
    np.testing.assert_allclose(updates(options, 1), -PEAK, rtol=1e-4)


def test_a_published_backbone_starts_after_a_tenth_of_the_run(options):
    """Adam's steps are the rate, whatever the gradient, here without decay of the weights."""
    options.weight_decay, options.warmup_steps = 0.0, 0
    got = updates(options, 40, backbone="published")
    thaw = np.clip(10 * np.arange(40) / STEPS - 1, 0, 1)
    assert (got[:12, 0] == 0).all()
    assert (got[12:, 0] != 0).all()
    np.testing.assert_allclose(got[:, 0], PUBLISHED_RATE * thaw * got[:, 1], rtol=1e-5, atol=1e-9)


def test_published_weights_do_not_decay(options):
    options.weight_decay = 0.1
    without = updates(options, 30, backbone="published")
    options.weight_decay = 0.0
    again = updates(options, 30, backbone="published")
    np.testing.assert_array_equal(again[:, 0], without[:, 0])
