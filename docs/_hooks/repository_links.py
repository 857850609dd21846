"""Turns links from a page to files outside docs/ into links to the repository."""

from __future__ import annotations

import re
from typing import Any


def on_page_markdown(markdown: str, config: Any, **_: object) -> str:
    """`../deploy/x.sh` is valid in a checkout; on the site it becomes a link to the repository."""
    return re.sub(r"\]\(\.\./(?!\.)", f"]({config.repo_url}/blob/main/", markdown)


def on_post_page(output: str, **_: object) -> str:
    """Removes the attribute that makes the theme request star counts from the repository's host."""
    return output.replace(' data-md-component="source"', "")
