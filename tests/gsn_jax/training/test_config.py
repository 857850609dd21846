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
            "--config.model.remat=True",
        ],
    )
    assert (config.train.steps, config.optimizer.learning_rate, config.model.remat) == (
        9,
        1e-4,
        True,
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


@pytest.mark.parametrize("name", ["dataset.py:pipal", "dataset:pipal", "pipal", "pipal.py"])
def test_a_data_set_is_an_argument_of_one_file(name):
    assert configs.load_config(name).data.train == ("pipal:train",)


@pytest.mark.parametrize("name", ["ablation.py:m3", "ablation_m3"])
def test_an_arm_is_an_argument_of_one_file(name):
    config = configs.load_config(name)
    assert (config.model.theta, config.loss.alpha, config.loss.beta) == (0.7, 1.0, 0.0)


@pytest.mark.parametrize("name", ["dataset", "dataset:nothing"])
def test_a_missing_argument_is_named(name):
    with pytest.raises(InputError, match="where NAME is one of csiq"):
        configs.load_config(name)


@pytest.mark.parametrize(("name", "network"), [("gsn", "gsn"), ("gsn_b", "frozen")])
def test_the_recipes_of_the_shipped_models_name_their_network(name, network):
    assert configs.load_config(name).model.name == network


def test_there_are_few_options():
    def leaves(value):
        if not isinstance(value, dict):
            return 1
        return sum(map(leaves, value.values())) if value else 1

    assert leaves(configs.base_config().to_dict()) <= 35


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.train.stepz=3"], "mine.py.*stepz"),
        (["--config.train.steps=many"], "mine.py.*steps"),
        (["--config.train.steps=0"], "train.steps must be positive"),
        (["--config.data.batch_size=-1"], "batch_size must be positive"),
        (["--config.data.train=()"], "data.train is empty"),
        (["--config.data.eval_fraction=1.5"], r"data.eval_fraction must be in \[0, 1\)"),
        (["--config.train.log_every=0"], "train.log_every must be positive"),
        (["--config.train.eval_pairs=-1"], "train.eval_pairs must not be negative"),
        (["--config.optimizer.accumulate=0"], "accumulate must be positive"),
        (["--config.optimizer.accumulate=5"], "batch_size must be a multiple of"),
        (["--config.optimizer.learning_rate=0.0"], "learning_rate must be positive"),
        (["--config.optimizer.warmup_steps=-1"], "warmup_steps must not be negative"),
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
        *(
            (
                "from gsn_jax.training.config import base_config\n"
                f"def get_config():\n    c = base_config()\n    del c.{key}\n    return c",
                f"{key} is missing; start from base_config",
            )
            for key in ("train.steps", "model.name")
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


def test_what_changes_only_memory_may_change():
    before, after = configs.base_config().to_dict(), configs.base_config().to_dict()
    after["model"]["remat"], after["optimizer"]["accumulate"] = True, 4
    assert configs.changed_keys(before, after) == []
