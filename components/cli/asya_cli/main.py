"""The ``asya`` command: its groups, and the one place where errors become messages and exit codes."""

import os
import sys

import click

from asya_cli.build import build
from asya_cli.call import call
from asya_cli.callbacks import callbacks
from asya_cli.cancel import cancel
from asya_cli.console import Console
from asya_cli.dlq import dlq
from asya_cli.doctor import doctor
from asya_cli.envelope import status, stream, wait
from asya_cli.exit_codes import ExitCode, translate
from asya_cli.init import init
from asya_cli.limits import limits, pause, resume
from asya_cli.local import local
from asya_cli.logs import logs
from asya_cli.migrate import migrate
from asya_cli.replay import replay
from asya_cli.result import result
from asya_cli.send import send
from asya_cli.tools import tools
from asya_cli.top import top
from asya_cli.why import why

EPILOG = """\b
Exit codes: 0 success, 1 the envelope failed or the thing is not there, 2 usage,
3 no mesh is running, or its broker or the gateway cannot be reached, 4 timed out,
5 the gateway knows no such tool or envelope, 6 cancelled, 7 not allowed, 130 Ctrl-C.
ASYA_HOME names the mesh's folder (default .asya); ASYA_DEBUG=1 shows tracebacks."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EPILOG)
@click.version_option(package_name="asya-cli", prog_name="asya")
def asya() -> None:
    """Run, feed and watch a mesh of async actors."""


for command in (
    init,
    build,
    local,
    top,
    send,
    result,
    tools,
    call,
    status,
    stream,
    wait,
    cancel,
    replay,
    why,
    logs,
    dlq,
    callbacks,
    limits,
    pause,
    resume,
    migrate,
    doctor,
):
    asya.add_command(command)


def main() -> None:
    """Run the command line; every error ends here as one line of cause, one of cure and an exit code."""
    try:
        asya.main(standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        # 130 is what a shell expects of a process that Ctrl-C ended.
        sys.exit(130)
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain once more while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.SUCCESS)
    except Exception as error:
        if os.environ.get("ASYA_DEBUG"):
            raise
        known = translate(error)
        Console(as_json="--json" in sys.argv).error(known)
        sys.exit(known.exit_code)
