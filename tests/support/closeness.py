"""Comparing float32 results with bounds that follow from rounding, on any processor."""

import numpy as np

# float32 rounds to half of this share.
EPSILON = float(np.finfo(np.float32).eps)


def assert_close(got, want, roundings: float = 100.0) -> None:
    """Asserts that two arrays differ by few roundings of their largest element.

    A sum of products is off by a share of the largest terms that enter it, not of itself: an
    element near 0 of a convolution has no digits to compare. So the bound is relative to the
    largest magnitude in `want`, and the same on every processor, whatever the order of its sums.

    Args:
        got: what was computed in float32.
        want: what is right, of the same shape.
        roundings: allowed difference, in units of float32's epsilon (1.2e-7). A chain of operations
            over n terms each is off by about the root of n roundings; 100 (1.2e-5) is ample for
            what the tests compute.
    """
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape, f"shapes differ: {got.shape} and {want.shape}"
    scale = np.abs(want).max(initial=0.0)
    np.testing.assert_allclose(got, want, rtol=0, atol=roundings * EPSILON * scale)
