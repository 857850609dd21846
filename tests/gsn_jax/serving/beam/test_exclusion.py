import threading
import time

import pytest

pytest.importorskip("apache_beam", reason="needs the extra [beam]")

from gsn_jax.errors import InputError
from gsn_jax.serving.beam import exclusion

PATIENCE = 500  # seconds; only so that a hang ends


def listed(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_second_run_in_a_local_folder(tmp_path):
    busy = "another run is writing to this folder; wait for it, or name another folder"
    with (
        exclusion.alone(str(tmp_path)),
        pytest.raises(InputError, match=busy),
        exclusion.alone(str(tmp_path)),
    ):
        pass
    with exclusion.alone(str(tmp_path)):
        pass


def test_a_second_run_on_a_remote_file_system(remote_folder):
    folder = "gsntest://out/_unfinished"
    with exclusion.alone(folder):
        (sign,) = listed(remote_folder)
        refusal = r"is writing to this folder \(last heartbeat \d seconds ago\)"
        with pytest.raises(InputError, match=refusal), exclusion.alone(folder):
            pass
        assert listed(remote_folder) == [sign]
    assert listed(remote_folder) == []
    # One that was killed has no heartbeat any more.
    (remote_folder / sign).write_text(str(time.time() - exclusion.DEAD - 1))
    with exclusion.alone(folder):
        assert len(listed(remote_folder)) == 2


def test_a_long_run_shows_more_signs_of_life(remote_folder, monkeypatch):
    monkeypatch.setattr(exclusion, "BEAT", 0.05)
    signs, enough = [], threading.Event()

    def write_over(_, text):
        signs.append(float(text))
        if len(signs) == 3:
            enough.set()

    monkeypatch.setattr(exclusion.files, "write_over", write_over)
    with exclusion.alone("gsntest://out/_unfinished"):
        assert enough.wait(PATIENCE)
    assert signs[0] < signs[1] < signs[2]
