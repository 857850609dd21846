import errno
import os

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("apache_beam", reason="needs the extra [beam]")

from gsn_jax.errors import InputError
from gsn_jax.serving.beam import worker


def test_a_reason_that_may_pass_is_waited_out(tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(worker.time, "sleep", waited.append)
    image = tmp_path / "a.png"
    Image.fromarray(np.full((20, 20, 3), 7, np.uint8)).save(image)
    original, refusals = os.open, [errno.EIO, errno.ESTALE]

    def refuse(path, *arguments, **options):
        if refusals and os.fspath(path) == str(image):
            raise OSError(refusals.pop(0), "not now")
        return original(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    assert worker._PatientLoading().load(image).shape == (20, 20, 3)
    assert waited == list(worker.WAITS)
    refusals[:] = [errno.EIO] * 3
    with pytest.raises(InputError, match="cannot be read"):
        worker._PatientLoading().load(image)


def test_a_reason_that_stays_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(worker.time, "sleep", lambda _: pytest.fail("waited"))
    (tmp_path / "a.png").write_bytes(b"no image")
    for name in ("a.png", "missing.png", ""):
        with pytest.raises(InputError):
            worker._PatientLoading().load(tmp_path / name)
