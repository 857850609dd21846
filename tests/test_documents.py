"""Whatever README, CONTRIBUTING and the documentation show runs as shown, or says what it needs."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from document_blocks import blocks, commands
from PIL import Image
from video_files import write_images

from gsn_jax import metrics

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# Blocks that show a file, a formula or an output; nothing to run.
SHOWN = ("text", "csv", "json", "yaml", "ini", "bibtex")


def name(document):
    return str(document.relative_to(ROOT))


def runnable(document):
    """The blocks of a document that neither need something nor only show something."""
    return [b for b in blocks(document) if not b.needs and b.language not in SHOWN]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files that the documents' lines name, small ones."""
    import skimage.data

    image = Image.fromarray(skimage.data.astronaut()[:176, :176])
    image.save(tmp_path / "original.png")
    image.save(tmp_path / "compressed.jpg", quality=20)
    image.save(tmp_path / "restored.png")
    image.save(tmp_path / "bad.jpg", quality=3)
    write_images(tmp_path / "original.y4m", [np.asarray(image)] * 3)
    write_images(tmp_path / "encoded.mp4", [np.asarray(image)] * 3, "libx264")
    Image.new("L", (176, 176), 255).save(tmp_path / "mask.png")
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


@pytest.mark.slow
@pytest.mark.parametrize("document", [d for d in DOCUMENTS if runnable(d)], ids=name)
def test_blocks_run(document, folder):
    """In this process, one page after another: what one page compiles, the next one uses.

    Python blocks share their names down the page, as a reader's session does.
    """
    from gsn_jax import cli

    names = {}
    for block in runnable(document):
        where = f"{name(document)}, line {block.line}"
        if block.language == "python":
            exec(compile("\n" * block.line + block.code, name(document), "exec"), names)
            continue
        for line in commands(block.code):
            if line.startswith("gsn "):
                result = CliRunner().invoke(cli.cli, shlex.split(line)[1:], catch_exceptions=False)
                assert result.exit_code == 0, f"{where}: {line}\n{result.output}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_what_cannot_run_says_what_it_needs(document):
    for block in runnable(document):
        where = f"{name(document)}, line {block.line}"
        assert block.language in ("python", "indented", "sh"), f"{where}: no known language"
        if block.language == "python":
            continue
        for line in commands(block.code):
            assert line.startswith(("gsn ", "make ")), (
                f"{where}: {line!r} is not run by these tests; "
                "say what it needs in a comment <!-- needs: ... --> before the block"
            )


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_targets_of_make_exist(document):
    targets = re.findall(r"(?:`|^ +)make ([a-z-]+)", document.read_text(encoding="utf-8"), re.M)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert not [target for target in targets if f"\n{target}:" not in makefile]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document):
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            assert (document.parent / link).exists(), link


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:")[1]
    for page in (ROOT / "docs").rglob("*.md"):
        assert str(page.relative_to(ROOT / "docs")) in navigation, page


def test_every_metric_is_on_its_page():
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert not [metric for metric in metrics.names() if f"`{metric}`" not in page]
