"""The local devices of this process, and the processes of one run."""
