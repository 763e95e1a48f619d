"""Take the cluster down and leave nothing of it: no process, mount, namespace, link, rule, group or file.

Everything is found by the cluster's mark and folder, not by a record, so this also cleans up after a start that was
killed. Nothing that is not the cluster's is ever touched.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from lab.cluster import groups, kind, network
from lab.cluster.place import Place
from lab.errors import ClusterError

_CNI_RESULTS: Final = Path("/var/lib/cni/results")
_LOG_LINKS: Final = Path("/var/log/containers")


def down(place: Place, *, quiet: bool = False) -> None:
    """Remove the cluster; safe when there is none."""
    if place.kind_marker.exists():
        kind.down(place)
    present = place.folder.exists() or place.run.exists() or place.netns.exists()
    if present and os.geteuid() == 0:
        _remove(place)
    if place.folder.exists():
        shutil.rmtree(place.folder)
    if not quiet:
        print("cluster: down, and nothing of it is left" if present else "cluster: is not up")


def _remove(place: Place) -> None:
    left = groups.end(place)
    if left:
        raise ClusterError("down", f"processes {sorted(left)} do not end; nothing else was removed")
    for address in place.run.glob("containerd/io.containerd.runtime.v2.task/*/*/address"):
        Path(address.read_text(encoding="utf-8").removeprefix("unix://")).unlink(missing_ok=True)
    for mount in _mounts(place):
        subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
    if still := _mounts(
        place
    ):  # What lies behind a mount may be somebody's data: better leave files than delete those.
        raise ClusterError("down", f"cannot be unmounted: {', '.join(still)}")
    network.delete(place)
    for result in _CNI_RESULTS.glob("*"):
        if f"{place.run}/" in result.read_text(encoding="utf-8"):
            result.unlink()
    for link in _LOG_LINKS.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{place.folder}/"):
            link.unlink()
    shutil.rmtree(place.run, ignore_errors=True)


def _mounts(place: Place) -> list[str]:
    """The mount points inside the cluster's folders, the innermost first."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    points = [line.split(" ")[1].encode().decode("unicode_escape") for line in lines]
    ours = [point for point in points if point.startswith((f"{place.folder}/", f"{place.run}/"))]
    return sorted(ours, key=len, reverse=True)
