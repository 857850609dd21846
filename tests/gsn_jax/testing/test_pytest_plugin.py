"""The plugin in projects of others: pytest in processes of its own."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

TESTS = """
import numpy as np
import pytest

LEVEL = {level}

def draw():
    rows = np.linspace(0, LEVEL, 32)
    return np.repeat(np.repeat(rows[:, None, None], 32, axis=1), 3, axis=2)

def test_plot(image_similarity):
    image_similarity.check(draw(), "psnr", at_least=40)

class TestMany:
    @pytest.mark.parametrize("kind", ["a/b", "c"])
    def test_kinds(self, image_similarity, kind):
        image_similarity.check(draw(), "gmsd", at_most=0.1)
        image_similarity.check(draw() / 2, "gmsd", at_most=0.1, name="dark")
"""


@pytest.fixture
def project(tmp_path):
    """Runs pytest on a project with one file of tests, and returns what it prints."""
    tests = tmp_path / "tests" / "test_drawing.py"
    tests.parent.mkdir()

    def run(*arguments, level=0.9):
        tests.write_text(TESTS.format(level=level))
        plugin = "-p", "gsn_jax.testing.pytest_plugin"
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        environment.pop("PYTEST_CURRENT_TEST")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *plugin, *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr, done.returncode

    return run


@pytest.mark.slow
def test_images_are_stored_and_compared(project, tmp_path):
    out, code = project()
    assert code == 1
    assert "test_plot.png: no such image; pytest --gsn-update stores it" in out

    out, code = project("--gsn-update")
    assert code == 0, out
    folder = tmp_path / "tests" / "test_drawing"
    first, second, *others = sorted(path.name for path in folder.iterdir())
    assert re.fullmatch(r"TestMany_test_kinds_a_b-[0-9a-f]{8}\.png", first)  # of "a/b"
    assert re.fullmatch(r"TestMany_test_kinds_a_b_-dark-[0-9a-f]{8}\.png", second)
    assert others == [
        "TestMany_test_kinds_c.png", "TestMany_test_kinds_c_-dark.png", "test_plot.png",
    ]  # fmt: skip
    with Image.open(folder / "test_plot.png") as image:
        stored = np.asarray(image)
    np.testing.assert_array_equal(stored[:, 0, 0], np.round(np.linspace(0, 0.9, 32) * 255))

    out, code = project()
    assert code == 0, out
    assert not (tmp_path / "image_differences").exists()

    out, code = project("-k", "plot", "--gsn-differences", "seen", level=0.5)
    assert code == 1
    assert "is below 40; the difference is in seen/test_drawing-test_plot.png" in out
    assert (tmp_path / "seen" / "test_drawing-test_plot.png").read_bytes().startswith(b"\x89PNG")


def test_loading_the_plugin_is_cheap():
    """It imports neither numpy nor JAX: every run of pytest pays for it, whatever it tests."""
    program = (
        "import pytest, sys\n"
        "before = set(sys.modules)\n"
        "import gsn_jax.testing.pytest_plugin\n"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["gsn_jax", "lazy_loader"]
