"""Reserves a port of the loopback for processes that a test starts."""

import socket


def reserve():
    """A socket on a free port, which no other program is given until the socket is closed.

    gRPC, and so JAX's coordinator, can still listen on the port, because like this socket it sets
    SO_REUSEPORT. Until then, connections are refused.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved
