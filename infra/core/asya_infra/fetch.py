"""Downloads a published manifest into the cache: ``python -m asya_infra.fetch URL [SHA256]``. The only place that does."""

import hashlib
import os
import sys
import urllib.request
from collections.abc import Sequence
from typing import Final

from asya_infra.upstream import cached_path, is_url

LIMIT_S: Final = 60.0


def main(argv: Sequence[str]) -> int:
    """Fetch one; prints its checksum, to be pinned."""
    if len(argv) not in (1, 2) or not is_url(argv[0]):
        print("usage: python -m asya_infra.fetch URL [SHA256]", file=sys.stderr)
        return 2
    url, wanted = argv[0], (argv[1].lower() if len(argv) == 2 else "")
    path = cached_path(url)
    if not path.is_file():
        try:
            with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:  # noqa: S310 - is_url allows http and https only
                content = answer.read()
        except OSError as exc:
            print(
                f"{url} cannot be downloaded ({exc}); give a path instead of it, or go on where the network allows it",
                file=sys.stderr,
            )
            return 1
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(content)
        fresh.replace(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{path}\nsha256 {found}")
    if wanted and found != wanted:
        path.unlink()
        print(f"{url} hashes to {found}, not to {wanted}; it was thrown away", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
