"""The page itself, and the page in a browser."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import skimage.data

from data_pipelines.sources import PairSource
from gsn_jax import metrics
from gsn_jax.benchmark.report import view
from gsn_jax.benchmark.report.document import write_report
from gsn_jax.benchmark.report.examples import visual_strip, worst_disagreements
from gsn_jax.benchmark.scored_set import MetricScores, ScoredSet
from gsn_jax.errors import InputError

TYPES = ("jpeg", "white_noise", r"blur <b> $\frac{")
LEVELS = 4


class Memory(PairSource):
    """Pairs of two photographs, made when asked for; their quality falls with the level."""

    def __init__(self, falling=False, unreadable=False, types=TYPES):
        rows = [(c, t, v) for c in "ab" for t in types for v in range(1, LEVELS + 1)]
        quality = np.asarray([0.95 - 0.2 * v + 0.01 * i for i, (_, _, v) in enumerate(rows)])
        quality = np.clip(quality, 0, 1)
        self._unreadable = unreadable
        super().__init__(
            {
                "score": 100 * (1 - quality) if falling else 9 * quality,
                "score_std": np.full(len(rows), np.nan),
                "quality": quality,
                "reference_id": [c for c, _, _ in rows],
                "distortion_type": [t for _, t, _ in rows],
                "distortion_level": [v for _, _, v in rows],
                "reference": [f"{c}.png" for c, _, _ in rows],
                "distorted": [f"{c}_{t}_{v}.png" for c, t, v in rows],
            }
        )

    def load_reference(self, index):
        if self._unreadable:
            raise InputError("gone")
        left = 0 if self.fields["reference_id"][index] == "a" else 200
        return skimage.data.astronaut()[:96, left : left + 128]

    def load_distorted(self, index):
        noise = np.random.default_rng(index).normal(size=(96, 128, 3))
        level = self.fields["distortion_level"][index]
        noisy = self.load_reference(index) + 12 * level * noise
        return np.clip(noisy, 0, 255).astype(np.uint8)


def scored_set(name="noisy", **options):
    """Metrics of either direction that follow quality, and one that lacks scores."""
    source = Memory(**options)
    generator = np.random.default_rng(1)
    quality = source.quality + generator.normal(scale=0.05, size=len(source))
    rough = np.where(np.arange(len(source)) % 5 == 0, np.nan, generator.normal(size=len(source)))
    return ScoredSet(
        name,
        source,
        {
            "ssim": MetricScores("ssim", True, quality, seconds=0.0125),
            "gmsd": MetricScores("gmsd", False, 0.3 * (1 - quality)),
            "rough": MetricScores("rough", True, rough, errors={0: "a.png: <i>too small</i>"}),
        },
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_report(
        [scored_set(), scored_set("falling", falling=True)],
        tmp_path_factory.mktemp("report") / "new" / "folder",
        title="Metrics & people",
    )


@pytest.fixture(scope="module")
def text(page):
    return page.read_text(encoding="utf-8")


class Elements(HTMLParser):
    """The elements of a page, each with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def named(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def rows_of(text, section):
    """Cells of the table rows of the first table after the heading `section`."""
    table = text[text.index(f'id="{section}"') :].split("</table>")[0]
    strip = re.compile(r"<[^>]+>")
    return {
        strip.sub("", row.split("</th>")[0]).strip(): [
            strip.sub("", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)
        ]
        for row in table.split("<tbody>")[1].split("<tr>")[1:]
    }


def test_the_table_holds_the_agreement(text):
    from scipy import stats

    scored = scored_set()
    scores = scored.source.fields["score"]
    rows = rows_of(text, "set-1-agreement")
    assert list(rows) == ["ssim ↑", "gmsd ↓", "rough ↑"]
    want = stats.spearmanr(scored.metrics["ssim"].values, scores).statistic
    assert rows["ssim ↑"][0] == "24"
    assert rows["ssim ↑"][2] == f"{want:.3f}"
    assert rows["ssim ↑"][7] == "12.5"
    # A distance that falls as people say, and scores that fall with quality, agree all the same.
    assert rows["gmsd ↓"][2] == rows["ssim ↑"][2]
    assert rows_of(text, "set-2-agreement")["gmsd ↓"][2] == rows["gmsd ↓"][2]
    known = np.isfinite(scored.metrics["rough"].values)
    assert rows["rough ↑"][0] == str(known.sum()) != "24"


def test_only_columns_of_the_page_are_explained(text, tmp_path):
    assert "SRCC vs" not in text  # no set has scores of gsn
    scored = scored_set()
    scored.metrics["gsn"] = MetricScores("gsn", True, scored.source.quality)
    text = write_report([scored], tmp_path).read_text(encoding="utf-8")
    assert "SRCC vs gsn</th>" in text
    assert '<li>"SRCC vs" another metric says' in text


def test_the_table_by_type(text):
    from scipy import stats

    scored = scored_set()
    own = scored.source.fields["distortion_type"] == "jpeg"
    want = stats.spearmanr(
        scored.metrics["ssim"].values[own], scored.source.fields["score"][own]
    ).statistic
    rows = rows_of(text, "set-1-types")
    assert len(rows) == len(TYPES)
    assert rows["jpeg"][:3] == ["8", *[f"{want:.3f}"] * 2]


def test_what_is_named_is_escaped(text):
    assert "Metrics &amp; people" in text
    assert "<b>" not in text
    assert "a.png: &lt;i&gt;too small&lt;/i&gt;" in text


def test_the_page_is_whole_and_has_no_scripts(text):
    elements = Elements(text)
    assert not elements.named("script")
    assert not any(name.startswith("on") for _, known in elements.found for name in known)
    addresses = [image["src"] for image in elements.named("img")]
    addresses += [link["href"] for link in elements.named("link")]
    assert all(address.startswith("data:") for address in addresses)
    targets = {known["id"] for _, known in elements.found if "id" in known}
    assert all(link["href"][1:] in targets for link in elements.named("a"))


def test_the_page_speaks(text):
    """Every image says what it shows, every table what it holds and which cells are headings."""
    elements = Elements(text)
    alternatives = [image["alt"] for image in elements.named("img")]
    assert all(len(words) > 10 for words in alternatives)
    scatter = [words for words in alternatives if words.startswith("Scatter")]
    assert len(scatter) == 6
    assert all(re.search(r"SRCC −?0\.\d{3}", words) for words in scatter)
    assert len(elements.named("caption")) == len(elements.named("table")) == 6
    assert all(cell.get("scope") in ("row", "col") for cell in elements.named("th"))
    regions = [known for _, known in elements.found if known.get("role") == "region"]
    assert all(known["tabindex"] == "0" for known in regions)


def test_the_maps_are_those_of_the_metric(text):
    """Without gsn the first metric is looked at: ssim, which has a map, resolved by its name."""
    assert text.count("Quality map of ssim for ") == 2 * view.WORST
    scored = scored_set()
    index = worst_disagreements(scored, "ssim", 1)[0].index
    pair = scored.source[index]
    local = metrics.get("ssim").quality_map(pair["reference"], pair["distorted"])
    assert f"values from {float(local.min()):.3f}".replace("-", "−") in text


@pytest.mark.slow
def test_no_map_of_another_model_than_the_one_that_scored(tmp_path):
    """gsn by its name is the model that ships; these scores are a checkpoint's."""
    scored = scored_set()
    values = scored.metrics["ssim"].values
    version = "gsn_jax 9.9.9, model 1.0 0123456789ab"
    other = {"gsn": MetricScores("gsn", True, values, version=version)}
    scored = ScoredSet("x", scored.source, other)
    text = write_report([scored], tmp_path).read_text(encoding="utf-8")
    assert "No quality map of gsn can be shown" in text
    assert "gsn_jax 9.9.9, model 1.0 0123456789ab (gsn)" in text


def test_the_best_is_marked_and_never_one_that_says_the_opposite(tmp_path):
    source = Memory()
    rough = source.quality + np.random.default_rng(3).normal(scale=0.3, size=len(source))
    scores = {
        "opposite": MetricScores("opposite", False, source.quality.astype(float)),
        "rough": MetricScores("rough", True, rough),
        "rougher": MetricScores("rougher", True, np.where(rough > np.median(rough), 1.0, 0.0)),
    }
    text = write_report([ScoredSet("x", source, scores)], tmp_path).read_text(encoding="utf-8")
    table = text[text.index('id="set-1-agreement"') :].split("</table>")[0]
    marks = [re.findall(r'class="(best|second)"', row) for row in table.split("<tr>")[2:]]
    assert marks[0] == []
    assert len(marks[1]) + len(marks[2]) == 10
    assert {*marks[1], *marks[2]} == {"best", "second"}


@pytest.mark.slow
def test_the_same_sets_give_the_same_page(page, text, tmp_path):
    again = write_report(
        [scored_set(), scored_set("falling", falling=True)], tmp_path, title="Metrics & people"
    )
    assert again.read_text(encoding="utf-8") == text
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]


