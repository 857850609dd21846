"""The encoders of Pillow, imagecodecs and ajpegli, by name of the codec."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, features

from gsn_jax.errors import InputError

Pixels = UInt8[np.ndarray, "h w 3"]


@dataclasses.dataclass(frozen=True)
class _Library:
    """How a library encodes.

    Attributes:
        encode: maps image and quality to the encoded file.
        identity: library and version. Raises `InputError` if it cannot be used here.
    """

    encode: Callable[[Pixels, float], bytes]
    identity: Callable[[], str]


def _pillow(name: str, feature: str, **options: Any) -> _Library:
    def encode(image: Pixels, quality: float) -> bytes:
        target = io.BytesIO()
        scaled: dict[str, Any] = {"quality": round(quality)}
        if name == "JPEG2000":
            # Pillow takes a PSNR; 20 to 95 become 27 to 45.75 dB, the range of the other codecs.
            scaled = {"quality_layers": [22 + quality / 4]}
        Image.fromarray(image).save(target, name, **scaled, **options)
        return target.getvalue()

    def identity() -> str:
        version = features.version(feature)
        if version is None:
            raise InputError(
                f"this build of Pillow cannot write {name}; install the wheel from PyPI"
            )
        pillow = importlib.import_module("PIL").__version__
        return f"Pillow {pillow}, {feature} {version}, {options}"

    return _Library(encode, identity)


def _imagecodecs(name: str, encode: Callable[[Any, Pixels, float], bytes]) -> _Library:
    def identity() -> str:
        library = importlib.import_module("imagecodecs")
        if not getattr(library, name.upper()).available:
            raise InputError(
                f"this build of imagecodecs lacks {name}; use a program, as in "
                f"--encoder '{name}=PROGRAM {{in}} {{out}} -q {{q}}'"
            )
        return f"imagecodecs {library.__version__}, {getattr(library, f'{name}_version')()}"

    return _Library(
        lambda image, quality: bytes(
            encode(importlib.import_module("imagecodecs"), image, quality)
        ),
        identity,
    )


def butteraugli_distance(quality: float) -> float:
    """The distance that `cjxl` and `cjpegli` take for a quality.

    It is `JxlEncoderDistanceFromQuality` of libjxl.
    """
    if quality >= 30:
        return 0.1 + (100 - min(quality, 100)) * 0.09
    return 53 / 3000 * quality**2 - 23 / 20 * quality + 25


@functools.cache
def _ajpegli() -> Any:
    try:
        return importlib.import_module("ajpegli")
    except ImportError:
        raise InputError("the codec jpegli needs ajpegli; run: pip install ajpegli") from None


# One thread each: photographs are encoded in parallel.
LIBRARY: dict[str, _Library] = {
    "jpeg": _pillow("JPEG", "jpg", subsampling="4:2:0", optimize=True),
    "webp": _pillow("WEBP", "webp"),
    "avif": _pillow("AVIF", "avif", max_threads=1),
    # Without mct=1 Pillow codes R, G and B separately, in about twice the bytes.
    "jpeg2000": _pillow("JPEG2000", "jpg_2000", quality_mode="dB", irreversible=True, mct=1),
    "jxl": _imagecodecs(
        "jpegxl",
        lambda library, image, quality: library.jpegxl_encode(
            image, distance=butteraugli_distance(quality), numthreads=1
        ),
    ),
    "mozjpeg": _imagecodecs(
        "mozjpeg",
        lambda library, image, quality: library.mozjpeg_encode(image, level=round(quality)),
    ),
    "jpegli": _Library(
        # By distance, as cjpegli does: ajpegli's own `quality` gives other files.
        lambda image, quality: _ajpegli().encode(
            image, distance=butteraugli_distance(quality), subsampling="444"
        ),
        lambda: f"ajpegli {_ajpegli().__version__}, distance",
    ),
}
