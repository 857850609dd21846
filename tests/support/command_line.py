"""The command `gsn` in this process, as the entry point runs it."""

import csv

from click.testing import CliRunner

from gsn_jax import cli
from gsn_jax.errors import InputError


def run(*arguments):
    """Output, error output and exit code of `gsn` with these arguments."""
    result = CliRunner().invoke(cli.cli, [str(argument) for argument in arguments])
    if isinstance(result.exception, InputError):
        return result.stdout, f"gsn: {result.exception}\n", 2
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout, result.stderr, result.exit_code


def rows_of(text):
    """The rows of a table that a command has printed."""
    return list(csv.DictReader(text.splitlines()))
