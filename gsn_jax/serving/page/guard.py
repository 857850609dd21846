"""ASGI middleware that refuses requests before they reach Gradio.

Other web sites in a visitor's browser must not be able to use the page: DNS rebinding can point
their host names here, and their forms and scripts can send requests across origins. So a request
needs a known Host, and its Origin, if any, must equal the Host. Uploads are refused when the folder
of uploads is full.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Allows only the page's own files and pictures; browsers block everything else.
_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; form-action 'self'"
)


class Guard:
    """Middleware that checks requests and adds a content security policy to responses."""

    def __init__(self, app: App, *, hosts: Sequence[str], folder: str, max_bytes: int):
        """Wraps an application.

        Args:
            app: the application.
            hosts: host names to accept besides localhost, this computer's own name, and IP
                addresses, which DNS cannot rebind.
            folder: the folder of uploads.
            max_bytes: the most bytes that `folder` may hold.
        """
        name = socket.gethostname().lower()
        own = {"localhost", name, f"{name}.local", *(host.lower() for host in hosts)}
        self._app, self._hosts = app, own
        self._folder, self._max_bytes = folder, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        status, reason = self._refusal(scope, headers)
        if status:
            await _refuse(scope, send, status, reason)
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", _POLICY.encode())
                message = {**message, "headers": [*message.get("headers", ()), policy]}
            await send(message)

        await self._app(scope, receive, send_with_policy)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str]:
        """The status and text of a refusal; (0, "") if the request may pass."""
        host = headers.get("host", "")
        if not self._is_known(host):
            return 403, "this host name is not allowed; start the page with --allow-host NAME"
        origin = headers.get("origin")
        if origin is not None and _address(origin) != host.lower():
            return 403, "requests from other sites are not allowed"
        if scope.get("method") == "POST" and scope["path"].rstrip("/").endswith("/upload"):
            length = headers.get("content-length", "")
            if not length.isdecimal():
                return 411, "an upload must state its length"
            if int(length) + _bytes_below(self._folder) > self._max_bytes:
                return 413, "the page has no room for more files; restart it to delete the old ones"
        return 0, ""

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name not in self._hosts:
                ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _address(origin: str) -> str:
    """Host and port of an origin; "" if it is malformed."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


async def _refuse(scope: Scope, send: Send, status: int, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{reason}\n".encode()})


def _bytes_below(folder: str) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(parent, name).stat().st_size
            except OSError:  # deleted meanwhile
                continue
    return total
