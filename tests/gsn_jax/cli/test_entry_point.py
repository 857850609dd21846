"""How the command `gsn` ends."""

import os
import re
import subprocess
import sys

import click
import pytest

from gsn_jax import cli


def end_of(monkeypatch, capsys, *arguments):
    """Exit code and error output of `gsn` with arguments."""
    monkeypatch.setattr("sys.argv", ["gsn", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["scor"], "gsn: no such command 'scor'"),
        (["score", "--metrc", "psnr"], "gsn: no such option '?--metrc'?.*see gsn score --help"),
        (["score", "--metric"], "gsn: option '--metric' requires an argument"),
        (["rd", "--pairs"], "gsn: option '--pairs' requires an argument"),
        (["train", "--workdir", "w"], "gsn: missing option '--config'; see gsn train --help"),
        (["serve", "--port", "x"], "gsn: invalid value for '--port': 'x' is not .*"),
    ],
)
def test_wrong_usage_is_one_line(monkeypatch, capsys, arguments, line):
    code, error = end_of(monkeypatch, capsys, *arguments)
    assert code == 2
    assert error.count("\n") == 1
    assert re.match(line, error)


def test_no_command_prints_the_help(monkeypatch, capsys):
    code, error = end_of(monkeypatch, capsys)
    assert code == 2
    assert "Commands:" in error


def test_exit_codes_of_commands_are_kept(monkeypatch, capsys):
    assert end_of(monkeypatch, capsys, "--version") == (0, "")
    demo = click.Command("demo", callback=lambda: click.get_current_context().exit(3))
    monkeypatch.setattr("gsn_jax.cli.demo.command", demo)
    assert end_of(monkeypatch, capsys, "demo") == (3, "")


@pytest.mark.parametrize("arguments", [["--formats"], ["demo"]])
def test_a_closed_pipe_is_no_failed_check(arguments):
    code = (
        "import click, gsn_jax.cli.demo\n"
        "def much():\n"
        "    for _ in range(10_000): click.echo('x' * 100)\n"
        "gsn_jax.cli.demo.command = click.Command('demo', callback=much)\n"
        "gsn_jax.cli.main()"
    )
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], stdout=pipe, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (141, b"")


def test_interrupted_commands_say_so(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("gsn_jax.cli.demo.command", click.Command("demo", callback=interrupted))
    code, error = end_of(monkeypatch, capsys, "demo")
    assert code == 130
    assert error.strip() == "gsn: interrupted"
