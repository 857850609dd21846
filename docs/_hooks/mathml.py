"""Converts formulas to MathML when the site is built, so that pages need no script or network."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

# The generic output of pymdownx.arithmatex.
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def on_page_content(content: str, **_: object) -> str:
    """Replaces each formula of a rendered page."""
    content = _INLINE.sub(lambda found: convert(html.unescape(found[1])), content)
    return _BLOCK.sub(lambda found: convert(html.unescape(found[1]), display="block"), content)
