"""What the README shows runs as it is shown."""

import re
import shlex
from pathlib import Path

import pytest
import skimage.data
from click.testing import CliRunner
from PIL import Image

from gsn_jax import cli

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files that the README's lines name."""
    image = Image.fromarray(skimage.data.astronaut()[:192, :256])
    image.save(tmp_path / "original.png")
    image.save(tmp_path / "compressed.jpg", quality=20)
    image.save(tmp_path / "restored.png")
    image.save(tmp_path / "bad.jpg", quality=3)
    (tmp_path / "judged.csv").write_text(
        "reference,distorted,mos\n"
        "original.png,compressed.jpg,60\noriginal.png,bad.jpg,10\noriginal.png,restored.png,100\n"
    )
    (tmp_path / "pairs.csv").write_text("reference,distorted\noriginal.png,compressed.jpg\n")
    for name in ("originals/photo.png", "encoded/photo_q10.jpg"):
        (tmp_path / name).parent.mkdir()
        image.save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python_blocks_run(folder):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_score_commands_run(folder):
    lines = re.findall(
        r"^    (gsn score [^#\n]*)", README.read_text(encoding="utf-8"), re.MULTILINE
    )
    lines = [line for line in lines if "GSN_DATA" not in line]
    assert len(lines) >= 3
    for line in lines:
        result = CliRunner().invoke(cli.cli, shlex.split(line)[1:], catch_exceptions=False)
        assert result.exit_code == 0, line
    assert (folder / "scores.csv").read_text().count("\n") == 2


def test_evaluate_commands_run(folder):
    text = README.read_text(encoding="utf-8")
    lines = re.findall(r"^    (gsn (?:evaluate|benchmark) [^#\n]*)", text, re.MULTILINE)
    assert len(lines) >= 3
    for line in lines:
        words = shlex.split(line)[1:]
        result = CliRunner().invoke(cli.cli, [*words, "--no-scoring", "--help"])
        assert result.exit_code == 0, line
        if "GSN_DATA" not in line and "--dataset" not in line:  # the sets are not at hand
            result = CliRunner().invoke(cli.cli, words, catch_exceptions=False)
            assert result.exit_code == 0, line
    assert (folder / "judged" / "judged" / "agreement.csv").is_file()


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / link).exists(), link
