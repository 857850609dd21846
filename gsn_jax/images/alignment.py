"""Global shifts between the images of a pair: found by phase correlation, and undone.

C. D. Kuglin, D. C. Hines, "The phase correlation image alignment method", 1975; fractions of a
pixel by the upsampled matrix Fourier transform of M. Guizar-Sicairos, S. T. Thurman, J. R. Fienup,
"Efficient subpixel image registration algorithms", Optics Letters 33(2), 2008.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

Align = Literal["none", "integer", "subpixel"]

# A fraction of a pixel is found on a grid of this many positions per pixel.
UPSAMPLING = 20

# Only the middle of an image, of at most this height and width, is searched, for shifts of up to a
# quarter of it.
_LARGEST = 2048

# Frequencies weaker than this share of the strongest one count less than the others: in a blurred
# image they hold nothing but rounding errors.
_WEAKEST = 1e-3

# Height and width of the middle that `looks_shifted` compares; and by what factor undoing the shift
# must reduce the squared error there for a pair to count as shifted.
_GLANCE = 128
_GAIN = 2.0


class Shift(NamedTuple):
    """How far the content of the distorted image lies from that of the reference, in pixels.

    Attributes:
        down: positive where it lies further down.
        right: positive where it lies further to the right.
    """

    down: float
    right: float


class Aligned(NamedTuple):
    """The part of a pair that both images show, aligned.

    Attributes:
        reference: `(h, w, 3)`, cut from the reference.
        distorted: the same content, from the distorted image.
        shift: what was undone.
        part: the rows and columns of the reference that were cut out.
    """

    reference: Shaped[np.ndarray, "h w 3"]
    distorted: Shaped[np.ndarray, "h w 3"]
    shift: Shift
    part: tuple[slice, slice]


def align(
    reference: Shaped[np.ndarray, "height width 3"],
    distorted: Shaped[np.ndarray, "height width 3"],
    mode: Align,
) -> Aligned:
    """Undoes a global shift of the distorted image. Both images lose what only one of them shows.

    A shift that does not lower the squared error is not undone, nor is one of at most
    1 / `UPSAMPLING` of a pixel, the precision of the method.

    Args:
        reference: uint8, or float32 in [0, 1].
        distorted: likewise, of the same size.
        mode: "integer" moves by whole pixels, and changes no value. "subpixel" also resamples the
            distorted image by cubic splines, which softens it a little. "none" changes nothing.
    """
    whole = (slice(0, reference.shape[0]), slice(0, reference.shape[1]))
    untouched = Aligned(reference, distorted, Shift(0.0, 0.0), whole)
    if mode == "none":
        return untouched
    shift = find_shift(reference, distorted, subpixel=mode == "subpixel")
    if max(map(abs, shift)) <= 1 / UPSAMPLING:
        return untouched
    part = tuple(
        slice(max(0, math.ceil(-move)), side - max(0, math.ceil(move)))
        for move, side in zip(shift, reference.shape[:2], strict=True)
    )
    kept = reference[part]
    moved = _moved(distorted, shift, part)
    if _squared_error(kept, moved) >= _squared_error(kept, distorted[part]):
        return untouched
    return Aligned(kept, moved, shift, (part[0], part[1]))


def find_shift(
    reference: Shaped[np.ndarray, "h w 3"],
    distorted: Shaped[np.ndarray, "h w 3"],
    *,
    subpixel: bool = False,
) -> Shift:
    """The shift of the distorted image's content, by phase correlation of the luma.

    Args:
        reference: uint8, or float32 in [0, 1].
        distorted: likewise, of the same size.
        subpixel: whether to find it to a precision of 1 / `UPSAMPLING` pixels.
    """
    first, second = (_windowed(_luma(_middle(image, _LARGEST))) for image in (reference, distorted))
    spectra = np.fft.fft2(first), np.fft.fft2(second)
    product = np.conj(spectra[0]) * spectra[1]
    magnitude = np.abs(product)
    # Flat images have no magnitude at all, and no shift.
    product /= np.maximum(magnitude, np.float32(_WEAKEST) * magnitude.max() + np.float32(1e-30))
    correlation = np.fft.ifft2(product).real
    moves = [_signed(size) for size in correlation.shape]
    rows, columns = (np.abs(move) <= len(move) // 4 for move in moves)
    correlation[~rows] = correlation[:, ~columns] = -np.inf
    peak = np.unravel_index(np.argmax(correlation), correlation.shape)
    down, right = (float(move[at]) for move, at in zip(moves, peak, strict=True))
    return _refined(product, Shift(down, right)) if subpixel else Shift(down, right)


def looks_shifted(
    reference: Shaped[np.ndarray, "h w 3"], distorted: Shaped[np.ndarray, "h w 3"]
) -> Shift | None:
    """A shift by whole pixels that explains over half of the squared error in the middle, or None.

    Only the middle 128 x 128 pixels are compared, which takes about a millisecond.
    """
    pair = _middle(reference, _GLANCE), _middle(distorted, _GLANCE)
    aligned = align(*pair, "integer")
    if aligned.shift == (0, 0):
        return None
    before = _squared_error(aligned.reference, pair[1][aligned.part])
    after = _squared_error(aligned.reference, aligned.distorted)
    return aligned.shift if before > _GAIN * after else None


def _middle(image: np.ndarray, largest: int) -> np.ndarray:
    part = tuple(
        slice(max(0, (side - largest) // 2), max(0, (side - largest) // 2) + largest)
        for side in image.shape[:2]
    )
    return image[part]


def _luma(image: np.ndarray) -> Float[np.ndarray, "h w"]:
    return image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def _windowed(plane: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Centres a plane on zero and fades it out at the borders, which would act as edges."""
    rows, columns = (np.hanning(size + 2)[1:-1].astype(np.float32) for size in plane.shape)
    return (plane - plane.mean()) * rows[:, None] * columns


