"""Runs the command `gsn` in this process, as its entry point does."""

import csv
import re

from click.testing import CliRunner

from gsn_jax import cli
from gsn_jax.errors import InputError

_PROGRESS = re.compile(r"^gsn: [\w ]+: \d+ of \d+( \w+)?(, .*/s, .* left)?\n", re.MULTILINE)


def run(*arguments):
    """Runs `gsn` with arguments; returns its output, error output and exit code.

    Lines of progress, which only slow machines print, are removed.
    """
    result = CliRunner().invoke(cli.cli, [str(argument) for argument in arguments])
    if isinstance(result.exception, InputError):
        return result.stdout, f"gsn: {result.exception}\n", 2
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout, _PROGRESS.sub("", result.stderr), result.exit_code


def rows_of(text):
    """The rows of a table that a command has printed."""
    return list(csv.DictReader(text.splitlines()))
