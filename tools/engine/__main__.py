"""``python -m tools.engine path|build|yaml``: print the folder of the engine, or build the pinned one, or its YAML host."""

import sys

from tools.engine import yaml_host
from tools.engine.errors import EngineError
from tools.engine.find import build, find

_COMMANDS = {"path": find, "build": build, "yaml": yaml_host.build}


def main() -> None:
    """Run one command; a failure is told in words, with exit code 1."""
    try:
        print(_COMMANDS[sys.argv[1] if sys.argv[1:] else "path"]())
    except EngineError as exc:
        print(f"engine: {exc}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