def _signed(size: int) -> np.ndarray:
    """The shifts that the positions of a correlation stand for."""
    return np.rint(np.fft.fftfreq(size) * size)


def _refined(product: np.ndarray, shift: Shift) -> Shift:
    """The highest correlation within a pixel of a shift, on a grid of 1 / `UPSAMPLING`."""
    offsets = np.arange(-UPSAMPLING, UPSAMPLING + 1) / UPSAMPLING
    waves = [
        np.exp(2j * np.pi * np.outer(move + offsets, np.fft.fftfreq(size))).astype(product.dtype)
        for move, size in zip(shift, product.shape, strict=True)
    ]
    correlation = (waves[0] @ product @ waves[1].T).real
    row, column = np.unravel_index(np.argmax(correlation), correlation.shape)
    return Shift(shift.down + float(offsets[row]), shift.right + float(offsets[column]))


def _moved(image: np.ndarray, shift: Shift, part: tuple[slice, ...]) -> np.ndarray:
    """The shifted image at a part of the reference's grid."""
    if all(move.is_integer() for move in shift):
        rows, columns = (
            slice(span.start + int(move), span.stop + int(move))
            for span, move in zip(part, shift, strict=True)
        )
        return image[rows, columns]
    import scipy.ndimage  # imported here, because most runs align nothing

    scale = np.float32(255) if image.dtype == np.uint8 else np.float32(1)
    planes = [
        scipy.ndimage.shift(plane, (-shift.down, -shift.right), order=3, mode="mirror")[part]
        for plane in np.moveaxis(image.astype(np.float32) / scale, -1, 0)
    ]
    return np.clip(np.stack(planes, axis=-1), 0, 1)


def _squared_error(first: np.ndarray, second: np.ndarray) -> float:
    scales = [255 if image.dtype == np.uint8 else 1 for image in (first, second)]
    change = first.astype(np.float32) / scales[0] - second.astype(np.float32) / scales[1]
    return float(np.mean(change**2))
