"""Formats a table of texts for the terminal (rich), as Markdown or as LaTeX (tabulate)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import rich.table
import tabulate
from rich.text import Text

_LATEX_SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    | {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "−": "$-$"}
)


@dataclasses.dataclass(frozen=True)
class Cell:
    """The text of a cell and its rank in its column.

    Attributes:
        text: the text.
        standing: 1 for the best of the column, 2 for the second best, 0 for others.
        aside: whether it is a published number, shown for comparison.
    """

    text: str
    standing: int = 0
    aside: bool = False


@dataclasses.dataclass(frozen=True)
class TextTable:
    """Headers and rows; the columns with the indices `words` hold text, the others numbers."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: Sequence[int] = (0,)
    notes: Sequence[str] = ()


def to_rich(table: TextTable) -> rich.table.Table:
    """A table for the terminal: the best bold, the second best underlined."""
    styles = {0: "", 1: "bold", 2: "underline"}
    # As `Text`, because in a plain string rich reads [brackets] as markup.
    view = rich.table.Table(title=Text(table.title), title_justify="left")
    view.caption, view.caption_justify = (
        Text("\n".join(table.notes)) if table.notes else None,
        "left",
    )
    for number, header in enumerate(table.headers):
        view.add_column(Text(header), justify="left" if number in table.words else "right")
    for row in table.rows:
        view.add_row(
            *(Text(cell.text, styles[cell.standing] + " dim" * cell.aside) for cell in row)
        )
    return view


def to_markdown(table: TextTable) -> str:
    """Markdown: the best bold, the second best in italics, published numbers in brackets."""
    frames = {0: "{}", 1: "**{}**", 2: "*{}*"}
    headers = [_plain(header).replace("\n", "<br>") for header in table.headers]
    table_of = dataclasses.replace(table, headers=headers)
    return (
        f"**{_plain(_line(table.title))}**\n\n"
        + _formatted(
            table_of, "pipe", lambda cell: frames[cell.standing].format(_plain(_framed(cell)))
        )
        + "".join(f"\n\n{_plain(_line(note))}" for note in table.notes)
        + "\n"
    )


def to_latex(table: TextTable) -> str:
    """LaTeX: the best bold, the second best underlined, published numbers in brackets."""
    frames = {0: "{}", 1: r"\textbf{{{}}}", 2: r"\underline{{{}}}"}

    def text(cell: Cell) -> str:
        return frames[cell.standing].format(_framed(cell).translate(_LATEX_SPECIAL))

    headers = [_stacked(header.translate(_LATEX_SPECIAL)) for header in table.headers]
    table_of = dataclasses.replace(table, headers=headers)
    comments = "".join(f"% {_line(text)}\n" for text in (table.title, *table.notes))
    return comments + _formatted(table_of, "latex_raw", text) + "\n"


def _stacked(header: str) -> str:
    lines = header.replace("\n", r" \\ ")
    return rf"\shortstack{{{lines}}}" if lines != header else header


def _framed(cell: Cell) -> str:
    text = _line(cell.text)
    return f"({text})" if cell.aside and text else text


def _line(text: str) -> str:
    """A text on one line; names of sets and distortions may contain line breaks."""
    return " ".join(text.split())


def _plain(text: str) -> str:
    """Escapes what Markdown would take for HTML or for the end of a cell."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _formatted(table: TextTable, style: str, text: Callable[[Cell], str]) -> str:
    count = len(table.headers)
    alignment = ["left" if number in table.words else "right" for number in range(count)]
    rows = [[text(cell) for cell in row] for row in table.rows]
    return tabulate.tabulate(
        rows, table.headers, tablefmt=style, colalign=alignment, disable_numparse=True
    )
