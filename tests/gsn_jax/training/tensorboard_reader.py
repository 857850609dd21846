"""Reads scalars back from TensorBoard's files, whose records are protocol buffers."""

import collections
import struct

from tensorboardX.proto.event_pb2 import Event


def read_scalars(folder):
    """Tag to list of (step, value)."""
    scalars = collections.defaultdict(list)
    for file in sorted(folder.iterdir()):
        data, position = file.read_bytes(), 0
        while position < len(data):
            (length,) = struct.unpack_from("<Q", data, position)
            event = Event.FromString(data[position + 12 : position + 12 + length])
            for value in event.summary.value:
                scalars[value.tag].append((event.step, value.simple_value))
            position += 16 + length
    return scalars
