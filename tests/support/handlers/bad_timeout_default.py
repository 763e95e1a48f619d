"""A module of a user that changes a default of the whole process."""

import socket

socket.setdefaulttimeout(0.05)


def process(payload):
    return payload
