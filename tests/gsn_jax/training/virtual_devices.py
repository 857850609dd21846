"""The tests' XLA flags, for a process with another number of devices."""

import os
import re


def xla_flags(devices):
    """The flags of this process, with so many virtual devices."""
    return re.sub(r"device_count=\d+", f"device_count={devices}", os.environ["XLA_FLAGS"])
