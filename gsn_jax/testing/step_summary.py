"""The scores of a run as Markdown, for the summary of a GitHub Action.

    python -m gsn_jax.testing.step_summary FOLDER >> $GITHUB_STEP_SUMMARY

FOLDER holds the output of the run, `junit.xml` and `messages.txt`, see `action.yml`.
"""

from __future__ import annotations

import html
import sys
from pathlib import Path
from xml.etree import ElementTree

# GitHub shows summaries of up to 1 MiB.
_ROWS = 500
_MESSAGES = 20_000  # characters


def summary(folder: Path) -> str:
    """A table of the pairs, failed ones first, and the messages of the command.

    Args:
        folder: with the files `junit.xml` and `messages.txt`; the first is missing if the command
            could not start.
    """
    parts = ["## Image quality"]
    report = folder / "junit.xml"
    if report.exists():
        parts.append(_table(list(ElementTree.parse(report).iter("testcase"))))
    messages = (folder / "messages.txt").read_text(encoding="utf-8", errors="replace").strip()
    if messages:
        parts.append(f"<pre>{html.escape(messages[:_MESSAGES])}</pre>")
    return "\n\n".join(parts) + "\n"


def _table(cases: list[ElementTree.Element]) -> str:
    cases = sorted(cases, key=lambda case: not _problem(case))
    scores = [_scores(case) for case in cases]
    names = list(dict.fromkeys(name for row in scores for name in row))
    lines = [
        _row(["", "distorted", *names, "problem"]),
        _row(["---", "---", *["---:"] * len(names), "---"]),
    ]
    for case, values in zip(cases[:_ROWS], scores, strict=False):
        problem = _problem(case)
        cells = [values.get(name, "") for name in names]
        lines.append(
            _row(["failed" if problem else "passed", case.get("name", ""), *cells, problem])
        )
    if len(cases) > _ROWS:
        lines.append(f"\n... and {len(cases) - _ROWS} more")
    return "\n".join(lines)


def _problem(case: ElementTree.Element) -> str:
    found = (case.find(kind) for kind in ("error", "failure"))
    return next((part.get("message", "") for part in found if part is not None), "")


def _scores(case: ElementTree.Element) -> dict[str, str]:
    lines = (case.findtext("system-out") or "").splitlines()
    return {name: value for name, _, value in (line.rpartition(" ") for line in lines)}


def _row(cells: list[str]) -> str:
    escaped = (html.escape(cell).replace("|", "&#124;").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(escaped)} |"


if __name__ == "__main__":
    sys.stdout.write(summary(Path(sys.argv[1])))
