"""Conversions between uint8 images and the float planes that distortions compute on."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

RGB = UInt8[np.ndarray, "h w 3"]
Planes = Float32[np.ndarray, "h w 3"]


def to_uint8(values: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Float values on the 0-255 scale, rounded and clipped to uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def rgb_to_ycbcr(image: RGB) -> Planes:
    """uint8 RGB `(H, W, 3)` as float32 full-range BT.601 Y, Cb, Cr on the 0-255 scale."""
    scaled = image.astype(np.float32) / 255
    return cv2.cvtColor(scaled, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]] * 255


def ycbcr_to_rgb(planes: Float[np.ndarray, "h w 3"]) -> RGB:
    """Inverse of `rgb_to_ycbcr`: float Y, Cb, Cr `(H, W, 3)` to uint8 RGB."""
    scaled = np.ascontiguousarray(planes[..., [0, 2, 1]], np.float32) / 255
    return to_uint8(cv2.cvtColor(scaled, cv2.COLOR_YCrCb2RGB) * 255)


def rgb_to_lab(image: RGB) -> Planes:
    """uint8 sRGB `(H, W, 3)` as float32 CIE L (0-100), a, b."""
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)


def lab_to_rgb(planes: Float[np.ndarray, "h w 3"]) -> RGB:
    """Inverse of `rgb_to_lab`, clipped to the sRGB gamut."""
    return to_uint8(cv2.cvtColor(np.ascontiguousarray(planes, np.float32), cv2.COLOR_Lab2RGB) * 255)


def luma(image: RGB) -> Float32[np.ndarray, "h w"]:
    """BT.601 luma of uint8 RGB `(H, W, 3)`: float32 `(H, W)`, 0-255."""
    return image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
