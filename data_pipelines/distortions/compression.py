"""Lossy compression: JPEG, JPEG 2000, WebP, a DCT coder, and compression of noisy images."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from data_pipelines.distortions import dct
from data_pipelines.distortions.entry import Distortion
from data_pipelines.distortions.noise import white_noise
from data_pipelines.distortions.pixels import RGB, rgb_to_ycbcr, to_uint8, ycbcr_to_rgb

# The example tables of the JPEG standard (ITU-T T.81, annex K), row by row.
_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    *(17, 18, 24, 47, 99, 99, 99, 99),
    *(18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99),
    *([99] * 32),
)
_SUBSAMPLING = "4:2:0"
_NEUTRAL = np.array([0, 127.5, 127.5], np.float32)
_CHROMA_WEIGHT = np.array([1, 0.6, 0.6], np.float32)


def jpeg_bytes(image: RGB, scale: float, largest_step: int = 255, **options: int) -> bytes:
    """Encodes 4:2:0 JPEG with the quantisation tables of annex K times `scale` percent.

    libjpeg's quality q means a scale of 5000 / q below 50, and of 200 - 2 q above. Baseline JPEG
    has steps up to 255; a larger `largest_step` writes extended JPEG.
    """
    tables = [
        [int(np.clip((value * scale + 50) // 100, 1, largest_step)) for value in table]
        for table in (_LUMINANCE, _CHROMINANCE)
    ]
    buffer = io.BytesIO()
    Image.fromarray(image).save(
        buffer, "JPEG", qtables=tables, subsampling=_SUBSAMPLING, optimize=False, **options
    )
    return buffer.getvalue()


def decode(data: bytes) -> np.ndarray:
    """Decodes an image to uint8 RGB `(H, W, 3)`."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def jpeg(image: RGB, scale: float, rng: np.random.Generator) -> RGB:
    """Encodes as JPEG and decodes."""
    return decode(jpeg_bytes(image, scale))


def jpeg2000(image: RGB, ratio: float, rng: np.random.Generator) -> RGB:
    """Encodes as JPEG 2000 (9/7 wavelet) at a compression ratio and decodes.

    Scales the chroma by 0.6 before encoding, the visual weighting that comes closest to TID2013's
    published values.
    """
    planes = (rgb_to_ycbcr(image) - _NEUTRAL) * _CHROMA_WEIGHT + _NEUTRAL
    buffer = io.BytesIO()
    Image.fromarray(to_uint8(planes)).save(
        buffer,
        "JPEG2000",
        quality_mode="rates",
        quality_layers=[max(ratio, 1.0)],
        irreversible=True,
        mct=0,
        no_jp2=True,
    )
    planes = decode(buffer.getvalue()).astype(np.float32)
    return ycbcr_to_rgb((planes - _NEUTRAL) / _CHROMA_WEIGHT + _NEUTRAL)


def webp(image: RGB, loss: float, rng: np.random.Generator) -> RGB:
    """Encodes as lossy WebP at quality `100 - loss` and decodes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=100 - loss, method=4)
    return decode(buffer.getvalue())


def dct_coder(image: RGB, step: float, rng: np.random.Generator) -> RGB:
    """A coder with 32 x 32 DCT blocks and one quantisation step for all coefficients."""
    height, width = image.shape[:2]
    if step <= 0:
        return image.copy()
    planes = rgb_to_ycbcr(image)
    for channel, factor in enumerate((1, 2, 2)):
        coefficients = dct.block_dct(planes[..., channel], 32)
        rounded = np.rint(coefficients / (step * factor)) * (step * factor)
        planes[..., channel] = dct.block_idct(rounded, height, width)
    return ycbcr_to_rgb(planes)


def noisy_compression(image: RGB, sigma: float, rng: np.random.Generator) -> RGB:
    """White noise, then a DCT coder with a step of `2 * sigma`."""
    return dct_coder(white_noise(image, sigma, rng), 2 * sigma, rng)


DISTORTIONS = (
    Distortion(
        "jpeg",
        "compression",
        jpeg,
        (60.0, 120.0, 240.0, 550.0, 1200.0),
        (1, 6000),
        "quantisation tables (percent of annex K; 100 is quality 50)",
        "JPEG, 4:2:0.",
        "TID2013, KADID-10k",
        tid2013=10,
        kadid10k=10,
    ),
    Distortion(
        "jpeg2000",
        "compression",
        jpeg2000,
        (24.0, 48.0, 90.0, 180.0, 320.0),
        (1, 20000),
        "compression ratio",
        "JPEG 2000 with the 9/7 wavelet.",
        "TID2013, KADID-10k",
        tid2013=11,
        kadid10k=9,
    ),
    Distortion(
        "webp",
        "compression",
        webp,
        (40.0, 65.0, 80.0, 92.0, 100.0),
        (0, 100),
        "100 - quality",
        "Lossy WebP.",
        "libwebp",
    ),
    Distortion(
        "dct_coder",
        "compression",
        dct_coder,
        (20.0, 35.0, 60.0, 110.0, 200.0),
        (0, 1500),
        "quantisation step",
        "DCT coder with 32 x 32 blocks and a uniform step.",
        "the coder class that TID2013's authors use",
    ),
    Distortion(
        "noisy_compression",
        "compression",
        noisy_compression,
        (5.5, 8.5, 13.0, 20.0, 32.0),
        (0, 160),
        "standard deviation of the noise (of 255)",
        "White noise, then lossy compression with a step that follows the noise.",
        "TID2013",
        tid2013=21,
    ),
)
