import os
import subprocess
import sys

import pytest

from gsn_jax import storage
from gsn_jax.cli import compilation_cache
from gsn_jax.errors import InputError

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


@pytest.mark.usefixtures("without_jax")
def test_without_a_home_folder_nothing_is_kept(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.home", no_home)
    assert compilation_cache.keep_compiled({}) is None
    with pytest.raises(InputError, match="set XDG_CACHE_HOME"):
        storage.user_cache({})


_HALVED = """
import os, pathlib, jax
from gsn_jax.cli.compilation_cache import unreadable_replaced

def tripled(x):
    return x * 3 + 1

with unreadable_replaced():
    jax.jit(tripled)(2.0)
    (file,) = pathlib.Path(os.environ["JAX_COMPILATION_CACHE_DIR"]).glob("jit_tripled-*-cache")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    jax.clear_caches()
    print(jax.jit(tripled)(2.0), file.stat().st_size / len(whole))
    if "LOCKED" in os.environ:
        file.write_bytes(b"")
        pathlib.Path.unlink = lambda *_, **__: os.open("/", os.O_WRONLY)  # raises OSError
        jax.clear_caches()
        jax.jit(tripled)(2.0)
"""


@pytest.mark.parametrize("locked", [False, True])
def test_half_a_program_is_replaced_or_told(locked, tmp_path):
    variables = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    } | ({"LOCKED": "1"} if locked else {})
    done = subprocess.run(
        [sys.executable, "-c", _HALVED],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    score, size = map(float, done.stdout.split())
    assert score == 7
    assert size == pytest.approx(1, abs=0.02)  # it holds the time of its compilation
    told = "Error reading persistent compilation cache entry" in done.stderr
    assert told == locked, done.stderr
