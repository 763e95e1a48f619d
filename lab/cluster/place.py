"""Where one cluster lives: its folder in the checkout, and the names derived from that folder's path.

Everything of a cluster on the machine carries its mark, so what belongs to it can be told without having been recorded,
even after a start that was killed half way.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.checkout import ROOT
from lab.cluster import choice


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of a cluster."""

    folder: Path

    @property
    def mark(self) -> str:
        """The name of its network namespace, control group, CNI network and folder under ``/run``."""
        return "asya-" + hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]

    @property
    def run(self) -> Path:
        """Sockets and the state of containers; short, because a socket's path may have 107 characters at most."""
        return Path("/run") / self.mark

    @property
    def socket(self) -> Path:
        """The socket of containerd."""
        return self.run / "containerd.sock"

    @property
    def netns(self) -> Path:
        """The network namespace that every part runs in."""
        return Path("/run/netns") / self.mark

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    @property
    def host_ip(self) -> Path:
        """Holds this machine's address as pods see it."""
        return self.folder / "host-ip"

    @property
    def kind_marker(self) -> Path:
        """Exists when kind runs this cluster."""
        return self.folder / "kind"

    @property
    def registries(self) -> Path:
        """Where containerd reads how it reaches a registry, each time that it pulls."""
        return self.folder / "registries"

    def log(self, part: str) -> Path:
        """A part's log."""
        return self.folder / "log" / part

    def ctr(self) -> list[str]:
        """The beginning of a command to this cluster's containerd."""
        if self.kind_marker.exists():
            return ["docker", "exec", "-i", f"{self.mark}-control-plane", "ctr", "--namespace", "k8s.io"]
        return ["ctr", "--address", str(self.socket), "--namespace", "k8s.io"]

    def kubectl(self) -> list[str]:
        """The beginning of a kubectl command to this cluster."""
        binary = shutil.which("kubectl") or str(choice.cache_folder() / "bin/kubectl")
        return [binary, "--kubeconfig", str(self.kubeconfig)]


def place() -> Place:
    """The cluster of this checkout; ``ASYA_CLUSTER_DIR`` names another folder."""
    return Place(Path(os.environ.get("ASYA_CLUSTER_DIR") or ROOT / ".asya-cluster").resolve())
