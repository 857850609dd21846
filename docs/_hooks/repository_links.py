"""Links from a page to a file outside docs/ lead to the repository when the site is built."""

from __future__ import annotations

import re
from typing import Any


def on_page_markdown(markdown: str, config: Any, **_: object) -> str:
    """`../deploy/x.sh`, right in a checkout, becomes its address on the repository's host."""
    return re.sub(r"\]\(\.\./(?!\.)", f"]({config.repo_url}/blob/main/", markdown)


def on_post_page(output: str, **_: object) -> str:
    """Without this attribute the theme does not ask the repository's host for stars."""
    return output.replace(' data-md-component="source"', "")
