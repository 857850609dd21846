"""Opens pages in headless Chromium and records their problems.

    with open_page(path.as_uri(), width=360) as visit:
        assert not visit.problems

Every visit starts and ends its own browser, because a running browser keeps an event loop in this
thread, and code that starts another loop (Orbax) would fail. So load models before a visit.
"""

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

# No sandbox, because containers do not allow it, and no traffic of the browser itself.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_LOCAL = ("data:", "blob:", "about:")


@dataclasses.dataclass
class Visit:
    """An open page.

    Attributes:
        page: Playwright's page.
        problems: console errors, exceptions of scripts, and addresses of failed requests.
        requests: addresses of all requests, except data, blob and about URLs.
    """

    page: Any
    problems: list[str] = dataclasses.field(default_factory=list)
    requests: list[str] = dataclasses.field(default_factory=list)

    def broken_images(self) -> list[str]:
        """Alternative texts of the images that did not load."""
        return self.page.evaluate(
            """async () => {
                 const images = [...document.images];
                 images.forEach(image => image.loading = "eager");
                 await Promise.allSettled(images.map(image => image.decode()));
                 return images.filter(image => !image.naturalWidth).map(image => image.alt);
               }"""
        )

    def overflow(self) -> int:
        """By how many pixels the document is wider than the window."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )


def chromium() -> str:
    """Path of the browser's program; skips the test where there is none."""
    pytest.importorskip("playwright", reason="needs playwright: pip install '.[test]'")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("needs a browser: apt-get install chromium, or set CHROMIUM to its program")
    return found


@contextlib.contextmanager
def open_page(
    address: str, *, width: int = 1280, height: int = 900, dark: bool = False, **context: Any
) -> Iterator[Visit]:
    """Opens a page in a browser of its own.

    Args:
        address: `http://...` or a file's `as_uri()`.
        width: width of the window in pixels.
        height: height of the window in pixels.
        dark: whether the browser asks for a dark page.
        context: further options of Playwright's `new_context`.
    """
    program = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        try:
            page = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
                **context,
            ).new_page()
            page.set_default_timeout(120_000)  # long, because the machine may be busy
            visit = Visit(page)
            _listen(visit)
            page.goto(address)
            yield visit
        finally:
            browser.close()


def _listen(visit: Visit) -> None:
    def on_console(message: Any) -> None:
        if message.type == "error":
            visit.problems.append(message.text)

    def on_request(request: Any) -> None:
        if not request.url.startswith(_LOCAL):
            visit.requests.append(request.url)

    visit.page.on("console", on_console)
    visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
    visit.page.on("requestfailed", lambda request: visit.problems.append(request.url[:200]))
    visit.page.on("request", on_request)
