"""Ports of this machine that nobody listens on."""

import socket


def free_ports(count: int) -> list[int]:
    """Find as many, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in sockets]
    finally:
        for probe in sockets:
            probe.close()


def free_port() -> int:
    """Find one."""
    return free_ports(1)[0]
