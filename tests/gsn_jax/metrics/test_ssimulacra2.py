"""SSIMULACRA 2 against its definition in float64, with the blur as the recursive filter it is.

The definition follows the author's `ssimulacra2.cc` and libjxl's `gauss_blur.cc`. On the pair that
the Rust implementation publishes (`tank_source.png`, 17.3985 within 0.25) it gives 17.51, and 17.27
in float32. The package `ssimulacra2` 0.3.0 of PyPI gives 21.16: it mirrors two of the borders,
blurs with another kernel and leaves out the last scale of small images.
"""

import jax
import metric_pairs
import numpy as np
import pytest

from gsn_jax import metrics
from gsn_jax.metrics._ssimulacra2 import WEIGHTS

PAIRS = metric_pairs.pairs()


def blur(planes, axis):
    """Charalampidis's recursive filter, sigma 1.5, zeros outside; equation numbers of his paper."""
    x = np.moveaxis(planes, axis, 0)
    radius, sigma = 5, 1.5
    omega = np.array([1, 3, 5]) * np.pi / (2 * radius)
    p = np.array([1, -1, 1]) / np.tan(omega / 2)  # (37)
    r = np.array([1, -1, 1]) * p**2 / np.sin(omega)  # (44)
    rho = np.exp(-0.5 * sigma**2 * omega**2) / radius  # (50)
    d13, d35, d51 = (p[i] * r[j] - r[i] * p[j] for i, j in ((0, 1), (1, 2), (2, 0)))  # (52)
    zeta = np.array([d35 / d13, d51 / d13, 1])
    beta = np.linalg.solve([p, r, zeta], [1, radius**2 - sigma**2, zeta @ rho])  # (53)
    gain, feedback = -beta * np.cos(omega * (radius + 1)), -2 * np.cos(omega)  # (33)
    padded = np.concatenate([np.zeros_like(x[: radius + 1])[:1].repeat(2 * radius, 0), x])
    padded = np.concatenate([padded, np.zeros_like(x[:1]).repeat(radius, 0)])
    before, last, result = np.zeros((3, *x.shape[1:])), np.zeros((3, *x.shape[1:])), []
    for n in range(1 - radius, len(x)):
        entering = padded[n + 3 * radius - 1] + padded[max(n - 1 + radius, 0)]
        columns = (slice(None),) + (None,) * (x.ndim - 1)
        current = gain[columns] * entering - feedback[columns] * last - before  # (35)
        before, last = last, current
        result.append(current.sum(0))
    return np.moveaxis(np.array(result[radius - 1 :]), 0, axis)


def xyb(linear):
    matrix = [[0.3, 0.622, 0.078], [0.23, 0.692, 0.078]]
    matrix += [[0.24342268924547819, 0.20476744424496821, 0.5518098665095536]]
    bias = 0.0037930732552754493
    first, second, third = np.moveaxis(np.cbrt(linear @ np.transpose(matrix) + bias), -1, 0) - (
        np.cbrt(bias)
    )
    x, y = (first - second) / 2, (first + second) / 2
    return np.stack([14 * x + 0.42, y + 0.01, third - y + 0.55])


def halve(image):
    height, width = image.shape[:2]
    image = np.pad(image, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge")
    return image.reshape(-(-height // 2), 2, -(-width // 2), 2, 3).mean((1, 3))


def definition(reference, distorted):
    images = [np.asarray(image, float) / 255 for image in (reference, distorted)]
    images = [np.where(i <= 0.04045, i / 12.92, ((i + 0.055) / 1.055) ** 2.4) for i in images]
    norms = []
    for scale in range(6):
        if min(images[0].shape[:2]) < 8:
            break
        if scale:
            images = [halve(image) for image in images]
        x, y = (xyb(image) for image in images)
        mx, my, xx, yy, xy = (blur(blur(p, -1), -2) for p in (x, y, x * x, y * y, x * y))
        similarity = (1 - (mx - my) ** 2) * (2 * (xy - mx * my) + 0.0009)
        similarity /= xx - mx**2 + yy - my**2 + 0.0009
        edges = (1 + abs(y - my)) / (1 + abs(x - mx)) - 1
        kinds = np.maximum([1 - similarity, edges, -edges], 0)
        norms.append([kinds.mean((-2, -1)), (kinds**4).mean((-2, -1)) ** 0.25])
    ordered = np.transpose(norms, (3, 0, 1, 2)).ravel()
    total = 0.9562382616834844 * (ordered @ WEIGHTS[: ordered.size])
    total = (
        2.326765642916932 * total
        - 0.020884521182843837 * total**2
        + (6.248496625763138e-05 * total**3)
    )
    return 100 - 10 * max(total, 0) ** 0.6276336467831387


@pytest.fixture(scope="module")
def score():
    return jax.jit(metrics.ssimulacra2)


@pytest.mark.parametrize("name", PAIRS)
def test_definition(name, score):
    expected = definition(*PAIRS[name])
    np.testing.assert_allclose(score(*metric_pairs.floats(PAIRS[name])), expected, atol=2e-3)


def test_few_scales_and_odd_sides(score):
    pair = [image[:13, :37] for image in PAIRS["noise"]]
    np.testing.assert_allclose(score(*metric_pairs.floats(pair)), definition(*pair), atol=2e-3)
