"""The 9/7 wavelet transform of JPEG 2000 (ITU-T T.800, annex F) by lifting."""

from __future__ import annotations

import numpy as np

_LIFTING = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
_SCALE = 1.230174104914001


def decompose(image: np.ndarray, levels: int) -> list[np.ndarray]:
    """Bands of `(H, W, C)`, finest first: HL, LH, HH of each level, then the low-pass LL."""
    bands = []
    low = np.asarray(image, np.float64)
    for _ in range(levels):
        if min(low.shape[:2]) < 2:
            break
        rows_low, rows_high = _forward(low)
        (low, hl), (lh, hh) = (
            (part.swapaxes(0, 1) for part in _forward(half.swapaxes(0, 1)))
            for half in (rows_low, rows_high)
        )
        bands += [hl, lh, hh]
    return [*bands, low]


def reconstruct(bands: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Inverse of `decompose`, for an image of `shape` (H, W)."""
    sizes = [shape]
    while len(sizes) <= (len(bands) - 1) // 3:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    low = bands[-1]
    for level in reversed(range((len(bands) - 1) // 3)):
        hl, lh, hh = bands[3 * level : 3 * level + 3]
        height, width = sizes[level]
        rows_low, rows_high = (
            _inverse(first.swapaxes(0, 1), second.swapaxes(0, 1), width).swapaxes(0, 1)
            for first, second in ((low, hl), (lh, hh))
        )
        low = _inverse(rows_low, rows_high, height)
    return low


def _forward(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low-pass and high-pass band along axis 0."""
    even, odd = signal[0::2].copy(), signal[1::2].copy()
    for index, factor in enumerate(_LIFTING):
        if index % 2 == 0:
            odd += factor * _neighbours_of_odd(even, len(odd))
        else:
            even += factor * _neighbours_of_even(odd, len(even))
    return even / _SCALE, odd * _SCALE / 2


def _inverse(low: np.ndarray, high: np.ndarray, length: int) -> np.ndarray:
    even, odd = low * _SCALE, high * 2 / _SCALE
    for index, factor in reversed(list(enumerate(_LIFTING))):
        if index % 2 == 0:
            odd = odd - factor * _neighbours_of_odd(even, len(odd))
        else:
            even = even - factor * _neighbours_of_even(odd, len(even))
    signal = np.empty((length, *low.shape[1:]))
    signal[0::2], signal[1::2] = even, odd
    return signal


def _neighbours_of_odd(even: np.ndarray, count: int) -> np.ndarray:
    """Sum of the even neighbours of each odd sample, mirrored at the end."""
    right = np.concatenate([even[1:], even[-1:]])[:count]
    return even[:count] + right


def _neighbours_of_even(odd: np.ndarray, count: int) -> np.ndarray:
    """Sum of the odd neighbours of each even sample, mirrored at both ends."""
    left = np.concatenate([odd[:1], odd])[:count]
    right = np.concatenate([odd, odd[-1:]])[:count]
    return left + right
