"""Manifests that other projects publish (KEDA), from a path or from the cache of downloads. Reading makes no network call.

``python -m asya_infra.fetch URL [SHA256]`` downloads one into the cache, before the engine starts.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from asya_infra.errors import ConfigError

KEDA_URL: Final = "https://github.com/kedacore/keda/releases/download/v2.21.0/keda-2.21.0.yaml"
"""The version that the operator's formula was written for and that the end-to-end tests run."""


def is_url(source: str) -> bool:
    """Whether a source has to be downloaded."""
    return source.startswith("https://")


def cached_path(url: str, environ: Mapping[str, str] | None = None) -> Path:
    """Where a downloaded manifest is kept, outside the checkout."""
    environ = os.environ if environ is None else environ
    root = Path(environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "asya" / "manifests"
    return root / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{url.rpartition('/')[2]}"


def read_upstream(key: str, source: str, sha256: str = "", root: Path | None = None) -> list[dict[str, Any]]:
    """Read every object of a published manifest.

    Args:
        key: Of the setting, for errors.
        source: A path, or a URL that was fetched.
        sha256: What its bytes must hash to; empty trusts them.
        root: Where relative paths start.

    Raises:
        ConfigError: It is not there, not what was meant, or no manifest.
    """
    path = cached_path(source) if is_url(source) else (root or Path()) / Path(source).expanduser()
    if not path.is_file():
        cure = (
            f"download it: python -m asya_infra.fetch {source}"
            if is_url(source)
            else f"set {key} to a file that exists"
        )
        raise ConfigError(key, f"{path} does not exist; {cure}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if sha256 and found != sha256.lower():
        raise ConfigError(
            f"{key}Sha256",
            f"{path} hashes to {found}, not to {sha256}; it is not what was pinned: delete it, or pin anew",
        )
    try:
        documents = [document for document in yaml.safe_load_all(content) if document]
    except yaml.YAMLError as exc:
        raise ConfigError(key, f"{path} is no YAML: {exc}") from None
    flat: list[dict[str, Any]] = []
    for document in documents:
        flat += document["items"] if isinstance(document, dict) and document.get("kind") == "List" else [document]
    if not flat or not all(isinstance(d, dict) and "kind" in d and "metadata" in d for d in flat):
        raise ConfigError(key, f"{path} holds something that is no Kubernetes object")
    return flat
