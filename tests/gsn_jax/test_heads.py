"""The parts of the heads that have a definition of their own."""

import jax
import jax.numpy as jnp
import numpy as np
from small_gsns import draw

from gsn_jax import heads


def test_no_error_offsets_another(rng):
    """A further change in one channel raises every error, whatever the weights of the mixture."""
    mix = heads.NonNegativeDense(3)
    errors = jnp.float32(rng.uniform(size=(2, 3, 4, 5)))
    variables = draw(mix, images=(errors,))
    before = mix.apply(variables, errors)
    after = mix.apply(variables, errors.at[..., 2].add(0.1))
    assert (after > before).all()


def test_raw_parameters_become_positive_by_softplus():
    raw = np.linspace(-80, 80, 161)
    got, slopes = jax.vmap(jax.value_and_grad(heads.positive))(jnp.float32(raw))
    assert (got > 0).all()
    np.testing.assert_allclose(got, np.logaddexp(raw, 0), rtol=1e-5)
    np.testing.assert_allclose(slopes, 1 / (1 + np.exp(-raw)), rtol=1e-5)
