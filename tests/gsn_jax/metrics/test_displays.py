"""Displays from JSON files."""

import json

import pytest

from gsn_jax.errors import InputError
from gsn_jax.metrics import displays

# An entry of the package's `display_models.json`.
PHONE = {
    "name": "A mobile phone display",
    "resolution": [2400, 1080],
    "viewing_distance_meters": 0.4,
    "diagonal_size_inches": 6,
    "max_luminance": 500,
    "min_luminance": 0.05,
    "E_ambient": 250,
    "source": "none",
}


@pytest.fixture
def read(tmp_path):
    def of(entry):
        path = tmp_path / "display.json"
        path.write_text(entry if isinstance(entry, str) else json.dumps(entry))
        return displays.read(path)

    return of


def without(*keys, **other):
    return {key: value for key, value in PHONE.items() if key not in keys} | other


def test_a_file_describes_a_display(read):
    """Pixels per degree by the package's `vvdp_display_geometry.get_ppd`."""
    phone = displays.DISPLAYS["standard_phone"]
    assert read(PHONE) == phone
    assert phone.pixels_per_degree == pytest.approx(120.56081547997547)
    assert displays.DISPLAYS["standard_4k"].pixels_per_degree == pytest.approx(75.40244934516305)
    other = without("min_luminance", "viewing_distance_meters", contrast=10000)
    assert read(other | {"viewing_distance_inches": 0.4 / 0.0254}) == pytest.approx(phone)


def test_without_ambient_light_nothing_is_reflected(read):
    assert read(without("E_ambient")).reflected == 0
    assert read(PHONE | {"k_refl": 0.01}).reflected == pytest.approx(2.5 / 3.14159265)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{", "cannot be read as JSON"),
        ([PHONE], "a display must be a JSON object"),
        (without("resolution"), "a display needs the key resolution"),
        (without(resolution=[1920]), r"resolution must be \[width, height\] in pixels, got \[1920"),
        (without(resolution=[1920, 0]), "resolution must be"),
        (without(resolution=[1920.5, 1080]), "resolution must be"),
        (without(contrast=1000), "a display needs exactly one of contrast and min_luminance"),
        (without("min_luminance", contrast=1), "contrast must be a number above 1, got 1"),
        (without("viewing_distance_meters"), "a display needs exactly one of viewing_distance_m"),
        (without(max_luminance="bright"), "max_luminance must be a number above 0, got 'bright'"),
        (without(max_luminance=float("nan")), "max_luminance must be a number above 0, got nan"),
        (without(max_luminance=True), "max_luminance must be a number above 0, got True"),
        (without(max_luminance=0.01), "min_luminance must be below max_luminance, got 0.05"),
        (without(E_ambient=-1), "E_ambient must be a number at least 0, got -1"),
        (without(colorspace="BT.2020-PQ"), "colorspace must be sRGB, got 'BT.2020-PQ'"),
        (without(e_ambient=250), "unknown key 'e_ambient' in a display; known: resolution, "),
    ],
)
def test_what_a_display_cannot_be_is_one_line(read, entry, message):
    with pytest.raises(InputError, match=f"display.json: {message}") as raised:
        read(entry)
    assert "\n" not in str(raised.value)


def test_no_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: cannot be read as JSON: No such file"):
        displays.read(tmp_path / "none.json")
