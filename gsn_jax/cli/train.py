"""`gsn train`: train a model from a configuration, or continue a run."""

from __future__ import annotations

import click

from gsn_jax.errors import InputError

_EPILOG = """Single values are changed with --config.KEY=VALUE, e.g. --config.train.steps=2000
--config.optimizer.learning_rate=3e-4 --config.data.train="('pairs.csv',)". Running the same
command again continues the run; Ctrl-C and SIGTERM save and stop it."""


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
@click.pass_context
def command(ctx: click.Context, config_name: str, workdir: str) -> None:
    """Train a model from a configuration, or continue the run in WORKDIR."""
    # Imported here: orbax, grain and tensorboardX take seconds that --help should not.
    from gsn_jax.training.config import load_config
    from gsn_jax.training.loop import DivergenceError, train

    config = load_config(config_name, config_overrides(ctx.args))
    try:
        result = train(config, workdir)
    except DivergenceError as error:
        click.echo(f"gsn: {error}", err=True)
        ctx.exit(1)
    if result.stopped_by is None:
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
