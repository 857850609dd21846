"""The code blocks of a Markdown document, and what each block says it needs."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from markdown_it import MarkdownIt

_NEEDS = re.compile(r"<!--\s*needs:\s*(.+?)\s*-->", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Block:
    """One code block.

    Attributes:
        language: the language of a fenced block, "" if it names none; "indented" for an
            indented block.
        code: the text of the block.
        line: its first line, counted from 1.
        needs: the text of a comment `<!-- needs: ... -->` just before the block, or "".
    """

    language: str
    code: str
    line: int
    needs: str


def blocks(document: Path) -> list[Block]:
    """All code blocks of a document, in order."""
    found, needs = [], ""
    for token in MarkdownIt().parse(document.read_text(encoding="utf-8")):
        if token.type == "html_block" and (comment := _NEEDS.match(token.content)):
            needs = comment[1]
        elif token.type in ("fence", "code_block"):
            language = token.info.split()[0] if token.info else ""
            language = "indented" if token.type == "code_block" else language
            found.append(Block(language, token.content, token.map[0] + 1, needs))
            needs = ""
        elif token.level == 0:
            needs = ""
    return found


def commands(code: str) -> list[str]:
    """The commands of a shell block, without comments and with continued lines joined."""
    joined = code.replace("\\\n", " ")
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]
