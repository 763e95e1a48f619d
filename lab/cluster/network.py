"""The node's network namespace, and the link that joins it to this machine.

Processes, pods, service addresses and packet filter rules all live inside. Deleting the namespace deletes the link and every
rule with it. Pods reach this machine at the link's near end and nothing beyond it.
"""

import json
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

from lab.cluster.place import Place
from lab.errors import ClusterError

_LINKS: Final = IPv4Network("10.213.0.0/16")
"""Each cluster takes a free /30 of this."""


@dataclass(frozen=True, slots=True)
class Link:
    """The two ends of a cluster's link."""

    host: str
    node: str


def create(place: Place) -> Link:
    """Create the namespace and its link."""
    net = _free_network(place)
    link = Link(str(net[1]), str(net[2]))
    near, far = f"{place.mark}h", "eth0"
    for command in (
        f"ip netns add {place.mark}",
        f"ip link add {near} type veth peer name {far} netns {place.mark}",
        f"ip addr add {link.host}/30 dev {near}",
        f"ip link set {near} up",
        f"ip -n {place.mark} addr add {link.node}/30 dev {far}",
        f"ip -n {place.mark} link set lo up",
        f"ip -n {place.mark} link set {far} up",
        f"ip -n {place.mark} route add default via {link.host}",
    ):
        done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ClusterError("network", f"{command}: {done.stderr.strip()}")
    return link


def delete(place: Place) -> None:
    """Delete the namespace and with it the link and all rules; nothing happens when there is none."""
    if place.netns.exists():
        subprocess.run(["ip", "netns", "del", place.mark], check=False)
    # A namespace that a dying process still holds keeps its end of the link for a moment longer.
    subprocess.run(["ip", "link", "del", f"{place.mark}h"], capture_output=True, check=False)


def _free_network(place: Place) -> IPv4Network:
    text = subprocess.run(["ip", "-j", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    taken = {
        IPv4Network(f"{address['local']}/{address['prefixlen']}", strict=False)
        for device in json.loads(text)
        for address in device.get("addr_info", [])
    }
    candidates = list(_LINKS.subnets(new_prefix=30))
    first = int(place.mark.removeprefix("asya-"), 16) % len(candidates)
    for candidate in candidates[first:] + candidates[:first]:
        if not any(candidate.overlaps(network) for network in taken):
            return candidate
    raise ClusterError("network", f"no free network is left in {_LINKS}")
