"""`gsn serve`: a local page to compare images by eye and by score."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import Any

import click

from gsn_jax.cli import shared_options

LOCAL = "127.0.0.1"


@click.command()
@click.option(
    "--host",
    default=LOCAL,
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on. The default accepts connections from this computer only; 0.0.0.0 "
    "accepts connections from any network this computer is on.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="N",
    help="Port to listen on.  [default: the first free one from 7860]",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Accept requests to this host name, for example behind a proxy. IP addresses, localhost "
    "and this computer's name are always accepted. May be repeated.",
)
@click.option(
    "--browser/--no-browser", default=True, show_default=True, help="Open the page in a browser."
)
@shared_options.checkpoint
@click.option(
    "--max-upload-mb",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    metavar="N",
    help="Refuse files larger than N megabytes.",
)
@click.option(
    "--max-total-mb",
    type=click.IntRange(min=1),
    default=4000,
    show_default=True,
    metavar="N",
    help="Refuse uploads once the page holds N megabytes of files.",
)
@shared_options.max_pixels(4096 * 4096)
@shared_options.alpha
def command(
    host: str,
    port: int | None,
    allowed_hosts: tuple[str, ...],
    browser: bool,
    checkpoint: str | None,
    max_upload_mb: int,
    max_total_mb: int,
    max_pixels: int,
    alpha: Any,
) -> None:
    """Serve a local web page that scores images and shows quality maps.

    Drop a reference and distorted versions of it on the page. Nothing is sent to other servers, and
    uploads are deleted when the command ends (Ctrl-C). Whole images are scored in colour, as the
    page shows them; for --protocol, --luma or --crop-border, use gsn score. There is no password:
    with a --host other than 127.0.0.1, anyone who can reach that address can use the page. Needs
    pip install 'gsn_jax[web]'.
    """
    if sys.stderr.isatty():
        click.echo("gsn: starting the page; this takes a few seconds", err=True)
    from gsn_jax.serving.page import server
    from gsn_jax.serving.page.handlers import Limits

    page = server.running(
        host=host,
        port=port,
        browser=browser,
        checkpoint=checkpoint,
        limits=Limits(
            max_pixels=max_pixels,
            max_upload_mb=max_upload_mb,
            max_total_mb=max_total_mb,
            alpha=alpha,
        ),
        allowed_hosts=allowed_hosts,
    )
    # SIGTERM, which service managers send, cleans up like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), page as address:
        click.echo(f"{address} (press Ctrl-C to stop)")
        if host not in (LOCAL, "localhost", "::1"):
            click.echo(
                f"gsn: --host {host}: anyone who can reach this computer can use the page", err=True
            )
        threading.Event().wait()
    # Everything is cleaned up. Threads that are still scoring are not waited for.
    sys.stdout.flush()
    os._exit(0)
