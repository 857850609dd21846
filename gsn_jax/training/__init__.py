"""The trainer: configuration, jitted step over a device mesh, checkpoints, evaluation, loop."""
