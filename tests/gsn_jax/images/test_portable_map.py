"""Portable maps of 16 bits and of floats, from the netpbm definitions."""

import numpy as np
import pytest

from gsn_jax import images
from gsn_jax.errors import InputError
from gsn_jax.images import files


@pytest.fixture
def values(rng):
    return rng.random((5, 7, 3))


def load(tmp_path, data, name="x.ppm", **options):
    (tmp_path / name).write_bytes(data)
    return images.load_image(tmp_path / name, **options)


@pytest.mark.parametrize("white", [256, 1023, 4095, 65535])
@pytest.mark.parametrize("header", [b"P6 7 5 %d\n", b"P6\n# deep\n7 5\n%d\n"])
def test_16_bits(tmp_path, values, white, header):
    samples = np.round(values * white).astype(">u2")
    got = load(tmp_path, header % white + samples.tobytes())
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, samples / white, atol=1e-7)


@pytest.mark.parametrize(("scale", "order"), [(b"-1.0", "<"), (b"1", ">"), (b"-2.5e0", "<")])
@pytest.mark.parametrize("channels", [1, 3])
def test_floats(tmp_path, values, scale, order, channels):
    """Rows run from the bottom to the top; the size of the scale is a unit and changes nothing."""
    part = values[..., :channels].astype(np.float32)
    name = b"PF" if channels == 3 else b"Pf"
    body = part[::-1].astype(f"{order}f4").tobytes()
    got = load(tmp_path, name + b"\n7 5\n" + scale + b"\n" + body, "x.pfm")
    np.testing.assert_array_equal(got, np.broadcast_to(part, values.shape))
    assert files.read_size(tmp_path / "x.pfm") == (5, 7)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PF\n7 5\n-1.0\n" + bytes(419), "damaged or truncated image .truncated"),
        (b"PF\n7 5\n", "not an image that can be read .damaged header"),
        (b"PF\n7 0\n-1.0\n", "a size or scale of zero"),
        (b"PF\n7 5\n0\n", "a size or scale of zero"),
        (b"PF\n9999999 99999\n-1.0\n", "9999999 x 99999 pixels is beyond the limit"),
        (b"PF\n1 1\n-1.0\n" + np.float32([0, 2, 0]).tobytes(), "must lie in"),
        (b"PF\n1 1\n-1.0\n" + np.float32([0, np.nan, 0]).tobytes(), "not finite"),
        (b"P6 7 5 65535\n" + bytes(209), "damaged or truncated"),
        (b"P6 9999 9999 65535\n", "9999 x 9999 pixels is beyond the limit"),
        (b"P6 1 1 1023\n\xff\xff\0\0\0\0", "damaged or truncated"),
        (b"P3 1 1 1023\n0 5 9\n", "plain PPM with more than 8 bits is not supported"),
    ],
)
def test_what_is_refused(tmp_path, data, message):
    with pytest.raises(InputError, match=rf"x\.pnm: .*{message}"):
        load(tmp_path, data, "x.pnm")
