"""Prints whether the claims of a benchmark hold; the exit code is 1 if one does not."""

from __future__ import annotations

import sys


class Claims:
    """A context manager that ends the process with exit code 1 if a claim failed."""

    def __init__(self) -> None:
        self._failed = 0

    def check(self, holds: bool, claim: str) -> None:
        """Prints whether a claim holds."""
        print(f"{'holds' if holds else 'DOES NOT HOLD'}: {claim}", flush=True)
        self._failed += not holds

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._failed:
            sys.exit(1)
