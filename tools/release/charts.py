"""Charts as archives and as OCI artefacts, with the images of the registry that they are released to."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lab.checkout import ROOT
from lab.errors import LabError
from lab.installs.helm import VERSIONS
from lab.installs.helm import helm as built_helm

FOLDER: Final = ROOT / "deploy" / "helm-charts"
REPOSITORY: Final = "charts"
"""Below the registry's path: ``oci://REGISTRY/charts/asya-operator``."""


def package(version: str, images: Mapping[str, str], folder: Path) -> list[Path]:
    """Make an archive of every chart.

    Args:
        version: Of the charts and of what they install.
        images: Room, and its image by tag and digest; what is missing keeps the name that values.yaml has.
        folder: Where the archives go.

    Raises:
        LabError: Helm refuses a chart.
    """
    made = []
    for chart in sorted(path.parent for path in FOLDER.glob("*/Chart.yaml")):
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(shutil.copytree(chart, Path(scratch) / chart.name))
            values = copy / "values.yaml"
            values.write_text(with_images(values.read_text(encoding="utf-8"), chart.name, images), encoding="utf-8")
            helm("package", str(copy), "--version", version, "--app-version", version, "--destination", str(folder))
        made.append(folder / f"{chart.name}-{version}.tgz")
    return made


def push(archive: Path, registry: str) -> str:
    """Push a chart, and return it by its digest."""
    plain = ["--plain-http"] if registry.startswith(("localhost:", "127.0.0.1:")) else []
    target = f"{registry}/{REPOSITORY}"
    said = helm("push", str(archive), f"oci://{target}", *plain)
    digest = re.search(r"sha256:[0-9a-f]{64}", said)
    if digest is None:
        raise LabError(f"helm push {archive.name} told no digest: {said.strip()[-500:]}")
    return f"{target}/{archive.name.rpartition('-')[0]}@{digest[0]}"


def with_images(text: str, chart: str, images: Mapping[str, str]) -> str:
    """A chart's values with the images that it is released with, and everything else, comments too, as it was. Pure."""
    own = images.get(chart.removeprefix("asya-"), "")
    if own:
        repository, _, tag = _cut(own)
        text = re.sub(rf"^(  repository:) {chart}$", rf"\1 {repository}", text, flags=re.MULTILINE)
        text = re.sub(r'^(  tag:) ""', rf'\1 "{tag}"', text, count=1, flags=re.MULTILINE)
    if chart == "asya-operator" and "sidecar" in images:
        text = re.sub(
            r'^(sidecar:\n  image:) ""', rf'\1 "{"".join(_cut(images["sidecar"]))}"', text, flags=re.MULTILINE
        )
    return text


def _cut(image: str) -> tuple[str, str, str]:
    """Repository and tag of an image; a port is none. The digest stays with the tag: it is what decides."""
    name, at, digest = image.partition("@")
    path, slash, last = name.rpartition("/")
    repository, colon, tag = last.partition(":")
    return f"{path}{slash}{repository}", colon, f"{tag}{at}{digest}"


def helm(*arguments: str) -> str:
    """Run the Helm of this machine, or the one that tests build; what it said.

    Raises:
        LabError: It failed; holds its own last words.
    """
    program = shutil.which("helm") or str(built_helm(max(VERSIONS)))
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, env={**os.environ, "HELM_DEBUG": "false"}
    )
    if done.returncode != 0:
        raise LabError(f"helm {' '.join(arguments[:2])}: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout + done.stderr
