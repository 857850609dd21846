import os
import subprocess
import sys

import pytest

from gsn_jax.cli import compilation_cache

_COUNT = (
    "import sys; from gsn_jax.cli import cli\n"
    "cli.main(['demo', '--help'], standalone_mode=False); import jax\n"
    "jax.jit(lambda x: x * 3 + 1)(2.0); print('dir', jax.config.jax_compilation_cache_dir)"
)


def run_with(**variables):
    environ = {k: v for k, v in os.environ.items() if not k.startswith("JAX_COMPILATION")}
    done = subprocess.run(
        [sys.executable, "-c", _COUNT],
        env=environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1].removeprefix("dir "), done.stderr


@pytest.mark.slow
def test_commands_keep_what_they_compile(tmp_path):
    folder, _ = run_with(XDG_CACHE_HOME=str(tmp_path))
    assert folder.startswith(str(tmp_path / "gsn_jax"))
    assert list((tmp_path / "gsn_jax").rglob("*-cache"))


def test_what_the_user_has_chosen_stays(tmp_path):
    environ = {"JAX_COMPILATION_CACHE_DIR": "mine", "XDG_CACHE_HOME": str(tmp_path)}
    assert compilation_cache.keep_compiled(environ) is None
    assert environ["JAX_COMPILATION_CACHE_DIR"] == "mine"


@pytest.fixture
def without_jax(monkeypatch):
    monkeypatch.delitem(sys.modules, "jax", raising=False)


@pytest.mark.usefixtures("without_jax")
def test_a_folder_that_cannot_be_made_is_left(tmp_path):
    (tmp_path / "gsn_jax").write_text("a file is in the way")
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    assert compilation_cache.keep_compiled(environ) is None
    assert environ == {"XDG_CACHE_HOME": str(tmp_path)}


@pytest.mark.usefixtures("without_jax")
def test_a_relative_folder_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    found = compilation_cache.keep_compiled({"XDG_CACHE_HOME": "relative"})
    assert found.is_relative_to(tmp_path)
