"""ColorVideoVDP for still images.

R. K. Mantiuk, P. Hanji, M. Ashraf, Y. Asano, A. Chapiro, "ColorVideoVDP: a visual difference
predictor for image, video and display distortions", ACM Transactions on Graphics 43(4), SIGGRAPH
2024; constants of version 0.5.7 of the authors' package `cvvdp` (MIT). `cvvdp_csf.npy` is its table
of contrast sensitivity, castleCSF of sustained stimuli.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.errors import InputError
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.staging import staged

MIN_SIZE = 4
BEST = 10.0
# Linear sRGB to XYZ, XYZ to cone responses, and these to achromatic, red-green and yellow-violet.
XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
CONES = (
    (0.187596268556126, 0.585168649077728, -0.026384263306304),
    (-0.133397430663221, 0.405505777260049, 0.034502127690364),
    (0.000244379021663, -0.000542995890619, 0.019406849066323),
)
OPPONENT = (
    (1.0, 1.0, 0.0),
    (1.0, -2.311130179947035, 0.0),
    (-1.0, -1.0, 50.977571328718781),
)
# The pyramid: its kernel, the lowest frequency (cycles per degree), and of its coarser bands the
# frequency relative to that of the finest.
KERNEL = (0.05, 0.25, 0.4, 0.25, 0.05)
LOWEST, COARSER = 0.2, 0.3228
BASE_FREQUENCY = 0.1
DARKEST, LARGEST_CONTRAST = 0.01, 1000.0
# The table's rows are luminances, its columns frequencies, both at equal distances of logarithms.
LUMINANCES, FREQUENCIES = (0.005, 10000.0), (0.1, 64.0)
SENSITIVITY = 10 ** (-0.2797423303127289 / 20)
# Of the three channels: gains, exponents of masking, and how much each (row) masks each.
GAINS = (1.0, 1.45, 1.0)
MASK_EXPONENTS = (1.302622675895691, 2.8885908126831055, 3.6807713508605957)
CROSS_MASKING = (
    (-0.18950104713439941, -5.962151050567627, -4.31834602355957),
    (2.5655593872070312, 0.34406712651252747, -2.719646453857422),
    (3.8118371963500977, -1.0051705837249756, -0.5193376541137695),
)
EXPONENT = 2.264355182647705
MASKING = 10**-0.7954971194267273
LARGEST_DIFFERENCE = 10**2.5642454624176025
PHASE_SIGMA, PHASE_RADIUS = 3.0, 6
BASE_WEIGHTS = (0.0036334486212581396, 1.6627724170684814, 4.11874532699585)
# Pooling, and from differences to just objectionable differences.
STILL = 0.577918291091919
JOD_SCALE, JOD_EXPONENT, JOD_LINEAR = 0.0439569391310215, 0.9302042722702026, 0.1
EPSILON = 1e-5


class Display(NamedTuple):
    """What images are seen on.

    Attributes:
        pixels_per_degree: of visual angle.
        peak: luminance of white, in nits.
        black: luminance of black, in nits.
        reflected: luminance of reflected light, in nits.
    """

    pixels_per_degree: float
    peak: float
    black: float
    reflected: float


def display(
    width: int, height: int, inches: float, distance: float, peak: float, black: float, lux: float
) -> Display:
    """A display of that many pixels and that diagonal, seen from a distance in metres.

    Args:
        width: of the display, in pixels.
        height: likewise.
        inches: its diagonal.
        distance: of the viewer, in metres.
        peak: luminance of white, in nits.
        black: luminance of black, in nits.
        lux: ambient light, of which the screen reflects 0.5 %.
    """
    pixel = inches * 0.0254 / math.hypot(width, height)
    degrees = 2 * math.degrees(math.atan(pixel / 2 / distance))
    return Display(1 / degrees, peak, black, 0.005 * lux / math.pi)


DISPLAYS = {
    "standard_4k": display(3840, 2160, 30, 0.7472, 200, 0.2, 250),
    "standard_fhd": display(1920, 1080, 24, 0.6, 200, 0.2, 250),
    "standard_phone": display(2400, 1080, 6, 0.4, 500, 0.05, 250),
}


@pairwise("cvvdp", MIN_SIZE)
def cvvdp(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    display: str | Display = "standard_4k",
) -> Float[Array, "*batch"]:
    """The quality in just objectionable differences (JOD), 10 at best.

    Args:
        reference: sRGB in [0, 1], at least 4 x 4.
        distorted: as `reference`.
        display: one of `DISPLAYS`, or a `Display`.

    Returns:
        A quality of at most 10; 10 for equal images. One below another, 75 % of people prefer the
        other. Not symmetric.

    Raises:
        InputError: no display has that name.
    """
    bands = _differences(reference, distorted, _display(display))
    per_band = jnp.stack([_norm_2(band) for band in bands], -1)
    weights = jnp.ones((3, len(bands)), per_band.dtype).at[:, -1].set(jnp.asarray(BASE_WEIGHTS))
    pooled = _norm_4(_norm_4(per_band * weights, -1), 0)
    return _jod(STILL * pooled)


@pairwise("cvvdp", MIN_SIZE)
def cvvdp_map(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    display: str | Display = "standard_4k",
) -> Float[Array, "*batch h w"]:
    """The quality around each pixel, 10 where no difference is seen; arguments as for `cvvdp`."""
    *bands, base = _differences(reference, distorted, _display(display))
    total = _norm_4(STILL * _per_channel(BASE_WEIGHTS) * base, 0)
    for i, band in reversed(list(enumerate(bands))):
        total = _expanded(total, band.shape[-2:]) + _norm_4(STILL * band, 0) / _band_gain(i)
    return _jod(total)


def _display(display: str | Display) -> Display:
    if isinstance(display, Display):
        return display
    if display not in DISPLAYS:
        raise InputError(f"unknown display {display!r}; known: {', '.join(DISPLAYS)}")
    return DISPLAYS[display]


def _differences(
    reference: Float[Array, "h w 3"], distorted: Float[Array, "h w 3"], display: Display
) -> list[Float[Array, "3 _h _w"]]:
    """Visible differences of the channels in each band, from the finest to the low-pass one."""
    pyramid = [_opponent(jnp.stack([reference, distorted]), display)]
    frequencies = _frequencies(*reference.shape[:2], display.pixels_per_degree)
    for _ in frequencies[1:]:
        pyramid.append(staged(_reduced(pyramid[-1])))
    result = []
    for i, frequency in enumerate(frequencies[:-1]):
        around = _expanded(pyramid[i + 1], pyramid[i].shape[-2:])
        background = jnp.maximum(around[0], DARKEST)
        contrast = _band_gain(i) * _contrast(pyramid[i] - around, background)
        result.append(_masked(contrast * _sensitivity(background[0], frequency)[:, None]))
    background = jnp.maximum(pyramid[-1][0], DARKEST).mean((-2, -1), keepdims=True)
    contrast = _contrast(pyramid[-1], background)
    sensitivity = _sensitivity(background[0], BASE_FREQUENCY)
    return [*result, jnp.abs(contrast[:, 0] - contrast[:, 1]) * sensitivity]


def _opponent(images: Float[Array, "2 h w 3"], display: Display) -> Float[Array, "3 2 h w"]:
    """Achromatic, red-green and yellow-violet responses to what the display shows."""
    light = (display.peak - display.black) * colour.linear_srgb(images)
    light = light + display.black + display.reflected
    rows = np.array(OPPONENT) @ np.array(CONES) @ np.array(XYZ)
    return jnp.stack([colour.mix(light, row) for row in rows.tolist()])


def _frequencies(height: int, width: int, pixels_per_degree: float) -> list[float]:
    """The centre of each band, in cycles per degree; the last one is low-pass."""
    finest = pixels_per_degree / 2
    centres = [finest, *(COARSER * finest / 2**k for k in range(14))]
    wanted = 1 + sum(centre > LOWEST for centre in centres)
    possible = int(math.log2(min(height, width))) - 1
    return centres[: min(wanted, possible) + 1]


def _band_gain(index: int) -> float:
    return 1.0 if index == 0 else 2.0


def _contrast(
    layer: Float[Array, "3 2 h w"], background: Float[Array, "2 ..."]
) -> Float[Array, "3 2 h w"]:
    return jnp.minimum(layer / background, LARGEST_CONTRAST)


def _sensitivity(luminance: Float[Array, "h w"], frequency: float) -> Float[Array, "3 h w"]:
    """Contrast sensitivity of each channel, interpolated along log luminance."""
    table = _sensitivities(frequency)
    low, high = (math.log10(end) for end in LUMINANCES)
    last = table.shape[1] - 1
    place = jnp.clip((jnp.log10(luminance) - low) * (last / (high - low)), 0, last)
    before = jnp.minimum(place.astype(jnp.int32), last - 1)
    share = place - before
    below, above = (jnp.asarray(table, luminance.dtype)[:, before + step] for step in (0, 1))
    return SENSITIVITY * 10 ** (below + share * (above - below))


@functools.cache
def _sensitivities(frequency: float) -> np.ndarray:
    """Their logarithms at one frequency, of each channel and luminance, `(3, 32)`."""
    table = _table()
    low, high = (math.log10(end) for end in FREQUENCIES)
    place = (math.log10(frequency) - low) / (high - low) * (table.shape[-1] - 1)
    before = int(np.clip(math.ceil(place) - 1, 0, table.shape[-1] - 2))
    return table[..., before] + (place - before) * (table[..., before + 1] - table[..., before])


@functools.cache
def _table() -> np.ndarray:
    return np.load(Path(__file__).with_name("cvvdp_csf.npy")).astype(np.float64)


def _masked(contrast: Float[Array, "3 2 h w"]) -> Float[Array, "3 h w"]:
    """Differences of visible contrasts, masked by what both images share."""
    x, y = jnp.moveaxis(contrast * _per_channel(GAINS)[..., None], 1, 0)
    shared = _blurred(jnp.minimum(jnp.abs(x), jnp.abs(y))) * MASKING
    powers = [_power(plane, q) for plane, q in zip(shared, MASK_EXPONENTS, strict=True)]
    masks = jnp.stack(
        [
            reductions.add(2**weight * p for weight, p in zip(column, powers, strict=True))
            for column in zip(*CROSS_MASKING, strict=True)
        ]
    )
    difference = _power(jnp.abs(x - y), EXPONENT) / (1 + masks)
    return LARGEST_DIFFERENCE * difference / (LARGEST_DIFFERENCE + difference)


def _blurred(planes: Float[Array, "3 h w"]) -> Float[Array, "3 h w"]:
    """The mean around each pixel, since masking does not depend on phase."""
    if min(planes.shape[-2:]) <= PHASE_RADIUS:
        return planes
    taps = filters.gaussian_taps(2 * PHASE_RADIUS + 1, PHASE_SIGMA)
    padded = filters.pad(staged(planes), PHASE_RADIUS, PHASE_RADIUS, "reflect")
    return staged(
        filters.correlate_axis(staged(filters.correlate_axis(padded, taps, -2)), taps, -1)
    )


def _reduced(planes: Float[Array, "*batch h w"]) -> Float[Array, "*batch h2 w2"]:
    """Smoothed, and every second row and column."""
    # As in the authors' code, the right border is treated as if there were as many columns as rows
    # modulo two.
    odd = planes.shape[-2] % 2 == 1
    return _reduced_axis(staged(_reduced_axis(planes, -2, odd)), -1, odd)


def _reduced_axis(
    planes: Float[Array, "*batch h w"], axis: int, odd: bool
) -> Float[Array, "*batch _h _w"]:
    """Every second sample of a mirrored axis, which is taken to have an odd size or not."""
    axis %= planes.ndim
    size = planes.shape[axis]
    first, second, last_but_one, last = (
        lax.slice_in_dim(planes, k, k + 1, axis=axis) for k in (0, 1, size - 2, size - 1)
    )
    if odd == (size % 2 == 1):
        beyond = [last, last_but_one]
    elif odd:
        beyond = [KERNEL[3] / KERNEL[4] * last + last_but_one, last]
    else:
        beyond = [jnp.zeros_like(last), last]
    padded = staged(jnp.concatenate([second, first, planes, *beyond], axis))
    end = 2 * ((size + 1) // 2) - 1
    return reductions.add(
        weight * lax.slice_in_dim(padded, k, k + end, stride=2, axis=axis)
        for k, weight in enumerate(KERNEL)
    )


def _expanded(
    planes: Float[Array, "*batch h w"], size: Sequence[int]
) -> Float[Array, "*batch H W"]:
    """Twice as large, interpolated with the kernel."""
    for axis, length in zip((-2, -1), size, strict=True):
        planes = _expanded_axis(planes, axis, length)
    return planes


def _expanded_axis(
    planes: Float[Array, "*batch h w"], axis: int, size: int
) -> Float[Array, "*batch _h _w"]:
    axis %= planes.ndim
    count = planes.shape[axis]
    ends = (lax.slice_in_dim(planes, k, k + 1, axis=axis) for k in (0, count - 1))
    first, last = ends
    repeated = staged(jnp.concatenate([first, planes, last], axis))
    before, here, after = (lax.slice_in_dim(repeated, k, k + count, axis=axis) for k in range(3))
    even = 2 * (KERNEL[0] * before + KERNEL[2] * here + KERNEL[4] * after)
    odd = 2 * (KERNEL[1] * here + KERNEL[3] * after)
    shape = list(planes.shape)
    shape[axis] = 2 * count
    result = jnp.stack([even, odd], axis + 1).reshape(shape)
    return staged(lax.slice_in_dim(result, 0, size, axis=axis))


def _per_channel(values: Sequence[float]) -> Float[Array, "3 1 1"]:
    return jnp.asarray(values)[:, None, None]


def _power(values: Float[Array, "*shape"], exponent: float) -> Float[Array, "*shape"]:
    """(x + EPSILON)^p - EPSILON^p for x >= 0 and p > 1; zero at zero, however a compiler rounds."""
    return jnp.where(values > 0, (values + EPSILON) ** exponent - EPSILON**exponent, 0)


def _root(values: Float[Array, "*shape"], degree: int) -> Float[Array, "*shape"]:
    """The same for p = 1 / `degree`, without cancellation."""
    exponent = 1 / degree
    return EPSILON**exponent * jnp.expm1(exponent * jnp.log1p(values / EPSILON))


def _norm_2(planes: Float[Array, "3 h w"]) -> Float[Array, " 3"]:
    return _root(reductions.mean(planes * (planes + 2 * EPSILON)), 2)


def _norm_4(values: Float[Array, "*shape"], axis: int) -> Float[Array, "*_shape"]:
    return _root(_power(values, 4).sum(axis), 4)


def _jod(difference: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Of nearly nothing it is linear."""
    small = difference <= JOD_LINEAR
    power = jnp.where(small, JOD_LINEAR, difference) ** JOD_EXPONENT
    linear = JOD_LINEAR ** (JOD_EXPONENT - 1) * difference
    return BEST - JOD_SCALE * jnp.where(small, linear, power)


METRICS = {
    "cvvdp": FunctionMetric(
        "cvvdp", cvvdp, True, (-float("inf"), BEST), cvvdp_map, min_size=MIN_SIZE
    )
}
