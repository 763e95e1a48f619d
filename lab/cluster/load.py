"""Put an image archive into the cluster, so that pods find it without a registry."""

import json
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lab.cluster.place import Place
from lab.errors import ClusterError

_NAMES: Final = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
"""Where an archive says its image's name. Docker writes the whole name into the first and the bare tag into the second."""


def load(place: Place, archive: Path, names: Sequence[str] = (), *, quiet: bool = False) -> None:
    """Import an OCI archive under the name that it carries, and under ``names`` too."""
    if not place.kind_marker.exists() and not place.socket.exists():
        raise ClusterError("load", "the cluster is not up: make cluster")
    carried = _carried_name(archive)
    _run([*place.ctr(), "images", "import", "-"], archive)
    for name in names:
        _run([*place.ctr(), "images", "tag", "--force", carried, name])
    if not quiet:
        print(f"cluster: imported {', '.join([carried, *names])}")


def _carried_name(archive: Path) -> str:
    try:
        with tarfile.open(archive) as tar:
            index = tar.extractfile("index.json")
            annotations = json.load(index)["manifests"][0].get("annotations", {}) if index else {}
    except (OSError, tarfile.TarError, KeyError, IndexError, ValueError) as exc:
        raise ClusterError("load", f"{archive} is no OCI archive (docker save writes one from 25.0 on): {exc}") from exc
    name = next((annotations[key] for key in _NAMES if key in annotations), None)
    if name is None:
        raise ClusterError("load", f"{archive} does not say its image's name")
    return str(name)


def _run(argv: list[str], archive: Path | None = None) -> None:
    with (archive or Path("/dev/null")).open("rb") as given:
        done = subprocess.run(argv, stdin=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError("load", f"{' '.join(argv)}: {done.stderr.strip()}")
