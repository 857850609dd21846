import jax.numpy as jnp
import numpy as np

from gsn_jax.compilation import FREQUENT, PairProgram, bounded_jit
from gsn_jax.images.size_classes import size_class


def make_program():
    """A program for the mean difference, and the shapes that it was traced for."""
    traced = []

    def difference(reference, distorted, extent=None):
        traced.append(reference.shape[:2])
        height, width = reference.shape[:2] if extent is None else extent
        return jnp.abs(reference - distorted).sum() / (3 * height * width)

    return PairProgram(difference, size_class), traced


def make_pair(rng, height, width):
    return [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(2)]


def expected(pair):
    return np.abs(pair[0] / 255 - pair[1] / 255).mean()


def test_the_sizes_of_a_class_share_a_program(rng):
    program, traced = make_program()
    for size in [(20, 31), (37, 90), (96, 96), (9, 5)]:
        pair = make_pair(rng, *size)
        np.testing.assert_allclose(program(*pair), expected(pair), rtol=1e-5)
        floats = [jnp.asarray(image / np.float32(255)) for image in pair]
        np.testing.assert_allclose(program(*floats), expected(pair), rtol=1e-5)
    assert traced == [size_class(20, 31)]


def test_a_frequent_size_has_a_program_of_its_own(rng):
    program, traced = make_program()
    pair = make_pair(rng, 20, 31)
    for _ in range(FREQUENT):
        np.testing.assert_allclose(program(*pair), expected(pair), rtol=1e-5)
    assert traced == [(96, 96), (20, 31)]
    program, traced = make_program()
    program.expect((20, 31), FREQUENT)
    program(*pair)
    assert traced == [(20, 31)]


def test_bounded_jit_compiles_again_after_too_many_shapes():
    traced = []

    def double(values):
        traced.append(values.shape)
        return 2 * values

    function = bounded_jit(double, kept=2)
    for size in (1, 2, 1, 2, 3, 3, 1):
        np.testing.assert_array_equal(function(np.ones(size)), 2 * np.ones(size))
    assert traced == [(1,), (2,), (3,), (1,)]
