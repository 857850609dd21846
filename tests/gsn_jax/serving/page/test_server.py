"""The page as a visitor's browser sees it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from gsn_jax.cli.serve import command
from gsn_jax.errors import InputError

pytest.importorskip("gradio", reason="needs gradio: pip install '.[web]'")

PATIENCE = 500  # seconds; only so that a hang ends


@contextlib.contextmanager
def serving(folder, *options):
    """The command in a process of its own, whose temporary files go to `folder`."""
    line = [sys.executable, "-m", "gsn_jax", "serve", "--no-browser", *options]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield re.match(r"(http://\S+) ", process.stdout.readline()).group(1)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            finally:  # a process that does not end fails the test, and does not hang it
                process.kill()
    assert process.returncode == 0


@pytest.fixture(scope="module")
def address(model_folder, files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with serving(folder, "--checkpoint", model_folder, "--max-upload-mb", "1") as address:
        assert address.startswith("http://127.0.0.1:")
        assert len(list(folder.glob("gsn-serve-*"))) == 1
        yield address
        # It ends while a scoring is on its way, which compiles for seconds.
        first, second = (uploaded(address, files / name) for name in ("original.png", "bad.png"))
        start(address, first, [second], ["mad", "vsi", "fsim", "ms_ssim", "iw_ssim", "vif"])
    assert list(folder.glob("gsn-serve-*")) == []  # uploads and pictures are gone


@pytest.fixture(scope="module")
def files(photo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    noise = np.random.default_rng(3).normal(size=photo.shape)
    for name, strength in (("original", 0), ("good", 6), ("bad", 60)):
        pixels = np.clip(photo + strength * noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "notes.png").write_text("not an image")
    random = np.random.default_rng(0).integers(0, 255, (700, 700, 3)).astype(np.uint8)
    Image.fromarray(random).save(folder / "large.png")
    return folder


def upload(page, files, reference, distorted):
    page.set_input_files("#reference input[type=file]", files / reference)
    page.set_input_files("#distorted input[type=file]", [files / name for name in distorted])
    for box, names in (("#reference", [reference]), ("#distorted", distorted)):
        for name in names:
            page.locator(box).get_by_label(name).or_(
                page.locator(f"{box} .filename", has_text=name.split(".")[0])
            ).first.wait_for()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_upload_score_look_and_download(open_page, address, files, width, height, tmp_path):
    with open_page(address, width=width, height=height) as visit:
        page = visit.page
        upload(page, files, "original.png", ["bad.png", "notes.png", "good.png"])
        page.click("#score")
        page.wait_for_selector("#slider img")
        table = page.inner_text("#ranking")
        assert table.index("good.png") < table.index("bad.png")
        assert "psnr ↑" in table
        problem = page.inner_text("#problems").strip()
        assert problem.startswith("notes.png: not an image")
        assert "\n" not in problem

        assert page.locator("#slider img").count() == 2
        page.get_by_label("Quality map").check()
        page.get_by_text("worst here").wait_for()
        assert "good.png" in page.inner_text("#caption")
        assert visit.broken_images() == []
        assert visit.overflow() <= 0

        with page.expect_download() as download:
            page.click("#download")
        download.value.save_as(tmp_path / "scores.csv")
        lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
        assert lines[0] == "reference,distorted,gsn,psnr,ssim,error"
        assert lines[1].startswith("original.png,good.png,")

        outside = [url for url in visit.requests if not url.startswith(address)]
        assert outside == []
        # A stream of answers that has ended counts as a failed request.
        assert [text for text in visit.problems if "/queue/data?" not in text] == []


@pytest.mark.slow
def test_a_refused_file_leaves_the_page_alive(open_page, address, files):
    with open_page(address) as visit:
        page = visit.page
        page.set_input_files("#reference input[type=file]", files / "large.png")
        page.get_by_text("exceed the maximum allowed size").first.wait_for()
        page.click("#score")
        page.get_by_text("drop a reference image first").wait_for()
        page.reload()
        upload(page, files, "notes.png", ["good.png"])
        page.click("#score")
        page.get_by_text("notes.png: not an image").wait_for()
        page.reload()
        upload(page, files, "original.png", ["good.png"])
        page.click("#score")
        page.wait_for_selector("#slider img")


def ask(address, *data):
    """What the page answers, through the interface that its own script uses."""
    import httpx

    event = start(address, *data)
    lines = httpx.get(f"{address}gradio_api/call/score/{event}", timeout=PATIENCE).text.splitlines()
    return lines[-3], json.loads(lines[-2].removeprefix("data: "))


def start(address, *data):
    """Asks for scores, and does not wait for them."""
    import httpx

    answer = httpx.post(f"{address}gradio_api/call/score", json={"data": data}, timeout=PATIENCE)
    return answer.json()["event_id"]


def uploaded(address, path):
    import httpx

    answer = httpx.post(
        f"{address}gradio_api/upload",
        files={"files": (path.name, path.read_bytes())},
        timeout=PATIENCE,
    )
    return {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}


@pytest.mark.slow
def test_ten_visitors_at_once_all_get_their_answer(address, files):
    def visit(index):
        name = ("good.png", "bad.png")[index % 2]
        reference, distorted = (uploaded(address, files / part) for part in ("original.png", name))
        event, answer = ask(address, reference, [distorted], ["psnr"])
        assert event == "event: complete"
        return answer

    with ThreadPoolExecutor(10) as executor:
        answers = list(executor.map(visit, range(10)))
    assert {problems for _, problems, *_ in answers} == {""}
    tables = [answer[3]["data"] for answer in answers]
    assert [rows[0][1] for rows in tables] == ["good.png", "bad.png"] * 5
    assert len({rows[0][2] for rows in tables}) == 2


@pytest.mark.slow
def test_files_of_the_server_cannot_be_asked_for(address, files):
    stolen = {"path": str(files / "original.png"), "meta": {"_type": "gradio.FileData"}}
    event, _ = ask(address, stolen, [stolen], ["psnr"])
    assert event == "event: error"


@pytest.mark.slow
@pytest.mark.parametrize(
    "headers", [{"host": "rebound.example:7860"}, {"origin": "http://elsewhere.example"}]
)
def test_other_web_sites_cannot_use_the_page(address, headers):
    import httpx

    assert httpx.get(address, headers=headers).status_code == 403
    assert httpx.get(address).status_code == 200


def test_a_port_in_use_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1, port {port}: it is in"):
            CliRunner().invoke(command, ["--no-browser", "--port", port], catch_exceptions=False)


@pytest.mark.parametrize(
    ("host", "reason"),
    [("192.0.2.1", "not an address of this computer"), ("x.invalid", "(not known|resolution)")],
)
def test_an_address_of_another_computer_is_one_line(host, reason):
    with pytest.raises(InputError, match=rf"^cannot listen on {host}, port any: .*{reason}"):
        CliRunner().invoke(command, ["--no-browser", "--host", host], catch_exceptions=False)


def test_without_its_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(InputError, match=r"pip install 'gsn_jax\[web\]'"):
        CliRunner().invoke(command, ["--no-browser"], catch_exceptions=False)
