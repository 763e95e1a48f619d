"""Kubernetes' own OpenAPI documents, from its Go module, kept outside the checkout.

``python -m lab.installs.kubernetes_openapi`` fetches all of them before any test waits for one: 4 MB each, and seconds.
"""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from lab.built_once import built_once, cache_root
from lab.cluster import pins
from lab.go import module, source

VERSIONS: Final = ("1.34.4", pins.KUBERNETES, "1.36.3", "1.37.2")
"""The cluster of ``make cluster``, and the newest patch of each other version that charts and manifests must fit."""


def openapi_document(version: str = pins.KUBERNETES) -> Path:
    """The document of a version; fetched once. Skips where Go is missing, fails where CI is set."""
    done = cache_root() / f"kubernetes-openapi-{version}"
    if not done.is_dir() and shutil.which("go") is None:
        reason = "Kubernetes' OpenAPI document comes from its Go module, and Go is not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return built_once(done, lambda half, scratch: _make(version, half, scratch)) / "swagger.json"


def _make(version: str, half: Path, scratch: Path) -> None:
    module(scratch)
    document = source(scratch, f"k8s.io/kubernetes@v{version}") / "api/openapi-spec/swagger.json"
    shutil.copyfile(document, half / document.name)


if __name__ == "__main__":
    for each in VERSIONS:
        print(openapi_document(each))
