import time

import pytest

pytest.importorskip("apache_beam", reason="needs the extra [beam]")

from gsn_jax.errors import InputError
from gsn_jax.serving.beam import exclusion


def listed(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_second_run_in_a_local_folder(tmp_path):
    busy = "another run is writing this folder; wait for it, or name another folder"
    with (
        exclusion.alone(str(tmp_path)),
        pytest.raises(InputError, match=busy),
        exclusion.alone(str(tmp_path)),
    ):
        pass
    with exclusion.alone(str(tmp_path)):
        pass


def test_a_second_run_on_a_remote_file_system(remote_folder, monkeypatch):
    monkeypatch.setattr(exclusion, "BEAT", 0.05)
    folder = "gsntest://out/_unfinished"
    with exclusion.alone(folder):
        (sign,) = listed(remote_folder)
        with (
            pytest.raises(InputError, match="is writing this folder, and wrote a sign of life 0 s"),
            exclusion.alone(folder),
        ):
            pass
        assert listed(remote_folder) == [sign]
        first, deadline = (remote_folder / sign).read_text(), time.monotonic() + 30
        while (remote_folder / sign).read_text() in ("", first) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert float((remote_folder / sign).read_text()) > float(first)
    assert listed(remote_folder) == []
    # One that was killed shows no sign of life any more.
    (remote_folder / sign).write_text(str(time.time() - exclusion.DEAD - 1))
    with exclusion.alone(folder):
        assert len(listed(remote_folder)) == 2
