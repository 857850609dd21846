"""`python -m gsn_jax` is the `gsn` command."""

from gsn_jax.cli import main

main()
