"""The distortion bank as a Markdown table: `python scripts/list_distortions.py`."""

from __future__ import annotations

from data_pipelines import distortions


def main() -> None:
    """Prints one row per distortion."""
    print("| name | group | TID2013 | KADID-10k | what | strength | levels 1 to 5 | source |")
    print("|---|---|---|---|---|---|---|---|")
    for name in distortions.names():
        entry = distortions.get(name)
        cells = [
            f"`{name}`",
            entry.group,
            str(entry.tid2013 or ""),
            str(entry.kadid10k or ""),
            entry.description,
            entry.unit,
            ", ".join(f"{strength:g}" for strength in entry.strengths),
            entry.source,
        ]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
