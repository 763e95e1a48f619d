"""Cosign, which signs what is in a registry, from Debian's package: its Go module takes an hour of two cores to compile.

``python -m lab.installs.cosign`` fetches it. Debian's testing release keeps one version only; when a newer one has replaced
this, the mirror answers 404 and both lines below are to be renewed.
"""

import hashlib
import platform
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Final

from lab.built_once import built_once, pinned_folder
from lab.installs.debian import mirror

VERSION: Final = "3.1.1-2"
SHA256: Final = "d8622ebffce1d69197288fc030ff06a4c247af5507107f85c5a878870b686b23"
"""Source: https://packages.debian.org/forky/amd64/cosign/download"""


def cosign() -> Path:
    """The folder that holds the program and nothing else, for a PATH; fetched once, 30 MB.

    Raises:
        RuntimeError: This machine cannot have it; says why.
    """
    if platform.machine() != "x86_64" or shutil.which("dpkg-deb") is None:
        raise RuntimeError("cosign is taken from Debian's package for amd64; put a cosign of your own on PATH")
    return built_once(pinned_folder(f"cosign-{VERSION}", (Path(__file__),)), _make)


def _make(half: Path, scratch: Path) -> None:
    package = scratch / f"cosign_{VERSION}_amd64.deb"
    url = f"{mirror()}pool/main/c/cosign/{package.name}"
    with urllib.request.urlopen(url, timeout=120) as answer:  # noqa: S310 - the mirror of apt, and the sum decides
        package.write_bytes(answer.read())
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found != SHA256:
        raise RuntimeError(f"{package.name} has the sum {found}, not {SHA256}")
    subprocess.run(["dpkg-deb", "--extract", str(package), str(scratch / "root")], check=True)
    shutil.copy2(scratch / "root/usr/bin/cosign", half / "cosign")


if __name__ == "__main__":
    print(cosign())
