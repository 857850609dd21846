import importlib.util
import re
import sys

import pytest
from click.testing import CliRunner

from gsn_jax.cli.demo import DISTORTIONS, PHOTOGRAPHS, command
from gsn_jax.errors import InputError


@pytest.mark.slow
def test_the_demo_scores_real_photographs(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    result = CliRunner().invoke(command, catch_exceptions=False)
    assert result.exit_code == 0
    rows = re.findall(
        r"│ (\w+) +│ ([^│]+?) +│ +([\d.]+) │ +([\d.a-z]+) │ +([\d.]+) │", result.stdout
    )
    assert len(rows) == len(PHOTOGRAPHS) * (1 + len(DISTORTIONS))
    for photograph in PHOTOGRAPHS:
        gsn = {label: float(value) for name, label, value, *_ in rows if name == photograph}
        identical = gsn.pop("none (identical)")
        assert identical >= 0.99
        assert max(gsn.values()) < identical
        assert gsn["jpeg, level 4"] < gsn["jpeg, level 1"]


def test_without_its_extra_it_says_what_to_install(monkeypatch):
    assert importlib.util.find_spec("skimage")
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(InputError, match=r"pip install 'gsn_jax\[demo\]'"):
        CliRunner().invoke(command, catch_exceptions=False)
