"""`gsn serve`: a local page to compare images by eye and by score."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading

import click

LOCAL = "127.0.0.1"


@click.command()
@click.option(
    "--host",
    default=LOCAL,
    show_default=True,
    metavar="ADDRESS",
    help="Address of this computer to listen on: the default can be reached from this computer "
    "only, 0.0.0.0 by everybody on its networks.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="N",
    help="Port to listen on.  [default: the first free one from 7860]",
)
@click.option(
    "--browser/--no-browser", default=True, show_default=True, help="Open the page in a browser."
)
@click.option(
    "--checkpoint",
    metavar="DIR",
    help="Use this model for gsn: a model's folder, a training run's, or one checkpoint's.",
)
@click.option(
    "--max-upload-mb",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    metavar="N",
    help="Refuse files of more megabytes.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    default=4096 * 4096,
    show_default=True,
    metavar="N",
    help="Refuse images of more pixels.",
)
@click.option(
    "--alpha",
    type=click.Choice(["refuse", "black", "white"]),
    default="refuse",
    show_default=True,
    help="What to do with transparent pixels: refuse the image, or composite it.",
)
def command(
    host: str,
    port: int | None,
    browser: bool,
    checkpoint: str | None,
    max_upload_mb: int,
    max_pixels: int,
    alpha: str,
) -> None:
    """Open a local page: drop a reference and distorted images, see scores and quality maps.

    The page loads nothing from elsewhere and sends nothing away; what is uploaded is deleted when
    the command ends (Ctrl-C). It asks for no password: with another --host than 127.0.0.1 everybody
    who can reach that address can use it. It needs the extra: pip install 'gsn_jax[web]'.
    """
    if sys.stderr.isatty():
        click.echo("gsn: starting the page, which takes some seconds", err=True)
    from gsn_jax.serving.page import server
    from gsn_jax.serving.page.handlers import Limits

    limits = Limits(max_pixels=max_pixels, max_upload_mb=max_upload_mb, alpha=alpha)
    page = server.running(
        host=host, port=port, browser=browser, checkpoint=checkpoint, limits=limits
    )
    # A service manager's stop cleans up like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), page as address:
        click.echo(f"{address} (Ctrl-C ends)")
        if host not in (LOCAL, "localhost", "::1"):
            click.echo(f"gsn: everybody who can reach {host} can use the page", err=True)
        threading.Event().wait()
