"""``python -m tools.stack up|preview|down|pulumi``: what `make up` and its neighbours run."""

import argparse
import shlex
import sys

from tools.stack.errors import StackError
from tools.stack.run import Request, run


def main() -> None:
    """Run one command; what cannot be run is told in one line, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.stack", description=__doc__)
    parser.add_argument("command", choices=("up", "preview", "down", "pulumi"))
    parser.add_argument("--env", default="", help="the environment: NAME of a file Pulumi.NAME.yaml")
    parser.add_argument("--profile", default="", help="sqs-s3 or rabbitmq-minio")
    parser.add_argument("--arguments", default="", help="further arguments of the engine, as a shell would split them")
    given = parser.parse_args()
    request = Request(given.command, given.env, given.profile, tuple(shlex.split(given.arguments)))
    try:
        sys.exit(run(request))
    except StackError as exc:
        print(f"stack: {exc}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
