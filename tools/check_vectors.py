"""Checks that the golden vectors are the pinned ones; ``--write`` pins them again.

The vectors are the wire. Someone who changes one changes what runtimes and sidecars in the field agree on, and says so
by changing ``PINNED.json`` in the same commit.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

VECTORS = Path(__file__).resolve().parents[1] / "components" / "protocol" / "asya_protocol" / "vectors"
PINS = "PINNED.json"


def measure(folder: Path) -> dict[str, str]:
    """Sha256 of every file of vectors, by name."""
    paths = sorted(path for path in folder.glob("*.json") if path.name != PINS)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def compare(pinned: dict[str, str], found: dict[str, str]) -> list[str]:
    """Say, one line each, where the files differ from their pins."""
    lines = [f"{name}: pinned, but not there" for name in pinned.keys() - found.keys()]
    lines += [f"{name}: not pinned" for name in found.keys() - pinned.keys()]
    lines += [
        f"{name}: sha256 {found[name]}, pinned {pinned[name]}"
        for name in pinned.keys() & found.keys()
        if pinned[name] != found[name]
    ]
    return sorted(lines)


def main() -> int:
    """Check or write the pins, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="pin the vectors as they are")
    arguments = parser.parse_args()
    found = measure(VECTORS)
    pins = VECTORS / PINS
    if arguments.write:
        pins.write_text(json.dumps({"sha256": found}, indent=2) + "\n")
        return 0
    try:
        pinned = json.loads(pins.read_text())["sha256"]
    except (FileNotFoundError, KeyError, ValueError) as exc:
        print(f"{pins.name} cannot be read ({exc}); write it with: python tools/check_vectors.py --write")
        return 1
    differences = compare(pinned, found)
    for line in differences:
        print(line)
    if differences:
        print("The wire changed. If that is meant: python tools/check_vectors.py --write")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
