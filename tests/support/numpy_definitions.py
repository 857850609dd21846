"""Short float64 definitions with SciPy, written from the papers, independent of the package."""

import numpy as np
from scipy import signal

PREWITT = np.array([[1, 0, -1]] * 3) / 3


def luma(image, weights=(0.298936021293775, 0.587043074451121, 0.114020904255103), rounded=True):
    gray = 255 * (image.astype(np.float64) @ np.array(weights))
    return np.round(gray) if rounded else gray


def gaussian(size, sigma):
    axis = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    kernel = np.outer(axis, axis)
    return kernel / kernel.sum()


def convolve_same(plane, kernel, mode="constant"):
    """MATLAB's conv2(..., "same"), whose centre for even sizes differs from SciPy's."""
    size = kernel.shape[0]
    full = signal.convolve2d(np.pad(plane, size, mode), kernel)
    start = size + size // 2
    return full[start : start + plane.shape[0], start : start + plane.shape[1]]


def halve(plane, mode="constant"):
    return convolve_same(plane, np.ones((2, 2)) / 4, mode)[::2, ::2]


def psnr(x, y):
    return 10 * np.log10(1 / np.mean((x.astype(np.float64) - y) ** 2))


def psnr_y(x, y):
    return 10 * np.log10(255**2 / np.mean((luma(x) - luma(y)) ** 2))


def ssim_terms(x, y):
    def mean(plane):
        return signal.fftconvolve(plane, gaussian(11, 1.5), mode="valid")

    mu_x, mu_y = mean(x), mean(y)
    xx, yy, xy = mean(x * x) - mu_x**2, mean(y * y) - mu_y**2, mean(x * y) - mu_x * mu_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1), (2 * xy + c2) / (xx + yy + c2)


def ssim(x, y, rounded=True):
    luminance, contrast = ssim_terms(*(luma(i, rounded=rounded) for i in (x, y)))
    return (luminance * contrast).mean()


def ms_ssim(x, y):
    x, y = luma(x), luma(y)
    score = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        luminance, term = ssim_terms(x, y)
        score *= ((luminance * term if scale == 4 else term).mean()) ** weight
        x, y = halve(x, "symmetric"), halve(y, "symmetric")
    return score


def magnitude(plane):
    parts = [signal.convolve2d(plane, k, mode="same") for k in (PREWITT, PREWITT.T)]
    return np.hypot(*parts)


def alike(a, b, c, masking=0.0):
    return ((2 - masking) * a * b + c) / (a * a + b * b - masking * a * b + c)


def gmsd(x, y, rounded=True):
    magnitudes = (magnitude(halve(luma(i, rounded=rounded))) for i in (x, y))
    return np.std(alike(*magnitudes, 170), ddof=1)


def ms_gmsd(x, y):
    x, y = (luma(i, (0.299, 0.587, 0.114), rounded=False) for i in (x, y))
    total = 0.0
    for weight in (0.096, 0.596, 0.289, 0.019):
        total += weight * np.var(alike(magnitude(x), magnitude(y), 170, 0.5))
        x, y = halve(x), halve(y)
    return np.sqrt(total)


def mdsi(x, y):
    root = mdsi_root(x, y)
    return np.mean(np.abs(root - root.mean())) ** 0.25


def mdsi_root(x, y):
    """The map that MDSI pools, for images below 384 pixels, which are not decimated."""
    rows = np.array([[0.2989, 0.5870, 0.1140], [0.30, 0.04, -0.35], [0.34, -0.60, 0.17]])
    (l1, h1, m1), (l2, h2, m2) = (
        np.moveaxis(255 * i.astype(np.float64) @ rows.T, -1, 0) for i in (x, y)
    )
    g1, g2, g3 = magnitude(l1), magnitude(l2), magnitude((l1 + l2) / 2)
    structure = alike(g1, g2, 140) + alike(g2, g3, 55) - alike(g1, g3, 55)
    colour = (2 * (h1 * h2 + m1 * m2) + 550) / (h1**2 + h2**2 + m1**2 + m2**2 + 550)
    return (0.6 * structure + 0.4 * colour).astype(complex) ** 0.25


def haarpsi(x, y):
    return haarpsi_pooled(*haarpsi_terms(x, y))


