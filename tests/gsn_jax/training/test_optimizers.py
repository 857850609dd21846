import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gsn_jax.errors import InputError
from gsn_jax.training.config import base_config
from gsn_jax.training.optimizers import make_optimizer, make_schedule

PEAK, WARMUP, STEPS = 0.01, 10, 110


@pytest.fixture
def options():
    config = base_config().optimizer
    config.learning_rate, config.warmup_steps = PEAK, WARMUP
    return config


CLOSED_FORMS = {
    "cosine": lambda t: 0.5 * PEAK * (1 + np.cos(np.pi * t)),
    "linear": lambda t: PEAK * (1 - t),
    "constant": lambda t: PEAK + 0 * t,
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_schedules_are_their_closed_forms(options, name):
    options.schedule = name
    schedule = make_schedule(options, STEPS)
    steps = np.arange(STEPS + 1)
    shares = np.clip((steps - WARMUP) / (STEPS - WARMUP), 0, 1)
    want = np.where(steps < WARMUP, PEAK * steps / WARMUP, CLOSED_FORMS[name](shares))
    np.testing.assert_allclose([schedule(i) for i in steps], want, rtol=1e-5, atol=1e-8)


def test_step_decay_falls_at_shares_of_the_whole_run(options):
    options.schedule, options.decay_at, options.decay_factor = "step", (0.05, 0.5, 0.75), 0.1
    schedule = make_schedule(options, 100)
    # The first share lies within the warm-up and counts from its end.
    at = {5: PEAK / 2, 10: PEAK / 10, 49: PEAK / 10, 50: PEAK / 100, 75: PEAK / 1e3, 99: PEAK / 1e3}
    np.testing.assert_allclose([schedule(i) for i in at], list(at.values()), rtol=1e-5)


def test_the_warm_up_is_at_most_half_of_the_run(options):
    assert float(make_schedule(options, 8)(4)) == pytest.approx(PEAK)


def test_unknown_names_list_the_known_ones(options):
    options.schedule = "exponential"
    with pytest.raises(InputError, match="known: cosine, linear, constant, step"):
        make_schedule(options, 10)
    options.schedule, options.name = "cosine", "sgd"
    with pytest.raises(InputError, match="known: adam, adamw"):
        make_optimizer(options, 10)


PARAMS = {"backbone": {"w": jnp.ones(3)}, "fusion": {"w": jnp.ones(3)}}


def updates(options, count):
    """What each of `count` steps with changing gradients adds to the trunk and to the rest."""
    optimizer, schedule = make_optimizer(options, STEPS)
    state, got = optimizer.init(PARAMS), []
    for number in range(count):
        gradients = jax.tree.map(lambda x, n=number: x * (1.0 + n % 3), PARAMS)
        update, state = optimizer.update(gradients, state, PARAMS)
        got.append((float(update["backbone"]["w"][0]), float(update["fusion"]["w"][0])))
    return np.array(got), schedule


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_trunk_has_its_own_learning_rate(options, name):
    options.name, options.trunk_learning_rate_factor = name, 0.1
    got, _ = updates(options, 12)
    np.testing.assert_allclose(got[1:, 0], 0.1 * got[1:, 1], rtol=1e-5)


def test_a_trunk_that_thaws_starts_with_unbiased_moments(options):
    options.name, options.frozen_trunk_steps, options.clip_norm = "adam", 4, 1e6
    got, schedule = updates(options, 6)
    assert (got[:4, 0] == 0).all()
    assert (got[1:4, 1] != 0).all()
    # Adam's first step is the learning rate, of that step of the run, whatever the gradient.
    assert got[4, 0] == pytest.approx(-float(schedule(4)), rel=1e-4)


def test_a_frozen_trunk_does_not_count_for_clipping(options):
    options.name, options.frozen_trunk_steps, options.clip_norm = "adam", 100, 1.0
    optimizer, _ = make_optimizer(options, STEPS)
    state = optimizer.init(PARAMS)
    for _ in range(2):
        huge = {"backbone": {"w": 1e6 * jnp.ones(3)}, "fusion": {"w": 0.1 * jnp.ones(3)}}
        _, state = optimizer.update(huge, state, PARAMS)
    moments = [x for x in jax.tree.leaves(state) if x.shape == (3,)]
    # Its first moment is of the gradient as given: 0.1 (1 - 0.9^2).
    assert any(np.allclose(x, 0.1 * (1 - 0.9**2)) for x in moments)


def test_a_trunk_that_is_always_frozen_does_not_decay_either(options):
    options.frozen_trunk_steps = -1
    got, _ = updates(options, 5)
    assert (got[:, 0] == 0).all()
    assert (got[1:, 1] != 0).all()


def test_the_defaults_keep_the_state_that_older_checkpoints_hold(options):
    import optax

    optimizer, schedule = make_optimizer(options, STEPS)
    old = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-4))
    assert jax.tree.structure(optimizer.init(PARAMS)) == jax.tree.structure(old.init(PARAMS))
