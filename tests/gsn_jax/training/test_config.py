import pytest

from gsn_jax.errors import InputError
from gsn_jax.training import config as configs


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from gsn_jax.training.config import base_config\n\n"
        "def get_config():\n"
        "    config = base_config()\n"
        "    config.data.train = ('a.csv',)\n"
        "    config.train.steps = 7\n"
        "    return config\n"
    )
    return path


def test_a_file_is_read_and_overridden(file):
    config = configs.load_config(
        str(file),
        [
            "--config.train.steps=9",
            "--config.optimizer.learning_rate=1e-4",
            "--config.data.flip=False",
        ],
    )
    assert (config.train.steps, config.optimizer.learning_rate, config.data.flip) == (
        9,
        1e-4,
        False,
    )
    assert configs.load_config(str(file)).train.steps == 7


@pytest.mark.parametrize(
    ("given", "want"),
    [("b.csv", ("b.csv",)), ("('b.csv','c.csv')", ("b.csv", "c.csv"))],
)
def test_tables_are_named_on_the_command_line(file, given, want):
    assert configs.load_config(str(file), [f"--config.data.train={given}"]).data.train == want


def test_a_configuration_that_ships_is_found_by_name():
    config = configs.load_config("default", ["--config.data.train=x.csv"])
    assert config.model.name == "gsn"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.train.stepz=3"], "mine.py.*stepz"),
        (["--config.train.steps=many"], "mine.py.*steps"),
        (["--config.train.steps=0"], "train.steps must be positive"),
        (["--config.data.batch_size=-1"], "batch_size must be positive"),
        (["--config.data.train=()"], "data.train is empty"),
        (["--config.train.step=pmap"], "train.step must be one of jit, shard_map"),
        (["--config.optimizer.schedule=steps"], "schedule must be one of cosine"),
        (["--config.optimizer.decay_at=(0.5,0.2)"], "decay_at must be rising"),
        (["--config.optimizer.decay_at=(0.5,1.0)"], "decay_at must be rising"),
        (["--config.optimizer.decay_factor=0.0"], "decay_factor must be in"),
        (["--config.optimizer.accumulate=0"], "accumulate must be positive"),
        (["--config.optimizer.accumulate=5"], "batch_size must be a multiple of"),
        (["--config.optimizer.accumulate=2", "--config.model.norm=batch"], "would see the micro"),
        (["--config.optimizer.frozen_trunk_steps=-2"], "frozen_trunk_steps must be"),
        (["--config.optimizer.trunk_learning_rate_factor=0.0"], "frozen_trunk_steps=-1 keeps"),
        (["--config.optimizer.learning_rate=0.0"], "learning_rate must be positive"),
        (["--config.optimizer.warmup_steps=-1"], "warmup_steps must not be negative"),
        (["--config.optimizer.clip_norm=0.0"], "clip_norm must be positive"),
        (["--config.optimizer.ema=1.0"], "ema must be in"),
        (["extra"], "unexpected argument 'extra'"),
    ],
)
def test_what_does_not_fit_is_named(file, arguments, message):
    with pytest.raises(InputError, match=message):
        configs.load_config(str(file), arguments)


def test_unknown_names_list_what_there_is():
    with pytest.raises(
        InputError, match=r"no configuration 'nothing'; give a file, or one of: .*default"
    ):
        configs.load_config("nothing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("def get_config():\n    return 3", "must return a ConfigDict"),
        ("x = 1", "get_config"),
        (
            "from ml_collections import ConfigDict\ndef get_config():\n    return ConfigDict()",
            "section '.*' is missing",
        ),
        (
            "from gsn_jax.training.config import base_config\n"
            "def get_config():\n    c = base_config()\n    del c.train.keep\n    return c",
            "train.keep is missing",
        ),
    ],
)
def test_a_broken_file_is_named(tmp_path, text, message):
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(InputError, match=f"broken.py.*{message}"):
        configs.load_config(str(path))


def test_changed_keys_are_those_that_a_continuation_must_keep():
    before = {"seed": 0, "model": {"a": (1, 2)}, "loss": {}, "optimizer": {}, "data": {"x": 1}}
    after = {"seed": 0, "model": {"a": [1, 3]}, "loss": {"n": 1}, "optimizer": {}, "data": {"x": 1}}
    assert configs.changed_keys(before, after) == ["model.a", "loss.n"]
    assert configs.changed_keys(before, {**before, "model": {"a": [1, 2]}, "train": 5}) == []


def test_a_run_of_an_older_version_has_the_defaults_of_new_keys():
    after = configs.base_config().to_dict()
    before = {section: dict(after[section]) for section in after if section != "seed"}
    before["seed"] = after["seed"]
    for key in ("schedule", "decay_at", "accumulate", "frozen_trunk_steps"):
        del before["optimizer"][key]
    del before["model"]["remat"]
    assert configs.changed_keys(before, after) == []
    after["optimizer"]["schedule"] = "linear"
    assert configs.changed_keys(before, after) == ["optimizer.schedule"]


def test_what_changes_only_memory_may_change():
    before, after = configs.base_config().to_dict(), configs.base_config().to_dict()
    after["model"]["remat"], after["optimizer"]["accumulate"] = True, 4
    assert configs.changed_keys(before, after) == []