def test_worst_disagreements_by_hand():
    scored = scored_set()
    quality = scored.source.quality.astype(float)
    quality[7] += 0.5
    quality[3] = np.nan
    perfect = ScoredSet("x", scored.source, {"ssim": MetricScores("ssim", True, quality)})
    found = worst_disagreements(perfect, "ssim", 30)
    assert found[0].index == 7
    assert found[0].fitted > found[0].score
    assert len(found) == 23
    gaps = [abs(item.fitted - item.score) for item in found]
    assert gaps == sorted(gaps, reverse=True)


def test_the_strip_is_in_peoples_order():
    scored = scored_set(falling=True)
    strip = visual_strip(scored, "ssim", 5)
    assert len(strip.indices) == 5
    assert len({scored.source.reference_key(i) for i in strip.indices}) == 1
    quality = scored.source.quality[strip.indices]
    assert (np.diff(quality) <= 0).all()
    whole = scored.source.quality[
        np.asarray(scored.source.reference_ids) == scored.source.reference_ids[strip.indices[0]]
    ]
    assert (quality[0], quality[-1]) == (whole.max(), whole.min())
    gmsd = scored.metrics["gmsd"].values[strip.indices]
    assert strip.ranks["gmsd"] == [int((gmsd < value).sum()) + 1 for value in gmsd]
    rough = scored.metrics["rough"].values[strip.indices]
    assert [rank is None for rank in strip.ranks["rough"]] == np.isnan(rough).tolist()


