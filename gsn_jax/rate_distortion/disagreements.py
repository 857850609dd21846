"""Where metrics disagree about a codec."""

from __future__ import annotations

import math
from typing import Any

from gsn_jax.rate_distortion.comparison import Comparison
from gsn_jax.rate_distortion.text import percent

SHOWN = 6


def disagreements(comparison: Comparison) -> list[str]:
    """Sentences on codecs that need fewer bytes by one metric and more by another.

    Only BD-rates whose intervals exclude 0 count.
    """
    sentences = []
    for codec in dict.fromkeys(item.codec for item in comparison.against):
        certain = [
            item
            for item in comparison.against
            if item.codec == codec and (item.rate.low > 0 or item.rate.high < 0)
        ]
        fewer = [item for item in certain if item.rate.value < 0]
        more = [item for item in certain if item.rate.value > 0]
        if fewer and more:
            sentences.append(
                f"{codec} needs fewer bytes than {comparison.anchor} according to "
                f"{_list(fewer)}, but more according to {_list(more)}."
            )
    return sentences


def widest(comparison: Comparison) -> list[dict[str, Any]]:
    """The photographs and codecs whose BD-rates differ most between two metrics."""
    rows: list[dict[str, Any]] = []
    for codec in dict.fromkeys(item.codec for item in comparison.against):
        for image in comparison.study.images:
            found = {
                item.metric: item.rate.by_image[image]
                for item in comparison.against
                if item.codec == codec and image in item.rate.by_image
            }
            if len(found) > 1:
                low = min(found, key=lambda name: found[name])
                high = max(found, key=lambda name: found[name])
                rows.append(
                    {
                        "image": image,
                        "codec": codec,
                        "low": f"{low} {percent(found[low])}",
                        "high": f"{high} {percent(found[high])}",
                        "spread": found[high] - found[low],
                    }
                )
    rows = [row for row in rows if math.isfinite(row["spread"])]
    return sorted(rows, key=lambda row: -row["spread"])[:SHOWN]


def _list(items: list[Any]) -> str:
    return ", ".join(f"{item.metric} ({percent(item.rate.value)})" for item in items)
