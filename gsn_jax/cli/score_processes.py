"""The processes of `gsn score`: each scores its share of the pairs, process 0 writes the table."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from gsn_jax.cli import shared_options
from gsn_jax.cli.supervision import Lifeline
from gsn_jax.devices import distributed
from gsn_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Processes:
    """The processes that make one table; by default this one alone.

    Attributes:
        index: number of this process.
        count: number of processes.
    """

    index: int = 0
    count: int = 1


def find(
    coordinator: str | None,
    processes: int | None,
    process_id: int | None,
    *,
    out: str | None,
    absent: dict[str, object],
) -> distributed.ProcessGroup | None:
    """The group of processes that make the table `out`; None for a process on its own.

    Args:
        coordinator: see `gsn_jax.devices.distributed.find_group`.
        processes: likewise.
        process_id: likewise.
        out: the table. Only work on a regular file is divided. Otherwise flags are refused, and the
            environment, whose settings may be meant for other commands, is ignored.
        absent: options that several processes do not support, and their values.

    Raises:
        InputError: flags do not fit together, or an option in `absent` is given to several
            processes.
    """
    from gsn_jax.scoring.outputs import is_regular

    if out is None or not is_regular(out):
        if processes != 1:
            refuse_flags("several processes can share only --pairs or two folders with --out FILE")
        return None
    group = distributed.find_group(coordinator, processes, process_id)
    for name, value in absent.items():
        if group is not None and value:
            raise InputError(f"{name}: not with several processes; add --processes 1")
    return group


def refuse_flags(why: str) -> None:
    """Refuses command-line flags that say how processes find one another.

    Raises:
        InputError: one is given; the message contains `why`.
    """
    for name in shared_options.given_processes():
        raise InputError(f"{name}: {why}; leave it out")


@contextlib.contextmanager
def joined(
    group: distributed.ProcessGroup | None,
    start_timeout: int,
    watched: Lifeline | None,
) -> Iterator[Processes]:
    """Joins the group and yields its `Processes`. After the block, only process 0 goes on."""
    with distributed.joined(
        group,
        start_seconds=start_timeout,
        independent=True,
        on_joined=watched.joined if watched else lambda: None,
    ):
        if group is None:
            yield Processes()
        else:
            import jax

            yield Processes(jax.process_index(), jax.process_count())
