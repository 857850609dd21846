"""The command `gsn` in this process, as the entry point runs it."""

import csv
import re

from click.testing import CliRunner

from gsn_jax import cli
from gsn_jax.errors import InputError

_PROGRESS = re.compile(r"^gsn: [\w ]+: \d+ of \d+( \w+)?(, .*/s, .* left)?\n", re.MULTILINE)


def run(*arguments):
    """Output, error output and exit code of `gsn` with these arguments.

    Lines of progress, which only a slow machine prints, are left out.
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
