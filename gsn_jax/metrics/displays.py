"""Displays, for metrics whose score depends on the viewing conditions."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any, NamedTuple

from gsn_jax.errors import InputError

REFLECTIVITY = 0.005


class Display(NamedTuple):
    """A display and its viewing conditions.

    Attributes:
        pixels_per_degree: pixels per degree of visual angle.
        peak: luminance of white, in nits.
        black: luminance of black, in nits.
        reflected: luminance of reflected light, in nits.
    """

    pixels_per_degree: float
    peak: float
    black: float
    reflected: float

    def __str__(self) -> str:
        return (
            f"of {self.pixels_per_degree:.9g} pixels per degree, {self.black:.9g} to "
            f"{self.peak:.9g} nits and {self.reflected:.9g} nits reflected"
        )


def seen_from(
    resolution: tuple[int, int],
    inches: float,
    metres: float,
    *,
    peak: float,
    black: float,
    lux: float,
    reflectivity: float = REFLECTIVITY,
) -> Display:
    """A display at a viewing distance.

    Args:
        resolution: width and height, in pixels.
        inches: the diagonal.
        metres: the viewing distance.
        peak: luminance of white, in nits.
        black: luminance of black, in nits.
        lux: ambient light.
        reflectivity: the share of the ambient light that the screen reflects.
    """
    pixel = inches * 0.0254 / math.hypot(*resolution)
    degrees = 2 * math.degrees(math.atan(pixel / 2 / metres))
    return Display(1 / degrees, peak, black, reflectivity * lux / math.pi)


# As under these names in version 0.5.7 of the package `cvvdp`.
DISPLAYS = {
    "standard_4k": seen_from((3840, 2160), 30, 0.7472, peak=200, black=0.2, lux=250),
    "standard_fhd": seen_from((1920, 1080), 24, 0.6, peak=200, black=0.2, lux=250),
    "standard_phone": seen_from((2400, 1080), 6, 0.4, peak=500, black=0.05, lux=250),
}


def named(display: str | Display) -> Display:
    """Returns a display as it is, or looks up its name in `DISPLAYS`.

    Raises:
        InputError: no display has that name.
    """
    if isinstance(display, Display):
        return display
    if display not in DISPLAYS:
        raise InputError(
            f"unknown display {display!r}; known: {', '.join(DISPLAYS)}, or a file FILE.json"
        )
    return DISPLAYS[display]


_LENGTHS = {"viewing_distance_meters": 1.0, "viewing_distance_inches": 0.0254}
_BLACKS = ("contrast", "min_luminance")
_REQUIRED = ("resolution", "diagonal_size_inches", "max_luminance")
_OPTIONAL = ("E_ambient", "k_refl", "colorspace", "name", "source")


def read(path: str | os.PathLike[str]) -> Display:
    """Reads a display from a JSON file in the format of `cvvdp`'s `display_models.json`, one entry.

    The entry is an object with `resolution` ([width, height]), `diagonal_size_inches`,
    `viewing_distance_meters` or `viewing_distance_inches`, `max_luminance` in nits, and `contrast`
    or `min_luminance`. With ambient light it also has `E_ambient` in lux and `k_refl`, the share
    of it that the screen reflects (default: 0.005). `colorspace` can only be sRGB.

    Raises:
        InputError: the file cannot be read, or is not such an entry.
    """
    try:
        entry = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{os.fspath(path)}: cannot be read as JSON: {reason}") from None
    try:
        return _display(entry)
    except InputError as error:
        raise InputError(f"{os.fspath(path)}: {error}") from None


def _display(entry: Any) -> Display:
    if not isinstance(entry, dict):
        raise InputError("a display must be a JSON object")
    known = (*_REQUIRED, *_LENGTHS, *_BLACKS, *_OPTIONAL)
    for key in entry:
        if key not in known:
            raise InputError(f"unknown key {key!r} in a display; known: {', '.join(known)}")
    for key in _REQUIRED:
        if key not in entry:
            raise InputError(f"a display needs the key {key}")
    if entry.get("colorspace", "sRGB") != "sRGB":
        raise InputError(f"colorspace must be sRGB, got {entry['colorspace']!r}")
    distance, black = _one_of(entry, tuple(_LENGTHS)), _one_of(entry, _BLACKS)
    peak = _number(entry, "max_luminance")
    darkest = peak / _number(entry, black, 1) if black == "contrast" else _number(entry, black)
    if darkest >= peak:
        raise InputError(f"min_luminance must be below max_luminance, got {darkest:g}")
    return seen_from(
        _resolution(entry["resolution"]),
        _number(entry, "diagonal_size_inches"),
        _number(entry, distance) * _LENGTHS[distance],
        peak=peak,
        black=darkest,
        lux=_number(entry, "E_ambient", with_least=True) if "E_ambient" in entry else 0.0,
        reflectivity=_number(entry, "k_refl", with_least=True)
        if "k_refl" in entry
        else REFLECTIVITY,
    )


def _one_of(entry: dict[str, Any], keys: tuple[str, ...]) -> str:
    given = [key for key in keys if key in entry]
    if len(given) != 1:
        raise InputError(f"a display needs exactly one of {' and '.join(keys)}")
    return given[0]


def _number(
    entry: dict[str, Any], key: str, least: float = 0.0, *, with_least: bool = False
) -> float:
    value = entry[key]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    too_low = is_number and (value < least or (value == least and not with_least))
    if not is_number or not math.isfinite(value) or too_low:
        bound = f"{'at least' if with_least else 'above'} {least:g}"
        raise InputError(f"{key} must be a number {bound}, got {value!r}")
    return float(value)


def _resolution(value: Any) -> tuple[int, int]:
    def is_size(side: Any) -> bool:
        return isinstance(side, int) and not isinstance(side, bool) and side > 0

    if not (isinstance(value, list) and len(value) == 2 and all(map(is_size, value))):
        raise InputError(f"resolution must be [width, height] in pixels, got {value!r}")
    return value[0], value[1]
