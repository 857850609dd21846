import pytest
from junitparser import JUnitXml

from gsn_jax.errors import InputError
from gsn_jax.metrics import get
from gsn_jax.scoring import junit, outputs
from gsn_jax.scoring.limits import Limit
from gsn_jax.scoring.pairs import Pair, ScoredPair

LIMITS = [Limit(get("psnr"), 30, "psnr"), Limit(get("gmsd"), 0.1, "gmsd")]


def scored(name, error="", **scores):
    return ScoredPair(Pair("ref.png", name, None, None), scores, error)


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "j.xml"
    rows = [
        scored("good.png", psnr=40.0, gmsd=0.05),
        scored("bad.png", psnr=20.0, gmsd=0.2),
        scored("broken.png", "broken.png: no such file"),
        scored("half.png", "gmsd: too small", psnr=20.0),
        scored("na\x07me <&>\n.png", psnr=float("inf")),
    ]
    junit.write(path, rows, LIMITS)
    return path


def test_another_reader_finds_the_outcomes(report):
    suites = JUnitXml.fromfile(str(report))
    assert (suites.tests, suites.failures, suites.errors) == (5, 1, 2)
    (suite,) = suites
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (5, 1, 2, 0)
    cases = list(suite)
    assert [[type(part).__name__ for part in case.result] for case in cases] == [
        [], ["Failure"], ["Error"], ["Error"], [],
    ]  # fmt: skip
    assert {case.classname for case in cases} == {"ref.png"}
    assert cases[1].result[0].message == "psnr 20.000000 is below 30; gmsd 0.200000 is above 0.1"
    assert cases[2].result[0].message == "broken.png: no such file"
    assert cases[0].system_out == "psnr 40.000000\ngmsd 0.050000"
    assert cases[4].name.startswith("na\\x07me <&>")


def test_only_its_own_file_is_replaced(report, tmp_path):
    outputs.refuse_foreign(report, outputs.is_junit, overwrite=False)
    foreign = tmp_path / "tests.xml"
    foreign.write_text("<?xml version='1.0'?><testsuites name='pytest tests'/>")
    with pytest.raises(InputError, match="this command did not write it"):
        outputs.refuse_foreign(foreign, outputs.is_junit, overwrite=False)
    outputs.refuse_foreign(foreign, outputs.is_junit, overwrite=True)
