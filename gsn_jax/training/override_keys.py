"""Checks the keys of `--config.key=value` overrides, with suggestions for misspelt ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gsn_jax.errors import InputError


def check_keys(
    config: Mapping[str, Any], overrides: Sequence[str], where: object = "--config"
) -> None:
    """Checks that the configuration has all overridden keys.

    Args:
        config: a configuration with nested sections.
        overrides: arguments of the form `--config.key=value`; others are ignored.
        where: name of the configuration in error messages.

    Raises:
        InputError: a key does not exist; the message suggests the most similar one.
    """
    known = list(_keys(config))
    free = tuple(f"{key}." for key in known if key.endswith("_options"))  # each model has its own
    for override in overrides:
        name, _, _ = override.partition("=")
        key = name.removeprefix("--config.").partition("[")[0]
        if name == key or key in known or key.startswith(free):
            continue
        near = _similar(key, known)
        hint = f"did you mean {near[0]}?" if near else f"sections: {', '.join(config)}"
        raise InputError(f"{where}: no key {key}; {hint}")


def _similar(key: str, known: Sequence[str]) -> list[str]:
    """Keys that start with `key`, or else end in the same word, or else are spelt like it."""
    longer = [other for other in known if other.startswith(key)]
    last = key.rpartition(".")[2]
    elsewhere = [other for other in known if other.rpartition(".")[2] == last]
    return longer or elsewhere or difflib.get_close_matches(key, known, n=1)


def _keys(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in config.items():
        yield prefix + name
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{name}.")
