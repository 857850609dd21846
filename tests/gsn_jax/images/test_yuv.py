import numpy as np
import pytest

from gsn_jax.images import yuv

# Weights of red and blue in luma as the recommendations print them.
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def coded(rgb, bits, matrix, full):
    """Y, Cb and Cr of RGB in float64, by the equations of ITU-T H.273, rounded to samples."""
    red, green, blue = np.moveaxis(np.float64(rgb), -1, 0)
    of_red, of_blue = WEIGHTS[matrix]
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    chroma = [(blue - luma) / (2 - 2 * of_blue), (red - luma) / (2 - 2 * of_red)]
    if full:
        planes = [luma * (2**bits - 1)] + [c * (2**bits - 1) + 2 ** (bits - 1) for c in chroma]
    else:
        planes = [(219 * luma + 16) * 2 ** (bits - 8)]
        planes += [(224 * c + 128) * 2 ** (bits - 8) for c in chroma]
    return [np.round(plane).astype(np.uint8 if bits == 8 else np.uint16) for plane in planes]


@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_decoding_inverts_the_definition(rng, matrix, full, bits):
    """Up to the rounding of samples: half a level of luma, and of each chroma at most 1.9 times."""
    rgb = rng.uniform(size=(6, 5, 3))
    got = yuv.to_rgb(coded(rgb, bits, matrix, full), bits, matrix, full)
    assert got.dtype == np.float32
    step = 1 / (2**bits - 1) if full else 1 / (219 * 2 ** (bits - 8))
    np.testing.assert_allclose(got, rgb, rtol=0, atol=0.5 * step * (1 + 2 * 1.9) + 1e-6)


def test_the_red_of_hd_video():
    """BT.709 red at 75 % and 100 % in studio range, as test pictures print it."""
    for levels, want in (((51, 109, 212), (0.75, 0, 0)), ((63, 102, 240), (1, 0, 0))):
        planes = [np.full((1, 1), level, np.uint8) for level in levels]
        np.testing.assert_allclose(yuv.to_rgb(planes, 8, 1, False)[0, 0], want, atol=0.006)


def test_values_beyond_black_and_white_are_clipped():
    planes = [np.array([[1, 16, 235, 254]], np.uint8), *[np.full((1, 4), 128, np.uint8)] * 2]
    np.testing.assert_array_equal(yuv.to_rgb(planes, 8, 1, False)[0, :, 0], [0, 0, 1, 1])


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (2, 1), (2, 2), (4, 1), (1, 2)])
def test_chroma_lies_where_encoders_put_it(columns, rows):
    """A ramp of chroma that is sampled there comes back as the ramp, apart from the borders."""
    height, width = 16, 24
    y, x = np.mgrid[:height, :width].astype(np.float64)

    def ramp(y, x):
        return np.round(20000 + 256 * x + 512 * y).astype(np.uint16)

    # Horizontally on the first luma sample of each group, vertically in the middle of the rows.
    small = ramp(y[::rows, ::columns] + (rows - 1) / 2, x[::rows, ::columns])
    gray = np.full((height, width), 30000, np.uint16)
    got = yuv.to_rgb([gray, small, small], 16, 1, True)
    want = yuv.to_rgb([gray, ramp(y, x), ramp(y, x)], 16, 1, True)
    inner = slice(rows, height - rows), slice(0, width - columns)
    np.testing.assert_allclose(got[inner], want[inner], atol=2e-5)


def test_odd_sizes():
    planes = [np.full((5, 7), 180, np.uint8), *[np.full((3, 4), 90, np.uint8)] * 2]
    whole = [planes[0], *[np.full((5, 7), 90, np.uint8)] * 2]
    np.testing.assert_allclose(yuv.to_rgb(planes, 8, 6, True), yuv.to_rgb(whole, 8, 6, True))


def test_what_is_not_said_is_taken_from_the_other_and_then_by_size():
    silent, labelled = yuv.Coding(), yuv.Coding(matrix=9, full_range=True)
    assert silent.filled_from(labelled) == labelled
    assert yuv.Coding(matrix=1).filled_from(labelled) == yuv.Coding(matrix=1, full_range=True)
    rgb = yuv.Coding(full_range=True, kind="rgb")
    assert silent.filled_from(rgb) == silent
    assert yuv.default_coding(720, 576).matrix == 6
    assert yuv.default_coding(1280, 720).matrix == 1
    assert yuv.default_coding(720, 577).matrix == 1
    assert yuv.default_coding(720, 576).full_range is False
