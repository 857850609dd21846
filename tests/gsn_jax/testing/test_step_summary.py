import numpy as np
from markdown_it import MarkdownIt

from gsn_jax.metrics import get
from gsn_jax.scoring import junit
from gsn_jax.scoring.limits import Limit
from gsn_jax.scoring.pairs import Pair, ScoredPair
from gsn_jax.testing.step_summary import summary


def cells(text):
    """The cells of the table, as a reader of Markdown sees them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inline = [token.content for token in tokens if token.type == "inline"]
    return inline[1:]


def test_what_failed_comes_first(tmp_path):
    def scored(name, error="", **scores):
        return ScoredPair(Pair("r.png", name, None, None), scores, error)

    rows = [
        scored("a|b <i>.png", psnr=40.0, gmsd=0.01),
        scored("bad.png", psnr=20.0, gmsd=0.2),
        scored("broken.png", "broken.png: no such file"),
    ]
    junit.write(tmp_path / "junit.xml", rows, [Limit(get("psnr"), 30, "psnr")])
    (tmp_path / "messages.txt").write_text("gsn: <one> line\n")
    text = summary(tmp_path)
    assert cells(text)[:20] == [
        "", "distorted", "psnr", "gmsd", "problem",
        "failed", "bad.png", "20.000000", "0.200000", "psnr 20.000000 is below 30",
        "failed", "broken.png", "", "", "broken.png: no such file",
        "passed", "a&#124;b &lt;i&gt;.png", "40.000000", "0.010000", "",
    ]  # fmt: skip
    assert text.endswith("<pre>gsn: &lt;one&gt; line</pre>\n")


def test_without_scores_the_message_remains(tmp_path):
    (tmp_path / "messages.txt").write_text("gsn: give two folders\n")
    assert summary(tmp_path) == "## Image quality\n\n<pre>gsn: give two folders</pre>\n"


def test_long_tables_are_cut(tmp_path):
    rows = [
        ScoredPair(Pair("r.png", f"{n}.png", None, None), {"psnr": float(np.sqrt(n))})
        for n in range(600)
    ]
    junit.write(tmp_path / "junit.xml", rows, [])
    (tmp_path / "messages.txt").write_text("")
    text = summary(tmp_path)
    assert text.count("\n| passed") == 500
    assert text.endswith("... and 100 more\n")
