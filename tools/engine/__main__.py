"""``python -m tools.engine path|build``: print the folder of the engine, or build the pinned one."""

import sys

from tools.engine.errors import EngineError
from tools.engine.find import build, find


def main() -> None:
    """Run one command; a failure is told in words, with exit code 1."""
    try:
        print(build() if sys.argv[1:] == ["build"] else find())
    except EngineError as exc:
        print(f"engine: {exc}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
