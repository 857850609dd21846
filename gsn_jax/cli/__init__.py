"""The `gsn` command. Each subcommand is the module of its name, imported when it runs."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from gsn_jax._version import __version__
from gsn_jax.cli import log_lines
from gsn_jax.cli.compilation_cache import keep_compiled, unreadable_replaced
from gsn_jax.errors import InputError, disk_failure, refused_path

# name -> help line; the command is the attribute `command` of `gsn_jax.cli.<name>`.
_COMMANDS = {
    "ablation": "Train and compare the arms of the GSN paper's ablation.",
    "benchmark": "Compare metrics on several data sets.",
    "datasets": "List and prepare data sets.",
    "demo": "Score distorted versions of a few photographs.",
    "encode": "Encode photographs as small as a target score allows.",
    "evaluate": "Measure how well metrics agree with opinion scores.",
    "export": "Write a metric as StableHLO, ONNX or SavedModel.",
    "rd": "Compare codecs: file size against quality.",
    "score": "Score distorted images against their references.",
    "serve": "Compare images on a local web page.",
    "submission": "Score a folder for an NTIRE challenge.",
    "synthesize": "Make a data set of distorted photographs.",
    "train": "Train a model.",
}


class _ClosedPipe(Exception):
    """The reader of the output has gone, as in `gsn score ... | head`."""


@contextlib.contextmanager
def _closed_pipes_named() -> Iterator[None]:
    """Replaces `BrokenPipeError`, which click turns into exit code 1: that of a failed check."""
    try:
        yield
    except BrokenPipeError as error:
        raise _ClosedPipe from error


class _LazyGroup(click.Group):
    """Lists every subcommand, but imports only the one that runs."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _closed_pipes_named():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _closed_pipes_named():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return importlib.import_module(f"gsn_jax.cli.{cmd_name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))


def _print_formats(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from gsn_jax.images import installed

        for line in installed.describe():
            click.echo(line)
        ctx.exit()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gsn")
@click.option(
    "--formats",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_formats,
    help="List the image formats that this installation can read, and exit.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Full-reference image quality assessment with the Gradient Siamese Network.

    Compiled programs are cached in your cache folder, so that later runs start faster.
    JAX_COMPILATION_CACHE_DIR sets another folder; JAX_ENABLE_COMPILATION_CACHE=false turns the
    cache off.
    """
    keep_compiled()
    ctx.with_resource(unreadable_replaced())
    ctx.with_resource(log_lines.shown())


def main() -> None:
    """Entry point; bad input, refused paths and a full disk give one line and exit code 2."""
    _escape_what_streams_lack()
    try:
        try:
            code = cli.main(prog_name="gsn", standalone_mode=False)
        finally:
            if sys.stdout is not None:  # closed by the shell
                sys.stdout.flush()
        sys.exit(code or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.UsageError as error:
        click.echo(_usage_line(error), err=True)
        sys.exit(error.exit_code)
    except click.Abort:  # Ctrl-C in a command that cannot resume
        click.echo("gsn: interrupted", err=True)
        sys.exit(130)
    except InputError as error:
        click.echo(f"gsn: {error}", err=True)
        sys.exit(2)
    except (BrokenPipeError, _ClosedPipe):
        _discard_output()
        sys.exit(141)
    except Exception as error:
        refused, reason = refused_path(error), disk_failure(error)
        if refused is not None:
            line = f"{refused}; check its permissions, or name another"
        elif reason is not None:
            _discard_output()
            name = getattr(error, "filename", None)
            where, advice = f"{name}:" if name else "output", "or write to another disk"
            line = f"{where} cannot be written ({reason}); free some space, {advice}"
        else:
            raise
        click.echo(f"gsn: {line}", err=True)
        sys.exit(2)


def _usage_line(error: click.UsageError) -> str:
    """One line in place of click's three."""
    message = " ".join(error.format_message().split()).removesuffix(".")
    advice = f"; see {error.ctx.command_path} --help" if error.ctx else ""
    return f"gsn: {message[:1].lower()}{message[1:]}{advice}"


def _escape_what_streams_lack() -> None:
    """Prints letters that an encoding other than UTF-8 lacks as escapes, in place of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Discards buffered output, so that Python does not fail again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
