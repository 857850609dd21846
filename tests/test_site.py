"""The documentation builds without a warning, every link works, and the search finds pages."""

import contextlib
import functools
import http.server
import re
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import pytest

ROOT = Path(__file__).parents[1]

pytest.importorskip("material", reason="needs the extra [docs]")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built pages."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site):
    """The built pages on a local port, because their search needs a server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_formulas_are_mathml(site):
    page = (site / "metrics" / "index.html").read_text(encoding="utf-8")
    assert "<math" in page
    assert "arithmatex" not in page


def test_every_page_opens_and_every_link_leads_somewhere(address, open_page):
    """Follows all internal links, anchors included; the browser may contact no other host."""
    with open_page(address) as visit:
        todo, anchors, links = [address], {}, []
        while todo:
            url = todo.pop()
            answer = visit.page.goto(url, wait_until="domcontentloaded")
            assert answer.ok, url
            anchors[url] = set(visit.page.eval_on_selector_all("[id]", "all => all.map(e => e.id)"))
            for link in visit.page.eval_on_selector_all("a[href]", "all => all.map(e => e.href)"):
                target, anchor = urldefrag(urljoin(url, link))
                if target.startswith(address) and target.endswith("/"):
                    links.append((url, target, anchor))
                    if target not in anchors and target not in todo:
                        todo.append(target)
        assert len(anchors) >= len(list((ROOT / "docs").rglob("*.md")))
        assert not [link for link in links if link[2] and link[2] not in anchors[link[1]]]
        # Leaving a page cancels what it was still loading; that is not a fault of the page.
        assert not [problem for problem in visit.problems if not problem.startswith(address)]
        assert not [request for request in visit.requests if not request.startswith(address)]


def test_search_finds_norm_in_norm(address, open_page):
    playwright = pytest.importorskip("playwright.sync_api")
    with open_page(address) as visit:
        hit = visit.page.locator(".md-search-result__item a", has_text=re.compile("norm", re.I))
        query = visit.page.locator("input[name=query]")
        # Input before the search is ready is lost, so type again until it answers. The search
        # listens to keys, not to changes of the text.
        for _ in range(30):
            query.fill("")
            query.press_sequentially("norm in norm")
            with contextlib.suppress(playwright.TimeoutError):
                hit.first.wait_for(state="visible", timeout=5_000)
                return
        pytest.fail("the search finds nothing")
