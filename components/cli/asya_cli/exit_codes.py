"""The exit codes of the command line, and the errors that carry them.

CommandError
├── NotFound             the thing asked for is not there, or the envelope failed (1)
├── BadRequest           the command or its input cannot be used                  (2)
├── MeshNotRunning       no mesh, or its broker cannot be reached                 (3)
│   └── GatewayAway      no gateway, or it cannot be reached or has no time       (3)
├── TimedOut             the answer did not come in time                          (4)
├── DeadLettered         what is waited for is a dead letter                      (8)
├── Unknown              the gateway knows no such tool or envelope               (5)
└── NotAllowed           the gateway wants a token, or one that may do more       (7)
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of every command."""

    SUCCESS = 0
    """It did what was asked."""
    FAILED = 1
    """The envelope failed, or what was asked for is not there."""
    USAGE = 2
    """The command line or its input cannot be used."""
    UNREACHABLE = 3
    """No mesh is running, or its broker or the gateway cannot be reached."""
    TIMED_OUT = 4
    """The answer did not come in time; what was sent goes on."""
    UNKNOWN = 5
    """The gateway knows no such tool or envelope (tools, call, status, stream, wait, cancel, why)."""
    CANCELLED = 6
    """The envelope was cancelled (send, result, call, stream, wait)."""
    NOT_ALLOWED = 7
    """The gateway wants a token, or one with more scopes."""
    DEAD_LETTER = 8
    """What is waited for is a dead letter (send, result)."""
    INTERRUPTED = 130
    """Ctrl-C; what was sent goes on."""


class CommandError(Exception):
    """One line of cause and one of cure; a traceback only with ``ASYA_DEBUG``."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(self, cause: str, cure: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.cure = cure


class NotFound(CommandError):
    """The thing asked for is not there."""


class BadRequest(CommandError):
    """The command or its input cannot be used."""

    exit_code = ExitCode.USAGE


class MeshNotRunning(CommandError):
    """No mesh is running here, or its broker cannot be reached."""

    exit_code = ExitCode.UNREACHABLE


class GatewayAway(MeshNotRunning):
    """No gateway is known, or it cannot be reached or has no time for us."""


class TimedOut(CommandError):
    """The answer did not come in time."""

    exit_code = ExitCode.TIMED_OUT


class DeadLettered(CommandError):
    """What is waited for is a dead letter, and ends only when somebody redrives it."""

    exit_code = ExitCode.DEAD_LETTER


class Unknown(CommandError):
    """The gateway knows no such tool or envelope."""

    exit_code = ExitCode.UNKNOWN


class NotAllowed(CommandError):
    """The gateway wants a token, or one that may do more."""

    exit_code = ExitCode.NOT_ALLOWED


def translate(error: Exception) -> CommandError:
    """Turn any error of the rooms below into one with an exit code, a cause and a cure."""
    from asya_local.errors import MeshError
    from asya_protocol.errors import AsyaError, QueueMissing, TransportUnavailable

    match error:
        case CommandError():
            return error
        case TransportUnavailable():
            return MeshNotRunning(
                f"the broker cannot be reached: {error}", "does it run? of a mesh on this machine: asya local status"
            )
        case QueueMissing():
            return NotFound(str(error), "which actors there are, of a mesh on this machine: asya local status")
        case MeshError():
            return CommandError(str(error))
        case AsyaError(fault="user" | "producer"):
            return BadRequest(str(error))
        case AsyaError():
            return CommandError(str(error))
        case _:
            return CommandError(f"{type(error).__name__}: {error}", "ASYA_DEBUG=1 shows where it came from")