def test_metrics_without_use(tmp_path):
    """Nothing scored, constant, infinite, and images that are gone: a page all the same."""
    scored = scored_set(unreadable=True, types=("",))
    count = len(scored.source)
    infinite = np.linspace(20, 40, count)
    infinite[0] = np.inf
    scored = ScoredSet(
        "poor",
        scored.source,
        {
            "psnr": MetricScores("psnr", True, infinite),
            "none": MetricScores("none", True, np.full(count, np.nan)),
            "same": MetricScores("same", False, np.ones(count)),
        },
    )
    text = write_report([scored], tmp_path, focus="none").read_text(encoding="utf-8")
    rows = rows_of(text, "set-1-agreement")
    assert rows["psnr ↑"][0] == str(count - 1)
    assert set(rows["none ↑"][1:8]) == {"–", "– to –"}
    assert rows["none ↑"][8] == f"{count} left out, too few pairs"
    assert rows["same ↓"][2] == "–"
    assert "none has scores for fewer than two pairs" in text
    assert 'id="set-1-types"' not in text
    text = write_report([scored], tmp_path).read_text(encoding="utf-8")
    assert text.count("could not be read") == view.WORST


@pytest.mark.slow
def test_the_page_stays_small(tmp_path):
    """Noise is the worst that a picture can be: what all else costs cannot be more."""
    scored = scored_set()
    source = scored.source
    source.load_reference = lambda index: noise(index, (700, 900, 3))
    source.load_distorted = lambda index: noise(index + 99, (700, 900, 3))
    page = write_report([scored], tmp_path, metrics={"ssim": metrics.get("psnr")})
    assert page.stat().st_size < 2_500_000


