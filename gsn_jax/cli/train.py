"""`gsn train`: train a model from a configuration, or continue a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gsn_jax.errors import InputError

if TYPE_CHECKING:
    from gsn_jax.training.loop import Result

_EPILOG = """Single values are changed with --config.KEY=VALUE, e.g. --config.train.steps=2000
--config.optimizer.learning_rate=3e-4 --config.data.train="('pairs.csv',)". Running the same
command again continues the run; Ctrl-C and SIGTERM save and stop it.

Several processes, on one machine or many, train together: Slurm, Open MPI, Kubernetes and Cloud TPU
are found by themselves; elsewhere start the same command everywhere with --coordinator, --processes
and --process-id. Exit codes: 0 finished, or saved on a signal; 1 the run failed; 2 wrong input; 75
another process was lost, start all again."""


@click.command(
    epilog=_EPILOG, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)
@click.option(
    "--config",
    "config_name",
    required=True,
    metavar="NAME|FILE",
    help="A configuration that ships (e.g. 'default'), or a Python file.",
)
@click.option(
    "--workdir",
    required=True,
    type=click.Path(file_okay=False),
    help="Folder of the run: checkpoints, TensorBoard scalars and the finished model.",
)
@click.option(
    "--coordinator",
    metavar="HOST:PORT",
    envvar="JAX_COORDINATOR_ADDRESS",
    help="Address of process 0, where the processes meet.",
)
@click.option("--processes", type=int, envvar="JAX_NUM_PROCESSES", help="How many; 1 trains alone.")
@click.option(
    "--process-id", type=int, envvar="JAX_PROCESS_ID", help="Number of this process, from 0."
)
@click.option(
    "--start-timeout",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for all processes to start.",
)
@click.option(
    "--profile",
    metavar="FIRST:LAST",
    help="Write a JAX trace of these steps to WORKDIR/profile, e.g. 20:25.",
)
@click.pass_context
def command(
    ctx: click.Context,
    config_name: str,
    workdir: str,
    coordinator: str | None,
    processes: int | None,
    process_id: int | None,
    start_timeout: int,
    profile: str | None,
) -> None:
    """Train a model from a configuration, or continue the run in WORKDIR."""
    from gsn_jax.cli import supervision
    from gsn_jax.training import distributed

    group = distributed.find_group(coordinator, processes, process_id)
    watched = supervision.lifeline()
    if group is not None and watched is None:
        ctx.exit(supervision.supervise(group, start_timeout))
    # Imported here: orbax, grain and tensorboardX take seconds that --help should not.
    from gsn_jax.training.config import load_config
    from gsn_jax.training.loop import DivergenceError, train
    from gsn_jax.training.profiling import parse_steps

    traced = parse_steps(profile) if profile else range(0)
    config = load_config(config_name, config_overrides(ctx.args))
    with distributed.joined(
        group, start_seconds=start_timeout, on_joined=watched.joined if watched else lambda: None
    ):
        try:
            result = train(config, workdir, profile=traced)
        except DivergenceError as error:  # in all processes at the same step
            result = None
            if distributed.is_first():
                click.echo(f"gsn: {error}", err=True)
        if result and result.stopped_by is None and distributed.is_first():
            _say_finished(result, workdir)
    if result is None:
        ctx.exit(distributed.FAILED)


def _say_finished(result: Result, workdir: str) -> None:
    values = ", ".join(f"{name} {value:.4f}" for name, value in result.evaluation.items())
    click.echo(f"finished at step {result.step}{': ' + values if values else ''}")
    click.echo(f"model: {workdir}/model (score with: gsn score --checkpoint {workdir}/model)")


def config_overrides(arguments: list[str]) -> list[str]:
    """The arguments that change single values of a configuration.

    Raises:
        InputError: an argument is something else.
    """
    for argument in arguments:
        if not argument.startswith("--config."):
            raise InputError(
                f"unexpected argument {argument!r}; overrides look like --config.train.steps=100"
            )
    return arguments
