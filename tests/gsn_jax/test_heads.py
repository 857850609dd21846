import jax.numpy as jnp
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
