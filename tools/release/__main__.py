"""Build a release into a folder, and push it to what is given: ``make release VERSION=0.2.0 REGISTRY=ghcr.io/acme/asya``.

Without a registry nothing leaves this machine, and no image is built. INDEX is the upload URL of a package index, whose
credentials are those that uv reads (UV_PUBLISH_USERNAME, UV_PUBLISH_PASSWORD or UV_PUBLISH_TOKEN). With cosign on PATH all of
it is signed (``signatures.py``). RELEASE_BUILDER is the URI of what builds it, for the provenance. Running it again builds the
same once more.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from lab.checkout import ROOT
from lab.errors import LabError
from lab.images.catalogue import IMAGES
from lab.images.packages import MACHINES
from lab.images.publish import own_version, publish, tagged
from lab.installs.uv import uv
from tools.release import charts, packages, provenance
from tools.release.signatures import sign

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
    (commit, changed), began = provenance.commit_and_changes(), datetime.now(UTC)
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
    typed = {"version": version, "images": images, "architectures": architectures}
    source = provenance.Source(commit, changed, _sum(ROOT / "uv.lock"))
    where_from = _say_where_from(target, told, source, typed, began)
    sums = target / "SHA256SUMS"
    sums.write_text("".join(f"{digest}  {name}\n" for name, digest in _sums(target).items()), encoding="utf-8")
    beside = {name: {"slsaprovenance1": where_from} for name in told}
    for room, name in pushed.items():
        beside[name]["cyclonedx"] = target / "sbom" / f"asya-{room}.cdx.json"
    sign(told, beside, sums)
    if index:
        uv("publish", "--publish-url", index, *map(str, wheels))
    return target


def _say_where_from(
    target: Path, told: list[str], source: provenance.Source, typed: Mapping[str, object], began: datetime
) -> Path:
    """Write the provenance, and the statement that ties it to every file and all that was pushed; the first's file."""
    builder = os.environ.get("RELEASE_BUILDER") or provenance.BY_HAND
    said = provenance.predicate(source, typed, builder, began, datetime.now(UTC))
    pushed = {name: digest for name, _, digest in (each.partition("@sha256:") for each in told)}
    statement = provenance.statement(_sums(target) | pushed, said)
    _write(target / "provenance.intoto.json", statement)
    _write(target / "provenance.json", said)
    return target / "provenance.json"


def _sums(target: Path) -> dict[str, str]:
    """The sum of each file, by its path from the folder: what `sha256sum --check SHA256SUMS` compares."""
    return {str(path.relative_to(target)): _sum(path) for path in sorted(target.rglob("*")) if path.is_file()}


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
