"""A port of the loopback for the processes that a test starts."""

import socket


def reserve():
    """A socket on a free port, which nobody else is given until the socket is closed.

    gRPC, and so JAX's coordinator, can still listen there: like this socket it allows its port to
    be used again. Until it does, connections are refused.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved
