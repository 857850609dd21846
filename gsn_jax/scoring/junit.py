"""Scores as JUnit XML, which CI systems show as test results."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from xml.etree import ElementTree

from gsn_jax._version import __version__
from gsn_jax.scoring.limits import Limit
from gsn_jax.scoring.outputs import writing
from gsn_jax.scoring.pairs import ScoredPair

# Characters that file names may contain but XML 1.0 does not allow.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(
    path: str | os.PathLike[str], scored: Sequence[ScoredPair], limits: Sequence[Limit]
) -> None:
    """Writes one test case per pair: classname is the reference, name the distorted image.

    A pair that could not be scored is an error; one with a score worse than a limit is a failure.
    Each case lists its scores as output.

    Args:
        path: the file.
        scored: the pairs.
        limits: the worst scores that pass.

    Raises:
        InputError: the file cannot be written.
    """
    suite = ElementTree.Element("testsuite", name="gsn score", skipped="0")
    properties = ElementTree.SubElement(suite, "properties")
    ElementTree.SubElement(properties, "property", name="gsn_jax", value=__version__)
    counts = {"error": 0, "failure": 0}
    for item in scored:
        names = {"classname": item.pair.reference, "name": item.pair.distorted}
        case = ElementTree.SubElement(
            suite, "testcase", {key: _legal(text) for key, text in names.items()}
        )
        complaints = [text for limit in limits if (text := limit.complaint(item.scores))]
        for kind, text in (("error", item.error), ("failure", "; ".join(complaints))):
            if text and len(case) == 0:  # a case has one outcome
                counts[kind] += 1
                ElementTree.SubElement(case, kind, message=_legal(text), type=kind).text = _legal(
                    text
                )
        scores = "\n".join(f"{name} {value:.6f}" for name, value in item.scores.items())
        ElementTree.SubElement(case, "system-out").text = _legal(scores)
    totals = {
        "tests": str(len(scored)),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"]),
    }
    suite.attrib.update(totals)
    root = ElementTree.Element("testsuites", {"name": "gsn score", **totals})
    root.append(suite)
    ElementTree.indent(root)
    with writing(path) as partial:
        ElementTree.ElementTree(root).write(partial, encoding="utf-8", xml_declaration=True)


def _legal(text: str) -> str:
    return _NOT_XML.sub(lambda match: repr(match[0])[1:-1], text)
