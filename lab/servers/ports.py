"""Finds free ports of this machine.

They lie below those that the system gives to whoever connects or takes any: one of those may be somebody else's by the time
that a server has started. Each of xdist's workers has ports of its own for the same reason.
"""

import os
import secrets
import socket
from pathlib import Path

_SYSTEM_S_OWN = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _HIGHEST, _WORKERS = 10_000, 32_000, 4
_given: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Find as many, all different."""
    found: list[int] = []
    candidates = _candidates()
    while len(found) < count:
        port = secrets.choice(candidates)
        if port not in _given and _is_free(port):
            _given.add(port)
            found.append(port)
    return found


def free_port() -> int:
    """Find one."""
    return free_ports(1)[0]


def _candidates() -> range:
    try:
        highest = min(_HIGHEST, int(_SYSTEM_S_OWN.read_text(encoding="ascii").split()[0]))
    except (OSError, ValueError):  # no Linux: the system's own begin at 49152
        highest = _HIGHEST
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return range(min(_LOWEST, highest - 5000) + int(worker) % _WORKERS, highest, _WORKERS)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
