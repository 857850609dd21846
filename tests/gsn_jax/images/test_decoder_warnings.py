import logging
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from gsn_jax import images
from gsn_jax.errors import InputError
from gsn_jax.images.decoder_warnings import silenced


def test_warnings_and_logs_are_silent_and_come_back(caplog):
    with silenced():
        warnings.warn("noise", UserWarning, stacklevel=1)
        logging.getLogger("tifffile").error("noise")
    assert caplog.records == []
    with pytest.warns(UserWarning, match="again"):
        warnings.warn("again", UserWarning, stacklevel=1)
    logging.getLogger("tifffile").error("again")
    assert [record.message for record in caplog.records] == ["again"]


def test_the_last_of_several_threads_restores_the_filters():
    before = list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def read():
        with silenced():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=read, daemon=True)
    with silenced():
        thread.start()
        assert inside.wait(500)  # seconds; only so that a hang ends
    warnings.warn("still silent", UserWarning, stacklevel=1)
    leave.set()
    thread.join()
    assert list(warnings.filters) == before


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "bmp", "avif", "jp2", "gif"])
def test_mutated_files_are_an_array_or_one_line(tmp_path, rng, capfd, suffix):
    """Bytes changed at random, with a seed; `silenced` and the reader keep the terminal clean."""
    path = tmp_path / f"x.{suffix}"
    gradient = np.add.outer(np.arange(24), np.arange(40))[..., None] * 4 + np.array([0, 9, 3])
    Image.fromarray(gradient.astype(np.uint8)).save(path)
    sound = path.read_bytes()
    for _ in range(60):
        data = bytearray(sound)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            data[place] = rng.choice([0, 1, 64, 127, 128, 255, int(rng.integers(256))])
        path.write_bytes(data[: rng.integers(len(data))] if rng.random() < 0.2 else data)
        message, image = "", None
        try:
            image = images.load_image(path, alpha="white", max_pixels=100_000)
        except InputError as error:
            message = str(error)
        if image is None:
            assert message.startswith(str(path))
            assert "\n" not in message
        else:
            assert image.dtype in (np.uint8, np.float32)
            assert image.shape[-1] == 3
            assert image.shape[0] * image.shape[1] <= 100_000
    assert capfd.readouterr().err == ""