def haarpsi_pooled(local, weight):
    squashed = 1 / (1 + np.exp(-4.2 * local))
    share = (squashed * weight).sum() / weight.sum()
    return (np.log(share / (1 - share)) / 4.2) ** 2


def haarpsi_terms(x, y):
    """Similarity maps of both orientations and of chroma, and their weights."""
    yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    planes = [
        [halve(plane) for plane in np.moveaxis(255 * i.astype(np.float64) @ yiq.T, -1, 0)]
        for i in (x, y)
    ]

    def coefficients(plane, scale, turned):
        kernel = np.ones((2**scale, 2**scale)) / 2**scale
        kernel[: 2 ** (scale - 1)] *= -1
        kernel = kernel.T if turned else kernel
        return np.abs(convolve_same(plane, kernel))

    local, weight = [], []
    for turned in (False, True):
        (a1, b1), (a2, b2), coarse = (
            [coefficients(p[0], scale, turned) for p in planes] for scale in (1, 2, 3)
        )
        local.append((alike(a1, b1, 30) + alike(a2, b2, 30)) / 2)
        weight.append(np.maximum(*coarse))
    box = np.ones((2, 2)) / 4
    chroma = [[np.abs(convolve_same(c, box)) for c in p[1:]] for p in planes]
    local.append(sum(alike(a, b, 30) for a, b in zip(*chroma, strict=True)) / 2)
    weight.append((weight[0] + weight[1]) / 2)
    return np.array(local), np.array(weight)


def vifp(x, y):
    x, y = luma(x), luma(y)
    kept = total = 0.0
    for scale in range(4):
        size = 2 ** (4 - scale) + 1
        window = gaussian(size, size / 5)

        def mean(plane, window=window):
            return signal.fftconvolve(plane, window, mode="valid")

        if scale:
            x, y = mean(x)[::2, ::2], mean(y)[::2, ::2]
        mu_x, mu_y = mean(x), mean(y)
        xx = np.maximum(mean(x * x) - mu_x**2, 0)
        yy = np.maximum(mean(y * y) - mu_y**2, 0)
        xy = mean(x * y) - mu_x * mu_y
        gain = xy / (xx + 1e-10)
        noise = np.where(gain < 0, yy, yy - gain * xy)
        gain, noise = np.maximum(gain, 0), np.maximum(noise, 1e-10)
        kept += np.log10(1 + gain**2 * xx / (noise + 2)).sum()
        total += np.log10(1 + xx / 2).sum()
    return kept / total


def nlpd(x, y):
    """NLPD of images whose sides are multiples of 32."""
    kernels = np.zeros((6, 5, 5))
    kernels[0, 1, 2], kernels[0, 2, 1], kernels[0, 2, 3:], kernels[0, 3, 2] = (
        0.1011,
        0.1493,
        (0.1460, 0.0072),
        0.1015,
    )
    kernels[1, 1:4, 1:4] = [[0, 0.0757, 0], [0.1986, 0, 0.1846], [0, 0.0837, 0]]
    kernels[2, 1:4, 1:4] = [[0, 0.0477, 0], [0.2138, 0, 0.2243], [0, 0.0467, 0]]
    kernels[3:, 2, 1:4:2] = [[0.2503, 0.2616], [0.2598, 0.2552], [0.2215, 0.0717]]
    sigmas = (0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782)
    axis = np.array([0.05, 0.25, 0.4, 0.25, 0.05])
    low_pass = np.outer(axis, axis)
    bands = []
    for plane in (luma(x) / 255, luma(y) / 255):
        bands.append([])
        for level in range(6):
            band = plane
            if level < 5:
                low = signal.convolve2d(np.pad(plane, 2, "symmetric"), low_pass, mode="valid")
                low = low[::2, ::2]
                spread = np.zeros((2 * low.shape[0] + 4, 2 * low.shape[1] + 4))
                spread[::2, ::2] = 4 * np.pad(low, 1, "edge")
                band = plane - signal.convolve2d(spread, low_pass, mode="same")[2:-2, 2:-2]
                plane = low
            pooled = signal.convolve2d(np.abs(band), kernels[level], mode="same")
            bands[-1].append(band / (sigmas[level] + pooled))
    return np.mean([np.sqrt(np.mean((a - b) ** 2)) for a, b in zip(*bands, strict=True)])
