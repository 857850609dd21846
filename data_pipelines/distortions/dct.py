"""Orthonormal discrete cosine transforms of square image blocks."""

from __future__ import annotations

import numpy as np
import scipy.fft


def block_dct(plane: np.ndarray, size: int) -> np.ndarray:
    """Coefficients `(rows, columns, size, size)` of a plane `(H, W)`, padded symmetrically."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % size), (0, -width % size)), mode="symmetric")
    rows, columns = padded.shape[0] // size, padded.shape[1] // size
    blocks = padded.reshape(rows, size, columns, size).swapaxes(1, 2)
    return scipy.fft.dctn(blocks, axes=(2, 3), norm="ortho")


def block_idct(coefficients: np.ndarray, height: int, width: int) -> np.ndarray:
    """Inverse of `block_dct`, cropped to `(height, width)`."""
    blocks = scipy.fft.idctn(coefficients, axes=(2, 3), norm="ortho")
    rows, columns, size, _ = blocks.shape
    return blocks.swapaxes(1, 2).reshape(rows * size, columns * size)[:height, :width]
