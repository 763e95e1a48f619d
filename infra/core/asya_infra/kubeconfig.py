"""Reads a kubeconfig from a file: enough to say at once what would fail later. No network."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from asya_infra.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """A kubeconfig.

    Attributes:
        text: Its content; it holds credentials.
        context: The context that is used.
        server: URL of that context's API server.
    """

    text: str
    context: str
    server: str


def read_kubeconfig(path: str, context: str, environ: Mapping[str, str] | None = None) -> Kubeconfig:
    """Read the kubeconfig that a stack means.

    Args:
        path: The file; empty takes ``$KUBECONFIG``, then ``~/.kube/config``.
        context: Empty takes the current one.
        environ: In place of the process's environment.

    Raises:
        ConfigError: There is none, it cannot be read, or it lacks the context.
    """
    environ = os.environ if environ is None else environ
    file = Path(path or environ.get("KUBECONFIG") or "~/.kube/config").expanduser()
    cure = "name one: pulumi config set asya:kubeconfig /path/to/kubeconfig"
    try:
        text = file.read_text(encoding="utf-8")
        document = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError("asya:kubeconfig", f"{file} cannot be read ({exc}); {cure}") from None
    except yaml.YAMLError:
        raise ConfigError("asya:kubeconfig", f"{file} is no YAML; {cure}") from None
    contexts = _named(document, "contexts", "context")
    chosen = context or (document.get("current-context") if isinstance(document, dict) else None) or ""
    if chosen not in contexts:
        known = ", ".join(sorted(contexts)) or "none"
        raise ConfigError("asya:context", f"{chosen!r} is no context of {file} (it has: {known}); {cure}")
    cluster = _named(document, "clusters", "cluster").get(str(contexts[chosen].get("cluster")), {})
    server = str(cluster.get("server") or "")
    if not server.startswith(("https://", "http://")):
        raise ConfigError("asya:kubeconfig", f"context {chosen!r} of {file} names no API server; {cure}")
    return Kubeconfig(text, chosen, server)


def _named(document: object, key: str, inner: str) -> dict[str, dict[str, object]]:
    entries = document.get(key) if isinstance(document, dict) else None
    return {
        str(entry["name"]): entry[inner]
        for entry in entries or ()
        if isinstance(entry, dict) and "name" in entry and isinstance(entry.get(inner), dict)
    }
