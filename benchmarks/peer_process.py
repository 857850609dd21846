"""Runs a worker, such as `peers.py`, in the environment of other libraries and queries it."""

from __future__ import annotations

import json
import pathlib
import shlex
import subprocess
from typing import Any


class Peers:
    """The worker process; use as a context manager.

    Args:
        command: a shell command that runs Python in the peers' environment, for example
            ". ~/peers/env && python".
        worker: name of the worker's file, in the folder of this file.
    """

    def __init__(self, command: str, *, worker: str = "peers.py"):
        path = shlex.quote(str(pathlib.Path(__file__).with_name(worker)))
        self._process = subprocess.Popen(
            ["bash", "-c", f"{command} {path}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Sends a request and returns the answer; the worker defines both."""
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the worker process of the peers ended; see its error output above")
        return json.loads(line)

    def __enter__(self) -> Peers:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()
