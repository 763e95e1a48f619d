"""``python -m lab.cluster build|up|down|load ARCHIVE``: what ``make cluster`` and its neighbours run."""

import argparse
import sys
from pathlib import Path

from lab.cluster.place import place
from lab.errors import ClusterError, LabError


def main() -> None:
    """Run one command; a failure is one line, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m lab.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the parts, once per machine and set of pins")
    commands.add_parser("up", help="start the cluster and wait until it is ready")
    commands.add_parser("down", help="stop it and remove all that it left on the machine")
    loading = commands.add_parser("load", help="import an image archive into the running cluster")
    loading.add_argument("archive", type=Path)
    loading.add_argument("names", nargs="*", help="further names for the image")
    arguments = parser.parse_args()
    try:
        _run(arguments)
    except LabError as exc:
        print(f"cluster: {exc}", file=sys.stderr)
        _tell_more(exc.part if isinstance(exc, ClusterError) else "build")
        sys.exit(1)


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "build":
        from lab.cluster.build import build, install_packages

        install_packages()
        print(f"cluster: its parts are in {build()}")
    elif arguments.command == "up":
        from lab.cluster.up import up

        up(place())
    elif arguments.command == "down":
        from lab.cluster.down import down

        down(place())
    else:
        from lab.cluster.load import load

        load(place(), arguments.archive, arguments.names)


def _tell_more(part: str) -> None:
    log = place().log(part)
    if log.exists():
        print(f"cluster: the end of {log}:", file=sys.stderr)
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]:
            print(f"    {line[:300]}", file=sys.stderr)
    print("cluster: mend that and run `make cluster` again; `make cluster-down` removes what is left", file=sys.stderr)


if __name__ == "__main__":
    main()
