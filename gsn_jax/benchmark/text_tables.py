"""A table of texts for the terminal, Markdown and LaTeX."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import rich.table
import tabulate
from rich.text import Text

_LATEX_SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    | {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--"}
)


@dataclasses.dataclass(frozen=True)
class Cell:
    """A text and its standing in its column.

    Attributes:
        text: what it says.
        standing: 1 for the best of the column, 2 for the second best, 0 for others.
        aside: whether it is somebody else's number, shown for comparison.
    """

    text: str
    standing: int = 0
    aside: bool = False


@dataclasses.dataclass(frozen=True)
class TextTable:
    """Headers and rows; the columns `words` hold words, the others numbers."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: Sequence[int] = (0,)
    notes: Sequence[str] = ()


def to_rich(table: TextTable) -> rich.table.Table:
    """For the terminal: the best bold, the second best underlined."""
    styles = {0: "", 1: "bold", 2: "underline"}
    view = rich.table.Table(title=table.title, title_justify="left")
    view.caption, view.caption_justify = "\n".join(table.notes) or None, "left"
    for number, header in enumerate(table.headers):
        view.add_column(header, justify="left" if number in table.words else "right")
    for row in table.rows:
        view.add_row(
            *(Text(cell.text, styles[cell.standing] + " dim" * cell.aside) for cell in row)
        )
    return view


def to_markdown(table: TextTable) -> str:
    """The best bold, the second best in italics, other people's numbers in brackets."""
    frames = {0: "{}", 1: "**{}**", 2: "*{}*"}
    headers = [header.replace("\n", "<br>") for header in table.headers]
    table_of = dataclasses.replace(table, headers=headers)
    return (
        f"**{table.title}**\n\n"
        + _formatted(table_of, "pipe", lambda cell: frames[cell.standing].format(_framed(cell)))
        + "".join(f"\n\n{note}" for note in table.notes)
        + "\n"
    )


def to_latex(table: TextTable) -> str:
    """A tabular; the best bold, the second best underlined, other people's numbers in brackets."""
    frames = {0: "{}", 1: r"\textbf{{{}}}", 2: r"\underline{{{}}}"}

    def text(cell: Cell) -> str:
        return frames[cell.standing].format(_framed(cell).translate(_LATEX_SPECIAL))

    headers = [_stacked(header.translate(_LATEX_SPECIAL)) for header in table.headers]
    table_of = dataclasses.replace(table, headers=headers)
    comments = "".join(f"% {line}\n" for line in (table.title, *table.notes))
    return comments + _formatted(table_of, "latex_raw", text) + "\n"


def _stacked(header: str) -> str:
    lines = header.replace("\n", r" \\ ")
    return rf"\shortstack{{{lines}}}" if lines != header else header


def _framed(cell: Cell) -> str:
    return f"({cell.text})" if cell.aside and cell.text else cell.text


def _formatted(table: TextTable, style: str, text) -> str:
    count = len(table.headers)
    alignment = ["left" if number in table.words else "right" for number in range(count)]
    rows = [[text(cell) for cell in row] for row in table.rows]
    return tabulate.tabulate(
        rows, table.headers, tablefmt=style, colalign=alignment, disable_numparse=True
    )
