"""The page's server: no telemetry, nothing loaded from elsewhere, no files left behind."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence

from gsn_jax.errors import InputError
from gsn_jax.metric import Metric
from gsn_jax.scoring import by_name, model_metric
from gsn_jax.serving.page.guard import Guard
from gsn_jax.serving.page.handlers import Limits, Resolve


@contextlib.contextmanager
def running(
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = False,
    checkpoint: str | None = None,
    limits: Limits | None = None,
    allowed_hosts: Sequence[str] = (),
) -> Iterator[str]:
    """Runs the page while the context lasts, and yields its address.

    Args:
        host: address to listen on; the default can be reached from this computer only.
        port: port to listen on; None takes the first free one from 7860.
        browser: open the page in a browser.
        checkpoint: folder of a model that replaces the shipped gsn.
        limits: what the page accepts.
        allowed_hosts: further host names that requests may use.

    Raises:
        InputError: Gradio is not installed, the model cannot be read, the port is in use, or the
            address does not belong to this computer.
    """
    limits = limits or Limits()
    _check_address(host, port)
    private = tempfile.TemporaryDirectory(prefix="gsn-serve-", ignore_cleanup_errors=True)
    with private as folder, _quiet_environment(folder):
        try:
            import gradio  # noqa: F401 - imported here to name it if it is missing
        except ImportError:
            raise InputError("the page needs Gradio; pip install 'gsn_jax[web]'") from None
        from starlette.middleware import Middleware

        from gsn_jax.serving.page import layout

        resolve = _resolver(checkpoint)
        names = [metric.name for metric in by_name.available()[0]]
        mapped = [name for name in names if resolve(name).has_map]
        page = layout.build(names, mapped, resolve, limits, folder)
        guard = Middleware(
            Guard,
            hosts=[host, *allowed_hosts],
            folder=folder,
            max_bytes=limits.max_total_mb * 2**20,
        )
        try:
            page.queue(max_size=64, api_open=False).launch(
                server_name=host,
                server_port=port,
                inbrowser=browser,
                prevent_thread_lock=True,
                quiet=True,
                share=False,
                max_file_size=limits.max_upload_mb * 2**20,
                theme=layout.THEME,
                css=layout.CSS,
                footer_links=[],
                run_history=False,
                enable_monitoring=False,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                app_kwargs={"middleware": [guard]},
            )
        except OSError as error:
            raise InputError(f"cannot listen on {host}, port {port or 'any'} ({error})") from None
        try:
            yield str(page.local_url)
        finally:
            page.close(verbose=False)


def _check_address(host: str, port: int | None) -> None:
    """Refuses an address that cannot be used; Gradio would try a hundred ports first."""
    reasons = {
        errno.EADDRINUSE: "it is in use; choose another port, or omit --port",
        errno.EADDRNOTAVAIL: "not an address of this computer; try 127.0.0.1, or 0.0.0.0 for all",
        errno.EACCES: "not allowed; choose port 1024 or higher",
    }
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will
            probe.bind(address)
    except OSError as error:
        reason = reasons.get(error.errno or 0) or error.strerror or str(error)
        raise InputError(f"cannot listen on {host}, port {port or 'any'}: {reason}") from None


def _resolver(checkpoint: str | None) -> Resolve:
    """Maps names to metrics; a checkpoint replaces gsn."""
    own = model_metric.load(checkpoint, name="gsn") if checkpoint is not None else None

    def resolve(name: str) -> Metric:
        return own if own is not None and name == "gsn" else by_name.resolve(name)

    return resolve


@contextlib.contextmanager
def _quiet_environment(folder: str) -> Iterator[None]:
    """Sets environment variables that Gradio reads on import and when it builds a page."""
    ours = {
        "GRADIO_TEMP_DIR": folder,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_SHARE": "False",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
