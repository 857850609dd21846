"""Lists the communication between devices in a compiled step, from its HLO."""

from __future__ import annotations

import dataclasses
import math
import re

import jax.numpy as jnp

_KINDS = (
    "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|collective-broadcast|"
    "ragged-all-to-all"
)
_INSTRUCTION = re.compile(rf"=\s+(?P<type>\S.*?)\s+(?P<kind>{_KINDS})(?:-start)?\(")
_ARRAY = re.compile(r"\b(pred|[a-z]+\d+\w*)\[([\d,]*)\]")
_DTYPES = {"pred": "bool", "f": "float", "bf": "bfloat", "s": "int", "u": "uint"}


@dataclasses.dataclass(frozen=True)
class Collective:
    """One collective operation.

    Attributes:
        kind: name in HLO, such as "all-reduce".
        shapes: shapes of its results on each device.
        bytes: total size of the results.
    """

    kind: str
    shapes: tuple[tuple[int, ...], ...]
    bytes: int


def collectives(hlo: str) -> list[Collective]:
    """The collectives in the text of a compiled module, in order.

    A collective in the body of a loop is listed once.

    Args:
        hlo: `jax.jit(f).lower(...).compile().as_text()`.
    """
    found = []
    for line in hlo.splitlines():
        match = _INSTRUCTION.search(line)
        if match is None:
            continue
        arrays = [
            (dtype, tuple(int(size) for size in sizes.split(",") if size))
            for dtype, sizes in _ARRAY.findall(match["type"])
        ]
        total = sum(_item_bytes(dtype) * math.prod(shape) for dtype, shape in arrays)
        found.append(Collective(match["kind"], tuple(shape for _, shape in arrays), total))
    return found


def _item_bytes(dtype: str) -> int:
    letters = dtype.rstrip("0123456789")
    name = "bool" if letters == "pred" else _DTYPES[letters] + dtype.removeprefix(letters)
    return jnp.dtype(name).itemsize


def ring_seconds(
    devices: int,
    messages: list[int],
    *,
    link_bytes_per_second: float,
    hop_seconds: float,
) -> float:
    """Seconds that consecutive all-reduces take on a ring, without overlap with computation.

    A ring of D devices sends 2 (D - 1) / D of each message's bytes over every link, in 2 (D - 1)
    hops (P. Patarasuk and X. Yuan: "Bandwidth optimal all-reduce algorithms for clusters of
    workstations", JPDC 2009). Tori and trees need fewer hops, so this is an upper bound.

    Args:
        devices: D.
        messages: bytes of each all-reduce.
        link_bytes_per_second: bandwidth of a link in one direction.
        hop_seconds: latency of one hop.
    """
    hops = 2 * (devices - 1)
    sent = hops / devices * sum(messages)
    return sent / link_bytes_per_second + len(messages) * hops * hop_seconds
