"""Let the cluster's node pull from a registry of this machine, by the name that this machine has for it."""

import subprocess

from lab.cluster.place import Place
from lab.errors import ClusterError

_OF_KIND = "/etc/containerd/certs.d"
"""Where nodes of kind 0.27 and newer look (kind.sigs.k8s.io/docs/user/local-registry); not run here, as all of kind."""


def lead(place: Place, registry: str, url: str) -> None:
    """Lead pulls of images named ``registry/...`` to ``url``; containerd reads it with the next pull.

    The format: https://github.com/containerd/containerd/blob/main/docs/hosts.md.

    Args:
        place: The cluster, which is up.
        registry: Host and port, as they stand in names of images.
        url: Where the node reaches it, such as ``http://10.213.0.1:5000``.
    """
    text = f'server = "{url}"\n[host."{url}"]\ncapabilities = ["pull", "resolve"]\n'
    if not place.kind_marker.exists():
        folder = place.registries / registry
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts.toml").write_text(text, encoding="utf-8")
        return
    write = f"mkdir -p {_OF_KIND}/{registry} && cat > {_OF_KIND}/{registry}/hosts.toml"
    argv = ["docker", "exec", "-i", f"{place.mark}-control-plane", "sh", "-c", write]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError("registry", done.stderr.strip()[-800:])
