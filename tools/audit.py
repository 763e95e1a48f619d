"""``make audit``: known holes in every locked package, by pip-audit, and in images, by the scanner that is here.

Advisories come from the package index (PyPI serves them with each release; a mirror may not). What could not be looked up
is named, and counts as a failure: silence is no answer.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from asya_local.localstack import LOCKED, cache_folder, find_uv
from lab.checkout import ROOT

PIP_AUDIT: Final = "pip-audit==2.10.1"
SCANNERS: Final[Mapping[str, Sequence[str]]] = {
    "trivy": ("image", "--exit-code", "1", "--severity", "HIGH,CRITICAL", "--ignore-unfixed"),
    "grype": ("--fail-on", "high", "--only-fixed"),
}
"""Scanners of images, best first, and what makes each fail."""


def main(images: Sequence[str]) -> int:
    """Look all of it up; 1 when there is a hole, or something could not be looked up."""
    uv = find_uv(cache_folder())
    if uv is None:
        print("audit: uv is not here; run: make setup", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="asya-audit-") as folder:
        ours = Path(folder, "locked.txt")
        export = [uv, "export", "--quiet", "--locked", "--all-packages", "--no-emit-workspace", "--no-header"]
        subprocess.run([*export, "--no-annotate", "-o", str(ours)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        troubles = [line for file in (ours, *LOCKED.values()) for line in _audited(uv, file)]
    for line in troubles:
        print(f"audit: {line}")
    failed = [image for image in images if not _scanned(image)]
    print(
        f"audit: {len(troubles)} packages and {len(failed)} images to look at"
        if troubles or failed
        else "audit: nothing known"
    )
    return 1 if troubles or failed else 0


def _audited(uv: str, requirements: Path) -> list[str]:
    argv = [
        uv,
        "tool",
        "run",
        "--quiet",
        "--from",
        PIP_AUDIT,
        "pip-audit",
        "--disable-pip",
        "--no-deps",
        "--format",
        "json",
    ]
    done = subprocess.run([*argv, "-r", str(requirements)], capture_output=True, text=True, check=False)
    try:
        return told(json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError):
        return [f"pip-audit did not answer for {requirements.name}: {done.stderr.strip()[-300:]}"]


def told(dependencies: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for each package with a hole or without an answer, from pip-audit's JSON. Pure."""
    lines = []
    for each in dependencies:
        if "skip_reason" in each:
            lines.append(f"{each['name']}: not looked up: {each['skip_reason']}")
        for hole in each.get("vulns", ()):
            fixed = ", ".join(hole.get("fix_versions") or ()) or "no version yet"
            lines.append(f"{each['name']} {each['version']}: {hole['id']}, mended in {fixed}")
    return lines


def _scanned(image: str) -> bool:
    for scanner, options in SCANNERS.items():
        if shutil.which(scanner):
            return subprocess.run([scanner, *options, image], check=False).returncode == 0
    print(f"audit: {image} was not scanned: neither {' nor '.join(SCANNERS)} is on PATH", file=sys.stderr)
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
