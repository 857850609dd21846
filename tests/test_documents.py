"""What README and documentation show runs as it is shown, or says what it needs."""

import re
import shlex
from pathlib import Path

import pytest
import skimage.data
from click.testing import CliRunner
from document_blocks import blocks, commands
from PIL import Image

from gsn_jax import cli

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Blocks that show a file, a formula or an output; nothing to run.
SHOWN = ("text", "csv", "json", "yaml", "ini", "bibtex")


def name(document):
    return str(document.relative_to(ROOT))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files that the documents' lines name."""
    image = Image.fromarray(skimage.data.astronaut()[:192, :256])
    image.save(tmp_path / "original.png")
    image.save(tmp_path / "compressed.jpg", quality=20)
    image.save(tmp_path / "restored.png")
    image.save(tmp_path / "bad.jpg", quality=3)
    (tmp_path / "pairs.csv").write_text("reference,distorted\noriginal.png,compressed.jpg\n")
    (tmp_path / "judged.csv").write_text(
        "reference,distorted,mos\n"
        "original.png,compressed.jpg,60\noriginal.png,bad.jpg,10\noriginal.png,restored.png,100\n"
    )
    rows = [f"original.png,compressed.jpg,{1 + k % 5},scene {k}\n" for k in range(20)]
    (tmp_path / "opinions.csv").write_text("reference,distorted,score,group\n" + "".join(rows))
    for name in ("originals/photo.png", "encoded/photo_q10.jpg"):
        (tmp_path / name).parent.mkdir()
        image.save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_blocks_run_or_say_what_they_need(document, folder):
    """Python blocks share their names down the page, as a reader's session does."""
    names = {}
    for block in blocks(document):
        where = f"{name(document)}, line {block.line}"
        if block.needs or block.language in SHOWN:
            continue
        if block.language == "python":
            exec(compile("\n" * block.line + block.code, name(document), "exec"), names)
            continue
        assert block.language in ("indented", "sh"), f"{where}: a block in no known language"
        for line in commands(block.code):
            if line.startswith("make "):
                target = line.split()[1]
                assert f"\n{target}:" in (ROOT / "Makefile").read_text(), f"{where}: {line}"
                continue
            assert line.startswith("gsn "), (
                f"{where}: {line!r} is not run by this test; "
                "say what it needs in a comment <!-- needs: ... --> before the block"
            )
            result = CliRunner().invoke(cli.cli, shlex.split(line)[1:], catch_exceptions=False)
            assert result.exit_code == 0, f"{where}: {line}\n{result.output}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document):
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            assert (document.parent / link).exists(), link


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:")[1]
    for page in (ROOT / "docs").rglob("*.md"):
        assert str(page.relative_to(ROOT / "docs")) in navigation, page
