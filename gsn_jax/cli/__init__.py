"""The `gsn` command; each subcommand lives in the module of its name, imported when called."""

from __future__ import annotations

import importlib
import os
import sys

import click

from gsn_jax._version import __version__
from gsn_jax.cli.compilation_cache import keep_compiled
from gsn_jax.errors import InputError

# name -> help line; the command is the attribute `command` of `gsn_jax.cli.<name>`.
_COMMANDS = {
    "ablation": "Train the arms of the paper's ablation and print its table.",
    "benchmark": "Compare metrics on several data sets.",
    "datasets": "List data sets and prepare them.",
    "demo": "Score real image pairs with the model that ships.",
    "evaluate": "Judge metrics by their agreement with people.",
    "export": "Write a metric for other runtimes: StableHLO, ONNX, SavedModel.",
    "score": "Score distorted images against their reference.",
    "serve": "Open a local page to compare images.",
    "submission": "Write the scores of a folder for an NTIRE challenge.",
    "synthesize": "Make a data set of distorted photographs.",
    "train": "Train a model from a configuration.",
}


class _LazyGroup(click.Group):
    """Lists every subcommand, and imports only the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return importlib.import_module(f"gsn_jax.cli.{cmd_name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gsn")
def cli() -> None:
    """Full-reference image quality assessment with the Gradient Siamese Network.

    Compiled programs are kept in the user's cache folder; JAX_COMPILATION_CACHE_DIR names another,
    JAX_ENABLE_COMPILATION_CACHE=false keeps none.
    """
    keep_compiled()


def main() -> None:
    """Entry point: what is wrong with the input is one line on stderr and exit code 2."""
    try:
        cli(prog_name="gsn")
    except InputError as error:
        click.echo(f"gsn: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:  # e.g. `gsn score ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


if __name__ == "__main__":
    main()
