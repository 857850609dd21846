"""Compares float32 results within bounds that follow from rounding, on any processor."""

import numpy as np

# Relative rounding errors of float32 are at most half of this.
EPSILON = float(np.finfo(np.float32).eps)


def assert_close(got, want, roundings: float = 100.0) -> None:
    """Asserts that two arrays differ by few rounding errors of the largest element.

    The rounding error of a sum of products is relative to its largest terms, not to the sum: an
    element of a convolution near 0 has no correct digits. So the bound is relative to the largest
    magnitude in `want`, which holds on every processor, whatever the order of its sums.

    Args:
        got: the result in float32.
        want: the correct result, of the same shape.
        roundings: allowed difference, in units of float32's epsilon (1.2e-7). Operations over n
            terms each are off by about the square root of n roundings; 100 (1.2e-5) is ample for
            what the tests compute.
    """
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape, f"shapes differ: {got.shape} and {want.shape}"
    scale = np.abs(want).max(initial=0.0)
    np.testing.assert_allclose(got, want, rtol=0, atol=roundings * EPSILON * scale)
