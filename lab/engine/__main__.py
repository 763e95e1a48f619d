"""``python -m lab.engine path|build|hosts``: print the folder of the engine, or build the pinned one, or hosts for tests."""

import sys

from lab.engine import other_hosts
from lab.engine.find import build, find
from lab.errors import LabError


def main() -> None:
    """Run one command; a failure is one line, with exit code 1."""
    try:
        if sys.argv[1:] == ["hosts"]:
            print(*(other_hosts.build(language) for language in other_hosts.HOSTS), sep="\n")
        else:
            print(build() if sys.argv[1:] == ["build"] else find())
    except LabError as exc:
        print(f"engine: {exc}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
