"""Kubernetes' own OpenAPI document, from its Go module, kept outside the checkout.

``python -m lab.installs.kubernetes_openapi`` fetches it before any test waits for it.
"""

import os
import shutil
from pathlib import Path

import pytest

from lab.built_once import built_once, cache_root
from lab.cluster import pins
from lab.go import module, source


def openapi_document() -> Path:
    """The document of the pinned Kubernetes; fetched once, 22 MB. Skips where Go is missing, fails where CI is set."""
    done = cache_root() / f"kubernetes-openapi-{pins.KUBERNETES}"
    if not done.is_dir() and shutil.which("go") is None:
        reason = "Kubernetes' OpenAPI document comes from its Go module, and Go is not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return built_once(done, _make) / "swagger.json"


def _make(half: Path, scratch: Path) -> None:
    module(scratch)
    document = source(scratch, f"k8s.io/kubernetes@v{pins.KUBERNETES}") / "api/openapi-spec/swagger.json"
    shutil.copyfile(document, half / document.name)


if __name__ == "__main__":
    print(openapi_document())