def noise(seed, shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_many_points_become_one_picture():
    from gsn_jax.agreement import logistic_fit
    from gsn_jax.benchmark.report.figures import scatter_svg

    x = np.random.default_rng(2).normal(size=10_000)
    svg = scatter_svg(x, x + 1, logistic_fit(x, x + 1), x_label="a", y_label="b")
    assert len(svg) < 60_000


@pytest.mark.parametrize(
    ("sets", "options", "message"),
    [
        (list, {}, "at least one"),
        (lambda: [ScoredSet("bare", Memory(), {})], {}, "bare: no scores"),
        (lambda: [scored_set()], {"focus": "vif"}, "'vif'; scored: ssim, gmsd, rough"),
    ],
)
def test_what_cannot_be_reported(tmp_path, sets, options, message):
    with pytest.raises(InputError, match=message):
        write_report(sets(), tmp_path, **options)


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        write_report([scored_set()], tmp_path / "file")


@pytest.mark.slow
def test_in_a_browser(page, open_page):
    with open_page(page.as_uri()) as visit:
        assert visit.broken_images() == []
        assert visit.page.title() == "Metrics & people"
        assert visit.overflow() <= 0
        assert visit.problems == []
        assert visit.requests == [page.as_uri()]
        # The policy lets the style sheet through.
        assert visit.page.evaluate("getComputedStyle(document.body).maxWidth") != "none"


@pytest.mark.slow
def test_on_a_phone_in_the_dark(page, open_page):
    """Nothing is wider than the window but what scrolls in a box of its own."""
    with open_page(page.as_uri(), width=360, height=740, dark=True) as visit:
        assert visit.broken_images() == []
        assert visit.overflow() <= 0
        wide = visit.page.evaluate(
            "[...document.querySelectorAll('.scroll')]"
            ".filter(box => box.scrollWidth > box.clientWidth).length"
        )
        assert wide >= 4
        paper, ink = visit.page.evaluate(
            "(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))"
        )
        assert contrast(paper, ink) > 7
        assert luminance(paper) < 0.1
        plot = visit.page.locator("img[alt^=Scatter]").first
        assert lightest_ink(plot.screenshot()) > 0.6
        assert visit.problems == []


@pytest.mark.slow
def test_with_the_keyboard(page, open_page):
    """Tab reaches the skip link first, then every table; arrows scroll the one in focus."""
    with open_page(page.as_uri(), width=360) as visit:
        visit.page.keyboard.press("Tab")
        first = visit.page.evaluate("document.activeElement.className")
        assert first == "skip"
        visit.page.keyboard.press("Enter")
        reached = []
        for _ in range(6):
            visit.page.keyboard.press("Tab")
            reached.append(visit.page.evaluate("document.activeElement.getAttribute('role')"))
        assert reached == ["region"] * 6
        visit.page.keyboard.press("End")
        visit.page.keyboard.press("ArrowRight")
        # Not `wait_for_function`: asking again it uses eval, which the page's own policy forbids.
        for _ in range(200):
            if visit.page.evaluate("document.activeElement.scrollLeft") > 0:
                break
            visit.page.wait_for_timeout(50)
        assert visit.page.evaluate("document.activeElement.scrollLeft") > 0


def luminance(colour):
    """Relative luminance (WCAG 2) of `rgb(r, g, b)`."""
    values = np.asarray([int(value) for value in re.findall(r"\d+", colour)[:3]]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lightest_ink(png):
    """The brightest pixel of a screenshot, in [0, 1]: the letters, where the page is dark."""
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("L")).max() / 255
