"""The devices of this process, and the processes of a group."""
