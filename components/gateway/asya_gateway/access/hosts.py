"""Which host names can be no stranger's, so that a page's DNS rebinding cannot have led here. Pure.

Facts: RFC 6761 (special names), RFC 6762 (`.local`).
"""

import ipaddress
from typing import Final

PRIVATE: Final = frozenset({"localhost", "svc", "local", "internal", "test", "home", "lan"})
"""Last labels that public name servers do not give out, e.g. of `gateway.asya-system.svc.cluster.local`."""


def is_ours(host: str) -> bool:
    """Return whether a host is an address, or a name that no public name server can point here."""
    return _is_address(host) or _is_private(host)


def _is_address(host: str) -> bool:
    """Return whether a host is an IP address: it needs no name, so DNS rebinding is impossible."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_private(host: str) -> bool:
    """Return whether a host's name cannot be a stranger's: it has one label, or a last one that is not public."""
    return bool(host) and ("." not in host or host.rpartition(".")[2] in PRIVATE)
