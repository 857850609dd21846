"""Agreement of scores with people: SRCC of every metric in a table that `gsn score` wrote.

    gsn score --pairs pairs.csv --metric gsn,psnr --out scores.csv
    python scripts/table_agreement.py scores.csv pairs.csv --column mos --group scene

Both tables list the same pairs in the same order; pairs that could not be scored are left out.
Prints a Markdown table; intervals are 95 % bootstrap intervals, resampled by group.
"""

from __future__ import annotations

import argparse
import sys

from gsn_jax import agreement
from gsn_jax.errors import InputError
from gsn_jax.pair_tables import Row, read_rows


def joined(scores: str, pairs: str) -> list[tuple[Row, Row]]:
    """Rows of both tables, pair by pair, without those that have an error."""
    first, second = list(read_rows(scores)), list(read_rows(pairs))
    for index in range(max(len(first), len(second))):
        names = [
            (rows[index].fields["reference"], rows[index].fields["distorted"])
            if index < len(rows)
            else None
            for rows in (first, second)
        ]
        if names[0] != names[1]:
            raise InputError(f"{scores} and {pairs} list different pairs at row {index + 1}")
    return [pair for pair in zip(first, second, strict=True) if not pair[0].fields.get("error")]


def report(rows: list[tuple[Row, Row]], column: str, group: str) -> list[str]:
    """One Markdown line per metric, the best agreement first."""
    opinions = [float(row.fields[column]) for _, row in rows]
    groups = [row.fields[group] for _, row in rows]
    metrics = [
        name for name in rows[0][0].fields if name not in ("reference", "distorted", "error")
    ]
    lines = []
    for name in metrics:
        values = [float(row.fields[name]) for row, _ in rows]
        value = agreement.srcc(values, opinions)
        low, high = agreement.bootstrap_ci(agreement.srcc, values, opinions, groups)
        if value < 0:  # a distance agrees by falling
            low, high = -high, -low
        lines.append((abs(value), f"| {name} | {abs(value):.3f} | {low:.3f} to {high:.3f} |"))
    return [line for _, line in sorted(lines, reverse=True)]


def main() -> None:
    """Parses the arguments and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores")
    parser.add_argument("pairs")
    parser.add_argument("--column", default="mos", help="opinion scores in PAIRS")
    parser.add_argument("--group", default="reference", help="content in PAIRS")
    options = parser.parse_args()
    try:
        rows = joined(options.scores, options.pairs)
        print(f"{len(rows)} pairs\n\n| metric | SRCC | 95 % interval |\n|---|---|---|")
        print("\n".join(report(rows, options.column, options.group)))
    except (InputError, KeyError, ValueError) as error:
        sys.exit(f"table_agreement: {error}")


if __name__ == "__main__":
    main()
