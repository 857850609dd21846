import asyncio
import socket

import pytest

from gsn_jax.serving.page.guard import Guard


def answer(folder, *, path="/", method="GET", kind="http", max_bytes=1000, hosts=(), **headers):
    """Status and text of an answer; 200 from the application behind the guard."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"the page"})

    async def send(message):
        sent.append(message)

    scope = {
        "type": kind,
        "path": path,
        "method": method,
        "headers": [
            (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ],
    }
    guard = Guard(app, hosts=hosts, folder=str(folder), max_bytes=max_bytes)
    asyncio.run(guard(scope, None, send))
    if kind == "websocket":
        return sent[0]["type"]
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"].decode()


@pytest.mark.parametrize(
    "host", ["localhost:7860", "127.0.0.1:7860", "[::1]:7860", "10.1.2.3", socket.gethostname()]
)
def test_own_names_and_addresses_are_allowed(tmp_path, host):
    status, headers, text = answer(tmp_path, host=host, origin=f"http://{host}")
    assert (status, text) == (200, "the page")
    assert b"default-src 'self'" in headers[b"content-security-policy"]


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "attacker.example:7860",
        "",
        "127.0.0.1.x.de",
        "[::1",
        "[",
        "[x]:1",
        "a]b",
    ],
)
def test_a_name_that_dns_may_rebind_is_refused(tmp_path, host):
    status, _, text = answer(tmp_path, host=host)
    assert status == 403
    assert "--allow-host" in text
    assert answer(tmp_path, kind="websocket", host=host) == "websocket.close"


def test_a_name_can_be_allowed(tmp_path):
    assert answer(tmp_path, hosts=["Images.example"], host="images.example")[0] == 200


@pytest.mark.parametrize(
    "origin", ["http://attacker.example", "null", "http://localhost:1", "http://[::1"]
)
def test_another_origin_is_refused(tmp_path, origin):
    assert answer(tmp_path, host="localhost:7860", origin=origin)[0] == 403


def test_uploads_have_a_limit_in_total(tmp_path):
    (tmp_path / "visitor").mkdir()
    (tmp_path / "visitor" / "a.png").write_bytes(bytes(600))
    upload = {"path": "/gradio_api/upload", "method": "POST", "host": "localhost"}
    assert answer(tmp_path, content_length="400", **upload)[0] == 200
    status, _, text = answer(tmp_path, content_length="401", **upload)
    assert status == 413
    assert "no room" in text
    assert answer(tmp_path, **upload)[0] == 411
    assert answer(tmp_path, content_length="-5", **upload)[0] == 411
