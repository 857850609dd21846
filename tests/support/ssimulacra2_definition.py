"""SSIMULACRA 2 in float64: as its author defines it, and with the changes of PyPI's package.

The definition follows the author's `ssimulacra2.cc` and libjxl's `gauss_blur.cc`.

    python tests/support/ssimulacra2_definition.py OUT/pairs.csv

prints, for the pairs of `scripts/parity_pairs.py`, how far our score is from the definition and,
where the package `ssimulacra2` is installed, how far that is from both.
"""

import csv
import importlib
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from gsn_jax import metrics
from gsn_jax.metrics._ssimulacra2 import WEIGHTS

RADIUS, SIGMA = 5, 1.5


def recursive_blur(planes, axis):
    """Charalampidis's recursive filter, with zeros outside; comments number his equations."""
    x = np.moveaxis(planes, axis, 0)
    omega = np.array([1, 3, 5]) * np.pi / (2 * RADIUS)
    p = np.array([1, -1, 1]) / np.tan(omega / 2)  # (37)
    r = np.array([1, -1, 1]) * p**2 / np.sin(omega)  # (44)
    rho = np.exp(-0.5 * SIGMA**2 * omega**2) / RADIUS  # (50)
    d13, d35, d51 = (p[i] * r[j] - r[i] * p[j] for i, j in ((0, 1), (1, 2), (2, 0)))  # (52)
    zeta = np.array([d35 / d13, d51 / d13, 1])
    beta = np.linalg.solve([p, r, zeta], [1, RADIUS**2 - SIGMA**2, zeta @ rho])  # (53)
    columns = (slice(None),) + (None,) * (x.ndim - 1)
    gain = (-beta * np.cos(omega * (RADIUS + 1))).astype(x.dtype)[columns]  # (33)
    feedback = (-2 * np.cos(omega)).astype(x.dtype)[columns]
    padded = np.pad(x, [(2 * RADIUS, RADIUS)] + [(0, 0)] * (x.ndim - 1))
    before, last, result = *np.zeros((2, 3, *x.shape[1:]), x.dtype), []
    for n in range(1 - RADIUS, len(x)):
        entering = padded[n + 3 * RADIUS - 1] + padded[max(n - 1 + RADIUS, 0)]
        before, last = last, gain * entering - feedback * last - before  # (35)
        result.append(last.sum(0))
    return np.moveaxis(np.array(result[RADIUS - 1 :]), 0, axis)


def package_blur(planes, axis):
    """The package's blur: a Gaussian of eleven taps, zeros left and right, mirrored vertically."""
    mode = "constant" if axis == -1 else "reflect"
    return ndimage.gaussian_filter1d(planes, SIGMA, axis, truncate=3.33, mode=mode)


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


def scales(reference, distorted, last_small):
    """Linear RGB of both images at up to six scales.

    The last scale may be smaller than 8 pixels if `last_small`, and is then left out otherwise.
    """
    images = [np.asarray(image, float) / 255 for image in (reference, distorted)]
    images = [np.where(i <= 0.04045, i / 12.92, ((i + 0.055) / 1.055) ** 2.4) for i in images]
    result = [images]
    while len(result) < 6 and min(result[-1][0].shape[:2]) >= 8:
        result.append([halve(image) for image in result[-1]])
    return result if last_small or min(result[-1][0].shape[:2]) >= 8 else result[:-1]


def score(reference, distorted, blur=recursive_blur, last_small=True, dtype=float):
    """The score of uint8 images `(h, w, 3)`; `blur` and `dtype` are those of the statistics."""
    norms = []
    for images in scales(reference, distorted, last_small):
        x, y = (xyb(image).astype(dtype) for image in images)
        mx, my, xx, yy, xy = (blur(blur(p, -1), -2) for p in (x, y, x * x, y * y, x * y))
        similarity = (1 - (mx - my) ** 2) * (2 * (xy - mx * my) + dtype(0.0009))
        similarity /= xx - mx**2 + yy - my**2 + dtype(0.0009)
        edges = (1 + abs(y - my)) / (1 + abs(x - mx)) - 1
        kinds = np.maximum([1 - similarity, edges, -edges], 0).astype(float)
        norms.append([kinds.mean((-2, -1)), (kinds**4).mean((-2, -1)) ** 0.25])
    ordered = np.transpose(norms, (3, 0, 1, 2)).ravel()
    total = 0.9562382616834844 * (ordered @ WEIGHTS[: ordered.size])
    first, second, third = 2.326765642916932, -0.020884521182843837, 6.248496625763138e-05
    total = total * (first + total * (second + total * third))
    return 100 - 10 * max(total, 0) ** 0.6276336467831387


def package_score(reference, distorted):
    """What PyPI's `ssimulacra2` 0.3.0 computes."""
    return score(reference, distorted, package_blur, last_small=False)


def main():
    """Prints a Markdown table."""
    table = Path(sys.argv[1])
    with open(table, newline="") as file:
        pairs = [
            [table.parent / row[k] for k in ("reference", "distorted")]
            for row in csv.DictReader(file)
        ]
    try:
        package = importlib.import_module("ssimulacra2.ssimulacra2")
    except ImportError:
        package = None
    print("| pair | definition | ours | package | ours - definition | package - its changes |")
    print("|---|---|---|---|---|---|")
    for pair in pairs:
        images = [np.asarray(Image.open(path).convert("RGB")) for path in pair]
        exact, ours = score(*images), float(metrics.get("ssimulacra2")(*images))
        theirs = package.compute_ssimulacra2(*map(str, pair)) if package else np.nan
        cells = [f"{value:.4f}" for value in (exact, ours, theirs)]
        cells += [f"{gap:.1e}" for gap in (ours - exact, theirs - package_score(*images))]
        print("|", " | ".join([pair[1].name, *cells]), "|", flush=True)


if __name__ == "__main__":
    main()
