"""The command around the trainer; whole runs are in tests/gsn_jax/training/test_loop.py."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from gsn_jax import cli
from gsn_jax.errors import InputError


def train(*arguments):
    return CliRunner().invoke(cli.cli, ["train", *arguments], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "nothing", "--workdir", "w"], "no configuration 'nothing'"),
        (["--config", "default", "--workdir", "w"], "data.train is empty"),
        (["--config", "default", "--workdir", "w", "extra"], "unexpected argument 'extra'"),
        (["--config", "default", "--workdir", "w", "--conf.x=1"], "unexpected argument"),
        (
            ["--config", "default", "--workdir", "w", "--config.data.train=none.csv"],
            "none.csv: no such table",
        ),
        (
            [
                "--config", "default", "--workdir", "w",
                "--config.data.train=x.csv", "--config.model.name=other",
            ],
            "x.csv: no such table|unknown model",
        ),
    ],
)  # fmt: skip
def test_wrong_calls_say_what_to_do(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        train(*arguments)
    assert not (tmp_path / "w").exists()


def test_missing_options_are_named():
    result = train("--workdir", "w")
    assert result.exit_code == 2
    assert "Missing option '--config'" in result.stderr


def test_importing_the_package_is_cheap():
    """No data set, checkpoint or plotting library comes with `import gsn_jax`."""
    code = (
        "import sys, gsn_jax; print(','.join(name for name in sys.modules if name.split('.')[0] in "
        "('tensorflow_datasets', 'grain', 'orbax', 'matplotlib', 'optax', 'scipy', 'cv2')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
