"""Transmission errors: damaged JPEG streams and damaged JPEG 2000 code blocks."""

from __future__ import annotations

import numpy as np

from data_pipelines.distortions import wavelet
from data_pipelines.distortions.compression import decode, jpeg_bytes
from data_pipelines.distortions.draws import at_least
from data_pipelines.distortions.entry import Distortion
from data_pipelines.distortions.pixels import RGB, rgb_to_ycbcr, ycbcr_to_rgb

_TABLE_SCALE = 20.0
_RESTART_BLOCKS = 8
_CODE_BLOCK = 32
_DRAWN = 2400


def jpeg_errors(image: RGB, rate: float, rng: np.random.Generator) -> RGB:
    """A JPEG stream with flipped bits, decoded by libjpeg.

    Restart markers after every 8 coding units limit the reach of an error. Markers are not
    damaged, since transports protect packet headers. A fractional error is blended in.
    """
    data = jpeg_bytes(image, _TABLE_SCALE, restart_marker_blocks=_RESTART_BLOCKS)
    count = rate * image.shape[0] * image.shape[1] / (512 * 384)
    places = _flips(data, count, rng)
    whole = min(int(count), len(places) - 1)
    fewer = decode(_damage(data, places[:whole]))
    part = min(count - whole, 1.0)
    if part == 0:
        return fewer
    more = decode(_damage(data, places[: whole + 1]))
    return np.rint(fewer + part * (more.astype(np.float32) - fewer)).astype(np.uint8)


def _flips(data: bytes, count: float, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Random positions (byte, bit) where a flip neither creates nor breaks a marker.

    Nearly all positions qualify; twice `count` are drawn, so that at least `count` qualify.
    """
    start = data.index(b"\xff\xda") + 14
    stream = np.frombuffer(data, np.uint8)
    places = at_least(
        _DRAWN, 2 * count, rng, lambda rng, items: rng.integers(start, len(data) - 2, items)
    )
    bits = at_least(_DRAWN, 2 * count, rng, lambda rng, items: rng.integers(0, 8, items))
    good = []
    for place, bit in zip(places.tolist(), bits.tolist(), strict=True):
        near = stream[place - 1 : place + 2]
        if 0xFF not in near and int(stream[place]) ^ (1 << bit) != 0xFF:
            good.append((place, bit))
    return good


def _damage(data: bytes, places: list[tuple[int, int]]) -> bytes:
    damaged = bytearray(data)
    for place, bit in places:
        damaged[place] ^= 1 << bit
    # Two flips in one byte may have created the first byte of a marker.
    for place, _ in places:
        if damaged[place] == 0xFF:
            damaged[place] = data[place]
    return bytes(damaged)


def jpeg2000_errors(image: RGB, rate: float, rng: np.random.Generator) -> RGB:
    """Adds noise to code blocks of a 9/7 wavelet transform, each block in one random channel.

    An error in a code block's arithmetic code destroys the lower bits of its coefficients. This is
    modelled by Gaussian noise with 0.5 or 1 times (1 + the block's standard deviation).
    """
    planes = rgb_to_ycbcr(image)
    bands = wavelet.decompose(planes, 5)
    blocks = [
        (band, top, left)
        for band in bands
        for top in range(0, band.shape[0], _CODE_BLOCK)
        for left in range(0, band.shape[1], _CODE_BLOCK)
    ]
    sizes = np.array([_code_size(band[top:, left:]) for band, top, left in blocks])
    order = rng.choice(len(blocks), len(blocks), replace=False, p=sizes / sizes.sum())
    count = min(rate, 1.0) * len(blocks)
    for position, index in enumerate(order):
        channel = int(rng.choice(3, p=(0.6, 0.2, 0.2)))
        noise = rng.standard_normal((_CODE_BLOCK, _CODE_BLOCK))
        depth = rng.choice([0.5, 1.0])
        if position >= count:
            continue
        band, top, left = blocks[index]
        block = band[top : top + _CODE_BLOCK, left : left + _CODE_BLOCK, channel]
        peak = np.sqrt(np.mean((block - block.mean()) ** 2)) + 1
        part = min(count - position, 1)
        block += part * depth * peak * noise[: block.shape[0], : block.shape[1]]
    return ycbcr_to_rgb(wavelet.reconstruct(bands, image.shape[:2]))


def _code_size(rest: np.ndarray) -> float:
    """Approximate coded size of a block, in bits of luma; larger blocks are hit more often."""
    block = rest[:_CODE_BLOCK, :_CODE_BLOCK, 0]
    return float(np.log2(2 + np.abs(block)).sum())


DISTORTIONS = (
    Distortion(
        "jpeg_errors",
        "transmission",
        jpeg_errors,
        (4.0, 10.0, 20.0, 40.0, 80.0),
        (0, 500),
        "bit errors per 512 x 384 pixels",
        "JPEG with transmission errors.",
        "TID2013",
        tid2013=12,
    ),
    Distortion(
        "jpeg2000_errors",
        "transmission",
        jpeg2000_errors,
        (0.05, 0.11, 0.22, 0.4, 0.8),
        (0, 1),
        "share of damaged code blocks",
        "JPEG 2000 with transmission errors, modelled in the wavelet domain.",
        "TID2013",
        tid2013=13,
    ),
)
