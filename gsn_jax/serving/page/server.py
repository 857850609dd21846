"""Serving the page on this computer: no telemetry, nothing loaded from elsewhere, no files left."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import tempfile
from collections.abc import Iterator

from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric
from gsn_jax.scoring import by_name, maps, model_metric
from gsn_jax.serving.page.handlers import Limits

# The page's own files and what it draws; a browser refuses everything else.
_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; form-action 'self'"
)


@contextlib.contextmanager
def running(
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = False,
    checkpoint: str | None = None,
    limits: Limits | None = None,
) -> Iterator[str]:
    """Runs the page while the context lasts, and gives its address.

    Args:
        host: address to listen on; the default can be reached from this computer only.
        port: None takes the first free one from 7860.
        browser: open the page in a browser.
        checkpoint: folder of a model that takes the place of the shipped gsn.
        limits: what the page accepts.

    Raises:
        InputError: Gradio is not installed, the model cannot be read, the port is taken, or the
            address is none of this computer.
    """
    limits = limits or Limits()
    _check_address(host, port)
    with _private_folder() as folder, _quiet_environment(folder):
        try:
            import gradio  # noqa: F401 - here, where its absence has a name
        except ImportError:
            raise InputError("the page is made with Gradio; pip install 'gsn_jax[web]'") from None
        from gsn_jax.serving.page import layout

        resolve = _resolver(checkpoint)
        page = layout.build(_available(), maps.mapped_names(), resolve, limits, folder)
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
                app_kwargs={"middleware": [_policy_middleware()]},
            )
        except OSError as error:
            raise InputError(f"cannot listen on {host}, port {port or 'any'} ({error})") from None
        try:
            yield page.local_url
        finally:
            page.close(verbose=False)


def _check_address(host: str, port: int | None) -> None:
    """Refuses an address that cannot be had, for which Gradio would try a hundred ports."""
    reasons = {
        errno.EADDRINUSE: "it is taken; name another port, or none for the first free one",
        errno.EADDRNOTAVAIL: "no address of this computer; 127.0.0.1 is, 0.0.0.0 means all it has",
        errno.EACCES: "not allowed; take a port from 1024 on",
    }
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will
            probe.bind(address)
    except OSError as error:
        reason = reasons.get(error.errno, error.strerror or error)
        raise InputError(f"cannot listen on {host}, port {port or 'any'}: {reason}") from None


def _available() -> list[str]:
    """Models and metrics whose weights are installed."""
    found = []
    for name in (*model_metric.shipped(), *metrics.names()):
        with contextlib.suppress(InputError):
            by_name.resolve(name)
            found.append(name)
    return found


def _resolver(checkpoint: str | None):
    own = model_metric.load(checkpoint, name="gsn") if checkpoint is not None else None

    def resolve(name: str) -> Metric:
        return own if own is not None and name == "gsn" else by_name.resolve(name)

    return resolve


@contextlib.contextmanager
def _private_folder() -> Iterator[str]:
    """Where uploads and pictures are kept; it goes with the server."""
    with tempfile.TemporaryDirectory(prefix="gsn-serve-", ignore_cleanup_errors=True) as folder:
        yield folder


@contextlib.contextmanager
def _quiet_environment(folder: str) -> Iterator[None]:
    """Gradio reads these when it is imported and when it builds a page."""
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


def _policy_middleware():
    """Adds `_POLICY` to every answer, as plain ASGI."""
    from starlette.middleware import Middleware

    class Policy:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            async def send_with_policy(message):
                if message["type"] == "http.response.start":
                    policy = (b"content-security-policy", _POLICY.encode())
                    message = {**message, "headers": [*message.get("headers", ()), policy]}
                await send(message)

            await self.app(scope, receive, send_with_policy)

    return Middleware(Policy)
