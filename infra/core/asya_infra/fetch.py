"""Downloads published manifests into the cache; the only place that does.

``python -m asya_infra.fetch URL [SHA256]``, or ``--stack NAME`` for what ``Pulumi.NAME.yaml`` in this folder asks for.
"""

import hashlib
import os
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from asya_infra.upstream import cached_path, is_url

LIMIT_S: Final = 60.0
USAGE: Final = "usage: python -m asya_infra.fetch URL [SHA256] | --stack NAME"


def main(argv: Sequence[str]) -> int:
    """Fetch what is named; prints its checksum, to be pinned."""
    if len(argv) == 2 and argv[0] == "--stack":
        wanted = of_stack(Path(f"Pulumi.{argv[1]}.yaml"))
        return fetch(*wanted) if wanted else 0
    if len(argv) in (1, 2) and is_url(argv[0]):
        return fetch(*argv)
    print(USAGE, file=sys.stderr)
    return 2


def of_stack(file: Path) -> tuple[str, str] | None:
    """Read which manifest a stack's file asks for; ``None`` where it asks for no download."""
    document = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    config = (document or {}).get("config") or {}
    source = str(config.get("asya:keda", ""))
    return (source, str(config.get("asya:kedaSha256", ""))) if is_url(source) else None


def fetch(url: str, sha256: str = "") -> int:
    """Download one, unless the cache has it; 1 when it cannot be had, or is not what was pinned."""
    path = cached_path(url)
    if not path.is_file():
        try:
            with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:  # noqa: S310 - is_url lets https alone in
                content = answer.read()
        except OSError as exc:
            print(f"{url} cannot be downloaded ({exc}); set asya:keda to a file's path instead", file=sys.stderr)
            return 1
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(content)
        fresh.replace(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if sha256 and found != sha256.lower():
        path.unlink()
        print(f"{url} hashes to {found}, not to {sha256}; it was thrown away", file=sys.stderr)
        return 1
    print(f"{path}\nsha256 {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
