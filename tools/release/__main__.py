"""Build a release into a folder, and push it to what is given: ``make release VERSION=0.2.0 REGISTRY=ghcr.io/acme/asya``.

Without a registry nothing leaves this machine, and no image is built. INDEX is the upload URL of a package index, whose
credentials are those that uv reads (UV_PUBLISH_USERNAME, UV_PUBLISH_PASSWORD or UV_PUBLISH_TOKEN). With cosign on PATH, images
and charts are signed by their digests, in the name of whoever is logged in there; COSIGN_ARGS holds further arguments of
``cosign sign``, such as ``--key awskms:///alias/asya``. Running it again builds the same once more.
"""

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from lab.checkout import ROOT
from lab.errors import LabError
from lab.images.catalogue import IMAGES
from lab.images.packages import MACHINES
from lab.images.publish import own_version, publish, tagged
from lab.installs.uv import uv
from tools.release import charts, packages

FOLDER: Final = ROOT / ".artifacts" / "release"


def main() -> None:
    """Release; a failure is one line, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.add_argument("version", help="as in every pyproject.toml")
    parser.add_argument("--registry", default="", help="host, port and path for images and charts")
    parser.add_argument("--index", default="", help="upload URL of a package index")
    parser.add_argument("--images", nargs="*", default=[image.room for image in IMAGES], help="which (default: all)")
    parser.add_argument("--architectures", nargs="*", default=list(MACHINES), choices=list(MACHINES))
    chosen = parser.parse_args()
    try:
        folder = release(
            chosen.version,
            chosen.registry,
            images=chosen.images,
            architectures=chosen.architectures,
            index=chosen.index,
        )
    except LabError as exc:
        print(f"release: {exc}", file=sys.stderr)
        sys.exit(1)
    print(f"release: {folder}")


def release(
    version: str, registry: str, *, images: list[str], architectures: list[str], index: str = "", folder: Path = FOLDER
) -> Path:
    """Build everything, then push everything; the folder that holds it.

    Raises:
        LabError: The checkout has another version, something cannot be built, or somebody refuses it.
    """
    if version != own_version():
        raise LabError(
            f"this checkout is {own_version()}, not {version!r}; set the version in every pyproject.toml first"
        )
    target = folder / version
    shutil.rmtree(target, ignore_errors=True)
    for part in ("wheels", "charts", "sbom"):
        (target / part).mkdir(parents=True)
    wheels = packages.build_wheels(target / "wheels")
    packages.write_bills(target / "sbom")
    # The digests of the images stand in the charts, so that they are pushed first.
    pushed = publish(registry, version, images, architectures) if registry and images else {}
    by_tag = {room: tagged(image, version) for room, image in pushed.items()}
    archives = charts.package(version, by_tag, target / "charts")
    told = [*pushed.values(), *(charts.push(archive, registry) for archive in archives if registry)]
    (target / "pushed.txt").write_text("".join(f"{each}\n" for each in told), encoding="utf-8")
    sign(told)
    if index:
        uv("publish", "--publish-url", index, *map(str, wheels))
    _sum_up(target)
    return target


def sign(names: list[str]) -> None:
    """Sign images and charts, by digest, with cosign where it is.

    Raises:
        LabError: It refuses; holds its own last words.
    """
    program = shutil.which("cosign")
    if program is None:
        print("release: nothing is signed: cosign is not on PATH")
        return
    # All that an index leads to is signed too: a node that pulls one architecture by its digest checks that one's signature.
    argv = [program, "sign", "--yes", "--recursive", *shlex.split(os.environ.get("COSIGN_ARGS", ""))]
    for name in names:
        done = subprocess.run([*argv, name], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"cosign sign {name}: {done.stderr.strip()[-1500:]}")


def _sum_up(target: Path) -> None:
    """Write the sums that `sha256sum --check SHA256SUMS` compares."""
    files = sorted(path for path in target.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(target)}\n" for path in files]
    (target / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
