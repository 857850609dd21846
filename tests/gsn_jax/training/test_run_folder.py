"""The folder of a run belongs to one configuration and one training at a time."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from gsn_jax.errors import InputError
from gsn_jax.training.config import base_config
from gsn_jax.training.run_folder import check_not_running, claimed


def test_a_folder_is_claimed_by_one_training_at_a_time(tmp_path):
    workdir, config = tmp_path / "run", base_config()
    with claimed(workdir, config) as folder:
        assert folder == workdir
        with (
            pytest.raises(InputError, match="another training is running in this folder"),
            claimed(workdir, config),
        ):
            pass
    with claimed(workdir, config):  # the lock ends with the training
        assert json.loads((workdir / "config.json").read_text())["seed"] == config.seed


def test_processes_that_look_at_once_do_not_refuse_each_other(tmp_path):
    config = base_config()
    with claimed(tmp_path, config):
        pass
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            list(pool.map(check_not_running, [tmp_path] * 8))


def test_a_training_that_runs_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr("gsn_jax.training.run_folder._LONGEST_CHECK", 0.1)
    with (
        claimed(tmp_path, base_config()),
        pytest.raises(InputError, match="another training is running in this folder"),
    ):
        check_not_running(tmp_path)


def test_another_configuration_is_refused_and_leaves_the_folder(tmp_path):
    config = base_config()
    with claimed(tmp_path / "run", config):
        pass
    config.seed += 1
    with (
        pytest.raises(InputError, match="contains a run with a different seed"),
        claimed(tmp_path / "run", config),
    ):
        pass
    assert json.loads((tmp_path / "run" / "config.json").read_text())["seed"] == config.seed - 1


def test_other_storage_and_a_file_are_no_folders(tmp_path):
    (tmp_path / "file").write_text("")
    for workdir, words in (
        ("s3://bucket/run", "mount other storage"),
        (tmp_path / "file", "written"),
    ):
        with pytest.raises(InputError, match=words), claimed(workdir, base_config()):
            pass


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "\ud800"])
def test_a_damaged_configuration_is_one_line(tmp_path, content):
    file = tmp_path / "config.json"
    file.write_bytes(content.encode(errors="surrogatepass"))
    with (
        pytest.raises(InputError, match=r"config\.json: damaged, or not the configuration"),
        claimed(tmp_path, base_config()),
    ):
        pass
    assert file.read_bytes() == content.encode(errors="surrogatepass")


def test_a_folder_called_model_that_no_run_wrote_is_kept(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="but no run wrote it"), claimed(tmp_path, base_config()):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
